//! The coat's colour as evidence of who a pose is. Pure and deterministic; allocates nothing after construction.
//!
//! One frame: `trunk` finds the painted part of each pose, `colour` reads its pixels, their median is the picture's tint; `coat`
//! says how likely each coat shows it, `fusion` joins that with what the network said. Once the tracker knows who is who,
//! `follow` lets the coats take in what was surely seen. Everything is read from the frame itself in camera pixels, so that it
//! does not matter through which window the network looked. `learning` makes coats from labelled pictures.

mod coat;
mod colour;
mod follow;
mod fusion;
mod learning;
mod patch;
mod trunk;

pub use colour::{Eye, Tint, rgb, tint};
pub use learning::{Learnt, Measured, learn};
pub use trunk::{Anatomy, PLACES, Trunk};

use crate::handover::{Frame, MAX_ANIMALS, Poses, Scene, State};
use crate::model::{Contract, Followed};
use crate::space::InCamera;
use crate::stamp::Elapsed;
use follow::Follower;
use fusion::{Fusion, looks};
use heapless::Vec;

/// A trunk of which fewer places are seen says nothing.
const PLACES_LEAST: usize = 16;
/// Only names at least this probable move a coat.
const SURE: f32 = 0.995;
/// An animal is alone when no other pose is nearer than this, in lengths of its trunk.
const ALONE: f32 = 1.6;
/// Only pictures with this share of the trunk in view move a coat.
const CLEAR: f32 = 0.9;
/// A scene's animal is the pose whose centre is this near, camera pixels.
const SAME: f32 = 1.0;

/// What one pose showed.
#[derive(Clone, Copy, Debug)]
struct Sight {
    at: InCamera,
    tint: Tint,
    /// Nobody near and nearly all of the trunk in view.
    clear: bool,
}

/// The paint of one arena's animals. Made once for a model with coats.
#[derive(Debug)]
pub struct Paint {
    anatomy: Anatomy,
    fusion: Fusion,
    follower: Follower,
    /// Of the poses of the last frame.
    sights: Vec<Sight, MAX_ANIMALS>,
    elapsed: Elapsed,
}

impl Paint {
    /// For the contract's coats; `None` where it has none: then names are the network's alone.
    pub fn new(contract: &Contract) -> Option<Self> {
        let coats = contract.coats.as_ref()?;
        let head: std::vec::Vec<_> = contract.written.identities.iter().map(|known| known.name.as_str()).collect();
        let mut follower = Follower::new(coats.coats.iter().map(|coat| (coat.tint, coat.spread)));
        // What may not stand is left: the coats are then as enrolled.
        let _ = follower.recall(&coats.followed);
        Some(Self {
            anatomy: Anatomy::of(&contract.written.keypoints),
            fusion: Fusion::new(coats.identities.iter().map(|coat| coat.name.as_str()), &head),
            follower,
            sights: Vec::new(),
            elapsed: Elapsed::default(),
        })
    }

    /// What has become of each coat, in their order.
    pub fn became(&self) -> Vec<Followed, MAX_ANIMALS> {
        self.follower.became()
    }

    /// Looks at each pose in its frame and replaces its `identity`, the network's over the model's identities, by the likelihood of
    /// each of the arena's animals.
    pub fn read(&mut self, frame: &Frame, poses: &mut Poses) {
        self.sights.clear();
        let eye = Eye::new(frame);
        let trunks: Vec<Option<Trunk>, MAX_ANIMALS> = poses.iter().map(|pose| self.anatomy.trunk(pose)).collect();
        for index in 0..poses.len() {
            let measured = eye.as_ref().and_then(|eye| measure(eye, &trunks, index));
            let alone = trunks.get(index).and_then(Option::as_ref).is_some_and(|trunk| {
                let reach = ALONE * trunk.length();
                let at = |pose: usize| poses.get(pose).map_or(InCamera::default(), |pose| pose.centre);
                (0..poses.len()).all(|other| other == index || at(other).distance(at(index)) >= reach)
            });
            let Some(pose) = poses.get_mut(index) else { continue };
            let looks = measured.map(|(tint, _)| looks(self.follower.coats(), &tint));
            pose.identity = self.fusion.fuse(&pose.identity, looks.as_ref());
            if let (Some(eye), Some(Some(trunk))) = (&eye, trunks.get(index)) {
                patch::read(eye, &self.anatomy, trunk.half_width(), self.follower.coats(), pose);
            }
            if let Some((tint, seen)) = measured {
                let _ = self.sights.push(Sight { at: pose.centre, tint, clear: alone && seen >= CLEAR });
            }
        }
    }

    /// Lets the coats follow what the scene of the frame that was last read surely shows.
    pub fn follow(&mut self, scene: &Scene) {
        let seconds = self.elapsed.advance(scene.stamp.captured);
        for animal in &scene.animals {
            let (Some(identity), Some(centre), State::Seen) = (animal.identity, animal.centre, animal.state) else {
                continue;
            };
            let sight = self.sights.iter().find(|sight| sight.at.distance(centre) < SAME);
            if let Some(sight) = sight.filter(|sight| sight.clear && animal.p >= SURE) {
                self.follower.take(usize::from(identity.0), &sight.tint, seconds);
            }
        }
    }
}

/// The tint of pose `index` and the share of its trunk that was in view; `None` where too little was.
pub fn measure(eye: &Eye<'_>, trunks: &[Option<Trunk>], index: usize) -> Option<(Tint, f32)> {
    let trunk = trunks.get(index)?.as_ref()?;
    let others = trunks.iter().enumerate().filter(|(other, _)| *other != index).filter_map(|(_, trunk)| trunk.as_ref());
    let mut tints: Vec<Tint, PLACES> = Vec::new();
    trunk.places(others, |place| {
        if let Some(tint) = eye.tint(place) {
            let _ = tints.push(tint);
        }
    });
    let seen = tints.len() as f32 / PLACES as f32;
    (tints.len() >= PLACES_LEAST).then(|| (median(&tints), seen))
}

/// The median of each part, of at most `PLACES` tints: half of the pixels may be another's without moving it far.
pub fn median(tints: &[Tint]) -> Tint {
    std::array::from_fn(|part| {
        let mut values: Vec<f32, PLACES> = tints.iter().take(PLACES).map(|tint| tint[part]).collect();
        let middle = values.len() / 2;
        if values.is_empty() { 0.0 } else { *values.select_nth_unstable_by(middle, f32::total_cmp).1 }
    })
}

#[cfg(test)]
mod tests;
