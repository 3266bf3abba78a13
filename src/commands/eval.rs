//! `arenad eval`: poses and names against the truth.

mod table;

use super::{Failure, configuration, fatal};
use arenad::eval::{Film, evaluate, plot};
use std::path::{Path, PathBuf};

/// Compares what was found in a film with what is in it.
///
/// TRUTH is a table as `arenad rehearse` writes it: DeepLabCut's multi-animal layout, likelihood 1 where a keypoint is seen, 0 where it
/// is covered, empty cells where the animal is hidden. docs/eval.md says what each figure means.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// The truth, such as OUT/truth.csv of `arenad rehearse`.
    #[arg(long, value_name = "TRUTH.csv")]
    truth: PathBuf,
    /// What was found: a folder that `arenad replay` or `arenad track` wrote, or a poses.csv whose individuals are the names.
    #[arg(long, value_name = "PATH")]
    poses: PathBuf,
    /// Frames per second; without it, what the poses tell, else 30.
    #[arg(long, value_name = "N", value_parser = fps)]
    fps: Option<f64>,
    /// One JSON object with every number instead of a table.
    #[arg(long)]
    json: bool,
    /// Draws each animal's name over time: right, withheld, wrong, not found, hidden.
    #[arg(long, value_name = "FILE.svg")]
    plot: Option<PathBuf>,
}

/// Reads `--fps`.
fn fps(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(fps) if (0.1..=10_000.0).contains(&fps) => Ok(fps),
        _ => Err("allowed: 0.1 to 10000".to_owned()),
    }
}

pub(super) fn run(args: Args) -> Result<(), Failure> {
    let film = Film::read(&args.truth, &args.poses, args.fps).map_err(configuration)?;
    let evaluation = evaluate(&film).map_err(configuration)?;
    if let Some(path) = &args.plot {
        write(path, &plot(&film, &evaluation))?;
    }
    if args.json {
        println!("{}", serde_json::to_string_pretty(&evaluation.figures).map_err(fatal)?);
    } else {
        print!("{}", table::table(&evaluation.figures));
    }
    Ok(())
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    std::fs::write(path, text)
        .map_err(|error| configuration(format!("{}: {error}; give a place that can be written", path.display())))
}
