//! Access units in, frames in display order out: picks the decoder, numbers its pictures without gaps and counts what is lost.
//!
//! A decoder says what became of each access unit (`Outcome`); it shows nothing that rests on a lost picture. This file gives the
//! smallest outstanding frame number and the earliest outstanding capture time to the next picture shown, copies its pixels into
//! a pooled buffer where the decoder does not lend its own, and notes every number that never becomes a frame.

mod bits;
mod h264;
mod h265;
mod jpeg;
mod numbers;
mod nvdec;
mod order;
mod png;
mod raw;
mod sps;

use crate::config::{DecodeEngine, Decoding};
use crate::handover::{
    AccessUnit, Codec, Colour, Frame, FramePool, Gap, GapReason, Gaps, Lent, Matrix, PictureSize, PixelFormat,
};
use crate::ledger::Ledger;
use crate::stamp::Clock;
use numbers::Numbers;
use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

/// Why an access unit gives no picture.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Damaged or incomplete: passing, the next key picture recovers at the latest.
    #[error("{codec}: a picture could not be decoded: {what}; it is counted and left out")]
    Corrupt {
        /// Which codec.
        codec: &'static str,
        /// What is wrong with it.
        what: Cow<'static, str>,
    },
    /// A kind of stream that is not decoded: nothing will come until the camera is set otherwise.
    #[error("{codec}: got {got}; {allowed}; {remedy}")]
    Unsupported {
        /// Which codec.
        codec: &'static str,
        /// What the stream is.
        got: Cow<'static, str>,
        /// What it may be.
        allowed: &'static str,
        /// What to set in the camera.
        remedy: &'static str,
    },
    /// The device that decodes is not there or failed; one that failed is opened again at the next key picture.
    #[error("nvdec: {0}")]
    Device(String),
}

impl DecodeError {
    fn corrupt(codec: &'static str, what: impl Into<Cow<'static, str>>) -> Self {
        Self::Corrupt { codec, what: what.into() }
    }

    fn interlaced(codec: &'static str) -> Self {
        Self::Unsupported {
            codec,
            got: "interlaced video".into(),
            allowed: "progressive video is decoded",
            remedy: "set the camera's scan mode to progressive",
        }
    }
}

