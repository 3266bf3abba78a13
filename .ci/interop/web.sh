#!/usr/bin/env bash
# The live page in a real Chromium: pictures, names, states, nothing from elsewhere. Needs target/release/arenad.
set -euo pipefail
cd "$(dirname "$0")/../.."
work=$(mktemp -d -t arenad-web-XXXXXX)
trap 'rm -rf "$work"' EXIT
command -v chromium >/dev/null && command -v npm >/dev/null || {
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core nodejs npm
}
npm install --silent --no-audit --no-fund --prefix "$work" playwright-core
NODE_PATH="$work/node_modules" WORK="$work" node .ci/interop/web.check.js
