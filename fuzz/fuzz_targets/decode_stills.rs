//! Hostile JPEG and PNG pictures: no panic, no picture unaccounted for.
#![no_main]

mod units;

use arenad::handover::Codec;

libfuzzer_sys::fuzz_target!(|data: &[u8]| units::run(|head| if head & 8 != 0 { Codec::Png } else { Codec::Jpeg }, data));
