//! `arenad demo`: the whole line on this machine, around a rendered arena.

mod judge;
mod stage;

use super::run::{arena_contract, heed_signals, start_failure};
use super::{Failure, configuration, fatal};
use arenad::config::{self, Camera, Config};
use arenad::handover::Taken;
use arenad::ledger::Ledger;
use arenad::pipeline::{Daemon, Notice, Plan};
use arenad::rehearsal::broker::Broker;
use arenad::rehearsal::camera::{CameraOptions, RehearsalCamera};
use arenad::stamp::Clock;
use judge::Judge;
use stage::Stage;
pub(super) use stage::{rule, zones};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Renders an arena, serves it over RTSP, tracks it, publishes to an embedded MQTT broker, writes rolling files and shows the live
/// page. Since the truth is known, it says at the end how many names were right.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Ends by itself after this long; without it, Ctrl-C ends it.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=604_800))]
    seconds: Option<u64>,
    /// Where rolling files go.
    #[arg(long, default_value = "arenad-data", value_name = "DIR")]
    data: PathBuf,
    /// Port of the embedded broker; 0 takes a free one.
    #[arg(long, default_value_t = 1883, value_name = "PORT")]
    mqtt_port: u16,
    /// Port of the live page; 0 takes a free one.
    #[arg(long, default_value_t = 8080, value_name = "PORT")]
    web_port: u16,
    /// What everything random is drawn from.
    #[arg(long, default_value_t = 7)]
    seed: u64,
    #[command(flatten)]
    engine: super::EngineArgs,
}

pub(super) fn run(args: Args) -> Result<(), Failure> {
    let clock = Clock::new();
    let began = Instant::now();
    let broker = Broker::start(args.mqtt_port).map_err(configuration)?;
    let camera =
        Arc::new(RehearsalCamera::start(CameraOptions { seed: args.seed, ..CameraOptions::default() }).map_err(fatal)?);
    let judge = Judge::default();
    let mut stage = Stage::start(args.seed, clock, Arc::clone(&camera), judge.clone()).map_err(fatal)?;
    let config = demo_config(&args, &camera, broker.addr())?;
    let contract = arena_contract(&config.model)?;
    let ledger = Arc::new(Ledger::default());
    let witness = judge.clone();
    let plan = Plan {
        config: &config,
        contract: &contract,
        clock,
        ledger: Arc::clone(&ledger),
        witness: Some(Box::new(move |delivery| witness.hear(&delivery.scene))),
        progress: &|_| (),
    };
    let mut daemon = Daemon::start(plan).map_err(start_failure)?;
    heed_signals(&daemon.notices())?;
    welcome(&daemon, broker.addr(), &camera, &args);
    let first = wait(&daemon, began, args.seconds);
    stage.stop();
    daemon.stop();
    farewell(&ledger, &judge, first?, &args.data)
}

fn demo_config(args: &Args, camera: &RehearsalCamera, broker: SocketAddr) -> Result<Config, Failure> {
    Ok(Config {
        arena: "rehearsal".to_owned(),
        camera: Camera::on_network(camera.url().parse().map_err(fatal)?),
        model: args.engine.meant(),
        decode: config::Decoding::default(),
        tracker: config::Tracker::default(),
        zones: zones(),
        rules: vec![rule()],
        gpio: None,
        mqtt: Some(config::Mqtt {
            host: broker.ip().to_string(),
            port: broker.port(),
            version: config::MqttVersion::V5,
            login: None,
            tls: None,
            encoding: config::Encoding::Json,
            queue: 1000,
        }),
        files: Some(config::Files {
            folder: args.data.clone(),
            rotate_after: Duration::from_secs(3600),
            rotate_bytes: 1 << 30,
            flush_every: Duration::from_millis(500),
        }),
        web: Some(config::Web { listen: SocketAddr::from((Ipv4Addr::LOCALHOST, args.web_port)), pictures_hz: 15 }),
        harvest: None,
        process: config::Process::default(),
    })
}

fn welcome(daemon: &Daemon, broker: SocketAddr, camera: &RehearsalCamera, args: &Args) {
    println!("arena     rehearsal, seed {}, engine {} {}", args.seed, daemon.engine(), daemon.precision());
    println!("camera    {}", camera.url());
    if let Some(page) = daemon.web_addr() {
        println!("live page http://{page}/");
    }
    println!("broker    mosquitto_sub -h {} -p {} -t 'arenad/#' -v", broker.ip(), broker.port());
    println!("files     {}", args.data.display());
    match args.seconds {
        Some(seconds) => println!("ends      after {seconds} s, or with Ctrl-C"),
        None => println!("ends      with Ctrl-C"),
    }
}

/// Waits for the end; the time from the program's start to the first scene.
fn wait(daemon: &Daemon, began: Instant, seconds: Option<u64>) -> Result<Option<Duration>, Failure> {
    let mut first = None;
    loop {
        let left = match seconds {
            Some(seconds) => Duration::from_secs(seconds).saturating_sub(began.elapsed()),
            None => Duration::from_secs(3600),
        };
        match daemon.wait(left) {
            Taken::Value(Notice::FirstScene) => first = Some(began.elapsed()),
            Taken::Value(Notice::Stop) | Taken::Closed => return Ok(first),
            Taken::Value(Notice::Camera(error)) => return Err(configuration(error)),
            Taken::Value(Notice::Ended(thread)) => {
                return Err(fatal(format!("thread {thread}: ended by itself; the log says why")));
            }
            Taken::Nothing if seconds.is_some() => return Ok(first),
            Taken::Nothing => {}
        }
    }
}

fn farewell(ledger: &Ledger, judge: &Judge, first: Option<Duration>, data: &std::path::Path) -> Result<(), Failure> {
    let counters = &ledger.counters;
    let latencies = &ledger.latencies;
    let Some(first) = first else {
        return Err(fatal("demo: no scene was made; the log above says why"));
    };
    println!("first scene after {:.1} s", first.as_secs_f64());
    println!(
        "{} access units, {} scenes, {} frames late, {} corrupt, {} without reference",
        counters.units_received.get(),
        counters.scenes.get(),
        counters.frames_late.get(),
        counters.frames_corrupt.get(),
        counters.frames_without_reference.get(),
    );
    println!(
        "arrival to act {:.1} ms median, {:.1} ms p99; the model {:.1} ms median",
        latencies.arrival_to_act.quantile_ms(0.5),
        latencies.arrival_to_act.quantile_ms(0.99),
        latencies.infer.quantile_ms(0.5),
    );
    println!("{}", judge.verdict());
    println!(
        "{} rows in {} file(s) below {}",
        counters.rows_written.get(),
        counters.files_finished.get(),
        data.display()
    );
    Ok(())
}
