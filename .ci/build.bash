# How scripts of .ci/interop build what they run, and how they say that they could not run. To be sourced.

# skip WHY: .ci/run tells it as skipped, by the exit code that test harnesses use for it.
skip() {
    echo "skipped: $*"
    exit 77
}

# build FEATURE|- TARGET…: release programs, as `cargo build` names them, into $built. $ARENAD_FEATURES goes before the feature that a
# script needs: .ci/run builds everything once with all of them, and no script may put a program with fewer in its place.
built=${CARGO_TARGET_DIR:-target}/release
build() {
    local features=${ARENAD_FEATURES:-${1#-}}
    shift
    cargo build --release --quiet --locked ${features:+--features "$features"} "$@"
}
