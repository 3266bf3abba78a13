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
/// Peaks of one heatmap that are looked at, best first.
const SPOTS_MAX: usize = 32;
/// How many reaches a peak may lie from its claim, and its way to the parent may end from the parent, when the other agrees fully.
const CLAIM_REACH: f32 = 3.0;
const PARENT_REACH: f32 = 1.0;
/// Score of a keypoint that only the regression knows, as a share of its animal's score.
const UNSEEN_SHARE: f32 = 0.05;

/// The decoder's settings and where its heads lie.
#[derive(Clone, Debug)]
pub(super) struct CentreOffsets {
    keypoints: Layout,
    centre: Layout,
    offsets: Layout,
    ways: Layout,
    identity: Option<Layout>,
    limits: Limits,
    /// Each keypoint's parent; the root's is itself.
    parents: Vec<usize, MAX_KEYPOINTS>,
    /// Keypoints in an order in which each comes after its parent.
    from_root: Vec<usize, MAX_KEYPOINTS>,
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
    /// Where its keypoints are and their scores: first where its centre says, then on peaks. Not finite where neither knows.
    keypoints: [(InModel, f32); MAX_KEYPOINTS],
}

/// A peak of one heatmap, model pixels.
#[derive(Clone, Copy)]
struct Spot {
    value: f32,
    at: InModel,
    /// Where it says that its parent is.
    parent: InModel,
}

impl CentreOffsets {
    /// `parents` names each keypoint's parent; the contract was checked, so they are a tree.
    pub(super) fn new(contract: &Contract, limits: Limits, parents: &[String]) -> Result<Self, PoseError> {
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
        let parents: Vec<usize, MAX_KEYPOINTS> =
            parents.iter().filter_map(|name| contract.keypoint(name)).take(MAX_KEYPOINTS).collect();
        Ok(Self {
            keypoints: needed("keypoints")?,
            centre: needed("centre")?,
            offsets: needed("offsets")?,
            ways: needed("parents")?,
            identity: layout("identity"),
            limits,
            from_root: from_root(&parents),
            parents,
        })
    }

