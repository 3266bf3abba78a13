//! How a track's body lay when last seen, and where its keypoints must be now.
//!
//! In the body's frame each keypoint comes back to its mean place within `TURN_S`, as an Ornstein-Uhlenbeck process does: what was
//! seen just now says nearly all, what was seen long ago says nothing. The frame itself is laid on a pose by its keypoints,
//! robustly (iterated weights, Geman and McClure 1987), so that a few borrowed ones do not carry it away.

use super::build::Build;
use crate::handover::{Keypoint, KeypointSet, Keypoints, MAX_KEYPOINTS};
use crate::space::InCamera;

/// How long a keypoint keeps its place in the body's frame, seconds.
const TURN_S: f32 = 0.4;
/// Error of a keypoint, body sizes squared.
const NOISE: f32 = 0.05 * 0.05;
/// A keypoint this many variances off counts a quarter when the frame is laid.
const ROBUST: f32 = 9.0;
/// How often the weights are found anew.
const ROUNDS: usize = 4;
/// A predicted keypoint scores this share of what it had, less the longer ago it was seen: what asks for sure keypoints leaves it out.
const HELD: f32 = 0.5;
/// A keypoint whose variance is more than this is not predicted, body sizes squared.
const VAGUE: f32 = 0.3 * 0.3;
/// How far an unseen body's frame may be off, body sizes squared, for each second.
const UNSEEN_PER_S: f32 = 4.0;

/// Where each keypoint should lie in the body's frame, and its variance on each axis; body sizes.
type Parts = [Option<([f32; 2], f32)>; MAX_KEYPOINTS];

/// Where a body lies: its frame's origin (body sizes, camera axes) and direction.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Frame {
    origin: [f32; 2],
    /// Cosine and sine of the angle from camera to body axes.
    turn: [f32; 2],
    /// How far its keypoints reach from the origin, body sizes.
    reach: f32,
}

impl Frame {
    /// A frame for a body of which nothing is known: around the keypoints' mean, along the camera's axes.
    pub fn around(keypoints: &Keypoints, size: f32) -> Self {
        let (sum, count) = keypoints.iter().flatten().fold(([0.0; 2], 0.0), |(sum, count), keypoint| {
            ([sum[0] + keypoint.at.x / size, sum[1] + keypoint.at.y / size], count + 1.0f32)
        });
        let count = count.max(1.0);
        Self { origin: [sum[0] / count, sum[1] / count], turn: [1.0, 0.0], reach: 0.0 }
    }

    /// A place in the body's frame, of one along the camera's axes; both in body sizes.
    pub fn body_from_camera(&self, at: [f32; 2]) -> [f32; 2] {
        let (x, y) = (at[0] - self.origin[0], at[1] - self.origin[1]);
        let [cos, sin] = self.turn;
        [cos * x + sin * y, cos * y - sin * x]
    }

    /// The way back.
    pub fn camera_from_body(&self, at: [f32; 2]) -> [f32; 2] {
        let turned = self.turned(at);
        [self.origin[0] + turned[0], self.origin[1] + turned[1]]
    }

    fn turned(&self, at: [f32; 2]) -> [f32; 2] {
        let [cos, sin] = self.turn;
        [cos * at[0] - sin * at[1], sin * at[0] + cos * at[1]]
    }

    /// Whether two bodies' reaches meet.
    pub fn touches(&self, other: &Self) -> bool {
        apart(self.origin, other.origin) <= self.reach + other.reach
    }
}

/// One keypoint as last seen and not given up.
#[derive(Clone, Copy, Debug)]
struct Last {
    /// In the body's frame.
    at: [f32; 2],
    score: f32,
    ago_s: f32,
}

/// What is remembered of one track's body.
#[derive(Clone, Debug)]
pub struct Posture {
    last: [Option<Last>; MAX_KEYPOINTS],
    frame: Option<Frame>,
    /// Where keypoints were thought to be in the last frame, in the body's frame.
    thought: Parts,
    /// The keypoints of the frame before that were neither given up nor held back.
    had: KeypointSet,
    /// For how many frames in a row each keypoint was likely enough its own.
    likely: [u8; MAX_KEYPOINTS],
    unseen_s: f32,
}

