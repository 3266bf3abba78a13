//! How long to wait for the picture of an access unit that was just handed over.
//!
//! A device that decodes without delay answers within milliseconds, and whoever does not wait for it shows each picture one frame
//! late. A device that must hold pictures back (B-frames) does not answer, and waiting for it costs time. So it is learnt how many
//! pictures are held back: one more when the device has taken everything up and keeps still; one less is tried now and then, until
//! a try has failed.

use std::time::Duration;

/// How long a picture that should come is waited for.
const DUE: Duration = Duration::from_millis(100);
/// How long one that may come is.
const TRY: Duration = Duration::from_millis(15);
/// How many access units lie between two tries.
const BETWEEN: u32 = 50;
/// The largest decoded picture buffer.
const MOST_HELD: usize = 16;

/// What is known of a device's delay with this stream.
#[derive(Debug, Default)]
pub(super) struct Patience {
    held: usize,
    units: u32,
    /// The held pictures to which a try led; whoever must go back is never tried again.
    tried: Option<usize>,
    sure: bool,
}

impl Patience {
    /// An access unit was handed over: how many pictures may be missing, and how long the others are waited for.
    pub(super) fn next(&mut self) -> (usize, Duration) {
        self.units = self.units.wrapping_add(1);
        if self.held > 0 && !self.sure && self.units.is_multiple_of(BETWEEN) {
            return (self.held - 1, TRY);
        }
        (self.held, DUE)
    }

    /// So many were missing in the end, of `allowed`; `settled`: the device was not busy.
    pub(super) fn learn(&mut self, allowed: usize, missing: usize, settled: bool) {
        if allowed < self.held {
            if missing <= allowed {
                self.held = allowed;
                self.tried = Some(allowed);
            } else {
                self.sure = true;
            }
        } else if missing > allowed && settled {
            self.sure |= self.tried.is_some_and(|tried| tried < missing);
            self.held = missing.min(MOST_HELD);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs access units against a device that holds back what `held` says of each; the time waited in vain.
    fn run(patience: &mut Patience, units: u32, held: impl Fn(u32) -> usize) -> Duration {
        (0..units)
            .map(|unit| {
                let (allowed, limit) = patience.next();
                let missing = held(unit);
                patience.learn(allowed, missing, true);
                if missing > allowed { limit } else { Duration::ZERO }
            })
            .sum()
    }

    #[test]
    fn a_device_without_delay_is_always_waited_for() {
        let mut patience = Patience::default();
        assert_eq!(run(&mut patience, 1000, |_| 0), Duration::ZERO);
        assert_eq!(patience.next(), (0, DUE));
    }

    #[test]
    fn a_device_that_holds_pictures_back_costs_time_once() {
        let mut patience = Patience::default();
        assert_eq!(run(&mut patience, 1000, |_| 3), DUE + TRY);
    }

    #[test]
    fn changing_delay_costs_time_twice() {
        let mut patience = Patience::default();
        assert!(run(&mut patience, 1000, |unit| [2, 1, 0][unit as usize % 3]) <= 3 * DUE);
        assert_eq!(patience.held, 2);
    }

    #[test]
    fn a_hiccup_is_forgotten() {
        let mut patience = Patience::default();
        run(&mut patience, 1, |_| 1);
        assert_eq!(patience.held, 1);
        run(&mut patience, BETWEEN, |_| 0);
        assert_eq!(patience.held, 0);
    }

    #[test]
    fn a_busy_device_teaches_nothing() {
        let mut patience = Patience::default();
        let (allowed, _) = patience.next();
        patience.learn(allowed, 5, false);
        assert_eq!(patience.held, 0);
    }
}
