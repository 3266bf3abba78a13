//! The state machine of a stateful V4L2 decoder: its two queues from opening to drain, change of format and reset.
//!
//! After the kernel's "Memory-to-Memory Stateful Video Decoder Interface". A change of format: the device says so, gives out what
//! it decoded before (the last such picture is marked), and waits until the picture buffers were made anew. NVIDIA's marks nothing,
//! so the mark is waited for only briefly. Nothing here waits without a bound.

use super::device::{Device, Done, Fault, Pixels, Queue, READABLE, Raw, Taken, readable};
use crate::handover::PixelFormat;
use std::time::Duration;

/// Access units that may be with the device.
const CODED_BUFFERS: u32 = 6;
/// The largest access unit: what a buffer is asked to hold.
const CODED_BYTES: u32 = 4 << 20;
/// Picture buffers beyond those that the device needs.
const SPARE: u32 = 4;
/// What a device needs that does not say so: the largest decoded picture buffer.
const NEEDED: u32 = 16;
const RAW_BUFFERS_MAX: u32 = 32;
/// A device that keeps all access units for so long hangs.
const SILENCE: Duration = Duration::from_secs(2);
/// How long a drain may take.
const DRAIN: Duration = Duration::from_secs(1);
/// How long the last picture before a change of format is waited for.
const CHANGE: Duration = Duration::from_millis(200);
/// The longest single wait.
const SLICE: Duration = Duration::from_millis(10);
/// What a wait counts at least, so that a device that is always "ready" runs out of time, too.
const LEAST: Duration = Duration::from_micros(50);

/// What comes out of a device.
pub(super) enum Got<'a> {
    /// The next picture in display order, cropped.
    Picture { stamp: u64, raw: &'a Raw, format: PixelFormat, pixels: Pixels<'a> },
    /// A picture that the device calls damaged, or that is not whole.
    Damaged { stamp: u64 },
}

/// A device with its buffers.
pub(super) struct Session {
    device: Box<dyn Device>,
    /// Coded buffers that are here.
    free: Vec<u32>,
    coded: u32,
    coded_bytes: usize,
    /// The format of pictures and how many buffers there are, once the device knows the stream.
    raw: Option<(Raw, u32)>,
    /// The format changed and picture buffers must be made anew; how long that was put off.
    changed: Option<Duration>,
    /// The last picture before a change or a drain was taken.
    ended: bool,
    draining: bool,
}

impl Session {
    /// Makes the device ready for access units of this coding.
    pub(super) fn open(mut device: Box<dyn Device>, coding: u32, one_reference: bool) -> Result<Self, Fault> {
        let bytes = device.set_coding(coding, CODED_BYTES, one_reference)?;
        let coded = device.request(Queue::Coded, CODED_BUFFERS)?;
        if coded == 0 {
            let got = "no buffers for access units".to_owned();
            return Err(Fault::Unfit { got, allowed: "at least one".to_owned() });
        }
        device.stream(Queue::Coded, true)?;
        let free = (0..coded).collect();
        let coded_bytes = bytes as usize;
        Ok(Self { device, free, coded, coded_bytes, raw: None, changed: None, ended: false, draining: false })
    }

    /// The device's name.
    pub(super) fn name(&self) -> &str {
        self.device.name()
    }

    /// The largest access unit that fits, bytes.
    pub(super) fn coded_bytes(&self) -> usize {
        self.coded_bytes
    }

    /// The device has taken up every access unit and knows its format, so that what is missing now waits for its turn.
    pub(super) fn is_settled(&self) -> bool {
        self.free.len() == self.coded as usize && self.raw.is_some() && self.changed.is_none()
    }

