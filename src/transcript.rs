//! Recorded poses: what the tracker was told, frame by frame, as lines of JSON that the tracker alone can be run over again.
//!
//! A line is a frame, `{"seq":0,"time_s":0.0,"poses":[{"keypoints":[[x,y,score],null,…],"identity":[…],"score":s,"centre":[x,y]}]}`,
//! or says why frames are missing, `{"gap":[first,last,"reason"]}`. Places are camera pixels; `time_s` counts from the
//! recording's start, and `seq` is the frame number, which rises. A pose's `coats`, `[[…],null,…]`, tell how likely each identity
//! shows the colour around each keypoint. Left out may be: `centre` (then the mean of the keypoints), `identity` (then all are
//! equal), `coats` (then nothing is known), and lines of gaps (then numbers that are missing have the reason `inference`: the model said
//! nothing about them). Each number is written so that reading gives the same `f32`.

mod reader;
mod writer;

pub use reader::{Recorded, TranscriptReader};
pub use writer::TranscriptWriter;

use crate::handover::{MAX_ANIMALS, MAX_KEYPOINTS, Pose};

/// No line is longer, bytes: eight poses of 24 keypoints, each with 8 coats, with every digit are 45 000.
pub const LONGEST_LINE: usize = 1 << 16;
/// Most frames that may be missing in one file: 11 hours at 25 a second. Each becomes a row of `poses.csv`.
pub const MOST_MISSING: u64 = 1_000_000;
/// Largest frame number: more than this a JSON number does not hold exactly.
pub const LARGEST_SEQ: u64 = 1 << 53;
/// Longest time from the recording's start, seconds: up to 104 days nanoseconds are exact.
pub const LONGEST_TIME_S: f64 = 9e6;
/// No picture is as wide and no score as great, so what lies beyond is no number of a pose.
const LARGEST: f32 = 1e5;

/// What is wrong with a file of recorded poses.
#[derive(Debug, thiserror::Error)]
pub enum TranscriptError {
    /// The file could not be read.
    #[error("line {line}: {source}; give a file that can be read")]
    Read {
        /// Which line, counted from 1.
        line: u64,
        /// The system's words.
        source: std::io::Error,
    },
    /// A line is not what it must be.
    #[error("line {line}: {what}")]
    Line {
        /// Which line, counted from 1.
        line: u64,
        /// What was got, what is allowed.
        what: String,
    },
}

/// How many keypoints and identities each pose has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    keypoints: usize,
    identities: usize,
}

impl Sizes {
    /// Of a model with so many keypoints and identities; more than the line's limits are not counted.
    pub fn new(keypoints: usize, identities: usize) -> Self {
        Self { keypoints: keypoints.min(MAX_KEYPOINTS), identities: identities.min(MAX_ANIMALS) }
    }
}

/// A number that a pose may have.
fn allowed(number: f32) -> bool {
    // Written so that NaN is not allowed either.
    number.abs() <= LARGEST
}

/// A pose that can be written: where its body is and how sure it is are numbers.
fn writable(pose: &Pose) -> bool {
    [pose.centre.x, pose.centre.y, pose.score].into_iter().all(allowed)
}
