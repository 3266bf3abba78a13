//! `arenad check`: opens everything that a configuration names and says what is wrong and what to do.

use super::Failure;
use super::run::{arena_contract, secrets};
use arenad::act::{GpioPin, Pin as _};
use arenad::config::{CameraAt, Config, DecodeEngine, EngineChoice};
use arenad::decode::{self, Decode};
use arenad::handover::{AccessUnit, Frame, Line, Taken};
use arenad::infer::onnxruntime;
use arenad::ledger::Ledger;
use arenad::model::Contract;
use arenad::pipeline::{FRAME_BUFFERS, Tracking, TrackingParts, Urgency};
use arenad::sink::mqtt;
use arenad::source::{self, SourceState};
use arenad::stamp::{CaptureClock, Clock, WallTime};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Exit code 0: everything works. 1: something could not be reached. 2: the configuration is wrong.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// The configuration, see systemd/arenad.toml.
    config: PathBuf,
    /// How long to wait for the camera's pictures.
    #[arg(long, default_value_t = 15, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
}

/// Frames that are timed.
const FRAMES: usize = 10;

/// The table so far.
#[derive(Default)]
struct Table {
    unreached: usize,
    wrong: usize,
}

impl Table {
    fn good(&self, what: &str, said: impl std::fmt::Display) {
        println!("ok      {what:<10} {said}");
    }

    fn unreached(&mut self, what: &str, said: impl std::fmt::Display) {
        self.unreached += 1;
        println!("FAILED  {what:<10} {said}");
    }

    fn wrong(&mut self, what: &str, said: impl std::fmt::Display) {
        self.wrong += 1;
        println!("WRONG   {what:<10} {said}");
    }
}

pub(super) fn run(args: Args) -> Result<(), Failure> {
    let config = Config::read_file(&args.config, &secrets()).map_err(super::configuration)?;
    let mut table = Table::default();
    table.good("config", args.config.display());
    if let Ok(contract) = arena_contract(&config.model).map_err(|failure| table.wrong("model", failure)) {
        let written = &contract.written;
        table.good(
            "model",
            format!("{}: {} keypoints, {} identities", written.name, written.keypoints.len(), contract.animals().len()),
        );
        check_line(&config, &contract, Duration::from_secs(args.seconds), &mut table);
    }
    check_pin(&config, &mut table);
    check_sinks(&config, &mut table);
    check_process(config.process.realtime_priority, &mut table);
    match (table.wrong, table.unreached) {
        (0, 0) => Ok(()),
        (0, unreached) => Err(Failure::Fatal(format!("{unreached} thing(s) could not be reached; see FAILED above"))),
        (wrong, _) => Err(Failure::Configuration(format!("{wrong} thing(s) to mend; see WRONG above"))),
    }
}

/// Engine, zones, rules, camera and ten frames through all of it.
fn check_line(config: &Config, contract: &Contract, limit: Duration, table: &mut Table) {
    let (clock, ledger) = (Clock::new(), Arc::new(Ledger::default()));
    let parts = match TrackingParts::new(config, contract, clock, Arc::clone(&ledger)) {
        Ok(parts) => parts,
        Err(error) => return table.wrong("zones", error),
    };
    table.good("zones", format!("{} zone(s), {} rule(s)", config.zones.len(), config.rules.len()));
    let mut tracking = match Tracking::new(contract, &config.model, parts, clock, Arc::clone(&ledger)) {
        Ok(tracking) => tracking,
        Err(error) => return table.wrong("engine", error),
    };
    table.good("engine", format!("{} {}, {} thread(s)", tracking.engine(), tracking.precision(), config.model.threads));
    if matches!(config.model.engine, EngineChoice::Auto | EngineChoice::BuiltIn)
        && onnxruntime::find().is_none()
        && config.model.library.is_none()
    {
        println!(
            "        hint       ONNX Runtime is several times faster: pip install onnxruntime and set model.onnxruntime_library"
        );
    }
    match decode::device(&config.decode) {
        Ok(None) => {}
        Ok(Some(device)) => table.good("decode", device),
        Err(error) if cfg!(feature = "nvdec") => return table.unreached("decode", error),
        Err(error) => return table.wrong("decode", error),
    }
    let mut timed = Timed::default();
    let in_place = tracking.reads_in_place();
    let heard = watch(config, clock, &ledger, (limit, in_place), &mut |frame, decode_took| {
        let start = Instant::now();
        let size = frame.size();
        let stamp = frame.stamp;
        if let Some(delivery) = tracking.advance(frame) {
            let age = clock.wall().nanos_since(stamp.captured) as f64 / 1e6;
            timed.take(decode_took, start.elapsed(), age);
            timed.size = format!("{}x{}", size.width, size.height);
            timed.clock = Some(stamp.capture_clock);
            timed.animals = delivery.scene.animals.iter().filter(|animal| animal.track.is_some()).count();
        }
        timed.count() >= FRAMES
    });
    match heard {
        Ok(Camera { codec, device, pace }) => {
            let clock = word(timed.clock.unwrap_or_default(), device.is_some());
            let device = device.map(|device| format!("; set to {device}")).unwrap_or_default();
            let size = &timed.size;
            table.good("camera", format!("{codec}, {size}, {}, capture clock: {clock}{device}", pace.words()));
            table.good("frames", timed.words());
            if config.decode.engine == DecodeEngine::Nvdec && in_place {
                let read = ledger.counters.frames_in_place.get();
                let way =
                    if read > 0 { "read where the decoder left them" } else { "copied; see the warning in the log" };
                table.good("pictures", format!("{read} of {} on the GPU {way}", timed.count()));
            }
        }
        Err((true, said)) => table.wrong("camera", said),
        Err((false, said)) => table.unreached("camera", said),
    }
}

