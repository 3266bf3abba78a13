//! A model's files of weights, by the numbers that they compute with.

use serde::Deserialize;
use std::fmt;
use std::sync::Arc;

/// One ONNX file whose hash was checked.
#[derive(Clone, PartialEq)]
pub struct Weights {
    /// Its name in the folder.
    pub name: String,
    /// The numbers that it computes with.
    pub precision: Precision,
    /// The largest share of OKS mAP and of identity accuracy that it may lose against FP32, 0 to 1.
    pub loss_max: f32,
    /// The file.
    pub bytes: Arc<[u8]>,
}

impl fmt::Debug for Weights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}, {} bytes)", self.name, self.precision, self.bytes.len())
    }
}

/// The numbers that a file of weights computes with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// 32-bit floating point: what every other file is compared with, and what the built-in engine runs best.
    Fp32,
    /// Explicit QuantizeLinear and DequantizeLinear, signed and symmetric: what TensorRT takes.
    Int8,
    /// The same with unsigned activations: what ONNX Runtime runs fast on a CPU.
    U8,
}

impl Precision {
    /// The word in `model.toml`, on the command line and on the wire.
    pub fn word(self) -> &'static str {
        match self {
            Self::Fp32 => "fp32",
            Self::Int8 => "int8",
            Self::U8 => "u8",
        }
    }
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}
