//! Joins keypoints to animals along the links between them, allocating nothing after construction.
//!
//! The rules are those of DeepLabCut's assembler (Lauer et al. 2022, doi:10.1038/s41592-022-01443-0), without its calibration on
//! training data: whole and unambiguous animals first, then from the strongest link outwards, then what is in pieces is fused.

use super::{DETECTIONS_MAX, Detection};
use crate::handover::{MAX_ANIMALS, MAX_KEYPOINTS};
use crate::space::InModel;
use heapless::Vec as Fixed;
use std::collections::BinaryHeap;

/// A new animal takes two keypoints that are in no other.
const PIECES_MAX: usize = DETECTIONS_MAX;
/// No detection.
const NONE: u8 = u8::MAX;

/// Two detections that belong together, by their index, and how sure that is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Link {
    pub(super) from: u8,
    pub(super) to: u8,
    pub(super) affinity: f32,
}

impl Link {
    fn touches(&self, detection: u8) -> bool {
        self.from == detection || self.to == detection
    }
}

/// Some keypoints of one animal, joined.
#[derive(Clone, Copy, Debug)]
pub(super) struct Piece {
    /// The detection of each keypoint; `NONE` where there is none.
    parts: [u8; MAX_KEYPOINTS],
    /// Sum over its links.
    affinity: f32,
    links: usize,
}

impl Piece {
    const EMPTY: Self = Self { parts: [NONE; MAX_KEYPOINTS], affinity: 0.0, links: 0 };

    /// The detection of a keypoint.
    pub(super) fn part(&self, label: usize) -> Option<usize> {
        self.parts.get(label).filter(|part| **part != NONE).map(|part| usize::from(*part))
    }

    fn parts(&self) -> impl Iterator<Item = u8> {
        self.parts.into_iter().filter(|part| *part != NONE)
    }

    fn len(&self) -> usize {
        self.parts().count()
    }

    fn has(&self, detection: u8) -> bool {
        self.parts.contains(&detection)
    }

    fn is_apart_from(&self, other: &Self) -> bool {
        self.parts.iter().zip(&other.parts).all(|(a, b)| *a == NONE || *b == NONE)
    }

    /// Takes a keypoint that it lacks.
    fn add(&mut self, detections: &[Detection], detection: u8) {
        let part = &mut self.parts[usize::from(detections[usize::from(detection)].label)];
        if *part == NONE {
            *part = detection;
        }
    }