fn word(clock: CaptureClock, of_device: bool) -> &'static str {
    match clock {
        CaptureClock::SenderReport => "the camera's (sender reports)",
        CaptureClock::Kernel => "the kernel's",
        CaptureClock::Arrival if of_device => "arrival (the driver's stamps are of another clock)",
        CaptureClock::Arrival => "arrival (no sender report yet)",
        CaptureClock::Recording => "recording",
    }
}

#[derive(Default)]
struct Timed {
    decode: Vec<Duration>,
    line: Vec<Duration>,
    age_ms: f64,
    size: String,
    clock: Option<CaptureClock>,
    animals: usize,
}

impl Timed {
    fn take(&mut self, decode: Duration, line: Duration, age_ms: f64) {
        self.decode.push(decode);
        self.line.push(line);
        self.age_ms = age_ms;
    }

    fn count(&self) -> usize {
        self.line.len()
    }

    fn words(&self) -> String {
        let mean = |times: &[Duration]| {
            times.iter().map(Duration::as_secs_f64).sum::<f64>() * 1000.0 / times.len().max(1) as f64
        };
        format!(
            "{} frames: decode {:.1} ms, preprocess to act {:.1} ms on average; the last was {:.0} ms old; {} animal(s) in it",
            self.count(),
            mean(&self.decode),
            mean(&self.line),
            self.age_ms,
            self.animals,
        )
    }
}

/// What the camera said and did.
struct Camera {
    codec: String,
    /// Of a video device: what it is set to.
    device: Option<String>,
    pace: Pace,
}

/// The rate at which pictures come, by their numbers and capture times.
#[derive(Default)]
struct Pace(Option<[(u64, WallTime); 2]>);

impl Pace {
    fn see(&mut self, unit: &AccessUnit) {
        let now = (unit.stamp.frame, unit.stamp.captured);
        let first = self.0.filter(|_| !unit.restart).map_or(now, |[first, _]| first);
        self.0 = Some([first, now]);
    }

    fn words(&self) -> String {
        let rate = self.0.and_then(|[first, last]| {
            let nanos = last.1.nanos_since(first.1);
            (nanos > 0).then(|| last.0.saturating_sub(first.0) as f64 * 1e9 / nanos as f64)
        });
        rate.map_or("rate not measured".to_owned(), |rate| format!("{rate:.1} frames/s measured"))
    }
}

/// Receives from the camera until `see` is satisfied; what it is, or whether the configuration is to blame and what was said.
fn watch(
    config: &Config,
    clock: Clock,
    ledger: &Arc<Ledger>,
    (limit, in_place): (Duration, bool),
    see: &mut dyn FnMut(Frame, Duration) -> bool,
) -> Result<Camera, (bool, String)> {
    // Pictures of a device may be as large as their pixels, and need none of those before them.
    let room = if matches!(config.camera.at, CameraAt::Device(_)) { 16 } else { 256 };
    let units: Arc<Line<Heard>> = Arc::new(Line::new(room));
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let (camera, heard, counted) = (config.camera.clone(), Arc::clone(&units), Arc::clone(ledger));
    let receive = move || {
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else {
            return heard.close();
        };
        let mut emit = |unit| drop(heard.offer(Heard::Unit(unit)));
        let mut state = |state| drop(heard.offer(Heard::State(state)));
        runtime.block_on(source::run(&camera, clock, &counted, stopped, &mut emit, &mut state));
        runtime.shutdown_background();
        heard.close();
    };
    let thread = std::thread::Builder::new()
        .name("source".to_owned())
        .spawn(receive)
        .map_err(|error| (false, error.to_string()))?;
    let outcome = match Decode::new(FRAME_BUFFERS, Arc::clone(ledger), clock).by(&config.decode) {
        Ok(decode) => see_units(&units, decode.in_place(in_place), limit, see),
        Err(error) => Err((false, error.to_string())),
    };
    stop.send_replace(true);
    // The thread ends within the source's own limits; its fault would show as missing pictures.
    thread.join().ok();
    outcome
}

