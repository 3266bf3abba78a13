//! The built-in engine: rten, pure Rust, on the CPU.

use super::{Engine, Head, Heads, InferError, answer, empty_heads};
use crate::model::Contract;
use rten::{Dimension, Model, ModelOptions, NodeId, RunOptions, ThreadPool, Value, ValueView};
use rten_tensor::NdTensorView;
use rten_tensor::prelude::*;
use std::sync::Arc;

const NAME: &str = "builtin";

/// A model that rten runs.
pub struct BuiltIn {
    model: Model,
    input: NodeId,
    outputs: Vec<NodeId>,
    shape: [usize; 4],
    threads: Arc<ThreadPool>,
    heads: Heads,
}

impl BuiltIn {
    /// Loads the FP32 file and holds its input and outputs against the contract. `threads` is at least 1.
    pub fn open(contract: &Contract, threads: usize) -> Result<Self, InferError> {
        let wrong = |what: String| InferError::Model { file: contract.weights_file(), what };
        let bytes = contract.weights().map_err(|error| wrong(error.to_string()))?;
        // Weights in the order of the matrix kernels: some memory for a shorter run.
        let model = ModelOptions::with_all_ops()
            .prepack_weights(true)
            .load(bytes.into_owned())
            .map_err(|error| wrong(format!("{error}; export the model again as ONNX, opset 17")))?;
        let node = |name: &str, kind: &str, ids: &[NodeId]| {
            let known = |id: &NodeId| model.node_info(*id).and_then(|node| node.name()).unwrap_or("").to_owned();
            ids.iter().copied().find(|id| known(id) == name).ok_or_else(|| {
                let names: Vec<_> = ids.iter().map(known).collect();
                wrong(answer(kind, &names.join(", "), name))
            })
        };
        let input = node(&contract.written.input.name, "inputs", model.input_ids())?;
        let shape = contract.input_shape();
        declared(&model, input, &contract.written.input.name, &shape).map_err(wrong)?;
        let mut outputs = Vec::new();
        for output in &contract.written.outputs {
            let id = node(&output.name, "outputs", model.output_ids())?;
            declared(&model, id, &output.name, &output.shape).map_err(wrong)?;
            outputs.push(id);
        }
        let threads = Arc::new(ThreadPool::with_num_threads(threads.max(1)));
        Ok(Self { model, input, outputs, shape, threads, heads: empty_heads(contract) })
    }
}

impl Engine for BuiltIn {
    fn name(&self) -> &'static str {
        NAME
    }

    fn run(&mut self, input: &[f32]) -> Result<&Heads, InferError> {
        let failed = |what: String| InferError::Run { engine: NAME, what };
        let view = NdTensorView::try_from_data(self.shape, input)
            .map_err(|_| failed(answer("input values", &input.len().to_string(), &format!("{:?}", self.shape))))?;
        let options = RunOptions::default().with_thread_pool(Some(Arc::clone(&self.threads)));
        let values = self
            .model
            .run(vec![(self.input, ValueView::from(view.as_dyn()).into())], &self.outputs, Some(options))
            .map_err(|error| failed(error.to_string()))?;
        for (head, value) in self.heads.0.iter_mut().zip(&values) {
            copy(head, value).map_err(failed)?;
        }
        Ok(&self.heads)
    }
}

/// Takes one output into its head.
fn copy(head: &mut Head, value: &Value) -> Result<(), String> {
    let Some(tensor) = value.as_tensor_view::<f32>() else {
        return Err(answer(&format!("output {}", head.name), "values that are not float32", "float32"));
    };
    if tensor.shape() != head.shape.as_slice() {
        let (got, wanted) = (format!("{:?}", tensor.shape()), format!("{:?}", head.shape));
        return Err(answer(&format!("shape of output {}", head.name), &got, &wanted));
    }
    match tensor.data() {
        Some(data) => head.values.copy_from_slice(data),
        None => head.values.iter_mut().zip(tensor.iter()).for_each(|(to, from)| *to = *from),
    }
    Ok(())
}

/// Holds the shape that the file declares against the contract's; dimensions without a fixed size fit any.
fn declared(model: &Model, id: NodeId, name: &str, wanted: &[usize; 4]) -> Result<(), String> {
    let Some(got) = model.node_info(id).and_then(|node| node.shape()) else { return Ok(()) };
    let fits = got.len() == wanted.len()
        && got.iter().zip(wanted).all(|(got, wanted)| !matches!(got, Dimension::Fixed(size) if size != wanted));
    if fits {
        return Ok(());
    }
    let words: Vec<_> = got
        .iter()
        .map(|one| match one {
            Dimension::Fixed(size) => size.to_string(),
            Dimension::Symbolic(word) => word.clone(),
        })
        .collect();
    Err(answer(&format!("shape of {name}"), &format!("[{}]", words.join(", ")), &format!("{wanted:?}")))
}
