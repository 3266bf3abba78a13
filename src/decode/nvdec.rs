//! H.264 and H.265 by a V4L2 memory-to-memory decoder: the one of a Jetson, or of another kernel.
//!
//! What a device makes of a picture whose references are missing is not known, so it never gets one: after any loss, what it holds is
//! given out, it forgets everything, and the next key picture is waited for. Each access unit's number travels through the
//! device as its time stamp, so that each picture is known by its own access unit.

mod device;
#[cfg(feature = "nvdec")]
mod find;
mod head;
#[cfg(feature = "nvdec")]
mod nvbuf;
mod patience;
mod session;
#[cfg(test)]
mod stand_in;
#[cfg(feature = "nvdec")]
mod surfaces;
#[cfg(feature = "nvdec")]
mod system;
#[cfg(test)]
mod tests;
#[cfg(feature = "nvdec")]
mod uapi;
#[cfg(feature = "nvdec")]
mod v4l2;

use super::{DecodeError, Decoder, Outcome, Picture, Planes};
use crate::handover::{AccessUnit, Codec, Colour, GapReason, PictureSize};
use device::{Device, Fault, Pixels};
use head::{Begins, Head, Reader};
use patience::Patience;
use session::{Got, Session};
use std::path::{Path, PathBuf};
use std::time::Duration;

const NAME: &str = "nvdec";
/// Pictures shown since an access unit whose own is still missing: no decoder holds one back for longer.
const MOST_HELD: u32 = 16;
/// How many access units told lost are remembered, in case their pictures come after all.
const REMEMBERED: usize = 16;

/// How a device is opened; anew after each failure.
type Open = Box<dyn FnMut() -> Result<Box<dyn Device>, Fault> + Send>;

/// An access unit whose picture is still to come.
struct InFlight {
    unit: u64,
    presentation: i64,
    colour: Colour,
    /// Others may refer to it.
    referred: bool,
    /// Pictures shown since it was handed over.
    passed: u32,
}

/// The hardware decoder of one stream.
pub(super) struct Nvdec {
    codec: &'static str,
    open: Open,
    codings: Vec<u32>,
    reader: Box<dyn Reader>,
    session: Option<Session>,
    /// What the session was told of the stream.
    one_reference: bool,
    book: Book,
    /// Everything that the next picture refers to is with the device.
    ready: bool,
    /// Decoding began at an open beginning: its presentation time, until a picture after it comes.
    began: Option<i64>,
    patience: Patience,
    /// Slices of every picture so far, where all have the same number.
    slices: Option<u32>,
    slices_vary: bool,
}

/// What is with the device and what became of it.
#[derive(Default)]
struct Book {
    in_flight: Vec<InFlight>,
    told: Vec<u64>,
    /// Presentation times are not in display order.
    misled: bool,
    /// A picture to which others refer is damaged or missing.
    damaged: bool,
}

/// Looks whether the device is there and decodes anything at all; its name.
pub(super) fn probe(path: Option<&Path>) -> Result<String, DecodeError> {
    let mut device = opened(path, 0).map_err(|fault| failed(&fault))?;
    let codings = device.codings();
    let known = [Codec::H264, Codec::H265].iter().filter_map(|codec| head::coding(*codec));
    let any = known.flat_map(|(known, _)| known).any(|known| codings.contains(known));
    if any || codings.is_empty() {
        Ok(device.name().to_owned())
    } else {
        Err(failed(&unfit(device.name(), &codings, "H264, HEVC, H265")))
    }
}

fn unfit(device: &str, codings: &[u32], allowed: &str) -> Fault {
    let offered: Vec<_> = codings.iter().map(|code| device::characters(*code)).collect();
    let offered = if offered.is_empty() { "nothing".to_owned() } else { offered.join(", ") };
    Fault::Unfit { got: format!("{device}, which decodes {offered}"), allowed: format!("one that decodes {allowed}") }
}

fn failed(fault: &Fault) -> DecodeError {
    DecodeError::Device(fault.to_string())
}

#[cfg(feature = "nvdec")]
fn opened(path: Option<&Path>, lend: usize) -> Result<Box<dyn Device>, Fault> {
    find::open(path, lend)
}

#[cfg(not(feature = "nvdec"))]
fn opened(_: Option<&Path>, _: usize) -> Result<Box<dyn Device>, Fault> {
    Err(Fault::Missing {
        what: "this program was built without it".to_owned(),
        remedy: "build it with --features nvdec, or set [decode] engine = \"built-in\"",
    })
}

