//! Centre-offsets heads: a map of body centres, from each the way to every keypoint, heatmaps to place keypoints exactly.
//!
//! `models/train/decode.py` is the reference; a golden test holds both to the same answer. Change both or neither.

use super::PoseError;
use crate::handover::{Keypoint, MAX_ANIMALS, MAX_KEYPOINTS, Pose, Poses};
use crate::infer::{Head, Heads};
use crate::model::Contract;
use crate::space::{InModel, Letterbox};
use heapless::Vec;

/// Centre peaks that are looked at, best first.
const CANDIDATES_MAX: usize = 64;
/// A heatmap cell below this is no keypoint.
const PEAK_MIN: f32 = 0.1;
/// Score of a keypoint that only the regression knows, as a share of its animal's score.
const UNSEEN_SHARE: f32 = 0.05;
/// How much a peak at the end of the reach counts less than one where the regression points.
const FAR_LOSS: f32 = 0.75;

/// The decoder's settings and where its heads lie.
#[derive(Clone, Debug)]
pub(super) struct CentreOffsets {
    keypoints: Layout,
    centre: Layout,
    offsets: Layout,
    identity: Option<Layout>,
    limits: Limits,
}

/// What counts, model pixels: see `WrittenDecoder::CentreOffsets`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) score_min: f32,
    pub(super) separation: f32,
    pub(super) reach: f32,
}

/// One output: its place among the heads, shape and stride.
#[derive(Clone, Copy, Debug)]
struct Layout {
    index: usize,
    shape: [usize; 4],
    stride: f32,
}

/// One channel of a head.
#[derive(Clone, Copy)]
struct Map<'a> {
    values: &'a [f32],
    rows: usize,
    columns: usize,
    stride: f32,
}

/// An animal while it is being read, model pixels.
struct Found {
    score: f32,
    centre: InModel,
    identity: [f32; MAX_ANIMALS],
    /// Where its centre says that its keypoints are; not finite where it does not say.
    claims: [InModel; MAX_KEYPOINTS],
}

impl CentreOffsets {
    pub(super) fn new(contract: &Contract, limits: Limits) -> Result<Self, PoseError> {
        let layout = |meaning| {
            contract.output(meaning).map(|(index, output)| Layout {
                index,
                shape: output.shape,
                stride: output.stride as f32,
            })
        };
        let needed = |meaning| {
            layout(meaning).ok_or_else(|| PoseError::Output { model: contract.written.name.clone(), meaning })
        };
        Ok(Self {
            keypoints: needed("keypoints")?,
            centre: needed("centre")?,
            offsets: needed("offsets")?,
            identity: layout("identity"),
            limits,
        })
    }

    /// A keypoint that only the regression knows scores at most 0.05.
    pub(super) fn read(&self, heads: &Heads, letterbox: &Letterbox) -> Poses {
        let head = |layout: &Layout| heads.0.get(layout.index).filter(|head| head.shape == layout.shape);
        let (Some(keypoints), Some(centre), Some(offsets)) =
            (head(&self.keypoints), head(&self.centre), head(&self.offsets))
        else {
            return Poses::new();
        };
        let identity = self.identity.as_ref().and_then(head);
        let found = self.animals(map(centre, 0, self.centre.stride), offsets, identity);
        let mut poses = Poses::new();
        for (index, animal) in found.iter().enumerate() {
            let mut pose = Pose {
                centre: letterbox.camera_from_model(animal.centre),
                identity: animal.identity,
                score: animal.score,
                ..Pose::default()
            };
            for (k, keypoint) in pose.keypoints.iter_mut().enumerate().take(self.keypoints.shape[1]) {
                let (at, score) = self.place(map(keypoints, k, self.keypoints.stride), &found, index, k);
                let at = letterbox.camera_from_model(at);
                *keypoint = at.is_finite().then_some(Keypoint { at, score });
            }
            // `found` holds no more than `poses` can.
            let _ = poses.push(pose);
        }
        poses
    }

