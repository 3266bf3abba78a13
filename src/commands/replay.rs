//! `arenad replay`: the same line over a recording, on one thread, unpaced and repeatable.

use super::progress::Progress;
use super::run::{contract, secrets, start_failure};
use super::{Failure, configuration, fatal};
use arenad::config::{self, Camera, Config, Transport};
use arenad::decode::Decode;
use arenad::export::PosesCsv;
use arenad::handover::{Frame, Gaps};
use arenad::ledger::Ledger;
use arenad::pipeline::{FRAME_BUFFERS, Tracking, TrackingParts, file_info};
use arenad::sink::files::FilesWriter;
use arenad::sink::harvest::Harvester;
use arenad::source::FileSource;
use arenad::stamp::Clock;
use std::fs::File;
use std::io::BufWriter;
use std::path::PathBuf;
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
    /// Keeps doubtful frames, with the answers as first labels, in OUT/labeled-data: a DeepLabCut folder to correct and train on.
    #[arg(long)]
    harvest: bool,
}

pub(super) fn run(args: Args) -> Result<(), Failure> {
    let config = replay_config(&args)?;
    let contract = contract(config.model.folder.as_deref())?;
    let source = FileSource::open(&args.input).map_err(configuration)?;
    std::fs::create_dir_all(&args.out).map_err(|error| {
        configuration(format!("{}: {error}; give -o a folder that can be written", args.out.display()))
    })?;
    let (clock, ledger) = (Clock::new(), Arc::new(Ledger::default()));
    let parts = TrackingParts::new(&config, &contract, clock, Arc::clone(&ledger)).map_err(start_failure)?;
    let tracking = Tracking::new(&contract, &config.model, parts, clock, Arc::clone(&ledger)).map_err(start_failure)?;
    let files = config::Files {
        folder: args.out.clone(),
        rotate_after: Duration::from_secs(3600),
        rotate_bytes: 1 << 30,
        flush_every: Duration::from_secs(1),
    };
    let info = file_info(&config.arena, &contract, &config.zones);
    let poses_path = args.out.join("poses.csv");
    let poses = File::create(&poses_path)
        .map_err(|error| fatal(format!("{}: {error}; give -o a folder that can be written", poses_path.display())))?;
    let poses = PosesCsv::new(BufWriter::new(poses), "arenad", &info.keypoints, &info.identities).map_err(fatal)?;
    let harvest = match &config.harvest {
        Some(harvest) => Some(Harvester::new(harvest, &info, Arc::clone(&ledger)).map_err(configuration)?),
        None => None,
    };
    let files = FilesWriter::new(files, info, Arc::clone(&ledger)).map_err(fatal)?;
    let engine = format!("{} {}", tracking.engine(), tracking.precision());
    let began = Instant::now();
    let mut replay = Replay { tracking, files, poses, harvest, failure: None };
    replay.play(source, &Arc::clone(&ledger), clock)?;
    let written = replay.finish()?;
    report(&ledger, &engine, began.elapsed(), &args, &written);
    Ok(())
}

fn replay_config(args: &Args) -> Result<Config, Failure> {
    let mut config = match &args.config {
        Some(file) => Config::read_file(file, &secrets()).map_err(configuration)?,
        None => Config {
            arena: "replay".to_owned(),
            camera: Camera {
                url: "rtsp://recording/".parse().map_err(fatal)?,
                login: None,
                transport: Transport::Auto,
                stall: Duration::from_secs(3),
                backoff_max: Duration::from_secs(5),
            },
            model: args.engine.meant(),
            tracker: config::Tracker::default(),
            zones: Vec::new(),
            rules: Vec::new(),
            mqtt: None,
            files: None,
            web: None,
            harvest: None,
            process: config::Process::default(),
        },
    };
    let typed = args.engine.meant();
    let folder = typed.folder.or(config.model.folder);
    let library = typed.library.or(config.model.library);
    let full_frame_every = args.engine.full_frame_every.unwrap_or(config.model.full_frame_every);
    config.model = config::Model { folder, library, full_frame_every, ..typed };
    // A rule's pulse belongs to the moment; a recording has none.
    config.rules.clear();
    let harvest = config.harvest.take().unwrap_or_default();
    config.harvest = args.harvest.then(|| config::Harvest { folder: args.out.clone(), ..harvest });
    Ok(config)
}

/// From frames to files.
struct Replay {
    tracking: Tracking,
    files: FilesWriter,
    poses: PosesCsv<BufWriter<File>>,
    harvest: Option<Harvester>,
    failure: Option<Failure>,
}

impl Replay {
    fn play(&mut self, source: FileSource, ledger: &Arc<Ledger>, clock: Clock) -> Result<(), Failure> {
        let mut decode = Decode::new(FRAME_BUFFERS, Arc::clone(ledger), clock);
        let mut progress = Progress::new("replay", "frames", source.len());
        let mut received = 0;
        for unit in source {
            // What was read before a fault in the recording is kept.
            let unit = match unit {
                Ok(unit) => unit,
                Err(error) => {
                    self.failure.get_or_insert(fatal(error));
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
        let mut gaps = self.tracking.finish();
        gaps.extend(&decode.take_gaps());
        if let Err(failure) = self.note(&gaps) {
            self.failure.get_or_insert(failure);
        }
        match self.failure.take() {
            Some(failure) => Err(failure),
            None => Ok(()),
        }
    }

    fn take(&mut self, frame: Frame) {
        let Some(delivery) = self.tracking.advance(frame) else { return };
        if let Err(failure) = self.write(&delivery.scene) {
            self.failure.get_or_insert(failure);
        }
        if let Some(harvest) = &mut self.harvest {
            harvest.take(&delivery);
        }
    }

    fn write(&mut self, scene: &arenad::handover::Scene) -> Result<(), Failure> {
        self.poses.write_scene(scene).map_err(fatal)?;
        self.files.write(scene);
        Ok(())
    }

    fn note(&mut self, gaps: &Gaps) -> Result<(), Failure> {
        for gap in gaps.iter() {
            for frame in gap.first..=gap.last {
                self.poses.write_missing(frame).map_err(fatal)?;
            }
        }
        self.files.note_gaps(gaps);
        Ok(())
    }

    fn finish(mut self) -> Result<Vec<PathBuf>, Failure> {
        self.poses.finish().map_err(fatal)?;
        self.files.finish().map_err(fatal)
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
