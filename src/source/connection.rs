//! One connection to one camera, straight on until its first error: describe, set up, play, and hand out access units.

use super::clock::{Arrival, CaptureTimes};
use super::error::SourceError;
use super::fault::{Step, check_address, fault, first_line};
use super::{SourceState, annexb};
use crate::config::NetworkCamera;
use crate::handover::{AccessUnit, Codec, PictureSize};
use crate::ledger::Ledger;
use crate::stamp::{Clock, Stamp, WallTime};
use futures_util::{FutureExt, StreamExt};
use retina::client::{Demuxed, Described, InitialSequenceNumberPolicy, PlayOptions, Session, SessionOptions};
use retina::client::{SessionGroup, SetupOptions, TcpTransportOptions, Transport, UdpTransportOptions};
use retina::codec::{CodecItem, FrameFormat, ParametersRef, VideoFrame};
use std::num::NonZeroU32;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, timeout, timeout_at};

/// After this many errors without a picture between them the connection is given up: a framing error repeats for ever.
const ERRORS_IN_A_ROW: u32 = 300;

/// How RTP travels on one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Carrier {
    /// Interleaved in the RTSP connection.
    Tcp,
    /// Datagrams.
    Udp,
}

impl Carrier {
    /// For the operator.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Tcp => "TCP",
            Self::Udp => "UDP",
        }
    }
}

/// One attempt: what to connect to and how.
#[derive(Clone)]
pub(super) struct Attempt<'a> {
    pub(super) camera: &'a NetworkCamera,
    /// No picture for this long ends it.
    pub(super) stall: Duration,
    /// The address as it may be shown.
    pub(super) shown: &'a str,
    pub(super) carrier: Carrier,
    /// Limit of each request.
    pub(super) step_limit: Duration,
    /// Where the library keeps what it must still tear down.
    pub(super) group: Arc<SessionGroup>,
}

/// What outlives connections: where access units go, and how many there were.
pub(super) struct Outlet<'a> {
    pub(super) clock: Clock,
    pub(super) ledger: &'a Ledger,
    pub(super) next_frame: u64,
    pub(super) emit: &'a mut dyn FnMut(AccessUnit),
    pub(super) state: &'a mut dyn FnMut(SourceState),
}

/// Connects and hands out access units until something goes wrong, which it returns. Safe to drop at any point.
pub(super) async fn run_once(attempt: &Attempt<'_>, outlet: &mut Outlet<'_>) -> SourceError {
    match open(attempt).await {
        Ok(opened) => {
            outlet.ledger.counters.connections.one();
            tracing::debug!(camera = attempt.shown, carrier = attempt.carrier.word(), "camera plays");
            opened.pump(attempt, outlet).await
        }
        Err(error) => error,
    }
}

/// A stream that plays.
struct Opened {
    demuxed: Demuxed,
    stream: usize,
    codec: Codec,
    ticks_per_second: NonZeroU32,
}

async fn open(attempt: &Attempt<'_>) -> Result<Opened, SourceError> {
    let camera = attempt.camera;
    check_address(attempt.shown, &camera.url)?;
    let credentials = camera
        .login
        .as_ref()
        .map(|login| retina::client::Credentials { username: login.user.clone(), password: login.password.clone() });
    let options = SessionOptions::default()
        .creds(credentials)
        .user_agent(concat!("arenad/", env!("CARGO_PKG_VERSION")).to_owned())
        .session_group(Arc::clone(&attempt.group));
    let mut session = attempt.step(Step::Describe, Session::describe(camera.url.clone(), options)).await?;
    let (stream, codec) = choose(&session, attempt.shown)?;
    let ticks_per_second = NonZeroU32::new(session.streams()[stream].clock_rate_hz()).ok_or_else(|| {
        SourceError::Answer { camera: attempt.shown.to_owned(), said: "the stream has a clock of 0 Hz".to_owned() }
    })?;
    let transport = match attempt.carrier {
        Carrier::Tcp => Transport::Tcp(TcpTransportOptions::default()),
        Carrier::Udp => Transport::Udp(UdpTransportOptions::default()),
    };
    let setup = SetupOptions::default().transport(transport).frame_format(FrameFormat::SIMPLE);
    attempt.step(Step::Setup, session.setup(stream, setup)).await?;
    // The first sequence number of PLAY's answer is wrong on shared streams, and would count as a loss.
    let play = PlayOptions::default().initial_seq(InitialSequenceNumberPolicy::Ignore);
    let playing = attempt.step(Step::Play, session.play(play)).await?;
    let demuxed = playing.demuxed().map_err(|error| attempt.fault(&error))?;
    Ok(Opened { demuxed, stream, codec, ticks_per_second })
}

