//! Runs the model: the `Engine` seam and what comes out of it.

pub mod builtin;
pub mod onnxruntime;
pub mod recorded;

use crate::config::EngineChoice;
use crate::model::Contract;
use std::path::{Path, PathBuf};

/// One output of the model, checked against the contract when the engine was opened.
#[derive(Clone, Debug, PartialEq)]
pub struct Head {
    /// Its name in the ONNX file and in `model.toml`.
    pub name: String,
    /// Batch (always 1), channels, rows, columns.
    pub shape: [usize; 4],
    /// Values, row-major in the order of `shape`.
    pub values: Vec<f32>,
}

impl Head {
    /// Rows × columns of one channel, row-major; empty for a channel that is not there.
    pub fn channel(&self, index: usize) -> &[f32] {
        let size = self.shape[2] * self.shape[3];
        self.values.get(index * size..(index + 1) * size).unwrap_or(&[])
    }
}

/// All outputs of one run, in the order of `model.toml`. Valid until the next run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Heads(pub Vec<Head>);

/// What a run cost or why it failed.
#[derive(Debug, thiserror::Error)]
pub enum InferError {
    /// The file could not be read or is not what the contract says.
    #[error("model {file}: {what}", file = file.display())]
    Model {
        /// Which file.
        file: PathBuf,
        /// What was got, what is allowed, what to do.
        what: String,
    },
    /// The engine's library is missing or too old.
    #[error("engine {engine}: {what}")]
    Library {
        /// Which engine.
        engine: &'static str,
        /// What was got, what is allowed, what to do.
        what: String,
    },
    /// A run failed.
    #[error("engine {engine}: the model did not run: {what}")]
    Run {
        /// Which engine.
        engine: &'static str,
        /// The engine's own words.
        what: String,
    },
}

/// What runs a model. Real forms: `builtin`, `onnxruntime`; recorded form: `recorded`.
pub trait Engine: Send {
    /// The engine's name as in the configuration.
    fn name(&self) -> &'static str;

    /// Runs the model once. `input` is row-major NCHW (batch 1) as the contract says; the heads stay valid until the next run.
    fn run(&mut self, input: &[f32]) -> Result<&Heads, InferError>;
}

/// Opens the engine that `choice` names and warms it up with one run on an empty picture.
///
/// `library` is ONNX Runtime's file; `None` looks in the usual places.
pub fn open(
    contract: &Contract,
    choice: EngineChoice,
    threads: usize,
    library: Option<&Path>,
) -> Result<Box<dyn Engine>, InferError> {
    let mut engine: Box<dyn Engine> = match choice {
        EngineChoice::BuiltIn => Box::new(builtin::BuiltIn::open(contract, threads)?),
        EngineChoice::OnnxRuntime => Box::new(onnxruntime::OnnxRuntime::open(contract, threads, library)?),
        EngineChoice::Auto => match onnxruntime::OnnxRuntime::open(contract, threads, library) {
            Ok(engine) => Box::new(engine),
            // A library that the operator named must work; one that just is not there is no fault.
            Err(error) if library.is_some() => return Err(error),
            Err(error) => {
                tracing::debug!("{error}");
                Box::new(builtin::BuiltIn::open(contract, threads)?)
            }
        },
    };
    engine.run(&vec![0.0; contract.input_len()])?;
    Ok(engine)
}

/// An output must have the shape that the contract says, each time.
fn check_heads(engine: &'static str, name: &str, got: &[usize], expected: &[usize; 4]) -> Result<(), InferError> {
    if got == expected {
        return Ok(());
    }
    Err(InferError::Run {
        engine,
        what: format!("output {name:?} has the shape {got:?}; allowed: {expected:?}, as model.toml says"),
    })
}
