//! Object keypoint similarity and the average precision over it, as COCO's keypoint evaluation defines both.

use super::{TrueAnimal, TruePoint};
use crate::handover::Pose;

/// Thresholds of similarity that the average precision is the mean over: 0.50, 0.55, … 0.95.
const THRESHOLDS: [f64; 10] = [0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95];
/// Precision is read at this many recalls, evenly from 0 to 1.
const RECALLS: usize = 101;
/// How far two people's labels of one keypoint lie apart (one standard deviation), as a share of the animal's size. COCO's own
/// figures, measured on people, go from 0.025 (eyes) to 0.107 (hips): a mouse's ears, flanks and tail base lie in between.
const SIGMA_BODY: f64 = 0.05;
/// A tail has no landmark along it, and its tip is thin: labels slide along it. DeepLabCut's evaluation takes this for all keypoints.
const SIGMA_TAIL: f64 = 0.1;
/// The animal's box is taken to be at least this wide for its length: one that lies along the picture's edge has no less of a body.
const BOX_MIN: f64 = 1.0 / 3.0;

/// Similarity of poses to animals with one list of keypoints.
#[derive(Clone, Debug)]
pub struct Oks {
    /// `2 σ` of each keypoint: COCO's kappa.
    kappas: Vec<f64>,
}

impl Oks {
    /// For keypoints of these names: those of a tail (`T_…` or with `tail` in them) beyond its base are the less exact ones.
    pub fn new(keypoints: &[String]) -> Self {
        let sigmas: Vec<_> = keypoints.iter().map(|name| sigma(name)).collect();
        Self::with_sigmas(&sigmas)
    }

    /// With a standard deviation for each keypoint, as a share of the animal's size.
    pub fn with_sigmas(sigmas: &[f64]) -> Self {
        Self { kappas: sigmas.iter().map(|sigma| 2.0 * sigma).collect() }
    }

    /// 1 for a perfect fit, towards 0 for none: the mean over the keypoints in view of `exp(-d² / (2 s² κ²))`, `s²` being
    /// the size that its box gives. A keypoint that the pose lacks counts 0. `None` for an animal of which nothing is in view.
    pub fn similarity(&self, truth: &TrueAnimal, pose: &Pose) -> Option<f64> {
        let area = area(truth);
        let (mut sum, mut count) = (0.0, 0);
        for ((point, found), kappa) in truth.points.iter().zip(&pose.keypoints).zip(&self.kappas) {
            let Some(at) = point.seen() else { continue };
            count += 1;
            if let Some(found) = found {
                let (dx, dy) = (f64::from(found.at.x - at.x), f64::from(found.at.y - at.y));
                sum += (-(dx * dx + dy * dy) / (2.0 * kappa * kappa * (area + f64::EPSILON))).exp();
            }
        }
        (count > 0).then(|| sum / f64::from(count))
    }
}

fn sigma(keypoint: &str) -> f64 {
    if is_tail(keypoint) { SIGMA_TAIL } else { SIGMA_BODY }
}

/// A keypoint of the tail beyond its base.
pub(super) fn is_tail(keypoint: &str) -> bool {
    let name = keypoint.to_ascii_lowercase();
    (name.starts_with("t_") || name.contains("tail")) && !name.contains("base")
}

/// The square of the animal's size: the area of the box around its known keypoints, square pixels, at least 1.
fn area(truth: &TrueAnimal) -> f64 {
    let places = || truth.points.iter().copied().filter_map(TruePoint::place);
    let side = |of: fn(crate::space::InCamera) -> f32| {
        let (low, high) = places().map(of).fold((f32::MAX, f32::MIN), |(low, high), at| (low.min(at), high.max(at)));
        f64::from(high - low).max(0.0)
    };
    let (width, height) = (side(|at| at.x), side(|at| at.y));
    (width.max(height * BOX_MIN) * height.max(width * BOX_MIN)).max(1.0)
}

