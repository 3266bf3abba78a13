//! A device that decodes nothing but behaves as the interface says, or as wrongly as a test wants. Its coding: the first byte of an
//! access unit names its kind, the second and third its picture's width and height in units of 16 pixels.

use super::device::{Device, Done, Fault, Pixels, Queue, Raw, Rect, Taken, fourcc};
use crate::handover::Lent;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What an access unit's first byte makes of it.
pub(super) const PICTURE: u8 = 0;
/// Its picture is marked as damaged.
pub(super) const DAMAGED: u8 = 1;
/// No picture comes of it.
pub(super) const SWALLOWED: u8 = 2;

pub(super) const CODING: u32 = fourcc(b"TEST");

/// How the device behaves, and what it was asked.
pub(super) struct State {
    /// Picture formats that it offers, its own choice first.
    pub(super) offers: Vec<u32>,
    /// Pictures that it holds back, and in which order it shows those of a full buffer: by stamps of the access units or by theirs.
    pub(super) holds: usize,
    /// Presentation order: what it shows first has the smallest third byte.
    pub(super) reorders: bool,
    /// Never answers.
    pub(super) dead: bool,
    /// Gives access units' buffers back only so many waits later.
    pub(super) lazy: u32,
    /// Says that the format changed, but marks no last picture.
    pub(super) marks_no_last: bool,
    /// Knows no command to stop: an empty buffer is the end.
    pub(super) no_command: bool,
    /// Says so of every call to it.
    pub(super) fails: Option<&'static str>,
    /// The calls that matter, in order.
    pub(super) calls: Vec<String>,
    /// Time waited for it in vain.
    pub(super) waited: Duration,
    inner: Inner,
}

#[derive(Default)]
struct Inner {
    streaming: [bool; 2],
    coded: VecDeque<(u32, Vec<u8>, u64, u32)>,
    returned: VecDeque<u32>,
    /// Decoded, waiting for a picture buffer: stamp, order, damaged.
    decoded: Vec<(u64, u8, bool)>,
    empty: VecDeque<u32>,
    full: VecDeque<Done>,
    size: Option<(u32, u32)>,
    chosen: Option<u32>,
    event: bool,
    /// The format changed and the new one waits for its buffers.
    waits: bool,
    stopping: bool,
    ended: bool,
    /// The pictures' format when their buffers were made.
    made: Raw,
    buffers: [u32; 2],
}

impl Default for State {
    fn default() -> Self {
        Self {
            offers: vec![fourcc(b"NV12")],
            holds: 0,
            reorders: false,
            dead: false,
            lazy: 0,
            marks_no_last: false,
            no_command: false,
            fails: None,
            calls: Vec::new(),
            waited: Duration::ZERO,
            inner: Inner::default(),
        }
    }
}

/// The device as a test sees it, also when it was closed; and the memory that it lends with each picture.
#[derive(Clone, Default)]
pub(super) struct StandIn(Arc<Mutex<State>>, pub(super) Option<Arc<Lent>>);

impl StandIn {
    pub(super) fn set(&self, change: impl FnOnce(&mut State)) -> &Self {
        change(&mut self.state());
        self
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens it anew.
    pub(super) fn opened(&self) -> Box<dyn Device> {
        let mut state = self.state();
        state.inner = Inner::default();
        state.calls.push("open".to_owned());
        drop(state);
        Box::new(self.clone())
    }
}

impl State {
    fn called(&mut self, call: &str) -> Result<(), Fault> {
        match self.fails {
            Some(fails) if call.starts_with(fails) => {
                Err(Fault::Call { call: "VIDIOC_TEST", what: "Input/output error (os error 5)".to_owned() })
            }
            _ => Ok(()),
        }
    }

    /// Takes up access units as far as it can.
    fn work(&mut self) {
        if self.dead {
            return;
        }
        while let Some((index, data, stamp, later)) = self.inner.coded.front().cloned() {
            if later > 0 || self.inner.waits {
                break;
            }
            if let [kind, width, height, ..] = data[..] {
                let size = (u32::from(width) * 16, u32::from(height) * 16);
                if self.inner.size != Some(size) {
                    self.show(usize::MAX);
                    let first = self.inner.size.replace(size).is_none();
                    (self.inner.event, self.inner.waits) = (true, true);
                    if !first && !self.marks_no_last {
                        self.end();
                    }
                    break;
                }
                if kind != SWALLOWED {
                    let order = data.get(3).copied().unwrap_or(0);
                    self.inner.decoded.push((stamp, order, kind == DAMAGED));
                }
            } else {
                self.inner.stopping = true;
            }
            self.inner.coded.pop_front();
            self.inner.returned.push_back(index);
            self.show(self.holds);
        }
        self.show(self.holds);
        if self.inner.stopping && self.inner.coded.is_empty() && !self.inner.waits {
            self.show(usize::MAX);
            if self.inner.decoded.is_empty() {
                self.inner.stopping = false;
                self.end();
            }
        }
    }

    /// Puts pictures into buffers, in display order, until it holds no more than it should (`usize::MAX`: none).
    fn show(&mut self, holds: usize) {
        let holds = if holds == usize::MAX { 0 } else { holds };
        while self.inner.decoded.len() > holds && self.inner.streaming[1] {
            let Some(index) = self.inner.empty.pop_front() else { return };
            let first = if self.reorders {
                let order = |at: &usize| self.inner.decoded[*at].1;
                (0..self.inner.decoded.len()).min_by_key(order).unwrap_or(0)
            } else {
                0
            };
            let (stamp, _, damaged) = self.inner.decoded.remove(first);
            self.inner.full.push_back(Done { index, stamp, filled: true, damaged, last: false });
        }
    }

