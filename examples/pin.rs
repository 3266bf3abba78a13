//! Drives the line of a configuration's `[gpio]` as the daemon does, for `.ci/interop/gpio.sh` and for trying the wiring:
//! `cargo run --features gpio --example pin -- CONFIG open|rest|stall|panic|exit`.
//!
//! `open` takes the line and gives it back; `rest` holds it inactive. The others begin one pulse, as long as the first rule's, from
//! a made scene, and then: `stall` does nothing more, `panic` panics, `exit` ends. It says what it has done, a line each.

use arenad::act::{Actor, GpioPin, Grant, Names, Pin as _, Rules};
use arenad::config::{Config, Secrets};
use arenad::handover::{Animal, Event, Identity, Keypoint, MAX_EVENTS, MAX_KEYPOINTS, Scene, State};
use arenad::ledger::Ledger;
use arenad::space::InCamera;
use arenad::stamp::{Clock, Stamp};
use arenad::zones::Zones;
use std::sync::Arc;

fn main() -> Result<std::process::ExitCode, Box<dyn std::error::Error>> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [file, act] = arguments.as_slice() else {
        return Err("got no configuration and act; give CONFIG and open, rest, stall, panic or exit".into());
    };
    let config = Config::read_file(file.as_ref(), &Secrets::default())?;
    let gpio = config.gpio.as_ref().ok_or("the configuration has no [gpio]")?;
    let pin = match GpioPin::open(gpio, &config.arena) {
        Ok(pin) => pin,
        Err(error) => {
            println!("{error}");
            return Ok(2.into());
        }
    };
    println!("held: {}", pin.name());
    if act == "open" {
        return Ok(0.into());
    }
    let clock = Clock::new();
    let zones = Zones::new(&config.zones)?;
    let keypoints: Vec<_> = config.rules.iter().map(|rule| rule.keypoint.clone()).collect();
    let names = Names { keypoints: &keypoints, identities: &["anybody".to_owned()] };
    let rules = Rules::new(&config.rules, names, &zones).map_err(|wrong| wrong.join("\n"))?;
    let grant = Grant::of(gpio, &config.rules);
    let mut actor = Actor::new(rules, Box::new(pin), clock, Arc::new(Ledger::default()))?.granted(grant);
    if act == "rest" {
        wait();
    }
    let (x, y) = *config.zones.first().and_then(|zone| zone.corners.first()).ok_or("the configuration has no zone")?;
    let mut events = heapless::Vec::<Event, MAX_EVENTS>::new();
    actor.act(&scene(InCamera { x: x + 1.0, y: y + 1.0 }, clock), &mut events);
    for event in &events {
        if let Event::Triggered { latency_ns, .. } = event {
            println!("pulse begun {} us after the picture's arrival", latency_ns / 1000);
        }
    }
    match act.as_str() {
        "stall" => wait(),
        "panic" => {
            let decides = std::thread::Builder::new().name("track".into()).spawn(move || {
                let _actor = actor;
                panic!("as asked");
            });
            let _ = decides?.join();
            println!("panicked");
            wait();
        }
        "exit" => {}
        other => return Err(format!("got {other:?}; allowed: open, rest, stall, panic, exit").into()),
    }
    Ok(0.into())
}

/// Until somebody ends the process.
fn wait() -> ! {
    loop {
        std::thread::park();
    }
}

/// One animal, all of whose keypoints are at one place.
fn scene(at: InCamera, clock: Clock) -> Scene {
    let stamp = Stamp { captured: clock.wall(), arrived: clock.monotonic(), ..Stamp::default() };
    let mut scene = Scene { stamp, ..Scene::default() };
    let animal = Animal {
        identity: Some(Identity(0)),
        p: 1.0,
        track: None,
        state: State::Seen,
        centre: Some(at),
        zone: None,
        keypoints: [Some(Keypoint { at, score: 1.0 }); MAX_KEYPOINTS],
        predicted: Default::default(),
        vanished: None,
    };
    // There is room for one.
    let _ = scene.animals.push(animal);
    scene
}
