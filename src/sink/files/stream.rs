//! The open file: an Arrow IPC stream that is whole up to the last batch that reached the disk, whatever happens after.

use super::FilesError;
use crate::sink::disk::{Disk, DiskFile};
use arrow_array::RecordBatch;
use arrow_ipc::reader::StreamReader;
use arrow_ipc::root_as_message;
use arrow_ipc::writer::StreamEncoder;
use arrow_schema::{ArrowError, SchemaRef};
use std::fs::File;
use std::io::{BufReader, ErrorKind, Read, Seek, SeekFrom, Take};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

/// A stream that is being written.
pub(super) struct OpenStream {
    path: PathBuf,
    file: Box<dyn DiskFile>,
    encoder: StreamEncoder,
    /// Bytes that are on the disk for sure, all of them whole batches.
    good: u64,
}

/// What became of a batch that could not be written.
pub(super) enum Torn {
    /// The file ends with its last whole batch: write on.
    Mended(FilesError),
    /// The file could not be mended: leave it and begin another.
    Lost(FilesError),
}

impl OpenStream {
    /// Makes the file, which must not stand yet. `None` when it does.
    pub(super) fn create(disk: &dyn Disk, path: PathBuf, schema: &SchemaRef) -> Result<Option<Self>, FilesError> {
        let encoder = StreamEncoder::try_new(schema).map_err(|error| FilesError::Rows(error.to_string()))?;
        match disk.create(&path) {
            Ok(file) => Ok(Some(Self { path, file, encoder, good: 0 })),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(None),
            Err(source) => Err(FilesError::write(&path, source)),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Bytes on the disk.
    pub(super) fn bytes(&self) -> u64 {
        self.good
    }

    /// Somebody removed the file.
    pub(super) fn is_removed(&self) -> bool {
        self.file.is_removed()
    }

    /// Writes a batch and waits until it is on the disk. After an error the file is as it was before, or lost.
    pub(super) fn append(&mut self, disk: &dyn Disk, batch: &RecordBatch) -> Result<(), Torn> {
        let parts = self.encoder.encode(batch).map_err(|error| Torn::Mended(FilesError::Rows(error.to_string())))?;
        let bytes: Vec<u8> = parts.iter().flat_map(|part| part.as_slice()).copied().collect();
        let first = self.good == 0;
        let mut write = || {
            self.file.write_all(&bytes)?;
            self.file.sync()?;
            if first { self.path.parent().map_or(Ok(()), |folder| disk.sync_folder(folder)) } else { Ok(()) }
        };
        match write() {
            Ok(()) => {
                self.good += bytes.len() as u64;
                Ok(())
            }
            Err(source) => {
                let error = FilesError::write(&self.path, source);
                // The encoder gives the schema out once, so a file without any batch cannot be written on.
                let mended = !first && self.file.cut(self.good).is_ok();
                Err(if mended { Torn::Mended(error) } else { Torn::Lost(error) })
            }
        }
    }
}

/// Reads the whole batches of a stream, open, finished or torn by a crash.
pub struct StreamFile {
    reader: Option<StreamReader<BufReader<Take<File>>>>,
    damaged: bool,
}

impl StreamFile {
    /// Opens a stream. One that was torn before its first whole batch has none.
    pub fn open(path: &Path) -> std::io::Result<Self> {
        let mut file = File::open(path)?;
        let length = file.metadata()?.len();
        let (whole, batches) = whole_length(&mut BufReader::new(&mut file), length)?;
        file.seek(SeekFrom::Start(0))?;
        let damaged = whole != length;
        if batches == 0 {
            return Ok(Self { reader: None, damaged });
        }
        let reader = survive(|| StreamReader::try_new(BufReader::new(file.take(whole)), None));
        Ok(Self { damaged: damaged || reader.is_none(), reader })
    }

    /// The schema; `None` when there is no whole batch.
    pub fn schema(&self) -> Option<SchemaRef> {
        self.reader.as_ref().map(StreamReader::schema)
    }

    /// There is something after the last whole batch. Known for sure when all batches were read.
    pub fn is_damaged(&self) -> bool {
        self.damaged
    }
}

impl Iterator for StreamFile {
    type Item = RecordBatch;

    /// The next whole batch. A batch that is not what its length says ends the stream as damaged.
    fn next(&mut self) -> Option<RecordBatch> {
        let reader = self.reader.as_mut()?;
        match survive(|| reader.next().transpose()) {
            Some(None) => None,
            Some(Some(batch)) if is_written(&batch) => Some(batch),
            _ => {
                self.damaged = true;
                self.reader = None;
                None
            }
        }
    }
}

/// What the Arrow reader made of bytes that a crash may have damaged; nothing where it failed. It panics on some damaged lengths
/// and offsets, and a file must not end the recording of others.
fn survive<T>(read: impl FnOnce() -> Result<T, ArrowError>) -> Option<T> {
    catch_unwind(AssertUnwindSafe(read)).ok()?.ok()
}

/// A disk that lost its power may leave zeros where a batch should be: no row of it has a state then.
fn is_written(batch: &RecordBatch) -> bool {
    use arrow_array::{Array, StringArray};
    let Some(states) = batch.column_by_name(super::schema::STATE) else { return false };
    let Some(states) = states.as_any().downcast_ref::<StringArray>() else { return false };
    states.null_count() == 0 && states.iter().flatten().all(|state| !state.is_empty())
}

/// Where the last whole message ends, and how many batches there are up to it. Reads the messages' heads only.
fn whole_length(file: &mut (impl Read + Seek), length: u64) -> std::io::Result<(u64, u64)> {
    const CONTINUES: u32 = u32::MAX;
    /// Far above the head of any batch; beyond it the length itself is damaged.
    const LONGEST_HEAD: u64 = 1 << 24;
    let (mut end, mut messages) = (0u64, 0u64);
    let mut head = Vec::new();
    while length - end >= 8 {
        let mut start = [0; 8];
        file.read_exact(&mut start)?;
        let [a, b, c, d, e, f, g, h] = start;
        let head_bytes = u64::from(u32::from_le_bytes([e, f, g, h]));
        if u32::from_le_bytes([a, b, c, d]) != CONTINUES || head_bytes == 0 || head_bytes > LONGEST_HEAD {
            break;
        }
        head.clear();
        file.by_ref().take(head_bytes).read_to_end(&mut head)?;
        let Ok(message) = root_as_message(&head) else { break };
        let Ok(body_bytes) = u64::try_from(message.bodyLength()) else { break };
        let Some(next) = (end + 8 + head_bytes).checked_add(body_bytes).filter(|next| *next <= length) else { break };
        file.seek(SeekFrom::Start(next))?;
        end = next;
        messages += 1;
    }
    Ok((end, messages.saturating_sub(1)))
}