/// What became of one pose at one threshold.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Outcome {
    /// It is an animal.
    Right,
    /// It is none.
    Wrong,
    /// It is an animal that nobody is asked for.
    Ignored,
}

/// Mean average precision over the thresholds, gathered frame by frame.
#[derive(Clone, Debug)]
pub struct AveragePrecision {
    oks: Oks,
    animals: usize,
    poses: Vec<(f32, [Outcome; THRESHOLDS.len()])>,
}

impl AveragePrecision {
    /// Nothing gathered yet.
    pub fn new(oks: Oks) -> Self {
        Self { oks, animals: 0, poses: Vec::new() }
    }

    /// Adds one frame. Animals that do not count are neither missed nor wrongly found.
    pub fn add(&mut self, truth: &[TrueAnimal], poses: &[Pose]) {
        let mut animals: Vec<&TrueAnimal> = truth.iter().filter(|animal| animal.seen() > 0).collect();
        animals.sort_by_key(|animal| !animal.counts());
        let asked = animals.iter().filter(|animal| animal.counts()).count();
        self.animals += asked;
        let mut order: Vec<&Pose> = poses.iter().collect();
        order.sort_by(|a, b| b.score.total_cmp(&a.score));
        let fits: Vec<Vec<f64>> = order
            .iter()
            .map(|pose| animals.iter().map(|animal| self.oks.similarity(animal, pose).unwrap_or(0.0)).collect())
            .collect();
        let first = self.poses.len();
        self.poses.extend(order.iter().map(|pose| (pose.score, [Outcome::Wrong; THRESHOLDS.len()])));
        for (t, threshold) in THRESHOLDS.iter().enumerate() {
            let mut taken = vec![false; animals.len()];
            for (fit, (_, outcomes)) in fits.iter().zip(&mut self.poses[first..]) {
                if let Some(animal) = best(fit, &taken, asked, *threshold) {
                    taken[animal] = true;
                    outcomes[t] = if animal < asked { Outcome::Right } else { Outcome::Ignored };
                }
            }
        }
    }

    /// The mean over the thresholds, 0 to 1; `None` before the first animal.
    pub fn mean(&self) -> Option<f64> {
        if self.animals == 0 {
            return None;
        }
        let sum: f64 = (0..THRESHOLDS.len()).map(|t| self.at(t)).sum();
        Some(sum / THRESHOLDS.len() as f64)
    }

    /// Average precision at the threshold of index `t`: the precision at 101 recalls, each the best at that recall or beyond.
    fn at(&self, t: usize) -> f64 {
        let mut poses: Vec<_> = self.poses.iter().map(|(score, outcomes)| (*score, outcomes[t])).collect();
        poses.sort_by(|a, b| b.0.total_cmp(&a.0));
        let (mut right, mut wrong) = (0.0, 0.0);
        let mut curve = Vec::new();
        for (_, outcome) in poses {
            match outcome {
                Outcome::Right => right += 1.0,
                Outcome::Wrong => wrong += 1.0,
                Outcome::Ignored => continue,
            }
            curve.push((right / self.animals as f64, right / (right + wrong)));
        }
        let mut best = 0.0_f64;
        for (_, precision) in curve.iter_mut().rev() {
            best = best.max(*precision);
            *precision = best;
        }
        let at = |step: usize| {
            let recall = step as f64 / (RECALLS - 1) as f64;
            let place = curve.partition_point(|(reached, _)| *reached < recall);
            curve.get(place).map_or(0.0, |(_, precision)| *precision)
        };
        (0..RECALLS).map(at).sum::<f64>() / RECALLS as f64
    }
}

