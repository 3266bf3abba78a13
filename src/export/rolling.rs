//! Reads one rolling file, finished (Parquet) or left open (an Arrow stream), batch by batch.

use super::found::ends_in;
use crate::handover::{Keypoint, State};
use crate::sink::files::{STREAM, StreamFile, schema};
use crate::space::InCamera;
use arrow_array::{Array, Float32Array, RecordBatch, StringArray, UInt64Array};
use arrow_schema::Schema;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use std::fmt;
use std::fs::File;
use std::path::{Path, PathBuf};

/// Rows held in memory at once.
const BATCH_ROWS: usize = 4096;

/// A file, or the end of one, that could not be read. The rows before and the other files were.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// Which file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub what: String,
    /// The last frame of it that was read.
    pub read_to: Option<u64>,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}; ", self.path.display(), self.what)?;
        match self.read_to {
            Some(frame) => write!(f, "its rows up to frame {frame} were read; ")?,
            None => f.write_str("none of its rows were read; ")?,
        }
        f.write_str("copy it anew from where it came, or move it away")
    }
}

/// What stands in the way of reading on.
#[derive(Debug)]
pub(super) enum Stop {
    /// A stream has no whole batch, or more after the last: it is being written, or its daemon died. No fault of the file.
    Unfinished,
    /// The file is not as arenad wrote it.
    Damaged(String),
}

/// What a file says about itself.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct About {
    pub(super) arena: String,
    /// When the daemon that wrote it began: frame numbers count within one run.
    pub(super) run: String,
    pub(super) model: String,
    pub(super) keypoints: Vec<String>,
    pub(super) identities: Vec<String>,
}

impl About {
    fn of(told: &Schema) -> Result<Self, Stop> {
        let told = |key: &str| {
            let told = told.metadata().get(key).cloned();
            told.ok_or_else(|| {
                Stop::Damaged(format!("its metadata lack {key}; only files that arenad wrote can be read"))
            })
        };
        let list = |key: &str| {
            let text = told(key)?;
            serde_json::from_str::<Vec<String>>(&text)
                .map_err(|_| Stop::Damaged(format!("its metadata say {key} is {text}; a list of names is allowed")))
        };
        Ok(Self {
            arena: told(schema::META_ARENA)?,
            run: told(schema::META_RUN)?,
            model: told(schema::META_MODEL)?,
            keypoints: list(schema::META_KEYPOINTS)?,
            identities: list(schema::META_IDENTITIES)?,
        })
    }
}

/// One open file.
pub(super) struct Rolling {
    about: About,
    /// How many rows it has, where that is known before the end.
    rows: Option<u64>,
    batches: Batches,
}

enum Batches {
    Stream(StreamFile),
    Parquet(ParquetRecordBatchReader),
}

impl Rolling {
    /// With the columns that an export needs.
    pub(super) fn open(path: &Path) -> Result<Self, Stop> {
        Self::open_with(path, &|_| Vec::new())
    }

    /// With these columns too, where the file has them.
    pub(super) fn open_with(path: &Path, more: &dyn Fn(&About) -> Vec<String>) -> Result<Self, Stop> {
        if ends_in(path, STREAM) { Self::stream(path) } else { Self::parquet(path, more) }
    }

    fn stream(path: &Path) -> Result<Self, Stop> {
        let stream = StreamFile::open(path).map_err(|error| Stop::Damaged(error.to_string()))?;
        let schema = stream.schema().ok_or(Stop::Unfinished)?;
        let about = About::of(&schema)?;
        Ok(Self { about, rows: None, batches: Batches::Stream(stream) })
    }

    fn parquet(path: &Path, more: &dyn Fn(&About) -> Vec<String>) -> Result<Self, Stop> {
        let file = File::open(path).map_err(|error| Stop::Damaged(error.to_string()))?;
        let damaged = |error: parquet::errors::ParquetError| Stop::Damaged(error.to_string());
        let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(damaged)?;
        let about = About::of(builder.schema())?;
        let mut needed = Columns::names(&about.keypoints);
        needed.extend(more(&about));
        let of_needed =
            |(index, field): (usize, &arrow_schema::FieldRef)| needed.contains(field.name()).then_some(index);
        let needed = builder.schema().fields().iter().enumerate().filter_map(of_needed).collect::<Vec<_>>();
        let mask = ProjectionMask::roots(builder.parquet_schema(), needed);
        let rows = u64::try_from(builder.metadata().file_metadata().num_rows()).ok();
        let batches = builder.with_batch_size(BATCH_ROWS).with_projection(mask).build().map_err(damaged)?;
        Ok(Self { about, rows, batches: Batches::Parquet(batches) })
    }

