//! NVIDIA's pictures: they lie in blocks, so the board's own engine copies each into rows before it is read (libnvbufsurface).
//!
//! Written after NVIDIA's headers of JetPack 5 and 6; it has run on no board.
#![allow(unsafe_code)]

use super::device::{Fault, RawPlanes, Rect};
use super::system::{Exported, Library};
use std::ffi::{c_int, c_uint, c_void};
use std::ptr::{self, NonNull};

/// `NvBufSurfaceLayout`, `NvBufSurfaceMemType` and `NvBufSurfaceTag`: rows, a surface of the board, for conversion.
const IN_ROWS: u32 = 0;
const SURFACE_ARRAY: u32 = 4;
const FOR_CONVERSION: u32 = 0xf01;
/// `NVBUFSURFACE_CHROMA_SUBSAMPLING_PARAMS_DEFAULT`: left and in the middle, as H.264 has it.
const CHROMA_PLACE: [u8; 4] = [0, 1, 0, 0];
/// `NvBufSurfTransform_Transform_Flag`: parts of both surfaces.
const CROP: u32 = 1 | 1 << 1;

/// `NvBufSurface`, as far as it is read.
#[repr(C)]
struct Surface {
    gpu: u32,
    batch: u32,
    filled: u32,
    contiguous: u32,
    memory: u32,
    list: *mut SurfaceParams,
}

/// `NvBufSurfaceParams`, as far as it is read.
#[repr(C)]
struct SurfaceParams {
    width: u32,
    height: u32,
    pitch: u32,
    colour: u32,
    layout: u32,
}

/// `NvBufSurfaceAllocateParams`.
#[repr(C)]
#[derive(Default)]
struct Allocate {
    gpu: u32,
    width: u32,
    height: u32,
    size: u32,
    contiguous: u32,
    colour: u32,
    layout: u32,
    memory: u32,
    scan: u32,
    chroma_place: [u8; 4],
    tag: u32,
    unpadded: u32,
    reserved: [u64; 4],
}

/// `NvBufSurfTransformRect`.
#[repr(C)]
struct TransformRect {
    top: u32,
    left: u32,
    width: u32,
    height: u32,
}

/// `NvBufSurfTransformParams`.
#[repr(C)]
struct Transform {
    flags: u32,
    flip: u32,
    filter: u32,
    from: *const TransformRect,
    to: *const TransformRect,
}

type FromFile = unsafe extern "C" fn(c_int, *mut *mut c_void) -> c_int;
type Allocating = unsafe extern "C" fn(*mut *mut Surface, u32, *const Allocate) -> c_int;
type Destroying = unsafe extern "C" fn(*mut Surface) -> c_int;
type Copying = unsafe extern "C" fn(*mut Surface, c_uint, c_uint, c_uint, c_uint, *mut u8) -> c_int;
type Transforming = unsafe extern "C" fn(*mut Surface, *mut Surface, *mut Transform) -> c_int;

/// NVIDIA's surfaces: one in rows, into which each picture is copied, and its bytes.
pub(super) struct Surfaces {
    from_file: FromFile,
    allocate: Allocating,
    destroy: Destroying,
    copy: Copying,
    transform: Transforming,
    rows: Option<InRows>,
    bytes: Vec<u8>,
}

struct InRows {
    surface: NonNull<Surface>,
    size: (u32, u32),
    colour: u32,
}

// SAFETY: the surface is used by one thread at a time, through `&mut Surfaces`.
unsafe impl Send for Surfaces {}

impl Surfaces {
    pub(super) fn open() -> Result<Self, Fault> {
        let missing = |what: String| Fault::Missing {
            what: format!("NVIDIA's libraries for pictures cannot be used: {what}"),
            remedy: "install nvidia-l4t-multimedia",
        };
        let surfaces = Library::open(&[c"libnvbufsurface.so.1.0.0", c"libnvbufsurface.so"]).map_err(missing)?;
        let transforms =
            Library::open(&[c"libnvbufsurftransform.so.1.0.0", c"libnvbufsurftransform.so"]).map_err(missing)?;
        // SAFETY: these are the types of <nvbufsurface.h> and <nvbufsurftransform.h>; enums and flags of theirs are 32-bit numbers.
        let opened = unsafe {
            (|| {
                Ok(Self {
                    from_file: surfaces.function(c"NvBufSurfaceFromFd")?,
                    allocate: surfaces.function(c"NvBufSurfaceAllocate")?,
                    destroy: surfaces.function(c"NvBufSurfaceDestroy")?,
                    copy: surfaces.function(c"NvBufSurface2Raw")?,
                    transform: transforms.function(c"NvBufSurfTransform")?,
                    rows: None,
                    bytes: Vec::new(),
                })
            })()
        };
        opened.map_err(missing)
    }

