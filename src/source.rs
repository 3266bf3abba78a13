//! Pictures in: access units from a camera on the network, a video device or a file, numbered and stamped. Never decodes.

pub mod annexb;
mod clock;
mod connection;
mod error;
mod fault;
mod file;
mod images;
mod mp4;
mod raw;
mod retry;
mod rtsp;
mod v4l2;

pub use error::{Fate, SourceError};
pub use file::FileSource;
pub use v4l2::DeviceError;

use crate::config::{Camera, CameraAt};
use crate::handover::{AccessUnit, Codec, PictureSize};
use crate::ledger::Ledger;
use crate::stamp::Clock;
use std::time::Duration;
use tokio::sync::watch;

/// What the source is doing, for the status topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SourceState {
    /// A connection is being made.
    Connecting,
    /// Access units arrive. Told with the first of each connection, and when the size of the picture changes.
    Live {
        /// How they are coded.
        codec: Codec,
        /// Size of the picture; `None` when the stream does not say.
        size: Option<PictureSize>,
        /// Of a video device: its name and the rate that it was set to.
        device: Option<String>,
    },
    /// The connection ended or could not be made.
    Retrying {
        /// Why.
        error: SourceError,
        /// How long until the next attempt.
        pause: Duration,
    },
}

/// Receives from `camera` until `stop` turns true (or its sender is gone), retrying for ever.
///
/// `emit` gets every access unit, numbered from 0 by one counter over all connections (numbers that are
/// left out are pictures that a video device lost); `state` hears each change. Both are
/// called on this task and must not block. A caller that wants configuration errors to be final sends `stop` when `state`
/// hears of one (see [`SourceError::fate`]) before the source was ever live. Must run inside a tokio runtime with I/O and time.
pub async fn run(
    camera: &Camera,
    clock: Clock,
    ledger: &Ledger,
    stop: watch::Receiver<bool>,
    emit: &mut dyn FnMut(AccessUnit),
    state: &mut dyn FnMut(SourceState),
) {
    match &camera.at {
        CameraAt::Network(network) => rtsp::run(network, camera.patience, clock, ledger, stop, emit, state).await,
        CameraAt::Device(device) => v4l2::run(device, camera.patience, clock, ledger, stop, emit, state).await,
    }
}
