//! What all connections of one camera share: the clients that are watching, the faults, the clock and the counts.

use super::{CameraOptions, Faults, Picture};
use crate::rehearsal::encode::{PPS, SPS, kind, units};
use crate::stamp::WallTime;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;
use tokio::sync::{mpsc, watch};

/// Clocks that differ by less are taken for the same, nanoseconds.
const SAME_CLOCK_NS: i64 = 2_000_000_000;

/// Sequence and picture parameter set, without start codes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParameterSets {
    /// Sequence parameter set.
    pub sequence: Vec<u8>,
    /// Picture parameter set.
    pub picture: Vec<u8>,
}

impl ParameterSets {
    fn of(annexb: &[u8]) -> Option<Self> {
        let find = |wanted| units(annexb).find(|unit| kind(unit) == wanted && unit.len() >= 4).map(<[u8]>::to_vec);
        Some(Self { sequence: find(SPS)?, picture: find(PPS)? })
    }
}

/// What the connections are told to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Serve; a connection from an earlier round is cut.
    Serve {
        /// Rises with each kick.
        round: u64,
    },
    /// Say goodbye and end.
    Stop,
}

/// How often things happened.
#[derive(Debug, Default)]
pub struct Counts {
    pub connections: AtomicU64,
    pub pictures: AtomicU64,
    pub packets: AtomicU64,
    pub packets_dropped: AtomicU64,
    pub packets_corrupted: AtomicU64,
    pub pictures_skipped: AtomicU64,
    pub reports: AtomicU64,
}

/// What all connections share.
#[derive(Debug)]
pub struct Studio {
    pub options: CameraOptions,
    /// The number that digest answers are made with.
    pub nonce: String,
    pub counts: Counts,
    pub orders: watch::Sender<Order>,
    pub sets: watch::Sender<Option<ParameterSets>>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    outlets: Vec<Outlet>,
    faults: Faults,
    stalled: bool,
    /// Capture clock minus system clock; `None` before the first picture.
    ahead_ns: Option<i64>,
    newest: Option<WallTime>,
}

/// A picture with the faults that were in force when it was pushed.
#[derive(Clone, Debug)]
pub struct Shot {
    /// The picture.
    pub picture: Arc<Picture>,
    /// What goes wrong with it.
    pub faults: Faults,
}

/// The way of pictures to one playing client.
#[derive(Debug)]
struct Outlet {
    pictures: mpsc::Sender<Shot>,
    /// It can only begin with a key picture.
    waiting: bool,
    /// It has seen nothing yet, so a key picture should be made for it.
    fresh: bool,
}

impl Studio {
    /// A camera without clients.
    pub fn new(options: CameraOptions, nonce: String) -> Self {
        let faults = options.faults;
        let state = State { outlets: Vec::new(), faults, stalled: false, ahead_ns: None, newest: None };
        Self {
            options,
            nonce,
            counts: Counts::default(),
            orders: watch::channel(Order::Serve { round: 0 }).0,
            sets: watch::channel(None).0,
            state: Mutex::new(state),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands a picture to every client that can use it.
    pub fn push(&self, picture: Picture) {
        if picture.key
            && let Some(found) = ParameterSets::of(&picture.annexb)
        {
            self.sets.send_if_modified(|known| {
                let changed = known.as_ref() != Some(&found);
                *known = Some(found);
                changed
            });
        }
        let mut state = self.state();
        let now = WallTime::from_system(SystemTime::now());
        state.ahead_ns.get_or_insert_with(|| {
            let ahead = picture.captured.nanos_since(now);
            if ahead.abs() < SAME_CLOCK_NS { 0 } else { ahead }
        });
        state.newest = Some(picture.captured);
        self.counts.pictures.fetch_add(1, Relaxed);
        let stalled = state.stalled;
        let key = picture.key;
        let shot = Shot { picture: Arc::new(picture), faults: state.faults };
        state.outlets.retain_mut(|outlet| {
            if stalled || (outlet.waiting && !key) {
                outlet.waiting = true;
                self.counts.pictures_skipped.fetch_add(u64::from(!outlet.fresh), Relaxed);
                return !outlet.pictures.is_closed();
            }
            match outlet.pictures.try_send(shot.clone()) {
                Ok(()) => (outlet.waiting, outlet.fresh) = (false, false),
                Err(mpsc::error::TrySendError::Full(_)) => {
                    outlet.waiting = true;
                    self.counts.pictures_skipped.fetch_add(1, Relaxed);
                }
                Err(mpsc::error::TrySendError::Closed(_)) => return false,
            }
            true
        });
    }

    /// A new client that plays from the next key picture on. Dropping the receiver ends it.
    pub fn watch(&self) -> mpsc::Receiver<Shot> {
        let (sender, receiver) = mpsc::channel(self.options.queue.max(1));
        self.state().outlets.push(Outlet { pictures: sender, waiting: true, fresh: true });
        receiver
    }

    /// Clients that play.
    pub fn clients(&self) -> usize {
        let mut state = self.state();
        state.outlets.retain(|outlet| !outlet.pictures.is_closed());
        state.outlets.len()
    }

    /// A client waits for its first picture, or the stall is over and all wait.
    pub fn wants_key(&self) -> bool {
        let state = self.state();
        !state.stalled && state.outlets.iter().any(|outlet| outlet.fresh && !outlet.pictures.is_closed())
    }

    /// Silence on or off. Afterwards every client goes on with a key picture.
    pub fn stall(&self, on: bool) {
        let mut state = self.state();
        let ended = state.stalled && !on;
        state.stalled = on;
        if ended {
            state.outlets.iter_mut().for_each(|outlet| (outlet.waiting, outlet.fresh) = (true, true));
        }
    }

    /// Nothing is sent at the moment.
    pub fn stalled(&self) -> bool {
        self.state().stalled
    }

    /// The faults in force.
    pub fn faults(&self) -> Faults {
        self.state().faults
    }

    /// From now on other faults.
    pub fn set_faults(&self, faults: Faults) {
        self.state().faults = faults;
    }

    /// The capture clock now; `None` before the first picture.
    pub fn capture_now(&self) -> Option<WallTime> {
        let ahead = self.state().ahead_ns?;
        Some(WallTime(WallTime::from_system(SystemTime::now()).0.saturating_add(ahead)))
    }

    /// Capture time of the newest picture.
    pub fn newest(&self) -> Option<WallTime> {
        self.state().newest
    }
}
