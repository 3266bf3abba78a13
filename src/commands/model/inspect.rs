//! `arenad model inspect`: what a model's contract says, in words.

use super::super::{Failure, configuration};
use arenad::model::{Contract, Written};
use std::path::PathBuf;

/// Prints names, shapes, files and scores of a model; exit code 2 where the folder breaks its contract.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// The model's folder, or the name of a bundled one; without it, the bundled socialbox.
    folder: Option<PathBuf>,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let contract = Contract::find(args.folder.as_deref()).map_err(configuration)?;
    for weights in &contract.weights {
        contract.check_graph(weights).map_err(configuration)?;
    }
    println!("{}", described(&contract.written));
    Ok(())
}

pub(super) fn described(written: &Written) -> String {
    let mut lines = vec![format!("{}: {}", written.name, written.about)];
    let mut say = |head: &str, what: String| lines.push(format!("  {head:<12}{what}"));
    say("keypoints", written.keypoints.join(" "));
    let identities: Vec<_> = written.identities.iter().map(|identity| identity.name.as_str()).collect();
    say("identities", if identities.is_empty() { "none".to_owned() } else { identities.join(" ") });
    say("input", format!("{} x {} RGB", written.input.width, written.input.height));
    say("decoder", format!("{:?}", written.decoder));
    for output in &written.outputs {
        say("output", format!("{} ({}) {:?}, stride {}", output.name, output.meaning, output.shape, output.stride));
    }
    for file in &written.files {
        let loss = if file.loss_max > 0.0 { format!(", loss at most {}", file.loss_max) } else { String::new() };
        say("weights", format!("{} {}{loss}, sha256 {}", file.name, file.precision, file.sha256));
    }
    let training = &written.training;
    say("made by", format!("{} (seed {})", training.command, training.seed));
    say("data", training.data.clone());
    let score = |value: Option<f32>| value.map_or("not measured".to_owned(), |value| value.to_string());
    say("scores", format!("RMSE {} px, identity {}", score(training.rmse_px), score(training.identity_accuracy)));
    say("on", training.scores_on.clone());
    lines.join("\n")
}
