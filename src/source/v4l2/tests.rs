//! Plugging, gaps, damaged buffers and stamps, against scripted devices.

use super::*;
use crate::handover::{Colour, PictureSize, RawPicture, RawPixels};
use crate::source::Fate;
use std::cell::RefCell;
use std::collections::VecDeque;

const SIZE: PictureSize = PictureSize { width: 16, height: 16 };
const PATIENCE: Patience = Patience { stall: Duration::from_millis(150), backoff_max: Duration::from_millis(1) };
const GONE: fn() -> DeviceError = || DeviceError::Gone { camera: "/dev/video0".to_owned() };

/// What a scripted device does next. After the last it is silent.
#[derive(Clone, Debug)]
enum Step {
    Give(Buffer),
    Fail(DeviceError),
}

type Script = Result<Vec<Step>, DeviceError>;

/// Opens one script after the other; then it never answers.
struct Scripted(RefCell<VecDeque<Script>>);

struct Played {
    mode: Mode,
    steps: VecDeque<Step>,
}

impl Port for Scripted {
    type Stream = Played;

    const RULES_TAKE: Duration = Duration::from_millis(1);

    async fn open(&self, _: &DeviceCamera) -> Result<Played, DeviceError> {
        let next = self.0.borrow_mut().pop_front();
        match next {
            Some(script) => script.map(|steps| Played { mode: mode(), steps: steps.into() }),
            None => std::future::pending().await,
        }
    }
}

impl Stream for Played {
    fn mode(&self) -> &Mode {
        &self.mode
    }

    async fn next(&mut self) -> Result<Buffer, DeviceError> {
        match self.steps.pop_front() {
            Some(Step::Give(buffer)) => Ok(buffer),
            Some(Step::Fail(error)) => Err(error),
            None => std::future::pending().await,
        }
    }
}

fn mode() -> Mode {
    let raw = RawPicture { pixels: RawPixels::Grey, size: SIZE, stride: 16, colour: Colour::default() };
    let (card, codec) = ("stand-in".to_owned(), Codec::Raw(raw));
    Mode { card, codec, size: SIZE, rate: Some(25.0), exposure_us: None, gain: None }
}

/// A whole picture, just taken.
fn picture(sequence: u32) -> Buffer {
    let taken = Moment::now();
    Buffer { data: vec![7; 256].into(), sequence, damaged: false, stamped: Some(taken), taken }
}

fn give(sequences: impl IntoIterator<Item = u32>) -> Vec<Step> {
    sequences.into_iter().map(|sequence| Step::Give(picture(sequence))).collect()
}

#[derive(Default)]
struct Seen {
    units: Vec<AccessUnit>,
    states: Vec<SourceState>,
    ledger: Ledger,
}

impl Seen {
    fn frames(&self) -> Vec<u64> {
        self.units.iter().map(|unit| unit.stamp.frame).collect()
    }

    fn errors(&self) -> Vec<String> {
        let said = self.states.iter().filter_map(|state| match state {
            SourceState::Retrying { error, .. } => Some(error.to_string()),
            _ => None,
        });
        said.collect()
    }
}

/// Plays the scripts until `enough` was seen, and fails after ten seconds.
fn play(scripts: Vec<Script>, enough: impl Fn(&Seen) -> bool) -> Seen {
    let (stop, stopped) = watch::channel(false);
    let (seen, ledger) = (RefCell::new(Seen::default()), Ledger::default());
    let check = || {
        if enough(&seen.borrow()) {
            stop.send_replace(true);
        }
    };
    let mut emit = |unit| {
        seen.borrow_mut().units.push(unit);
        check();
    };
    let mut state = |state| {
        seen.borrow_mut().states.push(state);
        check();
    };
    let camera = DeviceCamera::new("/dev/video0".into());
    let port = Scripted(RefCell::new(scripts.into()));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        let work = run_on(&port, (&camera, PATIENCE), Clock::new(), &ledger, stopped, &mut emit, &mut state);
        tokio::time::timeout(Duration::from_secs(10), work)
            .await
            .expect("the device did not do what the test waits for");
    });
    let mut seen = seen.into_inner();
    seen.ledger = ledger;
    seen
}

