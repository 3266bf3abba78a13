//! Threads: from a configuration to a running daemon, one named thread for each thing that can block.

mod pulse;
mod threads;
mod tracking;
mod urgency;

pub use pulse::Vigil;
pub use tracking::{Became, Tracking, TrackingParts};
pub use urgency::{Refused, Urgency};

use crate::act::{ActError, GpioPin, Pin, RecordedPin};
use crate::config::{self, Config};
use crate::decode::{Decode, DecodeError};
use crate::handover::{AccessUnit, Delivery, Frame, Gaps, Line, Slot, Taken};
use crate::infer::InferError;
use crate::ledger::Ledger;
use crate::model::{Contract, ModelError, Precision};
use crate::pose::PoseError;
use crate::sink::feed::About;
use crate::sink::files::{FileInfo, FilesError, FilesHandle, FilesSink};
use crate::sink::harvest::{HarvestError, HarvestHandle, HarvestSink, MOST_HELD};
use crate::sink::net::{NetError, NetHandle, NetOptions, NetSinks};
use crate::sink::wire::{CameraReport, Names};
use crate::source::SourceError;
use crate::stamp::Clock;
use crate::zones::ZoneError;
use pulse::Pulse;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// Access units that wait for the decoder: two seconds at 30 frames/s. It is full only when the decoder hangs.
const UNITS_WAITING: usize = 64;
/// The same for a video device, whose pictures may be as large as their pixels.
const PICTURES_WAITING: usize = 16;
/// Frame buffers: one in the decoder, one in the slot, one being tracked, two for viewers of the live page, three for the harvest.
pub const FRAME_BUFFERS: usize = 8;

/// Frame buffers of a line so configured: the harvest holds some pictures until their frames are settled.
pub fn frame_buffers(config: &Config) -> usize {
    FRAME_BUFFERS + if config.harvest.is_some() { MOST_HELD } else { 0 }
}

