#!/usr/bin/env bash
# The hardware decoder's path on a real V4L2 memory-to-memory decoder: the kernel's own for tests (vicodec), built here for Debian's
# kernel and run in a virtual machine. Its coding is FWHT: what is tried is every step but H.264 itself and NVIDIA's library.
# Needs target/release/examples/m2m (or $M2M_BIN; cargo build --release --features nvdec --example m2m).
set -euo pipefail
cd "$(dirname "$0")/../.."
target=${CARGO_TARGET_DIR:-target}
m2m=${M2M_BIN:-$target/release/examples/m2m}

skip() {
    echo "skipped: $*"
    exit 0
}

[ "$(uname -m)" = x86_64 ] || skip "the virtual machine is an x86-64 one"
[ -x "$m2m" ] || { echo "FAILED  $m2m is not there: cargo build --release --features nvdec --example m2m"; exit 1; }
export DEBIAN_FRONTEND=noninteractive
lacking() { ! dpkg -s "$@" >/dev/null 2>&1; }
apt-cache show linux-image-amd64 >/dev/null 2>&1 || apt-get update -qq || skip "the package lists cannot be had"
image=$(apt-cache depends linux-image-amd64 | awk '/Depends: linux-image/{print $2; exit}')
version=${image#linux-image-}
series=$(echo "$version" | cut -d. -f1,2)
packages="qemu-system-x86 busybox-static cpio kmod xz-utils binutils make gcc v4l-utils linux-headers-$version linux-source-$series"
# shellcheck disable=SC2086
if lacking $packages; then
    { apt-get update -qq && apt-get install -y -qq --no-install-recommends $packages >/dev/null; } || skip "apt-get could not install $packages"
fi
work=$(mktemp -d -t arenad-nvdec-XXXXXX)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/kernel" "$work/source" "$work/module"
(cd "$work/kernel" && apt-get -qq -o APT::Sandbox::User=root download "$image") || skip "the kernel $version cannot be had"
dpkg-deb --fsys-tarfile "$work"/kernel/*.deb | tar -x -C "$work/kernel"
echo "note    kernel $version"

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
depmod -b "$work/kernel" "$version" 2>/dev/null

root=$work/root
mkdir -p "$root"/{bin,proc,sys,dev,tmp,etc,modules}
cp "$(command -v busybox)" "$root/bin/busybox"
modprobe -d "$work/kernel" -S "$version" --show-depends --ignore-install vicodec | awk '/^insmod/{print $2}' | while read -r file; do
    cp "$file" "$root/modules/"
    basename "$file" >>"$root/modules/list"
done
cp "$(command -v v4l2-ctl)" "$root/bin/v4l2-ctl"
strip -o "$root/bin/m2m" "$m2m"
for program in "$(command -v v4l2-ctl)" "$m2m"; do
    ldd "$program" | awk '{for (i = 1; i <= NF; i++) if ($i ~ /^\//) print $i}'
done | sort -u | while read -r library; do
    mkdir -p "$root$(dirname "$library")"
    cp -L "$library" "$root$library"
done
# One library under three names.
mkdir "$root/nv" "$root/nv-half"
gcc -shared -fPIC -O1 -o "$root/nv/libv4l2.so.0" .ci/interop/nvdec.library.c
cp "$root/nv/libv4l2.so.0" "$root/nv-half/"
ln -s libv4l2.so.0 "$root/nv/libnvbufsurface.so.1.0.0"
ln -s libv4l2.so.0 "$root/nv/libnvbufsurftransform.so.1.0.0"
cp .ci/interop/nvdec.inside.ash "$root/init"
chmod +x "$root/init"
(cd "$root" && find . | cpio --quiet -o -H newc | gzip -1) >"$work/initrd"
# Instructions are the guest's clock: a busy host makes the guest slow and not wrong.
timeout --kill-after=10 200 qemu-system-x86_64 -accel tcg -icount shift=1,sleep=off -cpu max -smp 1 -m 512 -nographic -nodefaults -serial stdio -no-reboot \
    -kernel "$work/kernel/boot/vmlinuz-$version" -initrd "$work/initrd" -append 'console=ttyS0 quiet panic=-1' </dev/null >"$work/console" 2>&1 || true
[ -z "${KEEP_CONSOLE:-}" ] || cp "$work/console" "$KEEP_CONSOLE"
tr -d '\r' <"$work/console" | grep -E '^(ok|FAILED|note|        |done)' || tail -n 30 "$work/console"
grep -q '^done' "$work/console" && ! grep -q '^FAILED' "$work/console"
