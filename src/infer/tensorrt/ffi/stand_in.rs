//! What the tests have of a decoder: a surface in ordinary memory, and the EGLImage by which the stand-in driver finds it.

use crate::handover::{EglImage, PictureSize, Surface};
use std::sync::Arc;

pub const SIZE: PictureSize = PictureSize { width: 13, height: 7 };
pub const PITCH: usize = 32;
const LUMA: usize = PITCH * 7;
const BYTES: usize = LUMA + PITCH * 4;

unsafe extern "C" {
    fn arenad_stand_in_driver(shares_memory: i32, refuses_kernels: i32) -> i32;
    fn arenad_stand_in_egl(refuses: i32) -> i32;
}

/// This thread's driver, whose GPU has the CPU's memory or not; how often it was asked for memory.
pub fn driver(shares_memory: bool) -> i32 {
    // SAFETY: it sets numbers of this thread.
    unsafe { arenad_stand_in_driver(shares_memory.into(), 0) }
}

/// How many EGLImages this thread's driver knows; from here on it registers none (1), or says another pitch (2).
pub fn egl(refuses: i32) -> i32 {
    // SAFETY: as above.
    unsafe { arenad_stand_in_egl(refuses) }
}

/// An EGLImage of the stand-in driver.
#[derive(Debug)]
#[repr(C)]
struct Image {
    planes: [*const u8; 2],
    size: [u32; 2],
    pitch: u32,
}

/// A surface whose memory the test owns and never frees.
#[derive(Debug)]
pub struct Memory {
    start: *mut u8,
    image: *const Image,
}

// SAFETY: each test has its own and uses it in one thread.
unsafe impl Send for Memory {}
// SAFETY: as above.
unsafe impl Sync for Memory {}

impl Memory {
    /// `apart`: what the GPU finds is other memory, which is never filled.
    pub fn new(apart: bool) -> Arc<Self> {
        let make = || vec![128; BYTES].leak().as_mut_ptr();
        let start = make();
        let seen: *const u8 = if apart { make() } else { start };
        let planes = [seen, seen.wrapping_add(LUMA)];
        let image = Box::leak(Box::new(Image { planes, size: [SIZE.width, SIZE.height], pitch: PITCH as u32 }));
        Arc::new(Self { start, image })
    }

    /// As the decoder fills it.
    pub fn fill(&self, seed: u32) {
        for at in 0..BYTES {
            // SAFETY: inside the memory, of which nobody has a slice now.
            unsafe { *self.start.add(at) = ((at as u32 ^ seed).wrapping_mul(2_654_435_761) >> 24) as u8 };
        }
    }
}

impl Surface for Memory {
    fn planes(&self) -> [(&[u8], usize); 2] {
        // SAFETY: never freed, and not written while the slice is used.
        let bytes = unsafe { std::slice::from_raw_parts(self.start, BYTES) };
        [(&bytes[..LUMA], PITCH), (&bytes[LUMA..], PITCH)]
    }

    fn image(&self) -> EglImage {
        EglImage::new(self.image.expose_provenance())
    }
}
