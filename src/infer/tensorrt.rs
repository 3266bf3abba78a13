//! TensorRT on an NVIDIA GPU: an engine built once from the model's ONNX file, kept on the disk, and run on one stream.

pub mod cache;
#[cfg(feature = "tensorrt")]
mod ffi;
#[cfg(feature = "tensorrt")]
pub use ffi::GpuInput;
mod in_place;
pub mod library;
pub mod picture;
mod progress;
mod seeing;

pub use progress::Pace;

use super::{Engine, Head, Heads, InferError};
use crate::handover::{Frame, Slot, Taken};
use crate::model::{Contract, Precision, Weights};
use crate::space::{Letterbox, Window};
use cache::{Found, Place};
use in_place::InPlace;
use library::{BuildOptions, Fault, Library, Session, Step, Tensor};
use picture::Pictures;
use progress::{Progress, Tick};
use std::fs::File;
use std::io;
use std::path::Path;

/// Most words of a build between two ticks.
const WORDS_A_TICK: u32 = 10;
const NAME: &str = "tensorrt";
/// What a layer may take as scratch memory: a board's memory is the program's too.
const WORKSPACE_BYTES: u64 = 512 << 20;
/// From here on a network's numbers are those of the file.
const STRONGLY_TYPED_FROM: i32 = 110_000;

/// How the engine is opened.
#[derive(Clone, Copy, Debug)]
pub struct Settings<'a> {
    /// The folder of TensorRT's libraries; `None`: where the loader looks.
    pub folder: Option<&'a Path>,
    /// Where built engines are kept.
    pub cache: &'a Path,
    /// FP16 where it is faster than the file's own numbers.
    pub fp16: bool,
    /// The GPU makes the input from frames that it can read; else it takes numbers alone.
    pub pictures: bool,
    /// The DLA core that takes the layers that it can; `None`: the GPU alone.
    pub dla: Option<u32>,
    /// How a build is spoken of.
    pub pace: Pace,
}

/// An engine with its buffers on the GPU.
pub struct TensorRt {
    session: Box<dyn Session>,
    precision: Precision,
    input: usize,
    /// The session's index of each head.
    outputs: Vec<usize>,
    heads: Heads,
    /// Nothing where it takes numbers alone.
    pictures: Option<Pictures>,
    /// Nothing where it takes copies alone. After `session`, which may still read what this keeps.
    in_place: Option<InPlace>,
    ground: String,
    gpu_ms: f32,
}

impl TensorRt {
    /// Opens TensorRT and its engine for these weights, which is built where it is not in the cache. `progress` hears of the build.
    pub fn open(
        contract: &Contract,
        weights: &Weights,
        settings: Settings<'_>,
        progress: &dyn Fn(&str),
    ) -> Result<Self, InferError> {
        contract.check_graph(weights)?;
        let library = opened(settings.folder)?;
        Self::on(library.as_ref(), contract, weights, settings, progress)
    }

    /// The same on a library that is open.
    pub fn on(
        library: &dyn Library,
        contract: &Contract,
        weights: &Weights,
        settings: Settings<'_>,
        progress: &dyn Fn(&str),
    ) -> Result<Self, InferError> {
        let opening = Opening { library, contract, weights, settings, progress };
        let mut session = opening.session()?;
        let (input, outputs) = bound(session.tensors(), contract).map_err(|what| opening.wrong(what))?;
        session.start().map_err(|fault| opening.explained(fault))?;
        let pictures = match settings.pictures {
            true => Some(seeing::opened(session.as_mut(), input, contract)?),
            false => None,
        };
        let in_place = session.reads_in_place().then(|| InPlace::new(contract));
        let heads = contract.written.outputs.iter().zip(&outputs).map(|(output, tensor)| {
            let count = output.shape.iter().product();
            let values = session.lend(*tensor, count).unwrap_or_else(|| vec![0.0; count].into());
            Head { name: output.name.clone(), shape: output.shape, values }
        });
        let heads = Heads(heads.collect());
        Ok(Self {
            session,
            precision: weights.precision,
            input,
            outputs,
            heads,
            pictures,
            in_place,
            ground: library.about().words(),
            gpu_ms: 0.0,
        })
    }