impl Default for Posture {
    fn default() -> Self {
        Self {
            last: [None; MAX_KEYPOINTS],
            frame: None,
            thought: [None; MAX_KEYPOINTS],
            had: KeypointSet::default(),
            likely: [0; MAX_KEYPOINTS],
            unseen_s: 0.0,
        }
    }
}

/// Where one track's keypoints must be in this frame.
#[derive(Clone, Debug)]
pub struct Expected {
    parts: Parts,
    /// Where the body lies, as far as is known.
    pub frame: Option<Frame>,
    /// How far the frame may be off, body sizes squared.
    slack: f32,
    /// How far such a body's keypoints may lie from the frame's origin, body sizes.
    reach: f32,
}

impl Expected {
    /// Whether keypoint `k` may be at a place, in body sizes: within the body's reach, its missing keypoints and all, or at most
    /// `astray` standard deviations from where it must be (a tail that is stretched reaches further than one mostly does).
    pub fn may_have(&self, k: usize, at: [f32; 2], astray: f32) -> bool {
        let within = |frame: Frame| apart(frame.origin, at) <= frame.reach.max(self.reach) + self.slack.sqrt();
        let near = |(place, variance): ([f32; 2], f32)| apart(place, at) <= astray * variance.sqrt();
        self.frame.is_some_and(within) || self.place(k).is_some_and(near)
    }

    /// Whether a place is further than `most` from where keypoint `k` must be; body sizes.
    pub fn is_off(&self, k: usize, at: [f32; 2], most: f32) -> bool {
        self.place(k).is_some_and(|(place, _)| apart(place, at) > most)
    }

    /// Where keypoint `k` must be along the camera's axes, and its variance on each; body sizes.
    pub fn place(&self, k: usize) -> Option<([f32; 2], f32)> {
        let (at, variance) = (*self.parts.get(k)?)?;
        Some((self.frame?.camera_from_body(at), variance + self.slack))
    }
}

impl Posture {
    /// Lets time go by.
    pub fn age(&mut self, step_s: f32) {
        self.unseen_s += step_s;
        self.last.iter_mut().flatten().for_each(|last| last.ago_s += step_s);
    }

    /// It has no pose in this frame.
    pub fn miss(&mut self) {
        self.had = KeypointSet::default();
    }

    /// Whether keypoint `k` was seen in the frame before, and neither given up nor held back.
    pub fn had(&self, k: usize) -> bool {
        self.had.contains(k)
    }

    /// Whether it had a pose before.
    pub fn is_known(&self) -> bool {
        self.frame.is_some()
    }

    /// Notes whether keypoint `k` is likely enough its own in this frame; gives for how many frames in a row it was, this one counted.
    pub fn note(&mut self, k: usize, likely: bool) -> u8 {
        let Some(frames) = self.likely.get_mut(k) else { return 0 };
        *frames = if likely { frames.saturating_add(1) } else { 0 };
        *frames
    }

    /// Where the keypoints must be, from what is remembered and from the pose as a whole.
    pub fn expect(&self, build: &Build, keypoints: Option<&Keypoints>, moved: [f32; 2], size: f32) -> Expected {
        let mut parts = [None; MAX_KEYPOINTS];
        for (k, (part, last)) in parts.iter_mut().zip(&self.last).enumerate() {
            let Some(known) = build.part(k) else { continue };
            *part = Some(match last {
                Some(last) => {
                    let keeps = (-last.ago_s / TURN_S).exp();
                    let at = |axis: usize| known.at[axis] + keeps * (last.at[axis] - known.at[axis]);
                    ([at(0), at(1)], NOISE + known.variance * (1.0 - keeps * keeps))
                }
                None => (known.at, NOISE + known.variance),
            });
        }
        let mut expected = Expected { parts, frame: None, slack: 0.0, reach: build.reach() };
        match keypoints {
            Some(keypoints) => self.lay(&mut expected, keypoints, size),
            None => {
                let shifted = |frame: Frame| Frame {
                    origin: [frame.origin[0] + moved[0] / size, frame.origin[1] + moved[1] / size],
                    ..frame
                };
                expected.frame = self.frame.map(shifted);
                expected.slack = UNSEEN_PER_S * self.unseen_s;
            }
        }
        expected
    }

