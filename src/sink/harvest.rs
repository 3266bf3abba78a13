//! The harvest: frames of which the line was unsure, kept as a DeepLabCut folder with its own answers as the first labels.
//!
//! The thread `track` only looks at each scene and holds some pictures until their frames are settled; pictures are copied, coded
//! and written on the thread `harvest`, and what finds no room before it is counted.

mod choice;
mod doubt;
mod error;
mod folder;
mod recent;
mod store;
mod table;
#[cfg(test)]
mod tests;

pub use choice::{Bounds, Choice, Kept};
pub use doubt::{Doubt, Reason, Watch};
pub use error::HarvestError;
pub use recent::MOST_HELD;

use crate::config;
use crate::handover::{Delivery, Frame, Line, Offer, PictureSize, Scene, Settled};
use crate::ledger::Ledger;
use crate::preprocess::rgb_from_frame;
use crate::sink::disk::{Disk, SystemDisk};
use crate::sink::files::FileInfo;
use image::ImageEncoder as _;
use image::codecs::png::PngEncoder;
use recent::Recent;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use store::Store;
use table::{Row, image_of};

/// Frames that wait for the thread. Each holds a buffer of the pool, which has two for the harvest to hold.
const FRAMES_WAITING: usize = 2;

/// A doubtful frame on its way to the disk.
struct Candidate {
    frame: Frame,
    scene: Scene,
    doubt: Doubt,
}

/// Finds the doubtful frames.
struct Eyes {
    watch: Watch,
    recent: Recent,
}

impl Eyes {
    /// A frame that is doubtful as it goes out. A delivery without a picture has nothing to keep.
    fn look(&mut self, delivery: &Delivery) -> Option<Candidate> {
        let Some(doubt) = self.watch.look(&delivery.scene) else {
            self.recent.note(delivery);
            return None;
        };
        let frame = delivery.frame.clone()?;
        Some(Candidate { frame, scene: delivery.scene.clone(), doubt })
    }

    /// A frame that was none, until it was settled. Its labels are the settled ones.
    fn look_back(&mut self, settled: &Settled) -> Option<Candidate> {
        let frame = self.recent.settled(settled.scene.stamp.frame)?;
        let doubt = self.watch.look_back(settled)?;
        Some(Candidate { frame, scene: settled.scene.clone(), doubt })
    }
}

/// Starts the thread `harvest`.
pub struct HarvestSink;

/// The running thread. Dropping it ends it when what waits is kept.
pub struct HarvestHandle {
    eyes: Mutex<Eyes>,
    frames: Arc<Line<Candidate>>,
    ledger: Arc<Ledger>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl HarvestSink {
    /// Checks the folder, reads what earlier runs kept and starts the thread. Frames are settled after `settle`.
    pub fn start(
        config: &config::Harvest,
        settle: Duration,
        info: &FileInfo,
        ledger: Arc<Ledger>,
    ) -> Result<HarvestHandle, HarvestError> {
        let Harvester { eyes, mut keeper } = Harvester::new(config, settle, info, Arc::clone(&ledger))?;
        let frames = Arc::new(Line::<Candidate>::new(FRAMES_WAITING));
        let theirs = Arc::clone(&frames);
        let run = move || {
            while let Some(candidate) = theirs.take() {
                keeper.keep(candidate);
            }
        };
        let thread = std::thread::Builder::new().name("harvest".to_owned()).spawn(run).map_err(HarvestError::Thread)?;
        Ok(HarvestHandle { eyes: Mutex::new(eyes), frames, ledger, thread: Mutex::new(Some(thread)) })
    }
}

impl HarvestHandle {
    /// Never waits and copies no picture.
    pub fn offer(&self, delivery: &Delivery) {
        let candidate = lock(&self.eyes).look(delivery);
        self.pass_on(candidate);
    }

    /// The same of a frame that is settled.
    pub fn offer_settled(&self, settled: &Settled) {
        let candidate = lock(&self.eyes).look_back(settled);
        self.pass_on(candidate);
    }

