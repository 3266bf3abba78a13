//! The recorded form of the `Engine` seam: plays heads that it was given, in a cycle.

use super::{Engine, Heads, InferError};
use crate::model::Precision;

/// Plays heads in a cycle, whatever the input.
pub struct Recorded {
    heads: Vec<Heads>,
    next: usize,
}

impl Recorded {
    /// An engine that gives `heads` one after the other and starts again at the end.
    pub fn new(heads: Vec<Heads>) -> Self {
        Self { heads, next: 0 }
    }
}

impl Engine for Recorded {
    fn name(&self) -> &'static str {
        "recorded"
    }

    fn precision(&self) -> Precision {
        Precision::Fp32
    }

    fn run(&mut self, _input: &[f32]) -> Result<&Heads, InferError> {
        let index = self.next % self.heads.len().max(1);
        self.next = index + 1;
        self.heads.get(index).ok_or_else(|| InferError::Run {
            engine: "recorded",
            what: "it was given no heads; give at least one".to_owned(),
        })
    }
}
