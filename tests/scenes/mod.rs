//! Made-up scenes for the tests of the sinks.

#![allow(dead_code)] // Each test file uses its own part.

use arenad::config::ZoneArea;
use arenad::handover::*;
use arenad::ledger::Ledger;
use arenad::sink::feed::About;
use arenad::sink::net::{NetHandle, NetOptions, NetSinks};
use arenad::sink::wire::Names;
use arenad::space::InCamera;
use arenad::stamp::{CaptureClock, Clock, Stamp};
use std::sync::Arc;

/// Three names, two body parts, two zones, one rule.
pub fn about(arena: &str) -> About {
    let words = |list: &[&str]| list.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    About {
        names: Names {
            arena: arena.to_owned(),
            keypoints: words(&["nose", "T_base"]),
            identities: words(&["R", "G", "B"]),
            zones: words(&["Open", "Nest"]),
            rules: words(&["feeder"]),
        },
        model: "made-up".into(),
        skeleton: vec![["nose".into(), "T_base".into()]],
        colours: words(&["#ff0000", "#00ff00", "#0000ff"]),
        zones: vec![ZoneArea {
            name: "Open".into(),
            sheltered: false,
            corners: vec![(0.0, 0.0), (63.0, 0.0), (63.0, 47.0)],
        }],
    }
}

/// The sinks on free ports, with an engine that runs.
pub fn start(
    mqtt: Option<arenad::config::Mqtt>,
    web: Option<arenad::config::Web>,
    arena: &str,
) -> (NetHandle, Arc<Ledger>, Clock) {
    let (sinks, ledger, clock) = opening(mqtt, web, arena);
    sinks.set_engine("none", "fp32");
    (sinks, ledger, clock)
}

/// The same while the engine is opened.
pub fn opening(
    mqtt: Option<arenad::config::Mqtt>,
    web: Option<arenad::config::Web>,
    arena: &str,
) -> (NetHandle, Arc<Ledger>, Clock) {
    let (ledger, clock) = (Arc::new(Ledger::default()), Clock::new());
    let options = NetOptions { mqtt, web, about: about(arena), ledger: Arc::clone(&ledger), clock };
    (NetSinks::start(options).expect("the sinks start"), ledger, clock)
}

/// A stamp for `frame`, captured now.
pub fn stamp(frame: u64, clock: &Clock) -> Stamp {
    Stamp {
        frame,
        captured: clock.wall(),
        captured_error_ns: 400_000,
        capture_clock: CaptureClock::SenderReport,
        arrived: clock.monotonic(),
    }
}

/// One animal seen, one hidden, one never seen and one without a name.
pub fn scene(stamp: Stamp) -> Scene {
    let mut keypoints = [None; MAX_KEYPOINTS];
    keypoints[0] = Some(Keypoint { at: InCamera { x: 12.34, y: 5.0 }, score: 0.9 });
    let seen = Animal {
        identity: Some(Identity(0)),
        p: 0.987654,
        track: Some(TrackId(3)),
        state: State::Seen,
        centre: Some(InCamera { x: 10.0, y: 6.0 }),
        zone: Some(Zone(0)),
        keypoints,
        predicted: KeypointSet::default(),
        vanished: None,
    };
    let last = Vanished { at: InCamera { x: 40.0, y: 20.0 }, frame: 1, zone: Some(Zone(1)) };
    let hidden = Animal {
        identity: Some(Identity(1)),
        p: 0.8,
        track: None,
        state: State::Hidden,
        centre: Some(last.at),
        zone: Some(Zone(1)),
        keypoints: [None; MAX_KEYPOINTS],
        predicted: KeypointSet::default(),
        vanished: Some(last),
    };
    let unseen = Animal {
        identity: Some(Identity(2)),
        p: 0.0,
        state: State::Unseen,
        centre: None,
        zone: None,
        vanished: None,
        ..hidden.clone()
    };
    let withheld = Animal {
        identity: None,
        p: 0.3,
        state: State::Predicted,
        predicted: KeypointSet::present(&keypoints),
        ..seen.clone()
    };
    let mut gaps = Gaps::default();
    if stamp.frame == 2 {
        gaps.note_one(1, GapReason::Late);
    }
    let animals = heapless::Vec::from_slice(&[seen, hidden, unseen, withheld]).expect("room");
    Scene { stamp, gaps, animals }
}

/// One of each event that a frame can cause.
pub fn events() -> Vec<Event> {
    let (identity, zone) = (Identity(0), Zone(1));
    let last = Vanished { at: InCamera { x: 40.0, y: 20.0 }, frame: 1, zone: None };
    vec![
        Event::ZoneEntered { identity, zone },
        Event::ZoneLeft { identity, zone },
        Event::Vanished { identity, last },
        Event::Appeared { identity, at: InCamera { x: 1.0, y: 2.0 } },
        Event::Triggered { rule: 0, identity, latency_ns: 4_200_000 },
        Event::ContactBegan { a: identity, b: Identity(2) },
        Event::ContactEnded { a: identity, b: Identity(2) },
        Event::IdentityRevised(revision(Some(Identity(1)), RevisionReason::Contact(Some(Identity(2))))),
        Event::IdentityRevised(revision(None, RevisionReason::Contact(None))),
        Event::IdentityRevised(revision(None, RevisionReason::NewTrack)),
        Event::IdentityRevised(revision(Some(Identity(1)), RevisionReason::LaterEvidence)),
        Event::Gap(Gap { first: 1, last: 4, reason: GapReason::NoReference }),
    ]
}

fn revision(to: Option<Identity>, why: RevisionReason) -> Revision {
    Revision { track: TrackId(3), first: 7, last: 9, from: Identity(0), to, why }
}

/// A scene with events and without a picture.
pub fn delivery(frame: u64, clock: &Clock, events: &[Event]) -> Delivery {
    Delivery {
        scene: scene(stamp(frame, clock)),
        events: heapless::Vec::from_slice(events).expect("room"),
        steps: Steps::default(),
        frame: None,
    }
}
