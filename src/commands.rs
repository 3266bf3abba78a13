//! The command line: what can be typed, and which exit code each end has.

mod bench;
mod check;
mod claim;
mod demo;
mod enrol;
mod eval;
mod export;
mod kept;
mod model;
mod progress;
mod rehearse;
mod replay;
mod results;
mod run;
mod service;
mod track;

use arenad::config::{self, EngineChoice, PrecisionChoice, PreprocessChoice, Provider};
use clap::{Parser, Subcommand};
use std::fmt;
use std::path::PathBuf;
use std::process::ExitCode;

/// Live tracking of painted mice: camera in, named animals out.
///
/// Exit codes: 0 done, 1 fatal (systemd restarts), 2 the configuration or the command is wrong (systemd must not restart).
#[derive(Parser, Debug)]
#[command(name = "arenad", version, max_term_width = 100)]
pub struct CommandLine {
    /// What to log: error, warn, info, debug or trace, or per module (`info,arenad::source=debug`).
    #[arg(long, global = true, default_value = "info", value_name = "FILTER")]
    pub log: String,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Shows the whole line on this machine: a rendered arena behind a real RTSP server, a broker, files, the live page.
    Demo(demo::Args),
    /// The daemon: one arena, one camera, until it is told to stop.
    Run(run::Args),
    /// Opens everything a configuration names, times ten frames, and says what is wrong and what to do.
    Check(check::Args),
    /// The same line over a recording (.mp4, raw .h264 or .h265, a folder of images): unpaced, repeatable.
    Replay(replay::Args),
    /// The tracker alone over recorded poses.
    Track(track::Args),
    /// Renders an arena with ground truth: video.mp4 and truth.csv, or labelled stills for training.
    Rehearse(rehearse::Args),
    /// Measures the coats of an arena's own animals: names and colours of any, from clicks, crops or labels.
    Enrol(enrol::Args),
    /// Turns rolling files into another format.
    Export(export::Args),
    /// Judges poses by the truth: keypoints, names, swaps, as a table or JSON.
    Eval(eval::Args),
    /// Looks after model folders: what a contract says, whether it is kept.
    Model(model::Args),
    /// Times each step alone and the line whole.
    Bench(bench::Args),
}

/// What finds the animals, where no configuration says it.
#[derive(clap::Args, Debug)]
pub struct EngineArgs {
    /// The model's folder, or the name of a bundled one; without it, the bundled socialbox.
    #[arg(long, value_name = "DIR")]
    model: Option<PathBuf>,
    /// Which of the model's files: auto (u8 with ONNX Runtime where there is one, else fp32), fp32, int8 or u8.
    #[arg(long, default_value = "auto", value_parser = precision)]
    precision: PrecisionChoice,
    /// Looks at the whole of one frame in N, and between them at a window around the animals: for pictures larger than the model's
    /// input, 1 to 1000; without it, each frame is whole.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    full_frame_every: Option<u32>,
    /// The arena's own coats, as arenad enrol wrote them; without it, those of the model.
    #[arg(long, value_name = "FILE")]
    coats: Option<PathBuf>,
    #[command(flatten)]
    runner: RunnerArgs,
}

impl EngineArgs {
    /// The same as the configuration has it.
    fn meant(&self) -> config::Model {
        config::Model {
            folder: self.model.clone(),
            coats: self.coats.clone(),
            precision: self.precision,
            full_frame_every: self.full_frame_every.unwrap_or(1),
            ..self.runner.meant()
        }
    }
}

/// What runs a model.
#[derive(clap::Args, Debug)]
pub struct RunnerArgs {
    /// What runs the model: auto, built-in, onnxruntime or tensorrt.
    #[arg(long, default_value = "auto", value_parser = engine)]
    engine: EngineChoice,
    /// ONNX Runtime's library file, where it is not in the usual places.
    #[arg(long, value_name = "FILE")]
    onnxruntime_library: Option<PathBuf>,
    /// What ONNX Runtime runs the model on, in this order: tensorrt, cuda, cpu; an error where one is not there.
    #[arg(long, value_name = "LIST", default_value = "cpu", value_parser = providers)]
    onnxruntime_providers: Providers,
    /// The folder of TensorRT's libraries, where the loader does not find them.
    #[arg(long, value_name = "FOLDER")]
    tensorrt_folder: Option<PathBuf>,
    /// Where engines that TensorRT built are kept.
    #[arg(long, value_name = "FOLDER", default_value = "/var/cache/arenad")]
    engine_cache: PathBuf,
    /// What fills the model's input: auto (the GPU with TensorRT, else the CPU) or cpu.
    #[arg(long, default_value = "auto", value_parser = preprocess)]
    preprocess: PreprocessChoice,
    /// The DLA core to which TensorRT gives the layers that it can take; without it, the GPU runs all.
    #[arg(long, value_name = "CORE", value_parser = clap::value_parser!(u32).range(0..=7))]
    dla: Option<u32>,
    /// Threads of the engine.
    #[arg(long, default_value_t = 2, value_parser = threads)]
    threads: usize,
}

