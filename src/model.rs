//! The model's contract: what `model.toml` says, checked; nothing in it has a default.

mod bundled;
pub mod onnx;
mod verify;
mod weights;

pub use bundled::BUNDLED;
pub use weights::{Precision, Weights};

use crate::handover::Identity;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A model folder that was read and checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Contract {
    /// The folder; `(bundled)/<name>` for one in the program.
    pub folder: PathBuf,
    /// The file's content.
    pub written: Written,
    /// The weights, one for each of `written.files` and in their order; exactly one is FP32.
    pub weights: Vec<Weights>,
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

/// How heads become poses: one variant for each decoder in `pose/`, named by `kind`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum WrittenDecoder {
    /// A map of body centres, from each the way to every keypoint, heatmaps to place keypoints exactly: `pose/centre.rs`.
    /// Outputs: `keypoints`, `centre`, `offsets`, `parents` and, where there are identities, `identity`.
    CentreOffsets {
        /// A centre below this is no animal.
        score_min: f32,
        /// Two centres nearer than this are one animal, model pixels.
        separation_px: f32,
        /// A keypoint is looked for about this far from where its centre and its parent say, model pixels.
        reach_px: f32,
        /// Each keypoint's parent in the body's tree; the root's is itself.
        parents: Vec<String>,
    },
    /// Boxes with class scores and keypoints, as Ultralytics' pose networks give them: `pose/yolo.rs`. Output: `detections`, shape
    /// 1, 4 + classes + values of the keypoints, 1, boxes; stride 1. The classes are the identities; without identities there is one.
    YoloPose {
        /// A box whose best class is not above this is no animal.
        score_min: f32,
        /// Of two boxes whose intersection over union is above this the better one stays.
        overlap_max: f32,
        /// Boxes of different classes count as overlapping too.
        across_classes: bool,
        /// Each keypoint has three values, x, y and a score, not two; without, it takes its box's score.
        visibility: bool,
    },
    /// One animal, a heatmap a keypoint and where in its cell the keypoint lies: `pose/heatmap.rs`.
    /// Outputs: `heatmaps` and `locref`, which has two channels (x, y) a keypoint.
    HeatmapLocref {
        /// Where the mean score of all keypoints is below this there is no animal.
        score_min: f32,
        /// Model pixels that a `locref` of 1 stands for; 0 for a network without that output.
        locref_stdev: f32,
    },
    /// Several animals, their keypoints joined by part affinity fields: `pose/affinity.rs`.
    PartAffinity(WrittenPartAffinity),
    /// One animal, a confidence map a keypoint: `pose/sleap/confidence_maps.rs`. In this kind and the three after it
    /// strides count network pixels, and cell (0,0) is centred on network pixel (0,0). Output: `keypoints`.
    ConfidenceMaps {
        /// Network pixels a model pixel.
        scale: f32,
        /// A map's peak below this is no keypoint.
        score_min: f32,
        /// A peak is placed by the mean of so many cells in a square, an odd number to 9; 0 leaves it on its cell.
        patch: u32,
    },
    /// Top-down: the graph finds the animals and looks at a cutting of each: `pose/sleap/centred_instances.rs`.
    /// Outputs: `keypoints` (batch: one map set a cutting), `centroids` ([1, 1, cuttings, 3]: x, y in model pixels,
    /// score, best first) and, where there are identities, `identity` ([1, 1, cuttings, identities]: likelihoods).
    CentredInstances {
        /// Network pixels a model pixel, in cuttings.
        scale: f32,
        /// A map's peak below this is no keypoint.
        score_min: f32,
        /// See `ConfidenceMaps`.
        patch: u32,
        /// A centroid below this is no animal.
        centroid_min: f32,
        /// Width and height of a cutting, model pixels.
        crop: [u32; 2],
    },
    /// Bottom-up: peaks of all animals, joined along the skeleton's edges: `pose/sleap/affinity_fields.rs`. Outputs:
    /// `keypoints`, and `affinities` with x then y of a unit vector for each edge.
    AffinityFields {
        /// Network pixels a model pixel.
        scale: f32,
        /// A map's peak below this is no keypoint.
        score_min: f32,
        /// See `ConfidenceMaps`.
        patch: u32,
        /// Pairs of keypoint names, from and to, in the order of the channels.
        edges: Vec<[String; 2]>,
        /// Which edges are assembled, in this order, from the root on; numbers of `edges`, counted from 0.
        order: Vec<u32>,
        /// Places on a line between two peaks where the field is looked at.
        points: u32,
        /// A longer line is worth less, network pixels.
        length_max: f32,
        /// How much less at most: the score of an endless line falls by this.
        length_loss: f32,
        /// A line that scores less, -1 to 1, joins nothing.
        line_score_min: f32,
        /// An animal with fewer keypoints is none.
        keypoints_min: u32,
    },
    /// Bottom-up with identities: peaks of all animals, and a map a class that says whose they are:
    /// `pose/sleap/class_maps.rs`. Outputs: `keypoints` and `identity`.
    ClassMaps {
        /// Network pixels a model pixel.
        scale: f32,
        /// A map's peak below this is no keypoint.
        score_min: f32,
        /// See `ConfidenceMaps`.
        patch: u32,
    },
}