    /// Hands over one access unit, which `fits`; what comes out meanwhile goes to `out`.
    pub(super) fn feed(&mut self, data: &[u8], stamp: u64, out: &mut dyn FnMut(Got<'_>)) -> Result<(), Fault> {
        let mut waited = Duration::ZERO;
        loop {
            self.pump(out)?;
            if let Some(index) = self.free.pop() {
                return self.device.put_coded(index, data, stamp);
            }
            if waited >= SILENCE {
                return Err(Fault::Silent(waited));
            }
            waited += self.pause()?;
        }
    }

    /// Waits for at most `limit`, then takes what there is; how long it took.
    pub(super) fn wait(&mut self, limit: Duration, out: &mut dyn FnMut(Got<'_>)) -> Result<Duration, Fault> {
        let waited = self.device.wait(limit.min(SLICE))?.max(LEAST);
        self.count(waited);
        self.pump(out)?;
        Ok(waited)
    }

    fn pause(&mut self) -> Result<Duration, Fault> {
        let waited = self.device.wait(SLICE)?.max(LEAST);
        self.count(waited);
        Ok(waited)
    }

    fn count(&mut self, waited: Duration) {
        if let Some(since) = &mut self.changed {
            *since += waited;
        }
    }

    /// Takes everything that the device is done with.
    pub(super) fn pump(&mut self, out: &mut dyn FnMut(Got<'_>)) -> Result<(), Fault> {
        if self.device.changed()? {
            // A device that begins anew tells a format that it has already.
            let known = self.raw.map(|(raw, _)| raw);
            if known.is_none() || known != Some(self.device.raw()?) {
                self.changed.get_or_insert(Duration::ZERO);
            }
        }
        for _ in 0..self.coded {
            let Taken::Buffer(done) = self.device.take(Queue::Coded)? else { break };
            if done.index < self.coded && !self.free.contains(&done.index) {
                self.free.push(done.index);
            }
        }
        self.take_pictures(out)?;
        // An end that nobody asked for is a change whose announcement is still to come.
        if self.ended && !self.draining {
            self.changed.get_or_insert(Duration::ZERO);
        }
        match self.changed {
            Some(since) if self.raw.is_none() || self.ended || since >= CHANGE => self.make_pictures(),
            _ => Ok(()),
        }
    }

    fn take_pictures(&mut self, out: &mut dyn FnMut(Got<'_>)) -> Result<(), Fault> {
        let Some((raw, count)) = self.raw else { return Ok(()) };
        // A device that is faster than this gives the rest at the next call.
        for _ in 0..count {
            if self.ended {
                break;
            }
            let done = match self.device.take(Queue::Raw)? {
                Taken::Buffer(done) => done,
                Taken::Nothing => break,
                Taken::Ended => {
                    self.ended = true;
                    break;
                }
            };
            if done.index >= count {
                let got = format!("picture buffer {}", done.index);
                return Err(Fault::Unfit { got, allowed: format!("those that there are: {count}") });
            }
            self.tell(&raw, done, out)?;
            self.ended = done.last || self.draining && !done.filled;
            if !self.ended {
                self.device.put_raw(done.index)?;
            }
        }
        Ok(())
    }

    fn tell(&mut self, raw: &Raw, done: Done, out: &mut dyn FnMut(Got<'_>)) -> Result<(), Fault> {
        let stamp = done.stamp;
        if done.damaged {
            out(Got::Damaged { stamp });
        } else if done.filled {
            let shown = match self.device.picture(done.index)? {
                Pixels::Read(planes) => raw.cropped(planes).map(|(format, planes)| (format, Pixels::Read(planes))),
                lent @ Pixels::Lent(_) => Some((PixelFormat::Nv12, lent)),
            };
            out(match shown {
                Some((format, pixels)) => Got::Picture { stamp, raw, format, pixels },
                None => Got::Damaged { stamp },
            });
        }
        Ok(())
    }

    /// Makes picture buffers for the format that the device has now.
    fn make_pictures(&mut self) -> Result<(), Fault> {
        if self.raw.take().is_some() {
            self.device.stream(Queue::Raw, false)?;
            self.device.request(Queue::Raw, 0)?;
        }
        let raw = self.usable_raw()?;
        let needed = self.device.raw_buffers().unwrap_or(NEEDED);
        let count = self.device.request(Queue::Raw, needed.saturating_add(SPARE).min(RAW_BUFFERS_MAX))?;
        if count == 0 {
            let got = "no buffers for pictures".to_owned();
            return Err(Fault::Unfit { got, allowed: "at least one".to_owned() });
        }
        (self.raw, self.changed, self.ended) = (Some((raw, count)), None, false);
        self.start_pictures()
    }

    fn start_pictures(&mut self) -> Result<(), Fault> {
        let Some((_, count)) = self.raw else { return Ok(()) };
        self.device.stream(Queue::Raw, true)?;
        (0..count).try_for_each(|index| self.device.put_raw(index))
    }

    /// Sets the device's format, or the best of those that it offers where that is better.
    fn usable_raw(&mut self) -> Result<Raw, Fault> {
        let raw = self.device.raw()?;
        let nv12 = readable(raw.fourcc).is_some_and(|(format, _)| format == PixelFormat::Nv12);
        let offered = self.device.raw_formats();
        let best = READABLE.iter().map(|(code, ..)| *code).find(|code| offered.contains(code));
        let wanted = best.filter(|_| !nv12).unwrap_or(raw.fourcc);
        let raw = if readable(wanted).is_some() { self.device.set_raw(wanted)? } else { raw };
        raw.check().map(|()| raw)
    }

    /// Gives out what the device still holds. Then it must be `reset`.
    pub(super) fn drain(&mut self, out: &mut dyn FnMut(Got<'_>)) -> Result<(), Fault> {
        self.draining = true;
        let result = self.drain_within(out);
        self.draining = false;
        result
    }

    fn drain_within(&mut self, out: &mut dyn FnMut(Got<'_>)) -> Result<(), Fault> {
        let (mut waited, mut told) = (Duration::ZERO, false);
        while waited < DRAIN {
            self.pump(out)?;
            if !told {
                let free = self.free.last().copied();
                told = self.device.stop(free)?;
                continue;
            }
            if self.ended && self.changed.is_none() {
                return Ok(());
            }
            waited += self.pause()?;
        }
        Err(Fault::Silent(waited))
    }

    /// Forgets everything that was handed over: what comes next begins with a key picture.
    pub(super) fn reset(&mut self) -> Result<(), Fault> {
        self.device.stream(Queue::Coded, false)?;
        self.free = (0..self.coded).collect();
        if self.raw.is_some() {
            self.device.stream(Queue::Raw, false)?;
        }
        self.ended = false;
        if self.changed.is_some() && self.raw.take().is_some() {
            self.device.request(Queue::Raw, 0)?;
        }
        self.device.stream(Queue::Coded, true)?;
        self.start_pictures()
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // What fails here is told by nobody: the device is closed next, which frees everything.
        for queue in [Queue::Coded, Queue::Raw] {
            let _ = self.device.stream(queue, false).and_then(|()| self.device.request(queue, 0).map(drop));
        }
    }
}
