//! Four walkers in a box and an imperfect observer: poses with known truth for the tracker's tests. Its own random numbers.
#![allow(dead_code)] // each test file uses its own part

use arenad::config::ZoneArea;
use arenad::handover::{Gaps, Keypoint, MAX_ANIMALS, Pose, Poses};
use arenad::space::InCamera;
use arenad::stamp::{Stamp, WallTime};
use arenad::zones::Zones;
use std::f32::consts::TAU;

/// Numbers that look random and are the same for the same seed.
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        let mut dice = Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(1));
        for _ in 0..8 {
            dice.bits();
        }
        dice
    }

    pub fn bits(&mut self) -> u32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as u32
    }

    /// From 0 to below 1.
    pub fn share(&mut self) -> f32 {
        self.bits() as f32 / (1u32 << 31) as f32 * 0.999_999
    }

    pub fn below(&mut self, n: usize) -> usize {
        self.bits() as usize % n
    }

    pub fn chance(&mut self, p: f32) -> bool {
        self.share() < p
    }

    /// Standard normal, near enough: the sum of twelve.
    pub fn normal(&mut self) -> f32 {
        (0..12).map(|_| self.share()).sum::<f32>() - 6.0
    }
}

/// How good the observer is.
#[derive(Clone, Copy, Debug)]
pub struct Observer {
    pub frames_hz: f32,
    /// Share of pictures whose identity is right.
    pub right: f32,
    /// How many frames in a row an identity error lasts, on average.
    pub error_frames: f32,
    /// Share of animals missed for no reason.
    pub missed: f32,
    /// Share of frames with a pose where nothing is.
    pub ghosts: f32,
    /// Share of animals with two poses.
    pub doubles: f32,
    /// Error of a pose's centre, pixels.
    pub noise: f32,
    /// The one below is not seen when two are nearer than this, pixels.
    pub covered: f32,
    /// How much the walkers seek each other.
    pub chases: f32,
}

impl Default for Observer {
    fn default() -> Self {
        Self {
            frames_hz: 30.0,
            right: 0.9,
            error_frames: 3.0,
            missed: 0.02,
            ghosts: 0.02,
            doubles: 0.01,
            noise: 1.5,
            covered: 14.0,
            chases: 0.3,
        }
    }
}

#[derive(Clone, Debug)]
struct Walker {
    at: [f32; 2],
    velocity: [f32; 2],
    heading: f32,
    goal: Option<usize>,
    goal_s: f32,
    inside_s: f32,
    looks_like: usize,
    looks_frames: f32,
    sure: f32,
}

/// The four, their box and their observer.
#[derive(Clone, Debug)]
pub struct World {
    dice: Dice,
    walkers: Vec<Walker>,
    observer: Observer,
    frame: u64,
}

/// What one frame shows, and the truth: which animal each pose is; `None` is a ghost or a double.
#[derive(Clone, Debug)]
pub struct Shown {
    pub stamp: Stamp,
    pub poses: Poses,
    pub truth: Vec<Option<usize>>,
}

pub const START_NS: i64 = 1_795_243_980_000_000_000;
const SIZE: [f32; 2] = [640.0, 480.0];
/// The nest in the corner that hides whoever is inside: left, top.
const NEST: [f32; 2] = [560.0, 400.0];

pub fn zones() -> Zones {
    let area = |name: &str, sheltered, x0: f32, y0: f32, x1: f32, y1: f32| ZoneArea {
        name: name.into(),
        sheltered,
        corners: vec![(x0, y0), (x1, y0), (x1, y1), (x0, y1)],
    };
    Zones::new(&[
        area("Open", false, 0.0, 0.0, 640.0, 480.0),
        area("Nest", true, NEST[0], NEST[1], 640.0, 480.0),
        area("Feeder", false, 0.0, 0.0, 120.0, 100.0),
    ])
    .unwrap()
}

pub fn no_gaps() -> Gaps {
    Gaps::default()
}

impl World {
    pub fn new(seed: u64, observer: Observer) -> Self {
        let mut dice = Dice::new(seed);
        let walkers = (0..4)
            .map(|n| Walker {
                at: [120.0 + 120.0 * n as f32, 100.0 + 80.0 * n as f32],
                velocity: [0.0; 2],
                heading: dice.share() * TAU,
                goal: None,
                goal_s: 0.0,
                inside_s: 0.0,
                looks_like: n,
                looks_frames: 0.0,
                sure: 0.8,
            })
            .collect();
        Self { dice, walkers, observer, frame: 0 }
    }

    /// Goes one frame on.
    pub fn step(&mut self) -> Shown {
        let seconds = 1.0 / self.observer.frames_hz;
        for n in 0..4 {
            self.walk(n, seconds);
        }
        let stamp = Stamp {
            frame: self.frame,
            captured: WallTime(START_NS + (self.frame as f64 * 1e9 / f64::from(self.observer.frames_hz)) as i64),
            ..Stamp::default()
        };
        self.frame += 1;
        let mut seen: Vec<(Pose, Option<usize>)> = Vec::new();
        for n in 0..4 {
            self.look(n, &mut seen);
        }
        if self.dice.chance(self.observer.ghosts) {
            let ghost = self.ghost();
            seen.push((ghost, None));
        }
        seen.truncate(MAX_ANIMALS);
        seen.sort_by(|a, b| b.0.score.total_cmp(&a.0.score));
        let truth = seen.iter().map(|(_, who)| *who).collect();
        Shown { stamp, poses: seen.into_iter().map(|(pose, _)| pose).collect(), truth }
    }

