#!/usr/bin/env bash
# Imported networks against the packages that made them, for each package that $PYTHON (default: python3) has. The packages weigh
# gigabytes, so nothing is installed here; `cargo test` holds the decoders to answers that they gave. Run it from the repository's root.
set -euo pipefail

python=$(command -v "${PYTHON:-python3}")
cargo build --release --quiet --example poses_json
program=$(realpath "${CARGO_TARGET_DIR:-target}/release/examples/poses_json")
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
