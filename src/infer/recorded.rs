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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::infer::Head;

    fn heads(value: f32) -> Heads {
        Heads(vec![Head { name: "centre".into(), shape: [1, 1, 1, 1], values: vec![value] }])
    }

    #[test]
    fn heads_come_in_order_and_then_again() {
        let mut engine = Recorded::new(vec![heads(0.1), heads(0.2)], 3);
        let played: Vec<_> = (0..3).filter_map(|_| engine.run(&[0.0; 3]).ok().cloned()).collect();
        assert_eq!(played, [heads(0.1), heads(0.2), heads(0.1)]);
    }

    #[test]
    fn nothing_recorded_is_an_error() {
        let words = Recorded::new(Vec::new(), 0).run(&[]).map(|_| ()).map_err(|error| error.to_string());
        assert_eq!(
            words,
            Err("engine recorded: the model did not run: got no recorded heads; give at least one".into())
        );
    }
}
