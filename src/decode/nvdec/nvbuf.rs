//! The calls of NVIDIA's libnvbufsurface: a decoded picture in blocks, and surfaces in rows, private or lent to the CPU and the GPU at once.
//!
//! Written after NVIDIA's headers of JetPack 5 and 6; it has run on no board.
#![allow(unsafe_code)]

mod layout;
#[cfg(test)]
mod stand_in;

use super::device::{Fault, Rect};
use super::system::{Exported, Library};
use crate::handover::{EglImage, Lent, Surface};
use layout::{Allocate, RawSurface, SurfaceParams, Transform, TransformRect};
#[cfg(test)]
pub(super) use stand_in::{Board, CALLS, Lie, board, sample};
use std::ffi::{c_int, c_uint, c_void};
use std::marker::PhantomData;
use std::ptr::{self, NonNull};
use std::sync::Arc;

/// `NvBufSurfaceLayout`, `NvBufSurfaceMemType` and `NvBufSurfaceTag`: rows, a surface of the board, for conversion.
const IN_ROWS: u32 = 0;
const SURFACE_ARRAY: u32 = 4;
const FOR_CONVERSION: u32 = 0xf01;
/// `NVBUFSURFACE_CHROMA_SUBSAMPLING_PARAMS_DEFAULT`: left and in the middle, as H.264 has it.
const CHROMA_PLACE: [u8; 4] = [0, 1, 0, 0];
/// `NvBufSurfTransform_Transform_Flag`: parts of both surfaces.
const CROP: u32 = 1 | 1 << 1;
/// `NVBUF_MAP_READ`, and the number for all planes.
const TO_READ: c_uint = 0;
const ALL: c_int = -1;
/// The functions of `nvbufsurface.h` and `nvbufsurftransform.h`; their enums and flags are 32-bit numbers.
#[derive(Clone, Copy)]
pub(super) struct Calls {
    from_file: unsafe extern "C" fn(c_int, *mut *mut c_void) -> c_int,
    allocate: unsafe extern "C" fn(*mut *mut RawSurface, u32, *const Allocate) -> c_int,
    destroy: unsafe extern "C" fn(*mut RawSurface) -> c_int,
    copy: unsafe extern "C" fn(*mut RawSurface, c_uint, c_uint, c_uint, c_uint, *mut u8) -> c_int,
    transform: unsafe extern "C" fn(*mut RawSurface, *mut RawSurface, *mut Transform) -> c_int,
    map: unsafe extern "C" fn(*mut RawSurface, c_int, c_int, c_uint) -> c_int,
    unmap: unsafe extern "C" fn(*mut RawSurface, c_int, c_int) -> c_int,
    sync: unsafe extern "C" fn(*mut RawSurface, c_int, c_int) -> c_int,
    map_image: unsafe extern "C" fn(*mut RawSurface, c_int) -> c_int,
    unmap_image: unsafe extern "C" fn(*mut RawSurface, c_int) -> c_int,
}

impl std::fmt::Debug for Calls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("libnvbufsurface")
    }
}

/// A picture as the decoder leaves it, in blocks.
pub(super) struct Blocks<'b> {
    surface: NonNull<RawSurface>,
    colour: u32,
    _buffer: PhantomData<&'b Exported>,
}

impl Blocks<'_> {
    /// `NvBufSurfaceColorFormat` of it.
    pub(super) fn colour(&self) -> u32 {
        self.colour
    }
}

impl Calls {
    /// Opens the libraries, which stay open.
    pub(super) fn open() -> Result<Self, Fault> {
        let missing = |what: String| Fault::Missing {
            what: format!("NVIDIA's libraries for pictures cannot be used: {what}"),
            remedy: "install nvidia-l4t-multimedia",
        };
        let surfaces = Library::open(&[c"libnvbufsurface.so.1.0.0", c"libnvbufsurface.so"]).map_err(missing)?;
        let transforms =
            Library::open(&[c"libnvbufsurftransform.so.1.0.0", c"libnvbufsurftransform.so"]).map_err(missing)?;
        // SAFETY: these are the types of the headers.
        let opened = unsafe {
            (|| {
                Ok(Self {
                    from_file: surfaces.function(c"NvBufSurfaceFromFd")?,
                    allocate: surfaces.function(c"NvBufSurfaceAllocate")?,
                    destroy: surfaces.function(c"NvBufSurfaceDestroy")?,
                    copy: surfaces.function(c"NvBufSurface2Raw")?,
                    transform: transforms.function(c"NvBufSurfTransform")?,
                    map: surfaces.function(c"NvBufSurfaceMap")?,
                    unmap: surfaces.function(c"NvBufSurfaceUnMap")?,
                    sync: surfaces.function(c"NvBufSurfaceSyncForCpu")?,
                    map_image: surfaces.function(c"NvBufSurfaceMapEglImage")?,
                    unmap_image: surfaces.function(c"NvBufSurfaceUnMapEglImage")?,
                })
            })()
        };
        opened.map_err(missing)
    }

