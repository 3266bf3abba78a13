//! Keypoints of one animal's pose that lie on another animal's same body part: under another's name, under none, or under that
//! animal's own.

use super::film::{Film, FilmFrame};
use super::fit::Fitted;
use super::names::seconds;
use crate::space::InCamera;
use std::collections::BTreeMap;

/// A keypoint that jumped is further than this from its animal's own, body lengths.
const FAR: f64 = 0.25;
/// And no further than this from the other animal's, body lengths.
const NEAR: f64 = 0.1;
/// The same keypoint of the same two animals within this time is the same episode, seconds.
const EPISODE_S: f64 = 0.5;

/// Figures of jumps.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize)]
pub struct Jumps {
    /// Keypoints that jumped, told as seen, under a name of the first kind that is not that of the animal on which they lie.
    pub keypoints: u64,
    /// Runs of them: one keypoint, one pair of animals.
    pub episodes: u64,
    /// Episodes per hour of film.
    pub episodes_per_hour: Option<f64>,
    /// The same in poses without a name.
    pub nameless_keypoints: u64,
    /// Runs of those.
    pub nameless_episodes: u64,
    /// Keypoints under the name of the very animal on which they lie, in a pose that as a whole fits another: its name counts as wrong
    /// there, its keypoint does not.
    pub own_name_keypoints: u64,
    /// Of those under another's name or none, how many of each body part.
    pub by_keypoint: BTreeMap<String, u64>,
    /// Keypoints that jumped, told as predicted; in none of the figures above.
    pub predicted_keypoints: u64,
}

/// Gathers jumps frame by frame.
#[derive(Clone, Debug)]
pub(super) struct Jumping {
    figures: Jumps,
    /// Frame index of the last jump of each keypoint from each animal to each: under a name, and under none.
    last: [Vec<Option<usize>>; 2],
}

impl Jumping {
    pub(super) fn new(film: &Film) -> Self {
        let last = || vec![None; film.animals * film.animals * film.keypoints.len()];
        Self { figures: Jumps::default(), last: [last(), last()] }
    }

    pub(super) fn add(&mut self, film: &Film, index: usize, frame: &FilmFrame, fitted: &Fitted, body_length_px: f64) {
        for (animal, pose) in fitted.pose_of.iter().enumerate().filter_map(|(animal, pose)| Some((animal, (*pose)?))) {
            let Some(pose) = frame.poses.get(pose) else { continue };
            for (k, given) in pose.points.iter().enumerate().filter_map(|(k, given)| Some((k, (*given)?))) {
                let Some(other) = lies_on(frame, animal, k, given.keypoint.at, body_length_px) else { continue };
                if !given.seen {
                    self.figures.predicted_keypoints += 1;
                    continue;
                }
                let figures = &mut self.figures;
                let (keypoints, episodes, last) = match pose.names[0] {
                    Some(name) if usize::from(name.who) == other => {
                        figures.own_name_keypoints += 1;
                        continue;
                    }
                    Some(_) => (&mut figures.keypoints, &mut figures.episodes, &mut self.last[0]),
                    None => (&mut figures.nameless_keypoints, &mut figures.nameless_episodes, &mut self.last[1]),
                };
                *keypoints += 1;
                let place = (animal * film.animals + other) * film.keypoints.len() + k;
                if let Some(last) = last.get_mut(place) {
                    let goes_on = last.is_some_and(|last| seconds(film, last, index) <= EPISODE_S);
                    *episodes += u64::from(!goes_on);
                    *last = Some(index);
                }
                if let Some(name) = film.keypoints.get(k) {
                    *self.figures.by_keypoint.entry(name.clone()).or_default() += 1;
                }
            }
        }
    }

    pub(super) fn figures(&self, hours: f64) -> Jumps {
        let episodes_per_hour = (hours > 0.0).then(|| self.figures.episodes as f64 / hours);
        Jumps { episodes_per_hour, ..self.figures.clone() }
    }
}

