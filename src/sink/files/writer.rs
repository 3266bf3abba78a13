//! Scenes in, rolling files out. Knows no clock: when to write and when to rotate goes by the scenes' capture times.

use super::finish::{Finisher, Step};
use super::missing::Missing;
use super::pause::Pause;
use super::rows::Rows;
use super::stream::{OpenStream, Torn};
use super::unsettled::{self, Unsettled};
use super::{FileInfo, FilesError, names, schema};
use crate::config;
use crate::handover::{Gaps, Scene, Settled};
use crate::ledger::Ledger;
use crate::sink::disk::{Disk, SystemDisk};
use crate::stamp::{Clock, Elapsed, WallTime};
use arrow_schema::SchemaRef;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Most rows that wait for the disk: half a minute of four animals at 30 frames/s. Beyond it they are given up as a gap.
const ROWS_HELD: usize = 4096;

/// Writes rolling files. The thread `files` runs one; `replay` calls one directly.
pub struct FilesWriter {
    config: config::Files,
    arena: PathBuf,
    info: Arc<FileInfo>,
    ledger: Arc<Ledger>,
    disk: Box<dyn Disk>,
    /// For the ages of rows only; nothing that is written depends on it.
    clock: Option<Clock>,
    /// Made with the first scene, whose capture time names the run.
    schema: Option<SchemaRef>,
    elapsed: Elapsed,
    last_captured: WallTime,
    missing: Missing,
    rows: Rows,
    unsettled: Unsettled,
    /// When the oldest row came in.
    rows_since: Duration,
    open: Option<Open>,
    disk_pause: Pause,
    finisher: Finisher,
    finish_pause: Pause,
    finished: Vec<PathBuf>,
}

struct Open {
    stream: OpenStream,
    /// When its first row came in.
    since: Duration,
}

impl FilesWriter {
    /// Checks that the folder can be written and looks for streams that a crash left; they are finished along the way.
    pub fn new(config: config::Files, info: FileInfo, ledger: Arc<Ledger>) -> Result<Self, FilesError> {
        Self::on(Box::new(SystemDisk), config, info, ledger)
    }

    pub(super) fn on(
        disk: Box<dyn Disk>,
        config: config::Files,
        info: FileInfo,
        ledger: Arc<Ledger>,
    ) -> Result<Self, FilesError> {
        let arena = config.folder.join(&info.arena);
        try_folder(&*disk, &arena, &ledger)?;
        let mut finisher = Finisher::default();
        let (streams, busy) = orphans(&arena);
        let live = if busy { Ok(None) } else { unsettled::recover(&*disk, &arena, &streams) };
        let live = live.unwrap_or_else(|error| {
            // It stays for the next start.
            ledger.counters.disk_errors.one();
            tracing::error!("{error}");
            None
        });
        for stream in streams.into_iter().chain(live) {
            tracing::info!("files: {} was left by a crash and is being finished", stream.display());
            finisher.push(stream);
        }
        let info = Arc::new(info);
        Ok(Self {
            config,
            rows: Rows::new(Arc::clone(&info)),
            unsettled: Unsettled::new(&arena, Arc::clone(&info)),
            arena,
            info,
            ledger,
            disk,
            clock: None,
            schema: None,
            elapsed: Elapsed::default(),
            last_captured: WallTime::default(),
            missing: Missing::default(),
            rows_since: Duration::ZERO,
            open: None,
            disk_pause: Pause::default(),
            finisher,
            finish_pause: Pause::default(),
            finished: Vec::new(),
        })
    }

    /// Records in the ledger how old rows are when they reach the disk.
    pub(super) fn with_clock(mut self, clock: Clock) -> Self {
        self.clock = Some(clock);
        self
    }

    /// Takes a settled scene and the gaps before it. What the disk does not take is held, then given up, counted and told as a gap later.
    pub fn write(&mut self, settled: &Settled) {
        let scene = &settled.scene;
        self.elapsed.advance(scene.stamp.captured);
        self.last_captured = scene.stamp.captured;
        self.begin(scene);
        self.rotate_if_due();
        self.missing.extend_gaps(&scene.gaps);
        self.push_missing();
        self.rows.push_scene(settled);
        self.unsettled.settled(scene.stamp.frame);
        let waiting = self.elapsed.total().saturating_sub(self.rows_since);
        if waiting >= self.config.flush_every || self.rows.len() >= ROWS_HELD {
            self.flush();
        }
        if self.rows.len() >= ROWS_HELD {
            self.give_up();
        }
        self.work();
    }

