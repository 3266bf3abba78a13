//! The C interface of input.h: a GPU that fills the model's input from pictures, without TensorRT. One of the files that may be `unsafe`.
#![allow(unsafe_code)]

use super::super::library::Fault;
use super::super::picture::{Numbers, Picture};
use crate::handover::{EglImage, Kept, Lent};
use std::ffi::{CStr, c_char, c_void};
use std::ptr;

/// The kernel as the driver takes it.
pub(super) const KERNEL: &CStr =
    match CStr::from_bytes_with_nul(concat!(include_str!("../picture.ptx"), "\0").as_bytes()) {
        Ok(text) => text,
        Err(_) => c"",
    };

/// `ArenadPicture` of picture.h.
#[repr(C)]
pub(super) struct RawPicture {
    planes: [*const u8; 3],
    numbers: Numbers,
}

const _: () = assert!(size_of::<RawPicture>() == 128, "picture.h has another layout");

impl RawPicture {
    pub(super) fn new(picture: &Picture<'_>) -> Self {
        Self { planes: picture.planes().map(<[u8]>::as_ptr), numbers: picture.numbers() }
    }
}

/// `ArenadSurface` of surface.h.
#[repr(C)]
pub(super) struct RawSurface {
    image: *mut c_void,
    y_at: usize,
    chroma_at: usize,
}

impl RawSurface {
    /// Where a picture lies in its surface.
    pub(super) fn new(picture: &Picture<'_>, lent: &Lent) -> Result<Self, Fault> {
        let [y, chroma, _] = picture.planes();
        let at = |part: &[u8], (whole, _): (&[u8], usize)| {
            let at = part.as_ptr().addr().checked_sub(whole.as_ptr().addr())?;
            (at.checked_add(part.len())? <= whole.len()).then_some(at)
        };
        let [whole_y, whole_chroma] = lent.planes();
        let (Some(y_at), Some(chroma_at)) = (at(y, whole_y), at(chroma, whole_chroma)) else {
            return Err(Fault::Run("the picture is in another surface".to_owned()));
        };
        Ok(Self { image: handle(lent.image()), y_at, chroma_at })
    }
}

/// The handle as CUDA takes it.
pub(super) fn handle(image: EglImage) -> *mut c_void {
    ptr::with_exposed_provenance_mut(image.handle())
}

#[repr(C)]
struct Said {
    text: [c_char; 256],
}

impl Said {
    fn new() -> Self {
        Self { text: [0; 256] }
    }

    /// `code` with the words that belong to it.
    fn checked(&self, code: i32, kind: impl Fn(String) -> Fault) -> Result<(), Fault> {
        if code == 0 {
            return Ok(());
        }
        let bytes = self.text.iter().map(|byte| byte.to_ne_bytes()[0]).take_while(|byte| *byte != 0);
        Err(kind(String::from_utf8_lossy(&bytes.collect::<Vec<_>>()).into_owned()))
    }
}

type Lookup = unsafe extern "C" fn(*const c_char) -> *mut c_void;

unsafe extern "C" {
    fn arenad_input_open(
        lookup: Option<Lookup>,
        ptx: *const c_char,
        count: usize,
        gpu: *mut u8,
        input: *mut *mut c_void,
        said: *mut Said,
    ) -> i32;
    fn arenad_input_fill(
        input: *mut c_void,
        picture: *const RawPicture,
        surface: *const RawSurface,
        gpu_ms: *mut f32,
        said: *mut Said,
    ) -> i32;
    fn arenad_input_take(input: *mut c_void, values: *mut f32, count: usize, said: *mut Said) -> i32;
    fn arenad_input_close(input: *mut c_void);
}

/// The model's input on GPU 0, filled from pictures.
pub struct GpuInput {
    raw: *mut c_void,
    gpu: String,
    /// Surfaces that the driver knows: they go after the input.
    kept: Vec<(EglImage, Kept)>,
}

// SAFETY: each call makes the GPU's context current; `&mut self` keeps it to one thread at a time.
unsafe impl Send for GpuInput {}

impl Drop for GpuInput {
    fn drop(&mut self) {
        // SAFETY: `raw` came from `arenad_input_open`, and this is its last use.
        unsafe { arenad_input_close(self.raw) }
    }
}

impl GpuInput {
    /// Opens the driver and an input of so many numbers.
    pub fn open(count: usize) -> Result<Self, Fault> {
        Self::through(None, count)
    }

    fn through(lookup: Option<Lookup>, count: usize) -> Result<Self, Fault> {
        let (mut raw, mut gpu, mut said) = (ptr::null_mut(), [0; 256], Said::new());
        // SAFETY: all pointers are to live values of the types of input.h.
        let code = unsafe {
            let (gpu, raw) = (gpu.as_mut_ptr(), &raw mut raw);
            arenad_input_open(lookup, KERNEL.as_ptr(), count, gpu, raw, &raw mut said)
        };
        said.checked(code, Fault::Device)?;
        let gpu: Vec<u8> = gpu.into_iter().take_while(|byte| *byte != 0).collect();
        Ok(Self { raw, gpu: String::from_utf8_lossy(&gpu).into_owned(), kept: Vec::new() })
    }

    /// The GPU's name.
    pub fn gpu(&self) -> &str {
        &self.gpu
    }

    /// Fills the input from a picture and waits for it; milliseconds on the GPU, the picture's copy included.
    pub fn fill(&mut self, picture: &Picture<'_>) -> Result<f32, Fault> {
        let (raw, mut gpu_ms, mut said) = (RawPicture::new(picture), 0.0, Said::new());
        // SAFETY: the input is open, the planes live as long as the call, which copies them, and have the bytes that `Picture` promises.
        let code = unsafe { arenad_input_fill(self.raw, &raw const raw, ptr::null(), &raw mut gpu_ms, &raw mut said) };
        said.checked(code, Fault::Run).map(|()| gpu_ms)
    }

    /// The same of a picture that its decoder lent, which is not copied; its surface is kept as long as the input.
    pub fn fill_in_place(&mut self, picture: &Picture<'_>, lent: &Lent) -> Result<f32, Fault> {
        let (raw, surface, mut gpu_ms, mut said) =
            (RawPicture::new(picture), RawSurface::new(picture, lent)?, 0.0, Said::new());
        if !self.kept.iter().any(|(image, _)| *image == lent.image()) {
            self.kept.push((lent.image(), lent.keep()));
        }
        // SAFETY: the input is open; the surface holds the picture at these places, and the call waits until it was read.
        let code =
            unsafe { arenad_input_fill(self.raw, &raw const raw, &raw const surface, &raw mut gpu_ms, &raw mut said) };
        said.checked(code, Fault::Run).map(|()| gpu_ms)
    }

    /// The input's numbers; another count than its own is refused.
    pub fn take(&mut self, values: &mut [f32]) -> Result<(), Fault> {
        let mut said = Said::new();
        // SAFETY: the input is open; `values` holds `len` numbers.
        let code = unsafe { arenad_input_take(self.raw, values.as_mut_ptr(), values.len(), &raw mut said) };
        said.checked(code, Fault::Run)
    }
}

#[cfg(test)]
mod tests;
