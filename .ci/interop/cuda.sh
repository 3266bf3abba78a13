#!/usr/bin/env bash
# The kernel that fills the model's input, without a GPU: picture.ptx is what NVIDIA's compiler makes of picture.cu; its assemblers turn it into
# code for Orin, Thor and servers without spilling a register; and, run instruction by instruction behind a libcuda.so.1 of our own, that text
# gives the CPU's numbers for whole pictures. `cuda.sh write` writes picture.ptx anew.
set -euo pipefail
cd "$(dirname "$0")/../.."
source .ci/build.bash
here=$PWD/.ci/interop sources=$PWD/src/infer/tensorrt
[ "$(uname -m)" = x86_64 ] || skip "NVIDIA's compilers are fetched for x86-64"
work=$(mktemp -d -t arenad-cuda-XXXXXX)
trap 'rm -rf "$work"' EXIT
python3 -m pip --version >/dev/null 2>&1 || {
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends python3-pip
}

# NAME VERSION: a wheel of NVIDIA's, unpacked below $work/NAME. The oldest CUDA of JetPack 6 is 12.2: a later driver takes its PTX too.
wheel() {
    python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: --platform manylinux2014_x86_64 -d "$work" "$1==$2"
    python3 -m zipfile -e "$work/${1//-/_}-$2"-*.whl "$work/$1"
    rm "$work/${1//-/_}-$2"-*.whl
}
wheel nvidia-cuda-nvrtc-cu12 12.2.140
wheel nvidia-cuda-nvcc-cu12 12.2.140
wheel nvidia-cuda-nvcc 13.0.88

gcc -Wall -o "$work/compile" "$here/cuda.compile.c" -ldl
nvrtc=$(find "$work" -name 'libnvrtc.so.12')
export LD_LIBRARY_PATH=${nvrtc%/*}
"$work/compile" "$nvrtc" "$sources/picture.cu" "$sources/picture.h" compute_75 "$work/raw.ptx"
# NVRTC adds constants of its own that nothing uses.
grep -v nv6target "$work/raw.ptx" >"$work/picture.ptx"
if [ "${1:-}" = write ]; then
    cp "$work/picture.ptx" "$sources/picture.ptx"
    echo "written: $sources/picture.ptx"
fi
cmp "$work/picture.ptx" "$sources/picture.ptx" || { echo "FAILED  picture.ptx is not made from picture.cu: bash .ci/interop/cuda.sh write"; exit 1; }
echo "ok      picture.ptx is what CUDA 12.2 makes of picture.cu"

failed=0
# PACKAGE ARCHITECTURE...
assemble() {
    local ptxas
    ptxas=$(find "$work/$1" -name ptxas)
    chmod +x "$ptxas"
    for architecture in "${@:2}"; do
        said=$("$ptxas" -v -arch="$architecture" "$sources/picture.ptx" -o "$work/cubin" 2>&1) || { echo "FAILED  $said"; failed=1; continue; }
        if [[ "$said" == *"0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads"* ]]; then
            echo "ok      $1 $architecture: $(grep -o 'Used [0-9]* registers' <<<"$said"), nothing spilt"
        else
            echo "FAILED  $1 $architecture: $said"
            failed=1
        fi
    done
}
# GTX 16 and RTX 20, Orin, H100 and H200; then Thor.
assemble nvidia-cuda-nvcc-cu12 sm_75 sm_87 sm_90
assemble nvidia-cuda-nvcc sm_75 sm_87 sm_90 sm_110 sm_120

# The very text, run: a driver of our own follows it, and the program opens that driver as it opens NVIDIA's.
python3 "$here/cuda.ptx.py" "$sources/picture.ptx" >"$work/ptx.c"
mkdir "$work/driver"
gcc -shared -fPIC -O2 -ffp-contract=off -DARENAD_PTX="\"$work/ptx.c\"" -o "$work/driver/libcuda.so.1" "$sources/stand_in_driver.c" -lm
build tensorrt --example picture
picture=$built/examples/picture
LD_LIBRARY_PATH=$work/driver "$picture" --runs 3 | tee "$work/said" || failed=1
grep -q '^stand-in GPU' "$work/said" || { echo "FAILED  another driver was opened"; failed=1; }
if said=$("$picture" 2>&1); then
    echo "NOT RUN: a machine without a GPU; this one has one: $(head -n 1 <<<"$said")"
elif [[ "$said" != *"libcuda.so.1"*"it needs an NVIDIA GPU and its driver"* ]]; then
    echo "FAILED  without a driver it says: $said"
    failed=1
else
    echo "ok      without a driver: $said"
fi
exit $failed
