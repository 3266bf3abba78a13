//! What the `track` thread does with one frame: preprocess, infer, pose, track, act. Also what `replay` and `bench` run.

use super::PipelineError;
use crate::act::{Actor, Grant, Names, Pin, RecordedPin, Rules};
use crate::config::{self, Config};
use crate::crop::Cropper;
use crate::handover::{
    Delivery, Event, Frame, GapReason, Gaps, MAX_ANIMALS, PictureSize, Poses, Scene, Settled, State, Steps,
};
use crate::infer::{self, Engine, InferError};
use crate::ledger::Ledger;
use crate::model::{Contract, Followed, Precision};
use crate::paint::Paint;
use crate::pose::PoseReader;
use crate::preprocess::Preprocessor;
use crate::space::{Letterbox, Window};
use crate::stamp::Clock;
use crate::track::{Contacts, Settler, Tracker};
use crate::zones::Zones;
use std::sync::{Arc, Mutex};

/// What became of the coats, in their order; empty until something did.
pub type Became = Arc<Mutex<heapless::Vec<Followed, MAX_ANIMALS>>>;

/// In so many frames what became of the coats is told once.
const KEPT_EVERY: u64 = 256;

/// Whoever reads it must not make the line wait.
fn keep(became: &Became, paint: &Paint) {
    if let Ok(mut kept) = became.try_lock() {
        *kept = paint.became();
    }
}

/// The parts of the line that the configuration shapes.
pub struct TrackingParts {
    /// Poses to scenes.
    pub tracker: Tracker,
    /// Who touches whom.
    pub contacts: Contacts,
    /// Scenes to settled scenes.
    pub settler: Settler,
    /// Scenes to pulses.
    pub actor: Actor,
}

impl TrackingParts {
    /// Lays out zones, tracker, rules and a pin that drives nothing, whatever is configured: for what is not live.
    pub fn new(config: &Config, contract: &Contract, clock: Clock, ledger: Arc<Ledger>) -> Result<Self, PipelineError> {
        let (pin, _record) = RecordedPin::new(clock);
        Self::driving(Box::new(pin), config, contract, clock, ledger)
    }

    /// The same with this pin.
    pub fn driving(
        pin: Box<dyn Pin>,
        config: &Config,
        contract: &Contract,
        clock: Clock,
        ledger: Arc<Ledger>,
    ) -> Result<Self, PipelineError> {
        let zones = Zones::new(&config.zones)?;
        let written = &contract.written;
        let identities: Vec<_> = contract.animals().iter().map(|identity| identity.name.clone()).collect();
        let names = Names { keypoints: &written.keypoints, identities: &identities };
        let rules = Rules::new(&config.rules, names, &zones).map_err(PipelineError::Rules)?;
        let grant = config.gpio.as_ref().map_or_else(Grant::default, |gpio| Grant::of(gpio, &config.rules));
        let actor = Actor::new(rules, pin, clock, ledger)?.granted(grant);
        let (tracker, settler) = Self::tracker(config, identities.len(), &contract.skeleton())?;
        Ok(Self { tracker, contacts: Contacts::new(&config.tracker), settler, actor })
    }

    /// The tracker and what settles its scenes, alone, for a model that knows so many identities and whose skeleton links these
    /// keypoints, by their indexes.
    pub fn tracker(
        config: &Config,
        identities: usize,
        skeleton: &[[usize; 2]],
    ) -> Result<(Tracker, Settler), PipelineError> {
        let zones = Zones::new(&config.zones)?;
        let settler = Settler::new(config.tracker, identities, zones.clone());
        Ok((Tracker::new(config.tracker, identities, zones, skeleton), settler))
    }
}

/// Frames in, deliveries out; one at a time, in order.
pub struct Tracking {
    cropper: Cropper,
    preprocessor: Preprocessor,
    input: Vec<f32>,
    engine: Box<dyn Engine>,
    /// The engine filled its input itself, from the frame.
    seen: bool,
    /// And read it in its decoder's memory.
    in_place: bool,
    reader: PoseReader,
    /// What the model and the paint said of the frame taken last.
    poses: Poses,
    /// Nothing where the arena's coats are not known.
    paint: Option<Paint>,
    /// What became of the coats, for those who keep it.
    became: Became,
    tracker: Tracker,
    contacts: Contacts,
    settler: Settler,
    named: bool,
    actor: Actor,
    /// Frames on which the model did not run, to be told with the next scene.
    failed: Gaps,
    clock: Clock,
    ledger: Arc<Ledger>,
}

