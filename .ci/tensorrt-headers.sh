#!/usr/bin/env bash
# Puts TensorRT's headers (Apache-2.0) of the majors 10 and 11 into the folder that is its argument, where they are not there yet, and prints
# what TENSORRT_INCLUDE_DIR shall be. NVIDIA's packages lie on its own server alone; a registry has the same headers inside a crate.
set -euo pipefail
mkdir -p "$1"
folder=$(cd "$1" && pwd)
named=()
while read -r version headers hash; do
    headers="$folder/trtx-sys-$version/TensorRT-Headers/$headers"
    if [ ! -f "$headers/NvInferVersion.h" ]; then
        curl --retry 3 -sSfL "https://static.crates.io/crates/trtx-sys/trtx-sys-${version/+/%2B}.crate" -o "$folder/crate"
        echo "$hash  $folder/crate" | sha256sum --quiet --check >&2
        tar xzf "$folder/crate" -C "$folder"
        rm "$folder/crate"
    fi
    named+=("$headers")
done <<'CRATES'
0.5.0 TRT-Enterprise-10.16 1efd9036abbd2775da5df4e49793ec8e656f026fb9c60dff7e95bda2d654e634
0.9.1+rtx1.7 TRT-Enterprise-11.4 5480ee056292951daa1bc74532162d6cb75190f091e45d7d97c0c356916ae171
CRATES
IFS=:
echo "${named[*]}"
