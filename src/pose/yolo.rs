//! YOLO-pose heads (Ultralytics): a table of boxes with class scores and keypoints; of boxes that overlap the best one stays.
//!
//! Thresholds, the order of boxes and the arithmetic of the overlap follow Ultralytics' own non-maximum suppression with one label a
//! box, so that the same boxes stay. `models/convert/parity_yolo.py` holds both against each other.

use super::PoseError;
use crate::handover::{Keypoint, MAX_ANIMALS, MAX_KEYPOINTS, Pose, Poses};
use crate::infer::{Head, Heads};
use crate::model::Contract;
use crate::space::{InCamera, InModel, Letterbox};
use heapless::Vec as FixedVec;

/// Model pixels that boxes of one class lie apart from those of the next while overlaps are looked for.
const CLASS_APART: f32 = 7680.0;
/// x, y, width, height.
const BOX_VALUES: usize = 4;

/// The decoder's settings, where its head lies and the room to sort boxes in.
#[derive(Debug)]
pub(super) struct YoloPose {
    index: usize,
    shape: [usize; 4],
    classes: usize,
    identities: usize,
    keypoints: usize,
    limits: Limits,
    /// Boxes above the least score; as much room as there are boxes.
    candidates: Vec<Candidate>,
}

/// What counts: see `WrittenDecoder::YoloPose`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) score_min: f32,
    pub(super) overlap_max: f32,
    pub(super) across_classes: bool,
    pub(super) visibility: bool,
}

/// A box that may be an animal.
#[derive(Clone, Copy, Debug)]
struct Candidate {
    score: f32,
    class: u8,
    /// Its column in the head.
    column: u32,
}

/// Left, top, right, bottom, model pixels, moved by its class.
#[derive(Clone, Copy, Debug)]
struct Corners([f32; 4]);

impl YoloPose {
    pub(super) fn new(contract: &Contract, limits: Limits) -> Result<Self, PoseError> {
        let meaning = "detections";
        let missing = || PoseError::Output { model: contract.written.name.clone(), meaning };
        let (index, output) = contract.output(meaning).ok_or_else(missing)?;
        let identities = contract.written.identities.len().min(MAX_ANIMALS);
        Ok(Self {
            index,
            shape: output.shape,
            classes: identities.max(1),
            identities,
            keypoints: contract.written.keypoints.len().min(MAX_KEYPOINTS),
            limits,
            candidates: Vec::with_capacity(output.shape[3]),
        })
    }

    pub(super) fn read(&mut self, heads: &Heads, letterbox: &Letterbox) -> Poses {
        let Some(head) = heads.0.get(self.index).filter(|head| head.shape == self.shape) else { return Poses::new() };
        self.collect(head);
        let mut kept: FixedVec<Corners, MAX_ANIMALS> = FixedVec::new();
        let mut poses = Poses::new();
        for candidate in &self.candidates {
            let corners = self.corners(head, candidate);
            if kept.iter().any(|other| other.overlap(&corners) > self.limits.overlap_max) {
                continue;
            }
            let Some(pose) = self.pose(head, candidate, letterbox) else { continue };
            if kept.push(corners).is_err() || poses.push(pose).is_err() {
                break;
            }
        }
        poses
    }

    /// Boxes whose best class is above the least score, best first, ties in the head's order.
    fn collect(&mut self, head: &Head) {
        self.candidates.clear();
        for column in 0..self.shape[3] {
            let mut best = (f32::NEG_INFINITY, 0);
            for class in 0..self.classes {
                let score = value(head, BOX_VALUES + class, column);
                if score > best.0 || score.is_nan() {
                    best = (score, class as u8);
                }
            }
            // Not a number is above nothing. There is room for every column, so nothing is allocated.
            if best.0 > self.limits.score_min {
                self.candidates.push(Candidate { score: best.0, class: best.1, column: column as u32 });
            }
        }
        self.candidates.sort_unstable_by(|a, b| b.score.total_cmp(&a.score).then(a.column.cmp(&b.column)));
    }

    fn corners(&self, head: &Head, candidate: &Candidate) -> Corners {
        let [x, y, width, height] = std::array::from_fn(|row| value(head, row, candidate.column as usize));
        let apart = if self.limits.across_classes { 0.0 } else { f32::from(candidate.class) * CLASS_APART };
        Corners([x - width / 2.0, y - height / 2.0, x + width / 2.0, y + height / 2.0].map(|side| side + apart))
    }

    /// `None` where its box is nowhere.
    fn pose(&self, head: &Head, candidate: &Candidate, letterbox: &Letterbox) -> Option<Pose> {
        let column = candidate.column as usize;
        let score = candidate.score.clamp(0.0, 1.0);
        let centre = in_camera(value(head, 0, column), value(head, 1, column), letterbox)?;
        let mut pose = Pose { centre, score, ..Pose::default() };
        for (class, likely) in pose.identity.iter_mut().enumerate().take(self.identities) {
            *likely = value(head, BOX_VALUES + class, column).clamp(0.0, 1.0);
        }
        even_out(&mut pose.identity[..self.identities]);
        let values = if self.limits.visibility { 3 } else { 2 };
        for (k, keypoint) in pose.keypoints.iter_mut().enumerate().take(self.keypoints) {
            let row = BOX_VALUES + self.classes + k * values;
            let score = if self.limits.visibility { value(head, row + 2, column) } else { score };
            let at = in_camera(value(head, row, column), value(head, row + 1, column), letterbox);
            *keypoint = at.filter(|_| !score.is_nan()).map(|at| Keypoint { at, score: score.clamp(0.0, 1.0) });
        }
        Some(pose)
    }
}

impl Corners {
    /// Intersection over union; not a number for two boxes without area.
    fn overlap(&self, other: &Self) -> f32 {
        let (a, b) = (&self.0, &other.0);
        let area = |c: &[f32; 4]| (c[2] - c[0]) * (c[3] - c[1]);
        let width = (a[2].min(b[2]) - a[0].max(b[0])).max(0.0);
        let height = (a[3].min(b[3]) - a[1].max(b[1])).max(0.0);
        let shared = width * height;
        shared / (area(a) + area(b) - shared)
    }
}

/// Camera pixels with the numbers that Ultralytics gives, which are those of the labels it learned from. It scales pictures from
/// their corner, so the half pixel goes off before the map and comes back after it.
fn in_camera(x: f32, y: f32, letterbox: &Letterbox) -> Option<InCamera> {
    let at = letterbox.camera_from_model(InModel { x: x - 0.5, y: y - 0.5 });
    let at = InCamera { x: at.x + 0.5, y: at.y + 0.5 };
    at.is_finite().then_some(at)
}

/// Makes class scores sum to 1; all equal where they say nothing.
fn even_out(likely: &mut [f32]) {
    let total: f32 = likely.iter().sum();
    let even = 1.0 / likely.len().max(1) as f32;
    let told = total.is_finite() && total > 0.0;
    likely.iter_mut().for_each(|value| *value = if told { *value / total } else { even });
}

/// One value of the table; not a number outside it.
fn value(head: &Head, row: usize, column: usize) -> f32 {
    head.channel(row).get(column).copied().unwrap_or(f32::NAN)
}

#[cfg(test)]
mod tests;
