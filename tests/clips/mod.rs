//! Clips of `tests/data/decode` as access units, with what libavcodec makes of them.
#![allow(dead_code, reason = "each test binary uses its own part")]

use arenad::decode::{Decode, DecodeError};
use arenad::handover::{AccessUnit, Codec, Frame, Gap, GapReason, Gaps, MAX_GAPS};
use arenad::ledger::Ledger;
use arenad::stamp::{Clock, Monotonic, Stamp, WallTime};
use std::sync::Arc;

pub const H264: [&str; 11] = [
    "baseline.h264",
    "p_refs4.h264",
    "p_type0.h264",
    "b.h264",
    "pyramid.h264",
    "slices.h264",
    "refresh.h264",
    "open_gop.h264",
    "b_unstated.h264",
    "p_type0_unstated.h264",
    "pyramid_unstated.h264",
];
pub const H265: [&str; 3] = ["p.h265", "open_gop.h265", "crop.h265"];

/// One frame interval in 1/90000 s.
const INTERVAL: i64 = 3600;

pub fn read(name: &str) -> Vec<u8> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/decode").join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// MD5 of each picture in display order, and its place in decoding order.
pub fn golden(name: &str) -> Vec<(String, usize)> {
    let text = String::from_utf8(read(&format!("{name}.golden"))).expect("text");
    text.lines()
        .map(|line| line.split_once(' ').expect("two columns"))
        .map(|(md5, place)| (md5.to_owned(), place.trim().parse().expect("a number")))
        .collect()
}

/// One access unit of its own, as the first of a stream.
pub fn unit(codec: Codec, data: Vec<u8>, frame: u64, presentation: i64) -> AccessUnit {
    let captured = WallTime(presentation * 1_000_000_000 / 90_000);
    let stamp = Stamp { frame, captured, arrived: Monotonic(frame), ..Stamp::default() };
    AccessUnit { data: data.into(), codec, key: true, packets_lost: 0, restart: frame == 0, presentation, stamp }
}

/// A clip's access units in decoding order with true presentation times.
pub fn units(name: &str) -> Vec<AccessUnit> {
    let codec = if name.ends_with("265") { Codec::H265 } else { Codec::H264 };
    let golden = golden(name);
    let shown_at = |place| golden.iter().position(|(_, other)| *other == place).expect("a place in display order");
    let split = split(&read(name), codec);
    assert_eq!(split.len(), golden.len(), "{name}");
    let numbered = split.into_iter().enumerate();
    numbered.map(|(place, data)| unit(codec, data, place as u64, shown_at(place) as i64 * INTERVAL)).collect()
}

/// Splits Annex B before the first NAL unit of each picture.
pub fn split(stream: &[u8], codec: Codec) -> Vec<Vec<u8>> {
    let mut starts: Vec<usize> = (0..stream.len() - 3).filter(|at| stream[*at..].starts_with(&[0, 0, 1])).collect();
    starts.push(stream.len());
    let mut units: Vec<Vec<u8>> = vec![Vec::new()];
    let mut has_picture = false;
    for pair in starts.windows(2) {
        let nal = &stream[pair[0] + 3..pair[1]];
        let (is_slice, begins) = match codec {
            Codec::H265 => (nal[0] >> 1 & 0x3f < 32, nal[2] & 0x80 != 0),
            _ => (matches!(nal[0] & 0x1f, 1 | 5), nal[1] & 0x80 != 0),
        };
        if has_picture && (begins || !is_slice) {
            units.push(Vec::new());
            has_picture = false;
        }
        has_picture |= is_slice;
        units.last_mut().expect("one at least").extend_from_slice(&stream[pair[0]..pair[1]]);
    }
    units
}

/// What came of a stream.
pub struct Outcome {
    /// Frames in the order given out, each with the access unit (its index) after which it came.
    pub frames: Vec<(Frame, usize)>,
    /// Errors, each with its access unit.
    pub errors: Vec<(usize, DecodeError)>,
    /// Numbers missing after the last frame.
    pub rest: Gaps,
    pub ledger: Arc<Ledger>,
}

/// Decodes a whole stream. Frames are held until the end.
pub fn decode(units: &[AccessUnit]) -> Outcome {
    decode_with(units, units.len() + 1)
}

/// Decodes a whole stream with a pool of `buffers`; frames are held until the end.
pub fn decode_with(units: &[AccessUnit], buffers: usize) -> Outcome {
    let ledger = Arc::new(Ledger::default());
    let mut front = Decode::new(buffers, Arc::clone(&ledger), Clock::new());
    let (mut frames, mut errors) = (Vec::new(), Vec::new());
    for (index, unit) in units.iter().enumerate() {
        if let Err(error) = front.decode(unit, &mut |frame| frames.push((frame, index))) {
            errors.push((index, error));
        }
    }
    front.flush(&mut |frame| frames.push((frame, units.len())));
    Outcome { frames, errors, rest: front.take_gaps(), ledger }
}

impl Outcome {
    /// All gaps, in order.
    pub fn gaps(&self) -> Vec<Gap> {
        let noted = self.frames.iter().map(|(frame, _)| &frame.gaps).chain([&self.rest]);
        noted.flat_map(Gaps::iter).copied().collect()
    }

    /// How many numbers are missing for this reason.
    pub fn missing(&self, reason: GapReason) -> u64 {
        self.gaps().iter().filter(|gap| gap.reason == reason).map(Gap::frames).sum()
    }

    /// Every number from 0 to `last` is a frame or in the gap before one, rising, and the ledger agrees.
    pub fn assert_accounts_for(&self, last: u64, what: &str) {
        let mut next = 0;
        for (frame, _) in &self.frames {
            for gap in frame.gaps.iter() {
                assert_eq!(gap.first, next, "{what}: gap before frame {}", frame.stamp.frame);
                next = gap.last + 1;
            }
            assert_eq!(frame.stamp.frame, next, "{what}");
            next += 1;
        }
        for gap in self.rest.iter() {
            assert_eq!(gap.first, next, "{what}: gap after the last frame");
            next = gap.last + 1;
        }
        assert_eq!(next, last + 1, "{what}");
        let counters = &self.ledger.counters;
        assert_eq!(counters.frames_decoded.get(), self.frames.len() as u64, "{what}");
        let counted = [
            (counters.frames_corrupt.get(), GapReason::Corrupt),
            (counters.frames_without_reference.get(), GapReason::NoReference),
            (counters.frames_without_buffer.get(), GapReason::NoBuffer),
        ];
        // A list of gaps that is full keeps the numbers but not each reason.
        let lists = self.frames.iter().map(|(frame, _)| &frame.gaps).chain([&self.rest]);
        if lists.map(|gaps| gaps.iter().count()).max() < Some(MAX_GAPS) {
            for (count, reason) in counted {
                assert_eq!(count, self.missing(reason), "{what}: {reason:?}");
            }
        }
    }
}

/// MD5 of a frame's planes, rows without padding.
pub fn md5(frame: &Frame) -> String {
    let mut md5 = rusty_h265::md5::Md5::new();
    (0..3).for_each(|plane| md5.update(frame.plane(plane).0));
    md5.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}
