//! How far the keypoints of poses lie from the truth: RMSE, PCK, OKS mAP.

use super::film::{Film, FilmFrame, GivenPose};
use super::fit::Fitted;
use super::names::share;
use super::oks::{AveragePrecision, Oks};
use crate::handover::Pose;
use std::collections::BTreeMap;

/// A keypoint further off than this was not found, pixels.
const FOUND_PX: f64 = 15.0;
/// PCK is told within these shares of the body length.
const PCK: [f64; 3] = [0.05, 0.1, 0.2];

/// Figures of keypoints. All are of keypoints in view, of animals in view, and of the pose that is the animal's whatever its name.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize)]
pub struct Points {
    /// Keypoints in view.
    pub visible: u64,
    /// Those that were given a place, and told as seen.
    pub given: u64,
    /// Root of the mean squared distance of those given, pixels.
    pub rmse_px: Option<f64>,
    /// The same of those within 15 px.
    pub rmse_within_15_px: Option<f64>,
    /// Share of those in view that are given within 15 px, 0 to 1.
    pub recall_15_px: Option<f64>,
    /// Share of those in view within 0.05, 0.1 and 0.2 body lengths; one that is not given is not.
    pub pck: [Option<f64>; 3],
    /// The same of those given.
    pub pck_of_given: [Option<f64>; 3],
    /// RMSE of each keypoint by name, pixels.
    pub rmse_px_by_keypoint: BTreeMap<String, Option<f64>>,
    /// Keypoints in view that were told as predicted, and their RMSE; they are in no other figure here.
    pub predicted: u64,
    /// See `predicted`.
    pub predicted_rmse_px: Option<f64>,
    /// Mean average precision of object keypoint similarity, COCO's way, 0 to 1.
    pub oks_map: Option<f64>,
}

/// Gathers keypoints frame by frame.
pub(super) struct Pointing {
    precision: AveragePrecision,
    keypoints: Vec<(u64, f64)>,
    visible: u64,
    found: (u64, f64),
    within: [u64; PCK.len()],
    predicted: (u64, f64),
}

impl Pointing {
    pub(super) fn new(film: &Film) -> Self {
        Self {
            precision: AveragePrecision::new(Oks::new(&film.keypoints)),
            keypoints: vec![(0, 0.0); film.keypoints.len()],
            visible: 0,
            found: (0, 0.0),
            within: [0; PCK.len()],
            predicted: (0, 0.0),
        }
    }

    pub(super) fn add(&mut self, frame: &FilmFrame, fitted: &Fitted, body_length_px: f64) {
        let poses: Vec<Pose> = frame.poses.iter().map(seen_pose).collect();
        self.precision.add(&frame.truth, &poses);
        for animal in &fitted.animals {
            let Some(truth) = frame.truth.get(*animal) else { continue };
            self.visible += truth.seen() as u64;
            let pose = fitted.pose_of.get(*animal).copied().flatten().and_then(|pose| frame.poses.get(pose));
            let Some(pose) = pose else { continue };
            for ((point, given), sums) in truth.points.iter().zip(&pose.points).zip(&mut self.keypoints) {
                let (Some(at), Some(given)) = (point.seen(), given) else { continue };
                let away = f64::from(given.keypoint.at.distance(at));
                let add = |sums: &mut (u64, f64)| *sums = (sums.0 + 1, away.mul_add(away, sums.1));
                if !given.seen {
                    add(&mut self.predicted);
                    continue;
                }
                add(sums);
                if away <= FOUND_PX {
                    add(&mut self.found);
                }
                for (within, share) in self.within.iter_mut().zip(PCK) {
                    *within += u64::from(away <= share * body_length_px);
                }
            }
        }
    }

    pub(super) fn figures(&self, film: &Film) -> Points {
        let (given, squares) = self.keypoints.iter().fold((0, 0.0), |all, one| (all.0 + one.0, all.1 + one.1));
        let by_name = film.keypoints.iter().cloned().zip(self.keypoints.iter().map(|sums| root_mean(*sums)));
        Points {
            visible: self.visible,
            given,
            rmse_px: root_mean((given, squares)),
            rmse_within_15_px: root_mean(self.found),
            recall_15_px: share(self.found.0, self.visible),
            pck: self.within.map(|within| share(within, self.visible)),
            pck_of_given: self.within.map(|within| share(within, given)),
            rmse_px_by_keypoint: by_name.collect(),
            predicted: self.predicted.0,
            predicted_rmse_px: root_mean(self.predicted),
            oks_map: self.precision.mean(),
        }
    }
}

fn root_mean((count, squares): (u64, f64)) -> Option<f64> {
    (count > 0).then(|| (squares / count as f64).sqrt())
}

/// With the keypoints told as seen; as sure as these are on average.
fn seen_pose(given: &GivenPose) -> Pose {
    let mut pose = Pose::default();
    let (mut sum, mut count) = (0.0, 0.0);
    for (cell, point) in pose.keypoints.iter_mut().zip(&given.points) {
        *cell = point.filter(|point| point.seen).map(|point| point.keypoint);
        if let Some(keypoint) = cell {
            sum += keypoint.score;
            count += 1.0;
        }
    }
    pose.score = if count > 0.0 { sum / count } else { 0.0 };
    pose
}

#[cfg(test)]
mod tests {
    use super::super::fit::fit;
    use super::super::made::{KEYPOINTS, animal, film, pose};
    use super::*;

    fn figures(offsets: [f32; 3], seen: [bool; 3]) -> Points {
        let mut given = pose(Some(0), 0.0);
        for ((point, offset), seen) in given.points.iter_mut().zip(offsets).zip(seen) {
            let point = point.as_mut().expect("a point");
            point.keypoint.at.y += offset;
            point.seen = seen;
        }
        // The second animal is in view and was not found.
        let film = film(2, vec![(vec![animal(0, 0.0), animal(1, 500.0)], vec![given])]);
        let mut pointing = Pointing::new(&film);
        pointing.add(&film.frames[0], &fit(&film.frames[0], 100.0), 100.0);
        pointing.figures(&film)
    }

    #[test]
    fn what_lies_near_enough_is_found() {
        let got = figures([0.0, 8.0, 20.0], [true; 3]);
        assert_eq!((got.visible, got.given), (6, 3));
        assert_eq!((got.rmse_px, got.rmse_within_15_px), (Some((464.0_f64 / 3.0).sqrt()), Some(32.0_f64.sqrt())));
        assert_eq!(got.pck, [Some(1.0 / 6.0), Some(2.0 / 6.0), Some(0.5)]);
        assert_eq!((got.pck_of_given[0], got.recall_15_px), (Some(1.0 / 3.0), Some(2.0 / 6.0)));
        assert_eq!(got.rmse_px_by_keypoint[KEYPOINTS[2]], Some(20.0));
    }

    #[test]
    fn a_predicted_place_is_no_finding() {
        let got = figures([0.0, 3.0, 0.0], [true, false, true]);
        assert_eq!((got.given, got.rmse_px, got.predicted, got.predicted_rmse_px), (2, Some(0.0), 1, Some(3.0)));
    }
}
