//! Heads to poses: one decoder for each kind of head. Pure and deterministic; allocates nothing after construction.

mod centre;

use crate::handover::Poses;
use crate::infer::Heads;
use crate::model::Contract;
use crate::space::Letterbox;
use centre::CentreOffsets;

/// Why poses cannot be read from a model's heads.
#[derive(Debug, thiserror::Error)]
pub enum PoseError {
    /// The contract names a kind of head that has no decoder.
    #[error("model {model}: decoder.kind: got {got:?}; only \"centre-offsets\" is known")]
    Kind {
        /// The model's name.
        model: String,
        /// What the contract says.
        got: String,
    },
    /// The contract lacks an output.
    #[error("model {model}: outputs: none means {meaning:?}; the decoder \"centre-offsets\" needs one")]
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
    decoder: CentreOffsets,
}

impl PoseReader {
    /// The reader of the contract's decoder.
    pub fn new(contract: &Contract) -> Result<Self, PoseError> {
        let kind = &contract.written.decoder.kind;
        if kind != "centre-offsets" {
            return Err(PoseError::Kind { model: contract.written.name.clone(), got: kind.clone() });
        }
        Ok(Self { decoder: CentreOffsets::new(contract)? })
    }

    /// The poses of one run, camera pixels, best score first. Heads of another shape than the contract's give none.
    ///
    /// Every keypoint whose place is known at all is there; one that only the regression knows scores at most 0.05.
    pub fn read(&mut self, heads: &Heads, letterbox: &Letterbox) -> Poses {
        self.decoder.read(heads, letterbox)
    }
}
