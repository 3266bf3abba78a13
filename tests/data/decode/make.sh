#!/usr/bin/env bash
# Makes the clips of this folder and, for each, the MD5 of every picture as libavcodec decodes it (rawvideo, display order).
# Needs ffmpeg 5.1 or newer with libx264 and libx265, and python3 with PIL. Run in this folder.
set -euo pipefail

clip() { # name size frames pixel-format encoder-options…
  local name=$1 size=$2 frames=$3 pixels=$4; shift 4
  ffmpeg -nostdin -hide_banner -loglevel error -y -f lavfi -i "testsrc2=s=$size:r=25" -frames:v "$frames" -pix_fmt "$pixels" \
    -threads 1 -flags +bitexact "$@" "$name"
}
x264() { local name=$1 size=$2 frames=$3 pixels=$4 profile=$5 params=$6
  clip "$name" "$size" "$frames" "$pixels" -c:v libx264 -profile:v "$profile" -x264-params "scenecut=0:$params"; }
x265() { local name=$1 size=$2 frames=$3 pixels=$4 params=$5
  clip "$name" "$size" "$frames" "$pixels" -c:v libx265 -x265-params "scenecut=0:pools=none:frame-threads=1:info=0:log-level=none:$params"; }

x264 baseline.h264   144x112 24 yuv420p baseline "keyint=8:min-keyint=8:crf=30"
x264 p_refs4.h264    144x112 24 yuv420p high     "keyint=12:min-keyint=12:bframes=0:ref=4:crf=30"
x264 b.h264          144x112 24 yuv420p main     "keyint=12:min-keyint=12:bframes=2:b-pyramid=none:b-adapt=0:crf=30"
x264 pyramid.h264    144x112 30 yuv420p high     "keyint=15:min-keyint=15:bframes=3:b-pyramid=normal:b-adapt=0:ref=4:crf=30"
x264 p_type0.h264    144x112 24 yuv420p high     "keyint=12:min-keyint=12:bframes=1:b-adapt=1:b-bias=-100:crf=32"
x264 slices.h264     176x136 12 yuv420p high     "keyint=6:min-keyint=6:bframes=0:slices=4:crf=32"
x264 refresh.h264    144x112 36 yuv420p high     "keyint=10:bframes=0:intra-refresh=1:crf=32"
x264 open_gop.h264   144x112 30 yuv420p high     "keyint=10:min-keyint=10:bframes=2:b-adapt=0:open-gop=1:crf=32"
x265 p.h265          144x112 24 yuv420p "keyint=8:min-keyint=8:bframes=0:crf=32"
x265 open_gop.h265   144x112 36 yuv420p "keyint=12:min-keyint=12:bframes=3:b-adapt=0:b-pyramid=1:open-gop=1:crf=32"
x265 crop.h265       150x118 6  yuv420p "keyint=6:min-keyint=6:bframes=0:crf=34"
for sampling in 420 422 444; do clip "colour$sampling.jpg" 64x48 1 "yuvj${sampling}p" -c:v mjpeg -q:v 4; done
ffmpeg -nostdin -loglevel error -f lavfi -i testsrc2=s=64x48 -frames:v 1 -pix_fmt gray -f image2pipe -c:v pgm - |
  python3 -c 'import sys, PIL.Image; PIL.Image.open(sys.stdin.buffer).save("grey.jpg", quality=90)'

# The same clips without the description that states how many pictures may wait.
python3 - b p_type0 pyramid <<'PY'
import re, sys
for name in sys.argv[1:]:
    data = open(f"{name}.h264", "rb").read()
    def strip(match):
        rbsp = match[2].replace(b"\0\0\3", b"\0\0")
        bits = "".join(f"{byte:08b}" for byte in rbsp)
        at = 32
        def ue():
            nonlocal at
            zeros = 0
            while bits[at] == "0": at, zeros = at + 1, zeros + 1
            value = int(bits[at:at + zeros + 1], 2) - 1
            at += zeros + 1
            return value
        at = 24; ue()
        if rbsp[0] == 100:
            ue(), ue(), ue(); at += 2
        ue()
        if ue() == 0: ue()
        ue(); at += 1
        ue(), ue(); at += 2
        if bits[at] == "1":
            at += 1
            ue(), ue(), ue(), ue()
        else: at += 1
        kept = bits[:at] + "01"
        kept += "0" * (-len(kept) % 8)
        raw = bytes(int(kept[i:i + 8], 2) for i in range(0, len(kept), 8))
        return match[1] + re.sub(rb"\x00\x00(?=[\x00-\x03])", b"\0\0\3", raw)
    out = re.sub(rb"(\x00\x00\x01\x67)(.*?)(?=\x00\x00\x01|\x00\x00\x00\x01)", strip, data, flags=re.S)
    open(f"{name}_unstated.h264", "wb").write(out)
PY

# Streams that are refused, one picture each.
x264 ten_bit.h264    64x48  1 yuv420p10le high10  "crf=40"
x264 chroma422.h264  64x48  1 yuv422p     high422 "crf=40"
x264 interlaced.h264 64x64  1 yuv420p     main    "crf=40:interlaced=1"
x264 huge.h264       4128x16 1 yuv420p    high    "crf=50"
x265 ten_bit.h265    64x64  1 yuv420p10le "crf=40"
x265 chroma422.h265  64x64  1 yuv422p     "crf=40"
clip huge.jpg 4112x16 1 yuvj420p -c:v mjpeg -q:v 31

# One line a picture in display order: the MD5 of its pixels, and its place in decoding order.
for clip in {baseline,p_refs4,p_type0,b,pyramid,slices,refresh,open_gop,b_unstated,p_type0_unstated,pyramid_unstated}.h264 {p,open_gop,crop}.h265; do
  paste -d ' ' <(ffmpeg -nostdin -loglevel error -i $clip -vsync 0 -f framemd5 - | grep -v '^#' | sed 's/.* //') \
    <(ffprobe -loglevel error -show_entries frame=pkt_pos -of csv=p=0 $clip | tr -d , | grep . |
      awk '{ at[NR] = $1 } END { for (i = 1; i <= NR; i++) { n = 0; for (j = 1; j <= NR; j++) n += at[j] < at[i]; print n } }') > $clip.golden
done
# What the JPEGs hold: libavcodec's grey; for colour libjpeg-turbo's RGB, because ffmpeg upsamples chroma its own way.
ffmpeg -nostdin -loglevel error -y -i grey.jpg -pix_fmt gray -f rawvideo grey.raw
for sampling in 420 422 444; do
  python3 -c 'import sys, PIL.Image; sys.stdout.buffer.write(PIL.Image.open(sys.argv[1]).convert("RGB").tobytes())' colour$sampling.jpg > colour$sampling.rgb
done
