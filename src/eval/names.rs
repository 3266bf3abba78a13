//! Whether each animal in view carries its own name: accuracy, coverage, wrong names that last, honesty of probabilities.

use super::film::{Film, FilmFrame, Who};
use super::fit::Fitted;

/// A wrong name that lasts longer is a lasting swap, seconds.
pub const LASTING_S: f64 = 1.0;
/// Bins of the calibration error.
const BINS: usize = 15;

/// What became of one animal's name in one frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Verdict {
    /// Too little of it is in view: nobody is asked.
    #[default]
    OutOfSight,
    /// In view, but no pose is its own.
    NotFound,
    /// Its pose carries no name.
    Withheld,
    /// Its pose carries its name.
    Right,
    /// Its pose carries another's.
    Wrong(Who),
}

/// The verdict on each animal of a frame, for names of one kind.
pub(super) fn verdicts(frame: &FilmFrame, fitted: &Fitted, kind: usize) -> Vec<Verdict> {
    let mut verdicts = vec![Verdict::OutOfSight; frame.truth.len()];
    for animal in &fitted.animals {
        let pose = fitted.pose_of.get(*animal).copied().flatten().and_then(|pose| frame.poses.get(pose));
        let verdict = match pose.map(|pose| pose.names.get(kind).copied().flatten()) {
            None => Verdict::NotFound,
            Some(None) => Verdict::Withheld,
            Some(Some(name)) if usize::from(name.who) == *animal => Verdict::Right,
            Some(Some(name)) => Verdict::Wrong(name.who),
        };
        if let Some(place) = verdicts.get_mut(*animal) {
            *place = verdict;
        }
    }
    verdicts
}

/// Counts of verdicts over animal-frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Tally {
    /// Animal-frames in view.
    pub visible: u64,
    /// With their own name.
    pub right: u64,
    /// With another's.
    pub wrong: u64,
    /// With a pose whose name is withheld.
    pub withheld: u64,
    /// Without a pose.
    pub not_found: u64,
}

impl Tally {
    /// Counts one more.
    pub fn add(&mut self, verdict: Verdict) {
        let place = match verdict {
            Verdict::OutOfSight => return,
            Verdict::NotFound => &mut self.not_found,
            Verdict::Withheld => &mut self.withheld,
            Verdict::Right => &mut self.right,
            Verdict::Wrong(_) => &mut self.wrong,
        };
        *place += 1;
        self.visible += 1;
    }

    /// Right of those named, 0 to 1.
    pub fn accuracy(&self) -> Option<f64> {
        share(self.right, self.right + self.wrong)
    }

    /// Named of those in view, 0 to 1.
    pub fn coverage(&self) -> Option<f64> {
        share(self.right + self.wrong, self.visible)
    }

    /// Right of those in view, 0 to 1.
    pub fn strict(&self) -> Option<f64> {
        share(self.right, self.visible)
    }
}

pub(super) fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

/// Wrong names of one animal without a break: neither its right name nor more than [`LASTING_S`] without a wrong one in between.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// Whose pose carries the wrong name.
    pub animal: usize,
    /// The name that it carries first.
    pub name: Who,
    /// First and last frame with a wrong name: index into the film's frames.
    pub first: usize,
    /// See `first`.
    pub last: usize,
    /// Frames with a wrong name.
    pub frames: u64,
}

impl Mistake {
    /// From its first to its last frame, both included.
    pub fn seconds(&self, film: &Film) -> f64 {
        seconds(film, self.first, self.last) + 1.0 / film.fps
    }

    /// Lasts long enough to be a lasting swap.
    pub fn lasts(&self, film: &Film) -> bool {
        // Half a frame of grace, so that exactly a second is not over one by rounding.
        self.seconds(film) > LASTING_S + 0.5 / film.fps
    }
}

/// From the one frame to the other.
pub(super) fn seconds(film: &Film, from: usize, to: usize) -> f64 {
    let number = |index: usize| film.frames.get(index).map_or(0, |frame| frame.number);
    number(to).saturating_sub(number(from)) as f64 / film.fps
}