    /// A run on the input as it is.
    fn through(&mut self) -> Result<&Heads, InferError> {
        self.gpu_ms = self.session.run().map_err(failed)?;
        self.in_place.iter_mut().for_each(InPlace::done);
        for (head, tensor) in self.heads.0.iter_mut().zip(&self.outputs).filter(|(head, _)| !head.values.are_lent()) {
            self.session.take(*tensor, &mut head.values).map_err(failed)?;
        }
        Ok(&self.heads)
    }
}

impl Engine for TensorRt {
    fn name(&self) -> &'static str {
        NAME
    }

    fn precision(&self) -> Precision {
        self.precision
    }

    fn ground(&self) -> Option<String> {
        Some(self.ground.clone())
    }

    fn gpu_ms(&self) -> Option<f32> {
        Some(self.gpu_ms)
    }

    fn run(&mut self, input: &[f32]) -> Result<&Heads, InferError> {
        self.session.put(self.input, input).map_err(failed)?;
        self.through()
    }

    fn see(&mut self, frame: &Frame, window: Window) -> Result<Option<Letterbox>, InferError> {
        let Some((picture, letterbox)) = self.pictures.and_then(|pictures| pictures.of(frame, window)) else {
            return Ok(None);
        };
        let session = self.session.as_mut();
        let place = &mut self.in_place;
        if !place.as_mut().is_some_and(|place| place.put(session, self.input, (frame, window), &picture)) {
            session.put_picture(self.input, &picture).map_err(failed)?;
        }
        Ok(Some(letterbox))
    }

    fn reads_in_place(&self) -> bool {
        self.in_place.as_ref().is_some_and(|place| !place.is_refused())
    }

    fn run_seen(&mut self) -> Result<&Heads, InferError> {
        self.through()
    }
}

fn failed(fault: Fault) -> InferError {
    InferError::Run { engine: NAME, what: fault.to_string() }
}

#[cfg(feature = "tensorrt")]
fn opened(folder: Option<&Path>) -> Result<Box<dyn Library>, InferError> {
    let library = ffi::open(folder).map_err(explained)?;
    let about = library.about();
    tracing::info!(gpu = about.gpu, driver = about.driver, "TensorRT {}", about.version_text());
    Ok(Box::new(library))
}

#[cfg(not(feature = "tensorrt"))]
fn opened(_: Option<&Path>) -> Result<Box<dyn Library>, InferError> {
    Err(explained(Fault::Library("this program was built without it (cargo build --features tensorrt)".to_owned())))
}

/// A fault of the library, the driver or the GPU in the words for an operator.
fn explained(fault: Fault) -> InferError {
    let advice = match fault {
        Fault::Library(_) => {
            "install TensorRT with its ONNX parser (JetPack: apt install tensorrt), or name the folder of its libraries in \
             model.tensorrt_folder, or use another engine"
        }
        Fault::Version(_) => {
            "name a folder with that version's own libraries in model.tensorrt_folder, or use another engine"
        }
        _ => {
            "TensorRT needs an NVIDIA GPU, its driver and the right to use both (groups video and render), or use another engine"
        }
    };
    InferError::Library { engine: NAME, what: format!("{fault}; {advice}") }
}

/// One start of the engine.
struct Opening<'a> {
    library: &'a dyn Library,
    contract: &'a Contract,
    weights: &'a Weights,
    settings: Settings<'a>,
    progress: &'a dyn Fn(&str),
}

