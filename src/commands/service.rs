//! What systemd is told: progress of the start, readiness, signs of life, one line of status. Elsewhere all of it is silent.

use arenad::ledger::Ledger;
use arenad::pipeline::{Daemon, Vigil};
use arenad::sink::wire::{CameraState, Rates, Reading};
use arenad::stamp::Clock;
use sd_notify::NotifyState;
use std::sync::Arc;
use std::time::Duration;

/// A start that gets on has this much longer each time: one step of building an engine may take minutes on a board.
const STEP: Duration = Duration::from_secs(300);
/// How often the threads are looked at without a watchdog, and at most with one.
const LOOK: Duration = Duration::from_secs(3);
/// So many looks in a row at a thread that stands still are worth a message.
const ODD_LOOKS: u32 = 2;
/// What the status line may hold of the system's or the camera's words.
const STATUS_CHARS: usize = 200;

/// The start gets on: `what` is the step that begins.
pub(super) fn starting(what: &str) {
    tracing::info!("start: {what}");
    let more = u32::try_from(STEP.as_micros()).unwrap_or(u32::MAX);
    tell(&[NotifyState::ExtendTimeoutUsec(more), NotifyState::Status(&one_line(what))]);
}

/// The daemon is at work.
pub(super) fn ready() {
    tell(&[NotifyState::Ready]);
}

/// The daemon ends.
pub(super) fn stopping() {
    tell(&[NotifyState::Stopping, NotifyState::Status("stopping")]);
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!("systemd: {error}");
    }
}

/// Looks after a running daemon from outside its threads.
pub(super) struct Watch {
    vigil: Vigil,
    /// The thread that was still at the last look, and at how many looks in a row some thread was.
    still: Option<&'static str>,
    looks: u32,
    every: Duration,
    ledger: Arc<Ledger>,
    clock: Clock,
    last: Reading,
}

impl Watch {
    pub(super) fn over(daemon: &Daemon, ledger: &Arc<Ledger>, clock: Clock) -> Self {
        // Four looks in the watchdog's time.
        let every = sd_notify::watchdog_enabled().map_or(LOOK, |limit| (limit / 4).min(LOOK));
        let last = Reading::take(ledger, clock.monotonic());
        Self { vigil: daemon.vigil(), still: None, looks: 0, every, ledger: Arc::clone(ledger), clock, last }
    }

    /// Time between two looks.
    pub(super) fn every(&self) -> Duration {
        self.every
    }

    /// Feeds the watchdog if every thread of the line has moved since it was fed, and tells the status.
    pub(super) fn look(&mut self, daemon: &Daemon) {
        let still = self.vigil.look();
        match (self.still, still) {
            // One look may find a thread that the system has not let run; two are half of the watchdog's time.
            (_, Some(thread)) if self.looks + 1 == ODD_LOOKS => tracing::error!(
                "thread {thread}: stands still for {:.1} s; systemd ends and restarts arenad if it stays so (WatchdogSec=)",
                (self.every * ODD_LOOKS).as_secs_f64()
            ),
            (Some(thread), None) if self.looks >= ODD_LOOKS => tracing::warn!("thread {thread}: moves again"),
            _ => {}
        }
        self.looks = if still.is_some() { self.looks.saturating_add(1) } else { 0 };
        self.still = still;
        let status = self.status(daemon);
        match still {
            None => tell(&[NotifyState::Watchdog, NotifyState::Status(&status)]),
            Some(_) => tell(&[NotifyState::Status(&status)]),
        }
    }

    fn status(&mut self, daemon: &Daemon) -> String {
        let now = Reading::take(&self.ledger, self.clock.monotonic());
        let rates = Rates::between(&self.last, &now);
        self.last = now;
        let camera = daemon.camera();
        let state = match camera.state {
            CameraState::Starting => "waiting for the camera",
            CameraState::Live => "camera live",
            CameraState::Retrying => "camera away",
        };
        let still = self.still.map(|thread| format!("thread {thread} stands still; ")).unwrap_or_default();
        let late = self.ledger.counters.frames_late.get();
        let detail = one_line(&camera.detail);
        format!("{still}{state}; {:.1} scenes/s, {late} frames late; {detail}", rates.scenes_hz)
    }
}

/// Words from outside as part of one line: a line break would begin another message to systemd.
fn one_line(words: &str) -> String {
    words.chars().map(|c| if c.is_control() { ' ' } else { c }).take(STATUS_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_from_outside_cannot_begin_another_message() {
        assert_eq!(one_line("login refused\nMAINPID=1\r\u{85}x"), "login refused MAINPID=1  x");
        assert_eq!(one_line(&"é".repeat(1000)).chars().count(), STATUS_CHARS);
    }
}