/// All mistakes, by animal, then by time.
pub(super) fn mistakes(film: &Film, verdicts: &[Vec<Verdict>]) -> Vec<Mistake> {
    let mut all = Vec::new();
    for animal in 0..film.animals {
        let mut open: Option<Mistake> = None;
        for (index, verdicts) in verdicts.iter().enumerate() {
            match verdicts.get(animal) {
                Some(Verdict::Right) => all.extend(open.take()),
                Some(Verdict::Wrong(name)) => {
                    all.extend(open.take_if(|open| seconds(film, open.last, index) > LASTING_S));
                    let open =
                        open.get_or_insert(Mistake { animal, name: *name, first: index, last: index, frames: 0 });
                    open.last = index;
                    open.frames += 1;
                }
                _ => {}
            }
        }
        all.extend(open);
    }
    all
}

/// How many of the mistakes are apart in time: those that overlap, such as the two sides of a swap, are one.
pub(super) fn incidents<'a>(mistakes: impl Iterator<Item = &'a Mistake>) -> u64 {
    let mut spans: Vec<(usize, usize)> = mistakes.map(|mistake| (mistake.first, mistake.last)).collect();
    spans.sort_unstable();
    let (mut count, mut end) = (0, None);
    for (first, last) in spans {
        count += u64::from(end.is_none_or(|end| first > end));
        end = end.max(Some(last));
    }
    count
}

/// One bin of probabilities.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize)]
pub struct Bin {
    /// Least probability of the bin.
    pub from: f64,
    /// Greatest probability of the bin.
    pub to: f64,
    /// How many names.
    pub names: u64,
    /// Share of them that is right, 0 to 1.
    pub right: Option<f64>,
    /// Their mean probability.
    pub mean_p: Option<f64>,
}

/// How far probabilities are from the share of right names.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize)]
pub struct Calibration {
    /// Expected calibration error: the mean over all names of how far apart share and mean probability of its bin are.
    pub ece: Option<f64>,
    /// Fifteen, equally wide.
    pub bins: Vec<Bin>,
}

/// Gathers names and probabilities.
#[derive(Clone, Debug, Default)]
pub(super) struct Calibrating([(u64, u64, f64); BINS]);

impl Calibrating {
    /// Adds a frame's names of one kind.
    pub(super) fn add(&mut self, frame: &FilmFrame, fitted: &Fitted, kind: usize) {
        for (animal, pose) in fitted.pose_of.iter().enumerate().filter_map(|(animal, pose)| Some((animal, (*pose)?))) {
            let name = frame.poses.get(pose).and_then(|pose| pose.names.get(kind).copied().flatten());
            let Some((name, p)) = name.and_then(|name| Some((name, f64::from(name.p?).clamp(0.0, 1.0)))) else {
                continue;
            };
            let (names, right, sum) = &mut self.0[((p * BINS as f64) as usize).min(BINS - 1)];
            *names += 1;
            *right += u64::from(usize::from(name.who) == animal);
            *sum += p;
        }
    }

