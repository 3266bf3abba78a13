//! A film's truth and the poses that were found in it, frame by frame, as an evaluation needs them.

use super::layout::Layout;
use super::{EvalError, TrueAnimal, TruePoint};
use crate::export::{RecordedName, RecordedPose, RecordedRow, read_recorded};
use crate::handover::{Identity, Keypoint};
use std::path::Path;

/// Whose name a pose carries: index into [`Film::names`].
pub type Who = u16;

/// A name that a pose carries.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Name {
    /// Whose.
    pub who: Who,
    /// Its probability, 0 to 1, where the poses tell it.
    pub p: Option<f32>,
}

/// One keypoint of a pose.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GivenPoint {
    /// Where, camera pixels, and how sure.
    pub keypoint: Keypoint,
    /// Seen in this frame; else predicted.
    pub seen: bool,
}

/// One animal as it was found in one frame.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GivenPose {
    /// The name of each kind, in the order of [`Film::kinds`]; `None` where it is withheld.
    pub names: [Option<Name>; 2],
    /// The track's number, where the poses tell it.
    pub track: Option<u32>,
    /// In the order of [`Film::keypoints`].
    pub points: Vec<Option<GivenPoint>>,
}

impl GivenPose {
    /// Has any keypoint at all.
    pub fn has_points(&self) -> bool {
        self.points.iter().any(Option::is_some)
    }
}

/// One frame.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FilmFrame {
    /// Its number.
    pub number: u64,
    /// The animals, in the order of the names; of those out of sight every point is unknown.
    pub truth: Vec<TrueAnimal>,
    /// What was found.
    pub poses: Vec<GivenPose>,
}

/// What did not fit, by count.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Oddities {
    /// Frames of the truth before the first and after the last frame of the poses: not judged.
    pub frames_without_poses: u64,
    /// Frames of the poses that the truth does not have: not judged.
    pub frames_without_truth: u64,
    /// Judged frames that the poses tell as missing; their animals count as not found.
    pub gap_frames: u64,
    /// Poses without any keypoint of the truth's: left out.
    pub empty_poses: u64,
    /// Poses whose name another pose of the same frame has, in any kind.
    pub doubled_names: u64,
    /// Body parts of the poses that the truth does not have: left out.
    pub unknown_keypoints: Vec<String>,
    /// Names of the poses that the truth does not have: wrong ones.
    pub unknown_names: Vec<String>,
}

/// A film.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Film {
    /// The truth's body parts.
    pub keypoints: Vec<String>,
    /// The truth's animals, then names that only the poses have.
    pub names: Vec<String>,
    /// How many of the names are the truth's.
    pub animals: usize,
    /// What the names of the poses are: `live`, `settled`, or both in this order; `given` where the poses do not tell.
    pub kinds: Vec<&'static str>,
    /// Frames per second.
    pub fps: f64,
    /// The frames that truth and poses both have; their numbers rise.
    pub frames: Vec<FilmFrame>,
    /// What did not fit.
    pub oddities: Oddities,
}

/// Frames per second where neither the poses nor the person tell.
const FPS: f64 = 30.0;

