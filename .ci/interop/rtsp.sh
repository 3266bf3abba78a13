#!/bin/bash
# Plays RTSP servers that are nobody of ours to the source: gst-rtsp-server, VLC and, when asked for, live555.
#
#   .ci/interop/rtsp.sh              about three minutes; installs what is missing with apt (Debian 12 or later, as root)
#   LIVE555=1 .ci/interop/rtsp.sh    also makes a folder with a newer Debian for live555MediaServer (mmdebstrap; port 554)
set -euo pipefail
cd "$(dirname "$0")/../.."
source .ci/build.bash

packages="ffmpeg python3-gi gir1.2-gst-rtsp-server-1.0 gir1.2-gst-plugins-base-1.0 gstreamer1.0-plugins-base
  gstreamer1.0-plugins-good gstreamer1.0-plugins-bad gstreamer1.0-plugins-ugly gstreamer1.0-rtsp vlc-bin vlc-plugin-base"
# shellcheck disable=SC2086
if ! dpkg -s $packages >/dev/null 2>&1; then
  apt-get update -q && apt-get install -y -q --no-install-recommends $packages
fi

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

if [ -n "${LIVE555:-}" ]; then
  command -v mmdebstrap >/dev/null || apt-get install -y -q --no-install-recommends mmdebstrap
  mirror=$(awk '/^URIs:/{print $2; exit}' /etc/apt/sources.list.d/debian.sources 2>/dev/null || true)
  if mmdebstrap --quiet --variant=apt --aptopt='Acquire::Check-Valid-Until "false"' \
    --include=ca-certificates,livemedia-utils forky "$folder/live555" ${mirror:+"$mirror"}; then
    export RTSP_LIVE555=$folder/live555
  else
    echo "skip live555: a newer Debian cannot be made here"
  fi
fi

build - --example probe
/usr/bin/python3 .ci/interop/rtsp.check.py "$built/examples/probe" "$folder"
