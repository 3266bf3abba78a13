//! One animal: each keypoint is the highest place of its own confidence map.

use super::{Layout, Reading, add, keypoint, keypoints_of, map, settle_centre, told};
use crate::handover::{Pose, Poses};
use crate::infer::Heads;
use crate::model::Contract;
use crate::pose::PoseError;
use crate::space::{InModel, Letterbox};

/// See `WrittenDecoder::ConfidenceMaps`.
#[derive(Clone, Debug)]
pub(in crate::pose) struct ConfidenceMaps {
    keypoints: Layout,
    reading: Reading,
}

impl ConfidenceMaps {
    pub(in crate::pose) fn new(contract: &Contract, reading: Reading) -> Result<Self, PoseError> {
        Ok(Self { keypoints: Layout::needed(contract, "keypoints")?, reading })
    }

    /// One pose, or none where no map has a peak. Its score is the mean of its keypoints', those not found counting 0.
    pub(in crate::pose) fn read(&self, heads: &Heads, letterbox: &Letterbox) -> Poses {
        let mut poses = Poses::new();
        let Some(head) = self.keypoints.head(heads) else { return poses };
        let Reading { scale, score_min, patch } = self.reading;
        let place = |cell: f32| cell * self.keypoints.stride / scale;
        let count = keypoints_of(&self.keypoints);
        let (mut pose, mut sum) = (Pose::default(), 0.0);
        for (k, slot) in pose.keypoints.iter_mut().enumerate().take(count) {
            let Some(peak) = map(head, k).highest(score_min, patch) else { continue };
            *slot = keypoint(InModel { x: place(peak.x), y: place(peak.y) }, peak.score, letterbox);
            sum += peak.score;
        }
        if settle_centre(&mut pose) {
            pose.score = sum / count as f32;
            add(&mut poses, pose);
        }
        told(poses)
    }
}
