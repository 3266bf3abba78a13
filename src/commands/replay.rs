//! `arenad replay`: the same line over a recording, on one thread, unpaced and repeatable.

use super::progress::Progress;
use super::results::{Results, created};
use super::run::{arena_contract, secrets, start_failure};
use super::{Failure, configuration, fatal};
use arenad::config::{self, Camera, Config, PreprocessChoice};
use arenad::decode::Decode;
use arenad::handover::{Delivery, Frame, Scene, Settled};
use arenad::ledger::Ledger;
use arenad::pipeline::{Tracking, TrackingParts, file_info, frame_buffers};
use arenad::sink::harvest::Harvester;
use arenad::source::FileSource;
use arenad::stamp::Clock;
use arenad::transcript::{Sizes, TranscriptWriter};
use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Reads INPUT as fast as the machine can and writes what the daemon writes (Parquet below OUT) and OUT/poses.csv in DeepLabCut's
/// multi-animal layout. The same input gives the same bytes.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// An .mp4, a raw .h264 or .h265, an image, or a folder of .png and .jpg in name order.
    input: PathBuf,
    /// Folder to write; made if it is not there.
    #[arg(short = 'o', long = "out", value_name = "DIR")]
    out: PathBuf,
    #[command(flatten)]
    engine: super::EngineArgs,
    /// Takes arena, tracker, zones and what makes a frame doubtful from this configuration; its camera, sinks and rules are left
    /// alone.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Writes poses.csv with the names as they were live, not as they were settled. The Parquet file holds both.
    #[arg(long)]
    live: bool,
    /// Keeps doubtful frames, with the answers as first labels, in OUT/labeled-data: a DeepLabCut folder to correct and train on.
    #[arg(long)]
    harvest: bool,
    /// Writes the poses before tracking, with the paint's evidence, to OUT/poses.jsonl: `arenad track` reads it.
    #[arg(long)]
    raw_poses: bool,
}

pub(super) fn run(args: Args) -> Result<(), Failure> {
    let config = replay_config(&args)?;
    let contract = arena_contract(&config.model)?;
    let source = FileSource::open(&args.input).map_err(configuration)?;
    make(&args.out)?;
    let (clock, ledger) = (Clock::new(), Arc::new(Ledger::default()));
    let parts = TrackingParts::new(&config, &contract, clock, Arc::clone(&ledger)).map_err(start_failure)?;
    let tracking = Tracking::new(&contract, &config.model, parts, clock, Arc::clone(&ledger)).map_err(start_failure)?;
    let info = file_info(&config.arena, &contract, &config.zones);
    let raw_poses = match args.raw_poses {
        true => {
            let sizes = Sizes::new(info.keypoints.len(), info.identities.len());
            Some(TranscriptWriter::new(created(&args.out.join("poses.jsonl"))?, sizes))
        }
        false => None,
    };
    let harvest = match &config.harvest {
        Some(harvest) => {
            Some(Harvester::new(harvest, config.tracker.settle, &info, Arc::clone(&ledger)).map_err(configuration)?)
        }
        None => None,
    };
    let results = Results::new(&args.out, info, args.live, Arc::clone(&ledger))?;
    let engine = format!("{} {}", tracking.engine(), tracking.precision());
    let began = Instant::now();
    let mut replay = Replay { buffers: frame_buffers(&config), tracking, results, raw_poses, harvest };
    replay.play(source, &Arc::clone(&ledger), clock)?;
    let written = replay.finish()?;
    report(&ledger, &engine, began.elapsed(), &args, &written);
    Ok(())
}

/// Makes the folder for results.
pub(super) fn make(out: &Path) -> Result<(), Failure> {
    std::fs::create_dir_all(out)
        .map_err(|error| configuration(format!("{}: {error}; give -o a folder that can be written", out.display())))
}

/// The configuration of a recording's arena: the file's, or defaults. Its rules are gone: a rule's pulse belongs to the moment, and a
/// recording has none.
pub(super) fn config(file: Option<&Path>) -> Result<Config, Failure> {
    let mut config = match file {
        Some(file) => Config::read_file(file, &secrets()).map_err(configuration)?,
        None => Config {
            arena: "replay".to_owned(),
            camera: Camera::on_network("rtsp://recording/".parse().map_err(fatal)?),
            model: config::Model::default(),
            decode: config::Decoding::default(),
            tracker: config::Tracker::default(),
            zones: Vec::new(),
            rules: Vec::new(),
            gpio: None,
            mqtt: None,
            files: None,
            web: None,
            harvest: None,
            process: config::Process::default(),
        },
    };
    config.rules.clear();
    Ok(config)
}