    /// The animals at the peaks of the centre map, best first, no two nearer than the separation.
    fn animals(&self, centre: Map, offsets: &Head, identity: Option<&Head>) -> Vec<Found, MAX_ANIMALS> {
        let mut found: Vec<Found, MAX_ANIMALS> = Vec::new();
        for (score, row, column) in self.candidates(centre) {
            let at = centre.sharpen(row, column);
            if found.iter().all(|other| distance(other.centre, at) >= self.limits.separation) {
                let mut animal = self.vote(centre, offsets, identity, row, column);
                (animal.score, animal.centre) = (score.min(1.0), at);
                if found.push(animal).is_err() {
                    break;
                }
            }
        }
        found
    }

    /// Peaks of the centre map as score, row, column: the best of them, best first, ties in reading order.
    fn candidates(&self, centre: Map) -> Vec<(f32, usize, usize), CANDIDATES_MAX> {
        let mut peaks: Vec<(f32, usize, usize), CANDIDATES_MAX> = Vec::new();
        for row in 0..centre.rows {
            for column in 0..centre.columns {
                let score = centre.get(row, column);
                if score < self.limits.score_min || score.is_nan() || !centre.is_peak(row, column) {
                    continue;
                }
                let place = peaks.iter().position(|other| other.0 < score).unwrap_or(peaks.len());
                if peaks.is_full() && place < peaks.len() {
                    peaks.pop();
                }
                if place <= peaks.len() && !peaks.is_full() {
                    let _ = peaks.insert(place, (score, row, column));
                }
            }
        }
        peaks
    }

    /// What the 3x3 cells around a centre that speak of the same animal say, weighted by the centre map.
    fn vote(&self, centre: Map, offsets: &Head, identity: Option<&Head>, row: usize, column: usize) -> Found {
        let count = self.keypoints.shape[1].min(MAX_KEYPOINTS);
        let identities = self.identity.map_or(0, |layout| layout.shape[1].min(MAX_ANIMALS));
        let claim = |k: usize, row: usize, column: usize| InModel {
            x: map(offsets, 2 * k, centre.stride).get(row, column) + centre.position(column),
            y: map(offsets, 2 * k + 1, centre.stride).get(row, column) + centre.position(row),
        };
        let middle = |row, column| {
            let sum = (0..count).map(|k| claim(k, row, column)).fold((0.0, 0.0), |s, p| (s.0 + p.x, s.1 + p.y));
            InModel { x: sum.0 / count as f32, y: sum.1 / count as f32 }
        };
        let own = middle(row, column);
        let mut total = 0.0;
        let mut claims = [InModel::default(); MAX_KEYPOINTS];
        let mut likely = [0.0; MAX_ANIMALS];
        for row in row.saturating_sub(1)..(row + 2).min(centre.rows) {
            for column in column.saturating_sub(1)..(column + 2).min(centre.columns) {
                let weight = centre.get(row, column).min(1.0);
                let same = distance(middle(row, column), own) < self.limits.separation;
                if !same || weight.is_nan() || weight <= 0.0 {
                    continue;
                }
                total += weight;
                for (k, sum) in claims.iter_mut().enumerate().take(count) {
                    let one = claim(k, row, column);
                    (sum.x, sum.y) = (sum.x + weight * one.x, sum.y + weight * one.y);
                }
                if let Some(identity) = identity {
                    let logits = |i| map(identity, i, centre.stride).get(row, column);
                    add_softmax(&mut likely[..identities], logits, weight);
                }
            }
        }
        for sum in claims.iter_mut().take(count) {
            (sum.x, sum.y) = (sum.x / total, sum.y / total);
        }
        even_out(&mut likely[..identities]);
        Found { score: 0.0, centre: InModel::default(), identity: likely, claims }
    }

    /// Where keypoint `k` of one animal is, and its score: the best peak in reach that is nearer to its claim than to any other
    /// animal's, else the claim itself. So two animals never share a peak.
    fn place(&self, heat: Map, found: &[Found], animal: usize, k: usize) -> (InModel, f32) {
        let claim = found[animal].claims[k];
        let mut best = (claim, UNSEEN_SHARE * found[animal].score);
        let mut most = 0.0;
        let Some((rows, columns)) = heat.around(claim, self.limits.reach) else { return best };
        for row in rows {
            for column in columns.clone() {
                let value = heat.get(row, column).min(1.0);
                if value < PEAK_MIN || value.is_nan() || !heat.is_peak(row, column) {
                    continue;
                }
                let at = heat.sharpen(row, column);
                let away = distance(at, claim);
                let others = found.iter().enumerate().filter(|(other, _)| *other != animal);
                if away > self.limits.reach || others.into_iter().any(|(_, other)| distance(at, other.claims[k]) < away)
                {
                    continue;
                }
                let worth = value * (1.0 - FAR_LOSS * (away / self.limits.reach).powi(2));
                if worth > most {
                    (most, best) = (worth, (at, value));
                }
            }
        }
        best
    }
}

