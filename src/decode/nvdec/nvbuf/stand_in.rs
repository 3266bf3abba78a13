//! libnvbufsurface and libnvbufsurftransform as the tests have them: surfaces in ordinary memory, and pictures whose samples are known.

use super::*;
use std::cell::RefCell;

/// What changes what a surface says of itself.
pub type Lie = fn(&mut SurfaceParams);

/// What the stand-in libraries of this thread did, and what they shall do.
#[derive(Default)]
pub struct Board {
    pub allocated: u32,
    pub destroyed: u32,
    pub mapped: i32,
    pub images: i32,
    pub transforms: u8,
    pub syncs: u32,
    /// The call that fails.
    pub fails: &'static str,
    /// Changes what a surface says of itself.
    pub lies: Option<Lie>,
}

thread_local! {
    static BOARD: RefCell<Board> = RefCell::default();
}

pub fn board<T>(use_it: impl FnOnce(&mut Board) -> T) -> T {
    BOARD.with_borrow_mut(use_it)
}

fn answer(call: &str) -> c_int {
    board(|board| if board.fails == call { -1 } else { 0 })
}

/// A surface with its bytes, 256 a row.
#[repr(C)]
struct Made {
    surface: RawSurface,
    params: SurfaceParams,
    size: (u32, u32),
    bytes: Vec<u8>,
}

const PITCH: usize = 256;

fn made(width: u32, height: u32, colour: u32, layout: u32) -> *mut RawSurface {
    // SAFETY: both consist of integers and addresses, for which zeros are valid.
    let (surface, params): (RawSurface, SurfaceParams) = unsafe { (std::mem::zeroed(), std::mem::zeroed()) };
    let rows = (height + height.div_ceil(2)) as usize;
    let made = Made { surface, params, size: (width, height), bytes: vec![0; PITCH * rows] };
    let made = Box::into_raw(Box::new(made));
    // SAFETY: just made; the surface is its first field.
    unsafe {
        (*made).surface.list = &raw mut (*made).params;
        let (params, luma) = (&mut (*made).params, PITCH as u32 * height);
        (params.colour, params.layout, params.planes.count) = (colour, layout, 2);
        params.planes.pitch = [PITCH as u32, PITCH as u32, 0, 0];
        params.planes.size = [luma, PITCH as u32 * height.div_ceil(2), 0, 0];
        if let Some(lie) = board(|board| board.lies) {
            lie(params);
        }
    }
    made.cast()
}

unsafe extern "C" fn from_file(_: c_int, found: *mut *mut c_void) -> c_int {
    thread_local! {
        static BLOCKS: *mut RawSurface = made(16, 16, 7, 1);
    }
    // SAFETY: the caller's address.
    unsafe { *found = BLOCKS.with(|blocks| blocks.cast()) };
    answer("NvBufSurfaceFromFd")
}

unsafe extern "C" fn allocate(to: *mut *mut RawSurface, _: u32, wanted: *const Allocate) -> c_int {
    // SAFETY: the caller's addresses.
    unsafe { *to = made((*wanted).width, (*wanted).height, (*wanted).colour, 0) };
    board(|board| board.allocated += 1);
    0
}

unsafe extern "C" fn destroy(surface: *mut RawSurface) -> c_int {
    board(|board| board.destroyed += 1);
    // SAFETY: made above, and this is its last use.
    drop(unsafe { Box::from_raw(surface.cast::<Made>()) });
    0
}

/// What stands at a place of the n-th picture that was transformed.
pub fn sample(picture: u8, plane: usize, row: usize, column: usize) -> u8 {
    (picture as usize * 31 + plane * 101 + row * 7 + column) as u8
}

unsafe extern "C" fn transform(_: *mut RawSurface, to: *mut RawSurface, wanted: *mut Transform) -> c_int {
    let picture = board(|board| {
        board.transforms += 1;
        board.transforms
    });
    // SAFETY: `to` was made above; the rectangles are the caller's.
    unsafe {
        let (left, top) = ((*(*wanted).from).left as usize, (*(*wanted).from).top as usize);
        let ((_, height), bytes) = ((*to.cast::<Made>()).size, &mut (*to.cast::<Made>()).bytes);
        for (at, byte) in bytes.iter_mut().enumerate() {
            let (row, column, height) = (at / PITCH, at % PITCH, height as usize);
            *byte = match row.checked_sub(height) {
                None => sample(picture, 0, row + top, column + left),
                Some(row) => sample(picture, 1, row + top / 2, column + left),
            };
        }
    }
    answer("NvBufSurfTransform")
}

unsafe extern "C" fn copy(
    from: *mut RawSurface,
    _: c_uint,
    plane: c_uint,
    columns: c_uint,
    rows: c_uint,
    to: *mut u8,
) -> c_int {
    // SAFETY: `from` was made above; `to` has the bytes that the caller says.
    unsafe {
        let ((_, height), bytes) = ((*from.cast::<Made>()).size, &(*from.cast::<Made>()).bytes);
        let (row_bytes, first) = (columns as usize * (1 + plane as usize), plane as usize * height as usize * PITCH);
        for row in 0..rows as usize {
            to.add(row * row_bytes).copy_from_nonoverlapping(bytes.as_ptr().add(first + row * PITCH), row_bytes);
        }
    }
    0
}

unsafe extern "C" fn map(surface: *mut RawSurface, _: c_int, plane: c_int, kind: c_uint) -> c_int {
    board(|board| board.mapped += 1);
    // SAFETY: made above.
    unsafe {
        let made = surface.cast::<Made>();
        let start = (*made).bytes.as_mut_ptr();
        (*made).params.mapped = [start, start.add(PITCH * (*made).size.1 as usize), start, start];
    }
    if plane == -1 && kind == 0 { answer("NvBufSurfaceMap") } else { -1 }
}

unsafe extern "C" fn unmap(_: *mut RawSurface, _: c_int, _: c_int) -> c_int {
    board(|board| board.mapped -= 1);
    0
}

unsafe extern "C" fn sync(_: *mut RawSurface, _: c_int, _: c_int) -> c_int {
    board(|board| board.syncs += 1);
    answer("NvBufSurfaceSyncForCpu")
}

unsafe extern "C" fn map_image(surface: *mut RawSurface, _: c_int) -> c_int {
    let answer = answer("NvBufSurfaceMapEglImage");
    if answer == 0 {
        board(|board| board.images += 1);
        // SAFETY: made above.
        unsafe { (*surface.cast::<Made>()).params.image = surface.cast() };
    }
    answer
}

unsafe extern "C" fn unmap_image(_: *mut RawSurface, _: c_int) -> c_int {
    board(|board| board.images -= 1);
    0
}

pub const CALLS: Calls =
    Calls { from_file, allocate, destroy, copy, transform, map, unmap, sync, map_image, unmap_image };
