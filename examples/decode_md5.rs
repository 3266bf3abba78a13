//! Decodes raw Annex B files (`.h264`, `.h265`) and prints the MD5 of each picture, for `.ci/interop/decode.sh`.

#[path = "../tests/clips/mod.rs"]
mod clips;

use arenad::decode::Decode;
use arenad::handover::{Codec, Gap};
use arenad::ledger::Ledger;
use arenad::stamp::Clock;
use std::sync::Arc;
use std::time::Instant;

fn main() -> Result<(), std::io::Error> {
    for name in std::env::args().skip(1) {
        let codec = if name.ends_with(".h265") { Codec::H265 } else { Codec::H264 };
        let split = clips::split(&std::fs::read(&name)?, codec).into_iter().enumerate();
        let units: Vec<_> = split.map(|(n, data)| clips::unit(codec, data, n as u64, n as i64 * 3600)).collect();
        let mut front = Decode::new(2, Arc::new(Ledger::default()), Clock::new());
        let (mut frames, mut missing, mut held) = (0u64, 0u64, 0u64);
        let start = Instant::now();
        for unit in &units {
            let result = front.decode(unit, &mut |frame| {
                held = held.max(unit.stamp.frame - frame.stamp.frame);
                frames += 1;
                missing += frame.gaps.frames();
                println!("{}", clips::md5(&frame));
            });
            if let Err(error) = result {
                eprintln!("{name}: access unit {}: {error}", unit.stamp.frame);
            }
        }
        front.flush(&mut |frame| {
            frames += 1;
            missing += frame.gaps.frames();
            println!("{}", clips::md5(&frame));
        });
        missing += front.take_gaps().iter().map(Gap::frames).sum::<u64>();
        let each = start.elapsed().as_secs_f64() * 1e3 / units.len().max(1) as f64;
        let counts = format!("{} access units, {frames} frames, {missing} missing", units.len());
        eprintln!("{name}: {counts}, held {held} at most, {each:.2} ms each with MD5");
        assert_eq!(units.len() as u64, frames + missing, "{name}: not all access units are accounted for");
    }
    Ok(())
}
