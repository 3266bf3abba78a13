//! What each thread of the daemon does, from its queue to the next.

use super::pulse::{BEAT, Pulse};
use super::{Daemon, Notice, Tracking, Witness};
use crate::config::Camera;
use crate::decode::{Decode, DecodeError};
use crate::handover::{AccessUnit, Delivery, Frame, GapReason, Line, Offer, Settled, Slot, Taken};
use crate::ledger::Ledger;
use crate::sink::net::NetHandle;
use crate::sink::wire::CameraState;
use crate::source::{self, Fate, SourceState};
use crate::stamp::Clock;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

/// Tells the waiting thread when this one ends, also by a panic.
pub(super) struct Farewell {
    pub(super) name: &'static str,
    pub(super) notices: Arc<Line<Notice>>,
}

impl Drop for Farewell {
    fn drop(&mut self) {
        // A full line of notices already holds a reason to end.
        self.notices.offer(Notice::Ended(self.name));
    }
}

/// Closes a queue when its writer ends, also by a panic, so that its reader ends too.
struct Closing<F: Fn()>(F);

impl<F: Fn()> Drop for Closing<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// `source`: the network in, access units out.
pub(super) fn source(
    daemon: &Daemon,
    camera: Camera,
    clock: Clock,
    ledger: Arc<Ledger>,
    stopped: tokio::sync::watch::Receiver<bool>,
) -> impl FnOnce(&Pulse) + Send + 'static {
    let (units, notices, net) = (Arc::clone(&daemon.units), Arc::clone(&daemon.notices), Arc::clone(&daemon.net));
    move |pulse| {
        let closing = Arc::clone(&units);
        let _closing = Closing(move || closing.close());
        let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => {
                tracing::error!("thread source: {error}; free some memory or raise the limit of open files");
                return;
            }
        };
        let mut intake = Intake { units: &units, clock, ledger: &ledger, dropped: 0 };
        let mut emit = |unit| intake.take(unit);
        let mut was_live = false;
        let mut state = |state: SourceState| {
            if let SourceState::Retrying { error, .. } = &state
                && error.fate() == Fate::Configuration
                && !was_live
            {
                notices.offer(Notice::Camera(error.clone()));
            }
            was_live |= matches!(state, SourceState::Live { .. });
            report(&net, &state);
        };
        let receive = source::run(&camera, clock, &ledger, stopped, &mut emit, &mut state);
        runtime.block_on(async {
            tokio::select! {
                () = receive => {}
                () = beat_for_ever(pulse) => {}
            }
        });
        // A look-up of a host name may hang in a thread of the runtime; nobody waits for it.
        runtime.shutdown_background();
    }
}

/// Beats as long as the runtime gets round to it.
async fn beat_for_ever(pulse: &Pulse) {
    let mut turns = tokio::time::interval(BEAT);
    loop {
        turns.tick().await;
        pulse.beat();
    }
}

/// What `source` does with each access unit.
struct Intake<'a> {
    units: &'a Line<AccessUnit>,
    clock: Clock,
    ledger: &'a Ledger,
    /// Units that the decoder had no room for since the last that it took.
    dropped: u32,
}

impl Intake<'_> {
    fn take(&mut self, mut unit: AccessUnit) {
        let age = self.clock.wall().nanos_since(unit.stamp.captured);
        self.ledger.latencies.network.record(u64::try_from(age).unwrap_or(0));
        // To the decoder a unit that is not there is a loss like any other.
        unit.packets_lost = unit.packets_lost.saturating_add(self.dropped);
        match self.units.offer(unit) {
            Offer::Taken => self.dropped = 0,
            Offer::Full(_) => {
                self.dropped = self.dropped.saturating_add(1);
                self.ledger.counters.units_dropped.one();
            }
            Offer::Closed(_) => {}
        }
    }
}

fn report(net: &NetHandle, state: &SourceState) {
    match state {
        // A further attempt is part of the state before it.
        SourceState::Connecting => {}
        SourceState::Live { codec, size, device } => {
            let size = size.map(|size| format!(" {}x{}", size.width, size.height)).unwrap_or_default();
            let device = device.as_ref().map(|device| format!(", {device}")).unwrap_or_default();
            net.set_camera_state(CameraState::Live, &format!("{codec}{size}{device}"));
        }
        SourceState::Retrying { error, .. } => net.set_camera_state(CameraState::Retrying, &error.to_string()),
    }
}

