//! `arenad bench`: each step alone and the line whole, on rendered pictures.

use super::progress::Progress;
use super::run::{arena_contract, start_failure};
use super::{Failure, fatal};
use arenad::config::{self, Camera, Config};
use arenad::decode::Decode;
use arenad::handover::{AccessUnit, Codec, Delivery, Frame, PictureSize};
use arenad::ledger::Ledger;
use arenad::model::Precision;
use arenad::pipeline::{FRAME_BUFFERS, Tracking, TrackingParts};
use arenad::rehearsal::encode::{EncodeSettings, Encoder, FrameRate};
use arenad::rehearsal::{Arena, HEIGHT, Look, WIDTH, i420_from_rgb};
use arenad::stamp::{CaptureClock, Clock, Stamp, WallTime};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Renders and encodes an arena of four mice at 640x480, then times decode, preprocess, infer, pose, track and act on it, one frame
/// after the other on one thread (the engine has its own).
#[derive(clap::Args, Debug)]
pub struct Args {
    /// How many frames.
    #[arg(long, default_value_t = 300, value_parser = clap::value_parser!(u64).range(10..=100_000))]
    frames: u64,
    #[command(flatten)]
    engine: super::EngineArgs,
    /// One JSON object instead of a table.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: Args) -> Result<(), Failure> {
    let contract = arena_contract(&args.engine.meant())?;
    let (clock, ledger) = (Clock::new(), Arc::new(Ledger::default()));
    let config = bench_config(&args).map_err(fatal)?;
    let parts = TrackingParts::new(&config, &contract, clock, Arc::clone(&ledger)).map_err(start_failure)?;
    let mut tracking =
        Tracking::new(&contract, &config.model, parts, clock, Arc::clone(&ledger)).map_err(start_failure)?;
    let units = film(args.frames)?;
    let mut decode = Decode::new(FRAME_BUFFERS, ledger, clock);
    let mut times = Times::default();
    let began = Instant::now();
    for mut unit in units {
        unit.stamp.arrived = clock.monotonic();
        let start = Instant::now();
        let mut frame = None;
        decode.decode(&unit, &mut |shown: Frame| frame = Some(shown)).map_err(fatal)?;
        times.decode.push(start.elapsed());
        if let Some(delivery) = frame.and_then(|frame| tracking.advance(frame)) {
            times.take(&delivery);
            let start = Instant::now();
            tracking.settle(&delivery.scene, &mut |_settled| ());
            times.settle.push(start.elapsed());
        }
    }
    times.line = began.elapsed();
    let engine = (tracking.engine(), tracking.precision());
    if args.json {
        times.print_json(engine, args.engine.runner.threads)
    } else {
        times.print_table(engine, args.engine.runner.threads)
    }
    Ok(())
}

fn bench_config(args: &Args) -> Result<Config, url::ParseError> {
    Ok(Config {
        arena: "bench".to_owned(),
        camera: Camera::on_network(url::Url::parse("rtsp://rendered/")?),
        model: args.engine.meant(),
        tracker: config::Tracker::default(),
        zones: super::demo::zones(),
        rules: vec![super::demo::rule()],
        gpio: None,
        mqtt: None,
        files: None,
        web: None,
        harvest: None,
        process: config::Process::default(),
    })
}

/// The rendered arena as access units, all in memory so that rendering is not timed.
fn film(frames: u64) -> Result<Vec<AccessUnit>, Failure> {
    let size = PictureSize { width: WIDTH as u32, height: HEIGHT as u32 };
    let mut encoder = Encoder::new(size, FrameRate::THIRTY, EncodeSettings::default()).map_err(fatal)?;
    let mut arena = Arena::new(7, Look::typical(), FrameRate::THIRTY.hz());
    let mut rgb = vec![0; WIDTH * HEIGHT * 3];
    let mut i420 = vec![0; WIDTH * HEIGHT * 3 / 2];
    let mut progress = Progress::new("rendering", "frames", Some(frames));
    let mut units = Vec::new();
    for frame in 0..frames {
        arena.render(&mut rgb);
        i420_from_rgb(&rgb, WIDTH, HEIGHT, &mut i420);
        let coded = encoder.encode(&i420, false).map_err(fatal)?;
        let captured = WallTime(i64::try_from(frame).unwrap_or(0) * 33_333_333);
        units.push(AccessUnit {
            data: coded.annexb,
            codec: Codec::H264,
            key: coded.key,
            packets_lost: 0,
            restart: frame == 0,
            presentation: i64::try_from(frame).unwrap_or(0) * 3000,
            stamp: Stamp { frame, captured, capture_clock: CaptureClock::Recording, ..Stamp::default() },
        });
        arena.step();
        progress.at(frame + 1);
    }
    progress.done();
    Ok(units)
}

