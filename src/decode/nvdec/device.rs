//! The seam to a V4L2 memory-to-memory decoder: what the state machine asks of a device, and the formats of its pictures.
#![cfg_attr(not(feature = "nvdec"), allow(dead_code, reason = "only a device makes some of these"))]

use super::super::{MOST_PIXELS, SIDES};
use crate::handover::{Lent, PixelFormat};
use std::sync::Arc;
use std::time::Duration;

/// What went wrong at the device.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Fault {
    /// There is no such device, library or driver.
    #[error("{what}; {remedy}")]
    Missing {
        /// What is not there.
        what: String,
        /// What to install or to set.
        remedy: &'static str,
    },
    /// It does not do what the stream needs.
    #[error("got {got}; allowed: {allowed}")]
    Unfit {
        /// What it offers.
        got: String,
        /// What is needed.
        allowed: String,
    },
    /// A call failed.
    #[error("{call} failed: {what}")]
    Call {
        /// The call's name.
        call: &'static str,
        /// The system's words.
        what: String,
    },
    /// Nothing came back.
    #[error("it gave back none of its buffers for {} ms", .0.as_millis())]
    Silent(Duration),
}

/// The two queues of a decoder, named by what goes through them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Queue {
    /// Access units in (V4L2's OUTPUT).
    Coded,
    /// Pictures out (V4L2's CAPTURE).
    Raw,
}

/// The answer to "is a buffer done?".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// One is.
    Buffer(Done),
    /// Not now.
    Nothing,
    /// None will be until the queue is started anew: the last one before a drain or a change was taken.
    Ended,
}

/// A buffer that the device is done with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Done {
    pub(super) index: u32,
    /// What the access unit was queued with; of a picture, that of the access unit that it was coded in.
    pub(super) stamp: u64,
    /// There is something in it.
    pub(super) filled: bool,
    /// The device says that its content is damaged.
    pub(super) damaged: bool,
    /// The last one before a drain or a change of format.
    pub(super) last: bool,
}

/// A part of a picture, pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(super) struct Rect {
    pub(super) left: u32,
    pub(super) top: u32,
    pub(super) width: u32,
    pub(super) height: u32,
}

/// The format of pictures that a device gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(super) struct Raw {
    pub(super) fourcc: u32,
    /// Rows in memory, and bytes of a row: more than are shown.
    pub(super) height: u32,
    pub(super) strides: [u32; 3],
    /// What is to be shown.
    pub(super) visible: Rect,
}

/// A whole picture in a device's memory: first byte and bytes a row of each plane.
pub(super) type RawPlanes<'a> = [(&'a [u8], usize); 3];

