#!/usr/bin/env bash
# ONNX Runtime as a lab installs it, beside the built-in engine: both give the same poses, and INT8 loses no more than it may; a GPU provider that
# this library does not have is refused. Needs target/release/arenad.
set -euo pipefail
cd "$(dirname "$0")/../.."
arenad=${ARENAD:-target/release/arenad}
work=$(mktemp -d -t arenad-engines-XXXXXX)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv" 2>/dev/null || {
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends python3-venv
    python3 -m venv "$work/venv"
}
"$work/venv/bin/pip" install --quiet --disable-pip-version-check onnxruntime
library=$(find "$work/venv" -name 'libonnxruntime.so.*' | head -n 1)
echo "library: $(basename "$library")"
ort=(--engine onnxruntime --onnxruntime-library "$library")
"$arenad" --log warn bench --frames 30 "${ort[@]}"
"$arenad" --log warn bench --frames 30 --engine built-in
"$arenad" --log warn rehearse -o "$work/film" --minutes 0.05
"$arenad" --log warn replay "$work/film/video.mp4" -o "$work/ort" "${ort[@]}" --precision fp32
"$arenad" --log warn replay "$work/film/video.mp4" -o "$work/builtin" --engine built-in --precision fp32
"$arenad" --log warn model verify "${ort[@]}" --frames 100
# This library is the CPU's: asked for a GPU it must refuse, with exit code 2, and not run on the CPU.
for provider in cuda tensorrt tensorrt,cuda,cpu; do
    code=0
    said=$("$arenad" --log warn bench --frames 10 "${ort[@]}" --onnxruntime-providers "$provider" 2>&1) || code=$?
    if [ $code = 2 ] && [[ "$said" == *"model.onnxruntime_providers: ${provider%%,*} is not in $library, which has cpu; install"* ]]; then
        echo "ok      $provider: refused"
    else
        echo "FAILED  $provider: exit code $code: $said"
        exit 1
    fi
done
"$work/venv/bin/python" - "$work/ort/poses.csv" "$work/builtin/poses.csv" <<'PYTHON'
import csv, sys

one, other = (list(csv.reader(open(path)))[4:] for path in sys.argv[1:])
values, apart, largest = 0, 0, 0.0
for left, right in zip(one, other):
    # x, y, likelihood of each keypoint: a keypoint at the threshold may be found by one engine and not by the other.
    for n in range(1, len(left)):
        if n % 3 == 0:
            continue
        if (left[n] == "") != (right[n] == ""):
            apart += 1
        elif left[n]:
            values += 1
            largest = max(largest, abs(float(left[n]) - float(right[n])))
good = len(one) == len(other) > 0 and values > 0 and largest <= 0.1 and apart <= values // 200
print(f"{'ok     ' if good else 'FAILED '} {len(one)} frames, {values} values, at most {largest:.3f} px apart, {apart} in one only")
sys.exit(not good)
PYTHON