    /// Takes a live scene, to be kept in case of a crash until it is settled.
    pub(super) fn note_live(&mut self, scene: &Scene) {
        self.begin(scene);
        self.unsettled.push(scene);
    }

    /// The first scene's capture time names the run.
    fn begin(&mut self, scene: &Scene) {
        if self.schema.is_none() {
            self.schema = Some(schema::schema(&self.info, scene.stamp.captured));
        }
    }

    /// Takes gaps that no scene carries; they are written with the next scene, or at the end.
    pub fn note_gaps(&mut self, gaps: &Gaps) {
        self.missing.extend_gaps(gaps);
    }

    /// Writes what is held and finishes every file. Gives the finished files of this run, oldest first.
    ///
    /// # Errors
    /// The disk did not take the last rows, or not all streams could be finished: those stay for the next start.
    pub fn finish(&mut self) -> Result<Vec<PathBuf>, FilesError> {
        if self.schema.is_some() {
            self.push_missing();
        } else if !self.missing.is_empty() {
            tracing::warn!("files: no frame was ever tracked, so nothing is written");
        }
        let mut outcome = self.put();
        if outcome.is_err() {
            self.give_up();
        }
        if let Some(open) = self.open.take() {
            self.finisher.push(open.stream.path().to_owned());
        }
        // A stream that fails goes to the end of the queue, so each is tried once.
        for _ in 0..self.finisher.len() {
            let step = self.finisher.finish_one(&*self.disk);
            outcome = outcome.and(self.counted(step).map(|_| ()));
        }
        outcome = outcome.and_then(|()| self.unsettled.remove(&*self.disk));
        outcome.map(|()| self.take_finished())
    }

    /// Files finished since this was asked for last.
    pub(super) fn take_finished(&mut self) -> Vec<PathBuf> {
        std::mem::take(&mut self.finished)
    }

    /// Rows wait for the disk.
    pub(super) fn has_rows(&self) -> bool {
        !self.rows.is_empty() || self.unsettled.has_changed()
    }

    /// A stream waits to be finished and may be tried now.
    pub(super) fn has_work(&self) -> bool {
        !self.finisher.is_idle() && self.finish_pause.is_over(self.elapsed.total())
    }

    /// Finishes streams a batch further.
    pub(super) fn work(&mut self) {
        if !self.has_work() {
            return;
        }
        let now = self.elapsed.total();
        let step = self.finisher.step(&*self.disk);
        match self.counted(step) {
            Err(error) => {
                if self.finish_pause.begin(now) {
                    tracing::error!("{error}");
                }
            }
            Ok(Step::Finished(_)) => {
                if self.finish_pause.end() {
                    tracing::info!("files: files are finished again");
                }
            }
            Ok(Step::Working | Step::Idle) => {}
        }
    }

    fn counted(&mut self, step: Result<Step, FilesError>) -> Result<Step, FilesError> {
        match &step {
            Ok(Step::Finished(file)) => {
                self.ledger.counters.files_finished.one();
                self.finished.push(file.clone());
            }
            Ok(_) => {}
            Err(_) => self.ledger.counters.disk_errors.one(),
        }
        step
    }

    /// Writes what is held, unless the disk failed a short while ago.
    pub(super) fn flush(&mut self) {
        let now = self.elapsed.total();
        if !self.disk_pause.is_over(now) {
            return;
        }
        match self.put().and_then(|()| self.keep()) {
            Ok(()) => {
                if self.disk_pause.end() {
                    tracing::info!("files: rows are written again");
                }
            }
            Err(error) => {
                if self.disk_pause.begin(now) {
                    tracing::error!("{error}");
                }
            }
        }
    }

    /// Settled rows are on the disk: what they settled leaves the file of live ones.
    fn keep(&mut self) -> Result<(), FilesError> {
        let Some(schema) = &self.schema else { return Ok(()) };
        self.unsettled.keep(&*self.disk, schema).inspect_err(|_| self.ledger.counters.disk_errors.one())
    }

    fn rotate_if_due(&mut self) {
        let Some(open) = &self.open else { return };
        let age = self.elapsed.total().saturating_sub(open.since);
        if age < self.config.rotate_after && open.stream.bytes() < self.config.rotate_bytes {
            return;
        }
        self.flush();
        if self.rows.is_empty()
            && let Some(open) = self.open.take()
        {
            self.finisher.push(open.stream.path().to_owned());
        }
    }

    fn push_missing(&mut self) {
        if self.rows.is_empty() {
            self.rows_since = self.elapsed.total();
        }
        for gap in std::mem::take(&mut self.missing).iter() {
            self.rows.push_gap(*gap);
        }
    }