#[test]
fn a_device_that_is_pulled_out_and_plugged_in_comes_back_by_itself() {
    let absent = || DeviceError::Absent { camera: "/dev/video0".to_owned(), there: vec![] };
    let mut first = give(0..3);
    first.push(Step::Fail(GONE()));
    let seen = play(vec![Ok(first), Err(absent()), Err(absent()), Ok(give(0..2))], |seen| seen.units.len() == 5);
    assert_eq!(seen.frames(), [0, 1, 2, 3, 4], "numbers go on over a new start of the driver's count");
    let restarts: Vec<_> = seen.units.iter().map(|unit| unit.restart).collect();
    assert_eq!(restarts, [true, false, false, true, false]);
    assert!(seen.units.iter().all(|unit| unit.key && unit.codec == mode().codec));
    let live =
        SourceState::Live { codec: mode().codec, size: Some(SIZE), device: Some("25 frames/s (stand-in)".to_owned()) };
    assert_eq!(seen.states.iter().filter(|state| **state == live).count(), 2);
    assert_eq!(seen.errors(), [GONE().to_string(), absent().to_string(), absent().to_string()]);
    let counters = &seen.ledger.counters;
    assert_eq!((counters.connections.get(), counters.connections_failed.get()), (2, 3));
    assert_eq!((counters.units_received.get(), counters.bytes_received.get()), (5, 5 * 256));
    assert_eq!((counters.pictures_lost.get(), counters.stalls.get()), (0, 0));
}

#[test]
fn pictures_that_the_driver_lost_are_counted_and_their_numbers_left_out() {
    let seen = play(vec![Ok(give([7, 8, 11, u32::MAX, 0, 2]))], |seen| seen.units.len() == 6);
    // From 11 to the end of the count is too far to be a loss: the driver counts anew. After the end comes 0.
    assert_eq!(seen.frames(), [0, 1, 4, 5, 6, 8]);
    assert_eq!(seen.ledger.counters.pictures_lost.get(), 3);
}

#[test]
fn a_driver_whose_count_stands_still_loses_nothing() {
    let seen = play(vec![Ok(give([0, 0, 0, 5, 4]))], |seen| seen.units.len() == 5);
    assert_eq!((seen.frames(), seen.ledger.counters.pictures_lost.get()), (vec![0, 1, 2, 7, 8], 4));
}

#[test]
fn damaged_and_short_buffers_are_counted_dropped_and_missed() {
    let damaged = Buffer { damaged: true, ..picture(1) };
    let short = Buffer { data: vec![7; 255].into(), ..picture(2) };
    let empty = Buffer { data: Bytes::new(), ..picture(3) };
    let steps = [picture(0), damaged, short, empty, picture(4)].map(Step::Give).to_vec();
    let seen = play(vec![Ok(steps)], |seen| seen.units.len() == 2);
    assert_eq!(seen.frames(), [0, 4]);
    let counters = &seen.ledger.counters;
    assert_eq!((counters.stream_errors.get(), counters.units_received.get()), (3, 2));
    assert_eq!((counters.pictures_lost.get(), counters.connections_failed.get()), (0, 0));
}

#[test]
fn a_device_that_falls_silent_is_a_stall_and_is_opened_anew() {
    let seen = play(vec![Ok(give(0..1)), Ok(give(0..1))], |seen| seen.units.len() == 2);
    assert_eq!(
        seen.errors(),
        ["camera /dev/video0: no picture for 0.15 s; allowed are 0.15 s; check the camera, its cable and the network"]
    );
    assert_eq!(seen.ledger.counters.stalls.get(), 1);
}

#[test]
fn damaged_buffers_alone_are_silence() {
    let damaged = |sequence| Step::Give(Buffer { damaged: true, ..picture(sequence) });
    let seen = play(vec![Ok((0..500).map(damaged).collect())], |seen| !seen.errors().is_empty());
    assert_eq!((seen.ledger.counters.stalls.get(), seen.ledger.counters.stream_errors.get()), (1, 500));
    assert!(!seen.states.iter().any(|state| matches!(state, SourceState::Live { .. })));
}

