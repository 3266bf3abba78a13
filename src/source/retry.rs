//! Between two attempts to reach a camera: how long to wait, and what the log hears.

use super::SourceState;
use super::error::SourceError;
use super::v4l2::DeviceError;
use std::mem::{Discriminant, discriminant};
use std::time::Duration;
use tokio::sync::watch;

/// Pause after the first failure; doubled with each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(250);

/// Ends when the flag is true, or when nobody is left who could set it.
pub(super) async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

/// Pauses that double up to a limit, and start anew after a connection that lived for longer than the pause before it.
#[derive(Debug)]
pub(super) struct Backoff {
    next: Duration,
    max: Duration,
}

impl Backoff {
    pub(super) fn new(max: Duration) -> Self {
        Self { next: FIRST_PAUSE.min(max), max }
    }

    pub(super) fn pause(&mut self, lived: Duration) -> Duration {
        if lived > self.next {
            self.next = FIRST_PAUSE.min(self.max);
        }
        let pause = self.next;
        self.next = pause.saturating_mul(2).min(self.max);
        pause
    }
}

/// Tells the log about changes only: a camera that is away for a night costs a line, not ten thousand.
#[derive(Debug, Default)]
pub(super) struct Log {
    last_failure: Option<Kind>,
}

/// What kind of error, and of a video device what kind of its own.
type Kind = (Discriminant<SourceError>, Option<Discriminant<DeviceError>>);

impl Log {
    pub(super) fn live(&mut self, camera: &str, news: &SourceState) {
        if let SourceState::Live { codec, size, device } = news {
            self.last_failure = None;
            let size = size.map_or("of unknown size".to_owned(), |size| format!("{}x{}", size.width, size.height));
            let device = device.as_ref().map(|device| format!(", {device}")).unwrap_or_default();
            tracing::info!(camera, "camera is live: {codec} {size}{device}");
        }
    }

    pub(super) fn failed(&mut self, error: &SourceError, pause: Duration) {
        let of_device = if let SourceError::Device(error) = error { Some(discriminant(error)) } else { None };
        let kind = (discriminant(error), of_device);
        if self.last_failure.replace(kind) == Some(kind) {
            tracing::debug!(%error, ?pause, "camera is still away");
        } else {
            tracing::warn!("{error}; trying again, the next time in {} s", pause.as_secs_f32());
        }
    }
}
