//! Hostile H.264 streams: no panic, no access unit unaccounted for.
#![no_main]

mod units;

use arenad::handover::Codec;

libfuzzer_sys::fuzz_target!(|data: &[u8]| units::run(|_| Codec::H264, data));