    /// Takes a link: both ends that it lacks, unless it has other keypoints of both names.
    fn join(&mut self, detections: &[Detection], link: Link) -> Joined {
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

    fn fuse(&mut self, other: &Self) {
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
    fn overlap(&self, other: &Self, detections: &[Detection]) -> f32 {
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
enum Joined {
    /// It brought a keypoint.
    New,
    /// Both its ends were there.
    Within,
    /// Other keypoints stand where its ends would.
    No,
}

/// What counts: see `WrittenPartAffinity`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    pub(super) animals: usize,
    pub(super) keypoints: usize,
    pub(super) links_min: usize,
    pub(super) overlap_max: f32,
}

/// A link that may be followed next: the strongest, of equals the first noted.
#[derive(Debug, PartialEq)]
struct Way {
    affinity: f32,
    noted: u32,
    link: usize,
}

impl Eq for Way {}

impl Ord for Way {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.affinity.total_cmp(&other.affinity).then(other.noted.cmp(&self.noted))
    }
}

impl PartialOrd for Way {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// Where a link is in the work.
#[derive(Clone, Copy, Debug, Default)]
struct Mark {
    /// Its piece has it, so it leads nowhere else.
    spent: bool,
    /// It is a link of some piece.
    used: bool,
    /// It was noted as a way of the piece that grows.
    noted: bool,
}

/// Puts animals together; its buffers are kept from picture to picture.
#[derive(Debug)]
pub(super) struct Assembler {
    rules: Rules,
    links: Vec<Link>,
    marks: Vec<Mark>,
    /// Links, the strongest first.
    order: Vec<usize>,
    ways: BinaryHeap<Way>,
    /// How many ways the piece that grows has had.
    ways_noted: u32,
    /// The detections that are in a piece already.
    taken: [bool; DETECTIONS_MAX],
    pieces: Fixed<Piece, PIECES_MAX>,
}

impl Assembler {
    pub(super) fn new(rules: Rules, edges: usize) -> Self {
        let most = edges * rules.animals;
        Self {
            rules,
            links: Vec::with_capacity(most),
            marks: Vec::with_capacity(most),
            order: Vec::with_capacity(most),
            ways: BinaryHeap::with_capacity(most),
            ways_noted: 0,
            taken: [false; DETECTIONS_MAX],
            pieces: Fixed::new(),
        }
    }

    pub(super) fn clear(&mut self) {
        self.links.clear();
        self.pieces.clear();
        self.taken = [false; DETECTIONS_MAX];
    }

    /// Notes a link; there is room for one an edge and animal, the rest is dropped.
    pub(super) fn note(&mut self, link: Link) {
        if self.links.len() < self.links.capacity() {
            self.links.push(link);
        }
    }

    /// The animals, the strongest first.
    pub(super) fn animals(&mut self, detections: &[Detection]) -> &[Piece] {
        self.marks.clear();
        self.marks.resize(self.links.len(), Mark::default());
        if self.rules.animals == 1 {
            self.one_animal(detections);
        } else if self.rules.keypoints == 1 {
            self.one_keypoint_each(detections);
        } else {
            self.whole(detections);
            if self.pieces.len() != self.rules.animals {
                self.grow_from_strongest(detections);
                self.fuse_pieces();
                for piece in 0..self.pieces.len() {
                    self.grow(piece, detections);
                    self.take(piece);
                }
            }
            let least = self.rules.links_min;
            self.pieces.retain(|piece| piece.len() > 0 && (piece.links == 0 || piece.links >= least));
            self.drop_overlapping(detections);
        }
        if self.pieces.len() > self.rules.animals {
            stable_sort(&mut self.pieces, |a, b| a.len() > b.len());
            self.pieces.truncate(self.rules.animals);
        }
        &self.pieces
    }

    /// The best detection of each keypoint: detections of a name come best first.
    fn one_animal(&mut self, detections: &[Detection]) {
        let mut piece = Piece::EMPTY;
        (0..detections.len() as u8).for_each(|detection| piece.add(detections, detection));
        if piece.len() > 0 {
            let _ = self.pieces.push(piece);
        }
    }

    fn one_keypoint_each(&mut self, detections: &[Detection]) {
        for detection in 0..detections.len() as u8 {
            let mut piece = Piece::EMPTY;
            piece.add(detections, detection);
            let _ = self.pieces.push(piece);
        }
    }

    /// The groups of linked detections with as many as an animal has keypoints.
    fn whole(&mut self, detections: &[Detection]) {
        let group = self.groups();
        let mut done = [false; DETECTIONS_MAX];
        for seed in 0..self.links.len() {
            let chain = group[usize::from(self.links[seed].from)];
            if std::mem::replace(&mut done[usize::from(chain)], true) {
                continue;
            }
            let size = (0..detections.len()).filter(|detection| group[*detection] == chain).count();
            if size != self.rules.keypoints {
                continue;
            }
            let mut piece = Piece::EMPTY;
            for (link, mark) in self.links.iter().zip(&mut self.marks) {
                if group[usize::from(link.from)] == chain {
                    let joined = piece.join(detections, *link);
                    mark.spent = joined == Joined::New;
                    mark.used = joined != Joined::No;
                }
            }
            piece.parts().for_each(|part| self.taken[usize::from(part)] = true);
            let _ = self.pieces.push(piece);
        }
    }

    /// The lowest detection that each detection is linked to, over any number of links.
    fn groups(&self) -> [u8; DETECTIONS_MAX] {
        let mut group: [u8; DETECTIONS_MAX] = std::array::from_fn(|detection| detection as u8);
        for link in &self.links {
            let (a, b) = (group[usize::from(link.from)], group[usize::from(link.to)]);
            let (low, high) = (a.min(b), a.max(b));
            if low != high {
                group.iter_mut().filter(|group| **group == high).for_each(|group| *group = low);
            }
        }
        group
    }

    fn grow_from_strongest(&mut self, detections: &[Detection]) {
        self.order.clear();
        self.order.extend(0..self.links.len());
        let links = &self.links;
        self.order.sort_unstable_by(|a, b| links[*b].affinity.total_cmp(&links[*a].affinity).then(a.cmp(b)));
        for place in 0..self.order.len() {
            let seed = self.order[place];
            let link = self.links[seed];
            if self.taken[usize::from(link.from)] || self.taken[usize::from(link.to)] {
                continue;
            }
            let mut piece = Piece::EMPTY;
            piece.join(detections, link);
            self.marks[seed].used = true;
            if self.pieces.push(piece).is_err() {
                return;
            }
            let piece = self.pieces.len() - 1;
            self.grow(piece, detections);
            self.take(piece);
        }
    }

    /// Nobody else may have what the piece has.
    fn take(&mut self, piece: usize) {
        self.pieces[piece].parts().for_each(|part| self.taken[usize::from(part)] = true);
        // A used link whose ends are taken belongs to the piece that has both, and leads nowhere.
        for (link, mark) in self.links.iter().zip(&mut self.marks) {
            mark.spent |= mark.used && self.pieces[piece].has(link.from) && self.pieces[piece].has(link.to);
        }
    }

    /// Adds what the strongest ways from a piece lead to, until it is whole or no way is left.
    fn grow(&mut self, piece: usize, detections: &[Detection]) {
        self.ways.clear();
        self.ways_noted = 0;
        self.marks.iter_mut().for_each(|mark| mark.noted = false);
        for part in self.pieces[piece].parts {
            if part != NONE {
                self.note_ways(piece, part);
            }
        }
        while self.pieces[piece].len() < self.rules.keypoints {
            let Some(way) = self.ways.pop() else { break };
            let link = self.links[way.link];
            let piece_has = |detection| self.pieces[piece].has(detection);
            let new = match (piece_has(link.from), piece_has(link.to)) {
                (true, _) => link.to,
                (false, true) => link.from,
                (false, false) => continue,
            };
            if self.taken[usize::from(new)] {
                continue;
            }
            self.marks[way.link].used |= self.pieces[piece].join(detections, link) != Joined::No;
            self.note_ways(piece, new);
        }
    }

    /// Notes the links of a detection that lead out of a piece.
    fn note_ways(&mut self, piece: usize, detection: u8) {
        for (index, link) in self.links.iter().enumerate() {
            let mark = &mut self.marks[index];
            if !link.touches(detection) || mark.spent || mark.noted {
                continue;
            }
            let other = if link.from == detection { link.to } else { link.from };
            if !self.pieces[piece].has(other) {
                mark.noted = true;
                self.ways.push(Way { affinity: link.affinity, noted: self.ways_noted, link: index });
                self.ways_noted += 1;
            }
        }
    }

    /// Where there are more pieces than animals: joins those without a common keypoint that an unused link ties.
    fn fuse_pieces(&mut self) {
        if self.pieces.len() <= self.rules.animals {
            return;
        }
        let mut piece_of = [None; DETECTIONS_MAX];
        for (index, piece) in self.pieces.iter().enumerate().filter(|(_, piece)| piece.len() < self.rules.keypoints) {
            piece.parts().for_each(|part| piece_of[usize::from(part)] = Some(index));
        }
        for (link, _) in self.links.iter().zip(&self.marks).filter(|(_, mark)| !mark.used) {
            let (Some(a), Some(b)) = (piece_of[usize::from(link.from)], piece_of[usize::from(link.to)]) else {
                continue;
            };
            if a != b && self.pieces[a].is_apart_from(&self.pieces[b]) {
                let other = std::mem::replace(&mut self.pieces[b], Piece::EMPTY);
                self.pieces[a].fuse(&other);
                other.parts().for_each(|part| piece_of[usize::from(part)] = Some(a));
            }
        }
        self.pieces.retain(|piece| piece.len() > 0);
    }

    /// Sorts by affinity and drops each piece that lies on a stronger one.
    fn drop_overlapping(&mut self, detections: &[Detection]) {
        stable_sort(&mut self.pieces, |a, b| a.affinity > b.affinity);
        if self.rules.overlap_max >= 1.0 {
            return;
        }
        let mut kept = 0;
        while kept < self.pieces.len() {
            let strong = self.pieces[kept];
            let mut index = 0;
            self.pieces.retain(|piece| {
                index += 1;
                index <= kept + 1 || strong.overlap(piece, detections) < self.rules.overlap_max
            });
            kept += 1;
        }
    }
}

/// Insertion sort: equals keep their order, nothing is allocated.
fn stable_sort(pieces: &mut [Piece], before: impl Fn(&Piece, &Piece) -> bool) {
    for sorted in 1..pieces.len() {
        let mut place = sorted;
        while place > 0 && before(&pieces[place], &pieces[place - 1]) {
            pieces.swap(place, place - 1);
            place -= 1;
        }
    }
}

const _: () = assert!(DETECTIONS_MAX == MAX_ANIMALS * MAX_KEYPOINTS && DETECTIONS_MAX < NONE as usize);
