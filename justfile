# What CI does, by hand. `just` lists the recipes.

default:
    @just --list

# The demo: renders an arena, tracks it, shows it on http://127.0.0.1:8080
demo:
    cargo run --release -- demo

# Tests, as in the README
test:
    cargo test

# Format, lints and documentation as CI checks them
lint:
    cargo fmt --check
    cargo clippy --all-targets -- -D warnings
    RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --document-private-items

# Licences, sources and, where the database can be reached, advisories
deny:
    cargo deny check

# Real peers: RTSP servers, brokers, pandas and DuckDB, Chromium (installs what it needs with apt, pip and npm)
interop:
    for script in .ci/interop/*.sh; do bash "$script" || exit 1; done

# Everything that CI runs
ci:
    bash .ci/run
