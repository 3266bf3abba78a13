//! Lines of JSON to poses. The file may come from anywhere: each line is bounded before it is read and checked before it is used.

use super::{LARGEST, LARGEST_SEQ, LONGEST_LINE, LONGEST_TIME_S, MOST_MISSING, Sizes, TranscriptError, allowed};
use crate::handover::{Gap, GapReason, Gaps, Keypoint, MAX_ANIMALS, Pose, Poses};
use crate::space::InCamera;
use crate::stamp::{Monotonic, Stamp, WallTime};
use serde::Deserialize;
use std::io::{BufRead, Read as _};

/// What a line may be, for those who are told that it is something else.
const LINES: &str = "{\"seq\":…,\"time_s\":…,\"poses\":[…]} or {\"gap\":[first,last,\"reason\"]}";

/// One recorded frame.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Recorded {
    /// Its number and its capture time, counted from 1970.
    pub stamp: Stamp,
    /// Frames missing before it.
    pub gaps: Gaps,
    /// Its poses, camera pixels.
    pub poses: Poses,
}

/// Reads recorded poses line by line, whatever the input holds.
pub struct TranscriptReader<R> {
    input: R,
    sizes: Sizes,
    /// Lines read so far.
    line: u64,
    text: Vec<u8>,
    /// The number that comes next; `None` before the first.
    next: Option<u64>,
    /// Frames missing since the one before, and how many in the whole file.
    gaps: Gaps,
    missing: u64,
}

/// A frame or a gap; which fields belong together is checked after reading, for the sake of the words.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenLine {
    seq: Option<u64>,
    time_s: Option<f64>,
    poses: Option<Vec<WrittenPose>>,
    gap: Option<(u64, u64, String)>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenPose {
    keypoints: Vec<Option<[f32; 3]>>,
    #[serde(default)]
    identity: Vec<f32>,
    #[serde(default)]
    coats: Vec<Option<Vec<f32>>>,
    score: f32,
    centre: Option<[f32; 2]>,
}

impl<R: BufRead> TranscriptReader<R> {
    /// Reads `input`, whose poses have these sizes.
    pub fn new(input: R, sizes: Sizes) -> Self {
        Self { input, sizes, line: 0, text: Vec::new(), next: None, gaps: Gaps::default(), missing: 0 }
    }

    /// The next frame; `None` at the end.
    ///
    /// # Errors
    /// The first line that is not what it must be, by its number. What comes after it is not read.
    pub fn next_frame(&mut self) -> Result<Option<Recorded>, TranscriptError> {
        while self.read_line()? {
            let line = self.line;
            if self.text.trim_ascii().is_empty() {
                continue;
            }
            let taken = self.take_line().map_err(|what| TranscriptError::Line { line, what })?;
            if taken.is_some() {
                return Ok(taken);
            }
        }
        Ok(None)
    }

    /// Frames missing after the last one.
    pub fn take_gaps(&mut self) -> Gaps {
        std::mem::take(&mut self.gaps)
    }

    /// Fills `text` with the next line; `false` at the end.
    fn read_line(&mut self) -> Result<bool, TranscriptError> {
        self.text.clear();
        let line = self.line + 1;
        let mut bounded = (&mut self.input).take(LONGEST_LINE as u64 + 1);
        let read = bounded.read_until(b'\n', &mut self.text);
        let read = read.map_err(|source| TranscriptError::Read { line, source })?;
        if read > LONGEST_LINE {
            let what =
                format!("is longer than {LONGEST_LINE} bytes; allowed: one frame of at most {MAX_ANIMALS} poses");
            return Err(TranscriptError::Line { line, what });
        }
        self.line = line;
        Ok(read > 0)
    }

    /// What the line says; `None` where it is a gap.
    fn take_line(&mut self) -> Result<Option<Recorded>, String> {
        let written: WrittenLine = serde_json::from_slice(&self.text).map_err(|error| told(&error))?;
        let (seq, time_s, poses) = match written {
            WrittenLine { seq: Some(seq), time_s: Some(time_s), poses: Some(poses), gap: None } => (seq, time_s, poses),
            WrittenLine { seq: None, time_s: None, poses: None, gap: Some((first, last, reason)) } => {
                return self.take_gap(first, last, &reason).map(|()| None);
            }
            _ => return Err(format!("got neither a whole frame nor a gap; allowed: {LINES}")),
        };
        self.reach(seq, "seq")?;
        self.next = Some(seq + 1);
        if time_s.is_nan() || time_s.abs() > LONGEST_TIME_S {
            return Err(format!("time_s: got {time_s}; allowed: -{LONGEST_TIME_S} to {LONGEST_TIME_S}"));
        }
        let nanos = (time_s * 1e9).round() as i64;
        let stamp = Stamp {
            frame: seq,
            captured: WallTime(nanos),
            arrived: Monotonic(nanos.max(0).unsigned_abs()),
            ..Stamp::default()
        };
        if poses.len() > MAX_ANIMALS {
            return Err(format!("poses: got {}; allowed: at most {MAX_ANIMALS}", poses.len()));
        }
        let mut read = Poses::new();
        for (index, written) in poses.into_iter().enumerate() {
            let pose = pose(written, self.sizes).map_err(|what| format!("poses[{index}].{what}"))?;
            // There is room: the number of poses was checked.
            let _ = read.push(pose);
        }
        Ok(Some(Recorded { stamp, gaps: self.take_gaps(), poses: read }))
    }

