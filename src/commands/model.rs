//! `arenad model`: looks after model folders.

mod import;
mod inspect;

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
}

pub(super) fn run(args: Args) -> Result<(), Failure> {
    match args.action {
        Action::Import(args) => import::run(&args),
        Action::Inspect(args) => inspect::run(&args),
    }
}
