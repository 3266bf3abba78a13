//! What a TensorRT library does for the engine: the seam between `TensorRt` and the C interface, and what can go wrong behind it.

use super::picture::Picture;
use crate::handover::{EglImage, Lent};
use crate::infer::Values;

/// What opens, builds and loads engines. Real form: `ffi`; the tests have one of their own.
pub trait Library: Sync {
    /// Which TensorRT on which GPU.
    fn about(&self) -> &About;

    /// Builds an engine; takes minutes on a board. `told` hears each step, from any thread.
    fn build(&self, onnx: &[u8], options: BuildOptions, told: &(dyn Fn(Step) + Sync)) -> Result<Vec<u8>, Fault>;

    /// Reads an engine that was built for this DLA core.
    fn load(&self, plan: &[u8], dla: Option<u32>) -> Result<Box<dyn Session>, Fault>;
}

/// An engine with its buffers.
pub trait Session: Send {
    /// Inputs and outputs, by their indexes.
    fn tensors(&self) -> &[Tensor];

    /// Makes buffers, stream and graph and runs twice on zeros.
    fn start(&mut self) -> Result<(), Fault>;

    /// Copies an input's values into its pinned buffer.
    fn put(&mut self, tensor: usize, values: &[f32]) -> Result<(), Fault>;

    /// Runs once; milliseconds on the GPU, copies included.
    fn run(&mut self) -> Result<f32, Fault>;

    /// Copies an output's values out of its pinned buffer.
    fn take(&mut self, tensor: usize, values: &mut [f32]) -> Result<(), Fault>;

    /// Where each run leaves an output's `count` values, after the start; `None`: they must be taken.
    fn lend(&mut self, _tensor: usize, _count: usize) -> Option<Values> {
        None
    }

    /// Makes ready for pictures in the place of an input's values.
    fn open_pictures(&mut self) -> Result<(), Fault> {
        Err(Fault::Device("it takes numbers alone".to_owned()))
    }

    /// Copies a picture and queues what fills the input from it: the next run is on it.
    fn put_picture(&mut self, _tensor: usize, _picture: &Picture<'_>) -> Result<(), Fault> {
        Err(Fault::Run("it takes numbers alone".to_owned()))
    }

    /// Whether it finds pictures where a decoder left them; after `open_pictures`.
    fn reads_in_place(&self) -> bool {
        false
    }

    /// As `put_picture` for a picture of this surface, which is not copied: it must stay as it is until the next run is over. The surface
    /// must live until it is forgotten or the session is gone.
    fn put_in_place(&mut self, _tensor: usize, _picture: &Picture<'_>, _lent: &Lent) -> Result<(), Fault> {
        Err(Fault::Run("it takes numbers alone".to_owned()))
    }

    /// Waits for what is queued and forgets a surface.
    fn forget(&mut self, _image: EglImage) {}

    /// Copies out what an input holds on the GPU.
    fn peek(&mut self, _tensor: usize, _values: &mut [f32]) -> Result<(), Fault> {
        Err(Fault::Run("it shows nothing".to_owned()))
    }
}

/// An input or output of an engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tensor {
    /// Its name in the ONNX file.
    pub name: String,
    /// Goes in; else comes out.
    pub input: bool,
    /// Its numbers are 32-bit floating point.
    pub fp32: bool,
    /// Its sizes, -1 for one that is not fixed.
    pub shape: Vec<i64>,
}

/// What an engine is built by and for: another one of these needs another engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct About {
    /// TensorRT's version as its library says it: 8601, 100300.
    pub version: i32,
    /// The driver's version: 12060.
    pub driver: i32,
    /// The GPU's name.
    pub gpu: String,
    /// Its compute capability.
    pub compute: (i32, i32),
    /// DLA cores that this TensorRT can use on this board.
    pub dla_cores: u32,
}

impl About {
    /// TensorRT, GPU and driver in words.
    pub fn words(&self) -> String {
        let (major, minor) = self.compute;
        let driver = (self.driver / 1000, self.driver % 1000 / 10);
        format!("TensorRT {} on {} ({major}.{minor}), CUDA {}.{}", self.version_text(), self.gpu, driver.0, driver.1)
    }

    /// The version in words: 8.6.1, 10.3.0.
    pub fn version_text(&self) -> String {
        let thousands = if self.version >= 10_000 { 10_000 } else { 1000 };
        format!("{}.{}.{}", self.version / thousands, self.version % thousands / 100, self.version % 100)
    }
}

/// What a build may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BuildOptions {
    /// FP16 where it is faster.
    pub fp16: bool,
    /// The file's QuantizeLinear are taken as INT8.
    pub int8: bool,
    /// The DLA core that takes the layers that it can, the GPU the others; `None`: the GPU alone.
    pub dla: Option<u32>,
    /// Scratch memory that a layer may ask for.
    pub workspace_bytes: u64,
}

/// How far a build is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// TensorRT's name for what it does.
    pub phase: String,
    /// Steps of it that are done.
    pub done: i32,
    /// Of so many; 0 where that is not known.
    pub of: i32,
}

/// What went wrong behind the seam, in the library's own words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// A library is missing or lacks what is needed.
    #[error("{0}")]
    Library(String),
    /// A library of another major version.
    #[error("{0}")]
    Version(String),
    /// No driver, no GPU or no memory.
    #[error("{0}")]
    Device(String),
    /// The ONNX file is not taken.
    #[error("{0}")]
    Model(String),
    /// The engine is not taken.
    #[error("{0}")]
    Plan(String),
    /// A run failed.
    #[error("{0}")]
    Run(String),
}
