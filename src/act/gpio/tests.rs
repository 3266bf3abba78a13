//! The pin on a simulated chip: which line it takes, what it refuses, and that it leaves it inactive.

use super::*;
use crate::act::{Actor, Grant, Names, Rules};
use crate::config::{Config, Secrets};
use crate::handover::{Animal, Identity, Keypoint, MAX_EVENTS, MAX_KEYPOINTS, Scene, State};
use crate::ledger::Ledger;
use crate::space::InCamera;
use crate::stamp::{Clock, Stamp, WallTime};
use crate::zones::Zones;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const LONG: Duration = Duration::from_secs(20);

/// What happens on a simulated chip, in order.
#[derive(Debug, PartialEq, Eq)]
enum Did {
    Held { number: u32, active_low: bool, holder: String },
    Set(bool),
    GivenBack,
}

/// Lines with names and holders; tells what happens, refuses with an error of the system where one is given.
struct Simulated {
    lines: Vec<LineState>,
    refuses: Option<io::ErrorKind>,
    taken_meanwhile: Mutex<bool>,
    told: SyncSender<(Instant, Did)>,
}

struct SimulatedLine(SyncSender<(Instant, Did)>);

impl Chip for Simulated {
    fn name(&self) -> &str {
        "gpiochip0 [simulated]"
    }

    fn lines(&self) -> u32 {
        self.lines.len() as u32
    }

    fn line(&self, number: u32) -> Result<LineState, io::Error> {
        let mut state = self.lines[number as usize].clone();
        if *self.taken_meanwhile.lock().unwrap() {
            state.held_by = Some("quicker".into());
        }
        Ok(state)
    }

    fn hold(&self, number: u32, active_low: bool, holder: &str) -> Result<Box<dyn Line>, io::Error> {
        if let Some(kind) = self.refuses {
            *self.taken_meanwhile.lock().unwrap() = kind == io::ErrorKind::ResourceBusy;
            return Err(kind.into());
        }
        let did = Did::Held { number, active_low, holder: holder.to_owned() };
        self.told.send((Instant::now(), did)).unwrap();
        Ok(Box::new(SimulatedLine(self.told.clone())))
    }
}

impl Line for SimulatedLine {
    fn set(&mut self, active: bool) -> Result<(), io::Error> {
        self.0.send((Instant::now(), Did::Set(active))).map_err(io::Error::other)
    }
}

impl Drop for SimulatedLine {
    fn drop(&mut self) {
        let _ = self.0.send((Instant::now(), Did::GivenBack));
    }
}

fn chip(names: &[&str]) -> (Simulated, Receiver<(Instant, Did)>) {
    let (told, hear) = sync_channel(64);
    let lines = names.iter().map(|name| LineState { name: (*name).to_owned(), held_by: None }).collect();
    (Simulated { lines, refuses: None, taken_meanwhile: Mutex::new(false), told }, hear)
}

fn gpio(line: GpioLine) -> Gpio {
    let longest_pulse = Duration::from_secs(1);
    Gpio { chip: "/dev/gpiochip0".into(), line, active_low: false, rules: None, longest_pulse }
}

fn named(name: &str) -> Gpio {
    gpio(GpioLine::Name(name.into()))
}

fn refusal(chip: &Simulated, gpio: &Gpio) -> (String, bool) {
    let error = GpioPin::on(chip, gpio, "a1").expect_err("refused");
    (error.to_string(), error.may_pass())
}

fn heard(hear: &Receiver<(Instant, Did)>) -> Did {
    hear.recv_timeout(LONG).expect("something happens").1
}

#[test]
fn a_line_is_held_by_number_or_name_driven_and_left_inactive() {
    for (gpio, number) in [(gpio(GpioLine::Number(2)), 2), (named("LASER"), 1)] {
        let (chip, hear) = chip(&["", "LASER", "", ""]);
        let mut pin = GpioPin::on(&chip, &Gpio { active_low: true, ..gpio }, "cage1").expect("held");
        assert_eq!(heard(&hear), Did::Held { number, active_low: true, holder: "arenad cage1".into() });
        pin.set(true).expect("obeys");
        drop(pin);
        assert_eq!([heard(&hear), heard(&hear), heard(&hear)], [Did::Set(true), Did::Set(false), Did::GivenBack]);
    }
}

