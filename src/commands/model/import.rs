//! `arenad model import`: turns a network of another framework into a model folder, through the framework's own Python.

use super::super::{Failure, configuration, fatal};
use super::inspect;
use arenad::config;
use arenad::model::Contract;
use arenad::pose::PoseReader;
use arenad::space::Letterbox;
use std::fs;
use std::io::{Read, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

/// The Python files that do the work, as they stand in models/convert/; a new framework's file is added here.
const CARRIED: &[(&str, &str)] = &[
    ("__init__.py", include_str!("../../../models/convert/__init__.py")),
    ("contract.py", include_str!("../../../models/convert/contract.py")),
    ("deeplabcut.py", include_str!("../../../models/convert/deeplabcut.py")),
    ("fold.py", include_str!("../../../models/convert/fold.py")),
    ("sleap.py", include_str!("../../../models/convert/sleap.py")),
    ("sleap_graph.py", include_str!("../../../models/convert/sleap_graph.py")),
    ("yolo.py", include_str!("../../../models/convert/yolo.py")),
];

/// What a converter's own refusal starts with.
const REFUSAL: &str = "convert.";

/// Turns a network of DeepLabCut, SLEAP or YOLO-pose into a model folder.
///
/// Python does the reading, with the framework's own packages; `--python` names one that has them. The result is held against its
/// contract and run once. A network's file can be a program: import only what you trust.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// What made the network.
    #[arg(long, value_enum)]
    from: Framework,
    /// The network: for yolo a .pt or exported .onnx file; for the others what models/convert/README.md says.
    #[arg(required = true, value_name = "SOURCE")]
    sources: Vec<PathBuf>,
    /// The model's folder; not there yet, or empty.
    #[arg(short = 'o', long = "out", value_name = "DIR")]
    out: PathBuf,
    /// The model's name; without it, the source's.
    #[arg(long)]
    name: Option<String>,
    /// Pixels of the model's input; without it, those of the source.
    #[arg(long, value_name = "WxH")]
    size: Option<String>,
    /// The Python program.
    #[arg(long, default_value = "python3")]
    python: PathBuf,
}

#[derive(clap::ValueEnum, Clone, Copy, Debug)]
enum Framework {
    /// DeepLabCut 3 (PyTorch), single animal or multi-animal.
    Deeplabcut,
    /// SLEAP-NN.
    Sleap,
    /// YOLO-pose (Ultralytics).
    Yolo,
}

impl Framework {
    /// The Python module, and what `pip install` has to be given for it.
    fn module(self) -> (&'static str, &'static str) {
        match self {
            Self::Deeplabcut => ("deeplabcut", "deeplabcut onnx onnxruntime"),
            Self::Sleap => ("sleap", "onnx numpy"),
            Self::Yolo => ("yolo", "onnx ultralytics"),
        }
    }
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let (module, packages) = args.from.module();
    let bench = Bench::beside(&args.out)?;
    let made = bench.0.join("model");
    let mut command = Command::new(program(&args.python)?);
    // Started in a folder of ours: `-m` looks there first, and a folder `convert` of the user's is not meant.
    command.current_dir(&bench.0).args(["-m", &format!("convert.{module}")]);
    for source in &args.sources {
        command.arg(std::path::absolute(source).map_err(|error| configuration(wrong(source, &error)))?);
    }
    command.arg("-o").arg(&made);
    for (option, value) in [("--name", &args.name), ("--size", &args.size)] {
        if let Some(value) = value {
            command.args([option, value]);
        }
    }
    let spawned = command.stdin(Stdio::null()).stdout(std::io::stderr()).stderr(Stdio::piped()).spawn();
    let child = spawned.map_err(|error| {
        configuration(format!("import: {}: {error}; give a Python 3.10 or later with --python", args.python.display()))
    })?;
    finished(child, args, packages)?;
    let contract =
        Contract::read(&made).map_err(|error| fatal(format!("import: the result breaks its contract: {error}")))?;
    let ran = tried(&contract)?;
    fs::rename(&made, &args.out).map_err(|error| configuration(wrong(&args.out, &error)))?;
    println!("{}\n{ran}", inspect::described(&contract.written));
    Ok(())
}

/// A name is looked for where programs are; a path is meant from the current folder, not from where Python is started.
fn program(python: &Path) -> Result<PathBuf, Failure> {
    if python.components().count() < 2 {
        return Ok(python.to_owned());
    }
    std::path::absolute(python).map_err(|error| configuration(wrong(python, &error)))
}

/// Where the work is done: beside the result, so that this can be moved into place whole. Removed when dropped.
struct Bench(PathBuf);

