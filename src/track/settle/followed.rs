//! What settling remembers of each track along the settled frames: its name, its last pose, its last contact.

use super::super::told::{Sighting, Told};
use crate::handover::{Identity, Keypoint, KeypointSet, Keypoints, MAX_ANIMALS, MAX_KEYPOINTS, TrackId};
use crate::space::InCamera;
use heapless::Vec;

/// An exchange at least this likely is a contact.
const CONTACT_P: f32 = 0.02;

/// One track.
#[derive(Clone, Copy, Debug)]
pub(super) struct One {
    track: TrackId,
    /// Its settled name in the frame before.
    pub(super) name: Option<Identity>,
    /// When it began.
    pub(super) since_ns: u64,
    /// With whom it may have exchanged its animal last, and when.
    pub(super) contact: Option<(Option<Identity>, u64)>,
    /// Its last pose, and when.
    last: Option<(u64, InCamera, Keypoints)>,
}

/// The tracks of the frame that was settled last.
#[derive(Clone, Debug, Default)]
pub(super) struct Followed(Vec<One, MAX_ANIMALS>);

impl Followed {
    pub(super) fn of(&self, track: TrackId) -> Option<&One> {
        self.0.iter().find(|one| one.track == track)
    }

    pub(super) fn name(&self, track: TrackId) -> Option<Identity> {
        self.of(track)?.name
    }

    /// Goes on to the next frame: tracks that ended are forgotten, new ones begin, contacts are noted.
    pub(super) fn advance(&mut self, told: &Told, now_ns: u64) {
        self.0.retain(|one| told.of(one.track).is_some());
        for hearing in &told.tracks {
            if self.of(hearing.track).is_none() {
                let one = One { track: hearing.track, name: None, since_ns: now_ns, contact: None, last: None };
                // There is room: a frame has no more tracks than that.
                let _ = self.0.push(one);
            }
        }
        for exchange in told.exchanges.iter().filter(|exchange| exchange.p >= CONTACT_P) {
            let names = (self.name(exchange.a), self.name(exchange.b));
            for (track, with) in [(exchange.a, names.1), (exchange.b, names.0)] {
                if let Some(one) = self.0.iter_mut().find(|one| one.track == track) {
                    one.contact = Some((with, now_ns));
                }
            }
        }
    }

    /// Notes the settled name, and where the track was seen.
    pub(super) fn note(&mut self, sighting: &Sighting, now_ns: u64) {
        if let Some(one) = self.0.iter_mut().find(|one| one.track == sighting.track) {
            one.name = sighting.name;
            if sighting.seen {
                one.last = Some((now_ns, sighting.at, sighting.keypoints));
            }
        }
    }

    /// Puts a track that is not seen now between where it was and where it is seen next.
    pub(super) fn place_between(&self, sighting: &mut Sighting, now_ns: u64, next: (u64, &Sighting)) {
        let Some((then_ns, at, keypoints)) = self.of(sighting.track).and_then(|one| one.last) else { return };
        let (next_ns, next) = next;
        let whole = next_ns.saturating_sub(then_ns);
        if whole == 0 {
            return;
        }
        let share = (now_ns.saturating_sub(then_ns) as f64 / whole as f64).clamp(0.0, 1.0) as f32;
        sighting.at = between(at, next.at, share);
        sighting.keypoints = [None; MAX_KEYPOINTS];
        for (keypoint, ends) in sighting.keypoints.iter_mut().zip(keypoints.iter().zip(&next.keypoints)) {
            let (Some(from), Some(to)) = ends else { continue };
            *keypoint = Some(Keypoint { at: between(from.at, to.at, share), score: from.score.min(to.score) });
        }
        sighting.predicted = KeypointSet::present(&sighting.keypoints);
    }
}

fn between(from: InCamera, to: InCamera, share: f32) -> InCamera {
    InCamera { x: from.x + share * (to.x - from.x), y: from.y + share * (to.y - from.y) }
}
