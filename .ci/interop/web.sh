#!/usr/bin/env bash
# The live page in a real Chromium: pictures, names, states, nothing from elsewhere. Needs target/release/arenad.
set -euo pipefail
cd "$(dirname "$0")/../.."
work=$(mktemp -d -t arenad-web-XXXXXX)
trap 'rm -rf "$work"' EXIT
# Only what is missing: Debian's npm and a Node.js from elsewhere exclude each other.
missing=()
command -v chromium >/dev/null || missing+=(chromium fonts-dejavu-core)
command -v npm >/dev/null || missing+=(nodejs npm)
[ ${#missing[@]} = 0 ] || {
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"
}
npm install --silent --no-audit --no-fund --prefix "$work" playwright-core
NODE_PATH="$work/node_modules" WORK="$work" node .ci/interop/web.check.js
