#!/usr/bin/env bash
# The Debian package in a booted system: installs, starts an arena, survives hangs and kills, is upgraded and removed. Needs
# target/release/arenad (or $ARENAD_BIN), target/release/examples/camera (or $CAMERA_BIN) and cargo-deb (cargo install --locked cargo-deb).
# On a machine that is busy with other things PATIENCE=5 waits five times as long. SUITE=jammy tries it in Ubuntu 22.04 (JetPack 6's).
set -euo pipefail
cd "$(dirname "$0")/../.."
target=${CARGO_TARGET_DIR:-target}
arenad=${ARENAD_BIN:-$target/release/arenad}
camera=${CAMERA_BIN:-$target/release/examples/camera}

suite=${SUITE:-bookworm}
packages="systemd-container mmdebstrap lintian"
# shellcheck disable=SC2086
dpkg -s $packages >/dev/null 2>&1 || {
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $packages
}
work=$(mktemp -d -t arenad-package-XXXXXX)
trap 'rm -rf "$work"' EXIT
failed=0

# say NAME COMMAND...: whether the command succeeds; its words only where it does not.
say() {
    local name=$1
    shift
    if "$@" >"$work/said" 2>&1; then
        echo "ok      $name"
    else
        echo "FAILED  $name"
        sed 's/^/        /' "$work/said"
        failed=1
    fi
}

mkdir -p "$work/target/release" "$work/debs"
cp "$arenad" "$work/target/release/arenad"
# Compressed lightly, for speed.
CARGO_TARGET_DIR="$work/target" cargo deb --quiet --locked --no-build --strip --fast --deb-version 0.1.0-1 --output "$work/debs/arenad_0.1.0-1.deb" >/dev/null
# The same as an earlier version, for the upgrade.
dpkg-deb -R "$work/debs/arenad_0.1.0-1.deb" "$work/earlier"
sed -i 's/^Version: .*/Version: 0.0.9-1/' "$work/earlier/DEBIAN/control"
dpkg-deb -Znone --build "$work/earlier" "$work/debs/arenad_0.0.9-1.deb" >/dev/null
ls -l "$work/debs" | awk 'NR > 1 { print "note    " $9 ": " $5 " bytes" }'
say "lintian has no errors" lintian --fail-on error "$work/debs/arenad_0.1.0-1.deb"

mkdir "$work/unit"
dpkg-deb -x "$work/debs/arenad_0.1.0-1.deb" "$work/unit"
unit="$work/unit/usr/lib/systemd/system/arenad@.service"
say "systemd-analyze security is below 3.0" systemd-analyze security --offline=true --threshold=29 "$unit"
systemd-analyze security --offline=true "$unit" | tail -n 1
sed -i "s|/usr/bin/arenad|$work/unit/usr/bin/arenad|; /^Documentation=/d" "$unit"
say "systemd-analyze verify has no complaint" bash -c "! systemd-analyze verify '$unit' 2>&1 | grep ."

mirror=$(awk '/^URIs:/{print $2; exit}' /etc/apt/sources.list.d/*.sources 2>/dev/null || true)
[ "$suite" = bookworm ] || {
    # Debian has not got the keys of Ubuntu's archive.
    curl --retry 3 -sSfL http://archive.ubuntu.com/ubuntu/pool/main/u/ubuntu-keyring/ubuntu-keyring_2021.03.26_all.deb -o "$work/keys.deb"
    echo "0d0e7ed6b112f5d03eabf3c7eb01ebdacf9c57714b279e90495cfc58c8c4520f  $work/keys.deb" | sha256sum --quiet --check
    dpkg-deb -x "$work/keys.deb" "$work/keys"
    mirror="deb [signed-by=$work/keys/usr/share/keyrings/ubuntu-archive-keyring.gpg] http://archive.ubuntu.com/ubuntu $suite main universe"
}
mmdebstrap --quiet --variant=minbase --aptopt='Acquire::Check-Valid-Until "false"' \
    --include=systemd,systemd-sysv,dbus,udev,procps,util-linux,strace,libgcc-s1 "$suite" "$work/root" ${mirror:+"$mirror"}
mkdir "$work/root/try"
cp "$work/debs"/*.deb "$camera" .ci/interop/package.inside.bash "$work/root/try/"
cat >"$work/root/etc/systemd/system/try.service" <<UNIT
[Unit]
Description=what package.sh tries
After=multi-user.target
[Service]
Type=oneshot
TimeoutStartSec=$((200 * ${PATIENCE:-1}))
Environment=PATIENCE=${PATIENCE:-1}
ExecStart=-/bin/bash /try/package.inside.bash
ExecStopPost=/usr/bin/systemctl --no-block poweroff
StandardOutput=append:/try/results
StandardError=inherit
UNIT
mkdir -p "$work/root/etc/systemd/system/multi-user.target.wants"
ln -s ../try.service "$work/root/etc/systemd/system/multi-user.target.wants/"
timeout --kill-after=10 $((240 * ${PATIENCE:-1})) systemd-nspawn --quiet --register=no --keep-unit --boot --directory="$work/root" --console=pipe \
    </dev/null >"$work/console" 2>&1 || true
cat "$work/root/try/results" || { tail -n 40 "$work/console"; failed=1; }
grep -q '^done' "$work/root/try/results" && ! grep -q '^FAILED' "$work/root/try/results" || failed=1
exit "$failed"