    fn pass_on(&self, candidate: Option<Candidate>) {
        let Some(candidate) = candidate else { return };
        if let Offer::Full(_) | Offer::Closed(_) = self.frames.offer(candidate) {
            self.ledger.counters.harvest_dropped.one();
        }
    }

    /// Keeps what waits and ends the thread.
    pub fn close(&self) {
        self.frames.close();
        let thread = lock(&self.thread).take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("thread harvest: ended by a fault; the next start mends its folder; report this");
        }
    }
}

impl Drop for HarvestHandle {
    fn drop(&mut self) {
        self.close();
    }
}

/// The same without a thread: what `replay` uses.
pub struct Harvester {
    eyes: Eyes,
    keeper: Keeper,
}

impl Harvester {
    /// Checks the folder and reads what earlier runs kept. Frames are settled after `settle`.
    pub fn new(
        config: &config::Harvest,
        settle: Duration,
        info: &FileInfo,
        ledger: Arc<Ledger>,
    ) -> Result<Self, HarvestError> {
        Self::on(Box::new(SystemDisk), config, settle, info, ledger)
    }

    fn on(
        disk: Box<dyn Disk>,
        config: &config::Harvest,
        settle: Duration,
        info: &FileInfo,
        ledger: Arc<Ledger>,
    ) -> Result<Self, HarvestError> {
        let (keypoints, identities) = (info.keypoints.len(), info.identities.len());
        let watch = Watch::new(config.doubts, config.spacing, keypoints, identities, &info.zones);
        let store = Store::open(disk, config, info, Arc::clone(&ledger))?;
        let score_min = config.label_score_min;
        let keeper = Keeper { store, score_min, rgb: Vec::new(), ledger, failing: false };
        Ok(Self { eyes: Eyes { watch, recent: Recent::new(settle) }, keeper })
    }

    /// Keeps the frame if it is worth it.
    pub fn take(&mut self, delivery: &Delivery) {
        if let Some(candidate) = self.eyes.look(delivery) {
            self.keeper.keep(candidate);
        }
    }

    /// Keeps a frame that is settled if that makes it worth it.
    pub fn take_settled(&mut self, settled: &Settled) {
        if let Some(candidate) = self.eyes.look_back(settled) {
            self.keeper.keep(candidate);
        }
    }
}

/// Doubtful frames in, files out.
struct Keeper {
    store: Store,
    score_min: f32,
    rgb: Vec<u8>,
    ledger: Arc<Ledger>,
    failing: bool,
}

impl Keeper {
    fn keep(&mut self, candidate: Candidate) {
        let Candidate { frame, scene, doubt } = candidate;
        let stamp = scene.stamp;
        let cells = self.store.layout().cells(&scene, self.score_min);
        let row =
            Row { image: image_of(stamp.frame), frame: stamp.frame, captured: stamp.captured, doubt, bytes: 0, cells };
        let rgb = &mut self.rgb;
        match self.store.keep(row, || png(frame, rgb)) {
            Ok(false) => {}
            Ok(true) => {
                if std::mem::take(&mut self.failing) {
                    tracing::info!("harvest: frames are kept again");
                }
            }
            Err(error) => {
                self.ledger.counters.harvest_failed.one();
                if !std::mem::replace(&mut self.failing, true) {
                    tracing::error!("{error}");
                }
            }
        }
    }
}

/// The picture as the camera gave it, in full size. Its buffer goes back to the pool before the coding begins.
fn png(frame: Frame, rgb: &mut Vec<u8>) -> Result<Vec<u8>, HarvestError> {
    let (number, PictureSize { width, height }) = (frame.stamp.frame, frame.size());
    rgb.clear();
    rgb.resize(width as usize * height as usize * 3, 0);
    rgb_from_frame(&frame, rgb);
    drop(frame);
    let mut bytes = Vec::new();
    PngEncoder::new(&mut bytes)
        .write_image(rgb, width, height, image::ExtendedColorType::Rgb8)
        .map_err(|error| HarvestError::Picture { frame: number, what: error.to_string() })?;
    Ok(bytes)
}

/// A panic elsewhere leaves these whole: each change is one call.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
