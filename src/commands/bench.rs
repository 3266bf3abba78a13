//! `arenad bench`: each step alone and the line whole, on rendered pictures.

mod board;

use super::progress::Progress;
use super::run::{arena_contract, start_failure};
use super::{Failure, fatal};
use arenad::config::{self, Camera, Config, DecodeEngine};
use arenad::decode::Decode;
use arenad::handover::{AccessUnit, Codec, Delivery, Frame, PictureSize};
use arenad::ledger::Ledger;
use arenad::model::Precision;
use arenad::pipeline::{FRAME_BUFFERS, Tracking, TrackingParts};
use arenad::rehearsal::encode::{EncodeSettings, Encoder, FrameRate};
use arenad::rehearsal::{Arena, HEIGHT, Look, WIDTH, i420_from_rgb};
use arenad::stamp::{CaptureClock, Clock, Stamp, WallTime};
use board::Board;
use std::fmt;
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
    /// What decodes: built-in, or nvdec for the board's hardware decoder.
    #[arg(long, default_value = "built-in", value_parser = decoding)]
    decode: DecodeEngine,
    /// The machine beside the figures, as Markdown to paste into hardware.md: board, release, power mode, clocks, heat.
    #[arg(long)]
    board: bool,
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
    let decode = Decode::new(FRAME_BUFFERS, ledger, clock).by(&config.decode).map_err(fatal)?;
    let mut decode = decode.in_place(tracking.reads_in_place());
    let mut times = Times::default();
    let cold = args.board.then(Board::cold);
    let began = Instant::now();
    for mut unit in units {
        unit.stamp.arrived = clock.monotonic();
        let start = Instant::now();
        let mut frame = None;
        decode.decode(&unit, &mut |shown: Frame| frame = Some(shown)).map_err(fatal)?;
        times.decode.push(start.elapsed());
        if let Some(delivery) = frame.and_then(|frame| tracking.advance(frame)) {
            times.take(&delivery, tracking.gpu_ms());
            let start = Instant::now();
            tracking.settle(&delivery.scene, &mut |_settled| ());
            times.settle.push(start.elapsed());
        }
    }
    times.line = began.elapsed();
    let run = RunBy {
        engine: tracking.engine(),
        precision: tracking.precision(),
        preprocess: tracking.preprocessed_by(),
        threads: args.engine.runner.threads,
        decode: decode.decoder_name().unwrap_or_default(),
    };
    let board = cold.map(|cold| Board::after(cold, tracking.ground()));
    match board {
        _ if args.json => times.print_json(run, board.as_ref()),
        Some(board) => times.print_board(run, &board),
        None => times.print_table(run),
    }
    Ok(())
}

fn decoding(text: &str) -> Result<DecodeEngine, String> {
    let found = DecodeEngine::WORDS.iter().find(|(word, _)| *word == text);
    found.map(|(_, engine)| *engine).ok_or_else(|| "allowed: built-in, nvdec".to_owned())
}

fn bench_config(args: &Args) -> Result<Config, url::ParseError> {
    Ok(Config {
        arena: "bench".to_owned(),
        camera: Camera::on_network(url::Url::parse("rtsp://rendered/")?),
        model: args.engine.meant(),
        decode: config::Decoding { engine: args.decode, device: None },
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

/// What did the work. A GPU's own time for `preprocess` is in the time of `infer`, which waits for both.
struct RunBy {
    engine: &'static str,
    precision: Precision,
    preprocess: &'static str,
    threads: usize,
    decode: &'static str,
}

impl fmt::Display for RunBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { engine, precision, preprocess, threads, decode } = self;
        write!(
            f,
            "decode by {decode}, engine {engine} {precision}, preprocess on the {preprocess}, {threads} thread(s)"
        )
    }
}

/// How long each step took, frame by frame.
#[derive(Default)]
struct Times {
    decode: Vec<Duration>,
    preprocess: Vec<Duration>,
    infer: Vec<Duration>,
    /// What of it the GPU's own clock does not account for; empty without one.
    beyond: Vec<Duration>,
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
    fn take(&mut self, delivery: &Delivery, gpu_ms: Option<f32>) {
        let steps = &delivery.steps;
        let between =
            |from: arenad::stamp::Monotonic, to: arenad::stamp::Monotonic| Duration::from_nanos(to.nanos_since(from));
        self.preprocess.push(between(steps.taken, steps.preprocessed));
        let infer = between(steps.preprocessed, steps.inferred);
        self.infer.push(infer);
        if let Some(gpu) = gpu_ms.and_then(|ms| Duration::try_from_secs_f32(ms / 1000.0).ok()) {
            self.beyond.push(infer.saturating_sub(gpu));
        }
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
            ("infer beyond the GPU", &mut self.beyond),
            ("pose", &mut self.pose),
            ("track", &mut self.track),
            ("act", &mut self.act),
            ("settle", &mut self.settle),
            ("all but decode and infer", &mut self.rest),
        ]
        .into_iter()
        .filter(|(_, times)| !times.is_empty())
        .map(|(name, times)| {
            times.sort_unstable();
            (name, quantile_ms(times, 0.5), quantile_ms(times, 0.99))
        })
        .collect()
    }

    fn frames_per_second(&self) -> f64 {
        self.rest.len() as f64 / self.line.as_secs_f64().max(1e-9)
    }

    fn print_table(mut self, run: RunBy) {
        println!("{run}, {} frames of 640x480", self.rest.len());
        println!("{:<26}{:>12}{:>12}", "step", "median ms", "p99 ms");
        for (name, median, p99) in self.rows() {
            println!("{name:<26}{median:>12.3}{p99:>12.3}");
        }
        println!("the line whole: {:.1} frames/s", self.frames_per_second());
    }

    fn print_board(mut self, run: RunBy, board: &Board) {
        let engine = format!("{run}, {} frames of 640x480", self.rest.len());
        let rows = self.rows();
        print!("{}", board.markdown(&engine, &rows, self.frames_per_second()));
    }

    fn print_json(mut self, run: RunBy, board: Option<&Board>) {
        let steps: serde_json::Map<_, _> = self
            .rows()
            .into_iter()
            .map(|(name, median, p99)| {
                (name.replace(' ', "_"), serde_json::json!({"median_ms": median, "p99_ms": p99}))
            })
            .collect();
        let frames = self.rest.len();
        let fps = self.frames_per_second();
        let RunBy { engine, precision, preprocess, threads, decode } = run;
        let (precision, preprocess) = (precision.word(), preprocess.to_ascii_lowercase());
        let mut all = serde_json::json!({"decode": decode, "engine": engine, "precision": precision, "preprocess": preprocess, "threads": threads, "frames": frames, "steps": steps, "frames_per_second": fps});
        if let (Some(board), Some(all)) = (board, all.as_object_mut()) {
            all.insert("board".to_owned(), board.json());
        }
        println!("{all}");
    }
}

/// The time that the share `quantile` of all stayed at or under, milliseconds. `sorted` rises.
fn quantile_ms(sorted: &[Duration], quantile: f64) -> f64 {
    let index = (sorted.len() as f64 * quantile).ceil().max(1.0) as usize - 1;
    sorted.get(index).map_or(0.0, |time| time.as_secs_f64() * 1000.0)
}
