//! Whose coat a single keypoint lies on. A pose may lie over two animals: its trunk as a whole then shows one of them, its parts both.

use super::coat::Coat;
use super::colour::Eye;
use super::fusion::{looks, shares};
use super::trunk::Anatomy;
use super::{PLACES, Tint, median};
use crate::handover::Pose;
use crate::space::InCamera;
use heapless::Vec;

/// Half the side of the square that is looked at, half widths of the trunk.
const SIDE: f32 = 0.5;
/// Places along a side.
const ACROSS: usize = 5;
/// A square of which fewer places are seen says nothing.
const PLACES_LEAST: usize = 12;
/// Shares are told in steps of one by this: no coat is excluded by one small square.
const STEPS: f32 = 1000.0;

/// Fills in the coats of a pose's keypoints. `half_width` of its trunk, pixels.
pub fn read(eye: &Eye<'_>, anatomy: &Anatomy, half_width: f32, coats: &[Coat], pose: &mut Pose) {
    for k in anatomy.painted() {
        let (Some(Some(keypoint)), Some(shown)) = (pose.keypoints.get(k), pose.coats.get_mut(k)) else { continue };
        let Some(tint) = around(eye, keypoint.at, SIDE * half_width) else { continue };
        let told = shares(&looks(coats, &tint)[..coats.len()]);
        for (shown, told) in shown.iter_mut().zip(&told[..coats.len()]) {
            *shown = (told * STEPS).round().max(1.0) / STEPS;
        }
    }
}

/// The median of the tints within `side` pixels of a place.
fn around(eye: &Eye<'_>, at: InCamera, side: f32) -> Option<Tint> {
    let mut tints: Vec<Tint, PLACES> = Vec::new();
    let off = |step: usize| side * (2.0 * step as f32 / (ACROSS - 1) as f32 - 1.0);
    for (row, column) in (0..ACROSS).flat_map(|row| (0..ACROSS).map(move |column| (row, column))) {
        if let Some(tint) = eye.tint(InCamera { x: at.x + off(column), y: at.y + off(row) }) {
            let _ = tints.push(tint);
        }
    }
    (tints.len() >= PLACES_LEAST).then(|| median(&tints))
}
