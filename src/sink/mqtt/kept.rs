//! Events that wait for the broker's acknowledgement, across connections.

use bytes::Bytes;
use std::collections::VecDeque;

/// Most messages on their way at once: what brokers allow without being asked (mosquitto: 20).
const IN_FLIGHT: usize = 20;

/// Events in their order, each kept until the broker has acknowledged it.
#[derive(Debug)]
pub(super) struct Kept {
    events: VecDeque<Event>,
    room: usize,
    next: u64,
    in_flight: usize,
}

#[derive(Debug)]
struct Event {
    serial: u64,
    payload: Bytes,
    sent: bool,
}

impl Kept {
    /// Keeps at most `room` events, at least one.
    pub fn new(room: usize) -> Self {
        Self { events: VecDeque::new(), room: room.max(1), next: 0, in_flight: 0 }
    }

    /// Keeps one more. When there is no room the oldest goes; returns how many went (0 or 1).
    pub fn push(&mut self, payload: Bytes) -> u64 {
        let dropped = if self.events.len() >= self.room { self.events.pop_front() } else { None };
        if dropped.as_ref().is_some_and(|event| event.sent) {
            self.in_flight -= 1;
        }
        self.events.push_back(Event { serial: self.next, payload, sent: false });
        self.next += 1;
        u64::from(dropped.is_some())
    }

    /// Sends what may be sent, oldest first, until `send` refuses.
    pub fn send(&mut self, mut send: impl FnMut(u64, Bytes) -> bool) {
        for event in self.events.iter_mut().filter(|event| !event.sent) {
            if self.in_flight >= IN_FLIGHT || !send(event.serial, event.payload.clone()) {
                break;
            }
            event.sent = true;
            self.in_flight += 1;
        }
    }

    /// The broker has this event (or will never take it): it need not be kept. False when it is not kept any more.
    pub fn done(&mut self, serial: u64) -> bool {
        let Ok(index) = self.events.binary_search_by_key(&serial, |event| event.serial) else { return false };
        if let Some(event) = self.events.remove(index)
            && event.sent
        {
            self.in_flight -= 1;
        }
        true
    }

    /// The connection is gone: what was on its way has to go again.
    pub fn unsend(&mut self) {
        self.events.iter_mut().for_each(|event| event.sent = false);
        self.in_flight = 0;
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.events.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(kept: &mut Kept) -> Vec<u64> {
        let mut serials = Vec::new();
        kept.send(|serial, _| {
            serials.push(serial);
            true
        });
        serials
    }

    #[test]
    fn what_was_not_acknowledged_goes_again_in_order() {
        let mut kept = Kept::new(10);
        for n in 0..3u8 {
            kept.push(Bytes::copy_from_slice(&[n]));
        }
        assert_eq!(sent(&mut kept), [0, 1, 2]);
        assert!(kept.done(1));
        kept.unsend();
        assert_eq!(sent(&mut kept), [0, 2]);
        assert!(kept.done(0) && kept.done(2) && !kept.done(2));
        assert_eq!(kept.len(), 0);
    }

    #[test]
    fn a_full_store_drops_the_oldest_and_says_so() {
        let mut kept = Kept::new(2);
        assert_eq!((kept.push(Bytes::new()), kept.push(Bytes::new()), kept.push(Bytes::new())), (0, 0, 1));
        assert_eq!(sent(&mut kept), [1, 2]);
    }

    #[test]
    fn no_more_is_on_its_way_than_brokers_allow() {
        let mut kept = Kept::new(100);
        for _ in 0..50 {
            kept.push(Bytes::new());
        }
        assert_eq!(sent(&mut kept).len(), IN_FLIGHT);
        kept.done(0);
        assert_eq!(sent(&mut kept), [20]);
    }
}
