//! Heatmap heads of several animals whose keypoints are joined by part affinity fields, as DeepLabCut's multi-animal networks have them.
//!
//! Keypoints are the peaks of smoothed heatmaps (the smoothing is in the graph). Along each edge the field is summed between the
//! keypoints at its two ends (Cao et al. 2017, doi:10.1109/CVPR.2017.143), the best pairs become links, links become animals
//! (`assembly.rs`). The answers of DeepLabCut's own package stand in `tests/data/import/`.

mod assembly;
mod piece;

use super::PoseError;
use super::heatmap::{Place, middle, usable};
use super::pairing;
use crate::handover::{Keypoint, MAX_ANIMALS, MAX_KEYPOINTS, Pose, Poses};
use crate::infer::{Head, Heads};
use crate::model::{Contract, WrittenPartAffinity};
use crate::space::{InModel, Letterbox};
use assembly::{Assembler, Rules};
use heapless::Vec as Fixed;
use piece::{Link, Piece};

/// Most detections in a picture: one a keypoint and animal.
const DETECTIONS_MAX: usize = MAX_ANIMALS * MAX_KEYPOINTS;
/// Where the field is read between two keypoints, ends included.
const SAMPLES: usize = 10;

/// The decoder's settings, where its heads lie, and buffers.
#[derive(Debug)]
pub(super) struct PartAffinity {
    heatmaps: Place,
    /// `None` for a network without location refinement.
    refinement: Option<Place>,
    /// `None` where no edge is.
    fields: Option<Place>,
    identity: Option<(Place, f32)>,
    stride: f32,
    written: WrittenPartAffinity,
    /// `written.edges` as indices of keypoints.
    edges: Vec<[usize; 2]>,
    /// Shares of the way at which the field is read.
    shares: [f32; SAMPLES],
    /// By keypoint, of these the best first.
    detections: Fixed<Detection, DETECTIONS_MAX>,
    /// The detections of keypoint k are `first[k]..first[k + 1]`.
    first: [usize; MAX_KEYPOINTS + 1],
    assembler: Assembler,
}

/// One peak.
#[derive(Clone, Copy, Debug)]
struct Detection {
    label: u8,
    row: usize,
    column: usize,
    /// Model pixels.
    at: InModel,
    score: f32,
}

impl PartAffinity {
    pub(super) fn new(contract: &Contract, written: &WrittenPartAffinity) -> Result<Self, PoseError> {
        let (heatmaps, stride) = Place::needed(contract, "heatmaps")?;
        let refinement = if written.locref_stdev > 0.0 { Some(Place::needed(contract, "locref")?.0) } else { None };
        let fields = if written.edges.is_empty() { None } else { Some(Place::needed(contract, "affinity")?.0) };
        let keypoints = contract.written.keypoints.len().min(MAX_KEYPOINTS);
        let index = |name: &String| contract.keypoint(name).filter(|index| *index < keypoints);
        let edges: Vec<_> = written.edges.iter().filter_map(|[from, to]| Some([index(from)?, index(to)?])).collect();
        let rules = Rules {
            animals: written.animals_max.clamp(1, MAX_ANIMALS),
            keypoints,
            links_min: written.links_min,
            overlap_max: written.overlap_max,
        };
        Ok(Self {
            heatmaps,
            refinement,
            fields,
            identity: Place::of(contract, "identity"),
            stride,
            written: written.clone(),
            assembler: Assembler::new(rules, edges.len()),
            edges,
            shares: shares(),
            detections: Fixed::new(),
            first: [0; MAX_KEYPOINTS + 1],
        })
    }

    pub(super) fn read(&mut self, heads: &Heads, letterbox: &Letterbox) -> Poses {
        let Some(heatmaps) = self.heatmaps.head(heads) else { return Poses::new() };
        let refinement = self.refinement.map(|place| place.head(heads));
        let fields = self.fields.map(|place| place.head(heads));
        let identity = self.identity.map(|(place, stride)| (place.head(heads), stride));
        // A head that was declared must be there.
        let (None | Some(Some(_)), None | Some(Some(_)), None | Some((Some(_), _))) = (refinement, fields, identity)
        else {
            return Poses::new();
        };
        self.detect(heatmaps, refinement.flatten());
        self.link(fields.flatten());
        let identity = identity.and_then(|(head, stride)| Some(Logits { head: head?, stride }));
        let mut poses = Poses::new();
        for piece in self.assembler.animals(&self.detections) {
            if let Some(pose) = pose(piece, &self.detections, identity, letterbox) {
                let place = poses.iter().position(|other: &Pose| other.score < pose.score).unwrap_or(poses.len());
                // The assembler gives no more animals than there is room for.
                let _ = poses.insert(place, pose);
            }
        }
        poses
    }

