//! The model's contract: what `model.toml` says, checked; nothing in it has a default.

mod check;

use crate::handover::Identity;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use std::path::{Path, PathBuf};

/// A model folder that was read and checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Contract {
    /// The folder.
    pub folder: PathBuf,
    /// The file's content.
    pub written: Written,
    /// The weights lie inside the program.
    inside: bool,
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

/// The bundled model's folder name in messages: it lies inside the program.
const BUNDLED: &str = "(bundled)/socialbox";
const BUNDLED_TOML: &str = include_str!("../models/socialbox/model.toml");
const BUNDLED_ONNX: &[u8] = include_bytes!("../models/socialbox/model.onnx");
/// A `model.toml` beyond this is refused unread, bytes.
const TOML_BYTES_MAX: u64 = 1 << 20;
/// A file of weights beyond this is refused unread, bytes.
const WEIGHTS_BYTES_MAX: u64 = 1 << 30;

impl Contract {
    /// Reads and checks `folder/model.toml` and the hash of the FP32 file.
    pub fn read(folder: &Path) -> Result<Self, ModelError> {
        let text = read_file(&folder.join("model.toml"), TOML_BYTES_MAX)?;
        let text = String::from_utf8(text).map_err(|_| ModelError::Field {
            file: folder.join("model.toml"),
            field: "toml".into(),
            what: "not UTF-8; write it as UTF-8".into(),
        })?;
        let contract = Self::parse(folder, &text)?;
        contract.weights()?;
        Ok(contract)
    }

    /// The model inside the program: four painted mice in a home cage. Needs no file.
    pub fn bundled() -> Result<Self, ModelError> {
        let mut contract = Self::parse(Path::new(BUNDLED), BUNDLED_TOML)?;
        contract.inside = true;
        contract.weights()?;
        Ok(contract)
    }

    /// Checks the text of a `model.toml`; `folder` is where its weights lie. The weights are not looked at.
    pub fn parse(folder: &Path, text: &str) -> Result<Self, ModelError> {
        let file = folder.join("model.toml");
        let written: Written = toml::from_str(text).map_err(|error| ModelError::Field {
            file: file.clone(),
            field: "toml".into(),
            what: format!("{}; every field is required, see models/README.md", error.to_string().trim()),
        })?;
        check::check(&written).map_err(|(field, what)| ModelError::Field { file, field, what })?;
        Ok(Self { folder: folder.to_owned(), written, inside: false })
    }

    /// The bytes of the FP32 file, whose hash was checked just now.
    pub fn weights(&self) -> Result<Cow<'static, [u8]>, ModelError> {
        let file = self.weights_file();
        let bytes = match self.inside {
            true => Cow::Borrowed(BUNDLED_ONNX),
            false => Cow::Owned(read_file(&file, WEIGHTS_BYTES_MAX)?),
        };
        let got: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        let wanted = self.fp32().map_or("", |file| file.sha256.as_str());
        if got != wanted {
            return Err(ModelError::Field {
                file: self.folder.join("model.toml"),
                field: "files.sha256".into(),
                what: format!(
                    "got {got} of {}; {wanted} is written; copy the folder again or export the model again",
                    file.display()
                ),
            });
        }
        Ok(bytes)
    }

    /// Where the FP32 file lies; names the bundled model without being a file.
    pub fn weights_file(&self) -> PathBuf {
        self.folder.join(self.fp32().map_or("model.onnx", |file| file.name.as_str()))
    }

    /// Index of a keypoint.
    pub fn keypoint(&self, name: &str) -> Option<usize> {
        self.written.keypoints.iter().position(|known| known == name)
    }

    /// Index of an identity.
    pub fn identity(&self, name: &str) -> Option<Identity> {
        self.written.identities.iter().position(|known| known.name == name).map(|index| Identity(index as u8))
    }

    /// Place among the outputs, and the output, with this meaning.
    pub fn output(&self, meaning: &str) -> Option<(usize, &WrittenOutput)> {
        self.written.outputs.iter().enumerate().find(|(_, output)| output.meaning == meaning)
    }

    /// Shape of the input tensor: batch, channels, rows, columns.
    pub fn input_shape(&self) -> [usize; 4] {
        [1, 3, self.written.input.height as usize, self.written.input.width as usize]
    }

    /// Values in the input tensor.
    pub fn input_len(&self) -> usize {
        self.input_shape().iter().product()
    }

    fn fp32(&self) -> Option<&WrittenFile> {
        self.written.files.iter().find(|file| file.precision == "fp32")
    }
}

/// A whole file, refused when larger than `most` bytes.
fn read_file(file: &Path, most: u64) -> Result<Vec<u8>, ModelError> {
    let failed = |source| ModelError::Read { file: file.to_owned(), source };
    let size = std::fs::metadata(file).map_err(failed)?.len();
    if size > most {
        return Err(ModelError::Field {
            file: file.to_owned(),
            field: "size".into(),
            what: format!("got {size} bytes; at most {most} are read"),
        });
    }
    std::fs::read(file).map_err(failed)
}