    pub(super) fn calibration(&self) -> Calibration {
        let all: u64 = self.0.iter().map(|bin| bin.0).sum();
        let apart: f64 = self.0.iter().map(|(_, right, sum)| (*right as f64 - sum).abs()).sum();
        let bin = |(index, (names, right, sum)): (usize, &(u64, u64, f64))| Bin {
            from: index as f64 / BINS as f64,
            to: (index + 1) as f64 / BINS as f64,
            names: *names,
            right: share(*right, *names),
            mean_p: (*names > 0).then(|| sum / *names as f64),
        };
        Calibration { ece: (all > 0).then(|| apart / all as f64), bins: self.0.iter().enumerate().map(bin).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::super::fit::fit;
    use super::super::made;
    use super::*;

    /// First frame, last frame and whether it lasts, of each mistake.
    fn runs(words: &[&str]) -> Vec<(usize, usize, bool)> {
        let (film, verdicts) = made::verdicts(words);
        mistakes(&film, &verdicts).iter().map(|run| (run.first, run.last, run.lasts(&film))).collect()
    }

    #[test]
    fn accuracy_is_of_names_and_coverage_of_animals_in_view() {
        let (_, verdicts) = made::verdicts(&["+++b?-.."]);
        let mut tally = Tally::default();
        verdicts.iter().flatten().for_each(|verdict| tally.add(*verdict));
        assert_eq!((tally.accuracy(), tally.coverage(), tally.strict()), (Some(0.75), Some(4.0 / 6.0), Some(0.5)));
    }

    #[test]
    fn each_animal_is_judged_by_its_own_pose_whatever_the_name() {
        let (a, b, c) = (made::animal(0, 0.0), made::animal(1, 100.0), made::animal(2, 200.0));
        let poses = vec![made::pose(Some(1), 0.0), made::pose(Some(1), 101.0), made::pose(None, 200.0)];
        let film = made::film(4, vec![(vec![a, b, c, made::hidden(3)], poses)]);
        let fitted = fit(&film.frames[0], 10.0);
        let expected = [Verdict::Wrong(1), Verdict::Right, Verdict::Withheld, Verdict::OutOfSight];
        assert_eq!(verdicts(&film.frames[0], &fitted, 0), expected);
    }

    #[test]
    fn a_second_of_a_wrong_name_does_not_last_and_a_frame_more_does() {
        assert_eq!(runs(&["++bbbbbbbbbb++"]), [(2, 11, false)]);
        assert_eq!(runs(&["++bbbbbbbbbbb+"]), [(2, 12, true)]);
    }

    #[test]
    fn only_the_right_name_ends_a_mistake_at_once() {
        assert_eq!(runs(&["bb?-.cc"]), [(0, 6, false)]);
        assert_eq!(runs(&["bb+bb"]), [(0, 1, false), (3, 4, false)]);
    }

    #[test]
    fn more_than_a_second_without_a_wrong_name_ends_a_mistake() {
        assert_eq!(runs(&["b.........b"]), [(0, 10, true)]);
        assert_eq!(runs(&["b..........b"]), [(0, 0, false), (11, 11, false)]);
    }

    #[test]
    fn a_swap_is_two_mistakes_and_one_incident() {
        let (film, verdicts) = made::verdicts(&["+bbbb++++b", "+aaaa+++++"]);
        let mistakes = mistakes(&film, &verdicts);
        assert_eq!((mistakes.len(), incidents(mistakes.iter())), (3, 2));
    }

    #[test]
    fn probabilities_that_are_kept_have_no_error_and_boasts_have() {
        let film = |right: u16| {
            let frame = |number: u16| {
                let mut pose = made::pose(Some(u16::from(number >= right)), 0.0);
                pose.names[0].as_mut().expect("a name").p = Some(0.75);
                (vec![made::animal(0, 0.0), made::hidden(1)], vec![pose])
            };
            made::film(2, (0..4).map(frame).collect())
        };
        let ece = |film: &Film| {
            let mut calibrating = Calibrating::default();
            film.frames.iter().for_each(|frame| calibrating.add(frame, &fit(frame, 10.0), 0));
            calibrating.calibration()
        };
        assert_eq!((ece(&film(3)).ece, ece(&film(1)).ece, ece(&film(0)).ece), (Some(0.0), Some(0.5), Some(0.75)));
        let bin = ece(&film(3)).bins[11];
        assert_eq!((bin.names, bin.right, bin.mean_p), (4, Some(0.75), Some(0.75)));
    }

    #[test]
    fn names_without_a_probability_are_not_calibrated() {
        let film = made::film(1, vec![(vec![made::animal(0, 0.0)], vec![made::pose(Some(0), 0.0)])]);
        let mut calibrating = Calibrating::default();
        calibrating.add(&film.frames[0], &fit(&film.frames[0], 10.0), 0);
        assert_eq!(calibrating.calibration().ece, None);
    }
}
