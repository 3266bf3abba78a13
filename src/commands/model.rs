//! `arenad model`: looks after model folders.

mod compare;
mod golden;
mod import;
mod inspect;
mod pictures;
mod report;
mod verify;

pub(super) use pictures::open;

use super::Failure;

/// What can be done with a model folder.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    action: Action,
}

#[derive(clap::Subcommand, Debug)]
enum Action {
    /// Turns a network of DeepLabCut, SLEAP or YOLO-pose into a model folder.
    Import(import::Args),
    /// Checks a model folder and prints what its contract says.
    Inspect(inspect::Args),
    /// Compares a model's INT8 files with its FP32 file and refuses what loses too much.
    Verify(verify::Args),
}

pub(super) fn run(args: Args) -> Result<(), Failure> {
    match args.action {
        Action::Import(args) => import::run(&args),
        Action::Inspect(args) => inspect::run(&args),
        Action::Verify(args) => verify::run(&args),
    }
}
