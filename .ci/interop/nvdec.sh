#!/usr/bin/env bash
# The hardware decoder's path on a real V4L2 memory-to-memory decoder: the kernel's own for tests (vicodec), built here for Debian's
# kernel and run in a virtual machine. Its coding is FWHT: what is tried is every step but H.264 itself and NVIDIA's libraries and GPU.
set -euo pipefail
cd "$(dirname "$0")/../.."
source .ci/build.bash
source .ci/guest.bash

build nvdec,tensorrt --example m2m
m2m=$built/examples/m2m
version=$(guest_version)
[ -n "$version" ] || skip "apt knows no Debian kernel (linux-image-amd64)"
series=$(echo "$version" | cut -d. -f1,2)
guest_needs make gcc v4l-utils "linux-headers-$version" "linux-source-$series"
guest_begin nvdec
guest_kernel "$version" "$work/kernel"

mkdir -p "$work/source" "$work/module"
tar -xJf "/usr/src/linux-source-$series.tar.xz" -C "$work/source" --strip-components=1 --wildcards \
    '*/drivers/media/test-drivers/vicodec/*' '*/drivers/media/v4l2-core/v4l2-mem2mem.c'
cp "$work"/source/drivers/media/test-drivers/vicodec/*.[ch] "$work"/source/drivers/media/v4l2-core/v4l2-mem2mem.c "$work/module/"
cat >"$work/module/Makefile" <<'MAKE'
vicodec-objs := vicodec-core.o codec-fwht.o codec-v4l2-fwht.o
obj-m += v4l2-mem2mem.o vicodec.o
MAKE
make -s -C "/usr/src/linux-headers-$version" M="$work/module" modules >"$work/make.log" 2>&1 ||
    { tail -n 20 "$work/make.log"; echo "FAILED  vicodec could not be built for $version"; exit 1; }
modules=$work/kernel/lib/modules/$version
mkdir -p "$modules/updates"
for module in v4l2-mem2mem vicodec; do
    strip -g -o "$modules/updates/$module.ko" "$work/module/$module.ko"
done
guest_modules "$version" "$work/kernel" vicodec
guest_programs "$(command -v v4l2-ctl)" "$m2m"
# One library under three names, and a driver whose GPU has the CPU's memory.
mkdir "$root/nv" "$root/nv-half"
gcc -shared -fPIC -O1 -o "$root/nv/libv4l2.so.0" .ci/interop/nvdec.library.c
cp "$root/nv/libv4l2.so.0" "$root/nv-half/"
ln -s libv4l2.so.0 "$root/nv/libnvbufsurface.so.1.0.0"
ln -s libv4l2.so.0 "$root/nv/libnvbufsurftransform.so.1.0.0"
gcc -shared -fPIC -O2 -ffp-contract=off -Isrc/infer/tensorrt -o "$root/nv/libcuda.so.1" src/infer/tensorrt/stand_in_driver.c -lm
# Instructions are the guest's clock: a busy host makes the guest slow and not wrong.
guest_run "$work/kernel/boot/vmlinuz-$version" .ci/interop/nvdec.inside.ash 200 -icount shift=1,sleep=off -smp 1 -m 512
guest_verdict
