//! Heatmap heads of one animal: each keypoint is where its heatmap is highest, moved by the location refinement told there.
//!
//! This is how DeepLabCut reads its own single-animal networks (Mathis et al. 2018, doi:10.1038/s41593-018-0209-y); the answers
//! of its package stand in `tests/data/import/`.

use super::PoseError;
use crate::handover::{Keypoint, MAX_KEYPOINTS, Pose, Poses};
use crate::infer::{Head, Heads};
use crate::model::Contract;
use crate::space::{InCamera, InModel, Letterbox};

/// The decoder's settings and where its heads lie.
#[derive(Debug)]
pub(super) struct Heatmap {
    heatmaps: Place,
    /// `None` for a network without location refinement.
    refinement: Option<Place>,
    stride: f32,
    locref_stdev: f32,
    score_min: f32,
    identities: usize,
}

/// One output: its place among the heads and its shape.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    index: usize,
    pub(super) shape: [usize; 4],
}

impl Place {
    /// Where the output of this meaning lies, and its stride.
    pub(super) fn of(contract: &Contract, meaning: &str) -> Option<(Self, f32)> {
        let (index, output) = contract.output(meaning)?;
        Some((Self { index, shape: output.shape }, output.stride as f32))
    }

    /// The same, where the decoder cannot do without.
    pub(super) fn needed(contract: &Contract, meaning: &'static str) -> Result<(Self, f32), PoseError> {
        let model = || contract.written.name.clone();
        Self::of(contract, meaning).ok_or_else(|| PoseError::Output { model: model(), meaning })
    }

    /// The head, if it has the shape that was declared.
    pub(super) fn head<'h>(&self, heads: &'h Heads) -> Option<&'h Head> {
        heads.0.get(self.index).filter(|head| head.shape == self.shape)
    }
}

impl Heatmap {
    /// See `WrittenDecoder::HeatmapLocref` for the settings.
    pub(super) fn new(contract: &Contract, score_min: f32, locref_stdev: f32) -> Result<Self, PoseError> {
        let (heatmaps, stride) = Place::needed(contract, "heatmaps")?;
        let refinement = if locref_stdev > 0.0 { Some(Place::needed(contract, "locref")?.0) } else { None };
        let identities = contract.written.identities.len();
        Ok(Self { heatmaps, refinement, stride, locref_stdev, score_min, identities })
    }

    pub(super) fn read(&self, heads: &Heads, letterbox: &Letterbox) -> Poses {
        let mut poses = Poses::new();
        let Some(heatmaps) = self.heatmaps.head(heads) else { return poses };
        let refinement = match self.refinement {
            Some(place) => match place.head(heads) {
                Some(head) => Some(head),
                None => return poses,
            },
            None => None,
        };
        let mut pose = Pose::default();
        pose.identity.iter_mut().take(self.identities).for_each(|likely| *likely = 1.0 / self.identities as f32);
        let count = self.heatmaps.shape[1].min(MAX_KEYPOINTS);
        for (k, keypoint) in pose.keypoints.iter_mut().enumerate().take(count) {
            *keypoint = self
                .place(heatmaps.channel(k), refinement, k)
                .map(|(at, score)| Keypoint { at: letterbox.camera_from_model(at), score });
        }
        pose.score = pose.keypoints.iter().flatten().map(|keypoint| keypoint.score).sum::<f32>() / count.max(1) as f32;
        let Some(centre) = middle(&pose) else { return poses };
        pose.centre = centre;
        if pose.score >= self.score_min {
            // An empty list has room for one.
            let _ = poses.push(pose);
        }
        poses
    }

    /// Where one keypoint is, model pixels, and its score; `None` where the maps hold no usable number.
    fn place(&self, heatmap: &[f32], refinement: Option<&Head>, k: usize) -> Option<(InModel, f32)> {
        let mut best: Option<(usize, f32)> = None;
        for (cell, value) in heatmap.iter().copied().enumerate() {
            if value > best.map_or(f32::NEG_INFINITY, |(_, most)| most) {
                best = Some((cell, value));
            }
        }
        let (cell, score) = best?;
        let columns = self.heatmaps.shape[3].max(1);
        let moved = |axis: usize| {
            let told = refinement.and_then(|head| head.channel(2 * k + axis).get(cell)).copied().unwrap_or(0.0);
            told * self.locref_stdev
        };
        let at = InModel {
            x: (cell % columns) as f32 * self.stride + 0.5 * self.stride + moved(0),
            y: (cell / columns) as f32 * self.stride + 0.5 * self.stride + moved(1),
        };
        usable(at).then_some((at, score.clamp(0.0, 1.0)))
    }
}

/// Neither coordinate is NaN, infinite or so large that what is computed from it would be.
pub(super) fn usable(at: InModel) -> bool {
    at.x.abs() < 1e6 && at.y.abs() < 1e6
}

/// The mean of the keypoints, weighted by their scores; `None` without any.
pub(super) fn middle(pose: &Pose) -> Option<InCamera> {
    let keypoints = || pose.keypoints.iter().flatten();
    let mut sum = (0.0, 0.0, 0.0);
    for keypoint in keypoints() {
        // A little weight for all, so that scores of 0 do not leave the animal without a place.
        let weight = keypoint.score + 1e-6;
        sum = (sum.0 + weight, sum.1 + weight * keypoint.at.x, sum.2 + weight * keypoint.at.y);
    }
    let centre = InCamera { x: sum.1 / sum.0, y: sum.2 / sum.0 };
    centre.is_finite().then_some(centre)
}

#[cfg(test)]
mod tests;
