//! NVIDIA's pictures: they lie in blocks, so the board's own engine copies each into rows. These are lent to whoever reads them in place,
//! or copied out once more.

use super::device::{Fault, Pixels, Rect};
use super::nvbuf::{Blocks, Calls, Rows, Slot};
use super::system::Exported;

/// Size and `NvBufSurfaceColorFormat` of the pictures that a surface is for.
type Kind = ((u32, u32), u32);

/// Surfaces in rows: those that go round while frames hold pictures in them, and one whose bytes are copied out.
pub(super) struct Surfaces {
    calls: Calls,
    /// How many pictures are lent at most; 0 also where lending failed.
    lend: usize,
    ring: Vec<Slot>,
    ring_for: Option<Kind>,
    /// It was told that all of them were held.
    told: bool,
    rows: Option<(Rows, Kind)>,
    bytes: Vec<u8>,
}

impl Surfaces {
    /// NVIDIA's libraries; at most `lend` pictures are lent at once, the rest is copied.
    pub(super) fn open(lend: usize) -> Result<Self, Fault> {
        Calls::open().map(|calls| Self::on(calls, lend))
    }

    pub(super) fn on(calls: Calls, lend: usize) -> Self {
        Self { calls, lend, ring: Vec::new(), ring_for: None, told: false, rows: None, bytes: Vec::new() }
    }

    /// The visible part of the picture in this buffer: lent, or as tight NV12.
    pub(super) fn picture(&mut self, buffer: &Exported, visible: Rect) -> Result<Pixels<'_>, Fault> {
        let blocks = self.calls.blocks(buffer)?;
        let kind = ((visible.width, visible.height), blocks.colour());
        match self.lent(&blocks, visible, kind) {
            Ok(Some(at)) => return Ok(Pixels::Lent(self.ring[at].lent())),
            Ok(None) => {}
            Err(fault) => {
                // What is wrong with the picture itself shows below, too.
                tracing::warn!("decode: pictures are copied, none can be read in place: {fault}; {ADVICE}");
                (self.lend, self.ring_for) = (0, None);
                self.ring.clear();
            }
        }
        self.copied(&blocks, visible, kind)
    }

    /// The place of a surface with the picture in it, where one may be lent and is free.
    fn lent(&mut self, blocks: &Blocks<'_>, visible: Rect, kind: Kind) -> Result<Option<usize>, Fault> {
        if self.lend == 0 {
            return Ok(None);
        }
        if self.ring_for != Some(kind) {
            // Those that frames still hold live on with them.
            self.ring.clear();
            for _ in 0..self.lend {
                self.ring.push(Slot::new(self.calls, kind.0, kind.1)?);
            }
            (self.ring_for, self.told) = (Some(kind), false);
            let (width, height) = kind.0;
            tracing::info!("decode: pictures of {width}x{height} stay in {} surfaces that a GPU can read", self.lend);
        }
        let Some(at) = self.ring.iter_mut().position(Slot::is_free) else {
            if !std::mem::replace(&mut self.told, true) {
                tracing::warn!("decode: all {} surfaces are held; pictures are copied until one is back", self.lend);
            }
            return Ok(None);
        };
        self.ring[at].fill(blocks, visible).map(|()| Some(at))
    }

    fn copied(&mut self, blocks: &Blocks<'_>, visible: Rect, kind: Kind) -> Result<Pixels<'_>, Fault> {
        let rows = match &mut self.rows {
            Some((rows, known)) if *known == kind => rows,
            other => {
                // The old one goes before there is a new one: memory is scarce.
                *other = None;
                &mut other.insert((Rows::new(self.calls, kind.0, kind.1)?, kind)).0
            }
        };
        rows.fill(blocks, visible)?;
        let (width, height) = (visible.width as usize, visible.height as usize);
        let (chroma_width, chroma_height) = (width.div_ceil(2), height.div_ceil(2));
        self.bytes.resize(width * height + 2 * chroma_width * chroma_height, 0);
        let (luma, chroma) = self.bytes.split_at_mut(width * height);
        rows.copy_out(0, width, height, luma)?;
        rows.copy_out(1, chroma_width, chroma_height, chroma)?;
        Ok(Pixels::Read([(&*luma, width), (&*chroma, 2 * chroma_width), (&[], 0)]))
    }
}

/// What keeps a surface from the GPU most often.
const ADVICE: &str = "an EGLImage needs a display that EGL can open: unset DISPLAY where nobody is logged in";

#[cfg(test)]
mod tests;
