//! What the `track` thread does with one frame: preprocess, infer, pose, track, act. Also what `replay` and `bench` run.

use super::PipelineError;
use crate::act::{Actor, Names, RecordedPin, Rules};
use crate::config::{self, Config};
use crate::crop::Cropper;
use crate::handover::{Delivery, Frame, GapReason, Gaps, PictureSize, Scene, Steps};
use crate::infer::{self, Engine};
use crate::ledger::Ledger;
use crate::model::{Contract, Precision};
use crate::pose::PoseReader;
use crate::preprocess::Preprocessor;
use crate::space::Letterbox;
use crate::stamp::Clock;
use crate::track::Tracker;
use crate::zones::Zones;
use std::sync::Arc;

/// The parts of the line that the configuration shapes.
pub struct TrackingParts {
    /// Poses to scenes.
    pub tracker: Tracker,
    /// Scenes to pulses.
    pub actor: Actor,
}

impl TrackingParts {
    /// Lays out zones, tracker, rules and the (recorded) pin.
    pub fn new(config: &Config, contract: &Contract, clock: Clock, ledger: Arc<Ledger>) -> Result<Self, PipelineError> {
        let zones = Zones::new(&config.zones)?;
        let written = &contract.written;
        let identities: Vec<_> = written.identities.iter().map(|identity| identity.name.clone()).collect();
        let names = Names { keypoints: &written.keypoints, identities: &identities };
        let rules = Rules::new(&config.rules, names, &zones).map_err(PipelineError::Rules)?;
        let (pin, _record) = RecordedPin::new(clock);
        let actor = Actor::new(rules, Box::new(pin), clock, ledger)?;
        let skeleton = contract.skeleton();
        let tracker = Tracker::new(config.tracker, identities.len(), zones, &skeleton);
        Ok(Self { tracker, actor })
    }
}

/// Frames in, deliveries out; one at a time, in order.
pub struct Tracking {
    cropper: Cropper,
    preprocessor: Preprocessor,
    input: Vec<f32>,
    engine: Box<dyn Engine>,
    reader: PoseReader,
    tracker: Tracker,
    actor: Actor,
    /// Frames on which the model did not run, to be told with the next scene.
    failed: Gaps,
    clock: Clock,
    ledger: Arc<Ledger>,
}

impl Tracking {
    /// Opens the engine (which warms it up) and lays the line out for `contract`.
    pub fn new(
        contract: &Contract,
        model: &config::Model,
        parts: TrackingParts,
        clock: Clock,
        ledger: Arc<Ledger>,
    ) -> Result<Self, PipelineError> {
        let engine = infer::open(contract, model)?;
        let input = &contract.written.input;
        Ok(Self {
            cropper: Cropper::new(model.full_frame_every, (input.width, input.height)),
            preprocessor: Preprocessor::new(contract),
            input: vec![0.0; contract.input_len()],
            engine,
            reader: PoseReader::new(contract)?,
            tracker: parts.tracker,
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

    /// One frame through the line. `None` when the model did not run on it: its number is then a gap of the next scene.
    pub fn advance(&mut self, frame: Frame) -> Option<Delivery> {
        let mut steps = Steps { decoded: frame.decoded, taken: self.clock.monotonic(), ..Steps::default() };
        let mut gaps = std::mem::take(&mut self.failed);
        gaps.extend(&frame.gaps);
        let letterbox = self.look(&frame, !gaps.is_empty());
        steps.preprocessed = self.clock.monotonic();
        let heads = match self.engine.run(&self.input) {
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
        let poses = self.reader.read(heads, &letterbox);
        steps.posed = self.clock.monotonic();
        let scene = self.tracker.advance(&poses, frame.stamp, &gaps);
        self.cropper.found(&scene);
        let mut events = self.tracker.events().clone();
        steps.tracked = self.clock.monotonic();
        self.actor.act(&scene, &mut events);
        steps.acted = self.clock.monotonic();
        self.record(&scene, &steps);
        Some(Delivery { scene, events, steps, frame: Some(frame) })
    }

    /// Fills the model's input with the frame or a window of it, and counts which. `missed`: frames are missing before it.
    fn look(&mut self, frame: &Frame, missed: bool) -> Letterbox {
        let PictureSize { width, height } = frame.size();
        let counters = &self.ledger.counters;
        match self.cropper.next((width, height), missed) {
            Some(window) => {
                counters.frames_cropped.one();
                self.preprocessor.fill_window(frame, window, &mut self.input)
            }
            None => {
                counters.frames_whole.one();
                self.preprocessor.fill(frame, &mut self.input)
            }
        }
    }

    /// Frames that failed after the last scene.
    pub fn finish(&mut self) -> Gaps {
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
    }
}
