//! What goes over the wire: serde twins of scenes, events, statistics and status, as `docs/asyncapi.yaml` describes them.

mod board;
mod event;
mod health;
mod scene;

pub use board::BoardMessage;
pub use event::{EventKind, EventMessage};
pub use health::{
    BrokerReport, BrokerState, CameraReport, CameraState, DaemonState, EngineReport, LatencyMessage, Rates, Reading,
    StatsMessage, StatusMessage,
};
pub use scene::{AnimalMessage, KeypointMap, SceneMessage, VanishedMessage};

use crate::config::Encoding;
use crate::handover::{Identity, Zone};
use crate::space::InCamera;
use crate::stamp::{CaptureClock, WallTime};
use serde::{Serialize, Serializer};

/// Version of the messages: a consumer that knows this number may ignore keys that it does not know.
pub const VERSION: u8 = 1;

/// The id of an animal whose name is withheld.
pub const WITHHELD: &str = "?";

/// The names behind the indexes of a scene, in the order of the model and the configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    /// The arena.
    pub arena: String,
    /// Body parts, in the order of `model.toml`.
    pub keypoints: Vec<String>,
    /// Animals, in the order of `model.toml`.
    pub identities: Vec<String>,
    /// Zones, in the order of the configuration.
    pub zones: Vec<String>,
    /// Rules, in the order of the configuration.
    pub rules: Vec<String>,
}

impl Names {
    /// The animal's name, `?` when it is withheld or unknown.
    pub fn identity(&self, identity: Option<Identity>) -> &str {
        identity.and_then(|index| self.identities.get(usize::from(index.0))).map_or(WITHHELD, String::as_str)
    }

    /// The zone's name; `None` for no zone.
    pub fn zone(&self, zone: Option<Zone>) -> Option<&str> {
        zone.and_then(|index| self.zones.get(usize::from(index.0))).map(String::as_str)
    }

    /// The rule's name, `?` for one that the configuration does not have.
    pub fn rule(&self, rule: u8) -> &str {
        self.rules.get(usize::from(rule)).map_or(WITHHELD, String::as_str)
    }
}

/// Writes messages into one buffer that is used again and again.
#[derive(Debug)]
pub struct Encoder {
    encoding: Encoding,
    buffer: Vec<u8>,
}

/// A message could not be written. Nothing that the line makes can cause it.
#[derive(Debug, thiserror::Error)]
#[error("wire: a message could not be written: {0}; report this as a fault of arenad")]
pub struct WireError(String);

impl Encoder {
    /// An encoder for one encoding.
    pub fn new(encoding: Encoding) -> Self {
        Self { encoding, buffer: Vec::with_capacity(4096) }
    }

    /// The message as bytes, valid until the next call.
    pub fn encode<T: Serialize>(&mut self, message: &T) -> Result<&[u8], WireError> {
        self.buffer.clear();
        match self.encoding {
            Encoding::Json => {
                serde_json::to_writer(&mut self.buffer, message).map_err(|error| WireError(error.to_string()))?
            }
            Encoding::MessagePack => rmp_serde::encode::write_named(&mut self.buffer, message)
                .map_err(|error| WireError(error.to_string()))?,
        }
        Ok(&self.buffer)
    }
}

/// A time as RFC 3339 in UTC with microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rfc3339(pub WallTime);

impl Serialize for Rfc3339 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0.rfc3339())
    }
}

/// Camera pixels to a tenth: finer is noise and longer on the wire.
fn pixels(at: InCamera) -> [f32; 2] {
    [tenth(at.x), tenth(at.y)]
}

fn tenth(value: f32) -> f32 {
    (value * 10.0).round() / 10.0
}

fn thousandth(value: f32) -> f32 {
    (value * 1000.0).round() / 1000.0
}

/// Milliseconds to a microsecond from nanoseconds.
fn millis(nanos: i64) -> f64 {
    (nanos as f64 / 1e3).round() / 1e3
}

fn clock_word(clock: CaptureClock) -> &'static str {
    match clock {
        CaptureClock::SenderReport => "sender-report",
        CaptureClock::Kernel => "kernel",
        CaptureClock::Arrival => "arrival",
        CaptureClock::Recording => "recording",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messagepack_has_the_same_field_names_as_json() {
        #[derive(Serialize)]
        struct Small {
            frame: u64,
            p: f32,
        }
        let mut encoder = Encoder::new(Encoding::MessagePack);
        let bytes = encoder.encode(&Small { frame: 7, p: 0.5 }).expect("writes").to_vec();
        let back: serde_json::Value = rmp_serde::from_slice(&bytes).expect("reads");
        assert_eq!(back, serde_json::json!({"frame": 7, "p": 0.5}));
    }

    #[test]
    fn a_name_beyond_the_list_is_withheld() {
        let names = Names { identities: vec!["R".into()], ..Names::default() };
        assert_eq!(names.identity(Some(Identity(0))), "R");
        assert_eq!(names.identity(Some(Identity(7))), "?");
        assert_eq!(names.identity(None), "?");
    }
}