/// The other animal on whose body part `k`, which is in view, this place lies, far from the animal's own.
fn lies_on(frame: &FilmFrame, animal: usize, k: usize, at: InCamera, body_length_px: f64) -> Option<usize> {
    let point = |animal: usize| frame.truth.get(animal)?.points.get(k);
    let away = |place: InCamera| f64::from(place.distance(at)) / body_length_px;
    if away(point(animal)?.place()?) <= FAR {
        return None;
    }
    // What is covered cannot have been taken for the animal's own.
    let others = (0..frame.truth.len()).filter(|other| *other != animal);
    let others = others.filter_map(|other| Some((other, away(point(other)?.seen()?))));
    others.filter(|(_, away)| *away <= NEAR).min_by(|a, b| a.1.total_cmp(&b.1)).map(|(other, _)| other)
}

#[cfg(test)]
mod tests {
    use super::super::film::GivenPose;
    use super::super::fit::fit;
    use super::super::made;
    use super::*;

    /// A at 0 and B at 7, the nose of A's pose at `nose` in each frame.
    fn jumps(noses: &[f32], seen: bool) -> Jumps {
        jumps_under(Some(0), noses, seen)
    }

    fn jumps_under(name: Option<u16>, noses: &[f32], seen: bool) -> Jumps {
        let frame = |nose: &f32| {
            let mut of_a: GivenPose = made::pose(name, 0.0);
            of_a.points[0] = made::point(*nose).map(|point| super::super::GivenPoint { seen, ..point });
            (vec![made::animal(0, 0.0), made::animal(1, 7.0)], vec![of_a, made::pose(Some(1), 7.0)])
        };
        let film = made::film(2, noses.iter().map(frame).collect());
        let mut jumping = Jumping::new(&film);
        for (index, frame) in film.frames.iter().enumerate() {
            jumping.add(&film, index, frame, &fit(frame, 10.0), 10.0);
        }
        jumping.figures(0.5)
    }

    #[test]
    fn a_keypoint_on_anothers_has_jumped() {
        let figures = jumps(&[7.0, 7.9, 0.0], true);
        assert_eq!((figures.keypoints, figures.episodes, figures.episodes_per_hour), (2, 1, Some(2.0)));
        assert_eq!(figures.by_keypoint, BTreeMap::from([("nose".to_owned(), 2)]));
    }

    #[test]
    fn the_name_that_it_carries_says_what_it_is() {
        let counts = |name| {
            let figures = jumps_under(name, &[7.0], true);
            (figures.keypoints, figures.nameless_keypoints, figures.own_name_keypoints)
        };
        assert_eq!([counts(Some(0)), counts(None), counts(Some(1))], [(1, 0, 0), (0, 1, 0), (0, 0, 1)]);
    }

    #[test]
    fn on_a_part_that_is_covered_none_has_jumped() {
        let mut of_a: GivenPose = made::pose(Some(0), 0.0);
        of_a.points[0] = made::point(7.0);
        let film = made::film(2, vec![(vec![made::animal(0, 0.0), made::covered(1, 7.0)], vec![of_a])]);
        let mut jumping = Jumping::new(&film);
        jumping.add(&film, 0, &film.frames[0], &fit(&film.frames[0], 10.0), 10.0);
        assert_eq!(jumping.figures(1.0).keypoints, 0);
    }

    #[test]
    fn one_that_is_merely_wrong_has_not() {
        assert_eq!(jumps(&[2.0, 5.5, -7.0, 8.5], true), Jumps { episodes_per_hour: Some(0.0), ..Jumps::default() });
    }

    #[test]
    fn a_keypoint_that_comes_back_late_is_another_episode() {
        assert_eq!(jumps(&[7.0, 0.0, 0.0, 0.0, 0.0, 7.0, 0.0, 0.0, 0.0, 0.0, 0.0, 7.0], true).episodes, 2);
    }

    #[test]
    fn what_is_told_as_predicted_is_counted_apart() {
        let figures = jumps(&[7.0], false);
        assert_eq!((figures.keypoints, figures.episodes, figures.predicted_keypoints), (0, 0, 1));
    }
}