    fn end(&mut self) {
        match self.inner.empty.pop_front() {
            Some(index) => self.inner.full.push_back(Done {
                index,
                stamp: 0,
                filled: false,
                damaged: false,
                last: !self.no_command,
            }),
            None => self.inner.ended = true,
        }
    }

    fn raw(&self) -> Raw {
        let (width, height) = self.inner.size.unwrap_or((16, 16));
        let fourcc = self.inner.chosen.unwrap_or(self.offers[0]);
        let visible = Rect { left: 0, top: 0, width, height };
        Raw { fourcc, height: height + 16, strides: [width + 32, 0, 0], visible }
    }
}

impl Device for StandIn {
    fn name(&self) -> &str {
        "the stand-in"
    }

    fn codings(&mut self) -> Vec<u32> {
        vec![CODING]
    }

    fn set_coding(&mut self, _coding: u32, _bytes: u32, _one_reference: bool) -> Result<u32, Fault> {
        self.state().called("coding").map(|()| 64)
    }

    fn raw_formats(&mut self) -> Vec<u32> {
        self.state().offers.clone()
    }

    fn raw(&mut self) -> Result<Raw, Fault> {
        Ok(self.state().raw())
    }

    fn set_raw(&mut self, fourcc: u32) -> Result<Raw, Fault> {
        let mut state = self.state();
        assert_eq!(state.inner.buffers[1], 0, "no format can be set while there are buffers of another");
        state.inner.chosen = Some(fourcc);
        Ok(state.raw())
    }

    fn raw_buffers(&mut self) -> Option<u32> {
        Some(2)
    }

    fn request(&mut self, queue: Queue, count: u32) -> Result<u32, Fault> {
        let mut state = self.state();
        state.called("request")?;
        assert!(!state.inner.streaming[queue as usize], "buffers are made while a queue stands");
        state.inner.buffers[queue as usize] = count;
        state.calls.push(format!("request {queue:?} {count}"));
        if queue == Queue::Raw && count > 0 {
            // What waited for its buffers may go on.
            state.inner.waits = false;
            state.inner.made = state.raw();
        }
        Ok(count)
    }

    fn stream(&mut self, queue: Queue, on: bool) -> Result<(), Fault> {
        let mut state = self.state();
        state.called("stream")?;
        state.inner.streaming[queue as usize] = on;
        state.calls.push(format!("{} {queue:?}", if on { "start" } else { "stop" }));
        if !on {
            match queue {
                Queue::Coded => {
                    state.inner.coded.clear();
                    state.inner.returned.clear();
                    state.inner.decoded.clear();
                    state.inner.stopping = false;
                }
                Queue::Raw => {
                    state.inner.empty.clear();
                    state.inner.full.clear();
                    state.inner.ended = false;
                }
            }
        }
        Ok(())
    }

    fn put_coded(&mut self, index: u32, data: &[u8], stamp: u64) -> Result<(), Fault> {
        let mut state = self.state();
        state.called("put")?;
        let lazy = state.lazy;
        state.inner.coded.push_back((index, data.to_vec(), stamp, lazy));
        state.work();
        Ok(())
    }

    fn put_raw(&mut self, index: u32) -> Result<(), Fault> {
        let mut state = self.state();
        state.inner.empty.push_back(index);
        state.work();
        Ok(())
    }

    fn take(&mut self, queue: Queue) -> Result<Taken, Fault> {
        let mut state = self.state();
        state.called("take")?;
        if queue == Queue::Coded {
            let index = state.inner.returned.pop_front();
            let done = |index| Done { index, stamp: 0, filled: true, damaged: false, last: false };
            return Ok(index.map_or(Taken::Nothing, |index| Taken::Buffer(done(index))));
        }
        let none = if state.inner.ended { Taken::Ended } else { Taken::Nothing };
        Ok(state.inner.full.pop_front().map_or(none, Taken::Buffer))
    }

    fn picture(&mut self, _index: u32) -> Result<Pixels<'_>, Fault> {
        const PIXELS: &[u8] = &[128; 1 << 16];
        if let Some(lent) = &self.1 {
            return Ok(Pixels::Lent(lent));
        }
        Ok(Pixels::Read(self.state().inner.made.planes([PIXELS, &[], &[]])))
    }

    fn changed(&mut self) -> Result<bool, Fault> {
        Ok(std::mem::take(&mut self.state().inner.event))
    }

    fn stop(&mut self, free: Option<u32>) -> Result<bool, Fault> {
        let mut state = self.state();
        if state.no_command {
            let Some(index) = free else { return Ok(false) };
            let lazy = state.lazy;
            state.inner.coded.push_back((index, Vec::new(), u64::MAX, lazy));
        } else {
            state.inner.stopping = true;
        }
        state.calls.push("drain".to_owned());
        state.work();
        Ok(true)
    }

    fn wait(&mut self, limit: Duration) -> Result<Duration, Fault> {
        let mut state = self.state();
        state.waited += limit;
        if let Some((.., later)) = state.inner.coded.front_mut() {
            *later = later.saturating_sub(1);
        }
        state.work();
        Ok(limit)
    }
}
