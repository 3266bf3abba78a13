//! One track before the bodies: its pose, what is remembered of it, and whose coat its keypoints show.

use super::posture::Posture;
use crate::handover::{Coats, Keypoint, KeypointSet, Keypoints, MAX_ANIMALS, MAX_KEYPOINTS};
use crate::space::InCamera;

/// What each identity shows where nothing is known of coats: what chance does.
pub const UNKNOWN_COAT: [f32; MAX_ANIMALS] = [1.0; MAX_ANIMALS];

/// The same for every keypoint.
pub const UNKNOWN_COATS: Coats = [UNKNOWN_COAT; MAX_KEYPOINTS];

/// One track as the bodies see it in a frame.
pub struct Seat<'a> {
    /// What is remembered of its body.
    pub posture: &'a mut Posture,
    /// Keypoints of its pose, camera pixels; those given up or held back become missing. `None` where it has no pose.
    pub keypoints: Option<&'a mut Keypoints>,
    /// The same with those that were held back: likely its own, but not told yet. Stays as it is where it has no pose.
    pub shape: &'a mut Keypoints,
    /// How far it is thought to have gone since it was last seen, camera pixels. Counts where it has no pose.
    pub moved: [f32; 2],
    /// How much likelier than by chance each identity shows what is seen around each keypoint of its pose.
    pub coats: &'a Coats,
    /// Who it was in the frame before: the probability of each identity; all 0 where nothing is known.
    pub shares: &'a [f32; MAX_ANIMALS],
    /// The most probable of them, if it has a name, and how probable.
    pub name: Option<(usize, f32)>,
}

/// An animal without a track.
#[derive(Clone, Copy, Debug)]
pub struct Hidden {
    /// Who.
    pub identity: usize,
    /// Where it was last seen, camera pixels.
    pub at: InCamera,
}

impl Seat<'_> {
    /// Its pose's keypoint `k`.
    pub fn keypoint(&self, k: usize) -> Option<Keypoint> {
        *self.keypoints.as_deref()?.get(k)?
    }

    /// Which keypoints its pose has.
    pub fn present(&self) -> KeypointSet {
        self.keypoints.as_deref().map_or_else(KeypointSet::default, KeypointSet::present)
    }

    /// Whether anything is known of the coat around its pose's keypoint `k`.
    pub fn tells(&self, k: usize) -> bool {
        self.coats.get(k).is_some_and(|shown| *shown != UNKNOWN_COAT)
    }

    /// How much likelier than by chance its animal shows what is seen around its own pose's keypoint `k`.
    pub fn shows(&self, k: usize) -> f32 {
        self.coats.get(k).map_or(1.0, |shown| self.would_show(shown))
    }

    /// The same for what is seen around any keypoint, from how likely it is each identity's.
    pub fn would_show(&self, shown: &[f32; MAX_ANIMALS]) -> f32 {
        let known: f32 = self.shares.iter().sum();
        1.0 - known + self.shares.iter().zip(shown).map(|(share, shown)| share * shown).sum::<f32>()
    }

    /// Makes keypoint `k` missing, but leaves it to the shape.
    pub fn hold_back(&mut self, k: usize) {
        if let Some(shape) = self.shape.get_mut(k) {
            *shape = self.keypoints.as_deref().and_then(|keypoints| *keypoints.get(k)?);
        }
        self.give_up(k, true);
    }

    /// Takes the keypoints that are left into the shape.
    pub fn complete_shape(&mut self) {
        let Some(keypoints) = self.keypoints.as_deref() else { return };
        for (shape, keypoint) in self.shape.iter_mut().zip(keypoints) {
            *shape = keypoint.or(*shape);
        }
    }

    /// Makes keypoint `k` missing if it is `given_up`.
    pub fn give_up(&mut self, k: usize, given_up: bool) {
        if let Some(keypoint) = self.keypoints.as_deref_mut().and_then(|keypoints| keypoints.get_mut(k)) {
            *keypoint = keypoint.filter(|_| !given_up);
        }
    }
}