enum Heard {
    Unit(AccessUnit),
    State(SourceState),
}

fn see_units(
    units: &Line<Heard>,
    mut decode: Decode,
    limit: Duration,
    see: &mut dyn FnMut(Frame, Duration) -> bool,
) -> Result<Camera, (bool, String)> {
    let began = Instant::now();
    let mut camera = Camera { codec: String::from("live"), device: None, pace: Pace::default() };
    let mut last = format!("no picture within {} s; is the stream running?", limit.as_secs());
    loop {
        match units.take_within(limit.saturating_sub(began.elapsed())) {
            Taken::Value(Heard::Unit(unit)) => {
                camera.pace.see(&unit);
                let start = Instant::now();
                let mut frames = Vec::new();
                match decode.decode(&unit, &mut |frame| frames.push(frame)) {
                    Err(error @ decode::DecodeError::Unsupported { .. }) => {
                        return Err((true, error.to_string()));
                    }
                    Err(error) => last = error.to_string(),
                    Ok(()) => {}
                }
                let took = start.elapsed();
                if frames.into_iter().any(|frame| see(frame, took)) {
                    return Ok(camera);
                }
            }
            Taken::Value(Heard::State(SourceState::Live { codec, device, .. })) => {
                (camera.codec, camera.device) = (codec.to_string(), device);
            }
            Taken::Value(Heard::State(SourceState::Retrying { error, .. })) => {
                return Err((error.fate() == source::Fate::Configuration, error.to_string()));
            }
            Taken::Value(Heard::State(SourceState::Connecting)) => {}
            Taken::Nothing | Taken::Closed => return Err((false, last)),
        }
    }
}

/// Holds the line for a moment, inactive; the rules of the frames above have set a recorded pin.
fn check_pin(config: &Config, table: &mut Table) {
    let Some(gpio) = &config.gpio else { return println!("-       gpio       not configured: rules set no line") };
    let pin = match GpioPin::open(gpio, &config.arena) {
        Ok(pin) => pin,
        Err(error) if error.may_pass() => return table.unreached("gpio", error),
        Err(error) => return table.wrong("gpio", error),
    };
    let rules = config.rules.iter().map(|rule| rule.name.as_str()).filter(|name| gpio.driven_by(name));
    let level = if gpio.active_low { "low" } else { "high" };
    let longest = gpio.longest_pulse.as_millis();
    let driven_by = rules.collect::<Vec<_>>().join(", ");
    table.good("gpio", format!("{}, active {level}, {longest} ms at most, driven by: {driven_by}", pin.name()));
}

fn check_sinks(config: &Config, table: &mut Table) {
    match &config.mqtt {
        None => println!("-       mqtt       not configured"),
        Some(mqtt) => match mqtt::probe(mqtt) {
            Ok(()) => table.good("mqtt", format!("{}:{}", mqtt.host, mqtt.port)),
            Err(error) => table.unreached("mqtt", error),
        },
    }
    check_folder("files", config.files.as_ref().map(|files| files.folder.as_path()), table);
    check_folder("harvest", config.harvest.as_ref().map(|harvest| harvest.folder.as_path()), table);
    match &config.web {
        None => println!("-       web        not configured"),
        Some(web) => match TcpListener::bind(web.listen) {
            Ok(_) => table.good("web", format!("http://{}/", web.listen)),
            Err(error) => {
                table.wrong("web", format!("{}: {error}; choose another web.listen or stop what uses it", web.listen))
            }
        },
    }
}

fn check_process(realtime_priority: Option<u8>, table: &mut Table) {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    match (realtime_priority, Urgency::new(realtime_priority).granted()) {
        (None, _) => table.good("process", format!("{cores} core(s), ordinary scheduling")),
        (Some(priority), Ok(())) => table.good("process", format!("{cores} core(s), real-time priority {priority}")),
        (Some(_), Err(refused)) => table.unreached("process", refused),
    }
}

fn check_folder(what: &str, folder: Option<&Path>, table: &mut Table) {
    let Some(folder) = folder else { return println!("-       {what:<10} not configured") };
    match writable(folder) {
        Ok(()) => table.good(what, folder.display()),
        Err(error) => table.wrong(what, format!("{}: {error}; name a folder that can be written", folder.display())),
    }
}

/// A file can be made in the folder, which is made if it is not there.
fn writable(folder: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)?;
    let probe = folder.join(".arenad-check");
    std::fs::write(&probe, b"check")?;
    std::fs::remove_file(&probe)
}