/// The pixels of a decoded picture, in the decoder's own memory: first byte (or word) and stride of each plane.
#[derive(Clone, Copy, Debug)]
pub enum Planes<'a> {
    /// One byte a sample. Planes that the format does not have are empty.
    Bytes([(&'a [u8], usize); 3]),
    /// Two bytes a sample, of which the lower holds the value.
    Words([(&'a [u16], usize); 3]),
    /// Y, U, Y, V for two pixels of a row, for a picture of format `Nv12`: its rows of colour are the mean of two of these.
    Yuyv(&'a [u8], usize),
    /// They stay where they are, for a picture of format `Nv12`.
    Lent(&'a Arc<Lent>),
}

/// One decoded picture, cropped.
#[derive(Clone, Copy, Debug)]
pub struct Picture<'a> {
    /// Frame number of the access unit that it was coded in.
    pub unit: u64,
    /// How the pixels lie.
    pub format: PixelFormat,
    /// Size in pixels.
    pub size: PictureSize,
    /// Colour description.
    pub colour: Colour,
    /// The pixels.
    pub planes: Planes<'a>,
}

/// What became of an access unit.
#[derive(Clone, Copy, Debug)]
pub enum Outcome<'a> {
    /// The next picture in display order.
    Shown(&'a Picture<'a>),
    /// It gives no picture.
    Lost {
        /// Its frame number.
        unit: u64,
        /// Why.
        reason: GapReason,
    },
}

/// What turns access units of one codec into pictures. Real forms: H.264, H.265, JPEG, PNG and pixels as they are.
///
/// Each access unit handed in has exactly one outcome: an `Err` of its own `decode`, or one call of `out`, by the next `flush` at
/// the latest. Pictures that rest on lost ones are never shown.
pub trait Decoder: Send {
    /// The decoder's name, for logs.
    fn name(&self) -> &'static str;

    /// Decodes one access unit and tells the outcomes that are known now. `lost` packets or access units are missing right before
    /// it (a lower bound).
    ///
    /// # Errors
    /// This access unit gives no picture; those before it are not concerned.
    fn decode(&mut self, unit: &AccessUnit, lost: u32, out: &mut dyn FnMut(Outcome<'_>)) -> Result<(), DecodeError>;

    /// Tells all outcomes that are still open. What follows must begin with a key picture.
    fn flush(&mut self, out: &mut dyn FnMut(Outcome<'_>));
}

/// The room's front: one stream of access units in, numbered frames out.
pub struct Decode {
    decoder: Option<(Codec, Box<dyn Decoder>)>,
    wanted: Decoding,
    /// What is tried instead of H.264: a V4L2 code.
    trial: Option<u32>,
    /// How many pictures everyone downstream may hold at once.
    buffers: usize,
    /// Pictures stay in the decoder's memory where it can lend them.
    in_place: bool,
    book: Book,
}

/// The device that shall decode, where one shall.
///
/// # Errors
/// It is not there or is no decoder.
pub fn device(wanted: &Decoding) -> Result<Option<String>, DecodeError> {
    match wanted.engine {
        DecodeEngine::BuiltIn => Ok(None),
        DecodeEngine::Nvdec => nvdec::probe(wanted.device.as_deref()).map(Some),
    }
}

/// What is kept of the access units in flight and of the frames given out.
struct Book {
    numbers: Numbers,
    gaps: Gaps,
    pool: FramePool,
    ledger: Arc<Ledger>,
    clock: Clock,
}

impl Decode {
    /// A front whose frames live in `buffers` buffers: as many as everyone downstream may hold at once.
    pub fn new(buffers: usize, ledger: Arc<Ledger>, clock: Clock) -> Self {
        let book =
            Book { numbers: Numbers::new(), gaps: Gaps::default(), pool: FramePool::new(buffers), ledger, clock };
        Self { decoder: None, wanted: Decoding::default(), trial: None, buffers, in_place: false, book }
    }

    /// The same, whose pictures stay in the decoder's memory where it can lend them: for an engine that reads them there.
    pub fn in_place(self, in_place: bool) -> Self {
        Self { in_place, ..self }
    }

    /// The same with the engine that the configuration names.
    ///
    /// # Errors
    /// It asks for a device that is not there.
    pub fn by(self, wanted: &Decoding) -> Result<Self, DecodeError> {
        if let Some(device) = device(wanted)? {
            tracing::info!("decode: {device} is there");
        }
        Ok(Self { wanted: wanted.clone(), ..self })
    }

    /// Has a V4L2 decoder decode access units of a `coding` of V4L2 (`FWHT`), of which nothing is read but whether they are key
    /// pictures: by this a decoder is tried that knows neither H.264 nor H.265, as the kernel's test decoder.
    pub fn try_coding(mut self, device: &Path, coding: &[u8; 4]) -> Self {
        self.wanted = Decoding { engine: DecodeEngine::Nvdec, device: Some(device.to_owned()) };
        self.trial = Some(u32::from_le_bytes(*coding));
        self
    }

    /// Decodes one access unit; frames that are due are given to `out`, numbers rising. A frame's `gaps` hold every number
    /// between it and the frame before.
    ///
    /// # Errors
    /// This access unit gives no frame. It is already counted and noted; the caller only has to say so. After `Unsupported` each
    /// further access unit says the same until the stream changes.
    pub fn decode(&mut self, unit: &AccessUnit, out: &mut dyn FnMut(Frame)) -> Result<(), DecodeError> {
        if unit.restart || self.decoder.as_ref().is_some_and(|(codec, _)| *codec != unit.codec) {
            self.flush(out);
            self.decoder = None;
        }
        let book = &mut self.book;
        let skipped = book.arrive(unit);
        let lost = unit.packets_lost.saturating_add(u32::try_from(skipped).unwrap_or(u32::MAX));
        // The engine holds one until its GPU is done, whatever became of the frame.
        let lend = if self.in_place { self.buffers + 1 } else { 0 };
        let result = match &mut self.decoder {
            Some((_, decoder)) => Ok(decoder),
            none => open(unit.codec, &self.wanted, self.trial, lend)
                .map(|decoder| &mut none.insert((unit.codec, decoder)).1),
        };
        let result = result.and_then(|decoder| decoder.decode(unit, lost, &mut |outcome| book.settle(outcome, out)));
        if result.is_err() {
            book.settle(Outcome::Lost { unit: unit.stamp.frame, reason: GapReason::Corrupt }, out);
        }
        result
    }

    /// The stream ends here: gives out the pictures that still waited for their turn. Numbers that follow the last frame stay in
    /// `take_gaps`.
    pub fn flush(&mut self, out: &mut dyn FnMut(Frame)) {
        let book = &mut self.book;
        if let Some((_, decoder)) = &mut self.decoder {
            decoder.flush(&mut |outcome| book.settle(outcome, out));
        }
        while let Some(unit) = book.numbers.oldest() {
            book.settle(Outcome::Lost { unit, reason: GapReason::Corrupt }, out);
        }
    }

    /// The numbers that are known to be missing since the last frame.
    pub fn take_gaps(&mut self) -> Gaps {
        std::mem::take(&mut self.book.gaps)
    }

    /// The decoder in use, once an access unit has come.
    pub fn decoder_name(&self) -> Option<&'static str> {
        self.decoder.as_ref().map(|(_, decoder)| decoder.name())
    }
}

impl Book {
    /// Takes the number of an access unit; how many numbers before it never came.
    fn arrive(&mut self, unit: &AccessUnit) -> u64 {
        if self.numbers.is_full()
            && let Some(oldest) = self.numbers.oldest()
        {
            self.lose(oldest, GapReason::Corrupt);
        }
        let gaps = &mut self.gaps;
        self.numbers.arrive(unit.stamp, unit.presentation, &mut |gap| gaps.note(gap))
    }

    fn settle(&mut self, outcome: Outcome<'_>, out: &mut dyn FnMut(Frame)) {
        match outcome {
            Outcome::Lost { unit, reason } => self.lose(unit, reason),
            Outcome::Shown(picture) => self.show(picture, out),
        }
    }

    fn lose(&mut self, unit: u64, reason: GapReason) {
        let gaps = &mut self.gaps;
        if self.numbers.lose(unit, reason, &mut |gap| gaps.note(gap)) {
            self.count(reason);
        }
    }

    fn show(&mut self, picture: &Picture<'_>, out: &mut dyn FnMut(Frame)) {
        let gaps = &mut self.gaps;
        let Some(stamp) = self.numbers.show(picture.unit, &mut |gap| gaps.note(gap)) else { return };
        let mut before = std::mem::take(&mut self.gaps);
        // Lost pictures right after this one may be known already.
        self.numbers.settle(&mut |gap: Gap| self.gaps.note(gap));
        let Picture { format, size, colour, planes, .. } = *picture;
        let write = |plane: usize, to: &mut [u8], stride: usize| planes.copy(plane, to, stride);
        let frame = match planes {
            Planes::Lent(lent) => Some(Frame::of_lent(Arc::clone(lent), size, colour, stamp)),
            _ => self.pool.fill(format, size, colour, stamp, write),
        };
        let Some(mut frame) = frame else {
            before.note_one(stamp.frame, GapReason::NoBuffer);
            before.extend(&self.gaps);
            self.gaps = before;
            return self.count(GapReason::NoBuffer);
        };
        frame.gaps = before;
        frame.decoded = self.clock.monotonic();
        self.ledger.latencies.decode.record(frame.decoded.nanos_since(stamp.arrived));
        self.ledger.counters.frames_decoded.one();
        out(frame);
    }

    fn count(&self, reason: GapReason) {
        let counters = &self.ledger.counters;
        match reason {
            GapReason::Corrupt => counters.frames_corrupt.one(),
            GapReason::NoReference => counters.frames_without_reference.one(),
            GapReason::NoBuffer => counters.frames_without_buffer.one(),
            GapReason::Late => counters.frames_late.one(),
            GapReason::Inference => counters.inference_errors.one(),
            GapReason::Disk => counters.rows_dropped.one(),
        }
    }
}

impl Planes<'_> {
    /// Copies the rows of one plane to `to`, whose rows are `stride` bytes and tight.
    fn copy(&self, plane: usize, to: &mut [u8], stride: usize) {
        if stride == 0 {
            return;
        }
        match self {
            Self::Bytes(planes) => {
                let (from, from_stride) = planes[plane];
                if from_stride == stride && from.len() >= to.len() {
                    return to.copy_from_slice(&from[..to.len()]);
                }
                for (to, from) in to.chunks_exact_mut(stride).zip(from.chunks(from_stride.max(1))) {
                    let row = stride.min(from.len());
                    to[..row].copy_from_slice(&from[..row]);
                }
            }
            Self::Words(planes) => {
                let (from, from_stride) = planes[plane];
                for (to, from) in to.chunks_exact_mut(stride).zip(from.chunks(from_stride.max(1))) {
                    to.iter_mut().zip(from).for_each(|(to, from)| *to = *from as u8);
                }
            }
            Self::Yuyv(from, from_stride) => raw::nv12_from_yuyv(from, *from_stride, plane, to, stride),
            Self::Lent(_) => {}
        }
    }
}

/// The decoder of a codec; with `lend`, one that has memory of its own lends so many pictures at once.
fn open(codec: Codec, wanted: &Decoding, trial: Option<u32>, lend: usize) -> Result<Box<dyn Decoder>, DecodeError> {
    if let (Some(coding), Some(device)) = (trial, &wanted.device) {
        return Ok(Box::new(nvdec::Nvdec::unread(coding, device.clone(), lend)));
    }
    if wanted.engine == DecodeEngine::Nvdec && !matches!(codec, Codec::Raw(_)) {
        return match nvdec::Nvdec::new(codec, wanted.device.clone(), lend) {
            Some(decoder) => Ok(Box::new(decoder)),
            None => Err(DecodeError::Unsupported {
                codec: "nvdec",
                got: format!("{codec} pictures").into(),
                allowed: "h264 and h265 are decoded by the device",
                remedy: "set H.264 or H.265 in the camera, or [decode] engine = \"built-in\"",
            }),
        };
    }
    Ok(match codec {
        Codec::H264 => Box::new(h264::H264::new()),
        Codec::H265 => Box::new(h265::H265::new()),
        Codec::Jpeg => Box::new(jpeg::Jpeg::new()),
        Codec::Png => Box::new(png::Png::new()),
        Codec::Raw(picture) => Box::new(raw::Raw::new(picture)),
    })
}

/// Runs a decoder library on bytes from outside. None of them is known to panic, but a daemon that runs for weeks must not end with
/// one bad picture: a panic becomes `None`, and the caller throws the library's state away.
fn guarded<T>(run: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(run)).ok()
}

/// Shortest and longest side, pixels.
const SIDES: std::ops::RangeInclusive<u64> = 16..=4096;
/// Most pixels of a picture: what a decoder may be made to allocate by a stream's header.
const MOST_PIXELS: u64 = 4096 * 2304;

/// The size as it is allowed, or what to set in the camera.
fn check_size(codec: &'static str, width: u64, height: u64) -> Result<PictureSize, DecodeError> {
    if SIDES.contains(&width) && SIDES.contains(&height) && width * height <= MOST_PIXELS {
        return Ok(PictureSize { width: width as u32, height: height as u32 });
    }
    Err(DecodeError::Unsupported {
        codec,
        got: format!("{width}x{height} pixels").into(),
        allowed: "sides of 16 to 4096 and at most 4096x2304 pixels in all are decoded",
        remedy: "set a resolution in that range in the camera",
    })
}

/// Chroma sampling (`chroma_format_idc`) and bits a sample as they are allowed, or what to set in the camera.
fn check_sampling(codec: &'static str, chroma: u32, depth: u32) -> Result<(), DecodeError> {
    if depth != 8 {
        return Err(DecodeError::Unsupported {
            codec,
            got: format!("{depth}-bit video").into(),
            allowed: "8-bit video is decoded",
            remedy: "set the camera's profile to main (8 bits)",
        });
    }
    if chroma != 1 {
        let name = ["4:0:0 (grey)", "4:2:0", "4:2:2", "4:4:4"].get(chroma as usize).copied().unwrap_or("unknown");
        return Err(DecodeError::Unsupported {
            codec,
            got: format!("{name} chroma sampling").into(),
            allowed: "4:2:0 is decoded",
            remedy: "set the camera's profile to main (4:2:0)",
        });
    }
    Ok(())
}

/// What a stream says of its colours (ITU-T H.273 codes).
struct Stream {
    matrix: Option<u8>,
    full_range: bool,
}

impl Stream {
    /// The matrix that the stream names, or the usual one for the size.
    fn colour(&self, size: PictureSize) -> Colour {
        let matrix = match self.matrix {
            Some(1) => Matrix::Bt709,
            Some(4..=6) => Matrix::Bt601,
            Some(9 | 10) => Matrix::Bt2020,
            _ if size.height <= 576 => Matrix::Bt601,
            _ => Matrix::Bt709,
        };
        Colour { matrix, full_range: self.full_range }
    }
}