    fn give_up(&mut self) {
        let lost = self.rows.give_up(&mut self.missing);
        self.ledger.counters.rows_dropped.add(lost);
    }

    /// Writes all rows held as one batch. They stay held after an error.
    fn put(&mut self) -> Result<(), FilesError> {
        let Some(schema) = self.schema.clone().filter(|_| !self.rows.is_empty()) else { return Ok(()) };
        let put = self.rows.batch(&schema).and_then(|batch| {
            let mut open = self.take_open(&schema)?;
            match open.stream.append(&*self.disk, &batch) {
                Ok(()) => self.open = Some(open),
                Err(Torn::Mended(error)) => {
                    self.open = Some(open);
                    return Err(error);
                }
                Err(Torn::Lost(error)) => {
                    self.abandon(&open.stream);
                    return Err(error);
                }
            }
            Ok(())
        });
        match put {
            Ok(()) => self.count_written(),
            Err(error) => {
                self.ledger.counters.disk_errors.one();
                return Err(error);
            }
        }
        Ok(())
    }

    fn count_written(&mut self) {
        self.ledger.counters.rows_written.add(self.rows.len() as u64);
        if let Some(clock) = &self.clock {
            let now = clock.wall();
            for (_, captured) in self.rows.scenes() {
                let age = u64::try_from(now.nanos_since(*captured)).unwrap_or(0);
                self.ledger.latencies.capture_to_files.record(age);
            }
        }
        self.rows.clear();
    }

    /// The open file, or a new one named after the first frame held.
    fn take_open(&mut self, schema: &SchemaRef) -> Result<Open, FilesError> {
        if let Some(open) = self.open.take() {
            if !open.stream.is_removed() {
                return Ok(open);
            }
            self.ledger.counters.disk_errors.one();
            tracing::error!("{}", FilesError::Removed { file: open.stream.path().to_owned() });
        }
        let captured = self.rows.scenes().first().map_or(self.last_captured, |(_, captured)| *captured);
        let (folder, name) = names::place(&self.arena, captured);
        let wrong = |source| FilesError::Write { file: folder.clone(), source };
        self.disk.make_folder(&folder).map_err(wrong)?;
        self.disk.sync_folder(&self.arena).map_err(wrong)?;
        for path in names::free_streams(&folder, &name) {
            if let Some(stream) = OpenStream::create(&*self.disk, path, schema)? {
                return Ok(Open { stream, since: self.rows_since });
            }
        }
        Err(wrong(ErrorKind::AlreadyExists.into()))
    }

    /// Leaves a file that could not be mended; its whole batches are finished like any other's.
    fn abandon(&mut self, stream: &OpenStream) {
        if stream.bytes() > 0 || self.disk.remove(stream.path()).is_err() {
            self.finisher.push(stream.path().to_owned());
        }
    }
}

/// Makes the arena's folder and proves that files can be made in it. A full disk is no reason not to start: it may be freed.
fn try_folder(disk: &dyn Disk, arena: &Path, ledger: &Ledger) -> Result<(), FilesError> {
    let proof = arena.join(".arenad-writes-here");
    let made = disk.make_folder(arena).and_then(|()| match disk.create(&proof) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
        _ => disk.remove(&proof),
    });
    match made {
        Err(source) if matches!(source.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded) => {
            ledger.counters.disk_errors.one();
            tracing::error!("{}", FilesError::Folder { folder: arena.to_owned(), source });
            Ok(())
        }
        made => made.map_err(|source| FilesError::Folder { folder: arena.to_owned(), source }),
    }
}

/// Streams of earlier runs, oldest first, without those that another process is writing, and whether there are such.
fn orphans(arena: &Path) -> (Vec<PathBuf>, bool) {
    let list = |folder: &Path| {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        entries.map(|entry| entry.path()).collect::<Vec<_>>()
    };
    let mut others = false;
    let mut streams: Vec<_> = list(arena)
        .iter()
        .flat_map(|day| list(day))
        .filter(|path| path.extension().is_some_and(|ending| ending == names::STREAM))
        .filter(|path| {
            let lock = std::fs::File::open(path).map(|file| file.try_lock());
            let busy = matches!(lock, Ok(Err(std::fs::TryLockError::WouldBlock)));
            if busy {
                tracing::warn!("files: {} is being written by another process and is left alone", path.display());
            }
            others |= busy;
            !busy
        })
        .collect();
    streams.sort();
    (streams, others)
}