/// `decode`: access units in, frames in display order out. The slot is where lateness is shed.
pub(super) fn decode(daemon: &Daemon, mut decode: Decode, ledger: Arc<Ledger>) -> impl FnOnce(&Pulse) + Send + 'static {
    let (units, frames, left) = (Arc::clone(&daemon.units), Arc::clone(&daemon.frames), Arc::clone(&daemon.left));
    move |pulse| {
        let closing = Arc::clone(&frames);
        let _closing = Closing(move || closing.close());
        let mut give = |frame: Frame| hand_over(&frames, frame, &ledger);
        let mut trouble = Trouble::default();
        while let Some(unit) = pulse.wait_for(|limit| units.take_within(limit)) {
            trouble.tell(decode.decode(&unit, &mut give), unit.stamp.frame);
            pulse.beat();
        }
        decode.flush(&mut give);
        *left.lock().unwrap_or_else(PoisonError::into_inner) = decode.take_gaps();
    }
}

/// Logs what the decoder says once per change, not once a picture.
#[derive(Default)]
struct Trouble(Option<DecodeError>);

impl Trouble {
    fn tell(&mut self, outcome: Result<(), DecodeError>, frame: u64) {
        let now = outcome.err();
        match (&self.0, &now) {
            (last, Some(error)) if last.as_ref() != Some(error) => tracing::warn!(frame, "{error}"),
            (Some(_), None) => tracing::info!(frame, "decode: pictures again"),
            _ => {}
        }
        self.0 = now;
    }
}

/// Puts a frame where the tracking thread takes it; one that nobody took becomes a gap of this one.
fn hand_over(frames: &Slot<Frame>, mut frame: Frame, ledger: &Ledger) {
    frames.put(|stale| {
        if let Some(stale) = stale {
            ledger.counters.frames_late.one();
            let mut gaps = stale.gaps;
            gaps.note_one(stale.stamp.frame, GapReason::Late);
            gaps.extend(&frame.gaps);
            frame.gaps = gaps;
        }
        frame
    });
}

/// Without a frame for this long all that waits is settled: a track does not live on so long, so what comes later says nothing.
const QUIET: Duration = Duration::from_millis(1500);

/// `track`: frames in, deliveries to every sink out; then what these frames settle.
pub(super) fn track(
    daemon: &Daemon,
    mut tracking: Tracking,
    mut witness: Option<Witness>,
) -> impl FnOnce(&Pulse) + Send + 'static {
    let (frames, notices) = (Arc::clone(&daemon.frames), Arc::clone(&daemon.notices));
    let (net, files, left) = (Arc::clone(&daemon.net), daemon.files.clone(), Arc::clone(&daemon.left));
    let harvest = daemon.harvest.clone();
    move |pulse| {
        let mut first = true;
        let mut settled = |settled: Settled| {
            net.offer_settled(&settled);
            if let Some(harvest) = &harvest {
                harvest.offer_settled(&settled);
            }
            if let Some(files) = &files {
                files.offer(settled);
            }
        };
        loop {
            let frame = match pulse.wait_within(QUIET, |limit| frames.take_within(limit)) {
                Taken::Value(frame) => frame,
                Taken::Nothing => {
                    tracking.settle_rest(&mut settled);
                    continue;
                }
                Taken::Closed => break,
            };
            // A frame on which the model failed is no sign of life: a graphics processor that lost its context never comes back.
            let Some(delivery) = tracking.advance(frame) else { continue };
            if let Some(witness) = &mut witness {
                witness(&delivery);
            }
            net.offer(&delivery);
            if let Some(files) = &files {
                files.offer_live(&delivery.scene);
            }
            if let Some(harvest) = &harvest {
                harvest.offer(&delivery);
            }
            pulse.beat();
            if std::mem::take(&mut first) {
                notices.offer(Notice::FirstScene);
            }
            // The picture's buffer goes back before anything else is done.
            let Delivery { scene, frame, .. } = delivery;
            drop(frame);
            tracking.settle(&scene, &mut settled);
        }
        tracking.settle_rest(&mut settled);
        let mut gaps = tracking.finish();
        gaps.extend(&left.lock().unwrap_or_else(PoisonError::into_inner));
        if let Some(files) = &files
            && !gaps.is_empty()
        {
            files.note_gaps(&gaps);
        }
    }
}