/// What the options say goes before the file.
fn replay_config(args: &Args) -> Result<Config, Failure> {
    let mut config = config(args.config.as_deref())?;
    let typed = args.engine.meant();
    let folder = typed.folder.or(config.model.folder);
    let coats = typed.coats.or(config.model.coats);
    let library = typed.library.or(config.model.library);
    let tensorrt_folder = typed.tensorrt_folder.or(config.model.tensorrt_folder);
    let dla = typed.dla.or(config.model.dla);
    let full_frame_every = args.engine.full_frame_every.unwrap_or(config.model.full_frame_every);
    // Where the option says nothing of its own, the file decides.
    let preprocess = match typed.preprocess {
        PreprocessChoice::Auto => config.model.preprocess,
        PreprocessChoice::Cpu => PreprocessChoice::Cpu,
    };
    config.model =
        config::Model { folder, coats, library, tensorrt_folder, dla, full_frame_every, preprocess, ..typed };
    let harvest = config.harvest.take().unwrap_or_default();
    config.harvest = args.harvest.then(|| config::Harvest { folder: args.out.clone(), ..harvest });
    Ok(config)
}

/// From frames to files.
struct Replay {
    /// Of the pool for frames.
    buffers: usize,
    tracking: Tracking,
    results: Results,
    raw_poses: Option<TranscriptWriter<BufWriter<File>>>,
    harvest: Option<Harvester>,
}

impl Replay {
    fn play(&mut self, source: FileSource, ledger: &Arc<Ledger>, clock: Clock) -> Result<(), Failure> {
        // Recordings are decoded in the program whatever the daemon does, so that they replay alike everywhere.
        let mut decode = Decode::new(self.buffers, Arc::clone(ledger), clock);
        let mut progress = Progress::new("replay", "frames", source.len());
        let mut received = 0;
        for unit in source {
            // What was read before a fault in the recording is kept.
            let unit = match unit {
                Ok(unit) => unit,
                Err(error) => {
                    self.results.fail(fatal(error));
                    break;
                }
            };
            ledger.counters.units_received.one();
            ledger.counters.bytes_received.add(unit.data.len() as u64);
            received += 1;
            if let Err(error) = decode.decode(&unit, &mut |frame| self.take(frame)) {
                tracing::warn!(frame = unit.stamp.frame, "{error}");
                if matches!(error, arenad::decode::DecodeError::Unsupported { .. }) {
                    return Err(configuration(error));
                }
            }
            progress.at(received);
        }
        decode.flush(&mut |frame| self.take(frame));
        progress.done();
        let (results, harvest) = (&mut self.results, &mut self.harvest);
        self.tracking.settle_rest(&mut |settled| give(&settled, results, harvest));
        let mut gaps = self.tracking.finish();
        gaps.extend(&decode.take_gaps());
        self.results.missing(&gaps);
        if let Some(raw) = &mut self.raw_poses {
            raw.write_gaps(&gaps).map_err(fatal)?;
        }
        self.results.check()
    }

    fn take(&mut self, frame: Frame) {
        let Some(delivery) = self.tracking.advance(frame) else { return };
        self.results.live(&delivery.scene);
        self.record(&delivery.scene);
        if let Some(harvest) = &mut self.harvest {
            harvest.take(&delivery);
        }
        let Delivery { scene, frame, .. } = delivery;
        drop(frame);
        let (results, harvest) = (&mut self.results, &mut self.harvest);
        self.tracking.settle(&scene, &mut |settled| give(&settled, results, harvest));
    }

    fn record(&mut self, scene: &Scene) {
        if let Some(raw) = &mut self.raw_poses
            && let Err(error) = raw.write_frame(&scene.stamp, &scene.gaps, self.tracking.poses())
        {
            self.results.fail(fatal(error));
        }
    }

    fn finish(self) -> Result<Vec<PathBuf>, Failure> {
        if let Some(raw) = self.raw_poses {
            raw.finish().map_err(fatal)?;
        }
        self.results.finish()
    }
}

fn give(settled: &Settled, results: &mut Results, harvest: &mut Option<Harvester>) {
    results.settled(settled);
    if let Some(harvest) = harvest {
        harvest.take_settled(settled);
    }
}

fn report(ledger: &Ledger, engine: &str, took: Duration, args: &Args, written: &[PathBuf]) {
    let counters = &ledger.counters;
    let scenes = counters.scenes.get();
    println!(
        "{} access units: {scenes} scenes, {} corrupt, {} without reference, {} not inferred",
        counters.units_received.get(),
        counters.frames_corrupt.get(),
        counters.frames_without_reference.get(),
        counters.inference_errors.get(),
    );
    if counters.frames_cropped.get() > 0 {
        println!(
            "{} frames looked at whole, {} through a window",
            counters.frames_whole.get(),
            counters.frames_cropped.get()
        );
    }
    println!(
        "{:.1} frames/s with the engine {engine} ({:.1} s)",
        scenes as f64 / took.as_secs_f64().max(1e-9),
        took.as_secs_f64(),
    );
    if args.harvest {
        println!(
            "{} doubtful frames kept in {}, {} of them replaced, {} refused, {} failed",
            counters.harvest_kept.get(),
            args.out.join("labeled-data").display(),
            counters.harvest_replaced.get(),
            counters.harvest_refused.get(),
            counters.harvest_failed.get(),
        );
    }
    println!("{}", args.out.join("poses.csv").display());
    for file in written {
        println!("{}", file.display());
    }
}
