//! Bottom-up: peaks of all animals, and fields along the edges of the skeleton that say which peaks belong together.

use super::grouping::{Connection, Groups};
use super::matching::{Costs, match_least};
use super::peaks::{PEAKS_MAX, Peak};
use super::{Layout, Reading, add, keypoint, keypoints_of, map, settle_centre, told};
use crate::handover::{MAX_KEYPOINTS, Pose, Poses};
use crate::infer::{Head, Heads};
use crate::model::Contract;
use crate::pose::PoseError;
use crate::space::{InModel, Letterbox};
use heapless::Vec;

/// See `WrittenDecoder::AffinityFields`.
#[derive(Clone, Debug)]
pub(in crate::pose) struct AffinityFields {
    keypoints: Layout,
    fields: Layout,
    reading: Reading,
    lines: Lines,
    /// From and to, keypoints: those edges that are assembled, in that order, each with its place among the fields.
    edges: std::vec::Vec<(usize, usize, usize)>,
    groups: Box<Groups>,
}

/// How edges are judged.
#[derive(Clone, Copy, Debug)]
pub(in crate::pose) struct Lines {
    /// Places on a line where the field is looked at.
    pub(in crate::pose) points: u32,
    /// A longer line is worth less, network pixels.
    pub(in crate::pose) length_max: f32,
    /// How much less.
    pub(in crate::pose) length_loss: f32,
    /// A line that scores less joins nothing.
    pub(in crate::pose) score_min: f32,
    /// An animal with fewer keypoints is none.
    pub(in crate::pose) keypoints_min: u32,
}

/// The peaks of all keypoints, network pixels.
type AllPeaks = [Vec<Peak, PEAKS_MAX>; MAX_KEYPOINTS];

impl AffinityFields {
    pub(in crate::pose) fn new(
        contract: &Contract,
        reading: Reading,
        lines: Lines,
        (edges, order): (&[[String; 2]], &[u32]),
    ) -> Result<Self, PoseError> {
        let [keypoints, fields] = ["keypoints", "affinities"].map(|meaning| Layout::needed(contract, meaning));
        // The contract was checked: each name is a keypoint's and each number an edge's.
        let edge = |index: &u32| {
            let [from, to] = edges.get(*index as usize)?;
            Some((contract.keypoint(from)?, contract.keypoint(to)?, *index as usize))
        };
        let edges = order.iter().filter_map(edge).collect();
        Ok(Self { keypoints: keypoints?, fields: fields?, reading, lines, edges, groups: Box::default() })
    }

    /// One pose for each group of joined peaks; its score is the sum of its lines' over the number of the skeleton's
    /// edges.
    pub(in crate::pose) fn read(&mut self, heads: &Heads, letterbox: &Letterbox) -> Poses {
        let mut poses = Poses::new();
        let (Some(keypoints), Some(fields)) = (self.keypoints.head(heads), self.fields.head(heads)) else {
            return poses;
        };
        let peaks = self.all_peaks(keypoints);
        self.groups.clear();
        for &(from, to, edge) in &self.edges {
            for connection in self.connections(&peaks[from], &peaks[to], fields, edge) {
                self.groups.join((from, connection.from), (to, connection.to), connection.score);
            }
        }
        self.groups.finish(self.lines.keypoints_min as usize);
        for group in 0..self.groups.count() {
            let mut pose = Pose { score: self.groups.score(group) / self.edges.len().max(1) as f32, ..Pose::default() };
            for (k, index) in self.groups.members(group) {
                let Some(peak) = peaks[k].get(index) else { continue };
                let at = InModel { x: peak.x / self.reading.scale, y: peak.y / self.reading.scale };
                pose.keypoints[k] = keypoint(at, peak.score, letterbox);
            }
            if settle_centre(&mut pose) {
                add(&mut poses, pose);
            }
        }
        told(poses)
    }

    fn all_peaks(&self, keypoints: &Head) -> AllPeaks {
        let mut all = AllPeaks::default();
        for (k, peaks) in all.iter_mut().enumerate().take(keypoints_of(&self.keypoints)) {
            *peaks = map(keypoints, k).peaks(self.reading.score_min, self.reading.patch);
            for peak in peaks.iter_mut() {
                (peak.x, peak.y) = (peak.x * self.keypoints.stride, peak.y * self.keypoints.stride);
            }
        }
        all
    }

    /// The best pairs of the peaks of two keypoints, those that score enough, in the order of the first.
    fn connections(&self, from: &[Peak], to: &[Peak], fields: &Head, edge: usize) -> Vec<Connection, PEAKS_MAX> {
        let mut costs = Costs::new(from.len(), to.len());
        for (row, from) in from.iter().enumerate() {
            for (column, to) in to.iter().enumerate() {
                costs.set(row, column, -self.score(from, to, fields, edge));
            }
        }
        let pairs = match_least(&costs);
        let connection = |(from, to): (usize, usize)| Connection { from, to, score: -costs.get(from, to) };
        pairs.into_iter().map(connection).filter(|one| one.score >= self.lines.score_min).collect()
    }

    /// How well the field agrees with the line between two peaks: the mean of their scalar products, less for a long
    /// line.
    fn score(&self, from: &Peak, to: &Peak, fields: &Head, edge: usize) -> f32 {
        let (dx, dy) = (to.x - from.x, to.y - from.y);
        let length = (dx * dx + dy * dy).sqrt();
        let (ux, uy) = (dx / length, dy / length);
        let [along_x, along_y] = [map(fields, 2 * edge), map(fields, 2 * edge + 1)];
        let last = self.lines.points.saturating_sub(1);
        let mut sum = 0.0;
        for point in 0..self.lines.points {
            let at = share(point, last);
            // The width of the only interval is told one part in 2^23 too wide, so that it is never 0; that decides
            // ties.
            let place = |from: f32, way: f32| (from + way / (1.0 + f32::EPSILON) * at) / self.fields.stride;
            let (x, y) = (place(from.x, dx), place(from.y, dy));
            sum += along_x.nearest(x, y) * ux + along_y.nearest(x, y) * uy;
        }
        let too_long = (self.lines.length_max / length - 1.0).min(0.0);
        sum / self.lines.points as f32 + too_long * self.lines.length_loss
    }
}

/// How far along a line a point is, 0 to 1; counted from the nearer end.
fn share(point: u32, last: u32) -> f32 {
    let step = 1.0 / last.max(1) as f32;
    if point < last.div_ceil(2) { point as f32 * step } else { 1.0 - (last - point) as f32 * step }
}
