//! Runs the model: the `Engine` seam and what comes out of it.

mod builtin;
mod onnxruntime;
mod recorded;

pub use builtin::BuiltIn;
pub use onnxruntime::OnnxRuntime;
pub use recorded::Recorded;

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

/// Runs that an engine makes before its first frame, so that no frame pays for the first touch of its memory.
const WARM_UP_RUNS: usize = 2;

/// Opens the chosen engine with the contract's model and runs it on a black picture, which also checks what comes out.
///
/// `threads` is at least 1. `library` is where ONNX Runtime lies, for [`OnnxRuntime::open`]. With [`EngineChoice::Auto`] a missing
/// library means the built-in engine; a library that was named but cannot be used is an error.
pub fn open(
    contract: &Contract,
    choice: EngineChoice,
    threads: usize,
    library: Option<&Path>,
) -> Result<Box<dyn Engine>, InferError> {
    let mut engine: Box<dyn Engine> = match choice {
        EngineChoice::BuiltIn => Box::new(BuiltIn::open(contract, threads)?),
        EngineChoice::OnnxRuntime => Box::new(OnnxRuntime::open(contract, threads, library)?),
        EngineChoice::Auto => match OnnxRuntime::open(contract, threads, library) {
            Ok(engine) => Box::new(engine),
            Err(InferError::Library { .. }) if library.is_none() => Box::new(BuiltIn::open(contract, threads)?),
            Err(error) => return Err(error),
        },
    };
    let black = vec![0.0; contract.input_len()];
    for _ in 0..WARM_UP_RUNS {
        engine.run(&black)?;
    }
    Ok(engine)
}

/// Heads as the contract shapes them, all zero.
fn empty_heads(contract: &Contract) -> Heads {
    let head = |output: &crate::model::WrittenOutput| Head {
        name: output.name.clone(),
        shape: output.shape,
        values: vec![0.0; output.shape.iter().product()],
    };
    Heads(contract.written.outputs.iter().map(head).collect())
}

/// Says what the file has and what the contract has.
fn answer(of: &str, got: &str, wanted: &str) -> String {
    format!("{of}: got {got}; model.toml says {wanted}; export the model again, so that both agree")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What opening the bundled model says after changes to its contract.
    fn changed(changes: &[(&str, &str)]) -> String {
        let folder = tempfile::tempdir().expect("a folder");
        let bundled = Contract::bundled().expect("the bundled model");
        std::fs::write(folder.path().join("model.onnx"), bundled.weights().expect("weights")).expect("a file");
        let mut text = include_str!("../models/socialbox/model.toml").to_owned();
        for (from, to) in changes {
            assert!(text.contains(from), "{from}");
            text = text.replace(from, to);
        }
        std::fs::write(folder.path().join("model.toml"), text).expect("a file");
        let contract = Contract::read(folder.path()).expect("a contract");
        match open(&contract, EngineChoice::BuiltIn, 1, None) {
            Ok(_) => "opened".into(),
            Err(error) => error.to_string().replace(&folder.path().display().to_string(), "m"),
        }
    }

    #[test]
    fn a_name_that_differs_names_both() {
        assert_eq!(
            changed(&[("name = \"offsets\"", "name = \"vectors\"")]),
            "model m/model.onnx: outputs: got keypoints, centre, offsets, identity; model.toml says vectors; export the model again, so that both agree"
        );
        assert_eq!(
            changed(&[("name = \"image\"", "name = \"picture\"")]),
            "model m/model.onnx: inputs: got image; model.toml says picture; export the model again, so that both agree"
        );
    }

    #[test]
    fn a_shape_that_differs_names_both() {
        let changes = [("width = 640", "width = 320"), (", 120, 160]", ", 120, 80]"), (", 60, 80]", ", 60, 40]")];
        assert_eq!(
            changed(&changes),
            "model m/model.onnx: shape of image: got [1, 3, 480, 640]; model.toml says [1, 3, 480, 320]; export the model again, so that both agree"
        );
    }

    #[test]
    fn an_input_of_another_length_is_an_error() {
        let contract = Contract::bundled().expect("the bundled model");
        let mut engine = open(&contract, EngineChoice::BuiltIn, 1, None).expect("an engine");
        let words = engine.run(&[0.0; 3]).map(|_| ()).map_err(|error| error.to_string());
        assert_eq!(
            words,
            Err("engine builtin: the model did not run: input values: got 3; model.toml says [1, 3, 480, 640]; export the model again, so that both agree".into())
        );
    }
}