/// The free animal that a pose fits best at this threshold; one that is asked for goes before one that is not, the later of equals.
fn best(fit: &[f64], taken: &[bool], asked: usize, threshold: f64) -> Option<usize> {
    let mut found: Option<(usize, f64)> = None;
    for (index, similarity) in fit.iter().enumerate() {
        if taken.get(index).copied().unwrap_or(true) || *similarity < found.map_or(threshold, |(_, best)| best) {
            continue;
        }
        if index >= asked && found.is_some_and(|(found, _)| found < asked) {
            break;
        }
        found = Some((index, *similarity));
    }
    found.map(|(index, _)| index)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::handover::Keypoint;
    use crate::space::InCamera;

    /// A frame of the golden case: `tests/data/eval/make.py` says how the figures were made.
    #[derive(serde::Deserialize)]
    struct Case {
        sigmas: Vec<f64>,
        frames: Vec<Frame>,
        mean_average_precision: f64,
        similarities: Vec<f64>,
    }

    #[derive(serde::Deserialize)]
    struct Frame {
        animals: Vec<Vec<[f32; 3]>>,
        poses: Vec<(f32, Vec<[f32; 2]>)>,
    }

    fn animal(points: &[[f32; 3]]) -> TrueAnimal {
        let point = |[x, y, known]: &[f32; 3]| match *known as u8 {
            0 => TruePoint::Unknown,
            1 => TruePoint::Covered(InCamera { x: *x, y: *y }),
            _ => TruePoint::Seen(InCamera { x: *x, y: *y }),
        };
        TrueAnimal { identity: None, points: points.iter().map(point).collect() }
    }

    fn pose(score: f32, points: &[[f32; 2]]) -> Pose {
        let mut pose = Pose { score, ..Pose::default() };
        for (keypoint, [x, y]) in pose.keypoints.iter_mut().zip(points) {
            *keypoint = Some(Keypoint { at: InCamera { x: *x, y: *y }, score: 1.0 });
        }
        pose
    }

    #[test]
    fn figures_are_those_of_pycocotools() {
        let case: Case = serde_json::from_str(include_str!("../../tests/data/eval/oks.json")).expect("the golden case");
        let oks = Oks::with_sigmas(&case.sigmas);
        let mut precision = AveragePrecision::new(oks.clone());
        let mut similarities = Vec::new();
        for frame in &case.frames {
            let animals: Vec<_> = frame.animals.iter().map(|points| animal(points)).collect();
            let poses: Vec<_> = frame.poses.iter().map(|(score, points)| pose(*score, points)).collect();
            precision.add(&animals, &poses);
            for pose in &poses {
                similarities.extend(animals.iter().filter_map(|animal| oks.similarity(animal, pose)));
            }
        }
        assert_eq!(similarities.len(), case.similarities.len());
        for (got, expected) in similarities.iter().zip(&case.similarities) {
            assert!((got - expected).abs() < 1e-8, "similarity {got}, not {expected}");
        }
        let got = precision.mean().expect("animals");
        assert!((got - case.mean_average_precision).abs() < 1e-12, "{got}, not {}", case.mean_average_precision);
    }

    #[test]
    fn an_animal_along_an_axis_still_has_a_size() {
        let along = animal(&[[0.0, 0.0, 2.0], [90.0, 0.0, 2.0]]);
        assert_eq!(area(&along), 90.0 * 30.0);
    }

    #[test]
    fn a_keypoint_that_is_not_found_counts_nothing() {
        let truth = animal(&[[0.0, 0.0, 2.0], [30.0, 30.0, 2.0]]);
        let mut half = pose(1.0, &[[0.0, 0.0]]);
        assert_eq!(Oks::with_sigmas(&[0.05; 2]).similarity(&truth, &half), Some(0.5));
        half.keypoints[0] = None;
        assert_eq!(Oks::with_sigmas(&[0.05; 2]).similarity(&truth, &half), Some(0.0));
    }

    #[test]
    fn without_animals_there_is_no_figure() {
        let mut precision = AveragePrecision::new(Oks::with_sigmas(&[0.05]));
        precision.add(&[], &[pose(1.0, &[[0.0, 0.0]])]);
        assert_eq!(precision.mean(), None);
    }
}
