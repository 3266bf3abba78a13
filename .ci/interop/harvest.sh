#!/usr/bin/env bash
# The harvest in pandas and in the training's reader; kill -9; a full disk. Needs target/release/arenad (or ARENAD).
set -euo pipefail
cd "$(dirname "$0")/../.."
work=$(mktemp -d -t arenad-harvest-XXXXXX)
trap 'mountpoint -q "$work/disk" && umount "$work/disk"; rm -rf "$work"' EXIT
python3 -m venv "$work/venv" 2>/dev/null || {
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends python3-venv
    python3 -m venv "$work/venv"
}
"$work/venv/bin/pip" install --quiet --disable-pip-version-check pandas pillow
mkdir "$work/disk"
if [ "$(id -u)" = 0 ] && mount -t tmpfs -o size=3m tmpfs "$work/disk" 2>/dev/null; then
    export DISK="$work/disk"
fi
WORK="$work" PYTHONPATH=models "$work/venv/bin/python" .ci/interop/harvest.check.py
