//! Where on a pose the paint is: the trunk between ears and tail base, without head, tail and rim.

use crate::handover::{Keypoints, Pose};
use crate::space::InCamera;

/// Keypoints below this score say nothing of where the body is.
const SCORE_MIN: f32 = 0.3;
/// Samples along the spine and across it.
const ALONG: usize = 12;
const ACROSS: usize = 7;
/// Most places of one trunk.
pub const PLACES: usize = ALONG * ACROSS;
/// Which part of the way from ears to tail base is looked at: paint begins behind the ears and wears off at the rump.
const FROM: f32 = 0.12;
const TO: f32 = 0.92;
/// How far from the spine is looked, half widths: the rim is fur and shadow.
const WIDE: f32 = 0.65;
/// Half the trunk's width as a share of the way from ears to tail base, where no flank is known. Rendered and real mice: 0.2 to 0.3.
const SLIM: f32 = 0.22;
/// A place is another animal's when it lies nearer to that one's spine than to the own, less this, in half widths.
const ALOOF: f32 = 0.35;
/// Words for an ear.
const EARS: [&str; 9] = ["ear", "leftear", "rightear", "earleft", "earright", "lear", "earl", "earr", "ears"];
/// Trunks outside these lengths are nonsense, pixels.
const LENGTHS: std::ops::RangeInclusive<f32> = 6.0..=2000.0;

/// Which keypoints tell where the trunk is. Names are as laboratories write them: `L_ear`, `leftear`, `tail_base`, `TTI`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Anatomy {
    nose: Option<usize>,
    ears: [Option<usize>; 2],
    flanks: [Option<usize>; 2],
    centre: Option<usize>,
    tail_base: Option<usize>,
}

impl Anatomy {
    /// By the model's names of keypoints. What is not recognised is not used.
    pub fn of(keypoints: &[String]) -> Self {
        let mut anatomy = Self::default();
        for (index, name) in keypoints.iter().enumerate() {
            let name = name.to_ascii_lowercase();
            // A rear paw and a forearm are no ears: ears are words of their own.
            let ear = name.split(|c: char| !c.is_ascii_alphabetic()).any(|word| EARS.contains(&word));
            let name: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
            let has = |words: &[&str]| words.iter().any(|word| name.contains(word));
            let slot = if has(&["tailbase", "tbase", "basetail", "tailstart", "tti"]) {
                &mut anatomy.tail_base
            } else if has(&["tail"]) {
                continue;
            } else if ear {
                free(&mut anatomy.ears)
            } else if has(&["flnk", "flank", "hip", "lateral"]) {
                free(&mut anatomy.flanks)
            } else if has(&["nose", "snout"]) {
                &mut anatomy.nose
            } else if has(&["cntr", "centre", "center", "spine", "back", "body"]) {
                &mut anatomy.centre
            } else {
                continue;
            };
            slot.get_or_insert(index);
        }
        anatomy
    }

    /// The keypoints that lie on paint.
    pub fn painted(&self) -> impl Iterator<Item = usize> {
        let [left, right] = self.ears;
        let [near, far] = self.flanks;
        [left, right, near, far, self.centre, self.tail_base].into_iter().flatten()
    }

    /// The trunk of a pose; `None` where too little of it is known.
    pub fn trunk(&self, pose: &Pose) -> Option<Trunk> {
        let point = |index: Option<usize>| at(&pose.keypoints, index);
        let nose = point(self.nose);
        let centre = point(self.centre);
        let ears = midway(self.ears.map(point));
        let back = point(self.tail_base);
        let middle = centre.or_else(|| Some(between(ears?, back?, 0.5))).unwrap_or(pose.centre);
        // The ears lie about a third of the way from nose to middle.
        let front = ears.or_else(|| Some(between(nose?, middle, 0.35)));
        let (front, back) = match (front, back) {
            (Some(front), Some(back)) => (front, back),
            (Some(front), None) => (front, between(front, middle, 2.0)),
            (None, Some(back)) => (between(back, middle, 2.0), back),
            (None, None) => return None,
        };
        let length = front.distance(middle) + middle.distance(back);
        if !LENGTHS.contains(&length) || !middle.is_finite() {
            return None;
        }
        let width = match self.flanks.map(point) {
            [Some(left), Some(right)] => left.distance(right) / 2.0,
            _ => SLIM * length,
        };
        // Flanks in wrong places must not make the trunk a disc or a line.
        let half = width.clamp(0.6 * SLIM * length, 1.6 * SLIM * length);
        Some(Trunk { nose: nose.unwrap_or(front), spine: [front, middle, back], half })
    }
}