impl Bench {
    fn beside(out: &Path) -> Result<Self, Failure> {
        let free = match fs::read_dir(out) {
            Ok(mut entries) => entries.next().is_none(),
            Err(error) => error.kind() == std::io::ErrorKind::NotFound,
        };
        let Some(name) = out.file_name().filter(|_| free) else {
            return Err(configuration(format!(
                "import: {}: is there and not an empty folder; give a folder that is not there yet",
                out.display()
            )));
        };
        let out = std::path::absolute(out).map_err(|error| configuration(wrong(out, &error)))?;
        let bench = Self(out.with_file_name(format!(".{}.import-{}", name.display(), std::process::id())));
        let folder = bench.0.join("convert");
        fs::create_dir_all(&folder).map_err(|error| configuration(wrong(&out, &error)))?;
        for (name, text) in CARRIED {
            let file = folder.join(name);
            fs::write(&file, text).map_err(|error| configuration(wrong(&file, &error)))?;
        }
        Ok(bench)
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        // What cannot be removed lies beside the result under a name that says what it is.
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn wrong(path: &Path, error: &std::io::Error) -> String {
    format!("import: {}: {error}; allowed: a path that can be read and written", path.display())
}

/// Shows what Python says until it ends; its last words are the reason where it failed.
fn finished(mut child: Child, args: &Args, packages: &str) -> Result<(), Failure> {
    let last = child.stderr.take().map(shown).unwrap_or_default();
    let status = child.wait().map_err(|error| fatal(format!("import: {}: {error}", args.python.display())))?;
    if status.success() {
        return Ok(());
    }
    let python = args.python.display();
    if last.contains("No module named") && !last.starts_with(REFUSAL) {
        return Err(configuration(format!("import: {python}: {last}; {python} -m pip install {packages}")));
    }
    // A converter that refuses its source ends with 2, as we do; anything else is a fault.
    let what = if last.is_empty() { format!("{python} ended with {status}") } else { last };
    Err(if status.code() == Some(2) {
        configuration(format!("import: {what}"))
    } else {
        fatal(format!("import: {what}"))
    })
}

/// Passes on what is said, line by line, bars drawn with carriage returns too, and returns the last line. That one is held
/// back where it is a converter's refusal: the caller says it.
fn shown(said: impl Read) -> String {
    let (mut line, mut last) = (Vec::new(), String::new());
    for byte in std::io::BufReader::new(said).bytes() {
        let Ok(byte) = byte else { break };
        line.push(byte);
        if byte == b'\n' || byte == b'\r' || line.len() > 10_000 {
            told(&mut line, &mut last);
        }
    }
    told(&mut line, &mut last);
    last
}

fn told(line: &mut Vec<u8>, last: &mut String) {
    let text = String::from_utf8_lossy(line).trim().to_owned();
    if !text.starts_with(REFUSAL) {
        // Words that nobody can read are no reason to stop.
        let _ = std::io::stderr().write_all(line);
    }
    if !text.is_empty() {
        *last = text;
    }
    line.clear();
}

/// One grey picture through the model, as the line does it.
fn tried(contract: &Contract) -> Result<String, Failure> {
    let not_run = |error: &dyn std::fmt::Display| fatal(format!("import: the result does not run: {error}"));
    let mut engine = arenad::infer::open(contract, &config::Model::default()).map_err(|error| not_run(&error))?;
    let mut reader = PoseReader::new(contract).map_err(|error| not_run(&error))?;
    let (input, size) =
        (vec![0.5; contract.input_len()], (contract.written.input.width, contract.written.input.height));
    let (name, begin) = (engine.name(), Instant::now());
    let heads = engine.run(&input).map_err(|error| not_run(&error))?;
    let taken = begin.elapsed();
    let found = reader.read(heads, &Letterbox::fit(size, size)).len();
    let taken = taken.as_secs_f64() * 1e3;
    Ok(format!("  {:<12}on {name}, one frame in {taken:.1} ms; {found} animal(s) in an even picture", "runs"))
}

#[cfg(test)]
mod tests {
    use super::CARRIED;

    #[test]
    fn each_converter_finds_the_modules_that_it_imports() {
        for (name, text) in CARRIED {
            let own = text.lines().filter_map(|line| line.strip_prefix("from .")).filter_map(|rest| {
                let (module, names) = rest.split_once(" import ")?;
                Some(if module.is_empty() { names } else { module })
            });
            for module in own {
                let file = format!("{}.py", module.trim());
                assert!(CARRIED.iter().any(|(carried, _)| *carried == file), "{name} imports {file}");
            }
        }
    }
}
