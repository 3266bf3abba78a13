//! `arenad export`: rolling files to other formats.

use super::progress::Progress;
use super::{Failure, configuration, fatal};
use arenad::export::{ExportError, Summary, dlc_csv};
use std::path::PathBuf;

/// Reads the rolling files below DIR in the order of their time (a file that is still being written too) and writes what was seen.
///
/// dlc-csv is DeepLabCut's multi-animal layout, which DeepLabCut, B-SOiD, VAME, SimBA and `arenad eval` read: four header rows (scorer,
/// individuals, bodyparts, coords), then one row a frame with x, y (camera pixels) and likelihood. A cell is empty where nothing
/// was seen: predicted places are not written. A frame that is missing is an empty row. Each run of the daemon counts its frames
/// anew and has a file of its own: poses.csv, poses-2.csv, …
///
/// A damaged file is told, the others are exported all the same, and the exit code is 1.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Folders that arenad wrote, such as <data>/<arena> or one day of it, or single files (.parquet, .arrows).
    #[arg(required = true, value_name = "DIR")]
    inputs: Vec<PathBuf>,
    /// The format.
    #[arg(long, value_enum)]
    to: Format,
    /// File to write.
    #[arg(short = 'o', long = "out", value_name = "FILE", default_value = "poses.csv")]
    out: PathBuf,
    /// Replaces a file that is there already.
    #[arg(long)]
    force: bool,
}

#[derive(clap::ValueEnum, Clone, Copy, Debug)]
enum Format {
    /// DeepLabCut's multi-animal CSV.
    DlcCsv,
}

pub(super) fn run(args: Args) -> Result<(), Failure> {
    let Format::DlcCsv = args.to;
    let mut progress = None;
    let summary = dlc_csv(&args.inputs, &args.out, args.force, &mut |done, total| {
        progress.get_or_insert_with(|| Progress::new("export", "bytes", Some(total))).at(done);
    })
    .map_err(failure)?;
    if let Some(progress) = progress {
        progress.done();
    }
    tell(&summary);
    if summary.damaged.is_empty() {
        return Ok(());
    }
    let told: Vec<_> = summary.damaged.iter().map(ToString::to_string).collect();
    Err(fatal(format!("damaged files, the rest is exported:\n  {}", told.join("\n  "))))
}

fn tell(summary: &Summary) {
    for path in &summary.outputs {
        println!("{}", path.display());
    }
    let Summary { files, frames, missing, unrecorded, unnamed, unfinished, .. } = summary;
    println!("{frames} frames of {files} files, {missing} more are missing as recorded");
    if *unrecorded > 0 {
        println!("{unrecorded} frames are missing without a record: a file is damaged or not there");
    }
    if *unnamed > 0 {
        println!("{unnamed} sightings without a name were left out");
    }
    if *unfinished > 0 {
        println!("{unfinished} files are still being written or end where their daemon died");
    }
}

/// What the person can change in the command is exit code 2.
fn failure(error: ExportError) -> Failure {
    match error {
        ExportError::Write { .. } | ExportError::AllDamaged(_) => fatal(error),
        error => configuration(error),
    }
}