fn free(pair: &mut [Option<usize>; 2]) -> &mut Option<usize> {
    let [first, second] = pair;
    if first.is_none() { first } else { second }
}

fn at(keypoints: &Keypoints, index: Option<usize>) -> Option<InCamera> {
    let keypoint = (*keypoints.get(index?)?)?;
    (keypoint.score >= SCORE_MIN && keypoint.at.is_finite()).then_some(keypoint.at)
}

fn midway(pair: [Option<InCamera>; 2]) -> Option<InCamera> {
    match pair {
        [Some(a), Some(b)] => Some(between(a, b, 0.5)),
        [one, other] => one.or(other),
    }
}

fn between(a: InCamera, b: InCamera, share: f32) -> InCamera {
    InCamera { x: a.x + (b.x - a.x) * share, y: a.y + (b.y - a.y) * share }
}

/// A bent strip: the trunk of one animal, camera pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Trunk {
    nose: InCamera,
    /// Between the ears, middle, tail base.
    spine: [InCamera; 3],
    /// Half its width.
    half: f32,
}

impl Trunk {
    /// Whether a point lies on this animal, head included.
    pub fn holds(&self, point: InCamera) -> bool {
        self.depth(point) <= 1.0
    }

    /// From ears to tail base along the spine, pixels.
    pub fn length(&self) -> f32 {
        let [front, middle, back] = self.spine;
        front.distance(middle) + middle.distance(back)
    }

    /// Half its width, pixels.
    pub fn half_width(&self) -> f32 {
        self.half
    }

    /// Calls `take` with each place that is this animal's and none of `others`'.
    pub fn places<'a>(&self, others: impl Iterator<Item = &'a Trunk> + Clone, mut take: impl FnMut(InCamera)) {
        let [front, middle, back] = self.spine;
        let (first, second) = (front.distance(middle), middle.distance(back));
        let bend = first / (first + second).max(1e-3);
        for along in 0..ALONG {
            let t = FROM + (TO - FROM) * (along as f32 + 0.5) / ALONG as f32;
            let (a, b, share) =
                if t < bend { (front, middle, t / bend) } else { (middle, back, (t - bend) / (1.0 - bend).max(1e-3)) };
            let on = between(a, b, share);
            let length = a.distance(b).max(1e-3);
            let across = ((b.y - a.y) / length, (a.x - b.x) / length);
            for side in 0..ACROSS {
                let off = WIDE * self.half * ((side as f32 + 0.5) / ACROSS as f32 * 2.0 - 1.0);
                let place = InCamera { x: on.x + across.0 * off, y: on.y + across.1 * off };
                let own = off.abs() / self.half;
                if others.clone().all(|other| other.depth(place) > own + ALOOF) {
                    take(place);
                }
            }
        }
    }

    /// How far from this animal's spine, head included, in half widths.
    fn depth(&self, place: InCamera) -> f32 {
        let [front, middle, back] = self.spine;
        let lines = [(self.nose, front), (front, middle), (middle, back)];
        let nearest = lines.iter().map(|(a, b)| off_line(place, *a, *b)).fold(f32::INFINITY, f32::min);
        nearest / self.half
    }
}

/// Distance of a point from a line between two.
fn off_line(p: InCamera, a: InCamera, b: InCamera) -> f32 {
    let (x, y) = (b.x - a.x, b.y - a.y);
    let share = ((p.x - a.x) * x + (p.y - a.y) * y) / (x * x + y * y).max(1e-6);
    p.distance(between(a, b, share.clamp(0.0, 1.0)))
}