    pub(super) fn about(&self) -> &About {
        &self.about
    }

    pub(super) fn rows(&self) -> Option<u64> {
        self.rows
    }

    /// The next rows; `None` at the end.
    pub(super) fn next(&mut self) -> Option<Result<Columns, Stop>> {
        let batch = self.next_batch()?;
        Some(batch.and_then(|batch| Columns::of(&batch, &self.about)))
    }

    /// The next rows with all columns that were asked for; `None` at the end.
    pub(super) fn next_batch(&mut self) -> Option<Result<RecordBatch, Stop>> {
        match &mut self.batches {
            Batches::Parquet(batches) => Some(batches.next()?.map_err(|error| Stop::Damaged(error.to_string()))),
            Batches::Stream(stream) => match stream.next() {
                Some(batch) => Some(Ok(batch)),
                None => stream.is_damaged().then_some(Err(Stop::Unfinished)),
            },
        }
    }
}

/// What one row stands for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Row {
    /// Frames that never became scenes, first and last included.
    Gap { first: u64, last: u64 },
    /// One animal, or nobody, in one frame.
    Animal { frame: u64, sight: Sight },
}

/// Whether the row has points to export.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Sight {
    /// Seen, and which identity of the file's list.
    Seen(usize),
    /// Seen, but its name is withheld.
    Unnamed,
    /// Predicted, hidden, unseen or nobody.
    Unseen,
}

/// The columns of one batch that an export needs.
pub(super) struct Columns {
    frame: UInt64Array,
    state: StringArray,
    /// Index into the file's identities.
    identity: Vec<Option<usize>>,
    gap_frames: UInt64Array,
    points: Vec<[Float32Array; 3]>,
}

impl Columns {
    fn names(keypoints: &[String]) -> Vec<String> {
        let points = keypoints.iter().flat_map(|name| schema::KEYPOINT_ENDINGS.map(|ending| format!("{name}{ending}")));
        let rest = [schema::FRAME, schema::STATE, schema::IDENTITY, schema::GAP_FRAMES];
        rest.into_iter().map(String::from).chain(points).collect()
    }

    pub(super) fn of(batch: &RecordBatch, about: &About) -> Result<Self, Stop> {
        let names: StringArray = column(batch, schema::IDENTITY, "utf8")?;
        let index = |name: Option<&str>| about.identities.iter().position(|known| Some(known.as_str()) == name);
        let mut points = Vec::with_capacity(about.keypoints.len());
        for name in &about.keypoints {
            let [x, y, score] = schema::KEYPOINT_ENDINGS.map(|ending| column(batch, &format!("{name}{ending}"), "f32"));
            points.push([x?, y?, score?]);
        }
        Ok(Self {
            frame: column(batch, schema::FRAME, "u64")?,
            state: column(batch, schema::STATE, "utf8")?,
            identity: names.iter().map(index).collect(),
            gap_frames: column(batch, schema::GAP_FRAMES, "u64")?,
            points,
        })
    }

    pub(super) fn rows(&self) -> impl Iterator<Item = (usize, Row)> + '_ {
        (0..self.frame.len()).map(|index| (index, self.row(index)))
    }

    fn row(&self, index: usize) -> Row {
        let frame = self.frame.value(index);
        let state = self.state.value(index);
        if state == schema::GAP {
            let frames = if self.gap_frames.is_null(index) { 1 } else { self.gap_frames.value(index) };
            return Row::Gap { first: frame, last: frame.saturating_add(frames.saturating_sub(1)) };
        }
        let sight = match self.identity[index] {
            _ if state != State::Seen.word() => Sight::Unseen,
            Some(identity) => Sight::Seen(identity),
            None => Sight::Unnamed,
        };
        Row::Animal { frame, sight }
    }

    /// The keypoints of a row, in the model's order, camera pixels.
    pub(super) fn points(&self, index: usize) -> impl Iterator<Item = Option<Keypoint>> + '_ {
        self.points.iter().map(move |[x, y, score]| {
            let value = |column: &Float32Array| column.is_valid(index).then(|| column.value(index));
            Some(Keypoint { at: InCamera { x: value(x)?, y: value(y)? }, score: value(score)? })
        })
    }
}

pub(super) fn column<A: Array + Clone + 'static>(batch: &RecordBatch, name: &str, kind: &str) -> Result<A, Stop> {
    let Some(column) = batch.column_by_name(name) else {
        return Err(Stop::Damaged(format!("has no column {name}; only files that arenad wrote can be read")));
    };
    let typed = column.as_any().downcast_ref::<A>().cloned();
    typed.ok_or_else(|| Stop::Damaged(format!("column {name}: is {}; only {kind} is allowed", column.data_type())))
}
