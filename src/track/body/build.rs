//! How a body is built: where each keypoint lies in the body's frame, how far it strays, and how long the skeleton's links are.

use super::posture::Frame;
use super::{MAX_LINKS, Vec};
use crate::handover::{Keypoints, MAX_KEYPOINTS};

/// Figures are means over about this long, seconds of capture time.
const MEMORY_S: f32 = 60.0;
/// They are first guesses until they were learnt for this long, seconds.
const GUESS_S: f32 = 2.0;
/// Spread of a first guess, and the least spread there is: labels tremble. Body sizes, squared.
const GUESS_VARIANCE: f32 = 0.6 * 0.6;
const LEAST_VARIANCE: f32 = 0.06 * 0.06;
/// A keypoint strays if it varies by more than this, body sizes squared: a tail does, a head and a trunk do not.
const STRAYS: f32 = 0.1;
/// The same of a score, 0 to 1. Scores that vary less say nothing: whatever made them gives all keypoints the same.
const GUESS_SCORE_VARIANCE: f32 = 0.03 * 0.03;
const TELLING_SCORE_VARIANCE: f32 = 0.015 * 0.015;
/// What strays further than this many standard deviations counts as this far, so that a wrong keypoint teaches little.
const FURTHEST: f32 = 3.0;

/// Where a keypoint lies in the body's frame.
#[derive(Clone, Copy, Debug)]
pub struct Part {
    /// Its mean place, body sizes.
    pub at: [f32; 2],
    /// Its variance on each axis, body sizes squared.
    pub variance: f32,
    /// Mean and variance of its score, 0 to 1.
    score: f32,
    score_variance: f32,
    learnt_s: f32,
}

/// How long a link is.
#[derive(Clone, Copy, Debug)]
pub struct Length {
    /// Body sizes.
    pub mean: f32,
    /// Body sizes squared.
    pub variance: f32,
    learnt_s: f32,
}

/// The build of one animal, or of all.
#[derive(Clone, Debug, Default)]
pub struct Build {
    parts: [Option<Part>; MAX_KEYPOINTS],
    lengths: [Option<Length>; MAX_LINKS],
    learnt_s: f32,
}

impl Build {
    /// Capture time of the frames that it was learnt from, seconds; no more than it remembers.
    pub fn learnt_s(&self) -> f32 {
        self.learnt_s
    }

    /// A keypoint's place, once it was seen.
    pub fn part(&self, k: usize) -> Option<&Part> {
        self.parts.get(k)?.as_ref()
    }

    /// Whether a keypoint lies now here, now there in the body's frame; in the first seconds, by the first guess, every one does.
    pub fn strays(&self, k: usize) -> bool {
        self.part(k).is_some_and(|part| part.variance > STRAYS)
    }

    /// How many standard deviations less than usual a keypoint scores, once that is no mere guess and scores tell keypoints apart.
    pub fn fainter(&self, k: usize, score: f32) -> Option<f32> {
        let part =
            self.part(k).filter(|part| part.learnt_s >= GUESS_S && part.score_variance > TELLING_SCORE_VARIANCE)?;
        Some((part.score - score) / part.score_variance.sqrt())
    }

    /// A link's length, once it is no mere guess.
    pub fn length(&self, link: usize) -> Option<&Length> {
        self.lengths.get(link)?.as_ref().filter(|length| length.learnt_s >= GUESS_S)
    }

    /// How far its keypoints lie from its frame's origin at most, body sizes.
    pub fn reach(&self) -> f32 {
        self.parts.iter().flatten().map(|part| part.at[0].hypot(part.at[1]) + part.variance.sqrt()).fold(0.0, f32::max)
    }

    /// Keypoints that were seen, by how far they stray.
    pub fn steadiest_first(&self) -> Vec<usize, MAX_KEYPOINTS> {
        let mut order: Vec<usize, MAX_KEYPOINTS> = (0..MAX_KEYPOINTS).filter(|k| self.parts[*k].is_some()).collect();
        let variance = |k: usize| self.parts[k].map_or(f32::INFINITY, |part| part.variance);
        order.sort_unstable_by(|a, b| variance(*a).total_cmp(&variance(*b)).then(a.cmp(b)));
        order
    }

    /// Takes in one body in its frame that was seen for `step_s`.
    pub fn learn(&mut self, frame: &Frame, keypoints: &Keypoints, links: &[[usize; 2]], size: f32, step_s: f32) {
        let step_s = step_s.clamp(1e-3, 1.0);
        self.learnt_s = (self.learnt_s + step_s).min(MEMORY_S);
        for (part, keypoint) in self.parts.iter_mut().zip(keypoints) {
            let Some(keypoint) = keypoint else { continue };
            let at = frame.body_from_camera([keypoint.at.x / size, keypoint.at.y / size]);
            let part = part.get_or_insert(Part {
                at,
                variance: GUESS_VARIANCE,
                score: keypoint.score,
                score_variance: GUESS_SCORE_VARIANCE,
                learnt_s: 0.0,
            });
            let share = share(&mut part.learnt_s, step_s);
            let brighter = keypoint.score - part.score;
            let (shortened, square) = bounded(brighter, part.score_variance);
            part.score += share * shortened * brighter;
            part.score_variance += share * (square - part.score_variance);
            let off = [at[0] - part.at[0], at[1] - part.at[1]];
            let (bounded, square) = bounded(off[0].hypot(off[1]), part.variance);
            part.at = [part.at[0] + share * bounded * off[0], part.at[1] + share * bounded * off[1]];
            // Half of the squared distance is one axis's share.
            part.variance += share * (0.5 * square - part.variance);
            part.variance = part.variance.max(LEAST_VARIANCE);
        }
        for (length, link) in self.lengths.iter_mut().zip(links) {
            let [Some(a), Some(b)] = link.map(|k| keypoints[k]) else { continue };
            let away = a.at.distance(b.at) / size;
            let length = length.get_or_insert(Length { mean: away, variance: GUESS_VARIANCE, learnt_s: 0.0 });
            let share = share(&mut length.learnt_s, step_s);
            let (bounded, square) = bounded(away - length.mean, length.variance);
            length.mean += share * bounded * (away - length.mean);
            length.variance += share * (square - length.variance);
            length.variance = length.variance.max(LEAST_VARIANCE);
        }
    }
}

/// How much the next `step_s` count, after `learnt_s`, which grows.
fn share(learnt_s: &mut f32, step_s: f32) -> f32 {
    *learnt_s = (*learnt_s + step_s).min(MEMORY_S);
    // A first guess weighs like the time that it stands for.
    step_s / (*learnt_s).max(GUESS_S)
}

/// By what a distance is multiplied so that it is not beyond the furthest, and the square of what it is then.
fn bounded(away: f32, variance: f32) -> (f32, f32) {
    let furthest = FURTHEST * variance.sqrt();
    let bounded = if away.abs() > furthest { furthest / away.abs() } else { 1.0 };
    (bounded, (bounded * away).powi(2))
}
