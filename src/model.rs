//! The model's contract: what `model.toml` says, checked; nothing in it has a default.

use serde::Deserialize;
use std::path::{Path, PathBuf};

/// A model folder that was read and checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Contract {
    /// The folder.
    pub folder: PathBuf,
    /// The file's content.
    pub written: Written,
}

/// `model.toml`, every field required.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Written {
    /// Version of this contract: 1.
    pub contract: u32,
    /// The model's name.
    pub name: String,
    /// One sentence for people.
    pub about: String,
    /// Body parts, in the order of the outputs' channels.
    pub keypoints: Vec<String>,
    /// Pairs of keypoint names to draw a line between.
    pub skeleton: Vec<[String; 2]>,
    /// Pairs of keypoint names that a mirror exchanges: left, right.
    pub left_right: Vec<[String; 2]>,
    /// Who the animals may be, in the order of the identity channels. Empty for a model without identities.
    pub identities: Vec<WrittenIdentity>,
    /// The input tensor.
    pub input: WrittenInput,
    /// How heads become poses.
    pub decoder: WrittenDecoder,
    /// The output tensors.
    pub outputs: Vec<WrittenOutput>,
    /// The weights.
    pub files: Vec<WrittenFile>,
    /// How it was trained.
    pub training: WrittenTraining,
}

/// One identity.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WrittenIdentity {
    /// Its name on the wire.
    pub name: String,
    /// How it is drawn: `#rrggbb`.
    pub colour: String,
}

/// The input tensor: float32, NCHW, batch 1, RGB.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WrittenInput {
    /// Name in the ONNX file.
    pub name: String,
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// `nchw`.
    pub layout: String,
    /// `rgb`.
    pub channels: String,
    /// Subtracted from each 0-to-255 value, by channel.
    pub mean: [f32; 3],
    /// Then divided by, by channel.
    pub scale: [f32; 3],
    /// 0-to-255 value of the letterbox's padding.
    pub padding: u8,
}

/// How heads become poses.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WrittenDecoder {
    /// `centre-offsets`: see `pose/centre.rs`.
    pub kind: String,
    /// A centre below this is no animal.
    pub score_min: f32,
    /// Two centres nearer than this are one animal, model pixels.
    pub separation_px: f32,
    /// A keypoint is looked for this far from where its centre says, model pixels.
    pub reach_px: f32,
}

/// One output tensor, float32.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WrittenOutput {
    /// Name in the ONNX file.
    pub name: String,
    /// `keypoints`, `centre`, `offsets` or `identity`.
    pub meaning: String,
    /// Batch, channels, rows, columns.
    pub shape: [usize; 4],
    /// Model pixels from one cell to the next; cell (0,0) is centred on model pixel ((stride-1)/2, (stride-1)/2).
    pub stride: u32,
}

/// One file of weights.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WrittenFile {
    /// Name in the folder.
    pub name: String,
    /// `fp32`, `int8` or `u8`.
    pub precision: String,
    /// SHA-256 of the file, lower-case hexadecimal.
    pub sha256: String,
}

/// How it was trained and what it scores.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WrittenTraining {
    /// The command that made it.
    pub command: String,
    /// The seed.
    pub seed: u64,
    /// What it was trained on.
    pub data: String,
    /// Where and how the scores were measured.
    pub scores_on: String,
    /// RMSE of visible keypoints, model pixels.
    pub rmse_px: f32,
    /// Share of visible animals given the right name, 0 to 1.
    pub identity_accuracy: f32,
}

/// What is wrong with a model folder.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// A file could not be read.
    #[error("model {file}: {source}; give a folder that holds model.toml and model.onnx", file = file.display())]
    Read {
        /// Which file.
        file: PathBuf,
        /// The system's words.
        source: std::io::Error,
    },
    /// A field is wrong.
    #[error("model {file}: {field}: {what}", file = file.display())]
    Field {
        /// Which file.
        file: PathBuf,
        /// Which field.
        field: String,
        /// What was got, what is allowed, what to do.
        what: String,
    },
}

impl Contract {
    /// Reads and checks `folder/model.toml` and the hash of the FP32 file.
    pub fn read(folder: &Path) -> Result<Self, ModelError> {
        let _ = folder;
        todo!()
    }
}
