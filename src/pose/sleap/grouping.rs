//! Joins peaks into animals, edge by edge, on fixed arrays.

use super::peaks::PEAKS_MAX;
use crate::handover::MAX_KEYPOINTS;
use heapless::Vec;

/// Peaks in all.
const ALL: usize = MAX_KEYPOINTS * PEAKS_MAX;
/// Joins in all: an edge pairs each peak at most once, and a skeleton is assembled along at most so many edges as a
/// tree has.
const JOINS: usize = ALL;

/// Two peaks that an edge joins: each its place among its keypoint's.
#[derive(Clone, Copy, Debug)]
pub(super) struct Connection {
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) score: f32,
}

/// A peak: its keypoint and its place among the keypoint's.
pub(super) type PeakId = (usize, usize);

/// Peaks joined so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Groups {
    /// In the order in which they were first joined.
    members: Vec<PeakId, ALL>,
    /// The group of each peak.
    of: [[Option<usize>; PEAKS_MAX]; MAX_KEYPOINTS],
    joins: Vec<(PeakId, f32), JOINS>,
    /// The groups that stay, by their numbers, with their scores.
    kept: Vec<(usize, f32), ALL>,
}

impl Groups {
    pub(super) fn clear(&mut self) {
        self.members.clear();
        self.of = Default::default();
        self.joins.clear();
        self.kept.clear();
    }

    fn group_of(&self, (keypoint, index): PeakId) -> Option<usize> {
        self.of.get(keypoint)?.get(index).copied()?
    }

    fn put(&mut self, peak: PeakId, group: usize) {
        let Some(place) = self.of.get_mut(peak.0).and_then(|peaks| peaks.get_mut(peak.1)) else { return };
        if place.replace(group).is_none() {
            // There is room for every peak.
            let _ = self.members.push(peak);
        }
    }

    fn in_group(&self, group: usize) -> impl Iterator<Item = PeakId> {
        self.members.iter().copied().filter(move |peak| self.group_of(*peak) == Some(group))
    }

    /// Joins two peaks: they make a new group, or the first one's group takes the second in. Two groups become one
    /// where they have no keypoint in common; else only the second peak changes over. A first peak without a group
    /// leaves the second where it is.
    pub(super) fn join(&mut self, from: PeakId, to: PeakId, score: f32) {
        let _ = self.joins.push((from, score));
        match (self.group_of(from), self.group_of(to)) {
            (None, None) => {
                let new = self.members.iter().filter_map(|peak| self.group_of(*peak)).max().map_or(0, |last| last + 1);
                self.put(from, new);
                self.put(to, new);
            }
            (Some(group), None) => self.put(to, group),
            (Some(group), Some(other)) => {
                self.put(to, group);
                let overlap = self.in_group(group).any(|one| self.in_group(other).any(|twin| twin.0 == one.0));
                if !overlap {
                    self.of.iter_mut().flatten().filter(|of| **of == Some(other)).for_each(|of| *of = Some(group));
                }
            }
            (None, Some(_)) => {}
        }
    }

    /// Drops the groups with fewer than `least` peaks and scores the others.
    pub(super) fn finish(&mut self, least: usize) {
        for group in 0..ALL {
            if self.in_group(group).count() >= least.max(1) {
                let joins = self.joins.iter().filter(|(peak, _)| self.group_of(*peak) == Some(group));
                let score = joins.map(|(_, score)| score).sum();
                let _ = self.kept.push((group, score));
            }
        }
    }

    pub(super) fn count(&self) -> usize {
        self.kept.len()
    }

    /// The sum of the scores of its joins.
    pub(super) fn score(&self, index: usize) -> f32 {
        self.kept.get(index).map_or(0.0, |(_, score)| *score)
    }

    /// Its peaks, as they were joined.
    pub(super) fn members(&self, index: usize) -> impl Iterator<Item = PeakId> {
        self.in_group(self.kept.get(index).map_or(ALL, |(group, _)| *group))
    }
}
