//! The recorded engine: plays given heads in turn, for tests.

use super::{Engine, Heads, InferError};

/// Heads that were given beforehand.
#[derive(Clone, Debug)]
pub struct Recorded {
    runs: Vec<Heads>,
    next: usize,
    input_len: usize,
}

impl Recorded {
    /// Plays `runs` in order and then from the first again. Each input must hold `input_len` values.
    pub fn new(runs: Vec<Heads>, input_len: usize) -> Self {
        Self { runs, next: 0, input_len }
    }
}

impl Engine for Recorded {
    fn name(&self) -> &'static str {
        "recorded"
    }

    fn run(&mut self, input: &[f32]) -> Result<&Heads, InferError> {
        let failed = |what: String| InferError::Run { engine: "recorded", what };
        if input.len() != self.input_len {
            return Err(failed(super::answer("input values", &input.len().to_string(), &self.input_len.to_string())));
        }
        let Some(index) = self.next.checked_rem(self.runs.len()) else {
            return Err(failed("got no recorded heads; give at least one".into()));
        };
        self.next = index + 1;
        Ok(&self.runs[index])
    }
}
