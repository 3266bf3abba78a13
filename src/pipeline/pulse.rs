//! Signs of life: each thread of the line beats as it goes round, and whoever looks sees who does not.

use crate::handover::Taken;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// A thread that waits wakes up this often to beat: that nothing comes (the camera is away) is no hang.
pub(super) const BEAT: Duration = Duration::from_millis(500);

/// One thread's beats.
#[derive(Debug)]
pub(super) struct Pulse {
    thread: &'static str,
    beats: AtomicU64,
}

impl Pulse {
    pub(super) fn new(thread: &'static str) -> Arc<Self> {
        Arc::new(Self { thread, beats: AtomicU64::new(0) })
    }

    /// The thread is alive.
    pub(super) fn beat(&self) {
        self.beats.fetch_add(1, Relaxed);
    }

    /// Waits for a value and beats while none comes; `None` at the end. Taking a value is no beat: what is done with it may hang.
    pub(super) fn wait_for<T>(&self, take_within: impl Fn(Duration) -> Taken<T>) -> Option<T> {
        loop {
            match self.wait_within(Duration::MAX, &take_within) {
                Taken::Value(value) => return Some(value),
                Taken::Closed => return None,
                Taken::Nothing => {}
            }
        }
    }

    /// The same for at most `limit`, in whole beats.
    pub(super) fn wait_within<T>(&self, limit: Duration, take_within: impl Fn(Duration) -> Taken<T>) -> Taken<T> {
        let mut waited = Duration::ZERO;
        loop {
            match take_within(BEAT) {
                Taken::Nothing if waited + BEAT >= limit => {
                    self.beat();
                    return Taken::Nothing;
                }
                Taken::Nothing => {
                    self.beat();
                    waited += BEAT;
                }
                taken => return taken,
            }
        }
    }
}

/// Watches the threads of the line, from outside them.
#[derive(Debug)]
pub struct Vigil {
    /// Each with the beats that it had when all had beaten.
    watched: Vec<(Arc<Pulse>, u64)>,
}

impl Vigil {
    pub(super) fn over(pulses: impl IntoIterator<Item = Arc<Pulse>>) -> Self {
        let watched = pulses.into_iter().map(|pulse| (Arc::clone(&pulse), pulse.beats.load(Relaxed)));
        Self { watched: watched.collect() }
    }

    /// The first thread of the line that has not beaten since all had, if any. A thread that waits beats twice a second.
    pub fn look(&mut self) -> Option<&'static str> {
        let still = self.watched.iter().find(|(pulse, seen)| pulse.beats.load(Relaxed) == *seen);
        if let Some((pulse, _)) = still {
            return Some(pulse.thread);
        }
        for (pulse, seen) in &mut self.watched {
            *seen = pulse.beats.load(Relaxed);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::handover::Line;

    #[test]
    fn a_thread_that_does_not_beat_is_named_and_one_that_goes_on_is_not() {
        let (decode, track) = (Pulse::new("decode"), Pulse::new("track"));
        let mut vigil = Vigil::over([Arc::clone(&decode), Arc::clone(&track)]);
        assert_eq!(vigil.look(), Some("decode"), "nobody has beaten yet: the first of the line is named");
        decode.beat();
        assert_eq!(vigil.look(), Some("track"));
        track.beat();
        assert_eq!(vigil.look(), None, "all have beaten, whatever the looks between");
        (0..3).for_each(|_| track.beat());
        assert_eq!(vigil.look(), Some("decode"), "beats of one thread do not stand for another");
        decode.beat();
        assert_eq!(vigil.look(), None);
    }

    #[test]
    fn waiting_in_vain_beats_and_taking_does_not() {
        let (pulse, line) = (Pulse::new("track"), Line::new(4));
        let mut vigil = Vigil::over([Arc::clone(&pulse)]);
        line.offer(1);
        assert_eq!(pulse.wait_for(|limit| line.take_within(limit)), Some(1));
        assert_eq!(vigil.look(), Some("track"));
        let empty_handed = std::cell::Cell::new(0);
        let end = pulse.wait_for(|_| {
            empty_handed.set(empty_handed.get() + 1);
            if empty_handed.get() < 3 { Taken::<u8>::Nothing } else { Taken::Closed }
        });
        assert_eq!((end, vigil.look()), (None, None));
    }
}