    /// Finds the best peaks of each keypoint's heatmap.
    fn detect(&mut self, heatmaps: &Head, refinement: Option<&Head>) {
        self.detections.clear();
        self.first = [0; MAX_KEYPOINTS + 1];
        let count = self.heatmaps.shape[1].min(MAX_KEYPOINTS);
        for k in 0..count {
            let mut best: Fixed<Detection, MAX_ANIMALS> = Fixed::new();
            let map = Map::of(heatmaps, k);
            for row in 0..map.rows {
                for column in 0..map.columns {
                    let score = map.get(row, column);
                    let enough = score >= self.written.keypoint_min && score < f32::INFINITY;
                    if !enough || !map.is_highest(row, column, self.written.peak_window / 2) {
                        continue;
                    }
                    let at = self.place(refinement, k, row, column);
                    if usable(at) {
                        let detection = Detection { label: k as u8, row, column, at, score };
                        keep_best(&mut best, detection, self.written.animals_max);
                    }
                }
            }
            // `best` holds no more than the share of one keypoint.
            let _ = self.detections.extend_from_slice(&best);
            self.first[k + 1] = self.detections.len();
        }
    }

    /// Model pixels of a cell's keypoint.
    fn place(&self, refinement: Option<&Head>, k: usize, row: usize, column: usize) -> InModel {
        let moved = |axis| {
            refinement.map_or(0.0, |head| Map::of(head, 2 * k + axis).get(row, column) * self.written.locref_stdev)
        };
        let middle = (self.stride / 2.0).floor();
        InModel { x: column as f32 * self.stride + middle + moved(0), y: row as f32 * self.stride + middle + moved(1) }
    }

    /// Along each edge links the pairs of detections that the field ties best in all.
    fn link(&mut self, fields: Option<&Head>) {
        self.assembler.clear();
        let Some(fields) = fields else { return };
        for (edge, [from, to]) in self.edges.iter().enumerate() {
            let field = [Map::of(fields, 2 * edge), Map::of(fields, 2 * edge + 1)];
            let sources = self.detections.get(self.first[*from]..self.first[from + 1]).unwrap_or(&[]);
            let targets = self.detections.get(self.first[*to]..self.first[to + 1]).unwrap_or(&[]);
            let mut worth = [[0.0; MAX_ANIMALS]; MAX_ANIMALS];
            for (row, source) in sources.iter().enumerate().take(MAX_ANIMALS) {
                for (column, target) in targets.iter().enumerate().take(MAX_ANIMALS) {
                    worth[row][column] = affinity(field, source, target, &self.shares);
                }
            }
            let pairs: [_; MAX_ANIMALS] =
                pairing::pairs(sources.len(), targets.len(), |row, column| -f64::from(worth[row][column]));
            for (row, column) in pairs.iter().enumerate().filter_map(|(row, column)| Some((row, (*column)?))) {
                let affinity = worth[row][column];
                if affinity >= self.written.affinity_min {
                    let link = ((self.first[*from] + row) as u8, (self.first[*to] + column) as u8);
                    self.assembler.note(Link { from: link.0, to: link.1, affinity });
                }
            }
        }
    }
}

/// Puts a detection among the best, best first, of equals the earlier one first.
fn keep_best(best: &mut Fixed<Detection, MAX_ANIMALS>, detection: Detection, most: usize) {
    let place = best.iter().position(|other| other.score < detection.score).unwrap_or(best.len());
    if place < most {
        if best.len() >= most {
            best.pop();
        }
        let _ = best.insert(place, detection);
    }
}

/// Evenly from 0 to 1. The second half is counted from the end with one rounding, as the networks' own package does: which cell a
/// sample falls into hangs on the last bit.
fn shares() -> [f32; SAMPLES] {
    let step = 1.0 / (SAMPLES - 1) as f32;
    std::array::from_fn(|index| {
        let (up, down) = (index as f32, (SAMPLES - 1 - index) as f32);
        if index < SAMPLES / 2 { up * step } else { down.mul_add(-step, 1.0) }
    })
}

