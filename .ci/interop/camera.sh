#!/usr/bin/env bash
# Real RTSP clients against the rehearsal camera: ffmpeg and GStreamer, over TCP and UDP, with and without a password.
# Needs apt (Debian, Ubuntu) or the tools already installed.
set -euo pipefail
cd "$(dirname "$0")/../.."
source .ci/build.bash

if ! command -v ffprobe >/dev/null || ! gst-inspect-1.0 rtspsrc >/dev/null 2>&1 || ! gst-inspect-1.0 avdec_h264 >/dev/null 2>&1; then
    run=$([ "$(id -u)" = 0 ] || echo sudo)
    $run apt-get update -q
    $run apt-get install -y -q --no-install-recommends ffmpeg gstreamer1.0-tools gstreamer1.0-plugins-base \
        gstreamer1.0-plugins-good gstreamer1.0-plugins-bad gstreamer1.0-libav
fi

build - --example camera
program=$built/examples/camera
folder=$(mktemp -d)
camera=
failed=0

stop() {
    [ -z "$camera" ] || kill "$camera" 2>/dev/null || true
    [ -z "$camera" ] || wait "$camera" 2>/dev/null || true
    camera=
}
trap 'stop; rm -rf "$folder"' EXIT

# start SCHEME: serves on a free port and sets $url.
start() {
    stop
    rm -f "$folder/camera.log"
    : >"$folder/camera.log"
    "$program" 0 120 "$1" >"$folder/camera.log" 2>&1 &
    camera=$!
    for _ in $(seq 50); do
        url=$(head -n 1 "$folder/camera.log")
        [ -n "$url" ] && return
        sleep 0.1
    done
    echo "the camera did not start: $(cat "$folder/camera.log")" >&2
    exit 1
}

# expect NAME WANTED GOT
expect() {
    if [ "$2" = "$3" ]; then
        echo "ok      $1"
    else
        echo "FAILED  $1: got '$3', wanted '$2'"
        failed=1
    fi
}

for scheme in none basic digest; do
    start "$scheme"
    login=$url
    [ "$scheme" = none ] || login=${url/rtsp:\/\//rtsp:\/\/lab:mice@}
    for transport in tcp udp; do
        what="$scheme over $transport"
        got=$(timeout 30 ffprobe -v error -rtsp_transport "$transport" -of csv=p=0 \
            -show_entries stream=codec_name,profile,width,height,pix_fmt,color_range,color_space,r_frame_rate,has_b_frames "$login" || true)
        expect "ffprobe, $what" "h264,Constrained Baseline,640,480,0,yuv420p,tv,smpte170m,30/1" "$got"
        # Frames that decode without a complaint.
        got=$(timeout 30 ffmpeg -v warning -rtsp_transport "$transport" -i "$login" -frames:v 60 -f framemd5 - 2>&1 |
            grep -vc '^#' || true)
        expect "ffmpeg, 60 frames and no complaint, $what" 60 "$got"
        got=$(timeout 30 gst-launch-1.0 -v rtspsrc location="$login" protocols="$transport" latency=0 ! rtph264depay ! h264parse ! \
            avdec_h264 ! identity silent=false ! fakesink num-buffers=60 2>&1 | grep -c 'chain ' || true)
        # The frame after the last may already be counted.
        expect "gstreamer, 60 frames, $what" yes "$([ "$got" -ge 60 ] && echo yes || echo "$got")"
    done
    if [ "$scheme" != none ]; then
        got=$(timeout 30 ffprobe -v error "$url" 2>&1 | grep -o -m 1 '401 Unauthorized' || true)
        expect "ffprobe without the password, $scheme" "401 Unauthorized" "$got"
    fi
done

# A client that is not read for a while must not hurt the others.
start none
timeout 60 ffmpeg -v error -rtsp_transport tcp -i "$url" -f null - 2>/dev/null &
slow=$!
sleep 1
kill -STOP "$slow"
got=$(timeout 30 ffmpeg -v warning -rtsp_transport tcp -i "$url" -frames:v 90 -f framemd5 - 2>&1 | grep -vc '^#' || true)
expect "ffmpeg beside a stopped client" 90 "$got"
kill -KILL "$slow"
wait "$slow" 2>/dev/null || true

exit "$failed"
