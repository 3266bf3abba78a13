//! Frames that the files still have to tell as missing: ranges in order of their numbers, neighbours merged, bounded.

use crate::handover::{Gap, GapReason, Gaps};

/// Most separate ranges.
const MOST: usize = 64;

/// Frames still to be told as gaps.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Missing(heapless::Vec<Gap, MOST>);

impl Missing {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Gap> {
        self.0.iter()
    }

    /// Adds a range. When there is no room, the two neighbours that lie closest become one, with the longer one's reason.
    pub(super) fn note(&mut self, gap: Gap) {
        if self.0.is_full() {
            self.merge_closest();
        }
        let at = self.0.partition_point(|other| other.first <= gap.first);
        if self.0.insert(at, gap).is_err() {
            return; // Cannot be: room was made above.
        }
        self.join_if_one(at);
        if at > 0 {
            self.join_if_one(at - 1);
        }
    }

    /// Adds one frame that the disk did not take.
    pub(super) fn note_unwritten(&mut self, frame: u64) {
        self.note(Gap { first: frame, last: frame, reason: GapReason::Disk });
    }

    /// Adds all of `gaps`.
    pub(super) fn extend<'a>(&mut self, gaps: impl IntoIterator<Item = &'a Gap>) {
        for gap in gaps {
            self.note(*gap);
        }
    }

    /// Adds what the line noted.
    pub(super) fn extend_gaps(&mut self, gaps: &Gaps) {
        gaps.iter().for_each(|gap| self.note(*gap));
    }

    /// Makes the ranges at `at` and `at + 1` one when they touch and have one reason.
    fn join_if_one(&mut self, at: usize) {
        let [Some(left), Some(right)] = [self.0.get(at), self.0.get(at + 1)] else { return };
        if left.reason == right.reason && right.first <= left.last.saturating_add(1) {
            let last = left.last.max(right.last);
            self.0[at].last = last;
            self.0.remove(at + 1);
        }
    }

    fn merge_closest(&mut self) {
        let distance = |pair: &[Gap]| pair[1].first.saturating_sub(pair[0].last);
        let Some(at) = (0..self.0.len() - 1).min_by_key(|at| distance(&self.0[*at..*at + 2])) else { return };
        let right = self.0.remove(at + 1);
        let left = &mut self.0[at];
        if right.frames() > left.frames() {
            left.reason = right.reason;
        }
        left.last = left.last.max(right.last);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_in_any_order_become_one_range() {
        let mut missing = Missing::default();
        for frame in [3, 1, 2, 6, 4, 5] {
            missing.note_unwritten(frame);
        }
        let ranges: Vec<_> = missing.iter().copied().collect();
        assert_eq!(ranges, [Gap { first: 1, last: 6, reason: GapReason::Disk }]);
    }

    #[test]
    fn a_long_outage_of_mixed_reasons_stays_whole_and_bounded() {
        let mut missing = Missing::default();
        for frame in 0..1000 {
            let reason = if frame % 2 == 0 { GapReason::Late } else { GapReason::Disk };
            missing.note(Gap { first: frame, last: frame, reason });
        }
        assert_eq!(missing.iter().map(Gap::frames).sum::<u64>(), 1000);
        assert!(missing.iter().count() <= MOST);
    }
}
