//! What is known of each identity over time, seen or not: the scene's list of animals and the events.

use super::Track;
use crate::handover::{
    Animal, Event, Gaps, Identity, KeypointSet, Keypoints, MAX_ANIMALS, MAX_EVENTS, MAX_GAPS, MAX_KEYPOINTS, Scene,
    State, Vanished, Zone,
};
use crate::space::InCamera;
use crate::stamp::Stamp;
use crate::zones::Zones;
use heapless::Vec;

// Every gap, and for each identity at most: left, entered, and one of appeared and vanished.
const _: () = assert!(MAX_GAPS + 3 * MAX_ANIMALS <= MAX_EVENTS);

/// A zone is left when the centre is this far outside, body sizes.
const ZONE_MARGIN: f32 = 0.15;

/// One identity as last seen.
#[derive(Clone, Copy, Debug)]
pub struct Sight {
    /// Where and when.
    pub last: Vanished,
    /// How sure its name was.
    p: f32,
    /// Time since then, seconds.
    pub ago_s: f64,
    /// The event that it vanished was given out.
    told_vanished: bool,
}

/// All identities as last seen.
#[derive(Clone, Debug, Default)]
pub struct Known {
    sights: [Option<Sight>; MAX_ANIMALS],
    events: Vec<Event, MAX_EVENTS>,
}

impl Known {
    /// What happened in the scene told last.
    pub fn events(&self) -> &Vec<Event, MAX_EVENTS> {
        &self.events
    }

    /// An identity as last seen.
    pub fn sight(&self, identity: usize) -> Option<&Sight> {
        self.sights.get(identity)?.as_ref()
    }

    /// Lets `seconds` go by.
    pub fn age(&mut self, seconds: f64) {
        for sight in self.sights.iter_mut().flatten() {
            sight.ago_s += seconds;
        }
    }

    /// The scene, and what happened in it. `coast_s` is how long an animal may be out of sight before it has vanished.
    pub fn tell(&mut self, tracks: &[Track], view: &View<'_>, stamp: Stamp, gaps: &Gaps) -> Scene {
        self.events.clear();
        for gap in gaps.iter() {
            self.happened(Event::Gap(*gap));
        }
        let mut scene = Scene { stamp, gaps: gaps.clone(), animals: Vec::new() };
        for k in 0..view.identities {
            let identity = Identity(k as u8);
            let named = tracks.iter().find(|track| track.name == Some(identity));
            let animal = match named {
                Some(track) if track.seen() => self.seen(track, identity, view, stamp.frame),
                Some(track) => self.predicted(track, identity, view),
                None => self.absent(identity),
            };
            if named.is_none_or(|track| !track.seen()) {
                self.tell_vanished(identity, view.coast_s, named.is_some());
            }
            // There is room: identities are at most as many as animals.
            let _ = scene.animals.push(animal);
        }
        for track in tracks.iter().filter(|track| track.confirmed && track.name.is_none()) {
            let zone = view.zones.at(track.place());
            if scene.animals.push(shown(track, None, zone, view)).is_err() {
                break;
            }
        }
        scene
    }

    fn happened(&mut self, event: Event) {
        // There is room for the most that can happen: see the assertion above.
        let _ = self.events.push(event);
    }

    fn seen(&mut self, track: &Track, identity: Identity, view: &View<'_>, frame: u64) -> Animal {
        let at = track.place();
        let before = self.sights[usize::from(identity.0)];
        let held = before.and_then(|sight| sight.last.zone);
        let zone = view.zones.at_held(at, held, ZONE_MARGIN * view.size);
        if before.is_none_or(|sight| sight.told_vanished) {
            self.happened(Event::Appeared { identity, at });
        }
        if zone != held {
            if let Some(zone) = held {
                self.happened(Event::ZoneLeft { identity, zone });
            }
            if let Some(zone) = zone {
                self.happened(Event::ZoneEntered { identity, zone });
            }
        }
        let animal = shown(track, Some(identity), zone, view);
        let last = Vanished { at, frame, zone };
        self.sights[usize::from(identity.0)] = Some(Sight { last, p: animal.p, ago_s: 0.0, told_vanished: false });
        animal
    }

    fn predicted(&self, track: &Track, identity: Identity, view: &View<'_>) -> Animal {
        let held = self.sight(usize::from(identity.0)).and_then(|sight| sight.last.zone);
        let zone = view.zones.at_held(track.place(), held, ZONE_MARGIN * view.size);
        shown(track, Some(identity), zone, view)
    }

    fn absent(&self, identity: Identity) -> Animal {
        let sight = self.sight(usize::from(identity.0));
        Animal {
            identity: Some(identity),
            p: sight.map_or(0.0, |sight| sight.p),
            track: None,
            state: if sight.is_some() { State::Hidden } else { State::Unseen },
            centre: sight.map(|sight| sight.last.at),
            zone: sight.and_then(|sight| sight.last.zone),
            keypoints: [None; MAX_KEYPOINTS],
            predicted: KeypointSet::default(),
            vanished: sight.map(|sight| sight.last),
        }
    }

    /// A name that is withheld or changes tracks for a moment is no vanishing: it must have been away for the coasting time.
    fn tell_vanished(&mut self, identity: Identity, coast_s: f64, predicted: bool) {
        if let Some(sight) = &mut self.sights[usize::from(identity.0)]
            && !sight.told_vanished
            && !predicted
            && sight.ago_s > coast_s
        {
            sight.told_vanished = true;
            let last = sight.last;
            self.happened(Event::Vanished { identity, last });
        }
    }
}

/// What the telling needs besides the tracks.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// Named parts of the picture.
    pub zones: &'a Zones,
    /// How many identities there are.
    pub identities: usize,
    /// Body size, pixels.
    pub size: f32,
    /// How long a track is predicted, seconds.
    pub coast_s: f64,
    /// How long a missing keypoint of a seen animal is predicted, seconds.
    pub hold_s: f64,
}

/// A track as it stands in the scene.
fn shown(track: &Track, identity: Option<Identity>, zone: Option<Zone>, view: &View<'_>) -> Animal {
    let p = match identity {
        Some(identity) => track.shares[usize::from(identity.0)],
        None => track.shares.iter().copied().fold(0.0, f32::max),
    };
    let (keypoints, predicted) = if track.seen() {
        track.posture.completed(&track.keypoints, view.hold_s as f32, view.size)
    } else {
        let keypoints = moved(track, view.coast_s);
        (keypoints, KeypointSet::present(&keypoints))
    };
    Animal {
        identity,
        p: p.clamp(0.0, 1.0),
        track: Some(track.id),
        state: if track.seen() { State::Seen } else { State::Predicted },
        centre: Some(track.place()),
        zone,
        keypoints,
        predicted,
        vanished: None,
    }
}

/// Body parts shifted as the centre is thought to have moved, less sure the longer ago they were seen.
fn moved(track: &Track, coast_s: f64) -> Keypoints {
    let at = track.place();
    let (dx, dy) = (at.x - track.seen_at.x, at.y - track.seen_at.y);
    let sure = if coast_s > 0.0 { (-track.unseen_s / coast_s).exp() as f32 } else { 0.0 };
    let mut keypoints = track.keypoints;
    for keypoint in keypoints.iter_mut().flatten() {
        keypoint.at = InCamera { x: keypoint.at.x + dx, y: keypoint.at.y + dy };
        keypoint.score *= sure;
    }
    keypoints
}