#[test]
fn a_pin_is_named_by_number_name_and_chip() {
    let (chip, _hear) = chip(&["", "LASER"]);
    assert_eq!(GpioPin::on(&chip, &named("LASER"), "a1").unwrap().name(), "line 1 (LASER) of gpiochip0 [simulated]");
    let pin = GpioPin::on(&chip, &gpio(GpioLine::Number(0)), "a1").unwrap();
    assert_eq!(pin.name(), "line 0 of gpiochip0 [simulated]");
}

#[test]
fn a_long_name_of_an_arena_is_cut_to_what_the_kernel_keeps() {
    let (chip, hear) = chip(&["LASER"]);
    let _pin = GpioPin::on(&chip, &named("LASER"), &"x".repeat(64)).unwrap();
    let Did::Held { holder, .. } = heard(&hear) else { panic!("held") };
    assert_eq!(holder, format!("arenad {}", "x".repeat(24)));
}

#[test]
fn each_refusal_says_what_is_wrong_and_what_to_do() {
    let (mut chip, _hear) = chip(&["LASER", "FAN", "FAN", ""]);
    chip.lines[0].held_by = Some("arenad cage2".into());
    for (gpio, said, may_pass) in [
        (
            gpio(GpioLine::Number(4)),
            "gpio: line 4 of gpiochip0 [simulated] is not there; allowed: 0 to 3; correct gpio.line",
            false,
        ),
        (
            named("LASR"),
            "gpio: line \"LASR\" is not on gpiochip0 [simulated]; named there: LASER, FAN, FAN; correct gpio.line or give its number",
            false,
        ),
        (
            named("FAN"),
            "gpio: line \"FAN\" of gpiochip0 [simulated] stands for 2 lines; allowed: a name that one line has; give its number",
            false,
        ),
        (
            named("LASER"),
            "gpio: line 0 (LASER) of gpiochip0 [simulated] is in use by \"arenad cage2\"; a line has one holder at a time; \
             stop that program or choose another line",
            true,
        ),
    ] {
        assert_eq!(refusal(&chip, &gpio), (said.to_owned(), may_pass));
    }
    chip.refuses = Some(io::ErrorKind::ResourceBusy);
    let (said, may_pass) = refusal(&chip, &gpio(GpioLine::Number(3)));
    assert!(said.starts_with("gpio: line 3 of gpiochip0 [simulated] is in use by \"quicker\"; ") && may_pass, "{said}");
}

#[test]
fn a_line_that_cannot_be_an_output_is_told() {
    let (mut chip, _hear) = chip(&["LASER"]);
    chip.refuses = Some(io::ErrorKind::InvalidInput);
    assert_eq!(
        refusal(&chip, &named("LASER")).0,
        "gpio: line 0 (LASER) of gpiochip0 [simulated]: invalid input parameter; the line must be able to be an output; look \
         into the kernel's log (dmesg)"
    );
}

#[test]
fn a_line_that_refuses_is_a_pin_error() {
    let (chip, hear) = chip(&["LASER"]);
    let mut pin = GpioPin::on(&chip, &named("LASER"), "a1").unwrap();
    drop((chip, hear));
    let said = pin.set(true).unwrap_err().to_string();
    assert_eq!(
        said,
        "pin line 0 (LASER) of gpiochip0 [simulated]: could not be made active: sending on a closed channel"
    );
}

#[cfg(not(feature = "gpio"))]
#[test]
fn a_program_without_the_feature_says_so() {
    let error = GpioPin::open(&named("LASER"), "a1").unwrap_err();
    assert_eq!(
        error.to_string(),
        "gpio: [gpio] is configured, and this arenad was built without the feature gpio; build it with cargo build --release \
         --features gpio, or leave [gpio] out (rules are then told and timed all the same)"
    );
    assert!(!error.may_pass());
}