/// How well the field leads from one detection to the other: the length of its sum along the way, a cell of the way; 0 where it is
/// no number. Rounded to thousandths as DeepLabCut does, so that equals are equals there and here.
fn affinity(field: [Map<'_>; 2], source: &Detection, target: &Detection, shares: &[f32; SAMPLES]) -> f32 {
    let (x, y) = (source.column as f32, source.row as f32);
    let (dx, dy) = (target.column as f32 - x, target.row as f32 - y);
    let length = (dx * dx + dy * dy).sqrt() + f32::EPSILON;
    let at = shares.map(|share| ((y + share * dy) as usize, (x + share * dx) as usize));
    let told = at.map(|(row, column)| (field[0].get(row, column), field[1].get(row, column)));
    let mut sum = (0.0, 0.0);
    for (cells, values) in at.windows(2).zip(told.windows(2)) {
        sum.0 += (cells[1].1 as f32 - cells[0].1 as f32) * (values[0].0 + values[1].0);
        sum.1 += (cells[1].0 as f32 - cells[0].0 as f32) * (values[0].1 + values[1].1);
    }
    let sum = (sum.0 / 2.0, sum.1 / 2.0);
    let worth = ((sum.0 * sum.0 + sum.1 * sum.1).sqrt() / length * 1000.0).round_ties_even() / 1000.0;
    if worth.is_finite() { worth } else { 0.0 }
}

/// Identity maps.
#[derive(Clone, Copy)]
struct Logits<'h> {
    head: &'h Head,
    stride: f32,
}

/// A piece as a pose; `None` without a keypoint.
fn pose(piece: &Piece, detections: &[Detection], identity: Option<Logits>, letterbox: &Letterbox) -> Option<Pose> {
    let mut pose = Pose::default();
    let (mut sum, mut count) = (0.0, 0);
    let identities = identity.map_or(0, |logits| logits.head.shape[1].min(MAX_ANIMALS));
    for (label, keypoint) in pose.keypoints.iter_mut().enumerate() {
        let Some(found) = piece.part(label).and_then(|part| detections.get(part)) else { continue };
        let score = found.score.clamp(0.0, 1.0);
        *keypoint = Some(Keypoint { at: letterbox.camera_from_model(found.at), score });
        (sum, count) = (sum + score, count + 1);
        for (index, likely) in pose.identity.iter_mut().enumerate().take(identities) {
            *likely += score * identity.map_or(0.0, |logits| logits.likelihood(index, found.at));
        }
    }
    even_out(&mut pose.identity[..identities]);
    pose.score = sum / count.max(1) as f32;
    pose.centre = middle(&pose)?;
    Some(pose)
}

/// Makes likelihoods sum to 1; all equal where they say nothing.
fn even_out(likely: &mut [f32]) {
    let total: f32 = likely.iter().sum();
    let even = 1.0 / likely.len().max(1) as f32;
    let told = total.is_finite() && total > 0.0;
    likely.iter_mut().for_each(|value| *value = if told { *value / total } else { even });
}

impl Logits<'_> {
    /// What the map says at the model pixel nearest to a place: between cells the logits are mixed, then squashed to 0 to 1.
    fn likelihood(&self, index: usize, at: InModel) -> f32 {
        let map = Map::of(self.head, index);
        let axis = |place: f32, cells: usize| {
            let last = cells.saturating_sub(1) as f32;
            let pixel = place.round_ties_even().clamp(0.0, (cells as f32 * self.stride - 1.0).max(0.0));
            let cell = ((pixel + 0.5) / self.stride - 0.5).clamp(0.0, last);
            (cell.floor() as usize, (cell.floor() + 1.0).min(last) as usize, cell - cell.floor())
        };
        let (left, right, across) = axis(at.x, map.columns);
        let (top, bottom, down) = axis(at.y, map.rows);
        let mix = |a: f32, b: f32, share: f32| a * (1.0 - share) + b * share;
        let upper = mix(map.get(top, left), map.get(top, right), across);
        let lower = mix(map.get(bottom, left), map.get(bottom, right), across);
        let likely = 1.0 / (1.0 + (-mix(upper, lower, down)).exp());
        if likely.is_nan() { 0.0 } else { likely }
    }
}

/// One channel of a head.
#[derive(Clone, Copy)]
struct Map<'h> {
    values: &'h [f32],
    rows: usize,
    columns: usize,
}

impl<'h> Map<'h> {
    fn of(head: &'h Head, channel: usize) -> Self {
        Self { values: head.channel(channel), rows: head.shape[2], columns: head.shape[3] }
    }

    /// A cell's value; 0 outside.
    fn get(&self, row: usize, column: usize) -> f32 {
        self.values.get(row * self.columns + column).copied().unwrap_or(0.0)
    }

    /// No cell within so many cells is higher.
    fn is_highest(&self, row: usize, column: usize, reach: usize) -> bool {
        let value = self.get(row, column);
        let columns = column.saturating_sub(reach)..(column + reach + 1).min(self.columns);
        !(row.saturating_sub(reach)..(row + reach + 1).min(self.rows))
            .any(|r| columns.clone().any(|c| self.get(r, c) > value))
    }
}

#[cfg(test)]
mod tests;
