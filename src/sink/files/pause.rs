//! The pauses between attempts at a disk that fails: 1 s, doubled up to 32 s.

use std::time::Duration;

const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(32);

/// Whether something fails, and when it may be tried again. Time is whatever the caller counts.
#[derive(Debug, Default)]
pub(super) struct Pause {
    failing: Option<(Duration, Duration)>,
}

impl Pause {
    /// It may be tried.
    pub(super) fn is_over(&self, now: Duration) -> bool {
        self.failing.is_none_or(|(until, _)| now >= until)
    }

    /// It failed. True when it had worked before.
    pub(super) fn begin(&mut self, now: Duration) -> bool {
        let last = self.failing.map(|(_, length)| length);
        let length = last.map_or(FIRST, |length| (length * 2).min(LONGEST));
        self.failing = Some((now + length, length));
        last.is_none()
    }

    /// It worked. True when it had failed before.
    pub(super) fn end(&mut self) -> bool {
        self.failing.take().is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_and_a_change_is_told_once() {
        let mut pause = Pause::default();
        let mut now = Duration::from_secs(10);
        assert!(pause.is_over(now));
        let mut lengths = Vec::new();
        for attempt in 0..7 {
            assert_eq!(pause.begin(now), attempt == 0);
            let start = now;
            while !pause.is_over(now) {
                now += Duration::from_secs(1);
            }
            lengths.push((now - start).as_secs());
        }
        assert_eq!(lengths, [1, 2, 4, 8, 16, 32, 32]);
        assert!(pause.end());
        assert!(!pause.end());
    }
}
