//! Which pose is which animal's, whatever name it carries, and how well it fits; the body length that distances are told in.

use super::film::{Film, FilmFrame, GivenPose};
use super::oks::is_tail;
use super::pairing::{Table, pair};
use super::{TrueAnimal, TruePoint};
use crate::space::InCamera;

/// From this similarity on a pose is an animal's.
pub(super) const SAME: f64 = 0.5;
/// How much better a pose must fit an animal of which too little is in view than one that is asked for.
const IN_VIEW: f64 = 0.1;

/// The median, over all animal-frames in view, of the longest way between two known body parts (tail left out beyond its base),
/// pixels; `None` where no two are ever known.
pub(super) fn body_length_px(film: &Film) -> Option<f64> {
    let body = body(film);
    let animals = film.frames.iter().flat_map(|frame| &frame.truth).filter(|animal| animal.counts());
    let mut lengths: Vec<f64> = animals.filter_map(|animal| longest(animal, &body)).filter(|px| *px > 0.0).collect();
    let middle = lengths.len() / 2;
    (!lengths.is_empty()).then(|| *lengths.select_nth_unstable_by(middle, f64::total_cmp).1)
}

/// Which keypoints are the body's: all but the tail beyond its base, or all where nothing else is left.
pub(super) fn body(film: &Film) -> Vec<bool> {
    let body: Vec<bool> = film.keypoints.iter().map(|name| !is_tail(name)).collect();
    if body.iter().filter(|is| **is).count() >= 2 { body } else { vec![true; body.len()] }
}

fn longest(animal: &TrueAnimal, body: &[bool]) -> Option<f64> {
    let places = || animal.points.iter().zip(body).filter(|(_, body)| **body).filter_map(|(point, _)| point.place());
    let ways = places().enumerate().flat_map(|(index, a)| places().skip(index + 1).map(move |b| apart(a, b)));
    ways.reduce(f64::max)
}

/// In double precision, so that a check by another program finds the same digits.
fn apart(a: InCamera, b: InCamera) -> f64 {
    (f64::from(a.x) - f64::from(b.x)).hypot(f64::from(a.y) - f64::from(b.y))
}

/// 0 to 1: 1 minus the distance in body lengths (at most 1), the mean over the keypoints that the pose gives and whose true
/// place is known. A pose that gives less than a quarter of those in view has proportionally less.
pub(super) fn similarity(animal: &TrueAnimal, pose: &GivenPose, body_length_px: f64) -> f64 {
    let both = animal.points.iter().zip(&pose.points);
    let near = both.filter_map(|(point, given)| {
        let away = apart(given.as_ref()?.keypoint.at, point.place()?);
        Some(1.0 - (away / body_length_px).min(1.0))
    });
    let (sum, given) = near.fold((0.0, 0.0), |(sum, given), near| (sum + near, given + 1.0));
    let least = animal.seen() as f64 / 4.0;
    if given > 0.0 { sum / f64::max(given, least) } else { 0.0 }
}

/// One frame's animals and poses.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Fitted {
    /// The pose of each animal; `None` where it does not count or has none.
    pub(super) pose_of: Vec<Option<usize>>,
    /// The animals that count: rows of `similarity`.
    pub(super) animals: Vec<usize>,
    /// The poses that count: columns of `similarity`. A pose that fits only an animal of which too little is in view is left out.
    pub(super) poses: Vec<usize>,
    /// How well they fit.
    pub(super) similarity: Table,
}

