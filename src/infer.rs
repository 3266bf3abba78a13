//! Runs the model: the `Engine` seam and what comes out of it.

pub mod builtin;
pub mod onnxruntime;
pub mod recorded;
pub mod tensorrt;
mod values;

pub use values::{Lent, Values};

use crate::config::{self, EngineChoice, PrecisionChoice, PreprocessChoice, Provider};
use crate::handover::Frame;
use crate::model::{Contract, ModelError, Precision, Weights};
use crate::space::{Letterbox, Window};
use std::path::PathBuf;

/// One output of the model, checked against the contract when the engine was opened.
#[derive(Clone, Debug, PartialEq)]
pub struct Head {
    /// Its name in the ONNX file and in `model.toml`.
    pub name: String,
    /// Batch (always 1), channels, rows, columns.
    pub shape: [usize; 4],
    /// Values, row-major in the order of `shape`.
    pub values: Values,
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
    /// The file's graph is not what the contract says, or asks for what no engine should be asked for.
    #[error(transparent)]
    Graph(#[from] ModelError),
    /// The engine does not take the file, or it is not what the contract says.
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

/// What runs a model. Real forms: `builtin`, `onnxruntime`, `tensorrt`; recorded form: `recorded`.
pub trait Engine: Send {
    /// The engine's name as in the configuration.
    fn name(&self) -> &'static str;

    /// The precision of the file that it runs.
    fn precision(&self) -> Precision;

    /// What it runs on where that is no CPU: library, device, driver.
    fn ground(&self) -> Option<String> {
        None
    }

    /// What the last run took by the device's own clock, copies included; `None` for one without.
    fn gpu_ms(&self) -> Option<f32> {
        None
    }

    /// Runs the model once. `input` is row-major NCHW (batch 1) as the contract says; the heads stay valid until the next run.
    fn run(&mut self, input: &[f32]) -> Result<&Heads, InferError>;

    /// Takes a window of a frame as its next input, where it fills its input itself, and says where the window lies in it.
    /// `None`: it wants the numbers, from `preprocess`.
    fn see(&mut self, _frame: &Frame, _window: Window) -> Result<Option<Letterbox>, InferError> {
        Ok(None)
    }

    /// Whether `see` takes a frame that its decoder lent without copying it.
    fn reads_in_place(&self) -> bool {
        false
    }

    /// Runs the model once on what `see` took.
    fn run_seen(&mut self) -> Result<&Heads, InferError> {
        Err(InferError::Run { engine: self.name(), what: "it took no frame".to_owned() })
    }
}

/// [`open_told`], with its progress in the log.
pub fn open(contract: &Contract, wanted: &config::Model) -> Result<Box<dyn Engine>, InferError> {
    open_told(contract, wanted, &|what| tracing::info!("{what}"))
}

/// Opens the engine and the file of weights that `wanted` asks for (its folder does not count: `contract` is that model) and warms
/// it up with one run on an empty picture. `progress` hears of what takes minutes.
pub fn open_told(
    contract: &Contract,
    wanted: &config::Model,
    progress: &dyn Fn(&str),
) -> Result<Box<dyn Engine>, InferError> {
    let (threads, library) = (wanted.threads, wanted.library.as_deref());
    let built_in = || -> Result<Box<dyn Engine>, InferError> {
        let weights = chosen(contract, wanted.precision, Precision::Fp32)?;
        Ok(Box::new(builtin::BuiltIn::open(contract, weights, threads)?))
    };
    let providers = onnxruntime::Wanted { providers: &wanted.providers, engine_cache: &wanted.engine_cache };
    let onnxruntime = || -> Result<Box<dyn Engine>, InferError> {
        let weights = match wanted.providers.first() {
            Some(Provider::TensorRt) if wanted.precision == PrecisionChoice::U8 => return Err(u8_on_a_gpu(contract)),
            Some(Provider::TensorRt) => {
                progress("ONNX Runtime's TensorRT provider builds what is not in its cache, which takes minutes");
                chosen(contract, wanted.precision, Precision::Int8)?
            }
            Some(Provider::Cuda) => chosen(contract, wanted.precision, Precision::Fp32)?,
            Some(Provider::Cpu) | None => chosen(contract, wanted.precision, Precision::U8)?,
        };
        Ok(Box::new(onnxruntime::OnnxRuntime::open(contract, weights, threads, library, providers)?))
    };
    let tensorrt = || -> Result<Box<dyn Engine>, InferError> {
        let weights = match wanted.precision {
            PrecisionChoice::U8 => return Err(u8_on_a_gpu(contract)),
            PrecisionChoice::Fp16 => chosen(contract, PrecisionChoice::Fp32, Precision::Fp32)?,
            asked => chosen(contract, asked, Precision::Int8)?,
        };
        let settings = tensorrt::Settings {
            folder: wanted.tensorrt_folder.as_deref(),
            cache: &wanted.engine_cache,
            // The file's own numbers were asked for, or FP16 for what is not INT8.
            fp16: wanted.precision == PrecisionChoice::Fp16 || weights.precision == Precision::Int8,
            pictures: wanted.preprocess == PreprocessChoice::Auto,
            dla: wanted.dla,
            pace: tensorrt::Pace::default(),
        };
        Ok(Box::new(tensorrt::TensorRt::open(contract, weights, settings, progress)?))
    };
    if wanted.engine != EngineChoice::OnnxRuntime && wanted.providers != config::Model::default().providers {
        let what = "model.onnxruntime_providers: go with engine = \"onnxruntime\" alone; set both";
        return Err(InferError::Library { engine: "onnxruntime", what: what.to_owned() });
    }
    let mut engine = match wanted.engine {
        EngineChoice::TensorRt => tensorrt()?,
        EngineChoice::BuiltIn => built_in()?,
        EngineChoice::OnnxRuntime => onnxruntime()?,
        EngineChoice::Auto => match onnxruntime() {
            Ok(engine) => engine,
            // A library that is not there is no fault, unless the operator named it.
            Err(error @ InferError::Library { .. }) if library.is_none() => {
                tracing::debug!("{error}");
                built_in()?
            }
            Err(error) => return Err(error),
        },
    };
    engine.run(&vec![0.0; contract.input_len()])?;
    Ok(engine)
}

/// The weights that are meant; `Auto` is the `fastest` for the engine where the model has it, else FP32.
fn chosen(contract: &Contract, wanted: PrecisionChoice, fastest: Precision) -> Result<&Weights, InferError> {
    let found = match wanted {
        PrecisionChoice::Auto => contract.weights(fastest).or_else(|| contract.weights(Precision::Fp32)),
        PrecisionChoice::Fp32 => contract.weights(Precision::Fp32),
        PrecisionChoice::Fp16 => None,
        PrecisionChoice::Int8 => contract.weights(Precision::Int8),
        PrecisionChoice::U8 => contract.weights(Precision::U8),
    };
    found.ok_or_else(|| {
        let there: Vec<_> = contract.weights.iter().map(|one| format!("{} ({})", one.precision, one.name)).collect();
        let word = PrecisionChoice::WORDS.iter().find(|(_, choice)| *choice == wanted).map_or("auto", |(word, _)| word);
        let what = format!("files: none is {word}; allowed: auto, {}; choose one that is there", there.join(", "));
        InferError::Model { file: contract.folder.join("model.toml"), what }
    })
}

/// What the signed file is for, and what the unsigned one is not.
fn u8_on_a_gpu(contract: &Contract) -> InferError {
    let what =
        "precision: got u8, which is for CPUs; allowed with TensorRT: auto, fp32, fp16, int8; set model.precision";
    InferError::Model { file: contract.folder.join("model.toml"), what: what.to_owned() }
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
