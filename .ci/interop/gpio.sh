#!/usr/bin/env bash
# Rules on the kernel's real GPIO character device: its simulated chip (gpio-sim) in a virtual machine, where the level is read from
# outside the program. Needs target/release/examples/pin (or $PIN_BIN; cargo build --release --features gpio --example pin).
set -euo pipefail
cd "$(dirname "$0")/../.."
target=${CARGO_TARGET_DIR:-target}
pin=${PIN_BIN:-$target/release/examples/pin}

skip() {
    echo "skipped: $*"
    exit 0
}

[ "$(uname -m)" = x86_64 ] || skip "the virtual machine is an x86-64 one"
[ -x "$pin" ] || { echo "FAILED  $pin is not there: cargo build --release --features gpio --example pin"; exit 1; }
packages="qemu-system-x86 busybox-static cpio xz-utils binutils debian-archive-keyring"
# shellcheck disable=SC2086
dpkg -s $packages >/dev/null 2>&1 || {
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $packages >/dev/null
} || skip "apt-get could not install $packages"
work=$(mktemp -d -t arenad-gpio-XXXXXX)
trap 'rm -rf "$work"' EXIT

# Debian builds gpio-sim from the release forky on. An apt of its own, so that this machine's sources stay as they are.
mirror=$(awk '/^URIs:/{print $2; exit}' /etc/apt/sources.list.d/*.sources 2>/dev/null || true)
mkdir -p "$work"/apt/{state/lists/partial,cache/archives/partial,none} "$work/kernel"
echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] ${mirror:-http://deb.debian.org/debian} forky main" >"$work/apt/sources.list"
foreign=(-qq -o "Dir::State=$work/apt/state" -o "Dir::Cache=$work/apt/cache" -o "Dir::Etc::sourcelist=$work/apt/sources.list"
    -o "Dir::Etc::sourceparts=$work/apt/none" -o "Dir::Etc::preferencesparts=$work/apt/none" -o APT::Sandbox::User=root
    -o Acquire::Check-Valid-Until=false -o Acquire::Languages=none)
apt-get "${foreign[@]}" update || skip "the package list of Debian forky cannot be had"
image=$(apt-cache "${foreign[@]}" depends linux-image-amd64 | awk '/Depends: linux-image/{print $2; exit}')
version=${image#linux-image-}
(cd "$work/kernel" && apt-get "${foreign[@]}" download "linux-binary-$version" "linux-modules-$version") || skip "the kernel $version cannot be had"
for package in "$work"/kernel/*.deb; do
    dpkg-deb --fsys-tarfile "$package" | tar -x -C "$work/kernel" --wildcards --no-wildcards-match-slash \
        './usr/lib/modules/*/vmlinuz' './usr/lib/modules/*/kernel/drivers/gpio/gpio-sim.ko*' './usr/lib/modules/*/kernel/fs/configfs/configfs.ko*' \
        2>/dev/null || true
done
find "$work/kernel" -name '*.ko.xz' -exec xz -d {} +
vmlinuz=$(find "$work/kernel" -name vmlinuz)
[ -n "$vmlinuz" ] && [ -n "$(find "$work/kernel" -name gpio-sim.ko)" ] || skip "the kernel $version has no gpio-sim"
echo "note    kernel $version"

root=$work/root
mkdir -p "$root"/{bin,proc,sys,dev,tmp,etc}
cp "$(command -v busybox)" "$root/bin/busybox"
find "$work/kernel" -name '*.ko' -exec cp {} "$root/" \;
strip -o "$root/bin/pin" "$pin"
ldd "$pin" | awk '{for (i = 1; i <= NF; i++) if ($i ~ /^\//) print $i}' | while read -r library; do
    mkdir -p "$root$(dirname "$library")"
    cp -L "$library" "$root$library"
done
cp .ci/interop/gpio.inside.ash "$root/init"
chmod +x "$root/init"
(cd "$root" && find . | cpio --quiet -o -H newc | gzip -1) >"$work/initrd"
# Instructions are the guest's clock: a busy host makes the guest slow and not wrong.
timeout --kill-after=10 240 qemu-system-x86_64 -accel tcg -icount shift=auto -cpu max -smp 1 -m 256 -nographic -nodefaults -serial stdio -no-reboot \
    -kernel "$vmlinuz" -initrd "$work/initrd" -append 'console=ttyS0 quiet panic=-1' </dev/null >"$work/console" 2>&1 || true
tr -d '\r' <"$work/console" | grep -E '^(ok|FAILED|note|        |done)' || tail -n 30 "$work/console"
grep -q '^done' "$work/console" && ! grep -q '^FAILED' "$work/console"
