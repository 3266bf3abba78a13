//! What one frame said about who is who, as the tracker took it in: enough to weigh the frame again when more is known.

use super::identity::{Belief, Shares};
use crate::handover::{Identity, KeypointSet, Keypoints, MAX_ANIMALS, TrackId};
use crate::space::InCamera;
use heapless::Vec;

/// Most pairs of tracks in one frame.
pub const MAX_EXCHANGES: usize = MAX_ANIMALS * (MAX_ANIMALS - 1) / 2;

/// One frame's part in every track's belief. From the frame before, the tracker lets belief fade, then mixes the pairs of
/// `exchanges` in their order, then hears the frame: `belief = hear(mix(fade(belief before)))`. Tracks born in this frame have
/// nothing before them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Told {
    /// Body size, pixels.
    pub size: f32,
    /// Where each track is and which name it was given, in the order of `tracks`.
    pub sightings: Vec<Sighting, MAX_ANIMALS>,
    /// Each track after this frame.
    pub tracks: Vec<Hearing, MAX_ANIMALS>,
    /// Which tracks may have exchanged their animals between the frame before and this one.
    pub exchanges: Vec<Exchange, MAX_EXCHANGES>,
}

/// What one frame said about one track.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Hearing {
    /// Which track.
    pub track: TrackId,
    /// Everything heard of it up to and with this frame.
    pub belief: Belief,
    /// What this frame alone added for each identity, logarithms of likelihood.
    pub heard: Shares,
    /// The share of the belief before that was kept, 0 to 1.
    pub keeps: f32,
    /// How likely it is still there, 0 to 1: 1 with a pose, falling without.
    pub present: f32,
    /// It is sure enough to be an animal to be weighed for a name, whether it is shown or not.
    pub weighed: bool,
}

/// Where a track is in one frame, and its name.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Sighting {
    /// Which track.
    pub track: TrackId,
    /// Its name; `None` when withheld.
    pub name: Option<Identity>,
    /// How probable that name is, of a nameless one the most probable, 0 to 1.
    pub p: f32,
    /// Probability of each identity.
    pub shares: Shares,
    /// It has a place in the scene: seen often or clearly enough.
    pub confirmed: bool,
    /// This frame has a pose of it; else its place is predicted.
    pub seen: bool,
    /// Body centre, camera pixels.
    pub at: InCamera,
    /// Body parts, camera pixels.
    pub keypoints: Keypoints,
    /// Which of them this frame did not show.
    pub predicted: KeypointSet,
}

/// Two tracks that may have exchanged their animals.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Exchange {
    /// One track.
    pub a: TrackId,
    /// The other.
    pub b: TrackId,
    /// How likely, 0 to 0.5.
    pub p: f32,
}

impl Told {
    /// What was said about a track.
    pub fn of(&self, track: TrackId) -> Option<&Hearing> {
        self.tracks.iter().find(|hearing| hearing.track == track)
    }

    pub(super) fn of_mut(&mut self, track: TrackId) -> Option<&mut Hearing> {
        self.tracks.iter_mut().find(|hearing| hearing.track == track)
    }

    pub(super) fn clear(&mut self) {
        self.sightings.clear();
        self.tracks.clear();
        self.exchanges.clear();
    }
}
