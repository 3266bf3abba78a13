//! Every figure of a film, from its truth and its poses.

use super::EvalError;
use super::film::{Film, Oddities};
use super::fit::{body_length_px, fit};
use super::jumps::{Jumping, Jumps};
use super::names::{Calibrating, Calibration, Mistake, Tally, Verdict, incidents, mistakes, share, verdicts};

/// What names of one kind are worth.
#[derive(Clone, Debug, serde::Serialize)]
pub struct KindFigures {
    /// `live`, `settled` or `given`.
    pub kind: &'static str,
    /// Right of the names given, 0 to 1.
    pub identity_accuracy: Option<f64>,
    /// Names given of the animal-frames in view, 0 to 1.
    pub coverage: Option<f64>,
    /// Right names of the animal-frames in view, 0 to 1.
    pub strict_share: Option<f64>,
    /// The counts behind them.
    pub animal_frames: Tally,
    /// Runs of wrong names of one animal.
    pub mistakes: u64,
    /// Those over a second, animal by animal: a swap of two counts twice.
    pub lasting_swaps: u64,
    /// Per hour of film.
    pub lasting_swaps_per_hour: Option<f64>,
    /// Those of them that are apart in time: a swap of two counts once.
    pub lasting_incidents: u64,
    /// The longest, seconds.
    pub longest_mistake_s: f64,
    /// Honesty of the probabilities.
    pub calibration: Calibration,
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
    /// Keypoints on the wrong animal.
    pub jumps: Jumps,
    /// By kind of name.
    pub kinds: Vec<KindFigures>,
    /// What did not fit.
    pub oddities: Oddities,
}

/// The figures, and the verdicts behind them for a plot.
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
    let kinds = film.kinds.len();
    let mut all_verdicts = vec![Vec::with_capacity(film.frames.len()); kinds];
    let mut calibrating = vec![Calibrating::default(); kinds];
    let mut jumping = Jumping::new(film);
    for (index, frame) in film.frames.iter().enumerate() {
        let fitted = fit(frame, body_length_px);
        for (kind, (all, calibrating)) in all_verdicts.iter_mut().zip(&mut calibrating).enumerate() {
            all.push(verdicts(frame, &fitted, kind));
            calibrating.add(frame, &fitted, kind);
        }
        jumping.add(film, index, frame, &fitted, body_length_px);
    }
    let hours = film.frames.len() as f64 / film.fps / 3600.0;
    let mut figures = Figures {
        frames: film.frames.len() as u64,
        fps: film.fps,
        hours,
        animals: film.names.iter().take(film.animals).cloned().collect(),
        body_length_px,
        animal_recall: None,
        jumps: jumping.figures(hours),
        kinds: Vec::new(),
        oddities: film.oddities.clone(),
    };
    let mut all_mistakes = Vec::new();
    for (kind, (verdicts, calibrating)) in film.kinds.iter().zip(all_verdicts.iter().zip(&calibrating)) {
        let mistakes = mistakes(film, verdicts);
        figures.kinds.push(of_kind(film, kind, verdicts, &mistakes, calibrating.calibration()));
        all_mistakes.push(mistakes);
    }
    if let Some(KindFigures { animal_frames, .. }) = figures.kinds.first() {
        figures.animal_recall = share(animal_frames.visible - animal_frames.not_found, animal_frames.visible);
    }
    Ok(Evaluation { figures, verdicts: all_verdicts, mistakes: all_mistakes })
}

fn of_kind(
    film: &Film,
    kind: &'static str,
    verdicts: &[Vec<Verdict>],
    mistakes: &[Mistake],
    calibration: Calibration,
) -> KindFigures {
    let mut tally = Tally::default();
    verdicts.iter().flatten().for_each(|verdict| tally.add(*verdict));
    let lasting = || mistakes.iter().filter(|mistake| mistake.lasts(film));
    let hours = film.frames.len() as f64 / film.fps / 3600.0;
    KindFigures {
        kind,
        identity_accuracy: tally.accuracy(),
        coverage: tally.coverage(),
        strict_share: tally.strict(),
        animal_frames: tally,
        mistakes: mistakes.len() as u64,
        lasting_swaps: lasting().count() as u64,
        lasting_swaps_per_hour: (hours > 0.0).then(|| lasting().count() as f64 / hours),
        lasting_incidents: incidents(lasting()),
        longest_mistake_s: mistakes.iter().map(|mistake| mistake.seconds(film)).fold(0.0, f64::max),
        calibration,
    }
}
