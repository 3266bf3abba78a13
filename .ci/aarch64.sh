#!/usr/bin/env bash
# arenad for a Jetson (aarch64, the feature `jetson`) from an x86-64 Debian or Ubuntu machine without one: `.ci/aarch64.sh` cross-builds
# the whole test suite and runs it under emulation, `.ci/aarch64.sh package` makes the .deb and tries its program. Speed is not shown.
set -euo pipefail
cd "$(dirname "$0")/.."
target=aarch64-unknown-linux-gnu
export DEBIAN_FRONTEND=noninteractive

packages="gcc-aarch64-linux-gnu g++-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user-static"
# shellcheck disable=SC2086
dpkg -s $packages >/dev/null 2>&1 || {
    apt-get update -qq
    apt-get install -y -qq --no-install-recommends $packages
}
rustup target list --installed | grep -qx "$target" || rustup target add "$target"

export CC_aarch64_unknown_linux_gnu=aarch64-linux-gnu-gcc CXX_aarch64_unknown_linux_gnu=aarch64-linux-gnu-g++
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc
emulator="qemu-aarch64-static -L /usr/aarch64-linux-gnu"
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER=$emulator
# One program for TensorRT 10 and 11; an own choice of headers is kept.
export TENSORRT_INCLUDE_DIR=${TENSORRT_INCLUDE_DIR-$(.ci/tensorrt-headers.sh target/tensorrt-headers)}

case ${1:-test} in
test) cargo test --locked --target "$target" --features jetson --no-fail-fast "${@:2}" ;;
package)
    command -v cargo-deb >/dev/null || cargo install --quiet --locked cargo-deb
    # The linker strips: the machine's own strip does not know aarch64.
    export CARGO_PROFILE_RELEASE_STRIP=symbols
    cargo build --locked --release --features jetson --target "$target" --bin arenad
    arenad=target/$target/release/arenad
    # dpkg-shlibdeps does not know another architecture's libraries: what the program asks of them is read from it.
    for symbols in GLIBC_2.35 GLIBCXX_3.4.30; do
        newest=$(aarch64-linux-gnu-objdump -T "$arenad" | grep -o "${symbols%%_*}_[0-9.]*" | sort -uV | tail -n 1)
        echo "newest symbol: ${newest:-no ${symbols%%_*}} (Ubuntu 22.04, JetPack 6: $symbols)"
        [ "$(printf '%s\n' "$newest" "$symbols" | sort -V | tail -n 1)" = "$symbols" ]
    done
    cargo deb --locked --no-build --target "$target" --no-strip
    ;;
*)
    echo "aarch64.sh: got $1; allowed: test (arguments for cargo test may follow), package" >&2
    exit 2
    ;;
esac