impl Nvdec {
    /// A decoder for this codec; the device is opened with the first key picture. It lends at most `lend` pictures at once, where its
    /// memory can be lent at all. `None` where no device decodes the codec.
    pub(super) fn new(codec: Codec, path: Option<PathBuf>, lend: usize) -> Option<Self> {
        let (codings, reader) = head::coding(codec)?;
        let name = if codec == Codec::H264 { "h264" } else { "h265" };
        Some(Self::on(name, codings.to_vec(), reader, Box::new(move || opened(path.as_deref(), lend))))
    }

    /// The same for access units of another coding, of which nothing is read.
    pub(super) fn unread(coding: u32, path: PathBuf, lend: usize) -> Self {
        Self::on("trial", vec![coding], Box::new(head::Unread), Box::new(move || opened(Some(&path), lend)))
    }

    fn on(codec: &'static str, codings: Vec<u32>, reader: Box<dyn Reader>, open: Open) -> Self {
        Self {
            codec,
            open,
            codings,
            reader,
            session: None,
            one_reference: false,
            book: Book::default(),
            ready: false,
            began: None,
            patience: Patience::default(),
            slices: None,
            slices_vary: false,
        }
    }

    /// Whether every slice is there, as far as can be told after a loss.
    fn is_whole(&self, head: &Head, lost: u32) -> bool {
        let usual = !self.slices_vary && self.slices == Some(head.slices);
        head.first && (lost == 0 || head.slices == 1 || usual)
    }

    /// Whether the device may have this access unit, beginning anew where that is possible.
    fn admit(&mut self, head: &Head, presentation: i64) -> bool {
        if !self.ready && head.begins == Begins::No {
            return false;
        }
        if !self.ready {
            if self.one_reference != head.one_reference {
                // The device is told when it is opened.
                self.session = None;
            }
            self.one_reference = head.one_reference;
            self.ready = true;
            self.began = (head.begins == Begins::Open).then_some(presentation);
            return true;
        }
        match self.began {
            Some(began) if head.leading || presentation < began => false,
            Some(began) if presentation > began => {
                self.began = None;
                true
            }
            _ => true,
        }
    }

