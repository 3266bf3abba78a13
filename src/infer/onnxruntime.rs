//! ONNX Runtime, opened at run time where its library is found: on the CPU, several times faster than the built-in engine, or on a GPU.

mod providers;

pub use providers::Wanted;

use super::{Engine, Head, Heads, InferError, check_heads};
use crate::config::providers::{Provider, said};
use crate::model::{Contract, Precision, Weights};
use ort::environment::Environment;
use ort::session::Session;
use ort::value::TensorRef;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

const NAME: &str = "onnxruntime";
/// Where packages of distributions and boards put the library.
const FOLDERS: [&str; 6] = [
    "/usr/lib/x86_64-linux-gnu",
    "/usr/lib/aarch64-linux-gnu",
    "/usr/local/lib",
    "/usr/lib",
    "/opt/onnxruntime/lib",
    "/usr/lib/arenad",
];
const HOW_TO_GET_IT: &str = "pip install onnxruntime (1.20 or later) and set model.onnxruntime_library to its \
                             onnxruntime/capi/libonnxruntime.so.*, or use engine = \"built-in\"";

/// The library is opened once in a process: a second file could not be.
static OPENED: Mutex<Option<(PathBuf, Environment)>> = Mutex::new(None);

/// A session with the model loaded.
pub struct OnnxRuntime {
    session: Session,
    precision: Precision,
    input: String,
    input_shape: [usize; 4],
    heads: Heads,
}

impl OnnxRuntime {
    /// Opens the library (`None`: the first found in the usual places) and loads the weights for the providers that are wanted: on
    /// others nothing runs.
    pub fn open(
        contract: &Contract,
        weights: &Weights,
        threads: usize,
        library: Option<&Path>,
        wanted: Wanted<'_>,
    ) -> Result<Self, InferError> {
        contract.check_graph(weights)?;
        let (environment, file) = environment(library)?;
        providers::checked(wanted, &file)?;
        let wrong = |what: String| InferError::Model { file: contract.folder.join(&weights.name), what };
        let refused = |what: String| {
            let advice = providers::advice(wanted, &what);
            wrong(format!("ONNX Runtime does not take it: {what}; {advice}"))
        };
        let builder = Session::builder(&environment).map_err(|error| refused(error.to_string()))?;
        let builder = builder.with_intra_threads(threads).map_err(|error| refused(error.to_string()))?;
        // Without it, INT8 sums overflow on x86-64 processors that lack VNNI (AVX2 alone): `int8` then lost 24 % of OKS mAP, `u8` 3 %.
        let builder = builder.with_precise_qmm().map_err(|error| refused(error.to_string()))?;
        let mut builder = providers::registered(builder, wanted, weights.precision)?;
        let session = builder.commit_from_memory(&weights.bytes).map_err(|error| refused(error.to_string()))?;
        if wanted.providers != [Provider::Cpu] {
            tracing::info!("ONNX Runtime runs {} on {}", weights.name, said(wanted.providers));
        }
        let written = &contract.written;
        named(session.inputs().iter().map(ort::value::Outlet::name), &written.input.name, "input").map_err(wrong)?;
        let mut heads = Vec::new();
        for output in &written.outputs {
            named(session.outputs().iter().map(ort::value::Outlet::name), &output.name, "output").map_err(wrong)?;
            let values = vec![0.0; output.shape.iter().product()];
            heads.push(Head { name: output.name.clone(), shape: output.shape, values: values.into() });
        }
        let input_shape = [1, 3, written.input.height as usize, written.input.width as usize];
        Ok(Self {
            session,
            precision: weights.precision,
            input: written.input.name.clone(),
            input_shape,
            heads: Heads(heads),
        })
    }
}

impl Engine for OnnxRuntime {
    fn name(&self) -> &'static str {
        NAME
    }

    fn precision(&self) -> Precision {
        self.precision
    }

    fn run(&mut self, input: &[f32]) -> Result<&Heads, InferError> {
        let failed = |error: ort::Error| InferError::Run { engine: NAME, what: error.to_string() };
        let tensor = TensorRef::from_array_view((self.input_shape, input)).map_err(failed)?;
        let outputs = self.session.run(ort::inputs![self.input.as_str() => tensor]).map_err(failed)?;
        for head in &mut self.heads.0 {
            let Some(value) = outputs.get(&head.name) else {
                return Err(InferError::Run { engine: NAME, what: format!("output {:?} did not come", head.name) });
            };
            let (shape, values) = value.try_extract_tensor::<f32>().map_err(failed)?;
            let mut got = [0; 4];
            let known = shape.len() == 4;
            got.iter_mut().zip(shape.iter()).for_each(|(to, from)| *to = usize::try_from(*from).unwrap_or(0));
            check_heads(NAME, &head.name, if known { &got } else { &[] }, &head.shape)?;
            head.values.copy_from_slice(values);
        }
        Ok(&self.heads)
    }
}

