//! The thread `net`: the broker sink and the live page on one small runtime, and the handle through which the line reaches them.

use crate::config;
use crate::handover::{Delivery, Settled};
use crate::ledger::Ledger;
use crate::sink::board::BoardReader;
use crate::sink::feed::{About, Feed, Item, Known};
use crate::sink::mqtt::{MqttError, MqttSink};
use crate::sink::web::{Door, WebError, WebSink};
use crate::sink::wire::{BrokerReport, BrokerState, CameraReport, CameraState, EngineReport};
use crate::stamp::Clock;
use std::net::SocketAddr;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use tokio::sync::watch;

/// Scenes, live and settled, that wait for the `net` thread: four seconds at 60 frames/s. It is full only when that thread hangs.
const SCENES_WAITING: usize = 512;

/// What the `net` thread needs.
#[derive(Debug)]
pub struct NetOptions {
    /// The broker, if wanted.
    pub mqtt: Option<config::Mqtt>,
    /// The live page, if wanted.
    pub web: Option<config::Web>,
    /// Names and looks.
    pub about: About,
    /// The process's ledger.
    pub ledger: Arc<Ledger>,
    /// The process's clocks.
    pub clock: Clock,
}

/// Why the sinks could not be started. All are the operator's to mend.
#[derive(Debug, thiserror::Error)]
pub enum NetError {
    /// The broker's settings cannot be used.
    #[error(transparent)]
    Mqtt(#[from] MqttError),
    /// The page cannot be served.
    #[error(transparent)]
    Web(#[from] WebError),
    /// The thread could not be made.
    #[error("thread net: {0}; free some memory or raise the limit of threads")]
    Thread(#[from] std::io::Error),
}

/// Starts the sinks that speak to the network.
#[derive(Debug)]
pub struct NetSinks;

/// The line's side of the sinks. Dropping it closes them.
#[derive(Debug)]
pub struct NetHandle {
    feed: Option<Arc<Feed<Item>>>,
    door: Option<Arc<Door>>,
    web_addr: Option<SocketAddr>,
    engine: watch::Sender<EngineReport>,
    camera: watch::Sender<CameraReport>,
    broker: watch::Receiver<BrokerReport>,
    clock: Clock,
    ledger: Arc<Ledger>,
    closing: watch::Sender<bool>,
    _board: BoardReader,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl NetSinks {
    /// Binds the page's port, reads certificates and starts the thread `net`. A broker that is away is no error: it is tried for ever.
    pub fn start(options: NetOptions) -> Result<NetHandle, NetError> {
        let NetOptions { mqtt, web, about, ledger, clock } = options;
        let opening = EngineReport::Opening { since: clock.wall(), detail: "opening the engine".to_owned() };
        let (engine, engine_seen) = watch::channel(opening);
        let starting = CameraReport { state: CameraState::Starting, since: clock.wall(), detail: String::new() };
        let (camera, camera_seen) = watch::channel(starting);
        let state = if mqtt.is_some() { BrokerState::Starting } else { BrokerState::Off };
        let (broker, broker_seen) = watch::channel(BrokerReport { state, detail: String::new() });
        let (board, board_seen) = BoardReader::start()?;
        let known = Known {
            about: Arc::new(about),
            ledger: Arc::clone(&ledger),
            clock,
            engine: engine_seen,
            camera: camera_seen,
            broker: broker_seen.clone(),
            board: board_seen,
            viewers: Arc::new(AtomicUsize::new(0)),
        };
        let feed = mqtt.is_some().then(|| Arc::new(Feed::new(SCENES_WAITING)));
        let mqtt_sink = match (&mqtt, &feed) {
            (Some(config), Some(feed)) => Some(MqttSink::new(config, known.clone(), Arc::clone(feed), broker)?),
            _ => None,
        };
        let web_sink = web.as_ref().map(|config| WebSink::bind(config, known.clone())).transpose()?;
        let door = web_sink.as_ref().map(WebSink::door);
        let web_addr = web_sink.as_ref().map(WebSink::addr);
        let (closing, closed) = watch::channel(false);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let run = move || runtime.block_on(run(mqtt_sink, web_sink, closed));
        let thread = Mutex::new(Some(std::thread::Builder::new().name("net".into()).spawn(run)?));
        Ok(NetHandle {
            feed,
            door,
            web_addr,
            engine,
            camera,
            broker: broker_seen,
            clock,
            ledger,
            closing,
            _board: board,
            thread,
        })
    }
}

/// The broker's farewell is waited for; the page just ends.
async fn run(mqtt: Option<MqttSink>, web: Option<WebSink>, mut closed: watch::Receiver<bool>) {
    let broker = async {
        match mqtt {
            Some(sink) => sink.run().await,
            None => drop(closed.wait_for(|closed| *closed).await),
        }
    };
    let page = async {
        if let Some(sink) = web {
            sink.run().await;
        }
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = broker => {}
        () = page => {}
    }
}

impl NetHandle {
    /// Hands one scene to the sinks. Never waits; what does not fit is counted.
    pub fn offer(&self, delivery: &Delivery) {
        if let Some(feed) = &self.feed {
            let Delivery { scene, events, steps, .. } = delivery;
            let item = Delivery { scene: scene.clone(), events: events.clone(), steps: *steps, frame: None };
            if !feed.offer(Item::Scene(item)) {
                self.ledger.counters.mqtt_dropped.add(1 + events.len() as u64);
            }
        }
        if let Some(door) = &self.door {
            door.offer(delivery, &self.ledger);
        }
    }

    /// Hands one settled scene to the broker's side. Never waits; what does not fit is counted. The page shows live scenes only.
    pub fn offer_settled(&self, settled: &Settled) {
        if let Some(feed) = &self.feed
            && !feed.offer(Item::Settled(settled.clone()))
        {
            self.ledger.counters.mqtt_dropped.add(1 + settled.events.len() as u64);
        }
    }

    /// Tells everyone how far the opening of the engine is, or why it failed.
    pub fn set_opening(&self, how_far: &str) {
        self.engine.send_if_modified(|report| match report {
            EngineReport::Opening { detail, .. } if detail != how_far => {
                how_far.clone_into(detail);
                true
            }
            _ => false,
        });
    }

    /// Tells everyone that the engine runs: from here on the camera is waited for.
    pub fn set_engine(&self, engine: &'static str, precision: &'static str) {
        // Nobody needs to hear of this alone: the engine's own report follows.
        self.camera.send_if_modified(|report| {
            report.since = self.clock.wall();
            false
        });
        self.engine.send_replace(EngineReport::Runs { engine, precision });
    }

    /// Tells everyone what the camera does. `detail` is for the operator's eyes: no secrets.
    pub fn set_camera_state(&self, state: CameraState, detail: &str) {
        let report = CameraReport { state, since: self.clock.wall(), detail: detail.to_owned() };
        if let Some(feed) = &self.feed
            && !feed.offer(Item::Camera(report.clone()))
        {
            self.ledger.counters.mqtt_dropped.one();
        }
        self.camera.send_replace(report);
    }

    /// What the camera does.
    pub fn camera(&self) -> CameraReport {
        self.camera.borrow().clone()
    }

    /// The broker connection's state.
    pub fn broker(&self) -> BrokerReport {
        self.broker.borrow().clone()
    }

    /// Where the page is served; the real port where 0 was asked for.
    pub fn web_addr(&self) -> Option<SocketAddr> {
        self.web_addr
    }

    /// Publishes what is left and the status `stopped`, and ends the thread. Takes at most four seconds.
    pub fn close(&self) {
        if let Some(feed) = &self.feed {
            feed.close();
        }
        self.closing.send_replace(true);
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread
            && thread.join().is_err()
        {
            tracing::error!("thread net: ended by a fault; report this");
        }
    }
}

impl Drop for NetHandle {
    fn drop(&mut self) {
        self.close();
    }
}