    /// Lays the frame on a pose: once from how it lay, once from all keypoints, and takes the better.
    fn lay(&self, expected: &mut Expected, keypoints: &Keypoints, size: f32) {
        let pairs = Pairs::new(&expected.parts, keypoints, size);
        if pairs.count == 0 {
            return;
        }
        let old = self.frame.map(|frame| pairs.turned_as(frame.turn));
        let laid = [old, pairs.fit(|_| 1.0, [1.0, 0.0])].into_iter().flatten().map(|start| pairs.improve(start));
        let best = laid.reduce(|best, next| if pairs.cost(&next) < pairs.cost(&best) { next } else { best });
        if let Some(frame) = best {
            let weight: f32 = (0..pairs.count).map(|n| pairs.weight(n, &frame)).sum();
            expected.slack = 1.0 / weight.max(1e-3);
            expected.frame = Some(Frame { reach: pairs.reach(frame.origin), ..frame });
        }
    }

    /// Takes in the keypoints that were neither given up nor held back.
    pub fn remember(&mut self, expected: &Expected, keypoints: &Keypoints, size: f32) {
        self.unseen_s = 0.0;
        self.had = KeypointSet::present(keypoints);
        let Some(frame) = expected.frame else { return };
        self.frame = Some(frame);
        self.thought = expected.parts;
        for (last, keypoint) in self.last.iter_mut().zip(keypoints) {
            if let Some(keypoint) = keypoint {
                let at = frame.body_from_camera([keypoint.at.x / size, keypoint.at.y / size]);
                *last = Some(Last { at, score: keypoint.score, ago_s: 0.0 });
            }
        }
    }

    /// A pose's keypoints, and in the place of those missing that were seen up to `hold_s` ago where they must be; and which of
    /// them these are. Camera pixels; less sure the longer ago they were seen.
    pub fn completed(&self, keypoints: &Keypoints, hold_s: f32, size: f32) -> (Keypoints, KeypointSet) {
        let (mut all, mut predicted) = (*keypoints, KeypointSet::default());
        for (k, (keypoint, last)) in all.iter_mut().zip(&self.last).enumerate() {
            let last = last.filter(|last| keypoint.is_none() && last.ago_s <= hold_s);
            let thought = self.thought[k].filter(|(_, variance)| *variance <= VAGUE);
            if let (Some(last), Some((at, _)), Some(frame)) = (last, thought, self.frame) {
                let [x, y] = frame.camera_from_body(at);
                let sure = HELD * (-last.ago_s / hold_s.max(1e-3)).exp();
                *keypoint = Some(Keypoint { at: InCamera { x: x * size, y: y * size }, score: last.score * sure });
                predicted.insert(k);
            }
        }
        (all, predicted)
    }
}

/// Keypoints of a pose with their places in the body's frame.
struct Pairs {
    count: usize,
    body: [[f32; 2]; MAX_KEYPOINTS],
    camera: [[f32; 2]; MAX_KEYPOINTS],
    variance: [f32; MAX_KEYPOINTS],
}