impl Film {
    /// Reads the truth (as `arenad rehearse` writes it) and the poses: a table of the same layout, or a folder or file that arenad
    /// recorded. `fps` goes before what the files tell.
    ///
    /// # Errors
    /// [`EvalError`].
    pub fn read(truth: &Path, poses: &Path, fps: Option<f64>) -> Result<Self, EvalError> {
        let mut film = Self::truth(truth)?;
        let known = poses.is_file() && poses.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("csv"));
        let told = if known { film.take_table(poses)? } else { film.take_recorded(poses)? };
        film.fps = fps.or(told.fps).unwrap_or(FPS);
        film.trim(&told, truth, poses)?;
        Ok(film)
    }

    /// A film of which only the truth is known.
    fn truth(path: &Path) -> Result<Self, EvalError> {
        let mut table = Layout::open(path)?;
        let (names, keypoints) = (table.individuals().to_vec(), table.keypoints().to_vec());
        let mut frames = Vec::new();
        while let Some((number, points)) = table.next()? {
            let animals = points.chunks(keypoints.len().max(1)).zip(0..).map(|(points, index)| TrueAnimal {
                identity: Some(Identity(index)),
                points: points.iter().map(|point| true_point(*point)).collect(),
            });
            frames.push(FilmFrame { number, truth: animals.collect(), poses: Vec::new() });
        }
        Ok(Self { keypoints, animals: names.len(), names, frames, ..Self::default() })
    }

    fn take_table(&mut self, path: &Path) -> Result<Told, EvalError> {
        let mut table = Layout::open(path)?;
        let keypoints = self.keypoint_places(table.keypoints(), path)?;
        let individuals = table.individuals().to_vec();
        // Where not one name is the truth's they are nobody's: tracks.
        let named = individuals.iter().any(|name| self.names.contains(name));
        let whose: Vec<_> = individuals.iter().map(|name| named.then(|| self.who(name))).collect();
        self.kinds = vec!["given"];
        let mut told = Told::default();
        while let Some((number, points)) = table.next()? {
            told.note(number);
            let all = points.chunks(table.keypoints().len().max(1)).zip(&whose).zip(1..);
            for ((points, who), track) in all.filter(|((points, _), _)| points.iter().any(Option::is_some)) {
                let points = points.iter().map(|point| point.map(|keypoint| (keypoint, true)));
                let name = who.map(|who| Name { who, p: None });
                let points = place(self.keypoints.len(), &keypoints, points);
                self.push(number, GivenPose { names: [name, None], track: Some(track), points });
            }
        }
        Ok(told)
    }

    fn take_recorded(&mut self, path: &Path) -> Result<Told, EvalError> {
        let mut told = Told::default();
        let mut rows = Vec::new();
        let recorded = read_recorded(&[path.to_owned()], &mut |row| match row {
            RecordedRow::Gap { first, last } => {
                told.reach(first, last);
                told.gaps.push((first, last));
            }
            RecordedRow::NoPose { frame, captured_us } => told.note_at(frame, captured_us),
            RecordedRow::Pose { frame, captured_us, pose } => {
                told.note_at(frame, captured_us);
                rows.push((frame, pose));
            }
        })?;
        told.fps = told.measured_fps();
        let keypoints = self.keypoint_places(&recorded.keypoints, path)?;
        self.kinds = if recorded.has_live { vec!["live", "settled"] } else { vec!["live"] };
        for (frame, pose) in rows {
            let RecordedPose { name, live, track, points } = pose;
            let settled = self.name(&name);
            let names = if recorded.has_live { [self.name(&live), settled] } else { [settled, None] };
            let points = place(self.keypoints.len(), &keypoints, points.into_iter());
            self.push(frame, GivenPose { names, track, points });
        }
        Ok(told)
    }

    fn name(&mut self, recorded: &RecordedName) -> Option<Name> {
        let who = self.who(recorded.name.as_deref()?);
        Some(Name { who, p: recorded.p.filter(|p| p.is_finite()) })
    }

    fn who(&mut self, name: &str) -> Who {
        let place = self.names.iter().position(|known| known == name).unwrap_or_else(|| {
            self.oddities.unknown_names.push(name.to_owned());
            self.names.push(name.to_owned());
            self.names.len() - 1
        });
        Who::try_from(place).unwrap_or(Who::MAX)
    }

    /// Where each keypoint of the poses stands in the truth.
    fn keypoint_places(&mut self, keypoints: &[String], path: &Path) -> Result<Vec<Option<usize>>, EvalError> {
        let places: Vec<_> =
            keypoints.iter().map(|name| self.keypoints.iter().position(|known| known == name)).collect();
        if places.iter().all(Option::is_none) {
            return Err(EvalError::Content {
                path: path.to_owned(),
                what: format!(
                    "has the body parts {}; at least one of the truth's is needed: {}",
                    keypoints.join(", "),
                    self.keypoints.join(", ")
                ),
            });
        }
        let unknown = keypoints.iter().zip(&places).filter(|(_, place)| place.is_none());
        self.oddities.unknown_keypoints = unknown.map(|(name, _)| name.clone()).collect();
        Ok(places)
    }

    fn push(&mut self, number: u64, pose: GivenPose) {
        if !pose.has_points() {
            self.oddities.empty_poses += 1;
            return;
        }
        let Ok(index) = self.frames.binary_search_by_key(&number, |frame| frame.number) else { return };
        let poses = &mut self.frames[index].poses;
        let doubled = |other: &GivenPose| {
            let same = |(a, b): (&Option<Name>, &Option<Name>)| a.zip(*b).is_some_and(|(a, b)| a.who == b.who);
            other.names.iter().zip(&pose.names).any(same)
        };
        self.oddities.doubled_names += u64::from(poses.iter().any(doubled));
        poses.push(pose);
    }

    /// Leaves the frames that both have.
    fn trim(&mut self, told: &Told, truth: &Path, poses: &Path) -> Result<(), EvalError> {
        let before = self.frames.len();
        let inside = |first: u64, last: u64| {
            let from = self.frames.partition_point(|frame| frame.number < first);
            from..self.frames.partition_point(|frame| frame.number <= last).max(from)
        };
        let gaps = told.gaps.iter().map(|(first, last)| inside(*first, *last).len() as u64).sum();
        let judged = told.range.map_or(0..0, |(first, last)| inside(first, last));
        self.oddities.gap_frames = gaps;
        let has = |number: &u64| self.frames.binary_search_by_key(number, |frame| frame.number).is_ok();
        self.oddities.frames_without_truth = told.frames.iter().filter(|number| !has(number)).count() as u64;
        self.frames.truncate(judged.end);
        self.frames.drain(..judged.start);
        self.oddities.frames_without_poses = (before - self.frames.len()) as u64;
        if self.frames.is_empty() {
            let what = format!("none of its frames is one of {}; give the poses of that film", truth.display());
            return Err(EvalError::Content { path: poses.to_owned(), what });
        }
        Ok(())
    }
}

