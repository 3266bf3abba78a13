//! The closed loop: rules decide on a scene, a pin is set at once, and a watchdog makes sure that it is let go.
//!
//! The thread that decides sets the pin high and leaves the time of its end with the thread `pin`, which sets it low then even
//! if the deciding thread stalls or ends. The two share a lock that is held for one `Pin::set` at most. Without a live watchdog no
//! pulse is begun.

mod gpio;
mod pin;
mod rules;

pub use gpio::{Chip, GpioError, GpioPin, Line, LineState};
pub use pin::{Pin, PinError, PinRecord, RecordedPin};
pub use rules::{Decision, Names, Rules};

use crate::config::{self, MAX_RULES};
use crate::handover::{Event, MAX_EVENTS, Scene};
use crate::ledger::Ledger;
use crate::stamp::{Clock, Monotonic};
use heapless::Vec;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// A scene whose access unit arrived longer ago is history: its rules are counted as late and set no pin.
const TOO_LATE: Duration = Duration::from_secs(1);
/// A pin that refused to go low is asked again after this long.
const AGAIN: Duration = Duration::from_millis(20);

/// What keeps the closed loop from starting.
#[derive(Debug, thiserror::Error)]
pub enum ActError {
    /// The pin cannot be had.
    #[error(transparent)]
    Gpio(#[from] GpioError),
    /// The pin does not obey.
    #[error(transparent)]
    Pin(#[from] PinError),
    /// The system has no thread for the watchdog.
    #[error("act: the thread pin could not be started: {0}; allow the process more threads")]
    Thread(std::io::Error),
}

/// What a pin grants the rules.
#[derive(Clone, Copy, Debug)]
pub struct Grant {
    /// By the index of the rule: it drives the pin. The others are told and timed alone.
    pub drives: [bool; MAX_RULES],
    /// The pin is never high for longer without a pause.
    pub longest: Duration,
}

impl Grant {
    /// What the configured line grants these rules.
    pub fn of(gpio: &config::Gpio, rules: &[config::Rule]) -> Self {
        let mut drives = [false; MAX_RULES];
        for (drives, rule) in drives.iter_mut().zip(rules) {
            *drives = gpio.driven_by(&rule.name);
        }
        Self { drives, longest: gpio.longest_pulse }
    }
}

impl Default for Grant {
    /// Every rule drives the pin, for as long as it says.
    fn default() -> Self {
        Self { drives: [true; MAX_RULES], longest: Duration::MAX }
    }
}

/// Rules, the pin and its watchdog.
#[derive(Debug)]
pub struct Actor {
    rules: Rules,
    grant: Grant,
    watched: Arc<Watched>,
    watchdog: Option<JoinHandle<()>>,
    clock: Clock,
    ledger: Arc<Ledger>,
}

impl Actor {
    /// Sets the pin low and starts its watchdog. Dropping the actor sets the pin low again.
    pub fn new(rules: Rules, mut pin: Box<dyn Pin>, clock: Clock, ledger: Arc<Ledger>) -> Result<Self, ActError> {
        pin.set(false)?;
        let watched = Arc::new(Watched {
            state: Mutex::new(Pulse { pin, high_since: None, low_at: None, closed: false }),
            changed: Condvar::new(),
        });
        let (seen, counted) = (Arc::clone(&watched), Arc::clone(&ledger));
        let watchdog = std::thread::Builder::new()
            .name("pin".into())
            .spawn(move || seen.watch(&counted))
            .map_err(ActError::Thread)?;
        Ok(Self { rules, grant: Grant::default(), watched, watchdog: Some(watchdog), clock, ledger })
    }

    /// The same actor within what its pin grants.
    pub fn granted(mut self, grant: Grant) -> Self {
        self.grant = grant;
        self
    }

    /// Decides on the scene, sets the pin and adds what fired to the events. Allocates nothing and waits for nothing but the
    /// pin. A pulse that begins during another lengthens it; the pin goes low when the last of them ends or the grant does.
    pub fn act(&mut self, scene: &Scene, events: &mut Vec<Event, MAX_EVENTS>) {
        self.act_at(scene, events, self.clock.monotonic());
    }

    fn act_at(&mut self, scene: &Scene, events: &mut Vec<Event, MAX_EVENTS>, now: Monotonic) {
        let late = u128::from(now.nanos_since(scene.stamp.arrived)) > TOO_LATE.as_nanos();
        for decision in self.rules.decide(scene) {
            if late {
                self.ledger.counters.triggers_late.one();
                continue;
            }
            self.ledger.counters.triggers.one();
            if self.grant.drives.get(usize::from(decision.rule)) == Some(&true) && !self.pulse(decision.pulse) {
                self.ledger.counters.pin_errors.one();
                continue;
            }
            let latency_ns = self.clock.monotonic().nanos_since(scene.stamp.arrived);
            let event = Event::Triggered { rule: decision.rule, identity: decision.identity, latency_ns };
            if events.push(event).is_err() {
                self.ledger.counters.events_dropped.one();
            }
        }
    }

    /// Begins a pulse if there is somebody to end it; whether it began.
    fn pulse(&self, pulse: Duration) -> bool {
        let watched = self.watchdog.as_ref().is_some_and(|watchdog| !watchdog.is_finished());
        watched && self.watched.begin(pulse, self.grant.longest).is_ok()
    }
}

impl Drop for Actor {
    fn drop(&mut self) {
        self.watched.lock().closed = true;
        self.watched.changed.notify_all();
        if let Some(watchdog) = self.watchdog.take() {
            // A watchdog that panicked has told so itself; there is nothing to add.
            let _ = watchdog.join();
        }
    }
}

/// The pin as both threads see it.
#[derive(Debug)]
struct Watched {
    state: Mutex<Pulse>,
    changed: Condvar,
}

struct Pulse {
    pin: Box<dyn Pin>,
    /// Since when it has been high, or may have been; `None` when it is low.
    high_since: Option<Instant>,
    /// When the pin must be low again; `None` when it is.
    low_at: Option<Instant>,
    closed: bool,
}

impl std::fmt::Debug for Pulse {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pulse").field("pin", &self.pin.name()).field("low_at", &self.low_at).finish()
    }
}

impl Watched {
    fn lock(&self) -> MutexGuard<'_, Pulse> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets the pin high for `pulse` from now on, and for `longest` at most since it was low. Where the pin refuses, its state is
    /// unknown and it is set low as soon.
    fn begin(&self, pulse: Duration, longest: Duration) -> Result<(), PinError> {
        let mut state = self.lock();
        let set = state.pin.set(true);
        let now = Instant::now();
        let granted = state.high_since.get_or_insert(now).checked_add(longest);
        let wanted = now + if set.is_ok() { pulse } else { Duration::ZERO };
        let end = granted.map_or(wanted, |granted| granted.min(wanted));
        state.low_at = Some(state.low_at.map_or(end, |low_at| low_at.max(end)));
        drop(state);
        self.changed.notify_all();
        set
    }

