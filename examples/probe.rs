//! Shows what a camera sends, or what a recording holds: one JSON line per access unit and per change of state.
//! For operators and for interop tests.
//!
//! `cargo run --example probe -- rtsp://host/path [--user U --password-file F] [--transport auto|tcp|udp] [--seconds N]
//! [--units N] [--stall-ms N] [--columns N]`, or a recording's path or `--config FILE` in place of the address. Ends after so many
//! seconds or units, or at once on a configuration error (exit code 2). `--columns N` decodes, and shows the colour in the
//! middle of each of so many columns.

use arenad::config::{Camera, CameraAt, Config, Login, NetworkCamera, Patience, Secrets, Transport};
use arenad::decode::Decode;
use arenad::handover::{AccessUnit, Frame};
use arenad::ledger::Ledger;
use arenad::preprocess::rgb_from_frame;
use arenad::source::{self, Fate, SourceState};
use arenad::stamp::Clock;
use serde_json::json;
use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

fn main() -> Result<std::process::ExitCode, Box<dyn std::error::Error>> {
    let mut options = Options::default();
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        options.take(&argument, &mut arguments)?;
    }
    let clock = Clock::new();
    let ledger = Arc::new(Ledger::default());
    let mut shown = Shown { decode: Decode::new(1, Arc::clone(&ledger), clock), columns: options.columns };
    if let Some(path) = options.url.as_deref().filter(|url| !url.contains("://")) {
        for unit in source::FileSource::open(path.as_ref())? {
            shown.unit(&unit?, clock);
        }
        return Ok(0.into());
    }
    let camera = options.camera()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let (units, wrong) = (Cell::new(0), Cell::new(false));
    let mut emit = |unit: AccessUnit| {
        units.set(units.get() + 1);
        shown.unit(&unit, clock);
        if options.units == Some(units.get()) {
            stop.send_replace(true);
        }
    };
    let mut state = |state: SourceState| {
        print_state(&state, clock);
        if let SourceState::Retrying { error, .. } = &state
            && error.fate() == Fate::Configuration
            && units.get() == 0
        {
            wrong.set(true);
            stop.send_replace(true);
        }
    };
    runtime.block_on(async {
        let work = source::run(&camera, clock, &ledger, stopped, &mut emit, &mut state);
        let _ = tokio::time::timeout(options.seconds, work).await;
    });
    let counters: serde_json::Map<_, _> =
        ledger.counters.all().into_iter().take(8).map(|(name, count)| (name.to_owned(), count.into())).collect();
    println!("{}", json!({"what": "end", "at_s": seconds(clock), "counters": counters}));
    Ok(if wrong.get() { 2.into() } else { 0.into() })
}

fn seconds(clock: Clock) -> f64 {
    clock.monotonic().0 as f64 / 1e9
}

/// What is shown of each access unit.
struct Shown {
    decode: Decode,
    columns: Option<u32>,
}

impl Shown {
    fn unit(&mut self, unit: &AccessUnit, clock: Clock) {
        print_unit(unit, clock);
        let Some(columns) = self.columns else { return };
        if let Err(error) = self.decode.decode(unit, &mut |frame| print_columns(&frame, columns)) {
            println!("{}", json!({"what": "undecoded", "error": error.to_string()}));
        }
    }
}

/// The colours along the middle row.
fn print_columns(frame: &Frame, columns: u32) {
    let (width, height) = (frame.size().width, frame.size().height);
    let mut rgb = vec![0; 3 * (width * height) as usize];
    rgb_from_frame(frame, &mut rgb);
    let at = |column: u32| 3 * (height / 2 * width + (2 * column + 1) * width / (2 * columns)) as usize;
    let colours: Vec<_> = (0..columns).filter_map(|column| rgb.get(at(column)..at(column) + 3)).collect();
    let format = format!("{:?}", frame.format());
    println!("{}", json!({"what": "frame", "format": format, "size": [width, height], "columns": colours}));
}

