//! Poses to lines of JSON.

use super::{Sizes, allowed, writable};
use crate::handover::{Gaps, Pose, Poses};
use crate::stamp::Stamp;
use std::io::{self, Write};

/// Writes recorded poses, one line a frame.
///
/// What no tracker takes in is not written: a keypoint whose place or score is no number is missing, so is a pose without a centre,
/// and likelihoods that are no numbers become equal ones.
pub struct TranscriptWriter<W: Write> {
    out: W,
    sizes: Sizes,
    /// Kept so that no frame allocates.
    line: Vec<u8>,
}

impl<W: Write> TranscriptWriter<W> {
    /// Writes to `out`, which should be buffered.
    pub fn new(out: W, sizes: Sizes) -> Self {
        Self { out, sizes, line: Vec::with_capacity(8192) }
    }

    /// Writes the frames that are missing before a frame, then the frame. Its capture time counts from 1970, as in a recording.
    ///
    /// # Errors
    /// What the destination says.
    pub fn write_frame(&mut self, stamp: &Stamp, gaps: &Gaps, poses: &Poses) -> io::Result<()> {
        self.write_gaps(gaps)?;
        let sizes = self.sizes;
        let line = &mut self.line;
        line.clear();
        write!(line, "{{\"seq\":{},\"time_s\":", stamp.frame)?;
        push_seconds(line, stamp.captured.0)?;
        line.extend_from_slice(b",\"poses\":[");
        for (index, pose) in poses.iter().filter(|pose| writable(pose)).enumerate() {
            if index > 0 {
                line.push(b',');
            }
            push_pose(line, pose, sizes)?;
        }
        line.extend_from_slice(b"]}\n");
        self.out.write_all(line)
    }

    /// Writes why frames are missing.
    ///
    /// # Errors
    /// What the destination says.
    pub fn write_gaps(&mut self, gaps: &Gaps) -> io::Result<()> {
        for gap in gaps.iter() {
            writeln!(self.out, "{{\"gap\":[{},{},\"{}\"]}}", gap.first, gap.last, gap.reason.word())?;
        }
        Ok(())
    }

    /// Writes out what is buffered and gives the destination back.
    ///
    /// # Errors
    /// What the destination says.
    pub fn finish(mut self) -> io::Result<W> {
        self.out.flush()?;
        Ok(self.out)
    }
}

fn push_pose(line: &mut Vec<u8>, pose: &Pose, sizes: Sizes) -> io::Result<()> {
    line.extend_from_slice(b"{\"keypoints\":[");
    for (index, keypoint) in pose.keypoints[..sizes.keypoints].iter().enumerate() {
        if index > 0 {
            line.push(b',');
        }
        let numbers = keypoint.map(|keypoint| [keypoint.at.x, keypoint.at.y, keypoint.score]);
        match numbers.filter(|numbers| numbers.iter().copied().all(allowed)) {
            Some(numbers) => push_numbers(line, &numbers)?,
            None => line.extend_from_slice(b"null"),
        }
    }
    line.extend_from_slice(b"],\"identity\":");
    let likelihoods = &pose.identity[..sizes.identities];
    if likelihoods.iter().copied().all(allowed) {
        push_numbers(line, likelihoods)?;
    } else {
        push_numbers(line, &vec![1.0 / sizes.identities as f32; sizes.identities])?;
    }
    push_coats(line, pose, sizes)?;
    line.extend_from_slice(b",\"score\":");
    push_number(line, pose.score)?;
    line.extend_from_slice(b",\"centre\":");
    push_numbers(line, &[pose.centre.x, pose.centre.y])?;
    line.push(b'}');
    Ok(())
}

/// Nothing where no keypoint's coat is known.
fn push_coats(line: &mut Vec<u8>, pose: &Pose, sizes: Sizes) -> io::Result<()> {
    let known = |shown: &[f32]| shown.iter().any(|share| *share != 0.0) && shown.iter().copied().all(allowed);
    let coats = || pose.coats[..sizes.keypoints].iter().map(|shown| &shown[..sizes.identities]);
    if !coats().any(known) {
        return Ok(());
    }
    for (index, shown) in coats().enumerate() {
        line.extend_from_slice(if index == 0 { b",\"coats\":[" } else { b"," });
        if known(shown) { push_numbers(line, shown)? } else { line.extend_from_slice(b"null") }
    }
    line.push(b']');
    Ok(())
}

fn push_numbers(line: &mut Vec<u8>, numbers: &[f32]) -> io::Result<()> {
    line.push(b'[');
    for (index, number) in numbers.iter().enumerate() {
        if index > 0 {
            line.push(b',');
        }
        push_number(line, *number)?;
    }
    line.push(b']');
    Ok(())
}

/// The shortest digits, unless reading them, which goes by way of an `f64`, would round twice to another number.
fn push_number(line: &mut Vec<u8>, number: f32) -> io::Result<()> {
    let from = line.len();
    write!(line, "{number:?}")?;
    if serde_json::from_slice::<f32>(&line[from..]).ok() != Some(number) {
        line.truncate(from);
        write!(line, "{:?}", f64::from(number))?;
    }
    Ok(())
}

/// Nanoseconds as seconds, to the last digit.
fn push_seconds(line: &mut Vec<u8>, nanos: i64) -> io::Result<()> {
    let (sign, size) = (if nanos < 0 { "-" } else { "" }, nanos.unsigned_abs());
    write!(line, "{sign}{}.{:09}", size / 1_000_000_000, size % 1_000_000_000)?;
    while line.ends_with(b"0") && !line.ends_with(b".0") {
        line.pop();
    }
    Ok(())
}
