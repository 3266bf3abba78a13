//! Reads the rolling files of one run row by row, with live and settled names: what an evaluation compares with the truth.

use super::ExportError;
use super::found::rolling_files;
use super::rolling::{About, Columns, Damage, Rolling, Row, Sight, Stop, column};
use crate::handover::Keypoint;
use crate::sink::files::schema::{self, LIVE_IDENTITY, LIVE_P, SEEN_ENDING};
use arrow_array::{
    Array, BooleanArray, Float32Array, RecordBatch, StringArray, TimestampMicrosecondArray, UInt32Array,
};
use std::path::{Path, PathBuf};

/// What the files of a run say about themselves.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Recorded {
    /// Body parts, in the order of [`RecordedPose::points`].
    pub keypoints: Vec<String>,
    /// The model's animals.
    pub identities: Vec<String>,
    /// Rows have a live name beside the settled one.
    pub has_live: bool,
}

/// A name and its probability, 0 to 1.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RecordedName {
    /// `None` where it is withheld.
    pub name: Option<String>,
    /// Probability of the name.
    pub p: Option<f32>,
}

/// One animal seen in one frame.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RecordedPose {
    /// The row's `identity`: settled, or live in files that have but one.
    pub name: RecordedName,
    /// The row's `live_identity`.
    pub live: RecordedName,
    /// The track's number.
    pub track: Option<u32>,
    /// Camera pixels, and whether the keypoint was seen (else predicted); `None` where it is missing.
    pub points: Vec<Option<(Keypoint, bool)>>,
}

/// One row.
#[derive(Clone, Debug, PartialEq)]
pub enum RecordedRow {
    /// Frames that never became scenes, first and last included.
    Gap {
        /// First missing frame.
        first: u64,
        /// Last missing frame.
        last: u64,
    },
    /// A scene's row without a pose: predicted, hidden, unseen or nobody.
    NoPose {
        /// Which frame.
        frame: u64,
        /// Capture time, microseconds.
        captured_us: Option<i64>,
    },
    /// A pose.
    Pose {
        /// Which frame.
        frame: u64,
        /// Capture time, microseconds.
        captured_us: Option<i64>,
        /// The pose.
        pose: RecordedPose,
    },
}

/// Gives every row of the rolling files among `inputs` to `each`, in the order of their frames.
///
/// # Errors
/// [`ExportError`]: a file is damaged, the files differ in their model, or they are of several runs.
pub fn read_recorded(inputs: &[PathBuf], each: &mut dyn FnMut(RecordedRow)) -> Result<Recorded, ExportError> {
    let mut first: Option<(Recorded, About, PathBuf)> = None;
    let mut last_frame = None;
    for path in rolling_files(inputs)? {
        let Some(mut rolling) = open(&path)? else { continue };
        let about = rolling.about().clone();
        match &first {
            None => {
                let recorded = Recorded {
                    keypoints: about.keypoints.clone(),
                    identities: about.identities.clone(),
                    has_live: false,
                };
                first = Some((recorded, about.clone(), path.clone()));
            }
            Some((_, before, file)) => same(before, &about, file, &path)?,
        }
        while let Some(batch) = rolling.next_batch() {
            let read = |stop: Stop| damaged(&path, stop, last_frame);
            let batch = match batch {
                Err(Stop::Unfinished) => break,
                other => other.map_err(read)?,
            };
            let more = More::of(&batch, &about).map_err(read)?;
            if let Some((recorded, ..)) = &mut first {
                recorded.has_live |= more.live.is_some();
            }
            let columns = Columns::of(&batch, &about).map_err(read)?;
            let names: StringArray = column(&batch, schema::IDENTITY, "utf8").map_err(read)?;
            for (index, row) in columns.rows() {
                // A gap may be told late, after the disk came back.
                if let Row::Animal { frame, .. } = row {
                    if let Some(before) = last_frame.filter(|before| frame < *before) {
                        return Err(ExportError::FrameOrder { path, frame, before });
                    }
                    last_frame = Some(frame);
                }
                each(more.row(index, row, &names, &columns));
            }
        }
    }
    first
        .map(|(recorded, ..)| recorded)
        .ok_or_else(|| ExportError::Nothing { path: inputs.first().cloned().unwrap_or_default() })
}

