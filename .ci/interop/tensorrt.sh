#!/usr/bin/env bash
# The TensorRT shim, compiled against the published headers of two majors into one program, opens the real dispatch and lean runtimes of both on
# a machine without a GPU: each thing that is missing is told apart, and nothing crashes. Then it builds and runs engines on a stand-in library
# of our own behind the same headers, under the address and undefined-behaviour sanitisers.
set -euo pipefail
cd "$(dirname "$0")/../.."
work=$(mktemp -d -t arenad-tensorrt-XXXXXX)
trap 'rm -rf "$work"' EXIT
here=$PWD/.ci/interop shim=$PWD/src/infer/tensorrt

# Headers and runtimes as registries have them: crates of another project, wheels of NVIDIA's.
IFS=: read -r headers10 headers11 <<<"$(bash .ci/tensorrt-headers.sh target/tensorrt-headers)"
python3 -m pip --version >/dev/null 2>&1 || {
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends python3-pip
}
for version in 10.15.1.29 11.4.0.106; do
    major=${version%%.*}
    for kind in dispatch lean; do
        python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: --platform manylinux_2_28_x86_64 -d "$work" \
            "tensorrt-$kind-cu12-libs==$version"
        mkdir "$work/$kind$major"
        python3 -m zipfile -e "$work/tensorrt_${kind}_cu12_libs-$version"-*.whl "$work/wheel$major"
        mv "$work/wheel$major/tensorrt_${kind}_libs/libnvinfer_$kind.so.$major" "$work/$kind$major/"
        rm -r "$work/wheel$major" "$work/tensorrt_${kind}_cu12_libs-$version"-*.whl
    done
done

for major in 10 11; do
    named=headers$major
    headers=${!named}
    g++ -std=c++17 -O2 -Wall -Wextra -Wno-deprecated-declarations -Werror -I"$shim/stub" -isystem "$headers" -DARENAD_TRT_MAJOR=$major \
        -Dnvinfer1=arenad_nvinfer_$major -Dnvonnxparser=arenad_nvonnx_$major -c "$shim/shim.cpp" -o "$work/shim$major.o"
    echo "ok      compiled against TensorRT $(basename "$headers")"
done
gcc -Wall -I"$shim" -c "$here/tensorrt.cases.c" -o "$work/cases.o"
g++ "$work/cases.o" "$work"/shim1?.o -ldl -o "$work/cases"
for devices in 0 1; do
    mkdir "$work/driver$devices"
    gcc -shared -fPIC -I"$shim" -DDEVICES=$devices "$here/tensorrt.driver.c" -o "$work/driver$devices/libcuda.so.1"
done
# Each major's name on the other's library, and on no library.
mkdir "$work/empty" "$work/swapped" "$work/damaged"
ln -s "$work/dispatch11/libnvinfer_dispatch.so.11" "$work/swapped/libnvinfer.so.10"
ln -s "$work/dispatch10/libnvinfer_dispatch.so.10" "$work/swapped/libnvinfer.so.11"

failed=0
# DRIVER MAJOR FOLDER CODE WORDS
try() { LD_LIBRARY_PATH=$1 timeout 60 "$work/cases" "${@:2}" || failed=1; }
for major in 10 11; do
    echo "a text and no library" >"$work/damaged/libnvinfer.so.$major"
    try "$work/empty" $major "$work/empty" 1 "libnvinfer.so.$major: cannot open"
    try "$work/empty" $major - 1 "libnvinfer.so.$major: cannot open"
    try "$work/empty" $major "$work/damaged" 1 "libnvinfer.so.$major: file too short"
    try "$work/empty" $major "$work/swapped" 2 "this part is for TensorRT $major"
    for kind in dispatch lean; do
        real=$work/$kind$major
        if ldconfig -p | grep -q libcuda.so.1; then
            echo "NOT RUN: a machine without a driver; this one has libcuda.so.1"
        else
            try "$work/empty" $major "$real" 3 "libcuda.so.1: cannot open"
        fi
        try "$work/driver0" $major "$real" 3 "the driver sees no GPU"
        # The driver claims a GPU that CUDA's runtime cannot use: TensorRT logs it and hands out a pointer that must not be used.
        try "$work/driver1" $major "$real" 3 "TensorRT made no runtime"
    done
done

# The part for TensorRT 8, whose headers no registry has: compiled against those of 10 that say 8. What 8.6 has otherwise is read, not tried.
headers8=$work/headers8
cp -r "$headers10" "$headers8"
sed -i 's/^#define TRT_MAJOR_ENTERPRISE 10/#define TRT_MAJOR_ENTERPRISE 8/' "$headers8/NvInferVersion.h"
sanitise="-g -O1 -fsanitize=address,undefined -fno-sanitize=vptr"
for major in 8 10 11; do
    named=headers$major
    headers=${!named}
    # shellcheck disable=SC2086
    g++ -std=c++17 $sanitise -Wall -Wextra -Wno-deprecated-declarations -Werror -I"$shim/stub" -isystem "$headers" -DARENAD_TRT_MAJOR=$major \
        -Dnvinfer1=arenad_nvinfer_$major -Dnvonnxparser=arenad_nvonnx_$major -c "$shim/shim.cpp" -o "$work/checked$major.o"
    mkdir "$work/standin$major"
    g++ -std=c++17 -O1 -shared -fPIC -Wno-deprecated-declarations -Wno-invalid-offsetof -I"$shim/stub" -isystem "$headers" \
        "$here/tensorrt.standin.cpp" -o "$work/standin$major/libnvinfer.so.$major" -ldl
    ln -s libnvinfer.so.$major "$work/standin$major/libnvonnxparser.so.$major"
    cp "$work/driver1/libcuda.so.1" "$work/standin$major/"
done
gcc -Wall -g -I"$shim" -c "$here/tensorrt.runs.c" -o "$work/runs.o"
# shellcheck disable=SC2086
g++ $sanitise "$work/runs.o" "$work"/checked*.o -ldl -o "$work/runs"
# MAJOR DLA NAME=VALUE…
runs() { env LD_LIBRARY_PATH="$work/standin$1" "${@:3}" timeout 60 "$work/runs" "$1" "$work/standin$1" "$2" || failed=1; }
for major in 8 10 11; do
    runs $major -1
    runs $major -1 STANDIN_CAPTURE=0
    runs $major -1 STANDIN_FAILS=700
    runs $major -1 STANDIN_SHARED=1
    runs $major -1 STANDIN_SHARED=1 STANDIN_EGL=1
    runs $major -1 STANDIN_SHARED=1 STANDIN_EGL=2
    runs $major 1 STANDIN_DLA=2
done
exit $failed
