//! Pictures that a video device gives as pixels: described, not copied. The one copy is the one into the frame's buffer.

use super::{DecodeError, Decoder, Outcome, Picture, Planes, check_size};
use crate::handover::{AccessUnit, PixelFormat, RawPicture, RawPixels};

const NAME: &str = "raw";

/// Says where the planes of each picture lie.
pub(super) struct Raw {
    layout: RawPicture,
}

impl Raw {
    pub(super) fn new(layout: RawPicture) -> Self {
        Self { layout }
    }
}

impl Decoder for Raw {
    fn name(&self) -> &'static str {
        "raw pictures"
    }

    fn decode(&mut self, unit: &AccessUnit, _lost: u32, out: &mut dyn FnMut(Outcome<'_>)) -> Result<(), DecodeError> {
        let RawPicture { pixels, size, stride, colour } = self.layout;
        let size = check_size(NAME, size.width.into(), size.height.into())?;
        let (data, least, row) = (&unit.data[..], self.layout.least_bytes(), stride as usize);
        if data.len() < least || row < row_bytes(pixels, size.width as usize) {
            let what = format!("{} bytes in rows of {row} for {} {pixels:?}", data.len(), words(size));
            return Err(DecodeError::corrupt(NAME, what));
        }
        let (format, planes) = match pixels {
            RawPixels::Grey => (PixelFormat::Grey, Planes::Bytes([(data, row), (&[], 0), (&[], 0)])),
            RawPixels::Yuyv => (PixelFormat::Nv12, Planes::Yuyv(data, row)),
            RawPixels::Nv12 => {
                let (luma, chroma) = data.split_at((row * size.height as usize).min(data.len()));
                (PixelFormat::Nv12, Planes::Bytes([(luma, row), (chroma, row), (&[], 0)]))
            }
        };
        out(Outcome::Shown(&Picture { unit: unit.stamp.frame, format, size, colour, planes }));
        Ok(())
    }

    fn flush(&mut self, _out: &mut dyn FnMut(Outcome<'_>)) {}
}

fn words(size: crate::handover::PictureSize) -> String {
    format!("{}x{}", size.width, size.height)
}

/// Bytes of a row's samples.
fn row_bytes(pixels: RawPixels, width: usize) -> usize {
    match pixels {
        RawPixels::Yuyv => 4 * width.div_ceil(2),
        RawPixels::Nv12 => 2 * width.div_ceil(2),
        RawPixels::Grey => width,
    }
}

/// Plane `plane` of the NV12 picture of YUYV rows, into `to` with rows of `stride` bytes and no padding.
pub(super) fn nv12_from_yuyv(from: &[u8], from_stride: usize, plane: usize, to: &mut [u8], stride: usize) {
    let rows = from.chunks(from_stride.max(1));
    if plane == 0 {
        for (to, from) in to.chunks_exact_mut(stride).zip(rows) {
            to.iter_mut().zip(from.as_chunks::<2>().0).for_each(|(to, [luma, _])| *to = *luma);
        }
        return;
    }
    for (index, to) in to.chunks_exact_mut(stride).enumerate() {
        let above = rows.clone().nth(2 * index).unwrap_or_default();
        // The last row of an odd height stands alone.
        let below = rows.clone().nth(2 * index + 1).unwrap_or(above);
        let pairs = above.as_chunks::<4>().0.iter().zip(below.as_chunks::<4>().0);
        for (to, ([_, u0, _, v0], [_, u1, _, v1])) in to.as_chunks_mut::<2>().0.iter_mut().zip(pairs) {
            *to = [mean(*u0, *u1), mean(*v0, *v1)];
        }
    }
}

/// The mean, rounded up.
fn mean(a: u8, b: u8) -> u8 {
    a.midpoint(b) + ((a ^ b) & 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::Decode;
    use crate::handover::{Codec, Colour, Frame, GapReason, PictureSize};
    use crate::ledger::Ledger;
    use crate::stamp::{Clock, Stamp};
    use std::sync::Arc;

    const SIZE: PictureSize = PictureSize { width: 16, height: 17 };

    fn unit(frame: u64, pixels: RawPixels, size: PictureSize, stride: u32, data: Vec<u8>) -> AccessUnit {
        let layout = RawPicture { pixels, size, stride, colour: Colour::default() };
        AccessUnit {
            data: data.into(),
            codec: Codec::Raw(layout),
            key: true,
            packets_lost: 0,
            restart: frame == 0,
            presentation: frame as i64,
            stamp: Stamp { frame, ..Stamp::default() },
        }
    }

    fn decoded(unit: AccessUnit) -> Result<Frame, DecodeError> {
        let mut front = Decode::new(2, Arc::new(Ledger::default()), Clock::new());
        let mut frames = Vec::new();
        front.decode(&unit, &mut |frame| frames.push(frame))?;
        assert_eq!(frames.len(), 1);
        Ok(frames.remove(0))
    }

    /// Sample `index` of row `row` with padding of 0xee behind the row.
    fn rows(stride: usize, width: usize, count: usize, sample: impl Fn(usize, usize) -> u8) -> Vec<u8> {
        let at = |n: usize| if n % stride < width { sample(n / stride, n % stride) } else { 0xee };
        (0..stride * count).map(at).collect()
    }

    #[test]
    fn yuyv_keeps_brightness_and_halves_the_rows_of_colour() {
        let data = rows(40, 32, 17, |row, at| match at % 4 {
            1 => 100 + row as u8,
            3 => 200 - row as u8,
            _ => (row * 8 + at / 2) as u8,
        });
        let frame = decoded(unit(0, RawPixels::Yuyv, SIZE, 40, data)).expect("a picture");
        assert_eq!((frame.format(), frame.size()), (PixelFormat::Nv12, SIZE));
        let (luma, stride) = frame.plane(0);
        assert_eq!(stride, 16);
        assert!(luma.iter().enumerate().all(|(n, luma)| *luma == (n / 16 * 8 + n % 16) as u8));
        let (chroma, stride) = frame.plane(1);
        assert_eq!((stride, chroma.len()), (16, 16 * 9));
        // Rows 4 and 5; the last row stands alone.
        assert_eq!((&chroma[32..34], &chroma[128..130]), (&[105, 196][..], &[116, 184][..]));
        assert_eq!((mean(255, 255), mean(254, 255), mean(0, 1), mean(3, 3)), (255, 255, 1, 3));
    }

    #[test]
    fn nv12_and_grey_lose_their_padding_and_nothing_else() {
        let data = rows(24, 16, 17 + 9, |row, at| (row * 16 + at) as u8);
        let tight: Vec<u8> = (0..16 * 26).map(|n| n as u8).collect();
        // The last row's padding may be missing.
        let short = data[..24 * 25 + 16].to_vec();
        for data in [data.clone(), short] {
            let frame = decoded(unit(0, RawPixels::Nv12, SIZE, 24, data)).expect("a picture");
            assert_eq!((frame.plane(0).0, frame.plane(1).0), (&tight[..272], &tight[272..]));
        }
        let frame = decoded(unit(0, RawPixels::Grey, SIZE, 24, data)).expect("a picture");
        assert_eq!((frame.format(), frame.plane(0).0), (PixelFormat::Grey, &tight[..272]));
    }

    #[test]
    fn a_picture_that_is_too_short_is_told_and_becomes_a_gap() {
        let mut front = Decode::new(2, Arc::new(Ledger::default()), Clock::new());
        for (pixels, stride, bytes, said) in [
            (RawPixels::Yuyv, 32, 543, "543 bytes in rows of 32 for 16x17 Yuyv"),
            (RawPixels::Nv12, 16, 415, "415 bytes in rows of 16 for 16x17 Nv12"),
            (RawPixels::Grey, 16, 0, "0 bytes in rows of 16 for 16x17 Grey"),
            (RawPixels::Grey, 15, 400, "400 bytes in rows of 15 for 16x17 Grey"),
        ] {
            let short = unit(0, pixels, SIZE, stride, vec![1; bytes]);
            let error = front.decode(&short, &mut |_| panic!("no picture")).expect_err(said).to_string();
            let words = format!("raw: a picture could not be decoded: {said}; it is counted and left out");
            assert_eq!(error, words);
        }
        assert!(front.take_gaps().iter().all(|gap| gap.reason == GapReason::Corrupt));
    }

    #[test]
    fn a_size_that_no_decoder_takes_is_refused() {
        for (width, height) in [(0, 0), (8, 8), (u32::MAX, u32::MAX)] {
            let huge = unit(0, RawPixels::Grey, PictureSize { width, height }, u32::MAX, vec![1; 64]);
            let said = decoded(huge).expect_err("refused").to_string();
            assert!(said.starts_with(&format!("raw: got {width}x{height} pixels; ")), "{said}");
        }
    }

    #[test]
    fn numbers_that_never_came_are_a_gap() {
        let mut front = Decode::new(2, Arc::new(Ledger::default()), Clock::new());
        let mut gaps = Vec::new();
        for frame in [0, 1, 4] {
            let next = unit(frame, RawPixels::Grey, SIZE, 16, vec![7; 272]);
            let mut see = |frame: Frame| gaps.extend(frame.gaps.iter().map(|gap| (gap.first, gap.last, gap.reason)));
            front.decode(&next, &mut see).expect("a picture");
        }
        assert_eq!(gaps, [(2, 3, GapReason::Late)]);
    }
}
