//! Which pose is which animal's, whatever name it carries, and how well it fits; the body length that distances are told in.

use super::film::{Film, FilmFrame, GivenPose};
use super::oks::is_tail;
use super::pairing::{Table, pair};
use super::{TrueAnimal, TruePoint};

/// From this similarity on a pose is an animal's.
pub(super) const SAME: f64 = 0.5;

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
    let ways =
        places().enumerate().flat_map(|(index, a)| places().skip(index + 1).map(move |b| f64::from(a.distance(b))));
    ways.reduce(f64::max)
}

/// 0 to 1: 1 minus the distance in body lengths (at most 1), the mean over the keypoints that the pose gives and whose true
/// place is known. A pose that gives less than a quarter of those in view has proportionally less.
pub(super) fn similarity(animal: &TrueAnimal, pose: &GivenPose, body_length_px: f64) -> f64 {
    let both = animal.points.iter().zip(&pose.points);
    let near = both.filter_map(|(point, given)| {
        let away = f64::from(given.as_ref()?.keypoint.at.distance(point.place()?));
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

/// Finds the pairs with the greatest sum of similarities, of animals that count first, then of the others.
pub(super) fn fit(frame: &FilmFrame, body_length_px: f64) -> Fitted {
    let known = |animal: &TrueAnimal| animal.points.iter().any(|point| *point != TruePoint::Unknown);
    let (animals, others): (Vec<_>, Vec<_>) =
        frame.truth.iter().enumerate().filter(|(_, animal)| known(animal)).partition(|(_, animal)| animal.counts());
    let mut pose_of = vec![None; frame.truth.len()];
    let all: Vec<usize> = (0..frame.poses.len()).collect();
    let similarity = table(&animals, &all, frame, body_length_px);
    let mut left = all.clone();
    for (row, column) in same(&similarity) {
        if let (Some((animal, _)), Some(pose)) = (animals.get(row), all.get(column)) {
            pose_of[*animal] = Some(*pose);
            left.retain(|other| other != pose);
        }
    }
    let rest = table(&others, &left, frame, body_length_px);
    let ignored: Vec<usize> = same(&rest).into_iter().filter_map(|(_, column)| left.get(column).copied()).collect();
    let poses: Vec<usize> = all.into_iter().filter(|pose| !ignored.contains(pose)).collect();
    let similarity = if ignored.is_empty() { similarity } else { table(&animals, &poses, frame, body_length_px) };
    Fitted { pose_of, animals: animals.into_iter().map(|(index, _)| index).collect(), poses, similarity }
}

fn table(animals: &[(usize, &TrueAnimal)], poses: &[usize], frame: &FilmFrame, body_length_px: f64) -> Table {
    let mut table = Table::new(animals.len(), poses.len());
    for (row, (_, animal)) in animals.iter().enumerate() {
        for (column, pose) in poses.iter().enumerate() {
            if let Some(pose) = frame.poses.get(*pose) {
                table.set(row, column, similarity(animal, pose, body_length_px));
            }
        }
    }
    table
}

fn same(similarity: &Table) -> Vec<(usize, usize)> {
    let mut gated = similarity.clone();
    for row in 0..gated.rows() {
        for column in (0..gated.columns()).filter(|column| similarity.get(row, *column) < SAME) {
            gated.set(row, column, 0.0);
        }
    }
    let pairs = pair(&gated).into_iter().enumerate().filter_map(|(row, column)| Some((row, column?)));
    pairs.filter(|(row, column)| gated.get(*row, *column) > 0.0).collect()
}