impl Opening<'_> {
    /// From the cache, else built under the lock that keeps two arenas from building the same engine at once.
    fn session(&self) -> Result<Box<dyn Session>, InferError> {
        let (about, options) = (self.library.about(), self.options()?);
        let place = Place::new(self.settings.cache, &self.weights.bytes, self.weights.precision, about, options);
        if let Some(session) = self.cached(&place, true)? {
            return Ok(session);
        }
        let _lock = self.locked(&place)?;
        // Another arena may have built it meanwhile.
        if let Some(session) = self.cached(&place, false)? {
            return Ok(session);
        }
        let plan = self.built(options)?;
        if let Err(error) = place.write(&plan) {
            // It works without; the next start takes as long again.
            tracing::warn!("engine cache {}: {error}; the engine is not kept", place.file().display());
        }
        self.library.load(&plan, self.settings.dla).map_err(|fault| self.explained(fault))
    }

    fn options(&self) -> Result<BuildOptions, InferError> {
        let (int8, version) = (self.weights.precision == Precision::Int8, self.library.about().version_text());
        let typed = self.library.about().version >= STRONGLY_TYPED_FROM;
        if typed && self.settings.fp16 && !int8 {
            return Err(self.wrong(format!(
                "fp16 was asked for, but TensorRT {version} takes numbers as the file has them; allowed: int8 or fp32; set model.precision"
            )));
        }
        let fp16 = self.settings.fp16 && !typed;
        self.check_dla(fp16 || int8)?;
        Ok(BuildOptions { fp16, int8, dla: self.settings.dla, workspace_bytes: WORKSPACE_BYTES })
    }

    /// A DLA core that is wanted must be there, by TensorRT's own count, and there must be numbers that it computes with.
    fn check_dla(&self, half: bool) -> Result<(), InferError> {
        let Some(core) = self.settings.dla else { return Ok(()) };
        let about = self.library.about();
        let (cores, version, gpu) = (about.dla_cores, about.version_text(), &about.gpu);
        if core >= cores {
            let allowed = match cores {
                0 => "allowed: none".to_owned(),
                _ => format!("allowed: 0 to {}", cores - 1),
            };
            let what = format!(
                "model.dla: got core {core}, but TensorRT {version} has {cores} on {gpu}; {allowed}; change model.dla or leave it out"
            );
            return Err(InferError::Library { engine: NAME, what });
        }
        if !half {
            let what = "model.dla: a DLA core computes with int8 and fp16, but fp32 was asked for; set model.precision or leave model.dla out";
            return Err(InferError::Library { engine: NAME, what: what.to_owned() });
        }
        Ok(())
    }

    /// The engine in the cache, if it is the wanted one and TensorRT takes it.
    fn cached(&self, place: &Place, tell: bool) -> Result<Option<Box<dyn Session>>, InferError> {
        let refused = |why: String| {
            if tell {
                tracing::warn!("engine cache {}: {why}; the engine is built again", place.file().display());
            }
        };
        match place.read().map_err(|error| self.no_cache(&error))? {
            Found::Nothing => Ok(None),
            Found::Refused(why) => {
                refused(why);
                Ok(None)
            }
            Found::Plan(plan) => match self.library.load(&plan, self.settings.dla) {
                Ok(session) => Ok(Some(session)),
                Err(Fault::Plan(why)) => {
                    refused(format!("TensorRT does not take it: {why}"));
                    Ok(None)
                }
                Err(fault) => Err(self.explained(fault)),
            },
        }
    }

    fn locked(&self, place: &Place) -> Result<File, InferError> {
        loop {
            if let Some(lock) = place.lock().map_err(|error| self.no_cache(&error))? {
                return Ok(lock);
            }
            (self.progress)(&format!(
                "another arena builds the engine of {}; waiting for it",
                self.contract.written.name
            ));
            std::thread::sleep(self.settings.pace.tick);
        }
    }

    /// Builds on a thread of its own, so that this one can say how far it is.
    fn built(&self, options: BuildOptions) -> Result<Vec<u8>, InferError> {
        let steps = Slot::<Step>::new();
        let mut progress = Progress::new(&self.contract.written.name, self.settings.pace);
        let (library, onnx) = (self.library, &self.weights.bytes);
        let built = std::thread::scope(|scope| {
            let build = || {
                let built = library.build(onnx, options, &|step| {
                    steps.put(|_| step);
                });
                steps.close();
                built
            };
            let builder = std::thread::Builder::new()
                .name("build".to_owned())
                .spawn_scoped(scope, build)
                .map_err(|error| Fault::Device(format!("no thread to build on: {error}")))?;
            loop {
                match steps.take_within(self.settings.pace.tick) {
                    Taken::Value(step) => {
                        if let Some(words) = progress.step(step) {
                            (self.progress)(&words);
                            // Of the steps that come meanwhile the newest is kept: nobody needs more words than this.
                            std::thread::sleep(self.settings.pace.tick / WORDS_A_TICK);
                        }
                    }
                    Taken::Closed => break,
                    Taken::Nothing if builder.is_finished() => break,
                    Taken::Nothing => match progress.tick() {
                        Tick::Tell(words) => (self.progress)(&words),
                        Tick::Warn(words) => tracing::warn!("{words}"),
                        Tick::Nothing => {}
                    },
                }
            }
            builder.join().unwrap_or_else(|_| Err(Fault::Device("the thread that built the engine died".to_owned())))
        });
        built.map_err(|fault| self.explained(fault))
    }

    fn explained(&self, fault: Fault) -> InferError {
        match fault {
            Fault::Model(what) => self.wrong(format!("TensorRT does not take it: {what}; export the model again")),
            Fault::Plan(what) => self.wrong(format!("TensorRT does not take the engine that it built: {what}")),
            Fault::Run(what) => InferError::Run { engine: NAME, what },
            Fault::Library(_) | Fault::Version(_) | Fault::Device(_) => explained(fault),
        }
    }

    fn wrong(&self, what: String) -> InferError {
        InferError::Model { file: self.contract.folder.join(&self.weights.name), what }
    }

    fn no_cache(&self, error: &io::Error) -> InferError {
        let folder = self.settings.cache.display();
        let what = format!("engine cache {folder}: {error}; set model.engine_cache to a folder that can be written");
        InferError::Library { engine: NAME, what }
    }
}