/// Adds a weighted softmax of the logits.
fn add_softmax(sums: &mut [f32], logits: impl Fn(usize) -> f32, weight: f32) {
    let highest = (0..sums.len()).map(&logits).fold(f32::NEG_INFINITY, f32::max);
    let power = |i| (logits(i) - highest).exp();
    let total: f32 = (0..sums.len()).map(power).sum();
    for (i, sum) in sums.iter_mut().enumerate() {
        *sum += weight * power(i) / total;
    }
}

/// Makes likelihoods sum to 1; all equal where they say nothing.
fn even_out(likely: &mut [f32]) {
    let total: f32 = likely.iter().sum();
    let even = 1.0 / likely.len().max(1) as f32;
    let told = total.is_finite() && total > 0.0;
    likely.iter_mut().for_each(|value| *value = if told { *value / total } else { even });
}

fn distance(a: InModel, b: InModel) -> f32 {
    (a.x - b.x).hypot(a.y - b.y)
}

fn map(head: &Head, channel: usize, stride: f32) -> Map<'_> {
    Map { values: head.channel(channel), rows: head.shape[2], columns: head.shape[3], stride }
}

impl Map<'_> {
    /// A cell's value; 0 outside.
    fn get(&self, row: usize, column: usize) -> f32 {
        self.values.get(row * self.columns + column).copied().unwrap_or(0.0)
    }

    /// Model pixel of a cell's centre along one axis.
    fn position(&self, cell: usize) -> f32 {
        cell as f32 * self.stride + (self.stride - 1.0) / 2.0
    }

    /// No neighbour is higher, none before it in reading order is equal.
    fn is_peak(&self, row: usize, column: usize) -> bool {
        let value = self.get(row, column);
        for r in row.saturating_sub(1)..(row + 2).min(self.rows) {
            for c in column.saturating_sub(1)..(column + 2).min(self.columns) {
                let other = self.get(r, c);
                if other > value || (other == value && (r, c) < (row, column)) {
                    return false;
                }
            }
        }
        true
    }

    /// Model pixels of a peak, finer than a cell; at the rim the cell's own centre.
    fn sharpen(&self, row: usize, column: usize) -> InModel {
        let (mut x, mut y) = (self.position(column), self.position(row));
        let value = self.get(row, column);
        if column > 0 && column + 1 < self.columns {
            x += self.stride * refine(self.get(row, column - 1), value, self.get(row, column + 1));
        }
        if row > 0 && row + 1 < self.rows {
            y += self.stride * refine(self.get(row - 1, column), value, self.get(row + 1, column));
        }
        InModel { x, y }
    }

    /// Rows and columns of the cells whose peak may lie within `reach` of a place; `None` where it is not finite.
    fn around(&self, at: InModel, reach: f32) -> Option<(std::ops::Range<usize>, std::ops::Range<usize>)> {
        if !at.x.is_finite() || !at.y.is_finite() {
            return None;
        }
        // A peak lies up to half a cell beside its cell's centre; the conversions to whole cells saturate.
        let cell = |place: f32| (place - (self.stride - 1.0) / 2.0) / self.stride;
        let wide = reach / self.stride + 0.5;
        let range = |place: f32, most: usize| {
            (cell(place) - wide).ceil() as usize..((cell(place) + wide).floor() + 1.0).clamp(0.0, most as f32) as usize
        };
        Some((range(at.y, self.rows), range(at.x, self.columns)))
    }
}

/// Where between -0.5 and 0.5 the parabola through three logarithms peaks; exact for a Gaussian.
fn refine(before: f32, at: f32, after: f32) -> f32 {
    let [a, b, c] = [before, at, after].map(|value| value.max(1e-6).ln());
    let bend = a - 2.0 * b + c;
    let shift = 0.5 * (a - c) / bend;
    if bend < -1e-6 && shift.is_finite() { shift.clamp(-0.5, 0.5) } else { 0.0 }
}

#[cfg(test)]
mod tests;
