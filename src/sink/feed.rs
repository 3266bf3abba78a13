//! What the line hands to the `net` thread, and what the sinks on it know in common.

use crate::config::ZoneArea;
use crate::handover::{Delivery, Line, Offer, Settled, Taken};
use crate::ledger::Ledger;
use crate::sink::wire::{BoardMessage, BrokerReport, CameraReport, EngineReport, Names, Rates, Reading, StatsMessage};
use crate::stamp::Clock;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;
use tokio::sync::{Notify, watch};

/// What does not change while the daemon runs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct About {
    /// The names behind the indexes.
    pub names: Names,
    /// The model's name.
    pub model: String,
    /// Pairs of keypoint names to draw a line between.
    pub skeleton: Vec<[String; 2]>,
    /// How each identity is drawn, `#rrggbb`, in the order of the identities.
    pub colours: Vec<String>,
    /// The zones' outlines, camera pixels.
    pub zones: Vec<ZoneArea>,
}

/// A bounded line whose far side is asynchronous. Offering never waits and never allocates.
#[derive(Debug)]
pub struct Feed<T> {
    line: Line<T>,
    arrived: Notify,
}

impl<T> Feed<T> {
    /// A feed with room for `room` values.
    pub fn new(room: usize) -> Self {
        Self { line: Line::new(room), arrived: Notify::new() }
    }

    /// False when it is full or closed; the value is then gone and the caller counts it.
    pub fn offer(&self, value: T) -> bool {
        let taken = matches!(self.line.offer(value), Offer::Taken);
        self.arrived.notify_one();
        taken
    }

    /// No more values go in.
    pub fn close(&self) {
        self.line.close();
        self.arrived.notify_one();
    }

    /// Waits until something may have arrived or the feed was closed.
    pub async fn arrived(&self) {
        self.arrived.notified().await;
    }

    /// Makes the next `arrived` return at once: more may be there.
    pub fn look_again(&self) {
        self.arrived.notify_one();
    }

    /// The next value that is already there.
    pub fn next(&self) -> Taken<T> {
        self.line.take_within(Duration::ZERO)
    }
}

/// What the line hands to the broker's side.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant)] // Nearly all are scenes, and a box would be an allocation a frame on the tracking thread.
pub enum Item {
    /// A scene and its events, without the picture.
    Scene(Delivery),
    /// A settled scene and the revisions that end with it.
    Settled(Settled),
    /// The camera's state changed.
    Camera(CameraReport),
}

/// What every sink on the `net` thread may read.
#[derive(Clone, Debug)]
pub struct Known {
    /// Names and looks.
    pub about: Arc<About>,
    /// The process's ledger.
    pub ledger: Arc<Ledger>,
    /// The process's clocks.
    pub clock: Clock,
    /// What runs the model.
    pub engine: watch::Receiver<EngineReport>,
    /// The camera's state.
    pub camera: watch::Receiver<CameraReport>,
    /// The broker connection's state.
    pub broker: watch::Receiver<BrokerReport>,
    /// The machine's heat and power.
    pub board: watch::Receiver<BoardMessage>,
    /// Pages connected.
    pub viewers: Arc<AtomicUsize>,
}

/// Reads the ledger again and again; rates are between two readings.
#[derive(Debug)]
pub struct Statistics {
    known: Known,
    last: Reading,
}

impl Statistics {
    /// Rates count from now on.
    pub fn new(known: Known) -> Self {
        let last = Reading::take(&known.ledger, known.clock.monotonic());
        Self { known, last }
    }

    /// The statistics now.
    pub fn read(&mut self) -> StatsMessage<'_> {
        let now = self.known.clock.monotonic();
        let reading = Reading::take(&self.known.ledger, now);
        let rates = Rates::between(&self.last, &reading);
        self.last = reading;
        let camera = self.known.camera.borrow().state;
        let broker = self.known.broker.borrow().state;
        let states = (camera, broker, self.known.viewers.load(Relaxed));
        let board = self.known.board.borrow().clone();
        let times = (self.known.clock.wall(), now);
        StatsMessage::new(&self.known.about.names, &self.known.ledger, states, rates, times).with_board(board)
    }
}