    /// The picture in a buffer of the decoder.
    pub(super) fn blocks<'b>(&self, buffer: &'b Exported) -> Result<Blocks<'b>, Fault> {
        let mut found = ptr::null_mut();
        // SAFETY: the file is a buffer of the decoder; the library answers a surface that lives as long as it.
        done("NvBufSurfaceFromFd", unsafe { (self.from_file)(buffer.number(), &raw mut found) })?;
        let surface: NonNull<RawSurface> = NonNull::new(found.cast()).ok_or_else(|| nothing("NvBufSurfaceFromFd"))?;
        // SAFETY: a surface of the library has a list of at least one.
        let colour = unsafe { surface.as_ref().list.as_ref() }.ok_or_else(|| nothing("NvBufSurfaceFromFd"))?.colour;
        Ok(Blocks { surface, colour, _buffer: PhantomData })
    }
}

/// A surface in rows, into which pictures of one size are copied.
#[derive(Debug)]
pub(super) struct Rows {
    calls: Calls,
    surface: NonNull<RawSurface>,
}

// SAFETY: the library's surfaces may be used from any thread; each is written through `&mut` alone.
unsafe impl Send for Rows {}

impl Rows {
    /// A surface for pictures of this size and these colours.
    pub(super) fn new(calls: Calls, (width, height): (u32, u32), colour: u32) -> Result<Self, Fault> {
        let (layout, memory, tag) = (IN_ROWS, SURFACE_ARRAY, FOR_CONVERSION);
        let chroma_place = CHROMA_PLACE;
        let wanted = Allocate { width, height, colour, layout, memory, chroma_place, tag, ..Allocate::default() };
        let mut made = ptr::null_mut();
        // SAFETY: the library reads `wanted` and writes one address.
        done("NvBufSurfaceAllocate", unsafe { (calls.allocate)(&raw mut made, 1, &raw const wanted) })?;
        let mut surface = NonNull::new(made).ok_or_else(|| nothing("NvBufSurfaceAllocate"))?;
        // SAFETY: made above and known to nobody else.
        unsafe { surface.as_mut().filled = 1 };
        Ok(Self { calls, surface })
    }

    /// Copies the visible part of a picture into it.
    pub(super) fn fill(&mut self, blocks: &Blocks<'_>, visible: Rect) -> Result<(), Fault> {
        // SAFETY: the surface lives, and nobody else has it.
        unsafe { transform(self.calls, blocks, visible, self.surface) }
    }

    /// Copies a plane out: so many pixels of `to.len() / (columns * rows)` bytes.
    pub(super) fn copy_out(&mut self, plane: u32, columns: usize, rows: usize, to: &mut [u8]) -> Result<(), Fault> {
        let pixel = if plane == 0 { 1 } else { 2 };
        if plane > 1 || to.len() != columns * rows * pixel {
            return Err(Fault::Call {
                call: "NvBufSurface2Raw",
                what: "asked for another plane than there is".to_owned(),
            });
        }
        let (columns, rows) = (columns as c_uint, rows as c_uint);
        // SAFETY: the library writes that many pixels, of one byte in plane 0 and of two in plane 1: what `to` has.
        let answer = unsafe { (self.calls.copy)(self.surface.as_ptr(), 0, plane, columns, rows, to.as_mut_ptr()) };
        done("NvBufSurface2Raw", answer)
    }
}

impl Drop for Rows {
    fn drop(&mut self) {
        // SAFETY: made by the library, and forgotten here.
        unsafe { (self.calls.destroy)(self.surface.as_ptr()) };
    }
}

/// The memory of a surface in rows where the CPU and the GPU find it. What is mapped goes before the surface does.
#[derive(Debug)]
struct Mapped {
    rows: Rows,
    /// First byte, bytes and bytes a row of Y, and of U and V interleaved.
    planes: [(NonNull<u8>, usize, usize); 2],
    image: EglImage,
}

// SAFETY: as `Rows`; the planes' memory may be read from any thread.
unsafe impl Send for Mapped {}
// SAFETY: whoever shares it reads; it is written by `Slot::fill`, when nobody does.
unsafe impl Sync for Mapped {}

impl Mapped {
    fn new(rows: Rows, size: (u32, u32)) -> Result<Self, Fault> {
        let (calls, surface) = (rows.calls, rows.surface.as_ptr());
        // SAFETY: the surface lives; the calls write into its list.
        done("NvBufSurfaceMap", unsafe { (calls.map)(surface, 0, ALL, TO_READ) })?;
        // SAFETY: as above.
        let image = done("NvBufSurfaceMapEglImage", unsafe { (calls.map_image)(surface, 0) });
        // From here on `drop` undoes both.
        let mut mapped = Self { rows, planes: [(NonNull::dangling(), 0, 0); 2], image: EglImage::new(0) };
        image?;
        // SAFETY: a surface of the library has a list of at least one.
        let params = unsafe { (*surface).list.as_ref() }.ok_or_else(|| nothing("NvBufSurfaceMap"))?;
        if params.image.is_null() {
            return Err(nothing("NvBufSurfaceMapEglImage"));
        }
        mapped.image = EglImage::new(params.image.expose_provenance());
        mapped.planes = planes(params, size)?;
        Ok(mapped)
    }
}

