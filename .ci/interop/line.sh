#!/usr/bin/env bash
# The whole daemon between peers that are nobody of ours: gst-rtsp-server, mosquitto, pandas, DuckDB. Needs target/release/arenad.
set -euo pipefail
cd "$(dirname "$0")/../.."
packages="ffmpeg mosquitto mosquitto-clients python3-venv python3-gi gir1.2-gst-rtsp-server-1.0 gir1.2-gst-plugins-base-1.0
  gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-plugins-bad gstreamer1.0-rtsp"
# shellcheck disable=SC2086
dpkg -s $packages >/dev/null 2>&1 || {
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $packages
}
work=$(mktemp -d -t arenad-line-XXXXXX)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check pandas pyarrow duckdb
WORK="$work" "$work/venv/bin/python" .ci/interop/line.check.py
