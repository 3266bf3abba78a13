//! Heads to poses: one decoder for each kind of head. Pure and deterministic; allocates nothing after construction.

mod affinity;
mod centre;
mod heatmap;
mod pairing;
mod sleap;
mod yolo;

use crate::handover::Poses;
use crate::infer::Heads;
use crate::model::{Contract, WrittenDecoder};
use crate::space::Letterbox;
use affinity::PartAffinity;
use centre::{CentreOffsets, Limits};
use heatmap::Heatmap;
use sleap::Reading;
use sleap::affinity_fields::{AffinityFields, Lines};
use sleap::centred_instances::{CentredInstances, Crop};
use sleap::class_maps::ClassMaps;
use sleap::confidence_maps::ConfidenceMaps;
use yolo::YoloPose;

/// Why poses cannot be read from a model's heads.
#[derive(Debug, thiserror::Error)]
pub enum PoseError {
    /// The contract lacks an output.
    #[error("model {model}: outputs: none means {meaning:?}; its decoder needs one")]
    Output {
        /// The model's name.
        model: String,
        /// Which.
        meaning: &'static str,
    },
}

/// Reads poses as the contract says.
#[derive(Debug)]
pub struct PoseReader {
    decoder: Decoder,
}

/// One for each variant of `WrittenDecoder`.
#[derive(Debug)]
enum Decoder {
    CentreOffsets(Box<CentreOffsets>),
    YoloPose(YoloPose),
    HeatmapLocref(Heatmap),
    PartAffinity(Box<PartAffinity>),
    ConfidenceMaps(ConfidenceMaps),
    CentredInstances(CentredInstances),
    AffinityFields(AffinityFields),
    ClassMaps(ClassMaps),
}

impl PoseReader {
    /// The reader of the contract's decoder.
    pub fn new(contract: &Contract) -> Result<Self, PoseError> {
        let decoder = match &contract.written.decoder {
            WrittenDecoder::CentreOffsets { score_min, separation_px, reach_px, parents } => {
                let limits = Limits { score_min: *score_min, separation: *separation_px, reach: *reach_px };
                Decoder::CentreOffsets(Box::new(CentreOffsets::new(contract, limits, parents)?))
            }
            WrittenDecoder::YoloPose { score_min, overlap_max, across_classes, visibility } => {
                let limits = yolo::Limits {
                    score_min: *score_min,
                    overlap_max: *overlap_max,
                    across_classes: *across_classes,
                    visibility: *visibility,
                };
                Decoder::YoloPose(YoloPose::new(contract, limits)?)
            }
            WrittenDecoder::HeatmapLocref { score_min, locref_stdev } => {
                Decoder::HeatmapLocref(Heatmap::new(contract, *score_min, *locref_stdev)?)
            }
            WrittenDecoder::PartAffinity(written) => {
                Decoder::PartAffinity(Box::new(PartAffinity::new(contract, written)?))
            }
            &WrittenDecoder::ConfidenceMaps { scale, score_min, patch } => {
                Decoder::ConfidenceMaps(ConfidenceMaps::new(contract, Reading { scale, score_min, patch })?)
            }
            &WrittenDecoder::CentredInstances { scale, score_min, patch, centroid_min, crop } => {
                let reading = Reading { scale, score_min, patch };
                let crop = Crop { centroid_min, size: (crop[0], crop[1]) };
                Decoder::CentredInstances(CentredInstances::new(contract, reading, crop)?)
            }
            WrittenDecoder::AffinityFields {
                scale,
                score_min,
                patch,
                edges,
                order,
                points,
                length_max,
                length_loss,
                line_score_min,
                keypoints_min,
            } => {
                let reading = Reading { scale: *scale, score_min: *score_min, patch: *patch };
                let lines = Lines {
                    points: *points,
                    length_max: *length_max,
                    length_loss: *length_loss,
                    score_min: *line_score_min,
                    keypoints_min: *keypoints_min,
                };
                Decoder::AffinityFields(AffinityFields::new(contract, reading, lines, (edges, order))?)
            }
            &WrittenDecoder::ClassMaps { scale, score_min, patch } => {
                Decoder::ClassMaps(ClassMaps::new(contract, Reading { scale, score_min, patch })?)
            }
        };
        Ok(Self { decoder })
    }

    /// The poses of one run, camera pixels, best score first. Heads of another shape than the contract's give none.
    ///
    /// Every keypoint whose place is known at all is there; what its score says is told with each decoder.
    pub fn read(&mut self, heads: &Heads, letterbox: &Letterbox) -> Poses {
        match &mut self.decoder {
            Decoder::CentreOffsets(decoder) => decoder.read(heads, letterbox),
            Decoder::YoloPose(decoder) => decoder.read(heads, letterbox),
            Decoder::HeatmapLocref(decoder) => decoder.read(heads, letterbox),
            Decoder::PartAffinity(decoder) => decoder.read(heads, letterbox),
            Decoder::ConfidenceMaps(decoder) => decoder.read(heads, letterbox),
            Decoder::CentredInstances(decoder) => decoder.read(heads, letterbox),
            Decoder::AffinityFields(decoder) => decoder.read(heads, letterbox),
            Decoder::ClassMaps(decoder) => decoder.read(heads, letterbox),
        }
    }
}