/// How keypoints of several animals become poses.
///
/// Outputs: `heatmaps`; `locref` (x, y of each keypoint); `affinity` (x, y of each edge, in the order of `edges`); where there are
/// identities, `identity`, a map of logits each.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WrittenPartAffinity {
    /// Most animals in a picture.
    pub animals_max: usize,
    /// A peak of a heatmap below this is no keypoint.
    pub keypoint_min: f32,
    /// Side of the square, cells, in which a peak is the highest. Odd.
    pub peak_window: usize,
    /// Model pixels that a `locref` of 1 stands for; 0 for a network without that output.
    pub locref_stdev: f32,
    /// Two keypoints whose field is weaker than this are not joined.
    pub affinity_min: f32,
    /// An animal with fewer joints than this, and more than none, is dropped.
    pub links_min: usize,
    /// Of two animals that share more than this of their keypoints' area the weaker is dropped.
    pub overlap_max: f32,
    /// Pairs of keypoint names that a field joins.
    pub edges: Vec<[String; 2]>,
}

/// One output tensor, float32.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WrittenOutput {
    /// Name in the ONNX file.
    pub name: String,
    /// What it says; which meanings there are is told with each variant of [`WrittenDecoder`].
    pub meaning: String,
    /// Batch, channels, rows, columns.
    pub shape: [usize; 4],
    /// Model pixels from one cell to the next; cell (0,0) is centred on model pixel ((stride-1)/2, (stride-1)/2), unless the kind of
    /// decoder says otherwise.
    pub stride: u32,
}

