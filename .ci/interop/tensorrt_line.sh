#!/usr/bin/env bash
# The daemon on a stand-in TensorRT of our own, through the real shim: what a build tells the log, systemd and the broker, the cache, two arenas
# at once, DLA, a start with a cached engine, and what the shim costs a frame. Builds the program with the feature jetson.
set -euo pipefail
cd "$(dirname "$0")/../.."
source .ci/build.bash
command -v mosquitto >/dev/null && command -v mosquitto_sub >/dev/null || {
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends mosquitto mosquitto-clients python3
}
work=$(mktemp -d -t arenad-tensorrt-line-XXXXXX)
trap 'rm -rf "$work"' EXIT
here=$PWD/.ci/interop shim=$PWD/src/infer/tensorrt major=10

TENSORRT_INCLUDE_DIR=$(bash .ci/tensorrt-headers.sh target/tensorrt-headers)
export TENSORRT_INCLUDE_DIR
headers=${TENSORRT_INCLUDE_DIR%%:*}
build jetson --bin arenad --example camera --example engine_overhead

mkdir "$work/standin"
g++ -std=c++17 -O1 -shared -fPIC -Wno-deprecated-declarations -Wno-invalid-offsetof -I"$shim/stub" -isystem "$headers" \
    "$here/tensorrt.standin.cpp" -o "$work/standin/libnvinfer.so.$major" -ldl
ln -s libnvinfer.so.$major "$work/standin/libnvonnxparser.so.$major"
gcc -O2 -shared -fPIC -I"$shim" -DDEVICES=1 "$here/tensorrt.driver.c" -o "$work/standin/libcuda.so.1"
g++ -std=c++17 -O2 -Wno-deprecated-declarations -I"$shim/stub" -I"$shim" -isystem "$headers" "$here/tensorrt.bare.cpp" -o "$work/bare" -ldl
gcc -O2 -shared -fPIC "$here/tensorrt.mallocs.c" -o "$work/mallocs.so"
WORK=$work MAJOR=$major ARENAD=$built/arenad CAMERA=$built/examples/camera OVERHEAD=$built/examples/engine_overhead \
    python3 "$here/tensorrt.check.py"