    fn walk(&mut self, n: usize, seconds: f32) {
        let others = self.walkers.clone();
        let dice = &mut self.dice;
        let walker = &mut self.walkers[n];
        walker.goal_s -= seconds;
        if walker.goal_s <= 0.0 {
            walker.goal_s = 0.5 + 3.0 * dice.share();
            walker.goal = if dice.chance(self.observer.chases) { Some((n + 1 + dice.below(3)) % 4) } else { None };
        }
        let pull = match walker.goal {
            Some(goal) => {
                let (dx, dy) = (others[goal].at[0] - walker.at[0], others[goal].at[1] - walker.at[1]);
                let far = dx.hypot(dy).max(1.0);
                [dx / far * 180.0, dy / far * 180.0]
            }
            None => [0.0; 2],
        };
        let keeps = (-seconds / 0.4).exp();
        for axis in 0..2 {
            let push = 90.0 * (1.0 - keeps * keeps).sqrt() * dice.normal();
            walker.velocity[axis] = walker.velocity[axis] * keeps + pull[axis] * (1.0 - keeps) + push;
            walker.at[axis] += walker.velocity[axis] * seconds;
            if !(10.0..SIZE[axis] - 10.0).contains(&walker.at[axis]) {
                walker.at[axis] = walker.at[axis].clamp(10.0, SIZE[axis] - 10.0);
                walker.velocity[axis] = -walker.velocity[axis];
            }
        }
        // Whoever steps into the nest stays for a while.
        let inside = walker.at[0] > NEST[0] && walker.at[1] > NEST[1];
        walker.inside_s = if inside { walker.inside_s + seconds } else { 0.0 };
        if inside && walker.inside_s < 3.0 {
            walker.at = [walker.at[0].max(NEST[0] + 5.0), walker.at[1].max(NEST[1] + 5.0)];
            walker.goal = None;
        } else if inside {
            walker.velocity = [-150.0, -150.0];
        }
        let to = walker.velocity[1].atan2(walker.velocity[0]);
        let turn = (to - walker.heading).sin().atan2((to - walker.heading).cos());
        walker.heading += turn * (seconds * 6.0).min(1.0);
    }

    fn look(&mut self, n: usize, seen: &mut Vec<(Pose, Option<usize>)>) {
        let [x, y] = self.walkers[n].at;
        let hidden = x > NEST[0] && y > NEST[1];
        let covered =
            self.walkers[..n].iter().any(|other| (other.at[0] - x).hypot(other.at[1] - y) < self.observer.covered);
        if hidden || (covered && self.dice.chance(0.9)) || self.dice.chance(self.observer.missed) {
            return;
        }
        let near = (0..4).any(|m| {
            m != n && (self.walkers[m].at[0] - x).hypot(self.walkers[m].at[1] - y) < 2.0 * self.observer.covered
        });
        let (dice, walker) = (&mut self.dice, &mut self.walkers[n]);
        walker.looks_frames -= 1.0;
        if walker.looks_frames <= 0.0 {
            let length = self.observer.error_frames;
            walker.looks_frames = 1.0 + dice.below((2.0 * length - 1.0).max(1.0) as usize) as f32;
            walker.looks_like = if dice.chance(self.observer.right) { n } else { (n + 1 + dice.below(3)) % 4 };
            walker.sure = 0.45 + 0.5 * dice.share();
        }
        let noise = self.observer.noise * if near { 2.0 } else { 1.0 };
        let score = 0.5 + 0.45 * dice.share();
        let pose = pose(
            InCamera { x: x + noise * dice.normal(), y: y + noise * dice.normal() },
            walker.heading,
            looks(walker.looks_like, walker.sure),
            score,
            |_| if dice.chance(0.05) { None } else { Some([noise * dice.normal(), noise * dice.normal()]) },
        );
        if self.dice.chance(self.observer.doubles) {
            let mut double = pose.clone();
            double.centre.x += 6.0;
            double.score = 0.35;
            seen.push((double, None));
        }
        seen.push((pose, Some(n)));
    }

    fn ghost(&mut self) -> Pose {
        let dice = &mut self.dice;
        let at = InCamera { x: dice.share() * SIZE[0], y: dice.share() * SIZE[1] };
        let (heading, who, score) = (dice.share() * TAU, dice.below(4), 0.3 + 0.25 * dice.share());
        pose(at, heading, looks(who, 0.5), score, |_| Some([0.0; 2]))
    }
}

/// Likelihoods that favour one of four.
pub fn looks(like: usize, sure: f32) -> [f32; MAX_ANIMALS] {
    let mut identity = [0.0; MAX_ANIMALS];
    for (k, p) in identity[..4].iter_mut().enumerate() {
        *p = if k == like { sure } else { (1.0 - sure) / 3.0 };
    }
    identity
}

/// A mouse of nine body parts, each moved by what `off` says or missing.
pub fn pose(
    centre: InCamera,
    heading: f32,
    identity: [f32; MAX_ANIMALS],
    score: f32,
    mut off: impl FnMut(usize) -> Option<[f32; 2]>,
) -> Pose {
    const PARTS: [[f32; 2]; 9] = [
        [25.0, 0.0],
        [17.0, 7.0],
        [17.0, -7.0],
        [0.0, 10.0],
        [0.0, -10.0],
        [0.0, 0.0],
        [-25.0, 0.0],
        [-45.0, 0.0],
        [-65.0, 0.0],
    ];
    let mut pose = Pose { centre, identity, score, ..Pose::default() };
    let (sin, cos) = heading.sin_cos();
    for (n, [along, across]) in PARTS.into_iter().enumerate() {
        pose.keypoints[n] = off(n).map(|[dx, dy]| Keypoint {
            at: InCamera {
                x: centre.x + cos * along - sin * across + dx,
                y: centre.y + sin * along + cos * across + dy,
            },
            score: 0.9,
        });
    }
    pose
}
