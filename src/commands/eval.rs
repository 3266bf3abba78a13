//! `arenad eval`: poses and names against the truth.

use super::{Failure, configuration, fatal};
use arenad::eval::{Evaluation, Figures, Film, KindFigures, evaluate};
use std::path::PathBuf;

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
    let Evaluation { figures, .. } = evaluate(&film).map_err(configuration)?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&figures).map_err(fatal)?);
    } else {
        print!("{}", table(&figures));
    }
    Ok(())
}

type Cell = fn(&KindFigures) -> String;

fn table(figures: &Figures) -> String {
    let rows: &[(&str, Cell)] = &[
        ("identity accuracy", |kind| percent(kind.identity_accuracy)),
        ("coverage", |kind| percent(kind.coverage)),
        ("strict share", |kind| percent(kind.strict_share)),
        ("animal-frames in view", |kind| kind.animal_frames.visible.to_string()),
        ("  wrong", |kind| kind.animal_frames.wrong.to_string()),
        ("  withheld", |kind| kind.animal_frames.withheld.to_string()),
        ("  not found", |kind| kind.animal_frames.not_found.to_string()),
        ("mistakes", |kind| kind.mistakes.to_string()),
        ("  longest, s", |kind| format!("{:.2}", kind.longest_mistake_s)),
        ("lasting swaps (animals)", |kind| kind.lasting_swaps.to_string()),
        ("  per hour", |kind| number(kind.lasting_swaps_per_hour)),
        ("  incidents", |kind| kind.lasting_incidents.to_string()),
        ("calibration error", |kind| kind.calibration.ece.map_or("-".to_owned(), |ece| format!("{ece:.4}"))),
    ];
    let mut text = format!(
        "{} frames at {:.2} frames/s ({:.3} h), body length {:.1} px\n",
        figures.frames, figures.fps, figures.hours, figures.body_length_px
    );
    text.push_str(&line("", figures.kinds.iter().map(|kind| kind.kind.to_owned())));
    for (name, cell) in rows {
        text.push_str(&line(name, figures.kinds.iter().map(cell)));
    }
    let jumps = &figures.jumps;
    text.push_str(&format!(
        "jumps: {} keypoints in {} episodes ({} per hour); of predicted keypoints {}\n",
        jumps.keypoints,
        jumps.episodes,
        number(jumps.episodes_per_hour),
        jumps.predicted_keypoints
    ));
    text
}

fn line(name: &str, cells: impl Iterator<Item = String>) -> String {
    let cells: String = cells.map(|cell| format!("{cell:>14}")).collect();
    format!("{name:<28}{cells}\n")
}

fn percent(share: Option<f64>) -> String {
    share.map_or("-".to_owned(), |share| format!("{:.3} %", 100.0 * share))
}

fn number(value: Option<f64>) -> String {
    value.map_or("-".to_owned(), |value| format!("{value:.2}"))
}
