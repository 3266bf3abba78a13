#!/bin/sh
# Makes the recordings beside this file anew (ffmpeg 5.1 with libx264 and libx265). They are committed: no test runs this.
set -eu
cd "$(dirname "$0")"
make() { ffmpeg -v error -y -flags +bitexact -fflags +bitexact "$@"; }
test_picture="-f lavfi -i testsrc=size=64x48:rate=10 -pix_fmt yuv420p -map_metadata -1"
x264="-c:v libx264 -preset veryfast -crf 40 -x264-params keyint=6:min-keyint=6:scenecut=0:bframes=2:b-adapt=0:slices=2:aud=1"
make $test_picture -frames:v 12 $x264 -bsf:v filter_units=remove_types=6 -movflags +faststart h264.mp4
make -i h264.mp4 -c copy -movflags +frag_keyframe+empty_moov h264_fragments.mp4
make -i h264.mp4 -c copy -bsf:v h264_mp4toannexb -f h264 h264.h264
x265="-c:v libx265 -preset veryfast -crf 40 -x265-params keyint=6:min-keyint=6:scenecut=0:bframes=2:b-adapt=0:log-level=error:info=0"
make $test_picture -frames:v 12 $x265 -tag:v hvc1 h265.mp4
make -i h265.mp4 -c copy -bsf:v hevc_mp4toannexb -f hevc h265.h265
make $test_picture -frames:v 1 -c:v mpeg4 mpeg4.mp4
make $test_picture -frames:v 1 -c:v mjpeg -huffman default -q:v 20 -pix_fmt yuvj420p -f image2 still.jpg
make $test_picture -frames:v 1 -c:v png -f image2 still.png