    fn take_gap(&mut self, first: u64, last: u64, reason: &str) -> Result<(), String> {
        self.reach(first, "gap")?;
        if last < first || last > LARGEST_SEQ {
            return Err(format!("gap: got {first} to {last}; allowed: a last number from the first to {LARGEST_SEQ}"));
        }
        let Some(reason) = GapReason::ALL.into_iter().find(|known| known.word() == reason) else {
            let words: Vec<_> = GapReason::ALL.iter().map(|known| known.word()).collect();
            return Err(format!("gap: got the reason {reason:?}; allowed: {}", words.join(", ")));
        };
        self.miss(Gap { first, last, reason })?;
        self.next = Some(last + 1);
        Ok(())
    }

    /// Numbers between the last line's and this one's, which no line tells, are missing.
    fn reach(&mut self, number: u64, field: &str) -> Result<(), String> {
        let next = self.next.unwrap_or(number);
        if number < next {
            return Err(format!("{field}: got {number} after {}; allowed: frame numbers that rise", next - 1));
        }
        if number > LARGEST_SEQ {
            return Err(format!("{field}: got {number}; allowed: 0 to {LARGEST_SEQ}"));
        }
        if number > next {
            self.miss(Gap { first: next, last: number - 1, reason: GapReason::Inference })?;
        }
        Ok(())
    }

    fn miss(&mut self, gap: Gap) -> Result<(), String> {
        self.missing = self.missing.saturating_add(gap.frames());
        if self.missing > MOST_MISSING {
            return Err(format!(
                "frames {} to {} are missing, {} so far; allowed: at most {MOST_MISSING} in one file",
                gap.first, gap.last, self.missing
            ));
        }
        self.gaps.note(gap);
        Ok(())
    }
}

/// What the JSON reader says, without its line, which is always 1.
fn told(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let what = text.rsplit_once(" at line ").map_or(text.as_str(), |(what, _)| what);
    format!("column {}: {what}; allowed: {LINES}", error.column())
}

fn pose(written: WrittenPose, sizes: Sizes) -> Result<Pose, String> {
    let WrittenPose { keypoints, identity, coats, score, centre } = written;
    if keypoints.len() != sizes.keypoints {
        return Err(format!(
            "keypoints: got {}; allowed: {}, one for each of the model's",
            keypoints.len(),
            sizes.keypoints
        ));
    }
    let mut pose = Pose { score: checked("score", score)?, ..Pose::default() };
    for (keypoint, numbers) in pose.keypoints.iter_mut().zip(keypoints) {
        let Some(numbers) = numbers else { continue };
        for number in numbers {
            checked("keypoints", number)?;
        }
        let [x, y, score] = numbers;
        *keypoint = Some(Keypoint { at: InCamera { x, y }, score });
    }
    pose.centre = match centre {
        Some([x, y]) => InCamera { x: checked("centre", x)?, y: checked("centre", y)? },
        None => mean(&pose).ok_or("centre: got neither a centre nor a keypoint; allowed: one of them at least")?,
    };
    let likelihoods = &mut pose.identity[..sizes.identities];
    if identity.is_empty() {
        likelihoods.fill(1.0 / sizes.identities as f32);
    } else if identity.len() == likelihoods.len() {
        for (likelihood, written) in likelihoods.iter_mut().zip(identity) {
            *likelihood = checked("identity", written)?;
        }
    } else {
        return Err(format!(
            "identity: got {}; allowed: {}, one for each of the model's, or none",
            identity.len(),
            sizes.identities
        ));
    }
    if coats.len() > sizes.keypoints {
        return Err(format!(
            "coats: got {}; allowed: {}, one for each keypoint, or none",
            coats.len(),
            sizes.keypoints
        ));
    }
    for (k, (shown, written)) in pose.coats.iter_mut().zip(coats).enumerate() {
        let Some(written) = written else { continue };
        if written.len() != sizes.identities {
            return Err(format!(
                "coats[{k}]: got {}; allowed: {}, one for each of the model's identities, or null",
                written.len(),
                sizes.identities
            ));
        }
        for (share, written) in shown.iter_mut().zip(written) {
            *share = checked("coats", written)?;
        }
    }
    Ok(pose)
}

fn checked(field: &str, number: f32) -> Result<f32, String> {
    if allowed(number) { Ok(number) } else { Err(format!("{field}: got {number}; allowed: -{LARGEST} to {LARGEST}")) }
}

/// Mean of the keypoints' places.
fn mean(pose: &Pose) -> Option<InCamera> {
    let seen = pose.keypoints.iter().flatten();
    let (mut x, mut y, mut count) = (0.0, 0.0, 0.0);
    for keypoint in seen {
        (x, y, count) = (x + keypoint.at.x, y + keypoint.at.y, count + 1.0);
    }
    (count > 0.0).then(|| InCamera { x: x / count, y: y / count })
}