/// One file of weights.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WrittenFile {
    /// Name in the folder.
    pub name: String,
    /// `fp32` (exactly one file), `int8` or `u8`.
    pub precision: Precision,
    /// SHA-256 of the file, lower-case hexadecimal.
    pub sha256: String,
    /// The largest share of OKS mAP and of identity accuracy that it may lose against `fp32`, 0 to 1; 0 for `fp32` itself.
    pub loss_max: f32,
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
    /// RMSE of visible keypoints, model pixels; left out where nobody measured it.
    pub rmse_px: Option<f32>,
    /// Share of visible animals given the right name, 0 to 1; left out where nobody measured it.
    pub identity_accuracy: Option<f32>,
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
    /// `model.toml` is not TOML, or a field is missing, unknown or of the wrong type.
    #[error("model {file}: {what}", file = file.display())]
    Syntax {
        /// Which file.
        file: PathBuf,
        /// Where and what, in the reader's words.
        what: String,
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

/// All weights of a model together; more is refused before it is read: a pose network for one arena is a few megabytes.
const WEIGHTS_MAX_BYTES: u64 = 256 << 20;

impl Contract {
    /// The model that `folder` means: the one in that folder, else the bundled one of that name; `None` is the first bundled one.
    pub fn find(folder: Option<&Path>) -> Result<Self, ModelError> {
        let Some(folder) = folder else { return Self::bundled() };
        let bundled = || BUNDLED.iter().find(|model| Path::new(model.name) == folder);
        match bundled() {
            Some(model) if !folder.exists() => model.contract(),
            _ => Self::read(folder),
        }
    }

    /// Reads and checks `folder/model.toml` and the files of weights that it names.
    pub fn read(folder: &Path) -> Result<Self, ModelError> {
        let file = folder.join("model.toml");
        let text = read(&file, 1 << 20)?;
        let text = String::from_utf8(text).map_err(|error| ModelError::Syntax {
            file: file.clone(),
            what: format!("{error}; allowed: UTF-8 text"),
        })?;
        let mut left = WEIGHTS_MAX_BYTES;
        Self::checked(folder, &text, |written| {
            let bytes = read(&folder.join(&written.name), left)?;
            left -= bytes.len() as u64;
            Ok(bytes.into())
        })
    }

    /// The model that is taken where no folder is named.
    pub fn bundled() -> Result<Self, ModelError> {
        BUNDLED[0].contract()
    }

    /// The contract `text` with the weights that `bytes` gives for each of its files.
    fn checked(
        folder: &Path,
        text: &str,
        mut bytes: impl FnMut(&WrittenFile) -> Result<Arc<[u8]>, ModelError>,
    ) -> Result<Self, ModelError> {
        let file = folder.join("model.toml");
        let written = parse(&file, text)?;
        let mut weights = Vec::new();
        for one in &written.files {
            let WrittenFile { name, precision, loss_max, sha256 } = one;
            let bytes = bytes(one)?;
            let hash: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
            if hash != *sha256 {
                let what = format!(
                    "{name} has the hash {hash}; allowed: {sha256}; the file is damaged or from another export: export the model again"
                );
                return Err(ModelError::Field { file, field: "files.sha256".to_owned(), what });
            }
            weights.push(Weights { name: name.clone(), precision: *precision, loss_max: *loss_max, bytes });
        }
        Ok(Self { folder: folder.to_owned(), written, weights })
    }

    /// The weights of this precision, if the model has such a file.
    pub fn weights(&self, precision: Precision) -> Option<&Weights> {
        self.weights.iter().find(|weights| weights.precision == precision)
    }

    /// Reads the graph of one file as [`onnx::check`] does; every engine asks this before it takes the file.
    pub fn check_graph(&self, weights: &Weights) -> Result<(), ModelError> {
        onnx::check(&weights.bytes, &self.written).map_err(|onnx::Fault { field, what }| {
            let file = self.folder.join(&weights.name);
            ModelError::Field { file, field, what }
        })
    }

    /// How many values the input tensor holds.
    pub fn input_len(&self) -> usize {
        3 * self.written.input.width as usize * self.written.input.height as usize
    }

    /// Index of the keypoint `name`.
    pub fn keypoint(&self, name: &str) -> Option<usize> {
        self.written.keypoints.iter().position(|keypoint| keypoint == name)
    }

    /// The identity `name`.
    pub fn identity(&self, name: &str) -> Option<Identity> {
        let index = self.written.identities.iter().position(|identity| identity.name == name)?;
        u8::try_from(index).ok().map(Identity)
    }

    /// The output whose meaning is `meaning`, with its index among the outputs.
    pub fn output(&self, meaning: &str) -> Option<(usize, &WrittenOutput)> {
        self.written.outputs.iter().enumerate().find(|(_, output)| output.meaning == meaning)
    }
}

fn parse(file: &Path, text: &str) -> Result<Written, ModelError> {
    let written: Written = toml::from_str(text)
        .map_err(|error| ModelError::Syntax { file: file.to_owned(), what: error.to_string().trim().to_owned() })?;
    match verify::complaint(&written) {
        Some((field, what)) => Err(ModelError::Field { file: file.to_owned(), field, what }),
        None => Ok(written),
    }
}

/// The whole file, unless it is larger than `most` bytes.
fn read(file: &Path, most: u64) -> Result<Vec<u8>, ModelError> {
    use std::io::Read as _;
    let failed = |source| ModelError::Read { file: file.to_owned(), source };
    let mut bytes = Vec::new();
    std::fs::File::open(file).map_err(failed)?.take(most + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > most {
        return Err(ModelError::Syntax {
            file: file.to_owned(),
            what: format!("is larger than {most} bytes; allowed: at most that"),
        });
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = include_str!("../models/socialbox/model.toml");

    #[test]
    fn the_bundled_model_keeps_its_contract() {
        let contract = Contract::bundled().unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(contract.keypoint("T_end"), Some(8));
        assert_eq!(contract.identity("Y"), Some(Identity(3)));
        assert_eq!(contract.output("centre").map(|(index, _)| index), Some(1));
    }

    /// The error of the bundled contract with `from` replaced by `to`.
    fn error(from: &str, to: &str) -> String {
        assert!(GOOD.contains(from), "the bundled contract has no {from}");
        parse(Path::new("m/model.toml"), &GOOD.replacen(from, to, 1)).expect_err("refused").to_string()
    }

    #[test]
    fn each_wrong_field_is_named_with_what_is_allowed() {
        for (from, to, expected) in [
            ("contract = 1", "contract = 2", "model m/model.toml: contract: got 2; allowed: 1; export the model again"),
            (
                "\"L_ear\", \"R_ear\", \"L_flnk\"",
                "\"nose\", \"R_ear\", \"L_flnk\"",
                "model m/model.toml: keypoints: \"nose\" stands twice; allowed: each name once",
            ),
            (
                "[\"nose\", \"L_ear\"]",
                "[\"nose\", \"ear\"]",
                "model m/model.toml: skeleton: got \"ear\"; allowed: a name among keypoints",
            ),
            ("#e2333d", "red", "model m/model.toml: identities: got the colour \"red\"; allowed: #rrggbb"),
            (
                "layout = \"nchw\"",
                "layout = \"nhwc\"",
                "model m/model.toml: input.layout: got \"nhwc\"; allowed: \"nchw\"",
            ),
            ("width = 640", "width = 64000", "model m/model.toml: input.width: got 64000; allowed: 32 to 4096"),
            (
                "scale = [255.0",
                "scale = [0.0",
                "model m/model.toml: input.scale: got [0.0, 255.0, 255.0]; allowed: finite numbers other than 0",
            ),
            (
                "parents = [\"R_ear\"",
                "parents = [\"ear\"",
                "model m/model.toml: decoder.parents: got \"ear\"; allowed: a name among keypoints",
            ),
            (
                "parents = [\"R_ear\"",
                "parents = [\"cntr\", \"R_ear\"",
                "model m/model.toml: decoder.parents: got 10 names; allowed: one for each of the 9 keypoints",
            ),
            (
                "\"R_flnk\", \"T_base\", \"T_mid\"]\n\n[training]",
                "\"T_end\", \"T_base\", \"T_mid\"]\n\n[training]",
                "model m/model.toml: decoder.parents: \"T_base\" is among its own parents; allowed: a tree whose root is its own parent",
            ),
            ("reach_px = 24.0", "reach_px = -1.0", "model m/model.toml: decoder.reach_px: got -1; allowed: 0 to 1000"),
            (
                "shape = [1, 9, 120, 160]",
                "shape = [1, 8, 120, 160]",
                "model m/model.toml: outputs.keypoints: got the shape [1, 8, 120, 160]; allowed: [1, 9, 120, 160] at stride 4",
            ),
            (
                "meaning = \"identity\"",
                "meaning = \"what\"",
                "model m/model.toml: outputs.identity: got the meaning \"what\"; allowed: keypoints, centre, offsets, parents, identity",
            ),
        ] {
            assert_eq!(error(from, to), expected);
        }
    }

    #[test]
    fn a_missing_field_and_an_unknown_one_are_named() {
        assert!(error("padding = 0\n", "").contains("missing field `padding`"));
        assert!(error("padding = 0", "padding = 0\ngamma = 2").contains("unknown field `gamma`"));
        assert!(error("separation_px = 12.0\n", "").contains("missing field `separation_px`"));
        assert!(error("separation_px", "apart_px").contains("unknown field `apart_px`"));
        assert!(error("centre-offsets", "heat").contains("unknown variant `heat`, expected one of"));
    }

    #[test]
    fn weights_with_another_hash_are_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("model.toml"), GOOD).expect("written");
        std::fs::write(folder.path().join("model.onnx"), b"not it").expect("written");
        let error = Contract::read(folder.path()).expect_err("refused").to_string();
        assert!(error.contains("files.sha256: model.onnx has the hash "), "{error}");
        assert!(error.ends_with("the file is damaged or from another export: export the model again"), "{error}");
    }

    #[test]
    fn a_folder_without_a_contract_says_what_to_give() {
        let error = Contract::read(Path::new("/nonexistent")).expect_err("refused").to_string();
        assert_eq!(
            error,
            "model /nonexistent/model.toml: No such file or directory (os error 2); give a folder that holds model.toml and model.onnx"
        );
    }
}
