//! Rolling files: what every animal did in every frame, as Parquet; the open file is an Arrow stream that survives a crash.
//!
//! Nothing here waits on the line: scenes go to the thread `files`, and what the disk does not take is counted and told as a gap.

mod error;
mod finish;
mod missing;
mod names;
mod pause;
mod rows;
pub mod schema;
mod stream;
#[cfg(test)]
mod tests;
mod unsettled;
mod writer;

pub use error::FilesError;
pub use names::{DAMAGED, FINISHED, STREAM};
pub use stream::StreamFile;
pub use writer::FilesWriter;

use crate::config;
use crate::handover::{GapReason, Gaps, Line, Offer, Scene, Settled, Taken};
use crate::ledger::Ledger;
use crate::stamp::Clock;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// Scenes that wait for the disk, live and settled: 17 s at 30 frames/s, some 5 MB.
const SCENES_WAITING: usize = 1024;
/// Longest wait of the thread when nothing is due.
const IDLE: Duration = Duration::from_secs(1);

/// What files say about themselves.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FileInfo {
    /// The arena's name; the name of its folder.
    pub arena: String,
    /// The model's name.
    pub model: String,
    /// Body parts, in the order of `model.toml`.
    pub keypoints: Vec<String>,
    /// Pairs of body parts to draw a line between.
    pub skeleton: Vec<[String; 2]>,
    /// Animals, in the order of `model.toml`.
    pub identities: Vec<String>,
    /// How each animal is drawn, `#rrggbb`.
    pub colours: Vec<String>,
    /// Zones, in the order of the configuration.
    pub zones: Vec<config::ZoneArea>,
}

/// Starts the thread `files`.
pub struct FilesSink;

/// The running thread. Dropping it writes what is held and ends it.
pub struct FilesHandle {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// What the line hands to the thread.
#[allow(clippy::large_enum_variant)] // Nearly all are scenes, and a box would be an allocation a frame on the tracking thread.
enum Item {
    /// A live scene: kept in case of a crash until it is settled.
    Live(Scene),
    /// A settled scene: rows.
    Settled(Settled),
}

struct Shared {
    scenes: Line<Item>,
    /// What the line had no room for since the last scene that it took. It travels with the next one, so that gaps stay in order.
    missing: Mutex<Gaps>,
    ledger: Arc<Ledger>,
}

impl FilesSink {
    /// Checks the folder and starts the thread.
    pub fn start(
        config: config::Files,
        info: FileInfo,
        ledger: Arc<Ledger>,
        clock: Clock,
    ) -> Result<FilesHandle, FilesError> {
        let flush_every = config.flush_every;
        let writer = FilesWriter::new(config, info, Arc::clone(&ledger))?.with_clock(clock);
        let scenes = Line::new(SCENES_WAITING);
        let shared = Arc::new(Shared { scenes, missing: Mutex::default(), ledger });
        let theirs = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("files".to_owned())
            .spawn(move || run(&theirs, writer, clock, flush_every))
            .map_err(FilesError::Thread)?;
        Ok(FilesHandle { shared, thread: Mutex::new(Some(thread)) })
    }
}

impl FilesHandle {
    /// Takes a live scene, which is on the disk in time should the daemon crash before it is settled. Never waits for the disk.
    pub fn offer_live(&self, scene: &Scene) {
        // One that finds no room is still to be settled, and counted then.
        let _ = self.shared.scenes.offer(Item::Live(scene.clone()));
    }

    /// Never waits for the disk. A scene that finds no room is counted and told as a gap later.
    pub fn offer(&self, settled: Settled) {
        self.shared.offer(settled);
    }

    /// Gaps that no scene carries.
    pub fn note_gaps(&self, gaps: &Gaps) {
        lock(&self.shared.missing).extend(gaps);
    }

    /// Writes what is held, finishes the files and ends the thread.
    pub fn close(&self) {
        self.shared.scenes.close();
        let thread = lock(&self.thread).take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("thread files: ended by a fault; its streams are finished at the next start; report this");
        }
    }
}

impl Drop for FilesHandle {
    fn drop(&mut self) {
        self.close();
    }
}

impl Shared {
    fn offer(&self, mut settled: Settled) {
        let mut missing = lock(&self.missing);
        missing.extend(&settled.scene.gaps);
        settled.scene.gaps = std::mem::take(&mut missing);
        if let Offer::Full(Item::Settled(settled)) | Offer::Closed(Item::Settled(settled)) =
            self.scenes.offer(Item::Settled(settled))
        {
            self.ledger.counters.rows_dropped.one();
            *missing = settled.scene.gaps;
            missing.note_one(settled.scene.stamp.frame, GapReason::Disk);
        }
    }
}

/// The thread: scenes to the writer, and to the disk in time even when no more scenes come.
fn run(shared: &Shared, mut writer: FilesWriter, clock: Clock, flush_every: Duration) {
    let mut due: Option<Duration> = None;
    let now = || Duration::from_nanos(clock.monotonic().0);
    loop {
        let wait = if writer.has_work() { Duration::ZERO } else { due.map_or(IDLE, |due| due.saturating_sub(now())) };
        match shared.scenes.take_within(wait) {
            Taken::Value(Item::Settled(settled)) => writer.write(&settled),
            Taken::Value(Item::Live(scene)) => writer.note_live(&scene),
            Taken::Nothing => writer.work(),
            Taken::Closed => break,
        }
        if due.is_some_and(|due| now() >= due) {
            writer.flush();
            due = None;
        }
        due = if writer.has_rows() { due.or_else(|| Some(now() + flush_every)) } else { None };
        writer.take_finished().iter().for_each(|file| tracing::info!("files: {} is finished", file.display()));
    }
    writer.note_gaps(&lock(&shared.missing));
    match writer.finish() {
        Ok(finished) => finished.iter().for_each(|file| tracing::info!("files: {} is finished", file.display())),
        Err(error) => tracing::error!("{error}"),
    }
}

/// A panic elsewhere leaves these whole: each change is one call.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
