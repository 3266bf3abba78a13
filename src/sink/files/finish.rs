//! Turns streams that are done with into Parquet, a batch at a time, so that rows go on being written meanwhile.

use super::stream::StreamFile;
use super::{FilesError, names};
use crate::sink::disk::{Disk, DiskFile};
use arrow_schema::{DataType, SchemaRef};
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::schema::types::ColumnPath;
use std::collections::VecDeque;
use std::path::{Path, PathBuf};

/// Rows that are held in memory before they go into the Parquet file as a group: some 15 MB.
const GROUP_ROWS: usize = 1 << 16;

/// The streams to be finished, and the one at work.
#[derive(Default)]
pub(super) struct Finisher {
    waiting: VecDeque<PathBuf>,
    current: Option<Conversion>,
}

/// What a step brought.
#[derive(Debug, PartialEq)]
pub(super) enum Step {
    /// There is nothing to finish.
    Idle,
    /// A stream is in work, or was found empty.
    Working,
    /// This file is finished and its stream is gone.
    Finished(PathBuf),
}

struct Conversion {
    stream: PathBuf,
    batches: StreamFile,
    target: PathBuf,
    temporary: PathBuf,
    rows: i64,
    /// `None` when there is no whole batch.
    writer: Option<ArrowWriter<Box<dyn DiskFile>>>,
}

impl Finisher {
    pub(super) fn push(&mut self, stream: PathBuf) {
        self.waiting.push_back(stream);
    }

    pub(super) fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.current.is_none()
    }

    /// How many streams wait or are at work.
    pub(super) fn len(&self) -> usize {
        self.waiting.len() + usize::from(self.current.is_some())
    }

    /// One batch further. After an error the stream waits behind the others.
    pub(super) fn step(&mut self, disk: &dyn Disk) -> Result<Step, FilesError> {
        let Some(mut conversion) = self.current.take() else {
            let Some(stream) = self.waiting.pop_front() else { return Ok(Step::Idle) };
            match Conversion::begin(disk, &stream) {
                Ok(conversion) => self.current = Some(conversion),
                Err(error) if stream.exists() => {
                    self.waiting.push_back(stream);
                    return Err(error);
                }
                Err(_) => return Err(FilesError::Removed { file: stream }),
            }
            return Ok(Step::Working);
        };
        match conversion.advance() {
            Ok(true) => {
                self.current = Some(conversion);
                Ok(Step::Working)
            }
            Ok(false) => {
                let (stream, temporary) = (conversion.stream.clone(), conversion.temporary.clone());
                conversion.end(disk).inspect_err(|_| self.put_back(disk, stream, &temporary))
            }
            Err(error) => {
                let Conversion { stream, temporary, .. } = conversion;
                self.put_back(disk, stream, &temporary);
                Err(error)
            }
        }
    }

    /// The whole of one stream.
    pub(super) fn finish_one(&mut self, disk: &dyn Disk) -> Result<Step, FilesError> {
        loop {
            let step = self.step(disk)?;
            if self.current.is_none() {
                return Ok(step);
            }
        }
    }

    fn put_back(&mut self, disk: &dyn Disk, stream: PathBuf, temporary: &Path) {
        // Makes room on a full disk; where that fails too, the next attempt removes it.
        let _ = disk.remove(temporary);
        self.waiting.push_back(stream);
    }
}

impl Conversion {
    fn begin(disk: &dyn Disk, stream: &Path) -> Result<Self, FilesError> {
        let nowhere = || FilesError::finish(stream, "too many files have its name");
        let mut target = names::finished_of(stream).next().ok_or_else(nowhere)?;
        let fail = |target: &Path, error: std::io::Error| FilesError::finish(target, error);
        let mut batches = StreamFile::open(stream).map_err(|error| fail(&target, error))?;
        let temporary = names::ended(&target, "tmp");
        if target.exists() {
            let rows = batches.by_ref().map(|batch| batch.num_rows() as i64).sum();
            if rows_of(&target) == Some(rows) {
                // A crash between the last two acts: finished, but its stream not yet removed.
                return Ok(Self { stream: stream.to_owned(), batches, target, temporary, rows, writer: None });
            }
            target = names::finished_of(stream).find(|path| !path.exists()).ok_or_else(nowhere)?;
            batches = StreamFile::open(stream).map_err(|error| fail(&target, error))?;
        }
        let writer = match batches.schema() {
            None => None,
            Some(schema) => {
                let _ = disk.remove(&temporary); // Left by a crash, or not there.
                let file = disk.create(&temporary).map_err(|error| fail(&target, error))?;
                let properties = properties(&schema);
                let writer = ArrowWriter::try_new(file, schema, Some(properties));
                Some(writer.map_err(|error| FilesError::finish(&target, error))?)
            }
        };
        Ok(Self { stream: stream.to_owned(), batches, target, temporary, rows: 0, writer })
    }

    /// Takes one batch over. False when there are no more.
    fn advance(&mut self) -> Result<bool, FilesError> {
        let Some(writer) = &mut self.writer else { return Ok(false) };
        let Some(batch) = self.batches.next() else { return Ok(false) };
        self.rows += batch.num_rows() as i64;
        writer.write(&batch).map_err(|error| FilesError::finish(&self.target, error))?;
        Ok(true)
    }

    /// Makes the finished file last, then lets the stream go; one that was torn is kept aside.
    fn end(self, disk: &dyn Disk) -> Result<Step, FilesError> {
        let Self { stream, batches, target, temporary, rows, writer } = self;
        let fail = |error: std::io::Error| FilesError::finish(&target, error);
        let written = writer.is_some() && rows > 0;
        if let Some(writer) = writer {
            let mut file = writer.into_inner().map_err(|error| FilesError::finish(&target, error))?;
            file.sync().map_err(fail)?;
            drop(file);
            if written { disk.rename(&temporary, &target) } else { disk.remove(&temporary) }.map_err(fail)?;
        }
        let empty = std::fs::metadata(&stream).map_err(fail)?.len() == 0;
        if batches.is_damaged() && !empty {
            let aside = names::damaged_of(&stream).find(|path| !path.exists()).unwrap_or_else(|| temporary.clone());
            disk.rename(&stream, &aside).map_err(fail)?;
            tracing::warn!(
                "files: {} was torn by a crash; its whole batches ({rows} rows) are kept, the stream is kept aside as {}",
                stream.display(),
                aside.display()
            );
        } else {
            disk.remove(&stream).map_err(fail)?;
        }
        Ok(if written { Step::Finished(target) } else { Step::Working })
    }
}

fn properties(schema: &SchemaRef) -> WriterProperties {
    let about =
        schema.metadata().iter().map(|(key, value)| KeyValue::new(key.to_string(), value.to_string())).collect();
    let mut properties = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .set_max_row_group_row_count(Some(GROUP_ROWS))
        .set_key_value_metadata(Some(about));
    // Coordinates hardly repeat, so a dictionary of them costs time and space.
    for field in schema.fields().iter().filter(|field| *field.data_type() == DataType::Float32) {
        properties = properties.set_column_dictionary_enabled(ColumnPath::from(field.name().as_str()), false);
    }
    properties.build()
}

/// Rows of a finished file; `None` when it is not one.
fn rows_of(file: &Path) -> Option<i64> {
    let reader = SerializedFileReader::new(std::fs::File::open(file).ok()?).ok()?;
    Some(reader.metadata().file_metadata().num_rows())
}
