#!/usr/bin/env bash
# USB and CSI cameras on the kernel's real video interface: its test camera (vivid), and v4l2loopback for MJPEG, in a virtual machine.
set -euo pipefail
cd "$(dirname "$0")/../.."
source .ci/build.bash
source .ci/guest.bash

build v4l2 --bin arenad --example probe
arenad=$built/arenad probe=$built/examples/probe
guest_needs v4l-utils python3
version=$(guest_version)
[ -n "$version" ] || skip "apt knows no Debian kernel (linux-image-amd64)"
guest_begin v4l2
fetched=$work/fetched
guest_kernel "$version" "$fetched"
find "$fetched/lib" -name 'vivid.ko*' | grep -q . || skip "the kernel $version has no vivid where Debian 12 has it"
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

# shellcheck disable=SC2086
guest_modules "$version" "$fetched" $modules
cp tests/data/decode/colour422.jpg "$root/picture.jpg"
echo 64 48 >"$root/picture.size"
# A model that is small enough for a machine that calculates slowly.
cp -r tests/data/import/yolo "$root/model"
guest_programs "$probe" "$arenad" "$(command -v v4l2-ctl)"
guest_run "$fetched/boot/vmlinuz-$version" .ci/interop/v4l2.inside.ash 240 -smp 2 -m 1024
python3 .ci/interop/v4l2.check.py "$work/console"
