//! The twin of a scene, live or settled: one message a frame, small.

use super::{Names, Rfc3339, VERSION, clock_word, millis, pixels, tenth, thousandth};
use crate::handover::{Animal, KeypointSet, Keypoints, LiveName, Scene, Settled, Vanished};
use crate::stamp::WallTime;
use serde::{Serialize, Serializer};

/// One scene, as in `docs/schemas/scene.json`, or settled as in `docs/schemas/settled.json`.
#[derive(Debug, Serialize)]
pub struct SceneMessage<'a> {
    v: u8,
    arena: &'a str,
    frame: u64,
    captured: Rfc3339,
    capture_clock: &'static str,
    captured_error_ms: f64,
    age_ms: f64,
    skipped: u64,
    animals: Vec<AnimalMessage<'a>>,
}

/// One animal of a scene.
#[derive(Debug, Serialize)]
pub struct AnimalMessage<'a> {
    id: &'a str,
    p: f32,
    /// Only in a settled scene.
    #[serde(skip_serializing_if = "Option::is_none")]
    live: Option<LiveMessage<'a>>,
    track: Option<u32>,
    state: &'static str,
    zone: Option<&'a str>,
    centre: Option<[f32; 2]>,
    vanished: Option<VanishedMessage<'a>>,
    keypoints: KeypointMap<'a>,
    predicted: KeypointNames<'a>,
}

/// The name that went out live.
#[derive(Debug, Serialize)]
pub struct LiveMessage<'a> {
    id: &'a str,
    p: Option<f32>,
}

/// Where a hidden animal was last seen.
#[derive(Debug, Serialize)]
pub struct VanishedMessage<'a> {
    at: [f32; 2],
    frame: u64,
    zone: Option<&'a str>,
}

/// Body parts by name: `[x, y, score]`, null when missing.
#[derive(Debug)]
pub struct KeypointMap<'a> {
    names: &'a [String],
    keypoints: &'a Keypoints,
}

/// Names of some body parts.
#[derive(Debug)]
pub struct KeypointNames<'a> {
    names: &'a [String],
    set: KeypointSet,
}

impl Serialize for KeypointNames<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeSeq;
        let named = || self.names.iter().enumerate().filter(|(index, _)| self.set.contains(*index));
        let mut list = serializer.serialize_seq(Some(named().count()))?;
        for (_, name) in named() {
            list.serialize_element(name)?;
        }
        list.end()
    }
}

impl Serialize for KeypointMap<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // A length known before lets MessagePack write straight through.
        use serde::ser::SerializeMap;
        let mut map = serializer.serialize_map(Some(self.names.len().min(self.keypoints.len())))?;
        for (name, keypoint) in self.names.iter().zip(self.keypoints) {
            let seen = keypoint.filter(|keypoint| keypoint.at.is_finite());
            map.serialize_entry(name, &seen.map(|k| [tenth(k.at.x), tenth(k.at.y), thousandth(k.score)]))?;
        }
        map.end()
    }
}

impl<'a> SceneMessage<'a> {
    /// The message for `scene`, whose age is counted up to `now`.
    pub fn new(names: &'a Names, scene: &'a Scene, now: WallTime) -> Self {
        Self {
            v: VERSION,
            arena: &names.arena,
            frame: scene.stamp.frame,
            captured: Rfc3339(scene.stamp.captured),
            capture_clock: clock_word(scene.stamp.capture_clock),
            captured_error_ms: millis(i64::try_from(scene.stamp.captured_error_ns).unwrap_or(i64::MAX)),
            age_ms: millis(now.nanos_since(scene.stamp.captured)),
            skipped: scene.gaps.frames(),
            animals: scene.animals.iter().map(|animal| AnimalMessage::new(names, animal)).collect(),
        }
    }

    /// The message for a settled scene: each animal with its live name beside the settled one.
    pub fn settled(names: &'a Names, settled: &'a Settled, now: WallTime) -> Self {
        let mut message = Self::new(names, &settled.scene, now);
        for (animal, live) in message.animals.iter_mut().zip(&settled.live) {
            animal.live = Some(LiveMessage::new(names, live));
        }
        message
    }
}