/// A picture that was taken.
pub(super) enum Pixels<'a> {
    /// To be read until the next call.
    Read(RawPlanes<'a>),
    /// In memory that can be kept: NV12, of the visible part and no more.
    Lent(&'a Arc<Lent>),
}

/// A V4L2 memory-to-memory decoder. No call waits but `wait`.
pub(super) trait Device: Send {
    /// Its path and driver, for errors and the log.
    fn name(&self) -> &str;
    /// The codings that it takes.
    fn codings(&mut self) -> Vec<u32>;
    /// Access units of this coding will come, of at most `bytes`; how large they may really be. With `one_reference` pictures are shown
    /// in the order of decoding, and none need be held back.
    fn set_coding(&mut self, coding: u32, bytes: u32, one_reference: bool) -> Result<u32, Fault>;
    /// The formats in which it can give the pictures of this stream.
    fn raw_formats(&mut self) -> Vec<u32>;
    /// The format of the pictures that will come.
    fn raw(&mut self) -> Result<Raw, Fault>;
    /// Asks for another format; what it is now.
    fn set_raw(&mut self, fourcc: u32) -> Result<Raw, Fault>;
    /// How many pictures it must be able to hold for this stream, where it says so.
    fn raw_buffers(&mut self) -> Option<u32>;
    /// Makes so many buffers (0: frees them all); how many there are.
    fn request(&mut self, queue: Queue, count: u32) -> Result<u32, Fault>;
    /// Starts or stops a queue. Stopping gives every buffer back without a word.
    fn stream(&mut self, queue: Queue, on: bool) -> Result<(), Fault>;
    /// Hands over an access unit.
    fn put_coded(&mut self, index: u32, data: &[u8], stamp: u64) -> Result<(), Fault>;
    /// Hands over an empty buffer for a picture.
    fn put_raw(&mut self, index: u32) -> Result<(), Fault>;
    /// Takes a buffer that it is done with.
    fn take(&mut self, queue: Queue) -> Result<Taken, Fault>;
    /// The picture in a buffer that was taken.
    fn picture(&mut self, index: u32) -> Result<Pixels<'_>, Fault>;
    /// Whether the stream's format changed since the last question.
    fn changed(&mut self) -> Result<bool, Fault>;
    /// No more access units come: it shall give out what it holds. `free`: an unused coded buffer, if there is one.
    fn stop(&mut self, free: Option<u32>) -> Result<bool, Fault>;
    /// Waits until something may have happened, at most `limit`; how long it took.
    fn wait(&mut self, limit: Duration) -> Result<Duration, Fault>;
}

/// The code of a V4L2 format.
pub(super) const fn fourcc(code: &[u8; 4]) -> u32 {
    u32::from_le_bytes(*code)
}

/// The characters of a code.
pub(super) fn characters(code: u32) -> String {
    code.to_le_bytes().iter().map(|byte| if byte.is_ascii_graphic() { char::from(*byte) } else { '?' }).collect()
}

/// The formats that are understood, best first, with the memory planes that V4L2 keeps them in.
pub(super) const READABLE: [(u32, PixelFormat, usize); 4] = [
    (fourcc(b"NV12"), PixelFormat::Nv12, 1),
    (fourcc(b"NM12"), PixelFormat::Nv12, 2),
    (fourcc(b"YU12"), PixelFormat::I420, 1),
    (fourcc(b"YM12"), PixelFormat::I420, 3),
];

/// How the pixels of an understood format lie, and in how many memory planes.
pub(super) fn readable(fourcc: u32) -> Option<(PixelFormat, usize)> {
    READABLE.iter().find(|(code, ..)| *code == fourcc).map(|(_, format, planes)| (*format, *planes))
}

impl Raw {
    /// Whether what a device says of its pictures can be true.
    pub(super) fn check(&self) -> Result<(), Fault> {
        let unfit = |got: String, allowed: &str| Err(Fault::Unfit { got, allowed: allowed.to_owned() });
        if readable(self.fourcc).is_none() {
            return unfit(format!("pictures as {}", characters(self.fourcc)), "NV12, NM12, YU12 or YM12");
        }
        let Rect { left, top, width, height } = self.visible;
        let sides = [width, height].iter().all(|side| SIDES.contains(&u64::from(*side)));
        if !sides || u64::from(width) * u64::from(height) > MOST_PIXELS {
            let got = format!("pictures of {width}x{height} pixels");
            return unfit(got, "sides of 16 to 4096 and at most 4096x2304 pixels in all");
        }
        let (right, bottom) = (left.checked_add(width), top.checked_add(height));
        let stride = self.strides[0];
        let outside = |end: Option<u32>, room: u32| room > 1 << 16 || end.is_none_or(|end| end > room);
        if outside(right, stride) || outside(bottom, self.height) {
            let got =
                format!("pictures of {width}x{height} at {left},{top} in rows of {stride} bytes, {} rows", self.height);
            return unfit(got, "what is shown lies inside the rows");
        }
        Ok(())
    }

    /// Where the planes lie in the memory planes of a buffer, of which some may be shorter than they should be.
    pub(super) fn planes<'a>(&self, memory: [&'a [u8]; 3]) -> RawPlanes<'a> {
        let (stride, rows) = (self.strides[0] as usize, self.height as usize);
        let from = |at: usize| memory[0].get(at..).unwrap_or(&[]);
        let luma = stride * rows;
        let [first, second, third] = self.strides.map(|stride| stride as usize);
        match readable(self.fourcc) {
            Some((PixelFormat::Nv12, 1)) => [(from(0), stride), (from(luma), stride), (&[], 0)],
            Some((PixelFormat::Nv12, _)) => [(memory[0], first), (memory[1], second), (&[], 0)],
            Some((_, 1)) => {
                let (half, chroma) = (stride / 2, stride / 2 * rows.div_ceil(2));
                [(from(0), stride), (from(luma), half), (from(luma + chroma), half)]
            }
            _ => [(memory[0], first), (memory[1], second), (memory[2], third)],
        }
    }

    /// The visible part of whole planes; `None` where a plane is too short for it.
    pub(super) fn cropped<'a>(&self, planes: RawPlanes<'a>) -> Option<(PixelFormat, RawPlanes<'a>)> {
        let (format, _) = readable(self.fourcc)?;
        let Rect { left, top, width, height } = self.visible;
        let (width, height) = (width as usize, height as usize);
        let mut cropped: RawPlanes<'a> = [(&[], 0); 3];
        for (index, (bytes, stride)) in planes.into_iter().enumerate() {
            // Columns and rows come in pairs where chroma is halved.
            let (left, top) = (left as usize & !1, top as usize & !1);
            let (at, row, rows) = match (index, format) {
                (0, _) => (top * stride + left, width, height),
                (1, PixelFormat::Nv12) => (top / 2 * stride + left, width.div_ceil(2) * 2, height.div_ceil(2)),
                (_, PixelFormat::Nv12) => continue,
                _ => (top / 2 * stride + left / 2, width.div_ceil(2), height.div_ceil(2)),
            };
            if row > stride {
                return None;
            }
            cropped[index] = (bytes.get(at..at + (rows - 1) * stride + row)?, stride);
        }
        Some((format, cropped))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(code: &[u8; 4], strides: [u32; 3], visible: Rect) -> Raw {
        Raw { fourcc: fourcc(code), height: 24, strides, visible }
    }

    const VISIBLE: Rect = Rect { left: 2, top: 4, width: 18, height: 16 };

    #[test]
    fn pitch_and_crop_of_each_format_are_honoured() {
        let bytes: Vec<u8> = (0..32 * 24 * 3 / 2).map(|at| (at / 32) as u8).collect();
        let (luma, chroma) = bytes.split_at(32 * 24);
        let contiguous = raw(b"NV12", [32, 0, 0], VISIBLE);
        let (format, planes) = contiguous.cropped(contiguous.planes([&bytes, &[], &[]])).expect("long enough");
        assert_eq!((format, planes[0].0[0], planes[1].0[0]), (PixelFormat::Nv12, 4, 26));
        let separate = raw(b"NM12", [32, 32, 0], VISIBLE);
        assert_eq!(separate.cropped(separate.planes([luma, chroma, &[]])), Some((format, planes)));
        let contiguous = raw(b"YU12", [32, 0, 0], VISIBLE);
        let (format, planes) = contiguous.cropped(contiguous.planes([&bytes, &[], &[]])).expect("long enough");
        assert_eq!((format, planes.map(|plane| plane.1)), (PixelFormat::I420, [32, 16, 16]));
        assert_eq!(planes.map(|plane| plane.0[0]), [4, 25, 31]);
        let separate = raw(b"YM12", [32, 16, 16], VISIBLE);
        let (u, v) = chroma.split_at(16 * 12);
        assert_eq!(separate.cropped(separate.planes([luma, u, v])).map(|found| found.1[2].0[0]), Some(31));
    }

    #[test]
    fn memory_that_is_too_short_gives_no_picture() {
        for code in [b"NV12", b"NM12", b"YU12", b"YM12"] {
            for length in [0, 1, 31, 32 * 24, 32 * 24 + 40] {
                let bytes = vec![0; length];
                let raw = raw(code, [32, 16, 16], VISIBLE);
                assert_eq!(raw.cropped(raw.planes([&bytes, &[], &[]])), None, "{code:?} {length}");
            }
        }
    }

    #[test]
    fn what_a_device_cannot_mean_is_refused() {
        let visible = |left, top, width, height| Rect { left, top, width, height };
        for (raw, said) in [
            (raw(b"RGB3", [32, 0, 0], VISIBLE), "got pictures as RGB3; allowed: NV12, NM12, YU12 or YM12"),
            (
                raw(b"NV12", [32, 0, 0], visible(0, 0, 8, 16)),
                "got pictures of 8x16 pixels; allowed: sides of 16 to 4096 and at most 4096x2304 pixels in all",
            ),
            (
                raw(b"NV12", [32, 0, 0], visible(16, 0, 18, 16)),
                "got pictures of 18x16 at 16,0 in rows of 32 bytes, 24 rows; allowed: what is shown lies inside the rows",
            ),
            (
                raw(b"NV12", [32, 0, 0], visible(u32::MAX, 0, 18, 16)),
                "got pictures of 18x16 at 4294967295,0 in rows of 32 bytes, 24 rows; allowed: what is shown lies inside the rows",
            ),
            (
                raw(b"NV12", [u32::MAX, 0, 0], VISIBLE),
                "got pictures of 18x16 at 2,4 in rows of 4294967295 bytes, 24 rows; allowed: what is shown lies inside the rows",
            ),
        ] {
            assert_eq!(raw.check().expect_err(said).to_string(), said);
        }
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig { failure_persistence: None, ..Default::default() })]
        #[test]
        fn whatever_a_device_says_a_picture_is_whole_or_none(
            code in 0usize..4, height: u32, strides: [u32; 3], rect: [u32; 4], narrow: bool, lengths in [0usize..9000, 0usize..9000, 0usize..9000],
        ) {
            // Half of them small enough to be believed.
            let small = |number: u32| if narrow { number % 80 } else { number };
            let [left, top, width, height_shown] = rect.map(small);
            let visible = Rect { left, top, width, height: height_shown };
            let raw = Raw { fourcc: READABLE[code].0, height: small(height), strides: strides.map(small), visible };
            let memory = lengths.map(|length| vec![0u8; length]);
            if raw.check().is_ok()
                && let Some((_, planes)) = raw.cropped(raw.planes([&memory[0], &memory[1], &memory[2]]))
            {
                let (luma, stride) = planes[0];
                proptest::prop_assert_eq!(luma.len(), (height_shown as usize - 1) * stride + width as usize);
            }
        }
    }
}
