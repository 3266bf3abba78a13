//! The twins of the daemon's own state: status (retained) and statistics (each second).

use super::{BoardMessage, Names, Rfc3339, VERSION};
use crate::ledger::{Durations, Ledger};
use crate::stamp::{Monotonic, WallTime};
use serde::{Serialize, Serializer};

/// What the camera is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum CameraState {
    /// Not connected yet since the start.
    Starting,
    /// Pictures come.
    Live,
    /// Lost or refused; another attempt is on its way.
    Retrying,
}

/// The camera's state, since when and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CameraReport {
    /// Now.
    pub state: CameraState,
    /// Since when.
    pub since: WallTime,
    /// Why, in words for the operator; no secrets.
    pub detail: String,
}

/// What runs the model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EngineReport {
    /// The engine is being opened; where it must be built, that takes minutes.
    Opening {
        /// Since when.
        since: WallTime,
        /// How far it is, in words for the operator.
        detail: String,
    },
    /// It runs.
    Runs {
        /// Its name.
        engine: &'static str,
        /// The precision of the model's file that it runs.
        precision: &'static str,
    },
}

impl EngineReport {
    /// The engine's name and the precision, once it runs.
    pub fn runs(&self) -> Option<(&'static str, &'static str)> {
        match *self {
            Self::Opening { .. } => None,
            Self::Runs { engine, precision } => Some((engine, precision)),
        }
    }

    /// How far the opening is.
    pub fn opening(&self) -> Option<&str> {
        match self {
            Self::Opening { detail, .. } => Some(detail),
            Self::Runs { .. } => None,
        }
    }
}

/// What the broker connection is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum BrokerState {
    /// No broker is configured.
    Off,
    /// Not connected yet since the start.
    Starting,
    /// Connected.
    Connected,
    /// Lost or refused; another attempt is on its way.
    Retrying,
}

/// The broker connection's state and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokerReport {
    /// Now.
    pub state: BrokerState,
    /// Why, in words for the operator; no secrets.
    pub detail: String,
}

/// What the daemon is doing, as consumers see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum DaemonState {
    /// The engine is being opened or built.
    Opening,
    /// Waiting for the first picture.
    Starting,
    /// Scenes come.
    Live,
    /// The camera is lost; another attempt is on its way.
    Retrying,
    /// Ended as it was asked to.
    Stopped,
    /// Gone without a word: the broker's own message, by the last will.
    Offline,
}

impl From<CameraState> for DaemonState {
    fn from(state: CameraState) -> Self {
        match state {
            CameraState::Starting => Self::Starting,
            CameraState::Live => Self::Live,
            CameraState::Retrying => Self::Retrying,
        }
    }
}

/// The retained status, as in `docs/schemas/status.json`.
#[derive(Debug, Serialize)]
pub struct StatusMessage<'a> {
    v: u8,
    arena: &'a str,
    state: DaemonState,
    since: Rfc3339,
    camera: CameraState,
    detail: &'a str,
    version: &'static str,
    model: &'a str,
    /// Null until the engine runs.
    engine: Option<&'a str>,
    precision: Option<&'a str>,
}

impl<'a> StatusMessage<'a> {
    /// The status while engine and camera are as their reports say; `end` is what the daemon's life ends with, and when.
    pub fn new(
        names: &'a Names,
        (model, engine): (&'a str, &'a EngineReport),
        report: &'a CameraReport,
        end: Option<(DaemonState, WallTime)>,
    ) -> Self {
        let (state, since) = end.unwrap_or(match engine {
            EngineReport::Opening { since, .. } => (DaemonState::Opening, *since),
            EngineReport::Runs { .. } => (report.state.into(), report.since),
        });
        let (detail, runs) = (engine.opening().unwrap_or(&report.detail), engine.runs());
        Self {
            v: VERSION,
            arena: &names.arena,
            state,
            since: Rfc3339(since),
            camera: report.state,
            detail,
            version: env!("CARGO_PKG_VERSION"),
            model,
            engine: runs.map(|(engine, _)| engine),
            precision: runs.map(|(_, precision)| precision),
        }
    }
}