fn named<'n>(mut got: impl Iterator<Item = &'n str> + Clone, name: &str, what: &str) -> Result<(), String> {
    if got.clone().any(|got| got == name) {
        return Ok(());
    }
    let first = got.next().unwrap_or("none").to_owned();
    let all = got.fold(first, |all, next| format!("{all}, {next}"));
    Err(format!("has no {what} {name:?}, which model.toml names; got {all}; export the model again"))
}

/// The process's environment, made with the first library that is asked for, and that library's file.
fn environment(library: Option<&Path>) -> Result<(Environment, PathBuf), InferError> {
    let missing = |what: String| InferError::Library { engine: NAME, what };
    let file = match library {
        // The loader takes a relative path as relative to the program's file; people mean the current folder.
        Some(file) => std::path::absolute(file).map_err(|error| missing(format!("{}: {error}", file.display())))?,
        None => find().ok_or_else(|| missing(format!("its library is not in the usual places; {HOW_TO_GET_IT}")))?,
    };
    if !file.is_file() {
        return Err(missing(format!("{}: no such file; {HOW_TO_GET_IT}", file.display())));
    }
    let mut opened = OPENED.lock().unwrap_or_else(PoisonError::into_inner);
    match &*opened {
        Some((first, environment)) if *first == file => Ok((environment.clone(), file)),
        Some((first, _)) => Err(missing(format!(
            "{} was asked for, but {} is open; one a process is allowed",
            file.display(),
            first.display()
        ))),
        None => {
            let builder = ort::init_from(&file)
                .map_err(|error| missing(format!("{}: {error}; {HOW_TO_GET_IT}", file.display())))?;
            let environment = builder
                .with_telemetry(false)
                .build()
                .map_err(|error| missing(format!("{}: {error}; {HOW_TO_GET_IT}", file.display())))?;
            *opened = Some((file.clone(), environment.clone()));
            Ok((environment, file))
        }
    }
}

/// The first library in the usual places, or beside the program.
pub fn find() -> Option<PathBuf> {
    let beside = std::env::current_exe().ok().and_then(|program| program.parent().map(Path::to_owned));
    let folders = beside.into_iter().chain(FOLDERS.iter().map(PathBuf::from));
    folders.flat_map(|folder| libraries(&folder)).next()
}

/// Files named `libonnxruntime.so` or `libonnxruntime.so.<version>`, in name order.
fn libraries(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let is_library = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        name == "libonnxruntime.so" || name.starts_with("libonnxruntime.so.")
    };
    let mut found: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).filter(is_library).collect();
    found.sort();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cpu() -> Wanted<'static> {
        Wanted { providers: &[Provider::Cpu], engine_cache: Path::new("/nonexistent") }
    }

    #[test]
    fn a_library_that_is_not_there_says_how_to_get_it() {
        let contract = Contract::bundled().unwrap_or_else(|error| panic!("{error}"));
        let file = Path::new("/nonexistent/libonnxruntime.so.1");
        let error = OnnxRuntime::open(&contract, &contract.weights[0], 1, Some(file), cpu())
            .err()
            .map(|error| error.to_string())
            .unwrap_or_default();
        assert_eq!(
            error,
            "engine onnxruntime: /nonexistent/libonnxruntime.so.1: no such file; pip install onnxruntime (1.20 or later) and set \
             model.onnxruntime_library to its onnxruntime/capi/libonnxruntime.so.*, or use engine = \"built-in\""
        );
    }

    #[test]
    fn a_file_that_is_no_library_is_an_error() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("libonnxruntime.so");
        std::fs::write(&file, b"not a library").expect("written");
        let contract = Contract::bundled().unwrap_or_else(|error| panic!("{error}"));
        let opened = OnnxRuntime::open(&contract, &contract.weights[0], 1, Some(&file), cpu());
        assert!(matches!(opened, Err(InferError::Library { .. })));
    }
}