impl Attempt<'_> {
    /// One request of the library, within its limit.
    async fn step<T>(
        &self,
        step: Step,
        work: impl Future<Output = Result<T, retina::Error>>,
    ) -> Result<T, SourceError> {
        match timeout(self.step_limit, work).await {
            Ok(done) => done.map_err(|error| self.fault(&error)),
            Err(_) => {
                Err(SourceError::NoAnswer { camera: self.shown.to_owned(), step: step.words(), limit: self.step_limit })
            }
        }
    }

    fn fault(&self, error: &retina::Error) -> SourceError {
        let user = self.camera.login.as_ref().map(|login| login.user.as_str());
        fault(self.shown, user, self.carrier.word(), error)
    }

    fn ended(&self, cause: &str) -> SourceError {
        SourceError::Ended { camera: self.shown.to_owned(), cause: cause.to_owned() }
    }
}

/// The first video stream that can be decoded here.
fn choose(session: &Session<Described>, shown: &str) -> Result<(usize, Codec), SourceError> {
    let mut video = Vec::new();
    let mut other = Vec::new();
    for (index, stream) in session.streams().iter().enumerate() {
        let name = stream.encoding_name();
        match (stream.media(), name) {
            ("video", "h264") => return Ok((index, Codec::H264)),
            ("video", "h265") => return Ok((index, Codec::H265)),
            ("video" | "image", "jpeg") => return Ok((index, Codec::Jpeg)),
            ("video" | "image", _) => video.push(name.to_uppercase()),
            (media, _) => other.push(format!("{media} as {}", name.to_uppercase())),
        }
    }
    let camera = shown.to_owned();
    if !video.is_empty() {
        return Err(SourceError::UnsupportedCodec { camera, offered: first_line(&video.join(", ")) });
    }
    let offered = if other.is_empty() { "nothing at all".to_owned() } else { format!("only {}", other.join(", ")) };
    Err(SourceError::NoVideo { camera, offered: first_line(&offered) })
}

impl Opened {
    /// Hands out access units until the stream ends, stalls or yields nothing but errors.
    async fn pump(mut self, attempt: &Attempt<'_>, outlet: &mut Outlet<'_>) -> SourceError {
        let stall = attempt.stall;
        let mut progress = Progress::new(&self);
        let mut deadline = Instant::now() + stall;
        loop {
            // The library asserts things about packets that a damaged one can break; that costs the connection, not the process.
            let next = AssertUnwindSafe(self.demuxed.next()).catch_unwind();
            let item = match timeout_at(deadline, next).await {
                Err(_) => return SourceError::Stalled { camera: attempt.shown.to_owned(), limit: stall },
                Ok(Err(_)) => return attempt.ended("a packet that the RTSP library cannot bear"),
                Ok(Ok(None)) => return attempt.ended("the camera closed it"),
                Ok(Ok(Some(item))) => item,
            };
            match item {
                Ok(CodecItem::VideoFrame(frame)) => {
                    deadline = Instant::now() + stall;
                    progress.errors_in_a_row = 0;
                    self.hand_out(frame, &mut progress, outlet);
                }
                Ok(CodecItem::Rtcp(packet)) => progress.report(&packet, outlet.clock),
                Ok(_) => {}
                Err(error) => {
                    outlet.ledger.counters.stream_errors.one();
                    progress.errors_in_a_row += 1;
                    progress.errors_since_unit = progress.errors_since_unit.saturating_add(1);
                    tracing::debug!(camera = attempt.shown, %error, "error of the stream");
                    if progress.errors_in_a_row >= ERRORS_IN_A_ROW {
                        return SourceError::Garbled {
                            camera: attempt.shown.to_owned(),
                            count: progress.errors_in_a_row,
                            last: first_line(&error.to_string()),
                        };
                    }
                }
            }
        }
    }

