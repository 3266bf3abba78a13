//! The two queue shapes of the house, and no third: `Line` (every value matters) and `Slot` (only the newest matters).

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What became of a value offered to a `Line`.
#[derive(Debug, PartialEq, Eq)]
pub enum Offer<T> {
    /// It is in the line.
    Taken,
    /// No room: here it is back.
    Full(T),
    /// The other side is gone: here it is back.
    Closed(T),
}

#[derive(Debug)]
struct Shared<T> {
    values: VecDeque<T>,
    closed: bool,
}

/// A bounded queue in which every value matters; it hands the value back when it is full. Its room is allocated once.
///
/// The lock is held for a push or a pop only, so a waiting thread costs the other at most one wake-up call.
#[derive(Debug)]
pub struct Line<T> {
    shared: Mutex<Shared<T>>,
    room: usize,
    changed: Condvar,
}

impl<T> Line<T> {
    /// A line with room for `room` values, at least one.
    pub fn new(room: usize) -> Self {
        let room = room.max(1);
        let shared = Shared { values: VecDeque::with_capacity(room), closed: false };
        Self { shared: Mutex::new(shared), room, changed: Condvar::new() }
    }

    /// Never waits.
    pub fn offer(&self, value: T) -> Offer<T> {
        let mut shared = lock(&self.shared);
        if shared.closed {
            return Offer::Closed(value);
        }
        if shared.values.len() >= self.room {
            return Offer::Full(value);
        }
        shared.values.push_back(value);
        drop(shared);
        self.changed.notify_all();
        Offer::Taken
    }

    /// Waits for room. Hands the value back when the line is closed.
    pub fn put(&self, value: T) -> Result<(), T> {
        let mut shared = lock(&self.shared);
        while shared.values.len() >= self.room && !shared.closed {
            shared = self.changed.wait(shared).unwrap_or_else(PoisonError::into_inner);
        }
        if shared.closed {
            return Err(value);
        }
        shared.values.push_back(value);
        drop(shared);
        self.changed.notify_all();
        Ok(())
    }

    /// Waits for a value; `None` when the line is closed and empty.
    pub fn take(&self) -> Option<T> {
        let mut shared = lock(&self.shared);
        loop {
            if let Some(value) = shared.values.pop_front() {
                drop(shared);
                self.changed.notify_all();
                return Some(value);
            }
            if shared.closed {
                return None;
            }
            shared = self.changed.wait(shared).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Waits at most `limit` for a value.
    pub fn take_within(&self, limit: Duration) -> Taken<T> {
        let shared = lock(&self.shared);
        let (mut shared, _) = self
            .changed
            .wait_timeout_while(shared, limit, |shared| shared.values.is_empty() && !shared.closed)
            .unwrap_or_else(PoisonError::into_inner);
        match shared.values.pop_front() {
            Some(value) => {
                drop(shared);
                self.changed.notify_all();
                Taken::Value(value)
            }
            None if shared.closed => Taken::Closed,
            None => Taken::Nothing,
        }
    }

    /// No more values go in; those inside can still be taken.
    pub fn close(&self) {
        lock(&self.shared).closed = true;
        self.changed.notify_all();
    }

    /// How many values wait.
    pub fn len(&self) -> usize {
        lock(&self.shared).values.len()
    }

    /// No value waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// What a wait with a limit brought.
#[derive(Debug, PartialEq, Eq)]
pub enum Taken<T> {
    /// A value.
    Value(T),
    /// None in time.
    Nothing,
    /// Closed and empty.
    Closed,
}

/// Room for one value of which only the newest matters.
#[derive(Debug)]
pub struct Slot<T> {
    shared: Mutex<(Option<T>, bool)>,
    changed: Condvar,
}

impl<T> Default for Slot<T> {
    fn default() -> Self {
        Self { shared: Mutex::new((None, false)), changed: Condvar::new() }
    }
}

impl<T> Slot<T> {
    /// An empty slot.
    pub fn new() -> Self {
        Self::default()
    }

    /// Never waits. `make` gets the value that nobody took, so that its loss can be noted in the new one. False when closed.
    pub fn put(&self, make: impl FnOnce(Option<T>) -> T) -> bool {
        let mut shared = lock(&self.shared);
        if shared.1 {
            return false;
        }
        let stale = shared.0.take();
        shared.0 = Some(make(stale));
        drop(shared);
        self.changed.notify_all();
        true
    }

    /// Waits for a value; `None` when the slot is closed and empty.
    pub fn take(&self) -> Option<T> {
        let shared = lock(&self.shared);
        let mut shared = self
            .changed
            .wait_while(shared, |shared| shared.0.is_none() && !shared.1)
            .unwrap_or_else(PoisonError::into_inner);
        shared.0.take()
    }

    /// Waits at most `limit` for a value.
    pub fn take_within(&self, limit: Duration) -> Taken<T> {
        let shared = lock(&self.shared);
        let (mut shared, _) = self
            .changed
            .wait_timeout_while(shared, limit, |shared| shared.0.is_none() && !shared.1)
            .unwrap_or_else(PoisonError::into_inner);
        match shared.0.take() {
            Some(value) => Taken::Value(value),
            None if shared.1 => Taken::Closed,
            None => Taken::Nothing,
        }
    }

    /// No more values go in; the one inside can still be taken.
    pub fn close(&self) {
        lock(&self.shared).1 = true;
        self.changed.notify_all();
    }
}

/// A panic elsewhere leaves a queue whole: each change is one push or pop.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_line_hands_the_value_back() {
        let line = Line::new(1);
        assert_eq!(line.offer(1), Offer::Taken);
        assert_eq!(line.offer(2), Offer::Full(2));
        assert_eq!(line.take(), Some(1));
        line.close();
        assert_eq!(line.offer(3), Offer::Closed(3));
        assert_eq!(line.take(), None);
    }

    #[test]
    fn a_slot_keeps_the_newest_and_shows_the_stale() {
        let slot = Slot::new();
        let mut seen = Vec::new();
        for n in 1..=3 {
            slot.put(|stale| {
                seen.push(stale);
                n
            });
        }
        assert_eq!(seen, [None, Some(1), Some(2)]);
        slot.close();
        assert_eq!(slot.take(), Some(3));
        assert_eq!(slot.take(), None);
    }
}
