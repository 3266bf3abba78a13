//! Pictures held until their frames are settled: a few, spread over the seconds that settling takes.

use crate::handover::{Delivery, Frame};
use crate::stamp::WallTime;
use std::collections::VecDeque;
use std::time::Duration;

/// Most pictures that are held; each is a buffer of the pool. With names settled after 3 s one in 0.2 s is held.
pub const MOST_HELD: usize = 16;

/// The pictures of the frames that wait. Allocates nothing after `new`.
#[derive(Debug)]
pub struct Recent {
    step_ns: i64,
    held: VecDeque<Frame>,
    last: Option<WallTime>,
}

impl Recent {
    /// For frames that are settled after `lag`.
    pub fn new(lag: Duration) -> Self {
        let step = lag / (MOST_HELD as u32 - 1);
        Self {
            step_ns: i64::try_from(step.as_nanos()).unwrap_or(i64::MAX),
            held: VecDeque::with_capacity(MOST_HELD),
            last: None,
        }
    }

    /// Holds the picture if the one held last lies a step back. Where there is no room it is let go: settling is behind.
    pub fn note(&mut self, delivery: &Delivery) {
        let captured = delivery.scene.stamp.captured;
        // Either way: a clock that was set back must not keep the pictures away.
        let due = self.last.is_none_or(|last| captured.nanos_since(last).unsigned_abs() >= self.step_ns.unsigned_abs());
        if due
            && self.held.len() < MOST_HELD
            && let Some(frame) = &delivery.frame
        {
            self.held.push_back(frame.clone());
            self.last = Some(captured);
        }
    }

    /// The picture of frame `number`, which is settled, if it was held. Those before it are let go.
    pub fn settled(&mut self, number: u64) -> Option<Frame> {
        while self.held.front().is_some_and(|frame| frame.stamp.frame < number) {
            self.held.pop_front();
        }
        self.held.pop_front_if(|frame| frame.stamp.frame == number)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{delivery, scene};
    use super::*;

    fn held(recent: &Recent) -> Vec<u64> {
        recent.held.iter().map(|frame| frame.stamp.frame).collect()
    }

    #[test]
    fn so_many_are_held_as_fit_into_the_time_and_no_more() {
        let mut recent = Recent::new(Duration::from_secs(3));
        // 10 frames/s that are not settled for ten seconds.
        (0..100).for_each(|frame| recent.note(&delivery(scene(frame))));
        assert_eq!(held(&recent), (0..16).map(|n| 2 * n).collect::<Vec<u64>>());
    }

    #[test]
    fn a_settled_frame_lets_go_of_all_up_to_it() {
        let mut recent = Recent::new(Duration::from_secs(3));
        (0..10).for_each(|frame| recent.note(&delivery(scene(frame))));
        assert_eq!(recent.settled(5).map(|frame| frame.stamp.frame), None);
        assert_eq!(held(&recent), [6, 8]);
        assert_eq!(recent.settled(6).map(|frame| frame.stamp.frame), Some(6));
        assert_eq!(held(&recent), [8]);
    }
}
