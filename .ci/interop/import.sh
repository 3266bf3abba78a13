#!/usr/bin/env bash
# Imported networks against the packages that made them, for each package that $PYTHON (default: python3) has. The packages weigh
# gigabytes, so nothing is installed here; `cargo test` holds the decoders to answers that they gave.
set -euo pipefail
cd "$(dirname "$0")/../.."
source .ci/build.bash

python=$(command -v "${PYTHON:-python3}")
build - --example poses_json
program=$(realpath "$built/examples/poses_json")
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd models

if "$python" -c 'import deeplabcut, onnxruntime' 2>/dev/null; then
    "$python" -m convert.heads_deeplabcut --many 100 -o "$folder" --poses-json "$program"
    "$python" -m convert.parity_deeplabcut --pictures 6 -o "$folder" --poses-json "$program"
    echo "ok      DeepLabCut"
else
    echo "NOT CHECKED: DeepLabCut, $python does not have it"
fi