    /// The watchdog's life: sets the pin low when its time has come, and at the end.
    fn watch(&self, ledger: &Ledger) {
        let mut state = self.lock();
        let mut refused_before = false;
        loop {
            let now = Instant::now();
            let closed = state.closed;
            match state.low_at {
                None if closed => break,
                None => state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(low_at) if low_at > now && !closed => {
                    state = self.changed.wait_timeout(state, low_at - now).unwrap_or_else(PoisonError::into_inner).0;
                }
                Some(_) => {
                    let refused = state.pin.set(false).err();
                    state.low_at = (refused.is_some() && !closed).then(|| now + AGAIN);
                    if refused.is_none() {
                        state.high_since = None;
                    }
                    let new = refused.is_some() && !refused_before;
                    refused_before = refused.is_some();
                    if refused.is_some() {
                        ledger.counters.pin_errors.one();
                    }
                    if let Some(error) = refused.filter(|_| new) {
                        // A log that waits must not make the deciding thread wait.
                        drop(state);
                        tracing::error!("{error}; it is asked again each {} ms", AGAIN.as_millis());
                        state = self.lock();
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::handover::{Animal, Gaps, Identity, Keypoint, MAX_KEYPOINTS, State};
    use crate::space::InCamera;
    use crate::stamp::{Stamp, WallTime};
    use crate::zones::Zones;
    use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

    const LONG: Duration = Duration::from_secs(20);

    /// Tells each set to the test; refuses those in the list.
    struct ToldPin {
        told: SyncSender<(Instant, bool)>,
        refuse: std::vec::Vec<bool>,
    }

    impl Pin for ToldPin {
        fn name(&self) -> &str {
            "told"
        }

        fn set(&mut self, high: bool) -> Result<(), PinError> {
            self.told.send((Instant::now(), high)).unwrap();
            if self.refuse.first() == Some(&high) {
                self.refuse.remove(0);
                return Err(PinError { pin: "told".into(), what: "no".into() });
            }
            Ok(())
        }
    }

    fn rules(pulse: Duration) -> Rules {
        let zones = Zones::new(&[config::ZoneArea {
            name: "Feeder".into(),
            sheltered: false,
            corners: vec![(0.0, 0.0), (10.0, 0.0), (10.0, 10.0), (0.0, 10.0)],
        }])
        .unwrap();
        let rule = config::Rule {
            name: "feed".into(),
            identity: None,
            keypoint: "nose".into(),
            zone: "Feeder".into(),
            p_min: 0.5,
            score_min: 0.5,
            pulse,
            rest: pulse,
        };
        let names = Names { keypoints: &["nose".into()], identities: &["R".into()] };
        Rules::new(&[rule], names, &zones).unwrap()
    }

    fn scene(x: f32, arrived: Monotonic, second: i64) -> Scene {
        let at = InCamera { x, y: 5.0 };
        let mut keypoints = [None; MAX_KEYPOINTS];
        keypoints[0] = Some(Keypoint { at, score: 0.9 });
        let mut scene = Scene {
            stamp: Stamp { captured: WallTime(second * 1_000_000_000), arrived, ..Stamp::default() },
            gaps: Gaps::default(),
            ..Scene::default()
        };
        let animal = Animal {
            identity: Some(Identity(0)),
            p: 0.9,
            track: None,
            state: State::Seen,
            centre: Some(at),
            zone: None,
            keypoints,
            predicted: Default::default(),
            vanished: None,
        };
        scene.animals.push(animal).unwrap();
        scene
    }

    fn actor(pulse: Duration, refuse: &[bool]) -> (Actor, Receiver<(Instant, bool)>, Arc<Ledger>, Clock) {
        let (told, hear) = sync_channel(100);
        let pin = ToldPin { told, refuse: refuse.to_vec() };
        let (ledger, clock) = (Arc::new(Ledger::default()), Clock::new());
        let actor = Actor::new(rules(pulse), Box::new(pin), clock, Arc::clone(&ledger)).unwrap();
        assert!(!hear.recv_timeout(LONG).unwrap().1, "the pin starts low");
        (actor, hear, ledger, clock)
    }

    #[test]
    fn a_pulse_ends_by_itself_while_the_deciding_thread_does_nothing() {
        let (mut actor, hear, ledger, clock) = actor(Duration::from_millis(5), &[]);
        let mut events = Vec::new();
        actor.act(&scene(5.0, clock.monotonic(), 1), &mut events);
        let (high, low) = (hear.recv_timeout(LONG).unwrap(), hear.recv_timeout(LONG).unwrap());
        assert!(high.1 && !low.1);
        assert!(low.0 - high.0 >= Duration::from_millis(5));
        assert!(matches!(events[..], [Event::Triggered { rule: 0, identity: Identity(0), .. }]), "{events:?}");
        assert_eq!(ledger.counters.triggers.get(), 1);
    }

    #[test]
    fn pulses_that_follow_each_other_end_at_the_longest_that_is_granted() {
        let (told, _hear) = sync_channel(100);
        let pin: Box<dyn Pin> = Box::new(ToldPin { told, refuse: vec![] });
        let state = Mutex::new(Pulse { pin, high_since: None, low_at: None, closed: false });
        let watched = Watched { state, changed: Condvar::new() };
        let end = |pulse: u64, longest: Duration| {
            watched.begin(Duration::from_secs(pulse), longest).unwrap();
            let state = watched.lock();
            state.low_at.unwrap() - state.high_since.unwrap()
        };
        let granted = Duration::from_secs(60);
        assert_eq!(end(50, granted), Duration::from_secs(50));
        assert!(end(55, granted) > Duration::from_secs(54));
        assert_eq!(end(3600, granted), granted);
        assert_eq!(end(10, granted), granted, "a shorter pulse does not end a longer one");
        assert!(end(3600, Duration::MAX) >= Duration::from_secs(3600));
    }

    #[test]
    fn a_pulse_whose_end_nobody_watches_is_not_begun() {
        struct Panics(u32);
        impl Pin for Panics {
            fn name(&self) -> &str {
                "panics"
            }

            fn set(&mut self, high: bool) -> Result<(), PinError> {
                self.0 += u32::from(!high);
                assert!(self.0 < 2, "on purpose: the watchdog ends");
                Ok(())
            }
        }
        let (ledger, clock) = (Arc::new(Ledger::default()), Clock::new());
        let actor = Actor::new(rules(LONG), Box::new(Panics(0)), clock, Arc::clone(&ledger)).unwrap();
        assert!(actor.pulse(Duration::ZERO));
        let began = Instant::now();
        while !actor.watchdog.as_ref().unwrap().is_finished() {
            assert!(began.elapsed() < LONG);
            std::thread::yield_now();
        }
        assert!(!actor.pulse(Duration::ZERO));
    }

    #[test]
    fn dropping_the_actor_sets_the_pin_low_at_once() {
        let (mut actor, hear, _, clock) = actor(Duration::from_secs(3600), &[]);
        actor.act(&scene(5.0, clock.monotonic(), 1), &mut Vec::new());
        assert!(hear.recv_timeout(LONG).unwrap().1);
        drop(actor);
        assert!(!hear.recv_timeout(LONG).unwrap().1);
    }

    #[test]
    fn a_pin_that_refuses_to_go_low_is_asked_again() {
        let (mut actor, hear, ledger, clock) = actor(Duration::from_millis(1), &[true, false]);
        // High is refused, low is refused once, then obeyed.
        let mut events = Vec::new();
        actor.act(&scene(5.0, clock.monotonic(), 1), &mut events);
        let sets: std::vec::Vec<_> = (0..3).map(|_| hear.recv_timeout(LONG).unwrap().1).collect();
        assert_eq!(sets, [true, false, false]);
        assert!(events.is_empty());
        drop(actor);
        assert_eq!(ledger.counters.pin_errors.get(), 2);
    }

    #[test]
    fn a_scene_that_is_history_sets_no_pin_and_is_counted() {
        let (mut actor, hear, ledger, _) = actor(Duration::from_millis(1), &[]);
        let mut events = Vec::new();
        actor.act_at(&scene(5.0, Monotonic(0), 1), &mut events, Monotonic(1_000_000_001));
        drop(actor);
        assert!(events.is_empty() && hear.try_recv().is_err());
        assert_eq!((ledger.counters.triggers.get(), ledger.counters.triggers_late.get()), (0, 1));
    }

    #[test]
    fn an_event_without_room_is_counted() {
        let (mut actor, _hear, ledger, clock) = actor(Duration::from_millis(1), &[]);
        let gap = crate::handover::Gap { first: 0, last: 0, reason: crate::handover::GapReason::Late };
        let mut events: Vec<Event, MAX_EVENTS> = (0..MAX_EVENTS).map(|_| Event::Gap(gap)).collect();
        actor.act(&scene(5.0, clock.monotonic(), 1), &mut events);
        assert_eq!(ledger.counters.events_dropped.get(), 1);
    }
}