/// Why a daemon could not be started.
#[derive(Debug, thiserror::Error)]
pub enum PipelineError {
    /// The model's folder is wrong.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The model cannot be run.
    #[error(transparent)]
    Infer(#[from] InferError),
    /// The model's heads cannot be decoded.
    #[error(transparent)]
    Pose(#[from] PoseError),
    /// What shall decode is not there.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// A zone is wrong.
    #[error(transparent)]
    Zones(#[from] ZoneError),
    /// A rule names what the model or the zones do not have.
    #[error("configuration: {} thing(s) to mend\n  {}", .0.len(), .0.join("\n  "))]
    Rules(Vec<String>),
    /// The pin cannot be driven.
    #[error(transparent)]
    Act(#[from] ActError),
    /// The broker's settings or the page's port are wrong.
    #[error(transparent)]
    Net(#[from] NetError),
    /// The folder for files is wrong.
    #[error(transparent)]
    Files(#[from] FilesError),
    /// The folder for doubtful frames is wrong.
    #[error(transparent)]
    Harvest(#[from] HarvestError),
    /// A thread could not be made.
    #[error("thread {name}: {source}; free some memory or raise the limit of threads")]
    Thread {
        /// Which.
        name: &'static str,
        /// The system's words.
        source: std::io::Error,
    },
}

/// What a running daemon has to tell the thread that waits for its end.
#[derive(Debug)]
pub enum Notice {
    /// The first scene stands: the daemon is at work.
    FirstScene,
    /// The camera cannot be used as configured, and never was: trying again does not help.
    Camera(SourceError),
    /// A thread ended by itself.
    Ended(&'static str),
    /// Somebody outside asks for the end (a signal, the demo's clock).
    Stop,
}

/// Sees each delivery on the tracking thread before the sinks do; must not block.
pub type Witness = Box<dyn FnMut(&Delivery) + Send>;

/// What to run, already read and checked.
pub struct Plan<'a> {
    /// The configuration.
    pub config: &'a Config,
    /// The model.
    pub contract: &'a Contract,
    /// The process's clocks.
    pub clock: Clock,
    /// The process's ledger.
    pub ledger: Arc<Ledger>,
    /// The demo's judge.
    pub witness: Option<Witness>,
    /// Hears what the start is doing each time that it gets on: opening an engine may take minutes.
    pub progress: &'a (dyn Fn(&str) + Sync),
}

/// A running daemon. Dropping it stops it.
pub struct Daemon {
    notices: Arc<Line<Notice>>,
    units: Arc<Line<AccessUnit>>,
    frames: Arc<Slot<Frame>>,
    /// What `decode` could not tell with a frame, because none came after it.
    left: Arc<Mutex<Gaps>>,
    net: Arc<NetHandle>,
    files: Option<Arc<FilesHandle>>,
    harvest: Option<Arc<HarvestHandle>>,
    stop_source: tokio::sync::watch::Sender<bool>,
    threads: Vec<JoinHandle<()>>,
    pulses: Vec<Arc<Pulse>>,
    urgency: Urgency,
    engine: &'static str,
    precision: Precision,
    became: Became,
}

impl Daemon {
    /// Opens everything and starts the threads. On an error nothing keeps running.
    pub fn start(plan: Plan<'_>) -> Result<Self, PipelineError> {
        let Plan { config, contract, clock, ledger, witness, progress } = plan;
        let urgency = Urgency::new(config.process.realtime_priority);
        progress(&format!("opening the model {}", contract.written.name));
        // The pin before all else: an earlier run's end may have left the line active.
        let pin = lent(urgency, || pin(config, clock))?;
        // The network before the engine, which may take minutes to build: whoever watches sees how far it is.
        let net = Arc::new(NetSinks::start(NetOptions {
            mqtt: config.mqtt.clone(),
            web: config.web.clone(),
            about: about(config, contract),
            ledger: Arc::clone(&ledger),
            clock,
        })?);
        let open = || {
            let parts = TrackingParts::driving(pin, config, contract, clock, Arc::clone(&ledger))?;
            let told = |what: &str| {
                progress(what);
                net.set_opening(what);
            };
            Tracking::told(contract, &config.model, parts, clock, Arc::clone(&ledger), &told)
        };
        let tracking = lent(urgency, open).inspect_err(|error| net.set_opening(&error.to_string()))?;
        let decode = Decode::new(frame_buffers(config), Arc::clone(&ledger), clock)
            .by(&config.decode)
            .inspect_err(|error| net.set_opening(&error.to_string()))?
            .in_place(tracking.reads_in_place());
        let (engine, precision) = (tracking.engine(), tracking.precision());
        progress("starting the sinks");
        let info = file_info(&config.arena, contract, &config.zones);
        let harvest = match &config.harvest {
            Some(harvest) => {
                Some(Arc::new(HarvestSink::start(harvest, config.tracker.settle, &info, Arc::clone(&ledger))?))
            }
            None => None,
        };
        let files = match &config.files {
            Some(files) => Some(Arc::new(FilesSink::start(files.clone(), info, Arc::clone(&ledger), clock)?)),
            None => None,
        };
        net.set_engine(engine, precision.word());
        let (stop_source, stopped) = tokio::sync::watch::channel(false);
        let mut daemon = Self {
            notices: Arc::new(Line::new(64)),
            units: Arc::new(Line::new(units_waiting(&config.camera))),
            frames: Arc::new(Slot::new()),
            left: Arc::new(Mutex::new(Gaps::default())),
            net,
            files,
            harvest,
            stop_source,
            threads: Vec::new(),
            pulses: Vec::new(),
            urgency,
            engine,
            precision,
            became: tracking.became(),
        };
        daemon.spawn("track", threads::track(&daemon, tracking, witness))?;
        daemon.spawn("decode", threads::decode(&daemon, decode, Arc::clone(&ledger)))?;
        daemon.spawn("source", threads::source(&daemon, config.camera.clone(), clock, ledger, stopped))?;
        Ok(daemon)
    }

    /// A thread between camera and pin.
    fn spawn(&mut self, name: &'static str, work: impl FnOnce(&Pulse) + Send + 'static) -> Result<(), PipelineError> {
        let farewell = threads::Farewell { name, notices: Arc::clone(&self.notices) };
        let (pulse, urgency) = (Pulse::new(name), self.urgency);
        self.pulses.insert(0, Arc::clone(&pulse));
        let run = move || {
            let _farewell = farewell;
            if let Err(refused) = urgency.take() {
                tracing::warn!("thread {name}: {refused}");
            }
            work(&pulse);
        };
        let thread = std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(run)
            .map_err(|source| PipelineError::Thread { name, source })?;
        self.threads.push(thread);
        Ok(())
    }

    /// Where to put a notice for the thread that waits: signals do.
    pub fn notices(&self) -> Arc<Line<Notice>> {
        Arc::clone(&self.notices)
    }

    /// Waits at most `limit` for news.
    pub fn wait(&self, limit: Duration) -> Taken<Notice> {
        self.notices.take_within(limit)
    }

    /// Watches the threads between camera and pin.
    pub fn vigil(&self) -> Vigil {
        Vigil::over(self.pulses.iter().cloned())
    }

    /// What the camera does.
    pub fn camera(&self) -> CameraReport {
        self.net.camera()
    }

    /// Where the live page is served.
    pub fn web_addr(&self) -> Option<SocketAddr> {
        self.net.web_addr()
    }

    /// The engine that runs the model.
    pub fn engine(&self) -> &'static str {
        self.engine
    }

    /// What became of the coats by following them.
    pub fn became(&self) -> Became {
        Arc::clone(&self.became)
    }

    /// The precision of the model's file that it runs.
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// Ends each thread in the order of the line, so that what was received is tracked, published and written.
    pub fn stop(&mut self) {
        self.stop_source.send_replace(true);
        // `source` closes the line of units at its end, `decode` the slot: each thread drains what lies before it.
        for thread in self.threads.drain(..).rev() {
            let name = thread.thread().name().unwrap_or("?").to_owned();
            if thread.join().is_err() {
                tracing::error!("thread {name}: ended by a fault; report this");
            }
        }
        self.units.close();
        self.frames.close();
        if let Some(files) = &self.files {
            files.close();
        }
        if let Some(harvest) = &self.harvest {
            harvest.close();
        }
        self.net.close();
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.stop();
    }
}

fn units_waiting(camera: &config::Camera) -> usize {
    if matches!(camera.at, config::CameraAt::Device(_)) { PICTURES_WAITING } else { UNITS_WAITING }
}

/// On a thread that has the line's urgency, so that the threads which `work` makes have it too.
fn lent<T: Send>(urgency: Urgency, work: impl FnOnce() -> Result<T, PipelineError> + Send) -> Result<T, PipelineError> {
    urgency.lend(work).map_err(|source| PipelineError::Thread { name: "open", source })?
}

/// The configured line, made inactive, or a pin that drives nothing.
fn pin(config: &Config, clock: Clock) -> Result<Box<dyn Pin>, PipelineError> {
    let Some(gpio) = &config.gpio else { return Ok(Box::new(RecordedPin::new(clock).0)) };
    let pin = GpioPin::open(gpio, &config.arena).map_err(ActError::Gpio)?;
    tracing::info!("pin: {}", pin.name());
    Ok(Box::new(pin))
}

/// What files say about themselves.
pub fn file_info(arena: &str, contract: &Contract, zones: &[config::ZoneArea]) -> FileInfo {
    let written = &contract.written;
    FileInfo {
        arena: arena.to_owned(),
        model: written.name.clone(),
        keypoints: written.keypoints.clone(),
        skeleton: written.skeleton.clone(),
        identities: contract.animals().iter().map(|identity| identity.name.clone()).collect(),
        colours: contract.animals().iter().map(|identity| identity.colour.clone()).collect(),
        zones: zones.to_vec(),
    }
}

fn about(config: &Config, contract: &Contract) -> About {
    let written = &contract.written;
    About {
        names: Names {
            arena: config.arena.clone(),
            keypoints: written.keypoints.clone(),
            identities: contract.animals().iter().map(|identity| identity.name.clone()).collect(),
            zones: config.zones.iter().map(|zone| zone.name.clone()).collect(),
            rules: config.rules.iter().map(|rule| rule.name.clone()).collect(),
        },
        model: written.name.clone(),
        skeleton: written.skeleton.clone(),
        colours: contract.animals().iter().map(|identity| identity.colour.clone()).collect(),
        zones: config.zones.clone(),
    }
}