/// The session's index of the input and of each of the contract's outputs; names and shapes must be those of the contract.
fn bound(tensors: &[Tensor], contract: &Contract) -> Result<(usize, Vec<usize>), String> {
    let input = &contract.written.input;
    let shape = [1, 3, input.height as usize, input.width as usize];
    let inputs = tensors.iter().filter(|tensor| tensor.input).count();
    if inputs != 1 {
        return Err(format!("the engine has {inputs} inputs; allowed: 1, {:?}; export the model again", input.name));
    }
    let index = place(tensors, &input.name, true, &shape)?;
    let outputs = contract.written.outputs.iter().map(|output| place(tensors, &output.name, false, &output.shape));
    Ok((index, outputs.collect::<Result<_, _>>()?))
}

fn place(tensors: &[Tensor], name: &str, input: bool, shape: &[usize; 4]) -> Result<usize, String> {
    let what = if input { "input" } else { "output" };
    let found = tensors.iter().position(|tensor| tensor.input == input && tensor.name == name);
    let Some((index, tensor)) = found.and_then(|index| Some((index, tensors.get(index)?))) else {
        let all: Vec<_> = tensors.iter().filter(|one| one.input == input).map(|one| one.name.as_str()).collect();
        let all = if all.is_empty() { "none".to_owned() } else { all.join(", ") };
        return Err(format!("has no {what} {name:?}, which model.toml names; got {all}; export the model again"));
    };
    if !tensor.shape.iter().copied().eq(shape.iter().map(|size| *size as i64)) {
        let got = &tensor.shape;
        return Err(format!("{what} {name:?} has the shape {got:?}; allowed: {shape:?}, as model.toml says"));
    }
    if !tensor.fp32 {
        return Err(format!(
            "{what} {name:?} is not of 32-bit floating point numbers, which alone are allowed; export the model again"
        ));
    }
    Ok(index)
}

#[cfg(test)]
mod tests;