#[test]
fn a_picture_was_captured_when_the_kernel_stamped_it() {
    let before = Clock::new().wall();
    let mut steps = Vec::new();
    for (sequence, age_ms) in [(0, 30), (1, 20)] {
        let taken = Moment::now();
        let stamped = taken.checked_sub(Duration::from_millis(age_ms));
        steps.push(Step::Give(Buffer { stamped, taken, ..picture(sequence) }));
    }
    let seen = play(vec![Ok(steps)], |seen| seen.units.len() == 2);
    let after = Clock::new().wall();
    for (unit, age) in seen.units.iter().zip([30_000_000, 20_000_000]) {
        let stamp = unit.stamp;
        assert_eq!((stamp.capture_clock, stamp.captured_error_ns), (CaptureClock::Kernel, 40_000_000));
        let captured = stamp.captured.0;
        assert!((before.0 - age..=after.0 - age).contains(&captured), "{captured} {before:?} {after:?}");
    }
    let apart = seen.units[1].stamp.captured.nanos_since(seen.units[0].stamp.captured) as f64 / 1e9;
    let ticks = (seen.units[1].presentation - seen.units[0].presentation) as f64 / 90_000.0;
    assert!((apart - ticks).abs() < 2e-3 && ticks >= 0.01, "{apart} {ticks}");
}

#[test]
fn stamps_that_mean_nothing_are_not_believed() {
    let taken = Moment::now();
    let future = taken.checked_add(Duration::from_secs(3));
    let ancient = taken.checked_sub(Duration::from_secs(11));
    let steps = [None, future, ancient].map(|stamped| Step::Give(Buffer { stamped, taken, ..picture(0) }));
    let before = Clock::new().wall();
    let seen = play(vec![Ok(steps.to_vec())], |seen| seen.units.len() == 3);
    for unit in &seen.units {
        assert_eq!(unit.stamp.capture_clock, CaptureClock::Arrival);
        // Taken a moment before the run began.
        assert!(unit.stamp.captured.nanos_since(before).abs() < 1_000_000_000, "{:?}", unit.stamp);
        assert!(unit.presentation >= 0);
    }
}

#[test]
fn a_device_that_is_not_yet_its_groups_is_asked_again_before_that_is_final() {
    let forbidden = || DeviceError::Forbidden { camera: "/dev/video0".to_owned() };
    let seen = play(vec![Err(forbidden()), Ok(give(0..1))], |seen| seen.units.len() == 1);
    assert!(seen.errors().is_empty());
    let seen = play(vec![Err(forbidden()), Err(forbidden())], |seen| !seen.errors().is_empty());
    assert_eq!(
        seen.errors(),
        [
            "camera /dev/video0: permission denied; a user of the group that owns the device (usually video) may open it; \
          usermod -aG video USER and log in anew, or use the service, which is in the group video"
        ]
    );
}

#[test]
fn only_what_an_operator_must_change_is_final() {
    let camera = || "/dev/video0".to_owned();
    let (wanted, offered) = (String::new(), String::new());
    for (error, fate) in [
        (DeviceError::NotBuilt { camera: camera() }, Fate::Configuration),
        (DeviceError::Forbidden { camera: camera() }, Fate::Configuration),
        (DeviceError::Size { camera: camera(), wanted, offered }, Fate::Configuration),
        (DeviceError::Absent { camera: camera(), there: vec![] }, Fate::Passing),
        (DeviceError::Busy { camera: camera() }, Fate::Passing),
        (GONE(), Fate::Passing),
    ] {
        assert_eq!(SourceError::from(error).fate(), fate);
    }
}

#[cfg(not(feature = "v4l2"))]
#[test]
fn a_program_without_the_feature_says_its_name() {
    let said = RefCell::new(Vec::new());
    let (stop, stopped) = watch::channel(false);
    let mut state = |state| {
        if let SourceState::Retrying { error, .. } = state {
            said.borrow_mut().push((error.to_string(), error.fate()));
            stop.send_replace(true);
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let camera = DeviceCamera::new("/dev/video0".into());
    runtime.block_on(run(&camera, PATIENCE, Clock::new(), &Ledger::default(), stopped, &mut |_| (), &mut state));
    let words = "camera /dev/video0: is a video device, and this arenad was built without the feature v4l2; build it with \
                 cargo build --release --features v4l2, or give the url of a camera on the network";
    assert_eq!(said.into_inner(), [(words.to_owned(), Fate::Configuration)]);
}
