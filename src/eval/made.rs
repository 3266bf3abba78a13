//! Small films made by hand, for tests: bodies 10 px long (`nose` at x, `cntr` at x + 5, `T_base` at x + 10), 10 frames a second.

use super::film::{Film, FilmFrame, GivenPoint, GivenPose, Name, Who};
use super::names::Verdict;
use super::{TrueAnimal, TruePoint};
use crate::handover::{Identity, Keypoint};
use crate::space::InCamera;

/// In the order of the points.
pub(super) const KEYPOINTS: [&str; 3] = ["nose", "cntr", "T_base"];

pub(super) fn at(x: f32) -> InCamera {
    InCamera { x, y: 0.0 }
}

/// All of it in view.
pub(super) fn animal(index: u8, x: f32) -> TrueAnimal {
    let points = [0.0, 5.0, 10.0].map(|along| TruePoint::Seen(at(x + along)));
    TrueAnimal { identity: Some(Identity(index)), points: points.to_vec() }
}

pub(super) fn hidden(index: u8) -> TrueAnimal {
    TrueAnimal { identity: Some(Identity(index)), points: vec![TruePoint::Unknown; 3] }
}

/// Known, but nothing of it in view.
pub(super) fn covered(index: u8, x: f32) -> TrueAnimal {
    let points = [0.0, 5.0, 10.0].map(|along| TruePoint::Covered(at(x + along)));
    TrueAnimal { identity: Some(Identity(index)), points: points.to_vec() }
}

pub(super) fn point(x: f32) -> Option<GivenPoint> {
    Some(GivenPoint { keypoint: Keypoint { at: at(x), score: 0.9 }, seen: true })
}

/// A whole pose at x.
pub(super) fn pose(name: Option<Who>, x: f32) -> GivenPose {
    let points = vec![point(x), point(x + 5.0), point(x + 10.0)];
    GivenPose { names: [name.map(|who| Name { who, p: None }), None], track: None, points }
}

/// Animals A, B, C, … and frames from 0 on.
pub(super) fn film(animals: usize, frames: Vec<(Vec<TrueAnimal>, Vec<GivenPose>)>) -> Film {
    let frame = |(number, (truth, poses))| FilmFrame { number, truth, poses };
    Film {
        keypoints: KEYPOINTS.map(str::to_owned).to_vec(),
        names: ["A", "B", "C", "D"].iter().take(animals).map(|name| (*name).to_owned()).collect(),
        animals,
        kinds: vec!["live"],
        fps: 10.0,
        frames: (0..).zip(frames).map(frame).collect(),
        ..Film::default()
    }
}

/// One word an animal, one letter a frame: `+` right, `a`, `b`, … wrong and whose name, `?` withheld, `-` not found, `.` out of sight.
pub(super) fn verdicts(words: &[&str]) -> (Film, Vec<Vec<Verdict>>) {
    let frames = words.first().map_or(0, |word| word.len());
    let letter = |letter: u8| match letter {
        b'+' => Verdict::Right,
        b'?' => Verdict::Withheld,
        b'-' => Verdict::NotFound,
        b'.' => Verdict::OutOfSight,
        name => Verdict::Wrong(Who::from(name - b'a')),
    };
    let verdicts = (0..frames).map(|frame| words.iter().map(|word| letter(word.as_bytes()[frame])).collect()).collect();
    let truth = |frame: usize| {
        let one = |(index, word): (u8, &&str)| match word.as_bytes()[frame] {
            b'.' => hidden(index),
            _ => animal(index, 100.0 * f32::from(index)),
        };
        (0..).zip(words).map(one).collect()
    };
    (film(words.len(), (0..frames).map(|frame| (truth(frame), Vec::new())).collect()), verdicts)
}
