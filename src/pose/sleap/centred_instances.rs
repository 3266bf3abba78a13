//! Top-down: the network has found the animals, cut each out and looked at the cuttings one by one.

use super::{Layout, Reading, add, even_out, keypoint, keypoints_of, map, settle_centre, told};
use crate::handover::{MAX_ANIMALS, Pose, Poses};
use crate::infer::{Head, Heads};
use crate::model::Contract;
use crate::pose::PoseError;
use crate::space::{InModel, Letterbox};

/// See `WrittenDecoder::CentredInstances`.
#[derive(Clone, Debug)]
pub(in crate::pose) struct CentredInstances {
    keypoints: Layout,
    centroids: Layout,
    identity: Option<Layout>,
    reading: Reading,
    crop: Crop,
}

/// How the network cuts animals out.
#[derive(Clone, Copy, Debug)]
pub(in crate::pose) struct Crop {
    /// A weaker centroid is no animal.
    pub(in crate::pose) centroid_min: f32,
    /// Width and height, model pixels.
    pub(in crate::pose) size: (u32, u32),
}

impl CentredInstances {
    pub(in crate::pose) fn new(contract: &Contract, reading: Reading, crop: Crop) -> Result<Self, PoseError> {
        Ok(Self {
            keypoints: Layout::needed(contract, "keypoints")?,
            centroids: Layout::needed(contract, "centroids")?,
            identity: Layout::find(contract, "identity"),
            reading,
            crop,
        })
    }

    /// One pose for each centroid with at least one keypoint; its score is the centroid's.
    pub(in crate::pose) fn read(&self, heads: &Heads, letterbox: &Letterbox) -> Poses {
        let mut poses = Poses::new();
        let (Some(keypoints), Some(centroids)) = (self.keypoints.head(heads), self.centroids.head(heads)) else {
            return poses;
        };
        let identity = self.identity.and_then(|layout| layout.head(heads));
        for (index, row) in centroids.channel(0).chunks_exact(3).enumerate().take(MAX_ANIMALS) {
            let &[x, y, score] = row else { continue };
            // Two cells of equal height side by side come as two centroids of one animal.
            let again = centroids
                .channel(0)
                .chunks_exact(3)
                .take(index)
                .any(|other| other[2] == score && (other[0] - x).hypot(other[1] - y) < 2.0 * self.centroids.stride);
            if score > self.crop.centroid_min && x.is_finite() && y.is_finite() && !again {
                let mut pose = self.cutting(keypoints, index, InModel { x, y }, letterbox);
                let found = settle_centre(&mut pose);
                (pose.score, pose.centre) = (score, letterbox.camera_from_model(InModel { x, y }));
                pose.identity = self.who(identity, index);
                if found {
                    add(&mut poses, pose);
                }
            }
        }
        told(poses)
    }

    /// What one cutting shows.
    fn cutting(&self, keypoints: &Head, index: usize, centroid: InModel, letterbox: &Letterbox) -> Pose {
        let Reading { scale, score_min, patch } = self.reading;
        let corner = |centre: f32, size: u32| centre - size as f32 / 2.0 + 0.5;
        let (left, top) = (corner(centroid.x, self.crop.size.0), corner(centroid.y, self.crop.size.1));
        let place = |cell: f32| cell * self.keypoints.stride / scale;
        let count = keypoints_of(&self.keypoints);
        let mut pose = Pose::default();
        for (k, slot) in pose.keypoints.iter_mut().enumerate().take(count) {
            let channel = index * self.keypoints.shape[1] + k;
            let Some(peak) = map(keypoints, channel).highest(score_min, patch) else { continue };
            let at = InModel { x: left + place(peak.x), y: top + place(peak.y) };
            *slot = keypoint(at, peak.score, letterbox);
        }
        pose
    }

    fn who(&self, identity: Option<&Head>, index: usize) -> [f32; MAX_ANIMALS] {
        let mut likely = [0.0; MAX_ANIMALS];
        if let Some(head) = identity {
            let classes = head.shape[3].min(MAX_ANIMALS);
            for (class, value) in likely.iter_mut().enumerate().take(classes) {
                *value = head.values.get(index * head.shape[3] + class).copied().unwrap_or(0.0);
            }
            even_out(&mut likely[..classes]);
        }
        likely
    }
}
