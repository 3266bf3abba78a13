//! The twin of an event: something worth a message of its own, delivered at least once.

use super::{CameraReport, CameraState, Names, Rfc3339, VERSION, millis, pixels};
use crate::handover::{Event, Revision, RevisionReason};
use crate::stamp::Stamp;
use serde::Serialize;

/// One event, as in `docs/schemas/event.json`.
#[derive(Debug, Serialize)]
pub struct EventMessage<'a> {
    v: u8,
    arena: &'a str,
    /// The frame that showed it; null for what happens to the camera.
    frame: Option<u64>,
    /// When that frame was captured; for the camera, when it was noticed.
    time: Rfc3339,
    #[serde(flatten)]
    kind: EventKind<'a>,
}

/// What happened.
#[derive(Debug, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum EventKind<'a> {
    /// A body centre entered a zone.
    ZoneEntered {
        /// Who.
        id: &'a str,
        /// Where.
        zone: Option<&'a str>,
    },
    /// A body centre left a zone.
    ZoneLeft {
        /// Who.
        id: &'a str,
        /// Where.
        zone: Option<&'a str>,
    },
    /// An animal went out of sight.
    Vanished {
        /// Who.
        id: &'a str,
        /// Where last seen, camera pixels.
        at: [f32; 2],
        /// The zone it was in.
        zone: Option<&'a str>,
        /// The frame that last showed it.
        last_frame: u64,
    },
    /// An animal came into sight.
    Appeared {
        /// Who.
        id: &'a str,
        /// Where, camera pixels.
        at: [f32; 2],
    },
    /// A rule fired.
    Triggered {
        /// Which rule.
        rule: &'a str,
        /// Who set it off.
        id: &'a str,
        /// Arrival of the picture to the pin being set.
        latency_ms: f64,
    },
    /// Two bodies touch.
    ContactBegan {
        /// Who.
        id: &'a str,
        /// With whom.
        with: &'a str,
    },
    /// Two bodies that touched are apart.
    ContactEnded {
        /// Who.
        id: &'a str,
        /// From whom.
        with: &'a str,
    },
    /// Frames that went out live under another name than they were settled with.
    IdentityRevision {
        /// The settled name.
        id: &'a str,
        /// The live name.
        from: &'a str,
        /// The track that carries it.
        track: u32,
        /// First frame.
        first: u64,
        /// Last frame.
        last: u64,
        /// Why.
        why: &'static str,
        /// With whom the contact was, if that is why.
        with: Option<&'a str>,
    },
    /// Frames are missing.
    Gap {
        /// First missing frame.
        first: u64,
        /// Last missing frame.
        last: u64,
        /// How many.
        frames: u64,
        /// Why.
        reason: &'static str,
    },
    /// The camera's state changed.
    Camera {
        /// Its state now.
        state: CameraState,
        /// Why, in words for the operator.
        detail: &'a str,
    },
}

impl<'a> EventMessage<'a> {
    /// The message for an event of the frame that `stamp` names.
    pub fn new(names: &'a Names, stamp: &Stamp, event: &Event) -> Self {
        let kind = match *event {
            Event::ZoneEntered { identity, zone } => {
                EventKind::ZoneEntered { id: names.identity(Some(identity)), zone: names.zone(Some(zone)) }
            }
            Event::ZoneLeft { identity, zone } => {
                EventKind::ZoneLeft { id: names.identity(Some(identity)), zone: names.zone(Some(zone)) }
            }
            Event::Vanished { identity, last } => EventKind::Vanished {
                id: names.identity(Some(identity)),
                at: pixels(last.at),
                zone: names.zone(last.zone),
                last_frame: last.frame,
            },
            Event::Appeared { identity, at } => {
                EventKind::Appeared { id: names.identity(Some(identity)), at: pixels(at) }
            }
            Event::Triggered { rule, identity, latency_ns } => EventKind::Triggered {
                rule: names.rule(rule),
                id: names.identity(Some(identity)),
                latency_ms: millis(i64::try_from(latency_ns).unwrap_or(i64::MAX)),
            },
            Event::ContactBegan { a, b } => {
                EventKind::ContactBegan { id: names.identity(Some(a)), with: names.identity(Some(b)) }
            }
            Event::ContactEnded { a, b } => {
                EventKind::ContactEnded { id: names.identity(Some(a)), with: names.identity(Some(b)) }
            }
            Event::IdentityRevised(Revision { track, first, last, from, to, why }) => EventKind::IdentityRevision {
                id: names.identity(to),
                from: names.identity(Some(from)),
                track: track.0,
                first,
                last,
                why: why.word(),
                with: match why {
                    RevisionReason::Contact(with) => Some(names.identity(with)),
                    RevisionReason::NewTrack | RevisionReason::LaterEvidence => None,
                },
            },
            Event::Gap(gap) => {
                EventKind::Gap { first: gap.first, last: gap.last, frames: gap.frames(), reason: gap.reason.word() }
            }
        };
        Self { v: VERSION, arena: &names.arena, frame: Some(stamp.frame), time: Rfc3339(stamp.captured), kind }
    }

    /// The message for a change of the camera's state.
    pub fn camera(names: &'a Names, report: &'a CameraReport) -> Self {
        Self {
            v: VERSION,
            arena: &names.arena,
            frame: None,
            time: Rfc3339(report.since),
            kind: EventKind::Camera { state: report.state, detail: &report.detail },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::handover::{Gap, GapReason, Identity, Zone};

    #[test]
    fn an_event_carries_its_frame_and_its_own_fields() {
        let names = Names {
            arena: "a1".into(),
            identities: vec!["R".into(), "G".into()],
            zones: vec!["Nest".into()],
            ..Names::default()
        };
        let stamp = Stamp { frame: 12, ..Stamp::default() };
        let entered = Event::ZoneEntered { identity: Identity(1), zone: Zone(0) };
        assert_eq!(
            serde_json::to_string(&EventMessage::new(&names, &stamp, &entered)).expect("writes"),
            r#"{"v":1,"arena":"a1","frame":12,"time":"1970-01-01T00:00:00.000000Z","kind":"zone-entered","id":"G","zone":"Nest"}"#
        );
        let gap = Event::Gap(Gap { first: 3, last: 5, reason: GapReason::Late });
        assert_eq!(
            serde_json::to_string(&EventMessage::new(&names, &stamp, &gap)).expect("writes"),
            r#"{"v":1,"arena":"a1","frame":12,"time":"1970-01-01T00:00:00.000000Z","kind":"gap","first":3,"last":5,"frames":3,"reason":"late"}"#
        );
    }
}