impl Tracking {
    /// [`Tracking::told`], with its progress in the log.
    pub fn new(
        contract: &Contract,
        model: &config::Model,
        parts: TrackingParts,
        clock: Clock,
        ledger: Arc<Ledger>,
    ) -> Result<Self, PipelineError> {
        Self::told(contract, model, parts, clock, ledger, &|what| tracing::info!("{what}"))
    }

    /// Opens the engine (which warms it up) and lays the line out for `contract`. `progress` hears of what takes minutes.
    pub fn told(
        contract: &Contract,
        model: &config::Model,
        parts: TrackingParts,
        clock: Clock,
        ledger: Arc<Ledger>,
        progress: &dyn Fn(&str),
    ) -> Result<Self, PipelineError> {
        let engine = infer::open_told(contract, model, progress)?;
        let input = &contract.written.input;
        Ok(Self {
            cropper: Cropper::new(model.full_frame_every, (input.width, input.height)),
            preprocessor: Preprocessor::new(contract),
            input: vec![0.0; contract.input_len()],
            engine,
            seen: false,
            in_place: false,
            reader: PoseReader::new(contract)?,
            poses: Poses::new(),
            paint: Paint::new(contract),
            became: Became::default(),
            tracker: parts.tracker,
            contacts: parts.contacts,
            settler: parts.settler,
            named: !contract.animals().is_empty(),
            actor: parts.actor,
            failed: Gaps::default(),
            clock,
            ledger,
        })
    }

