//! Recordings as sources: `.mp4`, raw `.h264` and `.h265`, folders of pictures and single pictures. Unpaced, repeatable, clockless.

use super::error::SourceError;
use super::images::Images;
use super::mp4::Mp4;
use super::raw::Raw;
use crate::handover::{AccessUnit, Codec};
use crate::stamp::{CaptureClock, Monotonic, Stamp, WallTime};
use bytes::Bytes;
use std::path::Path;

/// No access unit and no picture file is larger than this, bytes. More is damage or an attack.
pub(super) const LARGEST_UNIT: u64 = 64 << 20;
/// Time between two pictures where a recording has no times: 30 a second, in units of 1/90000 s.
pub(super) const UNTIMED_STEP: i64 = 3000;
const NANOS_PER_TICK_NUMERATOR: i64 = 100_000;
const NANOS_PER_TICK_DENOMINATOR: i64 = 9;
const KINDS: &str = ".mp4, .h264, .h265, .png, .jpg and folders of .png or .jpg";

/// One coded picture, not yet stamped.
pub(super) struct Unit {
    pub(super) data: Bytes,
    pub(super) codec: Codec,
    pub(super) key: bool,
    /// In units of 1/90000 s.
    pub(super) presentation: i64,
}

enum Units {
    Mp4(Box<Mp4>),
    Raw(Box<Raw>),
    Images(Images),
}

/// The access units of a recording in decoding order.
///
/// `captured` counts from the recording's start, by its own times: composition times of an `.mp4`, 30 pictures a second in
/// files that have none. Raw streams have no times at all, so theirs are in decoding order: a decoder that reorders by
/// picture order count gives the times of each picture to its neighbours. `arrived` is the time since the recording's start,
/// so that two runs give the same stamps. An error ends the recording.
pub struct FileSource {
    units: Units,
    start: WallTime,
    next_frame: u64,
    ended: bool,
}

impl FileSource {
    /// Opens a recording that starts at 1970-01-01T00:00:00Z.
    pub fn open(path: &Path) -> Result<Self, SourceError> {
        Self::open_at(path, WallTime(0))
    }

    /// Opens a recording that starts at `start`. Reads the index of an `.mp4`, the names in a folder, and no pictures.
    pub fn open_at(path: &Path, start: WallTime) -> Result<Self, SourceError> {
        let about = std::fs::metadata(path).map_err(|error| unreadable(path, &error))?;
        let kind = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
        let units = if about.is_dir() {
            Units::Images(Images::folder(path)?)
        } else if !about.is_file() {
            return Err(wrong(path, "is neither a file nor a folder", KINDS));
        } else if about.len() == 0 {
            return Err(wrong(path, "is empty", KINDS));
        } else {
            match kind.as_str() {
                "mp4" | "m4v" | "mov" => Units::Mp4(Box::new(Mp4::open(path, about.len())?)),
                "h264" | "264" => Units::Raw(Box::new(Raw::open(path, Codec::H264)?)),
                "h265" | "265" | "hevc" => Units::Raw(Box::new(Raw::open(path, Codec::H265)?)),
                "png" | "jpg" | "jpeg" => Units::Images(Images::single(path)),
                _ => return Err(wrong(path, &format!("has the ending {kind:?}"), KINDS)),
            }
        };
        Ok(Self { units, start, next_frame: 0, ended: false })
    }

    /// How many access units there are, where that is known without reading them all (not for raw streams).
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> Option<u64> {
        match &self.units {
            Units::Mp4(mp4) => Some(mp4.len()),
            Units::Images(images) => Some(images.len()),
            Units::Raw(_) => None,
        }
    }

    fn stamped(&mut self, unit: Unit) -> AccessUnit {
        let since_start = nanos(unit.presentation);
        let frame = self.next_frame;
        self.next_frame += 1;
        AccessUnit {
            data: unit.data,
            codec: unit.codec,
            key: unit.key,
            packets_lost: 0,
            restart: frame == 0,
            presentation: unit.presentation,
            stamp: Stamp {
                frame,
                captured: WallTime(self.start.0.saturating_add(since_start)),
                captured_error_ns: 0,
                capture_clock: CaptureClock::Recording,
                arrived: Monotonic(since_start.max(0).unsigned_abs()),
            },
        }
    }
}

impl Iterator for FileSource {
    type Item = Result<AccessUnit, SourceError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let unit = match &mut self.units {
            Units::Mp4(mp4) => mp4.next(),
            Units::Raw(raw) => raw.next(),
            Units::Images(images) => images.next(),
        };
        self.ended = !matches!(unit, Some(Ok(_)));
        Some(unit?.map(|unit| self.stamped(unit)))
    }
}

/// Ticks of 1/90000 s in nanoseconds.
fn nanos(ticks: i64) -> i64 {
    let exact = i128::from(ticks) * i128::from(NANOS_PER_TICK_NUMERATOR) / i128::from(NANOS_PER_TICK_DENOMINATOR);
    i64::try_from(exact).unwrap_or(if exact < 0 { i64::MIN } else { i64::MAX })
}

pub(super) fn unreadable(path: &Path, error: &std::io::Error) -> SourceError {
    SourceError::Unreadable { path: path.to_owned(), cause: error.to_string().to_lowercase() }
}

pub(super) fn wrong(path: &Path, got: &str, allowed: &'static str) -> SourceError {
    SourceError::Recording { path: path.to_owned(), got: got.to_owned(), allowed }
}

#[cfg(test)]
mod tests;