    fn hand_out(&self, frame: VideoFrame, progress: &mut Progress, outlet: &mut Outlet<'_>) {
        let arrival = arrival(outlet.clock, frame.end_ctx());
        let timestamp = frame.timestamp();
        let captured = progress.times.captured(timestamp.timestamp(), arrival);
        // What was lost before the first unit of a connection is nobody's loss.
        let lost =
            if progress.restart { 0 } else { u32::from(frame.loss()).saturating_add(progress.errors_since_unit) };
        let size = self.size();
        if progress.restart || size != progress.size {
            progress.size = size;
            (outlet.state)(SourceState::Live { codec: self.codec, size, device: None });
        }
        let (data, key) = self.whole(frame);
        let unit = AccessUnit {
            codec: self.codec,
            key,
            packets_lost: lost,
            restart: progress.restart,
            presentation: in_90_khz(timestamp.elapsed(), self.ticks_per_second),
            stamp: Stamp {
                frame: outlet.next_frame,
                captured: captured.at,
                captured_error_ns: captured.error_ns,
                capture_clock: captured.clock,
                arrived: arrival.at,
            },
            data,
        };
        progress.restart = false;
        progress.errors_since_unit = 0;
        outlet.next_frame += 1;
        let counters = &outlet.ledger.counters;
        counters.units_received.one();
        counters.bytes_received.add(unit.data.len() as u64);
        counters.packets_lost.add(u64::from(lost));
        (outlet.emit)(unit);
    }

    /// The unit's bytes with parameter sets wherever a decoder may need them, and whether decoding can start here.
    ///
    /// The library strips parameter sets and puts them back before IDR pictures only. H.265 cameras with an open group of
    /// pictures send CRA pictures instead, and new parameter sets may come with any picture.
    fn whole(&self, frame: VideoFrame) -> (bytes::Bytes, bool) {
        let key = annexb::is_key(self.codec, frame.data());
        let wanted = self.codec != Codec::Jpeg && (key || frame.has_new_parameters());
        if wanted
            && !annexb::has_parameter_sets(self.codec, frame.data())
            && let Some(ParametersRef::Video(video)) = self.demuxed.streams()[self.stream].parameters()
        {
            return ([video.extra_data(), frame.data()].concat().into(), key);
        }
        (frame.into_data().into(), key)
    }

    fn size(&self) -> Option<PictureSize> {
        match self.demuxed.streams()[self.stream].parameters() {
            Some(ParametersRef::Video(video)) => {
                let (width, height) = video.pixel_dimensions();
                Some(PictureSize { width, height })
            }
            _ => None,
        }
    }
}

/// What is known half-way through a connection.
struct Progress {
    times: CaptureTimes,
    stream: usize,
    restart: bool,
    size: Option<PictureSize>,
    errors_in_a_row: u32,
    errors_since_unit: u32,
}

impl Progress {
    fn new(opened: &Opened) -> Self {
        Self {
            times: CaptureTimes::new(opened.ticks_per_second),
            stream: opened.stream,
            restart: true,
            size: None,
            errors_in_a_row: 0,
            errors_since_unit: 0,
        }
    }

    fn report(&mut self, packet: &retina::rtcp::ReceivedCompoundPacket, clock: Clock) {
        let (Some(rtp), true) = (packet.rtp_timestamp(), packet.stream_id() == self.stream) else { return };
        let Some(Ok(Some(report))) = packet.pkts().next().map(|first| first.as_sender_report()) else { return };
        self.times.report(report.ntp_timestamp().0, rtp.timestamp(), arrival(clock, packet.ctx()));
    }
}

/// When the packet came, on both clocks.
fn arrival(clock: Clock, packet: &retina::PacketContext) -> Arrival {
    let at = clock.monotonic_at(packet.received());
    let waited = clock.monotonic().nanos_since(at);
    let wall = clock.wall().0.saturating_sub(i64::try_from(waited).unwrap_or(i64::MAX));
    Arrival { at, wall: WallTime(wall) }
}

/// RTP ticks in units of 1/90000 s.
fn in_90_khz(ticks: i64, per_second: NonZeroU32) -> i64 {
    let scaled = i128::from(ticks) * 90_000 / i128::from(per_second.get());
    i64::try_from(scaled).unwrap_or(if scaled < 0 { i64::MIN } else { i64::MAX })
}