    /// The engine's name.
    pub fn engine(&self) -> &'static str {
        self.engine.name()
    }

    /// The precision of the file that it runs.
    pub fn precision(&self) -> Precision {
        self.engine.precision()
    }

    /// What the engine runs on where that is no CPU.
    pub fn ground(&self) -> Option<String> {
        self.engine.ground()
    }

    /// What the engine's last run took by the device's own clock, where it has one.
    pub fn gpu_ms(&self) -> Option<f32> {
        self.engine.gpu_ms()
    }

    /// One frame through the line. `None` when the model did not run on it: its number is then a gap of the next scene.
    pub fn advance(&mut self, frame: Frame) -> Option<Delivery> {
        let mut steps = Steps { decoded: frame.decoded, taken: self.clock.monotonic(), ..Steps::default() };
        let mut gaps = std::mem::take(&mut self.failed);
        gaps.extend(&frame.gaps);
        let looked = self.look(&frame, !gaps.is_empty());
        steps.preprocessed = self.clock.monotonic();
        let heads = looked.and_then(|letterbox| {
            let heads = if self.seen { self.engine.run_seen() } else { self.engine.run(&self.input) };
            heads.map(|heads| (heads, letterbox))
        });
        let (heads, letterbox) = match heads {
            Ok(heads) => heads,
            Err(error) => {
                tracing::error!(frame = frame.stamp.frame, "{error}");
                self.ledger.counters.inference_errors.one();
                gaps.note_one(frame.stamp.frame, GapReason::Inference);
                self.failed = gaps;
                return None;
            }
        };
        steps.inferred = self.clock.monotonic();
        self.poses = self.reader.read(heads, &letterbox);
        if let Some(paint) = &mut self.paint {
            paint.read(&frame, &mut self.poses);
        }
        steps.posed = self.clock.monotonic();
        let scene = self.tracker.advance(&self.poses, frame.stamp, &gaps);
        if let Some(paint) = &mut self.paint {
            paint.follow(&scene);
            if frame.stamp.frame.is_multiple_of(KEPT_EVERY) {
                keep(&self.became, paint);
            }
        }
        self.cropper.found(&scene);
        let mut events = self.tracker.events().clone();
        self.contacts.look(&scene, self.tracker.told().size, &mut events);
        steps.tracked = self.clock.monotonic();
        self.actor.act(&scene, &mut events);
        steps.acted = self.clock.monotonic();
        self.record(&scene, &steps);
        Some(Delivery { scene, events, steps, frame: Some(frame) })
    }

    /// Settles the frames that are due after the scene that `advance` gave last, which has gone out already.
    pub fn settle(&mut self, scene: &Scene, give: &mut impl FnMut(Settled)) {
        let began = self.clock.monotonic();
        let (ledger, named) = (&self.ledger, self.named);
        self.settler.take(scene, self.tracker.told(), &mut |settled| {
            count(ledger, &settled, named);
            give(settled);
        });
        self.ledger.latencies.settle.record(self.clock.monotonic().nanos_since(began));
    }

    /// Settles all frames that wait: at the end, or when no frame came for so long that a later one could say nothing of them.
    pub fn settle_rest(&mut self, give: &mut impl FnMut(Settled)) {
        let (ledger, named) = (&self.ledger, self.named);
        self.settler.finish(&mut |settled| {
            count(ledger, &settled, named);
            give(settled);
        });
    }

    /// What the tracker was told of the frame that became a scene last: the model's poses, with the paint's evidence.
    pub fn poses(&self) -> &Poses {
        &self.poses
    }

    /// Fills the model's input with the frame or a window of it, and counts which. `missed`: frames are missing before it.
    fn look(&mut self, frame: &Frame, missed: bool) -> Result<Letterbox, InferError> {
        let PictureSize { width, height } = frame.size();
        let counters = &self.ledger.counters;
        let window = self.cropper.next((width, height), missed);
        if window.is_some() {
            counters.frames_cropped.one();
        } else {
            counters.frames_whole.one();
        }
        let window = window.unwrap_or_else(|| Window::whole((width, height)));
        let seen = self.engine.see(frame, window)?;
        self.seen = seen.is_some();
        self.in_place = self.seen && frame.lent().is_some() && self.engine.reads_in_place();
        if self.in_place {
            counters.frames_in_place.one();
        }
        Ok(seen.unwrap_or_else(|| self.preprocessor.fill_window(frame, window, &mut self.input)))
    }

    /// Whether the engine reads pictures where their decoder left them.
    pub fn reads_in_place(&self) -> bool {
        self.engine.reads_in_place()
    }

    /// What filled the model's input from the last frame; `GPU, in place`: it read the picture in the decoder's memory.
    pub fn preprocessed_by(&self) -> &'static str {
        match (self.seen, self.in_place) {
            (_, true) => "GPU, in place",
            (true, _) => "GPU",
            (false, _) => "CPU",
        }
    }

    /// Where what became of the coats can be read while the line runs.
    pub fn became(&self) -> Became {
        Arc::clone(&self.became)
    }

    /// Frames that failed after the last scene.
    pub fn finish(&mut self) -> Gaps {
        if let Some(paint) = &self.paint {
            keep(&self.became, paint);
        }
        std::mem::take(&mut self.failed)
    }

    fn record(&self, scene: &Scene, steps: &Steps) {
        let latencies = &self.ledger.latencies;
        latencies.wait.record(steps.taken.nanos_since(steps.decoded));
        latencies.preprocess.record(steps.preprocessed.nanos_since(steps.taken));
        latencies.infer.record(steps.inferred.nanos_since(steps.preprocessed));
        latencies.pose.record(steps.posed.nanos_since(steps.inferred));
        latencies.track.record(steps.tracked.nanos_since(steps.posed));
        latencies.act.record(steps.acted.nanos_since(steps.tracked));
        latencies.arrival_to_act.record(steps.acted.nanos_since(scene.stamp.arrived));
        self.ledger.counters.scenes.one();
        if self.named {
            let seen = || scene.animals.iter().filter(|animal| animal.state == State::Seen);
            let named = seen().filter(|animal| animal.identity.is_some()).count();
            self.ledger.counters.names_given.add(named as u64);
            self.ledger.counters.names_withheld.add((seen().count() - named) as u64);
        }
    }
}

/// What settling said of one frame. A model without `named` animals withholds nothing.
fn count(ledger: &Ledger, settled: &Settled, named: bool) {
    let counters = &ledger.counters;
    counters.scenes_settled.one();
    let revisions = settled.events.iter().filter(|event| matches!(event, Event::IdentityRevised(_))).count();
    counters.revisions.add(revisions as u64);
    for (animal, live) in settled.scene.animals.iter().zip(&settled.live) {
        if named && animal.state == State::Seen {
            counters.settled_withheld.add(u64::from(animal.identity.is_none()));
            counters.names_revised.add(u64::from(live.identity.is_some() && live.identity != animal.identity));
        }
    }
}
