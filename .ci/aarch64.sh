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

# The tests run the program, and so does a shell: the kernel must hand it to the emulator.
emulate() {
    export QEMU_LD_PREFIX=/usr/aarch64-linux-gnu
    local formats=/proc/sys/fs/binfmt_misc
    [ -e $formats/register ] || mount -t binfmt_misc binfmt_misc $formats
    [ -e $formats/qemu-aarch64 ] || cat /usr/lib/binfmt.d/qemu-aarch64.conf >$formats/register
}

# at_most NEWEST LIMIT: versions of symbols.
at_most() { [ "$(printf '%s\n' "$1" "$2" | sort -V | tail -n 1)" = "$2" ]; }

case ${1:-test} in
test)
    emulate
    # arenad's own code is vectorised as in the package, with the debug build's checks. This is not for speed: the time goes into
    # emulated arithmetic, and is the same without it.
    export CARGO_PROFILE_DEV_OPT_LEVEL=3 CARGO_INCREMENTAL=0
    export ARENAD_DEMO_SECONDS=90
    # qemu-user tells a program that could not be started as one that ended with 127, so the test of that word is the real machines'.
    cargo test --locked --target "$target" --features jetson --no-fail-fast "${@:2}" -- --skip without_python_it_says_so
    ;;
package)
    command -v cargo-deb >/dev/null || cargo install --quiet --locked cargo-deb
    # The linker strips: the machine's own strip does not know aarch64.
    CARGO_PROFILE_RELEASE_STRIP=symbols cargo build --locked --release --features jetson --target "$target" --bin arenad
    cargo deb --locked --no-build --variant jetson --target "$target" --no-strip --output "target/$target/arenad.deb"

    work=$(mktemp -d -t arenad-aarch64-XXXXXX)
    trap 'rm -rf "$work"' EXIT
    dpkg-deb -x "target/$target/arenad.deb" "$work"
    arenad=$work/usr/bin/arenad
    # What the program asks of the board is what Depends says in Cargo.toml.
    [ "$(dpkg-deb -f "target/$target/arenad.deb" Architecture)" = arm64 ]
    # The loader is asked for by name only where something is looked up for each thread.
    asks=$(aarch64-linux-gnu-objdump -p "$arenad" | awk '$1 == "NEEDED" && $2 !~ /^ld-linux/ { print $2 }' | sort | paste -sd ' ')
    echo "libraries: $asks"
    [ "$asks" = "libc.so.6 libgcc_s.so.1 libm.so.6 libstdc++.so.6" ]
    for limit in GLIBC_2.35 GLIBCXX_3.4.30; do
        newest=$(aarch64-linux-gnu-objdump -T "$arenad" | grep -o "${limit%%_*}_[0-9.]*" | sort -uV | tail -n 1)
        echo "newest symbol: $newest (Ubuntu 22.04, JetPack 6: $limit)"
        at_most "$newest" "$limit"
    done
    emulate
    "$arenad" --version
    "$arenad" rehearse --minutes 0.01 --seed 3 -o "$work/film" >/dev/null
    "$arenad" replay "$work/film/video.mp4" --engine built-in -o "$work/found"
    ls -l "target/$target/arenad.deb"
    ;;
*)
    echo "aarch64.sh: got $1; allowed: test (arguments for cargo test may follow), package" >&2
    exit 2
    ;;
esac
