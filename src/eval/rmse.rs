//! How far keypoints lie from the truth, how many are found, and how many animals get their own name.

use super::{TrueAnimal, TruePoint};
use crate::handover::{Identity, MAX_KEYPOINTS, Pose};

/// A pose whose keypoints lie further than this from an animal's on average is not that animal's, pixels.
const MATCH_PX: f32 = 40.0;
/// A keypoint further off than this was not found, pixels.
const FOUND_PX: f32 = 15.0;
/// Keypoints below this score are missing: the tracker's default.
const KEYPOINT_SCORE_MIN: f32 = 0.5;

/// Which pose is which animal's: indexes of animal and pose, nearest pairs first, each at most once. The distance is the mean over
/// the keypoints that are in view and that the pose has; animals that do not count get none.
pub fn pairs(truth: &[TrueAnimal], poses: &[Pose]) -> Vec<(usize, usize)> {
    let mut near = Vec::new();
    for (a, animal) in truth.iter().enumerate().filter(|(_, animal)| animal.counts()) {
        for (p, pose) in poses.iter().enumerate() {
            if let Some(away) = apart(animal, pose).filter(|away| *away <= MATCH_PX) {
                near.push((away, a, p));
            }
        }
    }
    near.sort_by(|x, y| x.0.total_cmp(&y.0));
    let mut pairs: Vec<(usize, usize)> = Vec::new();
    for (_, a, p) in near {
        if pairs.iter().all(|pair| pair.0 != a && pair.1 != p) {
            pairs.push((a, p));
        }
    }
    pairs
}

fn apart(animal: &TrueAnimal, pose: &Pose) -> Option<f32> {
    let both = animal.points.iter().zip(&pose.keypoints);
    let (sum, count) = both
        .filter_map(|(point, found)| Some(found.as_ref()?.at.distance(point.seen()?)))
        .fold((0.0, 0.0), |(sum, count), away| (sum + away, count + 1.0));
    (count > 0.0).then(|| sum / count)
}

/// Sums over frames. `identities` animals have names; 0 for a model without.
#[derive(Clone, Debug, Default)]
pub struct Fit {
    identities: usize,
    /// By keypoint: squared distances, and how many, of those in view that were given a place.
    squares: [f64; MAX_KEYPOINTS],
    given: [u64; MAX_KEYPOINTS],
    /// The same of those found, all keypoints together.
    found_squares: f64,
    found: u64,
    visible: u64,
    animals: u64,
    matched: u64,
    named: u64,
    asked: u64,
}

impl Fit {
    /// Nothing gathered yet, for a model of so many identities.
    pub fn new(identities: usize) -> Self {
        Self { identities, ..Self::default() }
    }

    /// Adds one frame.
    pub fn add(&mut self, truth: &[TrueAnimal], poses: &[Pose]) {
        let counted = truth.iter().filter(|animal| animal.counts());
        for animal in counted {
            self.animals += 1;
            self.visible += animal.seen() as u64;
        }
        for (a, p) in pairs(truth, poses) {
            self.matched += 1;
            self.points(&truth[a].points, &poses[p]);
            if let Some(identity) = truth[a].identity.filter(|identity| usize::from(identity.0) < self.identities) {
                self.asked += 1;
                self.named +=
                    u64::from(likeliest(poses[p].identity.get(..self.identities).unwrap_or(&[])) == Some(identity));
            }
        }
    }

    fn points(&mut self, points: &[TruePoint], pose: &Pose) {
        for (k, (point, given)) in points.iter().zip(&pose.keypoints).enumerate() {
            let (Some(at), Some(given)) = (point.seen(), given) else { continue };
            let away = given.at.distance(at);
            if given.score < KEYPOINT_SCORE_MIN {
                continue;
            }
            let square = f64::from(away).powi(2);
            self.squares[k] += square;
            self.given[k] += 1;
            if away <= FOUND_PX {
                self.found_squares += square;
                self.found += 1;
            }
        }
    }

    /// Root of the mean squared distance of all keypoints in view that were given a place, pixels; `None` where none was.
    pub fn rmse_px(&self) -> Option<f64> {
        root_mean(self.squares.iter().sum(), self.given.iter().sum())
    }

    /// The same of keypoint `k` alone.
    pub fn keypoint_rmse_px(&self, k: usize) -> Option<f64> {
        root_mean(*self.squares.get(k)?, *self.given.get(k)?)
    }

