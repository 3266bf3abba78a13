//! Hostile recorded poses: the reader neither panics nor takes memory beyond a line, and what it takes in the tracker survives.
#![no_main]

use arenad::config;
use arenad::track::Tracker;
use arenad::transcript::{Sizes, TranscriptReader};
use arenad::zones::Zones;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let mut reader = TranscriptReader::new(data, Sizes::new(2, 2));
    let mut tracker = Tracker::new(config::Tracker::default(), 2, Zones::default(), &[[0, 1]]);
    while let Ok(Some(frame)) = reader.next_frame() {
        tracker.advance(&frame.poses, frame.stamp, &frame.gaps);
    }
});