    /// The visible part of the picture in this buffer, as tight NV12.
    pub(super) fn picture(&mut self, buffer: &Exported, visible: Rect) -> Result<RawPlanes<'_>, Fault> {
        let mut found = ptr::null_mut();
        // SAFETY: the file is a buffer of the decoder; the library answers a surface that lives as long as it.
        done("NvBufSurfaceFromFd", unsafe { (self.from_file)(buffer.number(), &raw mut found) })?;
        let mut blocks: NonNull<Surface> = NonNull::new(found.cast()).ok_or_else(|| nothing("NvBufSurfaceFromFd"))?;
        // SAFETY: a surface of the library has a list of at least one.
        let colour = unsafe { blocks.as_ref().list.as_ref() }.ok_or_else(|| nothing("NvBufSurfaceFromFd"))?.colour;
        let mut rows = self.in_rows((visible.width, visible.height), colour)?;
        let from = TransformRect { top: visible.top, left: visible.left, width: visible.width, height: visible.height };
        let to = TransformRect { top: 0, left: 0, ..from };
        let mut wanted = Transform { flags: CROP, flip: 0, filter: 0, from: &raw const from, to: &raw const to };
        // SAFETY: both surfaces live, the rectangles outlive the call, which is over when it returns.
        done("NvBufSurfTransform", unsafe { (self.transform)(blocks.as_mut(), rows.as_mut(), &raw mut wanted) })?;
        let (width, height) = (visible.width as usize, visible.height as usize);
        let (chroma_width, chroma_height) = (width.div_ceil(2), height.div_ceil(2));
        self.bytes.resize(width * height + 2 * chroma_width * chroma_height, 0);
        let (luma, chroma) = self.bytes.split_at_mut(width * height);
        for (plane, to, width, height) in [(0, &mut *luma, width, height), (1, chroma, chroma_width, chroma_height)] {
            // SAFETY: the library writes width times height pixels, of one byte in plane 0 and of two in plane 1: what `to` has.
            let answer =
                unsafe { (self.copy)(rows.as_mut(), 0, plane, width as c_uint, height as c_uint, to.as_mut_ptr()) };
            done("NvBufSurface2Raw", answer)?;
        }
        let (luma, chroma) = self.bytes.split_at(width * height);
        Ok([(luma, width), (chroma, 2 * chroma_width), (&[], 0)])
    }

    /// The surface in rows, made anew where the size or the colours changed.
    fn in_rows(&mut self, size: (u32, u32), colour: u32) -> Result<NonNull<Surface>, Fault> {
        if let Some(rows) = &self.rows
            && (rows.size, rows.colour) == (size, colour)
        {
            return Ok(rows.surface);
        }
        self.forget();
        let (width, height) = size;
        let (layout, memory, tag) = (IN_ROWS, SURFACE_ARRAY, FOR_CONVERSION);
        let chroma_place = CHROMA_PLACE;
        let wanted = Allocate { width, height, colour, layout, memory, chroma_place, tag, ..Allocate::default() };
        let mut made = ptr::null_mut();
        // SAFETY: the library reads `wanted` and writes one address.
        done("NvBufSurfaceAllocate", unsafe { (self.allocate)(&raw mut made, 1, &raw const wanted) })?;
        let mut surface = NonNull::new(made).ok_or_else(|| nothing("NvBufSurfaceAllocate"))?;
        // SAFETY: made above and known to nobody else.
        unsafe { surface.as_mut().filled = 1 };
        self.rows = Some(InRows { surface, size, colour });
        Ok(surface)
    }

    fn forget(&mut self) {
        if let Some(rows) = self.rows.take() {
            // SAFETY: made by the library, and forgotten here.
            unsafe { (self.destroy)(rows.surface.as_ptr()) };
        }
    }
}

impl Drop for Surfaces {
    fn drop(&mut self) {
        self.forget();
    }
}

fn done(call: &'static str, answer: c_int) -> Result<(), Fault> {
    if answer == 0 { Ok(()) } else { Err(Fault::Call { call, what: format!("it answered {answer}") }) }
}

fn nothing(call: &'static str) -> Fault {
    Fault::Call { call, what: "it answered nothing".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::mem::offset_of;

    #[test]
    fn structs_lie_as_nvidias_headers_say() {
        assert_eq!((offset_of!(Surface, filled), offset_of!(Surface, list)), (8, 24));
        assert_eq!((offset_of!(SurfaceParams, colour), offset_of!(SurfaceParams, layout)), (12, 16));
        assert_eq!((offset_of!(Allocate, colour), offset_of!(Allocate, memory)), (20, 28));
        assert_eq!((offset_of!(Allocate, tag), size_of::<Allocate>()), (40, 80));
        assert_eq!((offset_of!(Transform, from), size_of::<Transform>()), (16, 32));
    }
}
