//! `arenad track`: the tracker alone over recorded poses.

use super::progress::Progress;
use super::replay;
use super::results::Results;
use super::run::{arena_contract, start_failure};
use super::{Failure, configuration};
use arenad::config;
use arenad::handover::{MAX_KEYPOINTS, Scene};
use arenad::ledger::Ledger;
use arenad::model::links;
use arenad::pipeline::{TrackingParts, file_info};
use arenad::sink::files::FileInfo;
use arenad::transcript::{Sizes, TranscriptReader};
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

/// Reads recorded poses (`arenad replay --raw-poses` writes them, docs/files.md tells their format) and writes what replay writes.
/// The same poses give the same bytes as the replay that recorded them. The rate and the times told are the tracker's alone.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Recorded poses, one JSON object a line.
    poses: PathBuf,
    /// Folder to write; made if it is not there.
    #[arg(short = 'o', long = "out", value_name = "DIR")]
    out: PathBuf,
    /// The model that the poses are of, for the names of keypoints and identities and their colours: its folder, or the name of a
    /// bundled one; without it, the bundled socialbox.
    #[arg(long, value_name = "DIR")]
    model: Option<PathBuf>,
    /// The arena's own coats, where the poses were recorded with them; without it, those of the model.
    #[arg(long, value_name = "FILE", conflicts_with = "keypoints")]
    coats: Option<PathBuf>,
    /// The names of the keypoints, in order, where no model of arenad's made the poses; its animals have no names.
    #[arg(long, value_name = "NAMES", value_delimiter = ',', conflicts_with = "model")]
    keypoints: Vec<String>,
    /// Takes arena, model, tracker and zones from this configuration; all else is left alone.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Writes poses.csv with the names as they were live, not as they were settled. The Parquet file holds both.
    #[arg(long)]
    live: bool,
}

pub(super) fn run(args: Args) -> Result<(), Failure> {
    let config = replay::config(args.config.as_deref())?;
    let info = match args.keypoints.as_slice() {
        [] => {
            let folder = args.model.clone().or(config.model.folder.clone());
            let coats = args.coats.clone().or(config.model.coats.clone());
            let model = config::Model { folder, coats, ..config.model.clone() };
            file_info(&config.arena, &arena_contract(&model)?, &config.zones)
        }
        keypoints => FileInfo {
            arena: config.arena.clone(),
            model: "poses".to_owned(),
            keypoints: checked(keypoints)?,
            zones: config.zones.clone(),
            ..FileInfo::default()
        },
    };
    let sizes = Sizes::new(info.keypoints.len(), info.identities.len());
    let (mut tracker, mut settler) =
        TrackingParts::tracker(&config, info.identities.len(), &links(&info.keypoints, &info.skeleton))
            .map_err(start_failure)?;
    let told = |what: String| configuration(format!("{}: {what}", args.poses.display()));
    let file = File::open(&args.poses).map_err(|error| told(format!("{error}; give a file of recorded poses")))?;
    let mut reader = TranscriptReader::new(BufReader::with_capacity(1 << 16, file), sizes);
    replay::make(&args.out)?;
    let mut results = Results::new(&args.out, info, args.live, Arc::new(Ledger::default()))?;
    let mut progress = Progress::new("track", "frames", None);
    let mut times = Times::default();
    // What was read before a wrong line is kept.
    let ended = loop {
        let recorded = match reader.next_frame() {
            Ok(Some(recorded)) => recorded,
            Ok(None) => break Ok(()),
            Err(error) => break Err(told(error.to_string())),
        };
        let scene = times.time(|| tracker.advance(&recorded.poses, recorded.stamp, &recorded.gaps));
        results.live(&scene);
        settler.take(&scene, tracker.told(), &mut |settled| results.settled(&settled));
        progress.at(times.0.len() as u64);
    };
    settler.finish(&mut |settled| results.settled(&settled));
    results.missing(&reader.take_gaps());
    results.check()?;
    progress.done();
    let written = results.finish()?;
    ended?;
    report(times, &args.out, &written);
    Ok(())
}

/// Names as a model's contract may have them.
fn checked(keypoints: &[String]) -> Result<Vec<String>, Failure> {
    let twice = (1..keypoints.len()).any(|index| keypoints[..index].contains(&keypoints[index]));
    if keypoints.len() > MAX_KEYPOINTS || twice || keypoints.iter().any(String::is_empty) {
        return Err(configuration(format!(
            "--keypoints: got {}; allowed: at most {MAX_KEYPOINTS} names, each once and none empty",
            keypoints.join(",")
        )));
    }
    Ok(keypoints.to_vec())
}

/// What each frame took, nanoseconds.
#[derive(Default)]
struct Times(Vec<u32>);

impl Times {
    fn time(&mut self, advance: impl FnOnce() -> Scene) -> Scene {
        let began = Instant::now();
        let scene = advance();
        self.0.push(u32::try_from(began.elapsed().as_nanos()).unwrap_or(u32::MAX));
        scene
    }

    /// The time, microseconds, that the share `quantile` of all frames stayed under.
    fn micros(&self, quantile: f64) -> f64 {
        let index = (self.0.len() as f64 * quantile).ceil() as usize;
        self.0.get(index.max(1) - 1).map_or(0.0, |nanos| f64::from(*nanos) / 1e3)
    }
}

fn report(mut times: Times, out: &Path, written: &[PathBuf]) {
    times.0.sort_unstable();
    let all_s = times.0.iter().map(|nanos| f64::from(*nanos)).sum::<f64>() / 1e9;
    println!("{} scenes in {}", times.0.len(), out.join("poses.csv").display());
    for file in written {
        println!("{}", file.display());
    }
    println!(
        "{:.0} frames/s by the tracker alone: {:.1} µs a frame at the median, {:.1} at p99, {:.1} at most",
        times.0.len() as f64 / all_s.max(1e-9),
        times.micros(0.5),
        times.micros(0.99),
        times.micros(1.0),
    );
}
