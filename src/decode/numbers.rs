//! Frame numbers and capture times of the access units in flight: numbers are given out rising and without gaps, in display order.

use crate::handover::{Gap, GapReason};
use crate::stamp::Stamp;
use std::collections::VecDeque;

/// Most access units in flight; a decoder holds back at most 16 pictures, and lost ones wait for at most those.
const MOST: usize = 64;

/// Consecutive numbers, first and last included, that arrived or never will.
#[derive(Clone, Copy, Debug)]
struct Run {
    first: u64,
    last: u64,
    arrived: bool,
}

/// One access unit in flight.
#[derive(Clone, Copy, Debug)]
struct InFlight {
    /// When it is to be shown.
    presentation: i64,
    stamp: Stamp,
    /// The access unit whose outcome this entry waits for: its own, unless presentation times contradict the display order.
    unit: u64,
    lost: Option<GapReason>,
}

/// The access units between arrival and outcome.
#[derive(Debug)]
pub(super) struct Numbers {
    expected: Option<u64>,
    runs: VecDeque<Run>,
    /// In the order of presentation; the first is never a lost one.
    flight: Vec<InFlight>,
}

impl Numbers {
    pub(super) fn new() -> Self {
        Self { expected: None, runs: VecDeque::with_capacity(2 * MOST + 2), flight: Vec::with_capacity(MOST) }
    }

    /// No further access unit may arrive before one has its outcome.
    pub(super) fn is_full(&self) -> bool {
        self.flight.len() >= MOST
    }

    /// The access unit in flight that is to be shown first.
    pub(super) fn oldest(&self) -> Option<u64> {
        self.flight.first().map(|first| first.unit)
    }

    /// An access unit came; how many numbers before it never did. Those are noted, in their place, as dropped before decoding.
    pub(super) fn arrive(&mut self, stamp: Stamp, presentation: i64, note: &mut dyn FnMut(Gap)) -> u64 {
        let frame = stamp.frame;
        let skipped = self.expected.map_or(0, |expected| frame.saturating_sub(expected));
        if skipped > 0 {
            self.runs.push_back(Run { first: frame - skipped, last: frame - 1, arrived: false });
            self.settle(note);
        }
        match self.runs.back_mut() {
            Some(run) if run.arrived && run.last.checked_add(1) == Some(frame) => run.last = frame,
            _ => self.runs.push_back(Run { first: frame, last: frame, arrived: true }),
        }
        self.expected = frame.checked_add(1);
        let at = self.flight.partition_point(|other| other.presentation <= presentation);
        self.flight.insert(at, InFlight { presentation, stamp, unit: frame, lost: None });
        skipped
    }

    /// An access unit gives no picture. False when it is not in flight.
    pub(super) fn lose(&mut self, unit: u64, reason: GapReason, note: &mut dyn FnMut(Gap)) -> bool {
        let Some(entry) = self.flight.iter_mut().find(|entry| entry.unit == unit && entry.lost.is_none()) else {
            return false;
        };
        entry.lost = Some(reason);
        self.settle(note);
        true
    }

    /// An access unit's picture is the next in display order: its stamp, with the smallest outstanding number and the earliest
    /// outstanding capture time. `None` when it is not in flight.
    pub(super) fn show(&mut self, unit: u64, note: &mut dyn FnMut(Gap)) -> Option<Stamp> {
        let at = self.flight.iter().position(|entry| entry.unit == unit && entry.lost.is_none())?;
        let first = self.flight.first()?.unit;
        self.flight[at].unit = first;
        let shown = self.flight.remove(0);
        Some(Stamp { frame: self.next(note)?, ..shown.stamp })
    }

    /// Gives numbers to the lost ones whose turn it is.
    pub(super) fn settle(&mut self, note: &mut dyn FnMut(Gap)) {
        while let Some(reason) = self.flight.first().and_then(|first| first.lost) {
            self.flight.remove(0);
            if let Some(number) = self.next(note) {
                note(Gap { first: number, last: number, reason });
            }
        }
        self.pass_absent(note);
    }

    /// The smallest outstanding number.
    fn next(&mut self, note: &mut dyn FnMut(Gap)) -> Option<u64> {
        self.pass_absent(note);
        let run = self.runs.front_mut()?;
        let number = run.first;
        if number == run.last {
            self.runs.pop_front();
        } else {
            run.first += 1;
        }
        Some(number)
    }

    fn pass_absent(&mut self, note: &mut dyn FnMut(Gap)) {
        while let Some(run) = self.runs.front().copied().filter(|run| !run.arrived) {
            self.runs.pop_front();
            note(Gap { first: run.first, last: run.last, reason: GapReason::Late });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stamp::WallTime;

    fn arrive(numbers: &mut Numbers, frame: u64, presentation: i64) {
        let stamp = Stamp { frame, captured: WallTime(presentation * 1000), ..Stamp::default() };
        numbers.arrive(stamp, presentation, &mut |_| {});
    }

    fn show(numbers: &mut Numbers, unit: u64) -> (u64, i64) {
        let mut gaps = 0;
        let stamp = numbers.show(unit, &mut |_| gaps += 1).expect("in flight");
        numbers.settle(&mut |_| {});
        assert_eq!(gaps, 0);
        (stamp.frame, stamp.captured.0 / 1000)
    }

    #[test]
    fn numbers_and_capture_times_rise_in_display_order() {
        let mut numbers = Numbers::new();
        for (frame, presentation) in [(0, 0), (1, 3), (2, 1), (3, 2)] {
            arrive(&mut numbers, frame, presentation);
        }
        let shown: Vec<_> = [0, 2, 3, 1].map(|unit| show(&mut numbers, unit)).to_vec();
        assert_eq!(shown, [(0, 0), (1, 1), (2, 2), (3, 3)]);
    }

    #[test]
    fn presentation_times_in_decoding_order_still_rise() {
        let mut numbers = Numbers::new();
        (0..4).for_each(|n| arrive(&mut numbers, n, n as i64));
        let shown: Vec<_> = [0, 2, 3, 1].map(|unit| show(&mut numbers, unit)).to_vec();
        assert_eq!(shown, [(0, 0), (1, 1), (2, 2), (3, 3)]);
    }

    #[test]
    fn a_lost_picture_takes_the_number_of_its_place() {
        let mut numbers = Numbers::new();
        for (frame, presentation) in [(0, 0), (1, 3), (2, 1), (3, 2)] {
            arrive(&mut numbers, frame, presentation);
        }
        show(&mut numbers, 0);
        let mut noted = Vec::new();
        assert!(numbers.lose(3, GapReason::Corrupt, &mut |gap| noted.push(gap)));
        assert!(noted.is_empty(), "the picture before it is not out yet");
        show(&mut numbers, 2);
        assert_eq!(show(&mut numbers, 1), (3, 3));
    }

    #[test]
    fn numbers_that_never_came_are_noted_after_those_before_them() {
        let mut numbers = Numbers::new();
        arrive(&mut numbers, 0, 0);
        let mut noted = Vec::new();
        let stamp = Stamp { frame: 5, ..Stamp::default() };
        assert_eq!(numbers.arrive(stamp, 5, &mut |gap| noted.push(gap)), 4);
        assert!(noted.is_empty(), "frame 0 is not out yet");
        assert_eq!(numbers.show(0, &mut |_| {}).map(|stamp| stamp.frame), Some(0));
        numbers.settle(&mut |gap| noted.push(gap));
        assert_eq!(noted, [Gap { first: 1, last: 4, reason: GapReason::Late }]);
        assert_eq!(show(&mut numbers, 5).0, 5);
    }
}