    /// Hands it to the device and takes what is due.
    fn run(&mut self, data: &[u8], entry: InFlight, out: &mut dyn FnMut(Outcome<'_>)) -> Result<(), Fault> {
        let unit = entry.unit;
        let book = &mut self.book;
        book.in_flight.push(entry);
        let session = match &mut self.session {
            Some(session) => session,
            none => none.insert(begin((self.open)()?, &self.codings, self.one_reference)?),
        };
        session.feed(data, unit, &mut |got| book.take(got, out))?;
        let (allowed, limit) = self.patience.next();
        let mut waited = Duration::ZERO;
        session.pump(&mut |got| book.take(got, out))?;
        while book.in_flight.len() > allowed && waited < limit && !book.damaged {
            waited += session.wait(limit - waited, &mut |got| book.take(got, out))?;
        }
        self.patience.learn(allowed, book.in_flight.len(), session.is_settled());
        Ok(())
    }

    /// Ends the run of pictures that refer to each other: the device gives out what it holds and forgets everything. What it gives
    /// out is shown unless it may refer to a damaged picture.
    fn close(&mut self, out: &mut dyn FnMut(Outcome<'_>)) {
        if !std::mem::take(&mut self.ready) && self.book.in_flight.is_empty() {
            return;
        }
        self.began = None;
        let book = &mut self.book;
        if let Some(session) = &mut self.session {
            let drained = if book.in_flight.is_empty() && !book.damaged {
                Ok(())
            } else {
                session.drain(&mut |got| book.take(got, out))
            };
            if let Err(fault) = drained.and_then(|()| session.reset()) {
                tracing::warn!("{}: {fault}; it is opened again at the next key picture", session.name());
                self.session = None;
            }
        }
        for entry in book.in_flight.drain(..) {
            let reason = if book.damaged { GapReason::NoReference } else { GapReason::Corrupt };
            out(Outcome::Lost { unit: entry.unit, reason });
        }
        book.damaged = false;
    }
}

/// A session of a device for the first coding that it knows.
fn begin(mut device: Box<dyn Device>, known: &[u32], one_reference: bool) -> Result<Session, Fault> {
    let codings = device.codings();
    // A device that lists nothing says at the next call whether it takes the coding.
    let Some(coding) = known.iter().copied().rfind(|coding| codings.is_empty() || codings.contains(coding)) else {
        let wanted: Vec<_> = known.iter().map(|code| device::characters(*code)).collect();
        return Err(unfit(device.name(), &codings, &wanted.join(" or ")));
    };
    tracing::info!("decode: {}", device.name());
    Session::open(device, coding, one_reference)
}

impl Book {
    fn take(&mut self, got: Got<'_>, out: &mut dyn FnMut(Outcome<'_>)) {
        let (Got::Picture { stamp, .. } | Got::Damaged { stamp }) = got;
        let Some(at) = self.in_flight.iter().position(|other| other.unit == stamp) else {
            self.misled |= self.told.contains(&stamp);
            return;
        };
        let entry = self.in_flight.remove(at);
        let Got::Picture { raw, format, pixels, .. } = got else {
            self.damaged |= entry.referred;
            return out(Outcome::Lost { unit: stamp, reason: GapReason::Corrupt });
        };
        self.pass(&entry, out);
        if self.damaged {
            // It may rest on the damaged one.
            return out(Outcome::Lost { unit: stamp, reason: GapReason::NoReference });
        }
        let size = PictureSize { width: raw.visible.width, height: raw.visible.height };
        let planes = match pixels {
            Pixels::Read(planes) => Planes::Bytes(planes),
            Pixels::Lent(lent) => Planes::Lent(lent),
        };
        out(Outcome::Shown(&Picture { unit: stamp, format, size, colour: entry.colour, planes }));
    }

    /// A picture is shown: those that should have come before it will not come.
    fn pass(&mut self, shown: &InFlight, out: &mut dyn FnMut(Outcome<'_>)) {
        let (misled, told, damaged) = (self.misled, &mut self.told, &mut self.damaged);
        self.in_flight.retain_mut(|other| {
            other.passed += 1;
            let overdue = !misled && other.unit < shown.unit && other.presentation < shown.presentation;
            let swallowed = overdue || other.passed > MOST_HELD;
            if swallowed {
                if told.len() >= REMEMBERED {
                    told.remove(0);
                }
                told.push(other.unit);
                *damaged |= other.referred;
                out(Outcome::Lost { unit: other.unit, reason: GapReason::Corrupt });
            }
            !swallowed
        });
    }
}

impl Decoder for Nvdec {
    fn name(&self) -> &'static str {
        NAME
    }

    fn decode(&mut self, unit: &AccessUnit, lost: u32, out: &mut dyn FnMut(Outcome<'_>)) -> Result<(), DecodeError> {
        let number = unit.stamp.frame;
        let head = match self.reader.read(&unit.data, unit.key) {
            Ok(head) => head,
            Err(error) => {
                self.close(out);
                return Err(error);
            }
        };
        let Some(head) = head else {
            self.close(out);
            out(Outcome::Lost { unit: number, reason: GapReason::NoReference });
            return Ok(());
        };
        if lost > 0 || head.begins == Begins::Clean && head.one_reference != self.one_reference {
            self.close(out);
        }
        let room = self.session.as_ref().map_or(usize::MAX, Session::coded_bytes);
        let whole = self.is_whole(&head, lost);
        if !whole || unit.data.len() > room {
            self.close(out);
            let what = if whole { "it is larger than the device's buffers" } else { "packets of it were lost" };
            return Err(DecodeError::corrupt(self.codec, what));
        }
        if lost == 0 {
            self.slices_vary |= self.slices.is_some_and(|known| known != head.slices);
            self.slices = Some(head.slices);
        }
        if !self.admit(&head, unit.presentation) {
            out(Outcome::Lost { unit: number, reason: GapReason::NoReference });
            return Ok(());
        }
        let Head { colour, referred, .. } = head;
        let entry = InFlight { unit: number, presentation: unit.presentation, colour, referred, passed: 0 };
        let result = self.run(&unit.data, entry, out);
        if let Err(fault) = result {
            let open = self.book.in_flight.iter().position(|other| other.unit == number);
            if let Some(at) = open {
                // Its own outcome is this error.
                self.book.in_flight.remove(at);
            }
            self.session = None;
            self.close(out);
            if open.is_some() {
                return Err(failed(&fault));
            }
            tracing::warn!("{}", failed(&fault));
            return Ok(());
        }
        if self.book.damaged {
            self.close(out);
        }
        Ok(())
    }

    fn flush(&mut self, out: &mut dyn FnMut(Outcome<'_>)) {
        self.close(out);
    }
}
