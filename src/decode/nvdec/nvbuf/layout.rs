//! The structs of `nvbufsurface.h` and `nvbufsurftransform.h`, as far as they are used; enums and flags of theirs are 32-bit numbers.

use std::ffi::c_void;

/// `NVBUF_MAX_PLANES` and `STRUCTURE_PADDING`.
const PLANES: usize = 4;
const PADDING: usize = 4;

/// `NvBufSurface`, as far as it is read.
#[repr(C)]
pub struct RawSurface {
    pub gpu: u32,
    pub batch: u32,
    pub filled: u32,
    pub contiguous: u32,
    pub memory: u32,
    pub list: *mut SurfaceParams,
}

/// `NvBufSurfacePlaneParams`.
#[repr(C)]
pub struct PlaneParams {
    pub count: u32,
    pub width: [u32; PLANES],
    pub height: [u32; PLANES],
    pub pitch: [u32; PLANES],
    pub offset: [u32; PLANES],
    pub size: [u32; PLANES],
    pub bytes_a_pixel: [u32; PLANES],
    pub reserved: [*mut c_void; PADDING * PLANES],
}

/// `NvBufSurfaceParams`, as far as it is read: the end is `NvBufSurfaceMappedAddr`.
#[repr(C)]
pub struct SurfaceParams {
    pub width: u32,
    pub height: u32,
    pub pitch: u32,
    pub colour: u32,
    pub layout: u32,
    pub file: u64,
    pub bytes: u32,
    pub data: *mut c_void,
    pub planes: PlaneParams,
    pub mapped: [*mut u8; PLANES],
    pub image: *mut c_void,
}

/// `NvBufSurfaceAllocateParams`.
#[repr(C)]
#[derive(Default)]
pub struct Allocate {
    pub gpu: u32,
    pub width: u32,
    pub height: u32,
    pub size: u32,
    pub contiguous: u32,
    pub colour: u32,
    pub layout: u32,
    pub memory: u32,
    pub scan: u32,
    pub chroma_place: [u8; 4],
    pub tag: u32,
    pub unpadded: u32,
    pub reserved: [u64; 4],
}

/// `NvBufSurfTransformRect`.
#[repr(C)]
pub struct TransformRect {
    pub top: u32,
    pub left: u32,
    pub width: u32,
    pub height: u32,
}

/// `NvBufSurfTransformParams`.
#[repr(C)]
pub struct Transform {
    pub flags: u32,
    pub flip: u32,
    pub filter: u32,
    pub from: *const TransformRect,
    pub to: *const TransformRect,
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::mem::offset_of;

    #[test]
    fn structs_lie_as_nvidias_headers_say() {
        assert_eq!((offset_of!(RawSurface, filled), offset_of!(RawSurface, list)), (8, 24));
        assert_eq!((offset_of!(SurfaceParams, colour), offset_of!(SurfaceParams, layout)), (12, 16));
        assert_eq!((offset_of!(SurfaceParams, file), offset_of!(SurfaceParams, planes)), (24, 48));
        assert_eq!((offset_of!(PlaneParams, pitch), offset_of!(PlaneParams, size)), (36, 68));
        assert_eq!(size_of::<PlaneParams>(), 232);
        assert_eq!((offset_of!(SurfaceParams, mapped), offset_of!(SurfaceParams, image)), (280, 312));
        assert_eq!((offset_of!(Allocate, colour), offset_of!(Allocate, memory)), (20, 28));
        assert_eq!((offset_of!(Allocate, tag), size_of::<Allocate>()), (40, 80));
        assert_eq!((offset_of!(Transform, from), size_of::<Transform>()), (16, 32));
    }
}