/// What the poses tell of their frames.
#[derive(Default)]
struct Told {
    range: Option<(u64, u64)>,
    /// Every frame once, rising.
    frames: Vec<u64>,
    gaps: Vec<(u64, u64)>,
    times: Option<[(u64, i64); 2]>,
    fps: Option<f64>,
}

impl Told {
    fn reach(&mut self, from: u64, to: u64) {
        let (first, last) = self.range.unwrap_or((from, to));
        self.range = Some((first.min(from), last.max(to)));
    }

    fn note(&mut self, frame: u64) {
        self.reach(frame, frame);
        if self.frames.last() != Some(&frame) {
            self.frames.push(frame);
        }
    }

    fn note_at(&mut self, frame: u64, captured_us: Option<i64>) {
        self.note(frame);
        if let Some(at) = captured_us {
            let [first, _] = self.times.unwrap_or([(frame, at); 2]);
            self.times = Some([first, (frame, at)]);
        }
    }

    fn measured_fps(&self) -> Option<f64> {
        let [(first, from), (last, to)] = self.times?;
        let seconds = to.checked_sub(from)? as f64 / 1e6;
        let fps = last.checked_sub(first)? as f64 / seconds;
        (seconds > 0.0 && (0.1..=10_000.0).contains(&fps)).then_some(fps)
    }
}

/// Likelihood 0 is covered.
fn true_point(point: Option<Keypoint>) -> TruePoint {
    match point {
        None => TruePoint::Unknown,
        Some(Keypoint { at, score }) if score < 0.5 => TruePoint::Covered(at),
        Some(Keypoint { at, .. }) => TruePoint::Seen(at),
    }
}

fn place(
    keypoints: usize,
    places: &[Option<usize>],
    points: impl Iterator<Item = Option<(Keypoint, bool)>>,
) -> Vec<Option<GivenPoint>> {
    let mut placed = vec![None; keypoints];
    for (place, point) in places.iter().zip(points) {
        if let Some(cell) = place.and_then(|place| placed.get_mut(place)) {
            *cell = point.map(|(keypoint, seen)| GivenPoint { keypoint, seen });
        }
    }
    placed
}
