//! The heads that SLEAP-NN trains, read by its own rules: `sleap_nn.inference.layers` and `.ops` of version 0.3.

pub(super) mod affinity_fields;
pub(super) mod centred_instances;
pub(super) mod class_maps;
pub(super) mod confidence_maps;
mod grouping;
mod matching;
mod peaks;

use super::PoseError;
use crate::handover::{Keypoint, MAX_KEYPOINTS, Pose, Poses};
use crate::infer::{Head, Heads};
use crate::model::Contract;
use crate::space::{InModel, Letterbox};
use peaks::Map;

/// Where an output lies among the heads.
#[derive(Clone, Copy, Debug)]
struct Layout {
    index: usize,
    shape: [usize; 4],
    /// Network pixels from one cell to the next; cell 0 is centred on network pixel 0.
    stride: f32,
}

impl Layout {
    fn find(contract: &Contract, meaning: &str) -> Option<Self> {
        let (index, output) = contract.output(meaning)?;
        Some(Self { index, shape: output.shape, stride: output.stride as f32 })
    }

    fn needed(contract: &Contract, meaning: &'static str) -> Result<Self, PoseError> {
        Self::find(contract, meaning).ok_or_else(|| PoseError::Output { model: contract.written.name.clone(), meaning })
    }

    /// The head, unless it has another shape than the contract's.
    fn head<'h>(&self, heads: &'h Heads) -> Option<&'h Head> {
        heads.0.get(self.index).filter(|head| head.shape == self.shape)
    }
}

/// What all four kinds say of confidence maps.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reading {
    /// Network pixels a model pixel.
    pub(super) scale: f32,
    /// A weaker peak is no keypoint.
    pub(super) score_min: f32,
    /// Cells of the square over which a peak is averaged, an odd number; 0 leaves it on its cell.
    pub(super) patch: u32,
}

fn map(head: &Head, channel: usize) -> Map<'_> {
    Map { values: head.channel(channel), rows: head.shape[2], columns: head.shape[3] }
}

/// A keypoint in the camera's picture; `None` where no place came out.
fn keypoint(at: InModel, score: f32, letterbox: &Letterbox) -> Option<Keypoint> {
    let at = letterbox.camera_from_model(at);
    (at.is_finite() && !score.is_nan()).then_some(Keypoint { at, score: score.clamp(0.0, 1.0) })
}

/// Puts the centre of a pose where its keypoints are on average. False for a pose without keypoints, which is no
/// animal.
fn settle_centre(pose: &mut Pose) -> bool {
    let found = pose.keypoints.iter().flatten();
    let (count, x, y) = found.fold((0.0, 0.0, 0.0), |(n, x, y), one| (n + 1.0, x + one.at.x, y + one.at.y));
    (pose.centre.x, pose.centre.y) = (x / count, y / count);
    pose.centre.is_finite()
}

/// Puts a pose among the others by its score as it was found; the weakest gives way where there is no room.
fn add(poses: &mut Poses, mut pose: Pose) {
    pose.score = if pose.score.is_nan() { f32::NEG_INFINITY } else { pose.score };
    let place = poses.iter().position(|other| other.score < pose.score).unwrap_or(poses.len());
    if poses.is_full() {
        if place == poses.len() {
            return;
        }
        poses.pop();
    }
    // There is room, and the place is at most the end.
    let _ = poses.insert(place, pose);
}

/// The poses with scores from 0 to 1, once all are there.
fn told(mut poses: Poses) -> Poses {
    poses.iter_mut().for_each(|pose| pose.score = pose.score.clamp(0.0, 1.0));
    poses
}

/// Makes likelihoods of what may be anything: none below 0, together 1, all equal where they say nothing.
fn even_out(likely: &mut [f32]) {
    likely.iter_mut().for_each(|value| *value = if value.is_finite() { value.max(0.0) } else { 0.0 });
    let total: f32 = likely.iter().sum();
    let even = 1.0 / likely.len().max(1) as f32;
    let told = total.is_finite() && total > 0.0;
    likely.iter_mut().for_each(|value| *value = if told { *value / total } else { even });
}

/// How many channels speak of keypoints.
fn keypoints_of(layout: &Layout) -> usize {
    layout.shape[1].min(MAX_KEYPOINTS)
}

#[cfg(test)]
mod tests;
