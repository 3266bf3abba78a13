//! ONNX Runtime on the CPU, its library opened at run time where it is found.

use super::{Engine, Heads, InferError, answer, empty_heads};
use crate::model::Contract;
use ort::environment::Environment;
use ort::session::Session;
use ort::session::builder::GraphOptimizationLevel;
use ort::value::{TensorRef, ValueType};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

const NAME: &str = "onnxruntime";
/// Where packages put the library.
const SYSTEM_FOLDERS: &[&str] = &[
    "/usr/lib",
    "/usr/local/lib",
    "/usr/lib/x86_64-linux-gnu",
    "/usr/lib/aarch64-linux-gnu",
    "/opt/onnxruntime/lib",
    "/opt/homebrew/lib",
];
#[cfg(target_os = "macos")]
const LIBRARY: &str = "libonnxruntime.dylib";
#[cfg(not(target_os = "macos"))]
const LIBRARY: &str = "libonnxruntime.so";
/// What to do where there is none.
const HELP: &str = "`pip install onnxruntime` brings one, version 1.20 or later: give the path of \
                    site-packages/onnxruntime/capi/libonnxruntime.so.*, or choose the built-in engine";

/// The library that this process opened: there can be only one.
static OPENED: Mutex<Option<(PathBuf, Environment)>> = Mutex::new(None);

/// A model that ONNX Runtime runs.
pub struct OnnxRuntime {
    session: Session,
    input: String,
    shape: [usize; 4],
    heads: Heads,
}

impl OnnxRuntime {
    /// Opens the library, loads the FP32 file and holds its input and outputs against the contract.
    ///
    /// `library` is the library's file; `None` looks into well-known system folders and then beside the executable. A relative
    /// path is taken from the executable's folder.
    pub fn open(contract: &Contract, threads: usize, library: Option<&Path>) -> Result<Self, InferError> {
        let wrong = |what: String| InferError::Model { file: contract.weights_file(), what };
        let bytes = contract.weights().map_err(|error| wrong(error.to_string()))?;
        let session = session(&environment(library)?, &bytes, threads).map_err(wrong)?;
        let described = |outlet: &ort::value::Outlet| (outlet.name().to_owned(), shape_of(outlet.dtype()));
        let inputs: Vec<_> = session.inputs().iter().map(described).collect();
        let outputs: Vec<_> = session.outputs().iter().map(described).collect();
        let input = &contract.written.input.name;
        fits("inputs", &inputs, input, &contract.input_shape()).map_err(wrong)?;
        for output in &contract.written.outputs {
            fits("outputs", &outputs, &output.name, &output.shape).map_err(wrong)?;
        }
        let (input, shape) = (input.clone(), contract.input_shape());
        Ok(Self { session, input, shape, heads: empty_heads(contract) })
    }
}

impl Engine for OnnxRuntime {
    fn name(&self) -> &'static str {
        NAME
    }

    fn run(&mut self, input: &[f32]) -> Result<&Heads, InferError> {
        let failed = |what: String| InferError::Run { engine: NAME, what };
        let tensor = TensorRef::from_array_view((self.shape, input)).map_err(|error| failed(error.to_string()))?;
        let outputs =
            self.session.run(ort::inputs![self.input.as_str() => tensor]).map_err(|error| failed(error.to_string()))?;
        for head in &mut self.heads.0 {
            let value = outputs.get(&head.name).ok_or_else(|| failed(format!("no output {}", head.name)))?;
            let (shape, data) = value.try_extract_tensor::<f32>().map_err(|error| failed(error.to_string()))?;
            if data.len() != head.values.len() {
                let (got, wanted) = (format!("{shape:?}"), format!("{:?}", head.shape));
                return Err(failed(answer(&format!("shape of output {}", head.name), &got, &wanted)));
            }
            head.values.copy_from_slice(data);
        }
        Ok(&self.heads)
    }
}

/// A session over the model's bytes.
fn session(environment: &Environment, bytes: &[u8], threads: usize) -> Result<Session, String> {
    Session::builder(environment)
        .map_err(|error| error.to_string())?
        .with_optimization_level(GraphOptimizationLevel::All)
        .map_err(|error| error.to_string())?
        .with_intra_threads(threads.max(1))
        .map_err(|error| error.to_string())?
        .commit_from_memory(bytes)
        .map_err(|error| format!("{error}; export the model again as ONNX, opset 17"))
}

