//! What an animal is put together from: links between detections, and pieces of joined keypoints.

use super::Detection;
use crate::handover::MAX_KEYPOINTS;
use crate::space::InModel;

/// No detection.
pub(super) const NONE: u8 = u8::MAX;

/// Two detections that belong together, by their index, and how sure that is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Link {
    pub(super) from: u8,
    pub(super) to: u8,
    pub(super) affinity: f32,
}

impl Link {
    pub(super) fn touches(&self, detection: u8) -> bool {
        self.from == detection || self.to == detection
    }
}

/// Some keypoints of one animal, joined.
#[derive(Clone, Copy, Debug)]
pub(super) struct Piece {
    /// The detection of each keypoint; `NONE` where there is none.
    pub(super) parts: [u8; MAX_KEYPOINTS],
    /// Sum over its links.
    pub(super) affinity: f32,
    pub(super) links: usize,
}

impl Piece {
    pub(super) const EMPTY: Self = Self { parts: [NONE; MAX_KEYPOINTS], affinity: 0.0, links: 0 };

    /// The detection of a keypoint.
    pub(super) fn part(&self, label: usize) -> Option<usize> {
        self.parts.get(label).filter(|part| **part != NONE).map(|part| usize::from(*part))
    }

    pub(super) fn parts(&self) -> impl Iterator<Item = u8> {
        self.parts.into_iter().filter(|part| *part != NONE)
    }

    pub(super) fn len(&self) -> usize {
        self.parts().count()
    }

    pub(super) fn has(&self, detection: u8) -> bool {
        self.parts.contains(&detection)
    }

    pub(super) fn is_apart_from(&self, other: &Self) -> bool {
        self.parts.iter().zip(&other.parts).all(|(a, b)| *a == NONE || *b == NONE)
    }

    /// Takes a keypoint that it lacks.
    pub(super) fn add(&mut self, detections: &[Detection], detection: u8) {
        let part = &mut self.parts[usize::from(detections[usize::from(detection)].label)];
        if *part == NONE {
            *part = detection;
        }
    }

    /// Takes a link: both ends that it lacks, unless it has other keypoints of both names.
    pub(super) fn join(&mut self, detections: &[Detection], link: Link) -> Joined {
        let lacks = |detection: u8| self.parts[usize::from(detections[usize::from(detection)].label)] == NONE;
        let within = self.has(link.from) && self.has(link.to);
        if !within && !lacks(link.from) && !lacks(link.to) {
            return Joined::No;
        }
        if !within {
            self.add(detections, link.from);
            self.add(detections, link.to);
        }
        self.affinity += link.affinity;
        self.links += 1;
        if within { Joined::Within } else { Joined::New }
    }

    pub(super) fn fuse(&mut self, other: &Self) {
        for (part, others) in self.parts.iter_mut().zip(other.parts) {
            *part = (*part).min(others);
        }
        self.affinity += other.affinity;
        self.links += other.links;
    }

    /// The lowest and the highest corner of its keypoints.
    fn corners(&self, detections: &[Detection]) -> (InModel, InModel) {
        let far = f32::INFINITY;
        let mut corners = (InModel { x: far, y: far }, InModel { x: -far, y: -far });
        for part in self.parts() {
            let at = detections[usize::from(part)].at;
            corners.0 = InModel { x: corners.0.x.min(at.x), y: corners.0.y.min(at.y) };
            corners.1 = InModel { x: corners.1.x.max(at.x), y: corners.1.y.max(at.y) };
        }
        corners
    }

    /// The lesser share of the two pieces' keypoints that lie where their rectangles overlap.
    pub(super) fn overlap(&self, other: &Self, detections: &[Detection]) -> f32 {
        let (a, b) = (self.corners(detections), other.corners(detections));
        let low = InModel { x: a.0.x.max(b.0.x), y: a.0.y.max(b.0.y) };
        let high = InModel { x: a.1.x.min(b.1.x), y: a.1.y.min(b.1.y) };
        if high.x < low.x || high.y < low.y {
            return 0.0;
        }
        let share = |piece: &Self| {
            let inside = |at: InModel| at.x >= low.x && at.y >= low.y && at.x <= high.x && at.y <= high.y;
            let count = piece.parts().filter(|part| inside(detections[usize::from(*part)].at)).count();
            count as f32 / piece.len().max(1) as f32
        };
        share(self).min(share(other))
    }
}

/// What became of a link.
#[derive(PartialEq)]
pub(super) enum Joined {
    /// It brought a keypoint.
    New,
    /// Both its ends were there.
    Within,
    /// Other keypoints stand where its ends would.
    No,
}
