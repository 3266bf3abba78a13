//! One decoded picture in a buffer that goes back to its pool, or to its decoder, when the last holder drops it.

use super::{Gaps, Lent};
use crate::stamp::{Monotonic, Stamp};
use std::sync::Arc;

/// Width and height of a picture, pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct PictureSize {
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
}

/// How pixels lie in a frame's planes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PixelFormat {
    /// Three planes: Y, then U and V at half width and half height (rounded up).
    I420,
    /// Two planes: Y, then U and V interleaved at half width and half height.
    Nv12,
    /// One plane, three bytes a pixel.
    Rgb,
    /// One plane, one byte a pixel, full range.
    Grey,
}

/// Colour matrix of YUV pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Matrix {
    /// ITU-R BT.601: the default where a stream says nothing and is at most 576 rows high, and of JPEG.
    #[default]
    Bt601,
    /// ITU-R BT.709.
    Bt709,
    /// ITU-R BT.2020, non-constant luminance.
    Bt2020,
}

/// Colour description of YUV pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Colour {
    /// The matrix.
    pub matrix: Matrix,
    /// Y spans 0 to 255 (JPEG) instead of 16 to 235.
    pub full_range: bool,
}

/// Where one plane lies in a frame's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Plane {
    /// First byte.
    pub offset: usize,
    /// Bytes from one row to the next.
    pub stride: usize,
    /// Rows.
    pub rows: usize,
}

/// The bytes of a picture; filled by a decoder, read by everyone else.
#[derive(Clone, Debug, Default)]
struct Picture {
    bytes: Vec<u8>,
    planes: [Plane; 3],
}

/// Where a frame's pixels are.
#[derive(Clone, Debug)]
enum Pixels {
    Pooled(Arc<Picture>),
    Lent(Arc<Lent>),
}

/// One decoded picture. Cloning shares it; dropping the last clone gives the buffer back to its pool, or to its decoder.
#[derive(Clone, Debug)]
pub struct Frame {
    pixels: Pixels,
    format: PixelFormat,
    size: PictureSize,
    colour: Colour,
    /// Which and when.
    pub stamp: Stamp,
    /// When the decoder gave the picture out.
    pub decoded: Monotonic,
    /// Frames missing right before this one.
    pub gaps: Gaps,
}

impl Frame {
    /// Size in pixels.
    pub fn size(&self) -> PictureSize {
        self.size
    }
    /// How the pixels lie.
    pub fn format(&self) -> PixelFormat {
        self.format
    }
    /// Colour description; means nothing for `Rgb` and `Grey`.
    pub fn colour(&self) -> Colour {
        self.colour
    }
    /// Plane `index`: its bytes (rows at `stride`) and its stride. Empty for a plane that the format does not have.
    pub fn plane(&self, index: usize) -> (&[u8], usize) {
        match &self.pixels {
            Pixels::Pooled(picture) => {
                let Some(plane) = picture.planes.get(index) else { return (&[], 0) };
                let end = plane.offset + plane.stride * plane.rows;
                (picture.bytes.get(plane.offset..end).unwrap_or(&[]), plane.stride)
            }
            Pixels::Lent(lent) => lent.planes().get(index).copied().unwrap_or((&[], 0)),
        }
    }

    /// The decoder's own memory, where the pixels were left there.
    pub fn lent(&self) -> Option<&Arc<Lent>> {
        match &self.pixels {
            Pixels::Pooled(_) => None,
            Pixels::Lent(lent) => Some(lent),
        }
    }

    /// A frame whose NV12 pixels stay with its decoder.
    pub fn of_lent(lent: Arc<Lent>, size: PictureSize, colour: Colour, stamp: Stamp) -> Self {
        Self::new(Pixels::Lent(lent), PixelFormat::Nv12, size, colour, stamp)
    }

    fn new(pixels: Pixels, format: PixelFormat, size: PictureSize, colour: Colour, stamp: Stamp) -> Self {
        Self { pixels, format, size, colour, stamp, decoded: Monotonic::default(), gaps: Gaps::default() }
    }

