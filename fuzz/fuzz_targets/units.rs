//! Fuzz input as a stream of access units: each begins with a head byte (flags) and two bytes of length.

use arenad::decode::Decode;
use arenad::handover::{AccessUnit, Codec, Gap};
use arenad::ledger::Ledger;
use arenad::stamp::{Clock, Stamp};
use std::sync::Arc;

/// Decodes all of them and checks that each is a frame or in a gap.
pub fn run(codec: impl Fn(u8) -> Codec, mut data: &[u8]) {
    let ledger = Arc::new(Ledger::default());
    let mut front = Decode::new(4, ledger, Clock::new());
    let (mut units, mut accounted) = (0u64, 0u64);
    while let [head, high, low, rest @ ..] = data {
        let length = usize::from(u16::from_be_bytes([*high, *low])).min(rest.len());
        let (bytes, after) = rest.split_at(length);
        data = after;
        let unit = AccessUnit {
            data: bytes.to_vec().into(),
            codec: codec(*head),
            key: head & 1 != 0,
            packets_lost: u32::from(head & 2 != 0),
            restart: head & 4 != 0,
            presentation: i64::from(head >> 3) * 3600,
            stamp: Stamp { frame: units, ..Stamp::default() },
        };
        units += 1;
        let _passing = front.decode(&unit, &mut |frame| accounted += 1 + frame.gaps.frames());
    }
    front.flush(&mut |frame| accounted += 1 + frame.gaps.frames());
    accounted += front.take_gaps().iter().map(Gap::frames).sum::<u64>();
    assert_eq!(accounted, units);
}