fn print_unit(unit: &AccessUnit, clock: Clock) {
    let stamp = unit.stamp;
    println!(
        "{}",
        json!({
            "what": "unit", "at_s": seconds(clock), "frame": stamp.frame, "codec": unit.codec.to_string(),
            "bytes": unit.data.len(), "key": unit.key, "restart": unit.restart, "packets_lost": unit.packets_lost,
            "presentation": unit.presentation, "captured": stamp.captured.rfc3339().to_string(),
            "clock": format!("{:?}", stamp.capture_clock), "error_ms": stamp.captured_error_ns as f64 / 1e6,
            "age_ms": clock.wall().nanos_since(stamp.captured) as f64 / 1e6,
        })
    );
}

fn print_state(state: &SourceState, clock: Clock) {
    let at_s = seconds(clock);
    let line = match state {
        SourceState::Connecting => json!({"what": "connecting", "at_s": at_s}),
        SourceState::Live { codec, size, device } => {
            let size = size.map(|size| [size.width, size.height]);
            json!({"what": "live", "at_s": at_s, "codec": codec.to_string(), "size": size, "device": device})
        }
        SourceState::Retrying { error, pause } => json!({
            "what": "retrying", "at_s": at_s, "error": error.to_string(), "pause_s": pause.as_secs_f64(),
            "configuration": error.fate() == Fate::Configuration,
        }),
    };
    println!("{line}");
}

struct Options {
    url: Option<String>,
    user: Option<String>,
    password_file: Option<String>,
    transport: Transport,
    seconds: Duration,
    units: Option<u64>,
    stall: Duration,
    columns: Option<u32>,
    config: Option<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            url: None,
            user: None,
            password_file: None,
            transport: Transport::Auto,
            seconds: Duration::from_secs(3600),
            units: None,
            stall: Duration::from_secs(3),
            columns: None,
            config: None,
        }
    }
}

impl Options {
    fn take(&mut self, name: &str, rest: &mut impl Iterator<Item = String>) -> Result<(), Box<dyn std::error::Error>> {
        let mut value = || rest.next().ok_or(format!("{name}: a value is missing"));
        match name {
            "--user" => self.user = Some(value()?),
            "--password-file" => self.password_file = Some(value()?),
            "--seconds" => self.seconds = Duration::try_from_secs_f64(value()?.parse()?)?,
            "--units" => self.units = Some(value()?.parse()?),
            "--columns" => self.columns = Some(value()?.parse::<u32>()?.clamp(1, 64)),
            "--config" => self.config = Some(value()?),
            "--stall-ms" => self.stall = Duration::from_millis(value()?.parse()?),
            "--transport" => {
                self.transport = match value()?.as_str() {
                    "auto" => Transport::Auto,
                    "tcp" => Transport::Tcp,
                    "udp" => Transport::Udp,
                    other => return Err(format!("--transport: {other}; allowed are auto, tcp and udp").into()),
                }
            }
            url if !url.starts_with('-') => self.url = Some(url.to_owned()),
            other => return Err(format!("{other}: no such option; the head of examples/probe.rs lists them").into()),
        }
        Ok(())
    }

    fn camera(&self) -> Result<Camera, Box<dyn std::error::Error>> {
        if let Some(file) = &self.config {
            return Ok(Config::read_file(file.as_ref(), &Secrets::default())?.camera);
        }
        let url = self.url.as_deref().ok_or("an address is missing: rtsp://host[:port]/path")?;
        let login = match (&self.user, &self.password_file) {
            (Some(user), Some(file)) => {
                let password = std::fs::read_to_string(file)?.trim_end().to_owned();
                Some(Login { user: user.clone(), password })
            }
            (None, None) => None,
            _ => return Err("--user and --password-file go together".into()),
        };
        let network = NetworkCamera { url: url.parse()?, login, transport: self.transport };
        let patience = Patience { stall: self.stall, backoff_max: Duration::from_secs(2) };
        Ok(Camera { at: CameraAt::Network(network), patience })
    }
}
