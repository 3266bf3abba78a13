//! `arenad model verify`: is the contract kept, and do the INT8 files give what the FP32 file gives?

use super::super::progress::Progress;
use super::super::{Failure, RunnerArgs, configuration, fatal};
use super::compare::{Compared, Rival};
use super::golden;
use super::pictures::Pictures;
use arenad::model::{Contract, Precision};
use std::path::PathBuf;

/// Checks a model's contract and its golden picture, and compares each INT8 file with FP32: output for output, and end to end
/// against the truth of rendered frames (and of real ones, with --labels). Exit code 1 where a file loses more than its loss_max.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// The model's folder, or the name of a bundled one; without it, the bundled socialbox.
    folder: Option<PathBuf>,
    /// A DeepLabCut folder whose labelled pictures are used too; give it again for more.
    #[arg(long, value_name = "DIR")]
    labels: Vec<PathBuf>,
    /// How many rendered frames.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(0..=100_000))]
    frames: u32,
    /// What the rendered frames are drawn from; the default was never trained on.
    #[arg(long, default_value_t = 900_001)]
    seed: u64,
    #[command(flatten)]
    runner: RunnerArgs,
    /// One JSON object instead of a table.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let contract = Contract::find(args.folder.as_deref()).map_err(configuration)?;
    let mut pictures = Pictures::new(&contract, args.frames, args.seed, &args.labels).map_err(configuration)?;
    let mut rivals = Vec::new();
    for precision in [Precision::Fp32, Precision::Int8, Precision::U8] {
        if contract.weights(precision).is_some() {
            rivals.push(Rival::open(&contract, &args.runner.meant(), precision).map_err(configuration)?);
        }
    }
    let golden = golden::check(&contract, &mut rivals[0]).map_err(fatal)?;
    let mut compared = Compared::new(&contract, rivals);
    let mut progress = Progress::new("verify", "frames", Some(pictures.len()));
    let mut done = 0;
    while let Some(picture) = pictures.next().map_err(configuration)? {
        compared.add(&picture).map_err(fatal)?;
        done += 1;
        progress.at(done);
    }
    progress.done();
    let report = compared.report(&golden);
    if args.json {
        println!("{}", report.json());
    } else {
        println!("{}", report.table());
    }
    match report.complaints() {
        complaints if complaints.is_empty() => Ok(()),
        complaints => Err(Failure::Fatal(complaints.join("\n"))),
    }
}