/// Two rules, of which `gpio.rules` names the first.
const RULES: &str = "arena = \"a1\"\n[camera]\nurl = \"rtsp://camera/\"\n[gpio]\nchip = \"/dev/gpiochip0\"\nline = \"LASER\"\n\
    rules = [\"drives\"]\nlongest_pulse_ms = 60\n\
    [[zone]]\nname = \"Left\"\ncorners_px = [[0, 0], [10, 0], [10, 10], [0, 10]]\n\
    [[zone]]\nname = \"Right\"\ncorners_px = [[20, 0], [30, 0], [30, 10], [20, 10]]\n\
    [[rule]]\nname = \"told\"\nkeypoint = \"nose\"\nzone = \"Right\"\npulse_ms = 9000\nrest_ms = 9000\n\
    [[rule]]\nname = \"drives\"\nkeypoint = \"nose\"\nzone = \"Left\"\npulse_ms = 50\nrest_ms = 50\n";

struct Desk {
    actor: Actor,
    hear: Receiver<(Instant, Did)>,
    ledger: Arc<Ledger>,
    clock: Clock,
}

/// The rules above on a simulated line that has just been made inactive.
fn desk() -> Desk {
    let config = Config::read(RULES, &Secrets::default()).expect("valid");
    let gpio = config.gpio.expect("a line");
    let (chip, hear) = chip(&["LASER"]);
    let pin = GpioPin::on(&chip, &gpio, "a1").expect("held");
    let zones = Zones::new(&config.zones).expect("zones");
    let names = Names { keypoints: &["nose".into()], identities: &["R".into()] };
    let rules = Rules::new(&config.rules, names, &zones).expect("rules");
    let (clock, ledger) = (Clock::new(), Arc::new(Ledger::default()));
    let grant = Grant::of(&gpio, &config.rules);
    let actor = Actor::new(rules, Box::new(pin), clock, Arc::clone(&ledger)).expect("an actor").granted(grant);
    assert!(matches!(heard(&hear), Did::Held { .. }));
    assert_eq!(heard(&hear), Did::Set(false));
    Desk { actor, hear, ledger, clock }
}

impl Desk {
    /// The nose at x; how many rules fired.
    fn nose(&mut self, x: f32, millis: i64) -> usize {
        let at = InCamera { x, y: 5.0 };
        let mut keypoints = [None; MAX_KEYPOINTS];
        keypoints[0] = Some(Keypoint { at, score: 0.9 });
        let captured = WallTime(millis * 1_000_000);
        let stamp = Stamp { captured, arrived: self.clock.monotonic(), ..Stamp::default() };
        let mut scene = Scene { stamp, ..Scene::default() };
        let animal = Animal {
            identity: Some(Identity(0)),
            p: 0.99,
            track: None,
            state: State::Seen,
            centre: Some(at),
            zone: None,
            keypoints,
            predicted: Default::default(),
            vanished: None,
        };
        scene.animals.push(animal).unwrap();
        let mut events = heapless::Vec::<_, MAX_EVENTS>::new();
        self.actor.act(&scene, &mut events);
        events.len()
    }
}

#[test]
fn a_rule_that_does_not_drive_the_line_is_told_and_sets_nothing() {
    let mut desk = desk();
    assert_eq!(desk.nose(25.0, 1000), 1);
    assert_eq!(desk.ledger.counters.triggers.get(), 1);
    drop(desk.actor);
    assert_eq!(heard(&desk.hear), Did::Set(false), "the end, and nothing before it");
}

#[test]
fn a_deciding_thread_that_panics_leaves_the_line_inactive_and_gives_it_back() {
    let mut desk = desk();
    let hear = std::mem::replace(&mut desk.hear, sync_channel(0).1);
    let thread = std::thread::Builder::new().spawn(move || {
        desk.nose(5.0, 1000);
        panic!("on purpose");
    });
    assert!(thread.unwrap().join().is_err());
    let did: Vec<_> = hear.iter().map(|(_, did)| did).collect();
    assert_eq!(did.first(), Some(&Did::Set(true)));
    assert_eq!(did[did.len() - 2..], [Did::Set(false), Did::GivenBack]);
}
