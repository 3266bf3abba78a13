//! A camera for ever: connects, and connects again after every error, until it is told to stop.

use super::SourceState;
use super::connection::{Attempt, Carrier, Outlet, run_once};
use super::error::{SourceError, shown};
use super::retry::{Backoff, Log, stopped};
use crate::config::{NetworkCamera, Patience, Transport};
use crate::handover::AccessUnit;
use crate::ledger::Ledger;
use crate::stamp::Clock;
use retina::client::SessionGroup;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

/// How long the camera may take for things whose limit is not the operator's to set.
#[derive(Clone, Copy, Debug)]
struct Limits {
    /// Each request while a stream is opened.
    step: Duration,
    /// Saying goodbye.
    teardown: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { step: Duration::from_secs(5), teardown: Duration::from_millis(500) }
    }
}

/// Receives from `camera` as [`super::run`] says.
pub(super) async fn run(
    camera: &NetworkCamera,
    patience: Patience,
    clock: Clock,
    ledger: &Ledger,
    stop: watch::Receiver<bool>,
    emit: &mut dyn FnMut(AccessUnit),
    state: &mut dyn FnMut(SourceState),
) {
    run_within(Limits::default(), (camera, patience), clock, ledger, stop, emit, state).await;
}

async fn run_within(
    limits: Limits,
    (camera, patience): (&NetworkCamera, Patience),
    clock: Clock,
    ledger: &Ledger,
    mut stop: watch::Receiver<bool>,
    emit: &mut dyn FnMut(AccessUnit),
    state: &mut dyn FnMut(SourceState),
) {
    let shown = shown(&camera.url);
    let mut carriers = Carriers::new(camera.transport);
    let mut backoff = Backoff::new(patience.backoff_max);
    let mut log = Log::default();
    let mut next_frame = 0;
    loop {
        state(SourceState::Connecting);
        let group = Arc::new(SessionGroup::default());
        let began = Instant::now();
        let first_frame = next_frame;
        let mut tell = |news: SourceState| {
            log.live(&shown, &news);
            state(news);
        };
        let mut outlet = Outlet { clock, ledger, next_frame, emit: &mut *emit, state: &mut tell };
        let attempt = Attempt {
            camera,
            stall: patience.stall,
            shown: &shown,
            carrier: carriers.current,
            step_limit: limits.step,
            group: Arc::clone(&group),
        };
        let outcome = tokio::select! {
            biased;
            () = stopped(&mut stop) => None,
            error = run_once(&attempt, &mut outlet) => Some(error),
        };
        next_frame = outlet.next_frame;
        // Some cameras serve few sessions, so the old one is given up in good form; a dead camera does not hold us up.
        let goodbye = timeout(limits.teardown, group.await_teardown());
        let Some(error) = outcome else {
            let _ = goodbye.await;
            return;
        };
        let brought_units = next_frame > first_frame;
        ledger.counters.connections_failed.one();
        if matches!(error, SourceError::Stalled { .. }) {
            ledger.counters.stalls.one();
        }
        let Some(error) = carriers.after(error, brought_units) else {
            let _ = goodbye.await;
            continue;
        };
        let pause = backoff.pause(if brought_units { began.elapsed() } else { Duration::ZERO });
        log.failed(&error, pause);
        state(SourceState::Retrying { error, pause });
        tokio::select! {
            biased;
            () = stopped(&mut stop) => return,
            _ = async { tokio::join!(sleep(pause), goodbye) } => {}
        }
    }
}

/// Which transport to ask for next.
#[derive(Debug)]
struct Carriers {
    current: Carrier,
    /// The operator leaves the choice to us.
    free: bool,
    /// The last answer was a refusal, so a further one means that both are refused.
    refused_once: bool,
}

impl Carriers {
    fn new(transport: Transport) -> Self {
        let current = if transport == Transport::Udp { Carrier::Udp } else { Carrier::Tcp };
        Self { current, free: transport == Transport::Auto, refused_once: false }
    }

    /// Chooses for the attempt after one that ended with `error`. `None`: the other transport is to be tried at once.
    fn after(&mut self, error: SourceError, brought_units: bool) -> Option<SourceError> {
        if !self.free {
            return Some(error);
        }
        if let SourceError::TransportRefused { camera, .. } = error {
            self.current = if self.current == Carrier::Tcp { Carrier::Udp } else { Carrier::Tcp };
            self.refused_once = !self.refused_once;
            let advice = "check the camera's own settings";
            return (!self.refused_once).then_some(SourceError::TransportRefused {
                camera,
                refused: "TCP and UDP",
                advice,
            });
        }
        self.refused_once = false;
        if !brought_units && matches!(error, SourceError::Stalled { .. }) {
            // Datagrams that never come are lost in a firewall, or the camera has changed its mind: TCP first again.
            self.current = Carrier::Tcp;
        }
        Some(error)
    }
}

#[cfg(test)]
mod scripted;
#[cfg(test)]
mod tests;
