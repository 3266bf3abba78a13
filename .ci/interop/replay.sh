#!/usr/bin/env bash
# Replays recordings with B-frames and counts: each picture that ffprobe counts is a scene. Needs target/release/arenad.
# Usage: replay.sh [a recording of one's own]…
set -euo pipefail
cd "$(dirname "$0")/../.."
command -v ffmpeg >/dev/null || {
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends ffmpeg
} >&2
arenad=${ARENAD:-target/release/arenad}
work=$(mktemp -d -t arenad-replay-XXXXXX)
trap 'rm -rf "$work"' EXIT
failed=0

replay() { # recording
    rm -rf "$work/out"
    local wanted got
    wanted=$(ffprobe -v error -count_frames -select_streams v:0 -show_entries stream=nb_read_frames -of csv=p=0 "$1")
    "$arenad" --log warn replay "$1" -o "$work/out" >"$work/log" 2>&1 || { cat "$work/log"; failed=1; }
    got=$(sed -n 's/.* access units: \([0-9]*\) scenes.*/\1/p' "$work/log")
    # poses.csv has four lines of head.
    if [ "$wanted" = "$got" ] && [ "$(tail -n +5 "$work/out/poses.csv" | wc -l)" = "$got" ]; then
        echo "ok      $(basename "$1"): $got scenes"
    else
        echo "FAILED  $(basename "$1"): $got scenes of $wanted frames" && cat "$work/log" && failed=1
    fi
}

ffmpeg -nostdin -v error -f lavfi -i testsrc2=s=640x480:r=30 -frames:v 120 -pix_fmt yuv420p -c:v libx264 -profile:v high -bf 3 "$work/b.mp4"
ffmpeg -nostdin -v error -f lavfi -i testsrc2=s=320x240:r=25 -frames:v 75 -pix_fmt yuv420p -c:v libx264 -bf 2 \
    -x264-params open-gop=1:keyint=20 "$work/open-gop.mp4"
for recording in "$work/b.mp4" "$work/open-gop.mp4" "$@"; do
    replay "$recording"
done

# The same input gives the same bytes.
"$arenad" --log warn replay "$work/b.mp4" -o "$work/one" >/dev/null
"$arenad" --log warn replay "$work/b.mp4" -o "$work/two" >/dev/null
if diff -r "$work/one" "$work/two" >/dev/null; then
    echo "ok      twice the same bytes"
else
    echo "FAILED  twice the same bytes" && failed=1
fi
exit $failed