/// The ledger in one message, as in `docs/schemas/stats.json`.
#[derive(Debug, Serialize)]
pub struct StatsMessage<'a> {
    v: u8,
    arena: &'a str,
    time: Rfc3339,
    uptime_s: f64,
    camera: CameraState,
    broker: BrokerState,
    viewers: usize,
    rates: Rates,
    counters: Pairs<u64>,
    latencies: Pairs<LatencyMessage>,
    #[serde(skip_serializing_if = "Option::is_none")]
    board: Option<BoardMessage>,
}

/// How much happened in the second (or so) before a statistics message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Rates {
    /// Access units received a second.
    pub units_hz: f64,
    /// Scenes made a second.
    pub scenes_hz: f64,
    /// Bits received from the camera a second.
    pub camera_bps: f64,
    /// Messages handed to the broker connection a second.
    pub mqtt_hz: f64,
}

/// How long one step takes, milliseconds, since the start.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct LatencyMessage {
    count: u64,
    median_ms: f64,
    p99_ms: f64,
    max_ms: f64,
}

impl LatencyMessage {
    fn new(durations: &Durations) -> Self {
        let micro = |ms: f64| (ms * 1e3).round() / 1e3;
        Self {
            count: durations.count(),
            median_ms: micro(durations.quantile_ms(0.5)),
            p99_ms: micro(durations.quantile_ms(0.99)),
            max_ms: micro(durations.longest_ms()),
        }
    }
}

/// Named values in their own order, written as a map.
#[derive(Debug)]
struct Pairs<T>(Vec<(&'static str, T)>);

impl<T: Serialize> Serialize for Pairs<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

impl<'a> StatsMessage<'a> {
    /// The ledger as it stands.
    pub fn new(
        names: &'a Names,
        ledger: &Ledger,
        (camera, broker, viewers): (CameraState, BrokerState, usize),
        rates: Rates,
        (now, uptime): (WallTime, Monotonic),
    ) -> Self {
        let latencies = ledger.latencies.all().into_iter().map(|(name, steps)| (name, LatencyMessage::new(steps)));
        Self {
            v: VERSION,
            arena: &names.arena,
            time: Rfc3339(now),
            uptime_s: (uptime.0 as f64 / 1e6).round() / 1e3,
            camera,
            broker,
            viewers,
            rates,
            counters: Pairs(ledger.counters.all()),
            latencies: Pairs(latencies.collect()),
            board: None,
        }
    }

    /// With what the machine says about itself, where it says anything.
    pub fn with_board(mut self, board: BoardMessage) -> Self {
        self.board = (!board.is_empty()).then_some(board);
        self
    }
}

impl Rates {
    /// The rates between two readings of the counters; zero when no time lies between them.
    pub fn between(earlier: &Reading, later: &Reading) -> Self {
        let seconds = later.at.nanos_since(earlier.at) as f64 / 1e9;
        if seconds <= 0.0 {
            return Self::default();
        }
        let rate = |from: u64, to: u64| (to.saturating_sub(from) as f64 / seconds * 10.0).round() / 10.0;
        Self {
            units_hz: rate(earlier.units, later.units),
            scenes_hz: rate(earlier.scenes, later.scenes),
            camera_bps: rate(earlier.bytes.saturating_mul(8), later.bytes.saturating_mul(8)),
            mqtt_hz: rate(earlier.published, later.published),
        }
    }
}

/// The counters that have rates, read at one time.
#[derive(Clone, Copy, Debug, Default)]
pub struct Reading {
    at: Monotonic,
    units: u64,
    scenes: u64,
    bytes: u64,
    published: u64,
}

impl Reading {
    /// Reads the counters.
    pub fn take(ledger: &Ledger, at: Monotonic) -> Self {
        let counters = &ledger.counters;
        Self {
            at,
            units: counters.units_received.get(),
            scenes: counters.scenes.get(),
            bytes: counters.bytes_received.get(),
            published: counters.mqtt_published.get(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_what_happened_between_two_readings() {
        let ledger = Ledger::default();
        let before = Reading::take(&ledger, Monotonic(1_000_000_000));
        ledger.counters.scenes.add(15);
        ledger.counters.bytes_received.add(1000);
        let after = Reading::take(&ledger, Monotonic(1_500_000_000));
        let rates = Rates::between(&before, &after);
        assert_eq!((rates.scenes_hz, rates.camera_bps, rates.units_hz), (30.0, 16_000.0, 0.0));
        assert_eq!(Rates::between(&after, &after), Rates::default());
    }
}
