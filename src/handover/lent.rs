//! A picture that stays where its decoder put it: the CPU and a GPU read it there, and it goes back when its last frame is dropped.

use std::fmt::Debug;
use std::sync::Arc;

/// The handle of an EGLImage, by which CUDA finds the memory of a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EglImage(usize);

impl EglImage {
    /// Whoever names an image keeps it for as long as its `Surface` lives: CUDA follows the handle unseen. Hence for this crate alone.
    #[cfg(any(feature = "nvdec", test))]
    pub(crate) fn new(handle: usize) -> Self {
        Self(handle)
    }

    /// The handle itself.
    pub fn handle(self) -> usize {
        self.0
    }
}

/// A device's memory with an NV12 picture in rows.
pub trait Surface: Debug + Send + Sync {
    /// Y, then U and V interleaved, as the CPU reads them: bytes, of which each row has a whole stride, and that stride.
    fn planes(&self) -> [(&[u8], usize); 2];

    /// The same memory for a GPU, whose rows have the same strides.
    fn image(&self) -> EglImage;
}

/// A surface while pictures are in it. Frames share it by `Arc`: a decoder that alone is left with it may fill it anew.
#[derive(Debug)]
pub struct Lent(Arc<dyn Surface>);

impl Lent {
    /// Lends this surface.
    pub fn new(surface: Arc<dyn Surface>) -> Self {
        Self(surface)
    }

    /// Y, then U and V interleaved: bytes and stride.
    pub fn planes(&self) -> [(&[u8], usize); 2] {
        self.0.planes()
    }

    /// The memory for a GPU.
    pub fn image(&self) -> EglImage {
        self.0.image()
    }

    /// Keeps the memory, but not what is in it: the decoder may fill it anew.
    pub fn keep(&self) -> Kept {
        Kept(Arc::clone(&self.0))
    }
}

/// A surface that must not be freed, as long as a GPU knows its memory.
#[derive(Debug)]
pub struct Kept(Arc<dyn Surface>);

impl Kept {
    /// Nobody else has the surface: no picture will come in it.
    pub fn is_last(&self) -> bool {
        Arc::strong_count(&self.0) == 1
    }
}