/// Sizes of a tensor, -1 where any fits; empty for what is no float32 tensor.
fn shape_of(kind: &ValueType) -> Vec<i64> {
    match kind {
        ValueType::Tensor { ty: ort::value::TensorElementType::Float32, shape, .. } => shape.to_vec(),
        _ => Vec::new(),
    }
}

/// Holds one input or output of the file against the contract.
fn fits(kind: &str, got: &[(String, Vec<i64>)], name: &str, wanted: &[usize; 4]) -> Result<(), String> {
    let Some((_, shape)) = got.iter().find(|(known, _)| known == name) else {
        let names: Vec<_> = got.iter().map(|(known, _)| known.as_str()).collect();
        return Err(answer(kind, &names.join(", "), name));
    };
    let same = |(got, wanted): (&i64, &usize)| *got < 0 || *got == *wanted as i64;
    if shape.len() == wanted.len() && shape.iter().zip(wanted).all(same) {
        return Ok(());
    }
    Err(answer(&format!("shape of {name}"), &format!("{shape:?}"), &format!("{wanted:?}")))
}

/// Where the library lies: as told, else in a system folder, else beside the executable.
fn find(library: Option<&Path>) -> Result<PathBuf, InferError> {
    let missing = |what: String| InferError::Library { engine: NAME, what };
    let beside = std::env::current_exe().ok().and_then(|exe| exe.parent().map(Path::to_owned)).unwrap_or_default();
    if let Some(told) = library {
        // An absolute path stays as it is.
        let path = beside.join(told);
        if path.is_file() {
            return Ok(path);
        }
        return Err(missing(format!("library: got {}, which is no file; {HELP}", path.display())));
    }
    let folders = SYSTEM_FOLDERS.iter().map(PathBuf::from).chain([beside.clone(), beside.join("lib")]);
    folders.clone().find_map(|folder| in_folder(&folder)).ok_or_else(|| {
        let looked: Vec<_> = folders.map(|folder| folder.display().to_string()).collect();
        missing(format!("no {LIBRARY} in {}; {HELP}", looked.join(", ")))
    })
}

/// The library in a folder: its plain name, else the newest of its versioned names.
fn in_folder(folder: &Path) -> Option<PathBuf> {
    let plain = folder.join(LIBRARY);
    if plain.is_file() {
        return Some(plain);
    }
    let versioned = |entry: std::io::Result<std::fs::DirEntry>| {
        let path = entry.ok()?.path();
        path.file_name()?.to_str()?.starts_with(LIBRARY).then_some(path)
    };
    std::fs::read_dir(folder).ok()?.filter_map(versioned).max()
}

/// The one environment of this process.
fn environment(library: Option<&Path>) -> Result<Environment, InferError> {
    let path = find(library)?;
    let failed = |what: String| InferError::Library { engine: NAME, what };
    let mut opened = OPENED.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if let Some((before, environment)) = opened.as_ref() {
        if *before != path {
            return Err(failed(format!(
                "got {} after {}; one process opens one library",
                path.display(),
                before.display()
            )));
        }
        return Ok(environment.clone());
    }
    let environment = ort::init_from(&path)
        .map_err(|error| failed(format!("{error}; {HELP}")))?
        .with_name("arenad")
        .with_telemetry(false)
        .build()
        .map_err(|error| failed(format!("{}: {error}; {HELP}", path.display())))?;
    *opened = Some((path, environment.clone()));
    Ok(environment)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_library_is_named_with_how_to_get_one() {
        let told = Path::new("/no/such/libonnxruntime.so");
        let words = find(Some(told)).map_err(|error| error.to_string());
        assert_eq!(
            words,
            Err(format!("engine onnxruntime: library: got /no/such/libonnxruntime.so, which is no file; {HELP}"))
        );
    }

    #[test]
    fn a_file_that_is_no_library_is_an_error() {
        let folder = tempfile::tempdir().expect("a folder");
        let fake = folder.path().join("libonnxruntime.so.1.20");
        std::fs::write(&fake, b"not a library").expect("a file");
        assert_eq!(in_folder(folder.path()), Some(fake.clone()));
        let error = environment(Some(&fake)).map(|_| ()).map_err(|error| error.to_string());
        assert!(error.is_err_and(|words| words.starts_with("engine onnxruntime: failed to load from")), "no error");
    }
}
