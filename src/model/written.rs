//! `model.toml` as it is written; nothing in it has a default.

use super::Precision;
use serde::Deserialize;

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
