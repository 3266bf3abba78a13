//! Bottom-up with identities: a map for each class says whose each peak is.

use super::matching::{Costs, match_least};
use super::peaks::Peak;
use super::{Layout, Reading, add, even_out, keypoint, keypoints_of, map, settle_centre, told};
use crate::handover::{MAX_ANIMALS, Pose, Poses};
use crate::infer::{Head, Heads};
use crate::model::Contract;
use crate::pose::PoseError;
use crate::space::{InModel, Letterbox};

/// See `WrittenDecoder::ClassMaps`.
#[derive(Clone, Debug)]
pub(in crate::pose) struct ClassMaps {
    keypoints: Layout,
    classes: Layout,
    reading: Reading,
}

/// The animal of one class while it is being read.
#[derive(Clone, Default)]
struct Member {
    pose: Pose,
    found: usize,
}

impl ClassMaps {
    pub(in crate::pose) fn new(contract: &Contract, reading: Reading) -> Result<Self, PoseError> {
        let [keypoints, classes] = ["keypoints", "identity"].map(|meaning| Layout::needed(contract, meaning));
        Ok(Self { keypoints: keypoints?, classes: classes?, reading })
    }

    /// At most one pose a class; its score is the mean of its keypoints', its identity the mean of what the maps say
    /// there.
    pub(in crate::pose) fn read(&self, heads: &Heads, letterbox: &Letterbox) -> Poses {
        let mut poses = Poses::new();
        let (Some(keypoints), Some(classes)) = (self.keypoints.head(heads), self.classes.head(heads)) else {
            return poses;
        };
        let mut members: [Member; MAX_ANIMALS] = Default::default();
        for k in 0..keypoints_of(&self.keypoints) {
            self.share_out(k, map(keypoints, k), classes, &mut members, letterbox);
        }
        let count = self.class_count();
        for Member { mut pose, found } in members {
            if found > 0 && settle_centre(&mut pose) {
                pose.score /= found as f32;
                even_out(&mut pose.identity[..count]);
                add(&mut poses, pose);
            }
        }
        told(poses)
    }

    fn class_count(&self) -> usize {
        self.classes.shape[1].min(MAX_ANIMALS)
    }

    /// Gives the peaks of one keypoint to the classes: the pairs that are likeliest in all, of these those where the
    /// peak has no likelier class.
    fn share_out(&self, k: usize, peaks: super::Map, classes: &Head, members: &mut [Member], letterbox: &Letterbox) {
        let Reading { scale, score_min, patch } = self.reading;
        let peaks = peaks.peaks(score_min, patch);
        let mut costs = Costs::new(peaks.len(), self.class_count());
        for (row, peak) in peaks.iter().enumerate() {
            for class in 0..self.class_count() {
                costs.set(row, class, -self.likely(classes, class, peak));
            }
        }
        for (row, class) in match_least(&costs) {
            let (Some(peak), Some(member)) = (peaks.get(row), members.get_mut(class)) else { continue };
            let best = (0..self.class_count()).map(|class| costs.get(row, class)).fold(f32::INFINITY, f32::min);
            let place = |cell: f32| cell * self.keypoints.stride / scale;
            let at = keypoint(InModel { x: place(peak.x), y: place(peak.y) }, peak.score, letterbox);
            let (Some(at), true) = (at, costs.get(row, class) == best) else { continue };
            member.pose.score += peak.score;
            member.pose.keypoints[k] = Some(at);
            member.found += 1;
            for (class, sum) in member.pose.identity.iter_mut().enumerate().take(self.class_count()) {
                *sum -= costs.get(row, class);
            }
        }
    }

    fn likely(&self, classes: &Head, class: usize, peak: &Peak) -> f32 {
        let place = |cell: f32| cell * self.keypoints.stride / self.classes.stride;
        map(classes, class).nearest(place(peak.x), place(peak.y))
    }
}
