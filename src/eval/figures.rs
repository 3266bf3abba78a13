//! Every figure of a film, from its truth and its poses.

use super::EvalError;
use super::film::{Film, Oddities};
use super::fit::{body_length_px, fit};
use super::jumps::{Jumping, Jumps};
use super::names::{Calibrating, Calibration, Mistake, Tally, Verdict, incidents, mistakes, share, verdicts};
use super::points::{Pointing, Points};
use super::setting::{Doing, Exit, doings, exits};
use super::swaps::{Exits, is_drift, judge_exits};
use super::tracking::{Following, Tracking};

/// Names in one part of the animal-frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize)]
pub struct Part {
    /// Right of the names given, 0 to 1.
    pub identity_accuracy: Option<f64>,
    /// Names given of the animal-frames in view, 0 to 1.
    pub coverage: Option<f64>,
    /// Right names of the animal-frames in view, 0 to 1.
    pub strict_share: Option<f64>,
    /// The counts behind them.
    pub animal_frames: Tally,
    /// Runs of wrong names that begin in it, animal by animal.
    pub mistakes: u64,
    /// Those of them over a second.
    pub lasting_swaps: u64,
}

/// The parts: what an animal is doing, told by the truth alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize)]
pub struct Parts {
    /// It touches another.
    pub contacts: Part,
    /// Another within a body length, both slow.
    pub huddles: Part,
    /// Another within two, both fast.
    pub chases: Part,
    /// The first two seconds after it came out of hiding.
    pub shelter_exits: Part,
    /// None of these.
    pub rest: Part,
}

/// What names of one kind are worth.
#[derive(Clone, Debug, serde::Serialize)]
pub struct KindFigures {
    /// `live`, `settled` or `given`.
    pub kind: &'static str,
    /// Over all animal-frames.
    #[serde(flatten)]
    pub all: Part,
    /// Lasting swaps, animal by animal, per hour of film: a swap of two counts twice.
    pub lasting_swaps_per_hour: Option<f64>,
    /// Lasting swaps that are apart in time: a swap of two counts once.
    pub lasting_incidents: u64,
    /// The longest mistake, seconds.
    pub longest_mistake_s: f64,
    /// Mistakes in which an identity slid onto a touching animal, whose name was not taken in exchange.
    pub drifts: u64,
    /// Those of them over a second.
    pub lasting_drifts: u64,
    /// Honesty of the probabilities.
    pub calibration: Calibration,
    /// Names of animals that come out of hiding.
    pub exits: Exits,
    /// IDF1, MOTA, HOTA.
    pub tracking: Tracking,
    /// Hard minutes apart.
    pub parts: Parts,
}

/// All figures.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Figures {
    /// Frames judged.
    pub frames: u64,
    /// Frames per second.
    pub fps: f64,
    /// Hours of film.
    pub hours: f64,
    /// The truth's animals.
    pub animals: Vec<String>,
    /// Body length, pixels.
    pub body_length_px: f64,
    /// Share of the animal-frames in view that have a pose, 0 to 1.
    pub animal_recall: Option<f64>,
    /// Keypoints against the truth.
    pub keypoints: Points,
    /// Keypoints on the wrong animal.
    pub jumps: Jumps,
    /// By kind of name.
    pub kinds: Vec<KindFigures>,
    /// What did not fit.
    pub oddities: Oddities,
}

/// The figures and what is behind them.
#[derive(Clone, Debug)]
pub struct Evaluation {
    /// All figures.
    pub figures: Figures,
    /// By kind, frame and animal.
    pub verdicts: Vec<Vec<Vec<Verdict>>>,
    /// By kind: wrong names, by animal and time.
    pub mistakes: Vec<Vec<Mistake>>,
}

