#!/usr/bin/env bash
# Rules on the kernel's real GPIO character device: its simulated chip (gpio-sim) in a virtual machine, where the level is read from
# outside the program.
set -euo pipefail
cd "$(dirname "$0")/../.."
source .ci/build.bash
source .ci/guest.bash

build gpio --example pin
pin=$built/examples/pin
guest_needs debian-archive-keyring
guest_begin gpio

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

find "$work/kernel" -name '*.ko' -exec cp {} "$root/" \;
guest_programs "$pin"
# Instructions are the guest's clock: a busy host makes the guest slow and not wrong.
guest_run "$vmlinuz" .ci/interop/gpio.inside.ash 240 -icount shift=auto -smp 1 -m 256
guest_verdict