impl RunnerArgs {
    /// The same as the configuration has it, with the bundled model.
    fn meant(&self) -> config::Model {
        config::Model {
            engine: self.engine,
            threads: self.threads,
            library: self.onnxruntime_library.clone(),
            providers: self.onnxruntime_providers.0.clone(),
            tensorrt_folder: self.tensorrt_folder.clone(),
            engine_cache: self.engine_cache.clone(),
            preprocess: self.preprocess,
            dla: self.dla,
            ..config::Model::default()
        }
    }
}

/// How a command failed, by what the caller should do about it.
#[derive(Debug)]
pub enum Failure {
    /// The configuration or the command is wrong: exit code 2.
    Configuration(String),
    /// Anything else that ends the program: exit code 1.
    Fatal(String),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Configuration(what) | Self::Fatal(what) => f.write_str(what),
        }
    }
}

impl Failure {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Configuration(_) => ExitCode::from(2),
            Self::Fatal(_) => ExitCode::from(1),
        }
    }
}

/// A wrong command or configuration.
fn configuration(error: impl fmt::Display) -> Failure {
    Failure::Configuration(error.to_string())
}

/// Anything else that ends the program.
fn fatal(error: impl fmt::Display) -> Failure {
    Failure::Fatal(error.to_string())
}

/// Reads `--engine`.
fn engine(text: &str) -> Result<EngineChoice, String> {
    match text {
        "auto" => Ok(EngineChoice::Auto),
        "built-in" => Ok(EngineChoice::BuiltIn),
        "onnxruntime" => Ok(EngineChoice::OnnxRuntime),
        "tensorrt" => Ok(EngineChoice::TensorRt),
        _ => Err("allowed: auto, built-in, onnxruntime, tensorrt".to_owned()),
    }
}

/// Reads `--precision`.
fn precision(text: &str) -> Result<PrecisionChoice, String> {
    let found = PrecisionChoice::WORDS.iter().find(|(word, _)| *word == text);
    found.map(|(_, choice)| *choice).ok_or_else(|| "allowed: auto, fp32, fp16, int8, u8".to_owned())
}

/// Reads `--preprocess`.
fn preprocess(text: &str) -> Result<PreprocessChoice, String> {
    let found = PreprocessChoice::WORDS.iter().find(|(word, _)| *word == text);
    found.map(|(_, choice)| *choice).ok_or_else(|| "allowed: auto, cpu".to_owned())
}

/// What `--onnxruntime-providers` means.
#[derive(Clone, Debug)]
struct Providers(Vec<Provider>);

/// Reads `--onnxruntime-providers`.
fn providers(text: &str) -> Result<Providers, String> {
    Provider::list(&text.split(',').map(str::trim).collect::<Vec<_>>()).map(Providers)
}

/// Reads `--threads`.
fn threads(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(threads) if (1..=64).contains(&threads) => Ok(threads),
        _ => Err("allowed: 1 to 64".to_owned()),
    }
}

/// Runs the command and says how it ended.
pub fn run(line: CommandLine) -> ExitCode {
    let done = match line.command {
        Command::Demo(args) => demo::run(args),
        Command::Run(args) => run::run(args),
        Command::Check(args) => check::run(args),
        Command::Replay(args) => replay::run(args),
        Command::Track(args) => track::run(args),
        Command::Rehearse(args) => rehearse::run(args),
        Command::Enrol(args) => enrol::run(args),
        Command::Export(args) => export::run(args),
        Command::Eval(args) => eval::run(args),
        Command::Model(args) => model::run(args),
        Command::Bench(args) => bench::run(args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("arenad: {failure}");
            failure.exit_code()
        }
    }
}