/// Judges a film.
///
/// # Errors
/// [`EvalError::NoScale`] where the truth never knows two body parts of an animal.
pub fn evaluate(film: &Film) -> Result<Evaluation, EvalError> {
    let body_length_px = body_length_px(film).ok_or(EvalError::NoScale)?;
    let exits = exits(film);
    let mut judging: Vec<Judging> = (0..film.kinds.len()).map(|kind| Judging::new(film, kind)).collect();
    let (mut jumping, mut pointing) = (Jumping::new(film), Pointing::new(film));
    for (index, frame) in film.frames.iter().enumerate() {
        let fitted = fit(frame, body_length_px);
        for (kind, judging) in judging.iter_mut().enumerate() {
            judging.verdicts.push(verdicts(frame, &fitted, kind));
            judging.calibrating.add(frame, &fitted, kind);
            judging.following.add(frame, &fitted);
        }
        jumping.add(film, index, frame, &fitted, body_length_px);
        pointing.add(frame, &fitted, body_length_px);
    }
    let doings = doings(film, body_length_px, &exits);
    let mut all_mistakes = Vec::new();
    let mut kinds = Vec::new();
    for judging in &judging {
        let mistakes = mistakes(film, &judging.verdicts);
        kinds.push(judging.figures(film, &mistakes, &doings, &exits));
        all_mistakes.push(mistakes);
    }
    let found = kinds.first().map(|kind| kind.all.animal_frames).unwrap_or_default();
    let hours = hours(film);
    let figures = Figures {
        frames: film.frames.len() as u64,
        fps: film.fps,
        hours,
        animals: film.names.iter().take(film.animals).cloned().collect(),
        body_length_px,
        animal_recall: share(found.visible - found.not_found, found.visible),
        keypoints: pointing.figures(film),
        jumps: jumping.figures(hours),
        kinds,
        oddities: film.oddities.clone(),
    };
    let verdicts = judging.into_iter().map(|judging| judging.verdicts).collect();
    Ok(Evaluation { figures, verdicts, mistakes: all_mistakes })
}

fn hours(film: &Film) -> f64 {
    film.frames.len() as f64 / film.fps / 3600.0
}

/// What is gathered for names of one kind.
struct Judging {
    kind: &'static str,
    verdicts: Vec<Vec<Verdict>>,
    calibrating: Calibrating,
    following: Following,
}

impl Judging {
    fn new(film: &Film, kind: usize) -> Self {
        Self {
            kind: film.kinds.get(kind).copied().unwrap_or_default(),
            verdicts: Vec::with_capacity(film.frames.len()),
            calibrating: Calibrating::default(),
            following: Following::new(film, kind),
        }
    }

    fn figures(&self, film: &Film, mistakes: &[Mistake], doings: &[Vec<Doing>], exits: &[Exit]) -> KindFigures {
        let lasting = || mistakes.iter().filter(|mistake| mistake.lasts(film));
        let drifts = || mistakes.iter().filter(|mistake| is_drift(film, mistake, &self.verdicts, doings));
        let part = |belongs: fn(&Doing) -> bool| self.part(film, mistakes, doings, belongs);
        let hours = hours(film);
        KindFigures {
            kind: self.kind,
            all: part(|_| true),
            lasting_swaps_per_hour: (hours > 0.0).then(|| lasting().count() as f64 / hours),
            lasting_incidents: incidents(lasting()),
            longest_mistake_s: mistakes.iter().map(|mistake| mistake.seconds(film)).fold(0.0, f64::max),
            drifts: drifts().count() as u64,
            lasting_drifts: drifts().filter(|mistake| mistake.lasts(film)).count() as u64,
            calibration: self.calibrating.calibration(),
            exits: judge_exits(film, exits, &self.verdicts),
            tracking: self.following.figures(),
            parts: Parts {
                contacts: part(|doing| doing.touches != 0),
                huddles: part(|doing| doing.huddle),
                chases: part(|doing| doing.chase),
                shelter_exits: part(|doing| doing.exit),
                rest: part(|doing| doing.touches == 0 && !doing.huddle && !doing.chase && !doing.exit),
            },
        }
    }

    fn part(&self, film: &Film, mistakes: &[Mistake], doings: &[Vec<Doing>], belongs: fn(&Doing) -> bool) -> Part {
        let mut tally = Tally::default();
        for (verdict, _) in
            self.verdicts.iter().flatten().zip(doings.iter().flatten()).filter(|(_, doing)| belongs(doing))
        {
            tally.add(*verdict);
        }
        let begins = |mistake: &&Mistake| {
            doings.get(mistake.first).and_then(|doing| doing.get(mistake.animal)).is_some_and(belongs)
        };
        let begun = || mistakes.iter().filter(begins);
        Part {
            identity_accuracy: tally.accuracy(),
            coverage: tally.coverage(),
            strict_share: tally.strict(),
            animal_frames: tally,
            mistakes: begun().count() as u64,
            lasting_swaps: begun().filter(|mistake| mistake.lasts(film)).count() as u64,
        }
    }
}
