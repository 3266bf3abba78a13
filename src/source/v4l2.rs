//! A video device for ever: opens it, numbers and stamps its pictures, and waits for it to be plugged in again.

#[cfg_attr(not(any(feature = "v4l2", test)), allow(dead_code, reason = "only a device is asked what it offers"))]
mod choice;
#[cfg(feature = "v4l2")]
mod device;
mod error;
#[cfg(feature = "v4l2")]
mod kernel;
#[cfg_attr(not(any(feature = "v4l2", test)), allow(dead_code, reason = "only a device is set up"))]
mod setup;

pub use error::DeviceError;

use super::SourceState;
use super::error::SourceError;
use super::retry::{Backoff, Log, stopped};
use crate::config::{DeviceCamera, Patience};
use crate::handover::{AccessUnit, Codec};
use crate::ledger::Ledger;
use crate::stamp::{CaptureClock, Clock, Stamp, WallTime};
use bytes::Bytes;
use setup::Mode;
use std::time::{Duration, Instant as Moment};
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

/// A jump of the driver's count beyond this says that it counts anew, not that so many pictures were lost.
const MOST_LOST: u32 = 1000;
/// A kernel's stamp older than this on arrival means nothing.
const OLDEST: Duration = Duration::from_secs(10);
/// What is assumed of the time between two pictures where the driver does not tell.
const USUAL_INTERVAL: Duration = Duration::from_millis(40);

/// What opens a device: the kernel, or a stand-in in tests.
trait Port {
    type Stream: Stream;

    /// A device that appears is root's alone until the system's rules have given it to its group.
    const RULES_TAKE: Duration = Duration::from_secs(1);

    /// Opens the device, sets it as wanted and starts it.
    async fn open(&self, wanted: &DeviceCamera) -> Result<Self::Stream, DeviceError>;
}

/// A device that streams. Dropping it stops it.
trait Stream {
    /// What it is set to.
    fn mode(&self) -> &Mode;

    /// Waits for the next buffer. Safe to drop at any point.
    async fn next(&mut self) -> Result<Buffer, DeviceError>;
}

/// One buffer as the driver filled it.
#[derive(Clone, Debug)]
struct Buffer {
    /// What it holds; the memory goes back to the driver when the last holder drops it.
    data: Bytes,
    /// The driver's count of pictures, those that it dropped included.
    sequence: u32,
    /// The driver says that the data may be wrong.
    damaged: bool,
    /// When the kernel stamped it, on the monotonic clock; `None` where the driver has another clock.
    stamped: Option<Moment>,
    /// When it was taken.
    taken: Moment,
}

/// Receives from the device as [`super::run`] says.
pub(super) async fn run(
    camera: &DeviceCamera,
    patience: Patience,
    clock: Clock,
    ledger: &Ledger,
    stop: watch::Receiver<bool>,
    emit: &mut dyn FnMut(AccessUnit),
    state: &mut dyn FnMut(SourceState),
) {
    #[cfg(feature = "v4l2")]
    let port = device::Kernel;
    #[cfg(not(feature = "v4l2"))]
    let port = unbuilt::Unbuilt;
    run_on(&port, (camera, patience), clock, ledger, stop, emit, state).await;
}

