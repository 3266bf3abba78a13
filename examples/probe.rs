//! Shows what a camera sends, or what a recording holds: one JSON line per access unit and per change of state.
//! For operators and for interop tests.
//!
//! `cargo run --example probe -- rtsp://host/path [--user U --password-file F] [--transport auto|tcp|udp] [--seconds N]
//! [--units N] [--stall-ms N]`, or a path in place of the address. Ends after so many seconds or units, or at once on a
//! configuration error (exit code 2).

use arenad::config::{Camera, Login, Transport};
use arenad::handover::AccessUnit;
use arenad::ledger::Ledger;
use arenad::source::{self, Fate, SourceState};
use arenad::stamp::Clock;
use serde_json::json;
use std::cell::Cell;
use std::time::Duration;

fn main() -> Result<std::process::ExitCode, Box<dyn std::error::Error>> {
    let mut options = Options::default();
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        options.take(&argument, &mut arguments)?;
    }
    if let Some(path) = options.url.as_deref().filter(|url| !url.contains("://")) {
        let clock = Clock::new();
        for unit in source::FileSource::open(path.as_ref())? {
            print_unit(&unit?, clock);
        }
        return Ok(0.into());
    }
    let camera = options.camera()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
    let clock = Clock::new();
    let ledger = Ledger::default();
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let (units, wrong) = (Cell::new(0), Cell::new(false));
    let mut emit = |unit: AccessUnit| {
        units.set(units.get() + 1);
        print_unit(&unit, clock);
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
        ledger.counters.all().into_iter().take(7).map(|(name, count)| (name.to_owned(), count.into())).collect();
    println!("{}", json!({"what": "end", "at_s": seconds(clock), "counters": counters}));
    Ok(if wrong.get() { 2.into() } else { 0.into() })
}

fn seconds(clock: Clock) -> f64 {
    clock.monotonic().0 as f64 / 1e9
}

fn print_unit(unit: &AccessUnit, clock: Clock) {
    let stamp = unit.stamp;
    println!(
        "{}",
        json!({
            "what": "unit", "at_s": seconds(clock), "frame": stamp.frame, "codec": format!("{:?}", unit.codec),
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
        SourceState::Live { codec, size } => {
            let size = size.map(|size| [size.width, size.height]);
            json!({"what": "live", "at_s": at_s, "codec": format!("{codec:?}"), "size": size})
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
        let url = self.url.as_deref().ok_or("an address is missing: rtsp://host[:port]/path")?;
        let login = match (&self.user, &self.password_file) {
            (Some(user), Some(file)) => {
                let password = std::fs::read_to_string(file)?.trim_end().to_owned();
                Some(Login { user: user.clone(), password })
            }
            (None, None) => None,
            _ => return Err("--user and --password-file go together".into()),
        };
        Ok(Camera {
            url: url.parse()?,
            login,
            transport: self.transport,
            stall: self.stall,
            backoff_max: Duration::from_secs(2),
        })
    }
}