    /// A frame outside any pool, for tests and stills.
    pub fn unpooled(
        format: PixelFormat,
        size: PictureSize,
        colour: Colour,
        stamp: Stamp,
        bytes: &[u8],
    ) -> Option<Self> {
        let mut pool = FramePool::new(1);
        pool.fill(format, size, colour, stamp, |plane, out, stride| {
            let tight = tight_row(format, size.width as usize, plane);
            let before: usize = (0..plane)
                .map(|p| tight_row(format, size.width as usize, p) * plane_rows(format, size.height as usize, p))
                .sum();
            for (row, to) in out.chunks_mut(stride).enumerate() {
                if let Some(from) = bytes.get(before + row * tight..before + (row + 1) * tight) {
                    to[..tight].copy_from_slice(from);
                }
            }
        })
    }
}

/// Bytes in one row of a plane without padding.
fn tight_row(format: PixelFormat, width: usize, plane: usize) -> usize {
    match (format, plane) {
        (PixelFormat::I420, 0) | (PixelFormat::Nv12, 0) | (PixelFormat::Grey, 0) => width,
        (PixelFormat::I420, 1 | 2) => width.div_ceil(2),
        (PixelFormat::Nv12, 1) => width.div_ceil(2) * 2,
        (PixelFormat::Rgb, 0) => width * 3,
        _ => 0,
    }
}

/// Rows of a plane.
fn plane_rows(format: PixelFormat, height: usize, plane: usize) -> usize {
    match (format, plane) {
        (_, 0) => height,
        (PixelFormat::I420, 1 | 2) | (PixelFormat::Nv12, 1) => height.div_ceil(2),
        _ => 0,
    }
}

/// A fixed number of frame buffers, made once. Buffers take the size of the first picture and keep it until the size changes.
#[derive(Debug)]
pub struct FramePool {
    slots: Vec<Arc<Picture>>,
}

impl FramePool {
    /// A pool of `count` buffers. Their bytes are allocated when the first pictures show their size.
    pub fn new(count: usize) -> Self {
        Self { slots: (0..count).map(|_| Arc::new(Picture::default())).collect() }
    }

    /// A free buffer, described and filled; `None` when every buffer is held.
    /// `write` is called once a plane with its index, its bytes and its stride.
    pub fn fill(
        &mut self,
        format: PixelFormat,
        size: PictureSize,
        colour: Colour,
        stamp: Stamp,
        mut write: impl FnMut(usize, &mut [u8], usize),
    ) -> Option<Frame> {
        let slot = self.slots.iter_mut().find_map(|slot| Arc::get_mut(slot).is_some().then_some(slot))?;
        let picture = Arc::get_mut(slot)?;
        let (width, height) = (size.width as usize, size.height as usize);
        let mut offset = 0;
        for (index, plane) in picture.planes.iter_mut().enumerate() {
            let stride = tight_row(format, width, index);
            let rows = plane_rows(format, height, index);
            *plane = Plane { offset, stride, rows };
            offset += stride * rows;
        }
        picture.bytes.resize(offset, 0);
        for (index, plane) in picture.planes.into_iter().enumerate().filter(|(_, plane)| plane.rows > 0) {
            let end = plane.offset + plane.stride * plane.rows;
            write(index, &mut picture.bytes[plane.offset..end], plane.stride);
        }
        Some(Frame::new(Pixels::Pooled(Arc::clone(slot)), format, size, colour, stamp))
    }

    /// Buffers that nobody holds.
    pub fn free(&self) -> usize {
        self.slots.iter().filter(|slot| Arc::strong_count(slot) == 1).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: PictureSize = PictureSize { width: 6, height: 4 };

    fn fill(pool: &mut FramePool) -> Option<Frame> {
        pool.fill(PixelFormat::I420, SIZE, Colour::default(), Stamp::default(), |plane, out, _| {
            out.fill(plane as u8 + 1)
        })
    }

    #[test]
    fn dropping_the_last_clone_gives_the_buffer_back() {
        let mut pool = FramePool::new(1);
        let frame = fill(&mut pool);
        let clone = frame.clone();
        assert!(fill(&mut pool).is_none());
        drop(frame);
        assert!(fill(&mut pool).is_none());
        drop(clone);
        assert!(fill(&mut pool).is_some());
    }

    #[test]
    fn planes_lie_where_they_were_written() {
        let mut pool = FramePool::new(1);
        let frame = fill(&mut pool).expect("a free buffer");
        assert_eq!((frame.plane(0).0.len(), frame.plane(1).0.len(), frame.plane(2).0.len()), (24, 6, 6));
        assert!(frame.plane(2).0.iter().all(|byte| *byte == 3));
        assert!(frame.plane(3).0.is_empty());
    }
}
