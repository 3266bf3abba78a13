//! What is known of each identity over time, seen or not: the scene's list of animals and the events.

use super::Sighting;
use crate::handover::{
    Animal, Event, Gaps, Identity, KeypointSet, MAX_ANIMALS, MAX_EVENTS, MAX_GAPS, MAX_KEYPOINTS, Scene, State,
    Vanished, Zone,
};
use crate::stamp::Stamp;
use crate::zones::Zones;
use heapless::Vec;

// Every gap, for each identity at most: left, entered, and one of appeared and vanished; and each pair's contact.
const _: () = assert!(MAX_GAPS + 3 * MAX_ANIMALS + super::told::MAX_EXCHANGES <= MAX_EVENTS);

/// A zone is left when the centre is this far outside, body sizes.
const ZONE_MARGIN: f32 = 0.15;

/// That a hidden animal is where it vanished fades to 1/e in this time, seconds. Rendered mice without zones: of those hidden for
/// 1 to 8 s 97 % were out of sight, of those hidden for 8 to 16 s 90 %. In a shelter they may stay for long.
const HIDDEN_S: f64 = 120.0;
const SHELTERED_S: f64 = 1200.0;

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

    /// The scene of these tracks, each name at most once, and what happened in it.
    pub fn tell(&mut self, tracks: &[Sighting], view: &View<'_>, stamp: Stamp, gaps: &Gaps) -> Scene {
        self.events.clear();
        for gap in gaps.iter() {
            self.happened(Event::Gap(*gap));
        }
        let mut scene = Scene { stamp, gaps: gaps.clone(), animals: Vec::new() };
        for k in 0..view.identities {
            let identity = Identity(k as u8);
            let named = tracks.iter().find(|track| track.confirmed && track.name == Some(identity));
            let animal = match named {
                Some(track) if track.seen => self.seen(track, identity, view, stamp.frame),
                Some(track) => self.predicted(track, identity, view),
                None => self.absent(identity, tracks, view),
            };
            if named.is_none_or(|track| !track.seen) {
                self.tell_vanished(identity, view.coast_s, named.is_some());
            }
            // There is room: identities are at most as many as animals.
            let _ = scene.animals.push(animal);
        }
        for track in tracks.iter().filter(|track| track.confirmed && track.name.is_none()) {
            let zone = view.zones.at(track.at);
            if scene.animals.push(shown(track, None, zone)).is_err() {
                break;
            }
        }
        scene
    }

    fn happened(&mut self, event: Event) {
        // There is room for the most that can happen: see the assertion above.
        let _ = self.events.push(event);
    }

    fn seen(&mut self, track: &Sighting, identity: Identity, view: &View<'_>, frame: u64) -> Animal {
        let at = track.at;
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
        let animal = shown(track, Some(identity), zone);
        let last = Vanished { at, frame, zone };
        self.sights[usize::from(identity.0)] = Some(Sight { last, p: animal.p, ago_s: 0.0, told_vanished: false });
        animal
    }

    fn predicted(&self, track: &Sighting, identity: Identity, view: &View<'_>) -> Animal {
        let held = self.sight(usize::from(identity.0)).and_then(|sight| sight.last.zone);
        let zone = view.zones.at_held(track.at, held, ZONE_MARGIN * view.size);
        shown(track, Some(identity), zone)
    }

    /// An animal that no track is named after: how sure it was when last seen, less with time, and at most what the tracks in
    /// sight leave over.
    fn absent(&self, identity: Identity, tracks: &[Sighting], view: &View<'_>) -> Animal {
        let k = usize::from(identity.0);
        let sight = self.sight(k);
        let seen = tracks.iter().filter(|track| track.seen && track.confirmed);
        let left = 1.0 - seen.map(|track| track.shares[k]).sum::<f32>();
        let p = sight.map_or(0.0, |sight| {
            let lasts_s = match sight.last.zone {
                Some(zone) if view.zones.sheltered(zone) => SHELTERED_S,
                _ => HIDDEN_S,
            };
            (sight.p * (-sight.ago_s / lasts_s).exp() as f32).min(left)
        });
        Animal {
            identity: Some(identity),
            p: p.clamp(0.0, 1.0),
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
}

/// A track as it stands in the scene.
fn shown(track: &Sighting, identity: Option<Identity>, zone: Option<Zone>) -> Animal {
    Animal {
        identity,
        p: track.p,
        track: Some(track.track),
        state: if track.seen { State::Seen } else { State::Predicted },
        centre: Some(track.at),
        zone,
        keypoints: track.keypoints,
        predicted: track.predicted,
        vanished: None,
    }
}