/// `None` for a stream that holds no whole batch yet.
fn open(path: &Path) -> Result<Option<Rolling>, ExportError> {
    match Rolling::open_with(path, &More::names) {
        Ok(rolling) => Ok(Some(rolling)),
        Err(Stop::Unfinished) => Ok(None),
        Err(stop) => Err(damaged(path, stop, None)),
    }
}

fn damaged(path: &Path, stop: Stop, read_to: Option<u64>) -> ExportError {
    let what = match stop {
        Stop::Unfinished => "has no end".to_owned(),
        Stop::Damaged(what) => what,
    };
    ExportError::Damaged(Damage { path: path.to_owned(), what, read_to })
}

fn same(before: &About, about: &About, file: &Path, path: &Path) -> Result<(), ExportError> {
    let list = |names: &[String]| names.join(", ");
    for (what, got, expected) in [
        ("run", about.run.clone(), before.run.clone()),
        ("list of keypoints", list(&about.keypoints), list(&before.keypoints)),
        ("list of identities", list(&about.identities), list(&before.identities)),
    ] {
        if got != expected {
            let (path, before) = (path.to_owned(), file.to_owned());
            return Err(ExportError::Different { path, before, what, got, expected });
        }
    }
    Ok(())
}

/// The columns that an export does not need. Those that an older file lacks are `None`.
struct More {
    captured: Option<TimestampMicrosecondArray>,
    p: Option<Float32Array>,
    track: Option<UInt32Array>,
    live: Option<(StringArray, Option<Float32Array>)>,
    seen: Vec<Option<BooleanArray>>,
}

impl More {
    fn names(about: &About) -> Vec<String> {
        let rest = [schema::CAPTURED, schema::P, schema::TRACK, LIVE_IDENTITY, LIVE_P].map(String::from);
        rest.into_iter().chain(about.keypoints.iter().map(|name| format!("{name}{SEEN_ENDING}"))).collect()
    }

    fn of(batch: &RecordBatch, about: &About) -> Result<Self, Stop> {
        let live = maybe::<StringArray>(batch, LIVE_IDENTITY, "utf8")?;
        let live_p = maybe(batch, LIVE_P, "f32")?;
        let seen = about.keypoints.iter().map(|name| maybe(batch, &format!("{name}{SEEN_ENDING}"), "bool"));
        Ok(Self {
            captured: maybe(batch, schema::CAPTURED, "timestamp in microseconds")?,
            p: maybe(batch, schema::P, "f32")?,
            track: maybe(batch, schema::TRACK, "u32")?,
            live: live.map(|live| (live, live_p)),
            seen: seen.collect::<Result<_, _>>()?,
        })
    }

    fn row(&self, index: usize, row: Row, names: &StringArray, columns: &Columns) -> RecordedRow {
        let captured_us = self.captured.as_ref().filter(|at| at.is_valid(index)).map(|at| at.value(index));
        match row {
            Row::Gap { first, last } => RecordedRow::Gap { first, last },
            Row::Animal { frame, sight: Sight::Unseen } => RecordedRow::NoPose { frame, captured_us },
            Row::Animal { frame, .. } => {
                let live = self.live.as_ref().map(|(live, p)| named(live, p.as_ref(), index));
                let seen = self
                    .seen
                    .iter()
                    .map(|seen| seen.as_ref().is_none_or(|seen| seen.is_null(index) || seen.value(index)));
                let points = columns.points(index).zip(seen).map(|(point, seen)| point.map(|point| (point, seen)));
                let pose = RecordedPose {
                    name: named(names, self.p.as_ref(), index),
                    live: live.unwrap_or_default(),
                    track: self.track.as_ref().filter(|track| track.is_valid(index)).map(|track| track.value(index)),
                    points: points.collect(),
                };
                RecordedRow::Pose { frame, captured_us, pose }
            }
        }
    }
}

fn named(names: &StringArray, p: Option<&Float32Array>, index: usize) -> RecordedName {
    let name = names.is_valid(index).then(|| names.value(index).to_owned());
    RecordedName { name, p: p.filter(|p| p.is_valid(index)).map(|p| p.value(index)) }
}

fn maybe<A: Array + Clone + 'static>(batch: &RecordBatch, name: &str, kind: &str) -> Result<Option<A>, Stop> {
    batch.column_by_name(name).is_some().then(|| column(batch, name, kind)).transpose()
}
