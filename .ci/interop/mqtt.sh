#!/usr/bin/env bash
# The broker sink against a real mosquitto: passwords, TLS, kill -9, a frozen broker, farewells.
set -euo pipefail
cd "$(dirname "$0")/../.."
source .ci/build.bash
command -v mosquitto >/dev/null && command -v mosquitto_sub >/dev/null && command -v openssl >/dev/null || {
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends mosquitto mosquitto-clients openssl python3
}
[ -n "${ARENAD:-}" ] || build - --bin arenad --example camera
exec python3 .ci/interop/mqtt.check.py