/// The planes of a mapped surface, which must hold a picture of that size.
fn planes(params: &SurfaceParams, (width, height): (u32, u32)) -> Result<[(NonNull<u8>, usize, usize); 2], Fault> {
    let needed = [(width, height), (width.div_ceil(2) * 2, height.div_ceil(2))];
    let mut planes = [(NonNull::dangling(), 0, 0); 2];
    for (index, (plane, (row, rows))) in planes.iter_mut().zip(needed).enumerate() {
        let (pitch, size) = (params.planes.pitch[index], params.planes.size[index]);
        let whole = pitch.checked_mul(rows);
        let fits = params.layout == IN_ROWS && params.planes.count == 2 && pitch >= row;
        let Some(whole) = whole.filter(|whole| fits && *whole <= size) else {
            let count = params.planes.count;
            let got = format!("a surface of {count} planes, plane {index} of {size} bytes in rows of {pitch}");
            return Err(Fault::Unfit { got, allowed: format!("2 planes in rows, with {rows} rows of {row} bytes") });
        };
        let start = NonNull::new(params.mapped[index]).ok_or_else(|| nothing("NvBufSurfaceMap"))?;
        *plane = (start, whole as usize, pitch as usize);
    }
    Ok(planes)
}

impl Surface for Mapped {
    fn planes(&self) -> [(&[u8], usize); 2] {
        self.planes.map(|(start, bytes, stride)| {
            // SAFETY: mapped until `drop`, with at least so many bytes; nothing writes while this is shared.
            (unsafe { std::slice::from_raw_parts(start.as_ptr(), bytes) }, stride)
        })
    }

    fn image(&self) -> EglImage {
        self.image
    }
}

impl Drop for Mapped {
    fn drop(&mut self) {
        let (calls, surface) = (self.rows.calls, self.rows.surface.as_ptr());
        // SAFETY: the surface lives until `rows` goes, and nobody reads it any more. Undoing what was not done is refused and no harm.
        unsafe {
            if self.image.handle() != 0 {
                (calls.unmap_image)(surface, 0);
            }
            (calls.unmap)(surface, 0, ALL);
        }
    }
}

/// A surface that is lent while frames hold it.
pub(super) struct Slot {
    surface: NonNull<RawSurface>,
    calls: Calls,
    lent: Arc<Lent>,
}

// SAFETY: as `Mapped`, which `lent` keeps.
unsafe impl Send for Slot {}

impl Slot {
    /// A surface for pictures of this size and these colours, mapped for the CPU and as an EGLImage for the GPU.
    pub(super) fn new(calls: Calls, size: (u32, u32), colour: u32) -> Result<Self, Fault> {
        let rows = Rows::new(calls, size, colour)?;
        let surface = rows.surface;
        let lent = Arc::new(Lent::new(Arc::new(Mapped::new(rows, size)?)));
        Ok(Self { surface, calls, lent })
    }

    /// Nobody holds a picture in it.
    pub(super) fn is_free(&mut self) -> bool {
        Arc::get_mut(&mut self.lent).is_some()
    }

    /// Copies the visible part of a picture into it, which must be of its size; refused while it is held.
    pub(super) fn fill(&mut self, blocks: &Blocks<'_>, visible: Rect) -> Result<(), Fault> {
        if !self.is_free() {
            return Err(Fault::Call { call: "NvBufSurfTransform", what: "the surface is held".to_owned() });
        }
        // SAFETY: the surface lives as long as `lent`, and nobody reads its planes meanwhile.
        unsafe {
            transform(self.calls, blocks, visible, self.surface)?;
            done("NvBufSurfaceSyncForCpu", (self.calls.sync)(self.surface.as_ptr(), 0, ALL))
        }
    }

    /// What is lent.
    pub(super) fn lent(&self) -> &Arc<Lent> {
        &self.lent
    }
}

/// Has the board's engine copy the visible part of a picture into rows; over when it returns.
///
/// # Safety
/// The surface lives and nobody reads it.
unsafe fn transform(calls: Calls, blocks: &Blocks<'_>, visible: Rect, rows: NonNull<RawSurface>) -> Result<(), Fault> {
    let from = TransformRect { top: visible.top, left: visible.left, width: visible.width, height: visible.height };
    let to = TransformRect { top: 0, left: 0, ..from };
    let mut wanted = Transform { flags: CROP, flip: 0, filter: 0, from: &raw const from, to: &raw const to };
    // SAFETY: the caller's promise; the picture lives as long as `blocks`, the rectangles outlive the call.
    let answer = unsafe { (calls.transform)(blocks.surface.as_ptr(), rows.as_ptr(), &raw mut wanted) };
    done("NvBufSurfTransform", answer)
}

fn done(call: &'static str, answer: c_int) -> Result<(), Fault> {
    if answer == 0 { Ok(()) } else { Err(Fault::Call { call, what: format!("it answered {answer}") }) }
}

fn nothing(call: &'static str) -> Fault {
    Fault::Call { call, what: "it answered nothing".to_owned() }
}
