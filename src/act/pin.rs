//! The `Pin` seam: what a pulse comes out of. The recorded form keeps the last sets and drives nothing.

use crate::stamp::{Clock, Monotonic};
use heapless::HistoryBuf;
use std::sync::{Arc, Mutex, PoisonError};

/// Why a pin did not obey.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("pin {pin}: {what}")]
pub struct PinError {
    /// Which pin.
    pub pin: String,
    /// What was got, what is allowed, what to do.
    pub what: String,
}

/// One output that is high or low. Real form: `GpioPin`; recorded form: `RecordedPin`.
pub trait Pin: Send {
    /// Its name in messages.
    fn name(&self) -> &str;

    /// Sets it. Must not wait: it is called on the tracking thread.
    fn set(&mut self, high: bool) -> Result<(), PinError>;
}

/// Sets that a record keeps; older ones make way.
const KEPT: usize = 256;

/// A pin that drives nothing and remembers.
#[derive(Debug)]
pub struct RecordedPin {
    clock: Clock,
    record: PinRecord,
}

/// The last 256 sets of a recorded pin, readable while it runs.
#[derive(Clone, Debug, Default)]
pub struct PinRecord(Arc<Mutex<HistoryBuf<(Monotonic, bool), KEPT>>>);

impl RecordedPin {
    /// A low pin and its record.
    pub fn new(clock: Clock) -> (Self, PinRecord) {
        let record = PinRecord::default();
        (Self { clock, record: record.clone() }, record)
    }
}

impl Pin for RecordedPin {
    fn name(&self) -> &str {
        "recorded"
    }

    fn set(&mut self, high: bool) -> Result<(), PinError> {
        let now = self.clock.monotonic();
        self.record.0.lock().unwrap_or_else(PoisonError::into_inner).write((now, high));
        Ok(())
    }
}

impl PinRecord {
    /// When it was set, and to what, oldest first.
    pub fn sets(&self) -> Vec<(Monotonic, bool)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).oldest_ordered().copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_keeps_the_last_sets_in_order() {
        let (mut pin, record) = RecordedPin::new(Clock::new());
        for n in 0..300 {
            pin.set(n % 2 == 0).unwrap();
        }
        let sets = record.sets();
        assert_eq!(sets.len(), KEPT);
        assert!(sets.windows(2).all(|pair| pair[0].0 <= pair[1].0 && pair[0].1 != pair[1].1));
    }

    #[test]
    fn a_pin_error_names_the_pin() {
        let error = PinError { pin: "gpio17".into(), what: "permission denied".into() };
        assert_eq!(error.to_string(), "pin gpio17: permission denied");
    }
}
