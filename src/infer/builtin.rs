//! The built-in engine: rten, pure Rust, on the CPU.

use super::{Engine, Head, Heads, InferError, check_heads};
use crate::model::{Contract, Precision, Weights};
use rten::{Dimension, Model, NodeId, RunOptions, ThreadPool, ValueOrView};
use rten_tensor::prelude::*;
use rten_tensor::{NdTensorView, TensorView};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

const NAME: &str = "built-in";

/// rten with the model loaded.
pub struct BuiltIn {
    model: Model,
    precision: Precision,
    input: NodeId,
    input_shape: [usize; 4],
    outputs: Vec<NodeId>,
    options: RunOptions,
    heads: Heads,
}

impl BuiltIn {
    /// Loads the weights and holds their inputs and outputs against the contract.
    pub fn open(contract: &Contract, weights: &Weights, threads: usize) -> Result<Self, InferError> {
        contract.check_graph(weights)?;
        let wrong = |what: String| InferError::Model { file: contract.folder.join(&weights.name), what };
        // The library is trusted with the bundled model; a lab's own file may still find a panic in it.
        let model = catch_unwind(AssertUnwindSafe(|| Model::load(weights.bytes.to_vec())))
            .map_err(|_| {
                wrong("the engine failed while reading it; the file is damaged: export the model again".to_owned())
            })?
            .map_err(|error| wrong(format!("not a usable ONNX file: {error}; export the model again")))?;
        let written = &contract.written.input;
        let input_shape = [1, 3, written.height as usize, written.width as usize];
        let input = find(&model, model.input_ids(), &written.name, "input").map_err(wrong)?;
        agree(&model, input, &written.name, &input_shape).map_err(wrong)?;
        let mut outputs = Vec::new();
        let mut heads = Vec::new();
        for output in &contract.written.outputs {
            let id = find(&model, model.output_ids(), &output.name, "output").map_err(wrong)?;
            agree(&model, id, &output.name, &output.shape).map_err(wrong)?;
            outputs.push(id);
            let values = vec![0.0; output.shape.iter().product()];
            heads.push(Head { name: output.name.clone(), shape: output.shape, values: values.into() });
        }
        let pool = Arc::new(ThreadPool::with_num_threads(threads));
        let options = RunOptions::default().with_thread_pool(Some(pool));
        Ok(Self { model, precision: weights.precision, input, input_shape, outputs, options, heads: Heads(heads) })
    }
}

impl Engine for BuiltIn {
    fn name(&self) -> &'static str {
        NAME
    }

    fn precision(&self) -> Precision {
        self.precision
    }

    fn run(&mut self, input: &[f32]) -> Result<&Heads, InferError> {
        let failed = |what: String| InferError::Run { engine: NAME, what };
        let view: NdTensorView<f32, 4> = NdTensorView::try_from_data(self.input_shape, input)
            .map_err(|_| failed(format!("the input has {} values; allowed: {:?}", input.len(), self.input_shape)))?;
        let inputs: Vec<(NodeId, ValueOrView)> = vec![(self.input, view.into())];
        let (model, outputs, options) = (&self.model, &self.outputs, self.options.clone());
        let values = catch_unwind(AssertUnwindSafe(|| model.run(inputs, outputs, Some(options))))
            .map_err(|_| failed("the engine failed".to_owned()))?
            .map_err(|error| failed(error.to_string()))?;
        for (value, head) in values.iter().zip(&mut self.heads.0) {
            let tensor: TensorView<f32> =
                value.as_tensor_view().ok_or_else(|| failed(format!("output {} is not float32", head.name)))?;
            check_heads(NAME, &head.name, tensor.shape(), &head.shape)?;
            match tensor.data() {
                Some(values) => head.values.copy_from_slice(values),
                None => head.values.iter_mut().zip(tensor.iter()).for_each(|(to, from)| *to = *from),
            }
        }
        Ok(&self.heads)
    }
}

/// The node called `name` among `ids`.
fn find(model: &Model, ids: &[NodeId], name: &str, what: &str) -> Result<NodeId, String> {
    let named = |id: &NodeId| model.node_info(*id).and_then(|info| info.name().map(str::to_owned)).unwrap_or_default();
    ids.iter().copied().find(|id| named(id) == name).ok_or_else(|| {
        let got: Vec<_> = ids.iter().map(named).collect();
        format!("has no {what} {name:?}, which model.toml names; got {}; export the model again", got.join(", "))
    })
}

/// Where the file states a shape it must be the contract's.
fn agree(model: &Model, id: NodeId, name: &str, expected: &[usize; 4]) -> Result<(), String> {
    let Some(shape) = model.node_info(id).and_then(|info| info.shape()) else { return Ok(()) };
    let same = shape.len() == 4
        && shape.iter().zip(expected).all(|(got, expected)| match got {
            Dimension::Fixed(size) => size == expected,
            Dimension::Symbolic(_) => true,
        });
    if same {
        Ok(())
    } else {
        Err(format!("{name:?} has the shape {shape:?}; allowed: {expected:?}, as model.toml says"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bundled_model_runs_and_gives_the_declared_shapes() {
        let contract = Contract::bundled().unwrap_or_else(|error| panic!("{error}"));
        let mut engine = BuiltIn::open(&contract, &contract.weights[0], 1).unwrap_or_else(|error| panic!("{error}"));
        let heads = engine.run(&vec![0.0; 3 * 480 * 640]).unwrap_or_else(|error| panic!("{error}"));
        for (head, output) in heads.0.iter().zip(&contract.written.outputs) {
            assert_eq!(
                (&head.name, head.shape, head.values.len()),
                (&output.name, output.shape, output.shape.iter().product())
            );
            assert!(head.values.iter().all(|value| value.is_finite()));
        }
    }

    #[test]
    fn an_output_that_is_not_there_is_named() {
        let mut contract = Contract::bundled().unwrap_or_else(|error| panic!("{error}"));
        contract.written.outputs[1].name = "center".to_owned();
        let error =
            BuiltIn::open(&contract, &contract.weights[0], 1).err().map(|error| error.to_string()).unwrap_or_default();
        assert!(
            error.starts_with(
                "model (bundled)/socialbox/model.onnx: output: has no output \"center\", which model.toml names; got "
            ),
            "{error}"
        );
    }

    #[test]
    fn a_truncated_file_is_an_error_at_every_length() {
        let contract = Contract::bundled().unwrap_or_else(|error| panic!("{error}"));
        let whole = &contract.weights[0].bytes;
        for keep in [0, 1, 100, whole.len() / 2, whole.len() - 1] {
            let cut = Weights { bytes: whole[..keep].into(), ..contract.weights[0].clone() };
            let opened = BuiltIn::open(&contract, &cut, 1);
            assert!(matches!(opened, Err(InferError::Graph(_))), "{keep} bytes were taken for a model");
        }
    }

    #[test]
    fn an_input_of_the_wrong_length_is_an_error() {
        let contract = Contract::bundled().unwrap_or_else(|error| panic!("{error}"));
        let mut engine = BuiltIn::open(&contract, &contract.weights[0], 1).unwrap_or_else(|error| panic!("{error}"));
        let error = engine.run(&[0.0; 7]).err().map(|error| error.to_string()).unwrap_or_default();
        assert_eq!(error, "engine built-in: the model did not run: the input has 7 values; allowed: [1, 3, 480, 640]");
    }
}
