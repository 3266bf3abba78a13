#!/usr/bin/env bash
# USB and CSI cameras on the kernel's real video interface: its test camera (vivid), and v4l2loopback for MJPEG, in a virtual machine.
# Needs target/release/arenad and target/release/examples/probe (or $ARENAD_BIN, $PROBE_BIN; cargo build --release --features v4l2
# --bin arenad --example probe).
set -euo pipefail
cd "$(dirname "$0")/../.."
target=${CARGO_TARGET_DIR:-target}
arenad=${ARENAD_BIN:-$target/release/arenad}
probe=${PROBE_BIN:-$target/release/examples/probe}

skip() {
    echo "skipped: $*"
    exit 0
}

[ "$(uname -m)" = x86_64 ] || skip "the virtual machine is an x86-64 one"
for binary in "$arenad" "$probe"; do
    [ -x "$binary" ] && continue
    echo "FAILED  $binary is not there: cargo build --release --features v4l2 --bin arenad --example probe"
    exit 1
done
packages="qemu-system-x86 busybox-static cpio kmod v4l-utils python3"
# shellcheck disable=SC2086
dpkg -s $packages >/dev/null 2>&1 || {
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $packages >/dev/null
} || skip "apt-get could not install $packages"
work=$(mktemp -d -t arenad-v4l2-XXXXXX)
trap 'rm -rf "$work"' EXIT
# So that apt's own user may write what it fetches.
chmod 755 "$work"

image=$(apt-cache depends linux-image-amd64 | awk '/Depends: linux-image/{print $2; exit}')
version=${image#linux-image-}
[ -n "$version" ] || skip "apt knows no Debian kernel (linux-image-amd64)"
fetched=$work/fetched
mkdir "$fetched"
(cd "$fetched" && apt-get -qq -o APT::Sandbox::User=root download "$image") || skip "the kernel $version cannot be had"
dpkg-deb --fsys-tarfile "$fetched/$image"_*.deb | tar -x -C "$fetched" --wildcards './boot/vmlinuz*' './lib/modules/*/modules.*' \
    './lib/modules/*/kernel/drivers/media/*' './lib/modules/*/kernel/drivers/video/*'
modules="vivid"
# A kernel module of its own, which takes the headers and a compiler: without them MJPEG is not tried.
if {
    dpkg -s "linux-headers-$version" make gcc >/dev/null 2>&1 ||
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "linux-headers-$version" make gcc
} >/dev/null 2>&1 && (
    cd "$fetched"
    apt-get -qq -o APT::Sandbox::User=root download v4l2loopback-dkms
    dpkg-deb -x v4l2loopback-dkms_*.deb loop
    make -C "/usr/src/linux-headers-$version" M="$(echo "$PWD"/loop/usr/src/v4l2loopback-*)" modules
    mkdir -p "lib/modules/$version/updates"
    cp loop/usr/src/v4l2loopback-*/v4l2loopback.ko "lib/modules/$version/updates/"
) >"$work/loopback.log" 2>&1; then
    modules="$modules v4l2loopback"
else
    echo "note    v4l2loopback cannot be built here: MJPEG is not tried; $(tail -n 1 "$work/loopback.log")"
fi

root=$work/root
mkdir -p "$root"/{bin,proc,sys,dev,tmp,etc,ko}
depmod -b "$fetched" "$version" 2>/dev/null
for module in $modules; do
    modprobe -d "$fetched" -S "$version" --show-depends --ignore-install "$module" | awk '/^insmod/{print $2}'
done | awk '!seen[$0]++' | while read -r module; do
    cp "$module" "$root/ko/"
    echo "/ko/$(basename "$module")" >>"$root/modules"
done
cp "$(command -v busybox)" "$root/bin/busybox"
cp tests/data/decode/colour422.jpg "$root/picture.jpg"
echo 64 48 >"$root/picture.size"
# A model that is small enough for a machine that calculates slowly.
cp -r tests/data/import/yolo "$root/model"
strip -o "$root/bin/probe" "$probe"
strip -o "$root/bin/arenad" "$arenad"
cp "$(command -v v4l2-ctl)" "$root/bin/v4l2-ctl"
for binary in "$probe" "$arenad" "$(command -v v4l2-ctl)"; do
    ldd "$binary" | awk '{for (i = 1; i <= NF; i++) if ($i ~ /^\//) print $i}'
done | sort -u | while read -r library; do
    mkdir -p "$root$(dirname "$library")"
    cp -L "$library" "$root$library"
done
cp .ci/interop/v4l2.inside.ash "$root/init"
chmod +x "$root/init"
(cd "$root" && find . | cpio --quiet -o -H newc | gzip -1) >"$work/initrd"
timeout --kill-after=10 240 qemu-system-x86_64 -accel tcg -cpu max -smp 2 -m 1024 -nographic -nodefaults -serial stdio -no-reboot \
    -kernel "$fetched/boot/vmlinuz-$version" -initrd "$work/initrd" -append 'console=ttyS0 quiet panic=-1' \
    </dev/null 2>&1 | tr -d '\r' >"$work/console" || true
[ -z "${KEEP_CONSOLE:-}" ] || cp "$work/console" "$KEEP_CONSOLE"
python3 .ci/interop/v4l2.check.py "$work/console"
