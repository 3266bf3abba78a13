//! ONNX Runtime's execution providers: those that were asked for, or an error; it would fall back to the CPU in silence.

use super::{InferError, NAME};
use crate::config::providers::{Provider, said};
use crate::model::Precision;
use ort::ep::{CUDA, ExecutionProvider, ExecutionProviderDispatch, TensorRT};
use ort::session::builder::SessionBuilder;
use std::path::Path;

/// What the providers are asked for.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// In their order.
    pub providers: &'a [Provider],
    /// Where TensorRT's engines are kept.
    pub engine_cache: &'a Path,
}

/// The library, by its file, has each of the providers.
pub(super) fn checked(wanted: Wanted<'_>, library: &Path) -> Result<(), InferError> {
    let there: Vec<_> = Provider::WORDS.iter().map(|(_, provider)| *provider).filter(|one| has(*one)).collect();
    let Some(missing) = wanted.providers.iter().find(|one| !there.contains(one)) else { return Ok(()) };
    let what = format!(
        "model.onnxruntime_providers: {} is not in {}, which has {}; {}",
        missing.word(),
        library.display(),
        said(&there),
        how_to_get_it(*missing)
    );
    Err(InferError::Library { engine: NAME, what })
}

/// The open library was built with it.
fn has(provider: Provider) -> bool {
    match provider {
        Provider::Cpu => true,
        Provider::Cuda => CUDA::is_available().unwrap_or(false),
        Provider::TensorRt => TensorRT::is_available().unwrap_or(false),
    }
}

fn how_to_get_it(provider: Provider) -> &'static str {
    match provider {
        Provider::TensorRt => {
            "install an ONNX Runtime that was built with TensorRT (on x86-64: pip install onnxruntime-gpu; on a Jetson: the wheel \
             for its JetPack) and set model.onnxruntime_library to its libonnxruntime.so.*, or use engine = \"tensorrt\""
        }
        Provider::Cuda | Provider::Cpu => {
            "install an ONNX Runtime that was built with CUDA (on x86-64: pip install onnxruntime-gpu; on a Jetson: the wheel for its \
             JetPack) and set model.onnxruntime_library to its libonnxruntime.so.*"
        }
    }
}

/// The builder with the providers registered, and the CPU left out where it was not asked for.
pub(super) fn registered(
    builder: SessionBuilder,
    wanted: Wanted<'_>,
    precision: Precision,
) -> Result<SessionBuilder, InferError> {
    let mut builder = builder;
    for provider in wanted.providers {
        let dispatch = match provider {
            Provider::TensorRt => tensorrt(wanted.engine_cache, precision),
            Provider::Cuda => CUDA::default().build(),
            // Always there, after all others.
            Provider::Cpu => continue,
        };
        builder = builder.with_execution_providers([dispatch.error_on_failure()]).map_err(|error| {
            // The library's words go over several lines.
            let said = error.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
            let (word, needs) = (provider.word(), needs(*provider));
            let what = format!("model.onnxruntime_providers: {word} cannot be used: {said}; {needs}");
            InferError::Library { engine: NAME, what }
        })?;
    }
    if wanted.providers.contains(&Provider::Cpu) {
        return Ok(builder);
    }
    builder
        .with_disable_cpu_fallback()
        .map_err(|error| InferError::Library { engine: NAME, what: format!("the CPU cannot be left out: {error}") })
}

fn tensorrt(cache: &Path, precision: Precision) -> ExecutionProviderDispatch {
    let int8 = precision == Precision::Int8;
    let cache = cache.join("onnxruntime");
    TensorRT::default()
        .with_int8(int8)
        // For what is not INT8.
        .with_fp16(int8)
        .with_engine_cache(true)
        .with_engine_cache_path(cache.display())
        .build()
}

fn needs(provider: Provider) -> &'static str {
    match provider {
        Provider::TensorRt => {
            "it needs the TensorRT, CUDA and cuDNN that this ONNX Runtime was built for where the loader finds them, an NVIDIA GPU and its driver"
        }
        Provider::Cuda | Provider::Cpu => {
            "it needs the CUDA and cuDNN that this ONNX Runtime was built for where the loader finds them, an NVIDIA GPU and its driver"
        }
    }
}

/// What to do about a session that ONNX Runtime does not make.
pub(super) fn advice(wanted: Wanted<'_>, said: &str) -> &'static str {
    if said.contains("fallback to CPU EP has been explicitly disabled") {
        return "add \"cpu\" to model.onnxruntime_providers to let the CPU run what the GPU cannot";
    }
    match wanted.providers {
        [Provider::Cpu] => "export the model again",
        _ => "export the model again, or use other model.onnxruntime_providers",
    }
}
