#!/usr/bin/env bash
# Decodes clips of x264 and x265 and compares each picture with libavcodec's, bit for bit. Needs ffmpeg (installed where missing).
# Usage: decode.sh [a video to compare as well]…
set -euo pipefail
cd "$(dirname "$0")/../.."
source .ci/build.bash
command -v ffmpeg >/dev/null || { apt-get update && apt-get install -y --no-install-recommends ffmpeg; } >&2
build - --example decode_md5
decode=$built/examples/decode_md5
clips=$(mktemp -d)
trap 'rm -rf "$clips"' EXIT
ffmpeg=(ffmpeg -nostdin -hide_banner -loglevel error -y)

clip() { # name picture size frames encoder-options…
  local name=$1 picture=$2 size=$3 frames=$4; shift 4
  "${ffmpeg[@]}" -f lavfi -i "$picture=s=$size:r=25" -frames:v "$frames" -pix_fmt yuv420p "$@" "$clips/$name"
}
for picture in testsrc2 mandelbrot; do
  x264=(-c:v libx264 -profile:v)
  clip "$picture-baseline.h264"  $picture 640x480 200 "${x264[@]}" baseline
  clip "$picture-no-b.h264"      $picture 640x480 200 "${x264[@]}" high -bf 0
  clip "$picture-b.h264"         $picture 640x480 200 "${x264[@]}" main -bf 2 -x264-params b-pyramid=none
  clip "$picture-pyramid.h264"   $picture 640x480 200 "${x264[@]}" high -bf 3
  clip "$picture-refs.h264"      $picture 640x480 200 "${x264[@]}" high -bf 3 -refs 8 -x264-params weightp=2:direct=temporal
  clip "$picture-slices.h264"    $picture 640x480 200 "${x264[@]}" high -bf 0 -x264-params slices=4
  clip "$picture-mtu.h264"       $picture 640x480 100 "${x264[@]}" high -tune zerolatency -x264-params slice-max-size=1200
  clip "$picture-open-gop.h264"  $picture 640x480 200 "${x264[@]}" high -bf 3 -g 25 -x264-params open-gop=1
  clip "$picture-refresh.h264"   $picture 640x480 200 "${x264[@]}" high -bf 0 -g 25 -x264-params intra-refresh=1
  clip "$picture-1080.h264"      $picture 1920x1080 25 "${x264[@]}" high -bf 2
  x265=(-c:v libx265 -x265-params)
  clip "$picture-no-b.h265"      $picture 640x480 200 "${x265[@]}" log-level=none:bframes=0
  clip "$picture-pyramid.h265"   $picture 640x480 200 "${x265[@]}" log-level=none:bframes=4:keyint=25
  clip "$picture-slices.h265"    $picture 640x480 100 "${x265[@]}" log-level=none:slices=3
  clip "$picture-1080.h265"      $picture 1920x1080 25 "${x265[@]}" log-level=none
done
for video in "$@"; do
  "${ffmpeg[@]}" -i "$video" -map 0:v:0 -c copy -bsf:v h264_mp4toannexb "$clips/$(basename "${video%.*}").h264"
done

failed=0
for clip in "$clips"/*; do
  "${ffmpeg[@]}" -i "$clip" -fps_mode passthrough -f framemd5 - | sed '/^#/d; s/.* //' > "$clips/expected"
  "$decode" "$clip" > "$clips/got"
  if cmp -s "$clips/expected" "$clips/got"; then
    echo "ok $(basename "$clip"): $(wc -l < "$clips/got") pictures"
  else
    echo "DIFFERS $(basename "$clip"): $(diff "$clips/expected" "$clips/got" | grep -c '^[<>]') lines" && failed=1
  fi
  rm "$clips/expected" "$clips/got"
done
exit $failed
