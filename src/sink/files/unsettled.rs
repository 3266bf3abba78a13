//! Live rows of frames that are not settled yet, in one small file that is replaced with each flush, so that a crash costs no more
//! of them than of settled rows. The next start makes a file of them.

use super::rows::Rows;
use super::stream::{OpenStream, StreamFile, Torn};
use super::{FileInfo, FilesError, names, schema};
use crate::handover::{Scene, Settled};
use crate::sink::disk::Disk;
use crate::stamp::WallTime;
use arrow_array::cast::AsArray;
use arrow_array::types::{TimestampMicrosecondType, UInt64Type};
use arrow_array::{Array, RecordBatch};
use arrow_schema::{Schema, SchemaRef};
use std::collections::VecDeque;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Name of the file, in the arena's folder.
pub(super) const FILE: &str = "unsettled.live";
/// Most scenes held: as many as wait to be settled.
const MOST: usize = 512;

/// The scenes that went out live and were not settled yet.
pub(super) struct Unsettled {
    path: PathBuf,
    scenes: VecDeque<Scene>,
    rows: Rows,
    /// They are not as the file has them.
    changed: bool,
}

impl Unsettled {
    pub(super) fn new(arena: &Path, info: Arc<FileInfo>) -> Self {
        Self { path: arena.join(FILE), scenes: VecDeque::new(), rows: Rows::new(info), changed: false }
    }

    /// Takes a live scene in.
    pub(super) fn push(&mut self, scene: &Scene) {
        if self.scenes.len() == MOST {
            self.scenes.pop_front();
        }
        self.scenes.push_back(scene.clone());
        self.changed = true;
    }

    /// Scenes up to this one are settled.
    pub(super) fn settled(&mut self, frame: u64) {
        while self.scenes.front().is_some_and(|scene| scene.stamp.frame <= frame) {
            self.scenes.pop_front();
            self.changed = true;
        }
    }

    pub(super) fn has_changed(&self) -> bool {
        self.changed
    }

    /// Replaces the file. Call it when the settled rows are on the disk: what they settled is no longer in it.
    pub(super) fn keep(&mut self, disk: &dyn Disk, schema: &SchemaRef) -> Result<(), FilesError> {
        if !self.changed {
            return Ok(());
        }
        self.rows.clear();
        for scene in &self.scenes {
            scene.gaps.iter().for_each(|gap| self.rows.push_gap(*gap));
            self.rows.push_scene(&Settled::as_live(scene.clone()));
        }
        if self.rows.is_empty() {
            return self.remove(disk);
        }
        let schema = live(schema);
        let batch = self.rows.batch(&schema)?;
        let temporary = names::ended(&self.path, "tmp");
        let wrong = |source| FilesError::write(&self.path, source);
        let _ = disk.remove(&temporary); // Left by a crash, or not there.
        write(disk, temporary.clone(), &batch)?;
        disk.replace(&temporary, &self.path).map_err(wrong)?;
        self.changed = false;
        Ok(())
    }

    /// Everything is settled and on the disk.
    pub(super) fn remove(&mut self, disk: &dyn Disk) -> Result<(), FilesError> {
        self.scenes.clear();
        self.changed = false;
        match disk.remove(&self.path) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(FilesError::write(&self.path, error)),
            _ => Ok(()),
        }
    }
}

/// Makes a stream of what a crash left unsettled, without what `streams` have settled already. Gives the stream, if there is one.
pub(super) fn recover(disk: &dyn Disk, arena: &Path, streams: &[PathBuf]) -> Result<Option<PathBuf>, FilesError> {
    let path = arena.join(FILE);
    let wrong = |source| FilesError::write(&path, source);
    let mut file = match StreamFile::open(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        opened => opened.map_err(wrong)?,
    };
    let left = file.next().and_then(|batch| {
        let run = batch.schema().metadata().get(schema::META_RUN).cloned()?;
        let settled = streams.iter().filter_map(|stream| last_frame(stream, &run)).max();
        after(&batch, settled)
    });
    let mut made = None;
    if let Some(batch) = left {
        let (folder, name) = names::place(arena, captured(&batch));
        disk.make_folder(&folder).map_err(wrong)?;
        for stream in names::free_streams(&folder, &name) {
            if write(disk, stream.clone(), &batch)? {
                made = Some(stream);
                break;
            }
        }
    }
    disk.remove(&path).map_err(wrong)?;
    Ok(made)
}

/// A stream of one batch. False when the file stands already.
fn write(disk: &dyn Disk, path: PathBuf, batch: &RecordBatch) -> Result<bool, FilesError> {
    let Some(mut stream) = OpenStream::create(disk, path, &batch.schema())? else { return Ok(false) };
    match stream.append(disk, batch) {
        Ok(()) => Ok(true),
        Err(Torn::Mended(error) | Torn::Lost(error)) => {
            let _ = disk.remove(stream.path());
            Err(error)
        }
    }
}

/// The schema of rows whose names are live ones.
fn live(schema: &SchemaRef) -> SchemaRef {
    let mut metadata = schema.metadata().clone();
    metadata.insert(schema::META_NAMES.to_owned(), schema::NAMES_LIVE.to_owned());
    Arc::new(Schema::new_with_metadata(schema.fields().clone(), metadata))
}

/// The last frame that a stream of this run tells of, as a scene or in a gap.
fn last_frame(stream: &Path, run: &str) -> Option<u64> {
    let file = StreamFile::open(stream).ok()?;
    if file.schema()?.metadata().get(schema::META_RUN).map(String::as_str) != Some(run) {
        return None;
    }
    file.filter_map(|batch| ends(&batch).max()).max()
}

/// The last frame of each row.
fn ends(batch: &RecordBatch) -> impl Iterator<Item = u64> {
    let numbers =
        |column: &str| batch.column_by_name(column).and_then(|column| column.as_primitive_opt::<UInt64Type>());
    let (frames, gaps) = (numbers(schema::FRAME), numbers(schema::GAP_FRAMES));
    (0..batch.num_rows()).filter_map(move |row| {
        let more = gaps.filter(|gaps| gaps.is_valid(row)).map_or(1, |gaps| gaps.value(row));
        Some(frames?.value(row).saturating_add(more).saturating_sub(1))
    })
}

/// The rows of frames after `settled`. Frame numbers rise.
fn after(batch: &RecordBatch, settled: Option<u64>) -> Option<RecordBatch> {
    let from = ends(batch).take_while(|frame| settled.is_some_and(|settled| *frame <= settled)).count();
    (from < batch.num_rows()).then(|| batch.slice(from, batch.num_rows() - from))
}

/// When the first frame was captured.
fn captured(batch: &RecordBatch) -> WallTime {
    let column = batch.column_by_name(schema::CAPTURED);
    let micros = column.and_then(|column| column.as_primitive_opt::<TimestampMicrosecondType>());
    WallTime(micros.and_then(|micros| micros.iter().flatten().next()).unwrap_or(0).saturating_mul(1000))
}
