#!/usr/bin/env bash
# `arenad eval` against TrackEval and py-motmetrics on the same files. Needs target/release/arenad (or ARENAD).
set -euo pipefail
cd "$(dirname "$0")/../.."
work=$(mktemp -d -t arenad-eval-XXXXXX)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv" 2>/dev/null || {
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends python3-venv
    python3 -m venv "$work/venv"
}
"$work/venv/bin/pip" install --quiet --disable-pip-version-check numpy scipy pandas pyarrow motmetrics trackeval
WORK="$work" ARENAD="${ARENAD:-target/release/arenad}" "$work/venv/bin/python" .ci/interop/eval.check.py