    /// A keypoint that only the regression knows scores at most 0.05.
    pub(super) fn read(&self, heads: &Heads, letterbox: &Letterbox) -> Poses {
        let head = |layout: &Layout| heads.0.get(layout.index).filter(|head| head.shape == layout.shape);
        let (Some(keypoints), Some(centre), Some(offsets), Some(ways)) =
            (head(&self.keypoints), head(&self.centre), head(&self.offsets), head(&self.ways))
        else {
            return Poses::new();
        };
        let identity = self.identity.as_ref().and_then(head);
        let mut found = self.animals(map(centre, 0, self.centre.stride), offsets, identity);
        for k in &self.from_root {
            self.place(map(keypoints, *k, self.keypoints.stride), ways, &mut found, *k);
        }
        let mut poses = Poses::new();
        for animal in &found {
            let mut pose = Pose {
                centre: letterbox.camera_from_model(animal.centre),
                identity: animal.identity,
                score: animal.score,
                ..Pose::default()
            };
            let known = animal.keypoints.iter().take(self.keypoints.shape[1]);
            for (keypoint, (at, score)) in pose.keypoints.iter_mut().zip(known) {
                let at = letterbox.camera_from_model(*at);
                *keypoint = at.is_finite().then_some(Keypoint { at, score: *score });
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
                animal.keypoints.iter_mut().for_each(|keypoint| keypoint.1 = UNSEEN_SHARE * animal.score);
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
        let keypoints = claims.map(|claim| (claim, 0.0));
        Found { score: 0.0, centre: InModel::default(), identity: likely, keypoints }
    }

    /// Moves keypoint `k` of each animal from where its centre claims it to a peak: best pairs first, no peak twice, so that two
    /// animals never share one. Its score is the peak's, less what disagrees.
    fn place(&self, heat: Map, ways: &Head, found: &mut [Found], k: usize) {
        let spots = self.spots(heat, ways, k);
        let mut worths = [[0.0; SPOTS_MAX]; MAX_ANIMALS];
        for (animal, row) in found.iter().zip(&mut worths) {
            row.iter_mut().zip(&spots).for_each(|(worth, spot)| *worth = spot.value * self.fit(spot, animal, k));
        }
        for _ in 0..found.len() {
            let (mut most, mut best) = (0.0, None);
            // Ties go to the better peak, then to the better animal.
            for (index, spot) in spots.iter().enumerate() {
                for (animal, row) in worths.iter().enumerate().take(found.len()) {
                    if row[index] > most {
                        (most, best) = (row[index], Some((animal, index, *spot)));
                    }
                }
            }
            let Some((animal, index, spot)) = best else { return };
            found[animal].keypoints[k] = (spot.at, most);
            worths[animal] = [0.0; SPOTS_MAX];
            worths.iter_mut().for_each(|row| row[index] = 0.0);
        }
    }

    /// The best peaks of a heatmap, best first, ties in reading order.
    fn spots(&self, heat: Map, ways: &Head, k: usize) -> Vec<Spot, SPOTS_MAX> {
        let mut spots: Vec<Spot, SPOTS_MAX> = Vec::new();
        for row in 0..heat.rows {
            let Some(values) = heat.values.get(row * heat.columns..(row + 1) * heat.columns) else { break };
            for (column, value) in values.iter().enumerate() {
                if value.is_nan() || *value < PEAK_MIN || !heat.is_peak(row, column) {
                    continue;
                }
                let place = spots.iter().position(|other| other.value < value.min(1.0)).unwrap_or(spots.len());
                if spots.is_full() && place < spots.len() {
                    spots.pop();
                }
                if !spots.is_full() {
                    let at = heat.sharpen(row, column);
                    let parent = self.parent_of(ways, at, k);
                    let _ = spots.insert(place, Spot { value: value.min(1.0), at, parent });
                }
            }
        }
        spots
    }

    /// Where a keypoint `k` at `at` says that its parent is: its own cell's answer.
    fn parent_of(&self, ways: &Head, at: InModel, k: usize) -> InModel {
        let (x, y) = (map(ways, 2 * k, self.ways.stride), map(ways, 2 * k + 1, self.ways.stride));
        let cell = |place: f32, most: usize| (((place + 0.5) / self.ways.stride) as usize).min(most.saturating_sub(1));
        let (row, column) = (cell(at.y, x.rows), cell(at.x, x.columns));
        InModel { x: x.position(column) + x.get(row, column), y: x.position(row) + y.get(row, column) }
    }

    /// How well a peak agrees with an animal, 0 to 1: with where its centre claims the keypoint, and with where its parent was placed.
    fn fit(&self, spot: &Spot, animal: &Found, k: usize) -> f32 {
        let parent = self.parents[k];
        let from_claim = distance(spot.at, animal.keypoints[k].0) / self.limits.reach;
        let fit = if parent == k {
            1.0 - from_claim * from_claim
        } else {
            let from_parent = distance(spot.parent, animal.keypoints[parent].0) / self.limits.reach;
            1.0 - (from_claim / CLAIM_REACH).powi(2) - (from_parent / PARENT_REACH).powi(2)
        };
        // NaN, where something is not finite, is no agreement: `max` drops it.
        fit.max(0.0)
    }
}

/// Keypoints in an order in which each comes after its parent; those of no root are left out.
fn from_root(parents: &[usize]) -> Vec<usize, MAX_KEYPOINTS> {
    let mut order: Vec<usize, MAX_KEYPOINTS> = Vec::new();
    for _ in 0..parents.len() {
        for (k, parent) in parents.iter().enumerate() {
            if !order.contains(&k) && (*parent == k || order.contains(parent)) {
                let _ = order.push(k);
            }
        }
    }
    order
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