impl<'a> AnimalMessage<'a> {
    fn new(names: &'a Names, animal: &'a Animal) -> Self {
        Self {
            id: names.identity(animal.identity),
            p: thousandth(animal.p),
            live: None,
            track: animal.track.map(|track| track.0),
            state: animal.state.word(),
            zone: names.zone(animal.zone),
            centre: animal.centre.filter(|at| at.is_finite()).map(pixels),
            vanished: animal.vanished.as_ref().map(|vanished| VanishedMessage::new(names, vanished)),
            keypoints: KeypointMap { names: &names.keypoints, keypoints: &animal.keypoints },
            predicted: KeypointNames { names: &names.keypoints, set: animal.predicted },
        }
    }
}

impl<'a> LiveMessage<'a> {
    fn new(names: &'a Names, live: &LiveName) -> Self {
        Self { id: names.identity(live.identity), p: live.p.map(thousandth) }
    }
}

impl<'a> VanishedMessage<'a> {
    fn new(names: &'a Names, vanished: &Vanished) -> Self {
        Self { at: pixels(vanished.at), frame: vanished.frame, zone: names.zone(vanished.zone) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::handover::{Identity, Keypoint, MAX_KEYPOINTS, State, TrackId, Zone};
    use crate::space::InCamera;
    use crate::stamp::{CaptureClock, Stamp};

    fn names() -> Names {
        Names {
            arena: "a1".into(),
            keypoints: vec!["nose".into(), "T_end".into()],
            identities: vec!["R".into()],
            zones: vec!["Open".into()],
            rules: vec![],
        }
    }

    #[test]
    fn a_scene_reads_as_the_design_says() {
        let mut keypoints = [None; MAX_KEYPOINTS];
        keypoints[0] = Some(Keypoint { at: InCamera { x: 312.4149, y: 188.02 }, score: 0.97 });
        let mut scene = Scene {
            stamp: Stamp {
                frame: 4711,
                captured: WallTime(1_795_242_780_123_456_000),
                captured_error_ns: 400_000,
                capture_clock: CaptureClock::SenderReport,
                ..Stamp::default()
            },
            ..Scene::default()
        };
        let animal = Animal {
            identity: Some(Identity(0)),
            p: 0.99812,
            track: Some(TrackId(17)),
            state: State::Seen,
            centre: Some(InCamera { x: 300.06, y: 180.0 }),
            zone: Some(Zone(0)),
            keypoints,
            predicted: [0].into_iter().collect(),
            vanished: None,
        };
        scene.animals.push(animal).expect("room");
        let now = WallTime(scene.stamp.captured.0 + 12_300_000);
        let text = serde_json::to_string(&SceneMessage::new(&names(), &scene, now)).expect("writes");
        assert_eq!(
            text,
            r#"{"v":1,"arena":"a1","frame":4711,"captured":"2026-11-21T06:33:00.123456Z","capture_clock":"sender-report","captured_error_ms":0.4,"age_ms":12.3,"skipped":0,"animals":[{"id":"R","p":0.998,"track":17,"state":"seen","zone":"Open","centre":[300.1,180.0],"vanished":null,"keypoints":{"nose":[312.4,188.0,0.97],"T_end":null},"predicted":["nose"]}]}"#
        );
    }

    #[test]
    fn a_keypoint_that_is_not_a_number_is_missing() {
        let mut keypoints = [None; MAX_KEYPOINTS];
        keypoints[0] = Some(Keypoint { at: InCamera { x: f32::NAN, y: 1.0 }, score: 0.9 });
        let names = names();
        let map = KeypointMap { names: &names.keypoints, keypoints: &keypoints };
        assert_eq!(serde_json::to_string(&map).expect("writes"), r#"{"nose":null,"T_end":null}"#);
    }
}