/// How long each step took, frame by frame.
#[derive(Default)]
struct Times {
    decode: Vec<Duration>,
    preprocess: Vec<Duration>,
    infer: Vec<Duration>,
    pose: Vec<Duration>,
    track: Vec<Duration>,
    act: Vec<Duration>,
    /// After the scene went out.
    settle: Vec<Duration>,
    /// Everything but decode, infer and settle.
    rest: Vec<Duration>,
    line: Duration,
}

impl Times {
    fn take(&mut self, delivery: &Delivery) {
        let steps = &delivery.steps;
        let between =
            |from: arenad::stamp::Monotonic, to: arenad::stamp::Monotonic| Duration::from_nanos(to.nanos_since(from));
        self.preprocess.push(between(steps.taken, steps.preprocessed));
        self.infer.push(between(steps.preprocessed, steps.inferred));
        self.pose.push(between(steps.inferred, steps.posed));
        self.track.push(between(steps.posed, steps.tracked));
        self.act.push(between(steps.tracked, steps.acted));
        self.rest.push(between(steps.taken, steps.preprocessed) + between(steps.inferred, steps.acted));
    }

    fn rows(&mut self) -> Vec<(&'static str, f64, f64)> {
        [
            ("decode", &mut self.decode),
            ("preprocess", &mut self.preprocess),
            ("infer", &mut self.infer),
            ("pose", &mut self.pose),
            ("track", &mut self.track),
            ("act", &mut self.act),
            ("settle", &mut self.settle),
            ("all but decode and infer", &mut self.rest),
        ]
        .into_iter()
        .map(|(name, times)| {
            times.sort_unstable();
            (name, quantile_ms(times, 0.5), quantile_ms(times, 0.99))
        })
        .collect()
    }

    fn frames_per_second(&self) -> f64 {
        self.rest.len() as f64 / self.line.as_secs_f64().max(1e-9)
    }

    fn print_table(mut self, (engine, precision): (&str, Precision), threads: usize) {
        println!("engine {engine} {precision}, {threads} thread(s), {} frames of 640x480", self.rest.len());
        println!("{:<26}{:>12}{:>12}", "step", "median ms", "p99 ms");
        for (name, median, p99) in self.rows() {
            println!("{name:<26}{median:>12.3}{p99:>12.3}");
        }
        println!("the line whole: {:.1} frames/s", self.frames_per_second());
    }

    fn print_json(mut self, (engine, precision): (&str, Precision), threads: usize) {
        let steps: serde_json::Map<_, _> = self
            .rows()
            .into_iter()
            .map(|(name, median, p99)| {
                (name.replace(' ', "_"), serde_json::json!({"median_ms": median, "p99_ms": p99}))
            })
            .collect();
        let frames = self.rest.len();
        let fps = self.frames_per_second();
        println!(
            "{}",
            serde_json::json!({"engine": engine, "precision": precision.word(), "threads": threads, "frames": frames, "steps": steps, "frames_per_second": fps})
        );
    }
}

/// The time that the share `quantile` of all stayed at or under, milliseconds. `sorted` rises.
fn quantile_ms(sorted: &[Duration], quantile: f64) -> f64 {
    let index = (sorted.len() as f64 * quantile).ceil().max(1.0) as usize - 1;
    sorted.get(index).map_or(0.0, |time| time.as_secs_f64() * 1000.0)
}
