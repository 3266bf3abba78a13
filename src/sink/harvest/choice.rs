//! Which frames stay when there is no room for all: spread over time, and of two neighbours the more doubtful one. Pure.

use super::doubt::Reason;
use crate::stamp::WallTime;
use std::time::Duration;

/// A kept frame, or one that may be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Kept {
    /// When it was captured.
    pub captured: WallTime,
    /// Why it is kept.
    pub reason: Reason,
    /// How doubtful it is, 0 to 1.
    pub weight: f32,
    /// Size of its picture's file.
    pub bytes: u64,
}

/// What bounds the kept frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Most frames.
    pub frames: usize,
    /// Most bytes of their pictures.
    pub bytes: u64,
    /// Least time between two frames of one reason.
    pub spacing: Duration,
}

/// What becomes of a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice {
    /// It is kept, and these, by index, make way for it.
    Keep(Vec<usize>),
    /// A frame of its reason is kept already, too near in time.
    TooNear,
    /// There is no room, and what is kept is worth more.
    NoRoom,
}

impl Bounds {
    /// Decides about `new`. The same frames always give the same answer, whatever their order.
    ///
    /// While there is no room, the two neighbours in time that lie closest are found and the less doubtful one gives way (of
    /// equals the later): crowded stretches are thinned, and what is left is spread over all the time that was watched.
    pub fn choose(&self, kept: &[Kept], new: &Kept) -> Choice {
        let near = |other: &&Kept| other.reason == new.reason && distance(other, new) < self.spacing.as_nanos();
        if kept.iter().any(|other| near(&other)) {
            return Choice::TooNear;
        }
        // The new one goes by the index behind the last.
        let mut left: Vec<(usize, &Kept)> = kept.iter().chain([new]).enumerate().collect();
        left.sort_by(|(_, a), (_, b)| order(a, b));
        let mut bytes: u64 = left.iter().fold(0, |sum, (_, one)| sum.saturating_add(one.bytes));
        let mut gone = Vec::new();
        while left.len() > self.frames || bytes > self.bytes {
            let (index, one) = left.remove(least(&left));
            if index == kept.len() {
                return Choice::NoRoom;
            }
            bytes = bytes.saturating_sub(one.bytes);
            gone.push(index);
        }
        Choice::Keep(gone)
    }
}

/// Where in `frames`, which are in the order of time and not empty, the one stands that is worth least.
fn least(frames: &[(usize, &Kept)]) -> usize {
    let closest = (1..frames.len()).min_by_key(|right| distance(frames[right - 1].1, frames[*right].1));
    closest.map_or(0, |right| if frames[right - 1].1.weight < frames[right].1.weight { right - 1 } else { right })
}

fn distance(a: &Kept, b: &Kept) -> u128 {
    u128::from(a.captured.0.abs_diff(b.captured.0))
}

/// By time; the rest makes the order of frames of one time the same however they came.
fn order(a: &Kept, b: &Kept) -> std::cmp::Ordering {
    let rest = |kept: &Kept| (kept.reason.word(), kept.bytes);
    a.captured.cmp(&b.captured).then(a.weight.total_cmp(&b.weight)).then_with(|| rest(a).cmp(&rest(b)))
}