async fn run_on<P: Port>(
    port: &P,
    (camera, patience): (&DeviceCamera, Patience),
    clock: Clock,
    ledger: &Ledger,
    mut stop: watch::Receiver<bool>,
    emit: &mut dyn FnMut(AccessUnit),
    state: &mut dyn FnMut(SourceState),
) {
    let shown = camera.path.display().to_string();
    let mut backoff = Backoff::new(patience.backoff_max);
    let mut log = Log::default();
    let mut next_frame = 0;
    loop {
        state(SourceState::Connecting);
        let began = Instant::now();
        let first_frame = next_frame;
        let mut tell = |news: SourceState| {
            log.live(&shown, &news);
            state(news);
        };
        let mut session = Session {
            shown: &shown,
            stall: patience.stall,
            clock,
            ledger,
            next_frame,
            sequence: None,
            first: None,
            emit: &mut *emit,
            state: &mut tell,
        };
        let error = tokio::select! {
            biased;
            () = stopped(&mut stop) => return,
            error = session.run_once(port, camera) => error,
        };
        next_frame = session.next_frame;
        ledger.counters.connections_failed.one();
        if matches!(error, SourceError::Stalled { .. }) {
            ledger.counters.stalls.one();
        }
        let pause = backoff.pause(if next_frame > first_frame { began.elapsed() } else { Duration::ZERO });
        log.failed(&error, pause);
        state(SourceState::Retrying { error, pause });
        tokio::select! {
            biased;
            () = stopped(&mut stop) => return,
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// From one opening of the device to its end.
struct Session<'a> {
    shown: &'a str,
    stall: Duration,
    clock: Clock,
    ledger: &'a Ledger,
    next_frame: u64,
    /// The driver's count of the last buffer.
    sequence: Option<u32>,
    /// When the first picture was captured.
    first: Option<Moment>,
    emit: &'a mut dyn FnMut(AccessUnit),
    state: &'a mut dyn FnMut(SourceState),
}

impl Session<'_> {
    /// Opens the device and hands out access units until something goes wrong, which it returns.
    async fn run_once<P: Port>(&mut self, port: &P, camera: &DeviceCamera) -> SourceError {
        let mut opened = port.open(camera).await;
        if matches!(opened, Err(DeviceError::Forbidden { .. })) {
            tokio::time::sleep(P::RULES_TAKE).await;
            opened = port.open(camera).await;
        }
        let mut stream = match opened {
            Ok(stream) => stream,
            Err(error) => return error.into(),
        };
        self.ledger.counters.connections.one();
        let mode = stream.mode().clone();
        let mut deadline = Instant::now() + self.stall;
        loop {
            match timeout_at(deadline, stream.next()).await {
                Err(_) => return SourceError::Stalled { camera: self.shown.to_owned(), limit: self.stall },
                Ok(Err(error)) => return error.into(),
                Ok(Ok(buffer)) => {
                    if self.take(&mode, buffer) {
                        deadline = Instant::now() + self.stall;
                    }
                }
            }
        }
    }

    /// Numbers a buffer and hands it out; false when it holds no whole picture.
    fn take(&mut self, mode: &Mode, buffer: Buffer) -> bool {
        let counters = &self.ledger.counters;
        let lost = self.sequence.replace(buffer.sequence).map_or(0, |last| lost_between(last, buffer.sequence));
        counters.pictures_lost.add(lost.into());
        // Their numbers are never given to anything else, so that the gap is seen downstream.
        self.next_frame += u64::from(lost);
        if buffer.damaged || buffer.data.len() < mode.least_bytes() {
            counters.stream_errors.one();
            self.next_frame += 1;
            let (bytes, least) = (buffer.data.len(), mode.least_bytes());
            tracing::debug!(
                camera = self.shown,
                sequence = buffer.sequence,
                bytes,
                least,
                "buffer without a whole picture"
            );
            return false;
        }
        let restart = self.first.is_none();
        if restart {
            let size = Some(mode.size);
            (self.state)(SourceState::Live { codec: mode.codec, size, device: Some(mode.words()) });
        }
        let known = believed(&buffer);
        let captured = known.unwrap_or(buffer.taken);
        let first = *self.first.get_or_insert(captured);
        let since_first = captured.saturating_duration_since(first).as_nanos();
        let stamp = self.stamp(mode, captured, known.is_some(), buffer.taken);
        counters.units_received.one();
        counters.bytes_received.add(buffer.data.len() as u64);
        self.next_frame += 1;
        (self.emit)(AccessUnit {
            data: buffer.data,
            codec: mode.codec,
            key: true,
            packets_lost: 0,
            restart,
            // Ticks of 1/90000 s.
            presentation: i64::try_from(since_first * 9 / 100_000).unwrap_or(i64::MAX),
            stamp,
        });
        true
    }

    /// The kernel stamps a picture as its transfer begins or ends. Exposure and read-out lie before that, by one frame at most.
    fn stamp(&self, mode: &Mode, captured: Moment, by_kernel: bool, taken: Moment) -> Stamp {
        let arrived = self.clock.monotonic_at(taken);
        let since_taken = Duration::from_nanos(self.clock.monotonic().nanos_since(arrived));
        let ago = taken.saturating_duration_since(captured).saturating_add(since_taken);
        let interval = mode.interval().unwrap_or(USUAL_INTERVAL);
        Stamp {
            frame: self.next_frame,
            captured: WallTime(self.clock.wall().0.saturating_sub(i64::try_from(ago.as_nanos()).unwrap_or(i64::MAX))),
            captured_error_ns: u64::try_from(interval.as_nanos()).unwrap_or(u64::MAX),
            capture_clock: if by_kernel { CaptureClock::Kernel } else { CaptureClock::Arrival },
            arrived,
        }
    }
}

/// The kernel's stamp, where it lies in the time just before the buffer was taken.
fn believed(buffer: &Buffer) -> Option<Moment> {
    let fits = |stamped: &Moment| buffer.taken.checked_duration_since(*stamped).is_some_and(|age| age <= OLDEST);
    buffer.stamped.filter(fits)
}

/// Pictures that the driver counted between two buffers and did not give. None where it counts anew.
fn lost_between(last: u32, now: u32) -> u32 {
    let step = now.wrapping_sub(last);
    if (1..=MOST_LOST).contains(&step) { step - 1 } else { 0 }
}

impl Mode {
    /// A buffer with less holds no whole picture. The shortest JPEG has its two markers.
    fn least_bytes(&self) -> usize {
        match self.codec {
            Codec::Raw(raw) => raw.least_bytes(),
            _ => 4,
        }
    }
}

/// The program without the feature.
#[cfg(not(feature = "v4l2"))]
mod unbuilt {
    use super::{Buffer, DeviceCamera, DeviceError, Mode, Port, Stream};
    use std::convert::Infallible;

    pub(super) struct Unbuilt;

    impl Port for Unbuilt {
        type Stream = Infallible;

        async fn open(&self, wanted: &DeviceCamera) -> Result<Infallible, DeviceError> {
            Err(DeviceError::NotBuilt { camera: wanted.path.display().to_string() })
        }
    }

    impl Stream for Infallible {
        fn mode(&self) -> &Mode {
            match *self {}
        }

        async fn next(&mut self) -> Result<Buffer, DeviceError> {
            match *self {}
        }
    }
}

#[cfg(test)]
mod tests;
