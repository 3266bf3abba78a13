//! Heads to poses: one decoder for each kind of head. Pure and deterministic; allocates nothing after construction.

mod centre;
mod yolo;

use crate::handover::Poses;
use crate::infer::Heads;
use crate::model::{Contract, WrittenDecoder};
use crate::space::Letterbox;
use centre::{CentreOffsets, Limits};
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
        }
    }
}