    /// The same of all keypoints that were found within 15 px.
    pub fn found_rmse_px(&self) -> Option<f64> {
        root_mean(self.found_squares, self.found)
    }

    /// Share of the keypoints in view that were found within 15 px, 0 to 1.
    pub fn keypoint_recall(&self) -> Option<f64> {
        share(self.found, self.visible)
    }

    /// Share of the animals that got a pose, 0 to 1.
    pub fn animal_recall(&self) -> Option<f64> {
        share(self.matched, self.animals)
    }

    /// Share of the animals with a known name and a pose whose likeliest name is their own, 0 to 1.
    pub fn identity_accuracy(&self) -> Option<f64> {
        share(self.named, self.asked)
    }
}

fn root_mean(squares: f64, count: u64) -> Option<f64> {
    (count > 0).then(|| (squares / count as f64).sqrt())
}

fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

fn likeliest(likely: &[f32]) -> Option<Identity> {
    let best = likely.iter().enumerate().max_by(|x, y| x.1.total_cmp(y.1))?;
    u8::try_from(best.0).ok().map(Identity)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::handover::Keypoint;
    use crate::space::InCamera;

    fn at(x: f32, y: f32) -> InCamera {
        InCamera { x, y }
    }

    fn animal(identity: u8, x: f32) -> TrueAnimal {
        let points = vec![TruePoint::Seen(at(x, 0.0)), TruePoint::Seen(at(x, 10.0)), TruePoint::Covered(at(x, 20.0))];
        TrueAnimal { identity: Some(Identity(identity)), points }
    }

    fn pose(identity: usize, x: f32) -> Pose {
        let mut pose = Pose { score: 1.0, ..Pose::default() };
        for (k, y) in [0.0, 10.0, 90.0].into_iter().enumerate() {
            pose.keypoints[k] = Some(Keypoint { at: at(x, y), score: 0.9 });
        }
        pose.identity[identity] = 1.0;
        pose
    }

    #[test]
    fn distances_names_and_what_was_missed_are_counted() {
        let mut fit = Fit::new(2);
        fit.add(&[animal(0, 0.0), animal(1, 100.0), animal(1, 300.0)], &[pose(0, 3.0), pose(0, 104.0)]);
        assert_eq!(fit.rmse_px(), Some(((9.0 + 16.0) / 2.0_f64).sqrt()));
        assert_eq!(fit.keypoint_rmse_px(1), fit.rmse_px());
        assert_eq!((fit.found_rmse_px(), fit.keypoint_rmse_px(2)), (fit.rmse_px(), None));
        assert_eq!(fit.keypoint_recall(), Some(4.0 / 6.0));
        assert_eq!(fit.animal_recall(), Some(2.0 / 3.0));
        assert_eq!(fit.identity_accuracy(), Some(0.5));
    }

    #[test]
    fn a_keypoint_far_off_counts_in_the_whole_and_not_among_those_found() {
        let mut far = pose(0, 0.0);
        far.keypoints[1] = Some(Keypoint { at: at(30.0, 10.0), score: 0.9 });
        let mut fit = Fit::new(1);
        fit.add(&[animal(0, 0.0)], &[far]);
        assert_eq!((fit.rmse_px(), fit.found_rmse_px()), (Some((900.0_f64 / 2.0).sqrt()), Some(0.0)));
        assert_eq!((fit.keypoint_rmse_px(0), fit.keypoint_rmse_px(1)), (Some(0.0), Some(30.0)));
    }

    #[test]
    fn a_pose_goes_to_the_nearest_animal_and_only_to_one() {
        assert_eq!(pairs(&[animal(0, 0.0), animal(1, 12.0)], &[pose(0, 10.0), pose(0, 13.0)]), [(1, 1), (0, 0)]);
        assert_eq!(pairs(&[animal(0, 0.0)], &[pose(0, 41.0)]), []);
    }

    #[test]
    fn an_animal_of_which_little_is_in_view_is_not_asked_for() {
        let mut hidden = animal(0, 0.0);
        hidden.points = vec![TruePoint::Covered(at(0.0, 0.0)); 4];
        hidden.points.push(TruePoint::Seen(at(0.0, 10.0)));
        let mut fit = Fit::new(1);
        fit.add(&[hidden], &[]);
        assert_eq!((fit.animal_recall(), fit.rmse_px()), (None, None));
    }
}
