#!/usr/bin/env bash
# arenad for aarch64 from an x86-64 Debian or Ubuntu machine: `.ci/aarch64.sh` cross-builds the whole test suite and runs it under
# emulation, `.ci/aarch64.sh package` makes the .deb for a Jetson. What is slow or real-time is not shown by either.
set -euo pipefail
cd "$(dirname "$0")/.."
target=aarch64-unknown-linux-gnu

packages="gcc-aarch64-linux-gnu g++-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user-static"
# shellcheck disable=SC2086
dpkg -s $packages >/dev/null 2>&1 || {
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $packages
}
rustup target list --installed | grep -qx "$target" || rustup target add "$target"

export CC_aarch64_unknown_linux_gnu=aarch64-linux-gnu-gcc CXX_aarch64_unknown_linux_gnu=aarch64-linux-gnu-g++
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER="qemu-aarch64-static -L /usr/aarch64-linux-gnu"

case ${1:-test} in
test) cargo test --locked --target "$target" --no-fail-fast "${@:2}" ;;
package)
    command -v cargo-deb >/dev/null || cargo install --quiet --locked cargo-deb
    # The linker strips: the machine's own strip does not know aarch64.
    export CARGO_PROFILE_RELEASE_STRIP=symbols
    cargo build --locked --release --features gpio --target "$target" --bin arenad
    # dpkg-shlibdeps does not know another architecture's libraries: what the program asks of libc is read from it and written down.
    needs=$(aarch64-linux-gnu-objdump -T "target/$target/release/arenad" | grep -o 'GLIBC_2\.[0-9]*' | sort -uV | tail -n 1)
    echo "newest symbol: $needs (Ubuntu 22.04, JetPack 6: GLIBC_2.35)"
    [ "$(printf '%s\n' "$needs" GLIBC_2.35 | sort -V | tail -n 1)" = GLIBC_2.35 ]
    cargo deb --locked --no-build --target "$target" --no-strip
    ;;
*)
    echo "aarch64.sh: got $1; allowed: test (arguments for cargo test may follow), package" >&2
    exit 2
    ;;
esac