/// Finds the pairs with the greatest sum of similarities. An animal of which too little is in view takes part: a pose that is its own
/// must not be told as its neighbour's; in doubt, by [`IN_VIEW`], the neighbour goes before it.
pub(super) fn fit(frame: &FilmFrame, body_length_px: f64) -> Fitted {
    let known = |animal: &usize| frame.truth[*animal].points.iter().any(|point| *point != TruePoint::Unknown);
    let all: Vec<usize> = (0..frame.truth.len()).filter(known).collect();
    let in_view = |animal: usize| frame.truth[animal].counts();
    let mut worth = Table::new(all.len(), frame.poses.len());
    for (row, animal) in all.iter().enumerate() {
        for (column, pose) in frame.poses.iter().enumerate() {
            let similarity = similarity(&frame.truth[*animal], pose, body_length_px);
            if similarity >= SAME {
                worth.set(row, column, similarity + if in_view(*animal) { IN_VIEW } else { 0.0 });
            }
        }
    }
    let mut pose_of = vec![None; frame.truth.len()];
    let mut ignored = vec![false; frame.poses.len()];
    for (row, column) in pair(&worth).into_iter().enumerate() {
        let Some(column) = column.filter(|column| worth.get(row, *column) > 0.0) else { continue };
        match in_view(all[row]) {
            true => pose_of[all[row]] = Some(column),
            false => ignored[column] = true,
        }
    }
    let animals: Vec<usize> = all.into_iter().filter(|animal| in_view(*animal)).collect();
    let poses: Vec<usize> = (0..frame.poses.len()).filter(|pose| !ignored[*pose]).collect();
    let mut table = Table::new(animals.len(), poses.len());
    for (row, animal) in animals.iter().enumerate() {
        for (column, pose) in poses.iter().enumerate() {
            table.set(row, column, similarity(&frame.truth[*animal], &frame.poses[*pose], body_length_px));
        }
    }
    Fitted { pose_of, animals, poses, similarity: table }
}

#[cfg(test)]
mod tests {
    use super::super::made::{animal, covered, film, hidden, pose};
    use super::*;

    #[test]
    fn the_body_is_as_long_as_its_furthest_parts_and_has_no_tail() {
        let mut film = film(2, vec![(vec![animal(0, 0.0), animal(1, 50.0)], vec![])]);
        assert_eq!(body_length_px(&film), Some(10.0));
        film.keypoints[2] = "T_end".to_owned();
        assert_eq!(body_length_px(&film), Some(5.0));
        film.frames[0].truth = vec![hidden(0), covered(1, 0.0)];
        assert_eq!(body_length_px(&film), None);
    }

    #[test]
    fn similarity_falls_by_body_lengths_and_needs_no_keypoint_that_the_pose_lacks() {
        let mut near = pose(None, 2.0);
        assert!((similarity(&animal(0, 0.0), &near, 10.0) - 0.8).abs() < 1e-12);
        near.points[1] = None;
        assert!((similarity(&animal(0, 0.0), &near, 10.0) - 0.8).abs() < 1e-12);
        assert_eq!(similarity(&animal(0, 0.0), &pose(None, 30.0), 10.0), 0.0);
    }

    #[test]
    fn a_pose_of_hardly_any_keypoint_is_nobodys() {
        let mut whole = animal(0, 0.0);
        whole.points = vec![whole.points[0]; 12];
        let mut one = pose(None, 0.0);
        one.points = vec![one.points[0]];
        one.points.resize(12, None);
        assert!((similarity(&whole, &one, 10.0) - 1.0 / 3.0).abs() < 1e-12);
    }

    #[test]
    fn pairs_have_the_greatest_sum_and_poses_far_off_are_nobodys() {
        let film = film(
            2,
            vec![(vec![animal(0, 0.0), animal(1, 4.0)], vec![pose(None, 3.0), pose(None, 7.0), pose(None, 60.0)])],
        );
        let fitted = fit(&film.frames[0], 10.0);
        assert_eq!((fitted.pose_of, fitted.poses), (vec![Some(0), Some(1)], vec![0, 1, 2]));
    }

    #[test]
    fn a_pose_on_an_animal_that_is_not_asked_for_is_left_out() {
        let film = film(2, vec![(vec![animal(0, 0.0), covered(1, 50.0)], vec![pose(None, 50.0), pose(None, 1.0)])]);
        let fitted = fit(&film.frames[0], 10.0);
        assert_eq!((fitted.pose_of, fitted.animals, fitted.poses), (vec![Some(1), None], vec![0], vec![1]));
    }

    #[test]
    fn who_lies_under_another_keeps_a_pose_that_is_clearly_its_own() {
        let pose_of = |x| {
            let film = film(2, vec![(vec![animal(0, 0.0), covered(1, 4.0)], vec![pose(None, x)])]);
            fit(&film.frames[0], 10.0).pose_of
        };
        assert_eq!((pose_of(4.0), pose_of(2.2)), (vec![None, None], vec![Some(0), None]));
    }
}