impl Pairs {
    fn new(parts: &Parts, keypoints: &Keypoints, size: f32) -> Self {
        let mut pairs = Self {
            count: 0,
            body: [[0.0; 2]; MAX_KEYPOINTS],
            camera: [[0.0; 2]; MAX_KEYPOINTS],
            variance: [1.0; MAX_KEYPOINTS],
        };
        for (part, keypoint) in parts.iter().zip(keypoints) {
            if let (Some((at, variance)), Some(keypoint)) = (part, keypoint) {
                pairs.body[pairs.count] = *at;
                pairs.camera[pairs.count] = [keypoint.at.x / size, keypoint.at.y / size];
                pairs.variance[pairs.count] = *variance;
                pairs.count += 1;
            }
        }
        pairs
    }

    /// The frame turned so, at the middle of where each keypoint would put it.
    fn turned_as(&self, turn: [f32; 2]) -> Frame {
        let mut frame = Frame { origin: [0.0; 2], turn, reach: 0.0 };
        let mut origins = [[0.0; MAX_KEYPOINTS]; 2];
        for n in 0..self.count {
            let turned = frame.turned(self.body[n]);
            for (axis, values) in origins.iter_mut().enumerate() {
                values[n] = self.camera[n][axis] - turned[axis];
            }
        }
        for (origin, values) in frame.origin.iter_mut().zip(&mut origins) {
            let values = &mut values[..self.count];
            values.sort_unstable_by(f32::total_cmp);
            *origin = values[(self.count - 1) / 2];
        }
        frame
    }

    /// The frame with the least squares; `turn` where the keypoints say nothing of it.
    fn fit(&self, weight: impl Fn(usize) -> f32, turn: [f32; 2]) -> Option<Frame> {
        let (mut total, mut body, mut camera) = (0.0, [0.0; 2], [0.0; 2]);
        for n in 0..self.count {
            let weight = weight(n);
            total += weight;
            for axis in 0..2 {
                body[axis] += weight * self.body[n][axis];
                camera[axis] += weight * self.camera[n][axis];
            }
        }
        if total <= 0.0 {
            return None;
        }
        let (body, camera) = (body.map(|sum| sum / total), camera.map(|sum| sum / total));
        let (mut along, mut across) = (0.0, 0.0);
        for n in 0..self.count {
            let b = [self.body[n][0] - body[0], self.body[n][1] - body[1]];
            let c = [self.camera[n][0] - camera[0], self.camera[n][1] - camera[1]];
            along += weight(n) * (b[0] * c[0] + b[1] * c[1]);
            across += weight(n) * (b[0] * c[1] - b[1] * c[0]);
        }
        let long = along.hypot(across);
        let turn = if long > 1e-4 * total { [along / long, across / long] } else { turn };
        let mut frame = Frame { origin: [0.0; 2], turn, reach: 0.0 };
        let turned = frame.turned(body);
        frame.origin = [camera[0] - turned[0], camera[1] - turned[1]];
        frame.origin.iter().all(|value| value.is_finite()).then_some(frame)
    }

    /// How far keypoint `n` is off, in variances.
    fn misfit(&self, n: usize, frame: &Frame) -> f32 {
        let away = apart(frame.camera_from_body(self.body[n]), self.camera[n]);
        away * away / self.variance[n]
    }

    fn weight(&self, n: usize, frame: &Frame) -> f32 {
        let doubt = 1.0 + self.misfit(n, frame) / ROBUST;
        1.0 / (self.variance[n] * doubt * doubt)
    }

    fn improve(&self, start: Frame) -> Frame {
        let mut frame = start;
        for _ in 0..ROUNDS {
            frame = self.fit(|n| self.weight(n, &frame), frame.turn).unwrap_or(frame);
        }
        frame
    }

    fn cost(&self, frame: &Frame) -> f32 {
        let cost = |n| {
            let misfit = self.misfit(n, frame);
            misfit / (ROBUST + misfit)
        };
        (0..self.count).map(cost).sum()
    }

    fn reach(&self, origin: [f32; 2]) -> f32 {
        self.camera[..self.count].iter().map(|at| apart(*at, origin)).fold(0.0, f32::max)
    }
}

fn apart(a: [f32; 2], b: [f32; 2]) -> f32 {
    (a[0] - b[0]).hypot(a[1] - b[1])
}
