//! The live page: what the tracker sees and how it fares, for eyes. Pictures are made only while a page waits for them.

mod guard;
mod jpeg;
mod viewer;

use crate::config::Web;
use crate::handover::{Delivery, Event, Frame, Scene, Slot, Taken};
use crate::ledger::Ledger;
use crate::sink::feed::{Feed, Known, Statistics};
use crate::sink::wire::{
    BrokerReport, CameraReport, CameraState, EngineReport, EventMessage, SceneMessage, StatsMessage,
};
use crate::stamp::Stamp;
use axum::Router;
use axum::extract::State;
use axum::extract::ws::{Utf8Bytes, WebSocketUpgrade};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bytes::{BufMut, Bytes, BytesMut};
use serde::Serialize;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::time::MissedTickBehavior;
use viewer::Shown;

/// Most pages at once.
const VIEWERS: usize = 16;
/// Events that wait for the next picture.
const EVENTS_WAITING: usize = 128;

/// Why the page cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum WebError {
    /// Another program listens there.
    #[error(
        "web page {addr}: the port is in use; end the program that uses it, or choose another port with --web-port or `listen` in [web]"
    )]
    InUse {
        /// Address and port.
        addr: SocketAddr,
    },
    /// The address cannot be used.
    #[error(
        "web page {addr}: cannot listen: {source}; choose an address of this machine and a port from 1024 to 65535 in [web]"
    )]
    Listen {
        /// Address and port.
        addr: SocketAddr,
        /// The system's words.
        source: std::io::Error,
    },
}

/// The live page, bound and not yet serving.
#[derive(Debug)]
pub struct WebSink {
    listener: std::net::TcpListener,
    addr: SocketAddr,
    studio: Arc<Studio>,
}

/// Where the line leaves what the page may show.
#[derive(Debug)]
pub struct Door {
    scenes: Slot<(Scene, Option<Frame>)>,
    arrived: Notify,
    events: Feed<(Stamp, Event)>,
    /// Pages that wait for a picture.
    ready: Arc<AtomicUsize>,
    /// Pages connected.
    viewers: Arc<AtomicUsize>,
    period_ns: u64,
    next_due: AtomicU64,
}

/// What the page's tasks share.
#[derive(Debug)]
struct Studio {
    known: Known,
    door: Arc<Door>,
    pictures: watch::Sender<Shown>,
    news: watch::Sender<Utf8Bytes>,
}

impl Door {
    /// Leaves a scene when a page waits for one and it is time. Never waits; what nobody took is counted.
    pub fn offer(&self, delivery: &Delivery, ledger: &Ledger) {
        if self.viewers.load(Relaxed) == 0 {
            return;
        }
        let stamp = &delivery.scene.stamp;
        for event in &delivery.events {
            if !self.events.offer((*stamp, *event)) {
                ledger.counters.web_dropped.one();
            }
        }
        if self.ready.load(Relaxed) == 0 || !self.due(stamp.arrived.0) {
            return;
        }
        self.scenes.put(|stale| {
            ledger.counters.web_dropped.add(u64::from(stale.is_some()));
            (delivery.scene.clone(), delivery.frame.clone())
        });
        self.arrived.notify_one();
    }

    /// Thins the scenes to the configured rate; a quarter of a period early is in time, or jitter would halve the rate.
    fn due(&self, now: u64) -> bool {
        let due = self.next_due.load(Relaxed);
        // A clock that runs behind `due` by more than a second belongs to another recording.
        if now.saturating_add(self.period_ns / 4) < due && due.saturating_sub(now) < 1_000_000_000 {
            return false;
        }
        let next = due.clamp(now.saturating_sub(self.period_ns / 2), now + self.period_ns / 4) + self.period_ns;
        self.next_due.store(next, Relaxed);
        true
    }
}

impl WebSink {
    /// Takes the port.
    pub fn bind(config: &Web, known: Known) -> Result<Self, WebError> {
        let addr = config.listen;
        let wrong = |source: std::io::Error| match source.kind() {
            std::io::ErrorKind::AddrInUse => WebError::InUse { addr },
            _ => WebError::Listen { addr, source },
        };
        let listener = std::net::TcpListener::bind(addr).map_err(wrong)?;
        listener.set_nonblocking(true).map_err(wrong)?;
        let addr = listener.local_addr().map_err(wrong)?;
        if !addr.ip().is_loopback() {
            tracing::warn!(%addr, "web page: listens beyond this machine; whoever reaches it can watch");
        }
        let door = Arc::new(Door {
            scenes: Slot::new(),
            arrived: Notify::new(),
            events: Feed::new(EVENTS_WAITING),
            ready: Arc::new(AtomicUsize::new(0)),
            viewers: Arc::clone(&known.viewers),
            period_ns: 1_000_000_000 / u64::from(config.pictures_hz.max(1)),
            next_due: AtomicU64::new(0),
        });
        let studio = Studio {
            known,
            door,
            pictures: watch::Sender::new(Shown::default()),
            news: watch::Sender::new(Utf8Bytes::default()),
        };
        Ok(Self { listener, addr, studio: Arc::new(studio) })
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The line's side.
    pub fn door(&self) -> Arc<Door> {
        Arc::clone(&self.studio.door)
    }

    /// Serves until it is dropped.
    pub async fn run(self) {
        let allowed = guard::Allowed::new(self.addr.ip().is_loopback());
        let listener = match tokio::net::TcpListener::from_std(self.listener) {
            Ok(listener) => listener,
            Err(error) => return tracing::error!("web page {}: cannot listen: {error}", self.addr),
        };
        tracing::info!("web page: http://{}", self.addr);
        let router = router(Arc::clone(&self.studio), allowed);
        let pages = async { axum::serve(listener, router).await };
        let (served, (), ()) = tokio::join!(pages, make_pictures(&self.studio), make_news(&self.studio));
        if let Err(error) = served {
            tracing::error!("web page {}: ended: {error}", self.addr);
        }
    }
}

fn router(studio: Arc<Studio>, allowed: guard::Allowed) -> Router {
    let file = |kind: &'static str, content: &'static str| get(async move || ([(header::CONTENT_TYPE, kind)], content));
    Router::new()
        .route("/", file("text/html; charset=utf-8", include_str!("web/page.html")))
        .route("/page.js", file("text/javascript; charset=utf-8", include_str!("web/page.js")))
        .route("/page.css", file("text/css; charset=utf-8", include_str!("web/page.css")))
        .route("/ws", get(socket))
        .route("/stats", get(stats))
        .route("/healthz", get(health))
        .with_state(studio)
        .layer(axum::middleware::from_fn_with_state(allowed, guard::guard))
}

async fn socket(State(studio): State<Arc<Studio>>, upgrade: WebSocketUpgrade) -> Response {
    if studio.known.viewers.load(Relaxed) >= VIEWERS {
        return (StatusCode::SERVICE_UNAVAILABLE, "16 pages are open already: close one\n").into_response();
    }
    upgrade.max_message_size(1024).on_upgrade(move |socket| viewer::serve(socket, studio))
}

async fn stats(State(studio): State<Arc<Studio>>) -> Response {
    let mut statistics = Statistics::new(studio.known.clone());
    ([(header::CONTENT_TYPE, "application/json")], text(&statistics.read()).to_string()).into_response()
}

/// 200 while scenes can come, 503 with the reason while the engine is opened or the camera is away.
async fn health(State(studio): State<Arc<Studio>>) -> Response {
    let (engine, report) = (studio.known.engine.borrow().clone(), studio.known.camera.borrow().clone());
    if let Some(how_far) = engine.opening() {
        return (StatusCode::SERVICE_UNAVAILABLE, format!("{how_far}\n")).into_response();
    }
    match report.state {
        CameraState::Live => (StatusCode::OK, "live\n").into_response(),
        CameraState::Starting => (StatusCode::SERVICE_UNAVAILABLE, "starting\n").into_response(),
        CameraState::Retrying => {
            (StatusCode::SERVICE_UNAVAILABLE, format!("camera lost: {}\n", report.detail)).into_response()
        }
    }
}

/// Turns each scene that the line leaves into one message for every page.
async fn make_pictures(studio: &Studio) {
    let mut number = 0;
    loop {
        studio.door.arrived.notified().await;
        // The broker's messages of the same scene go out before the milliseconds that a JPEG takes.
        tokio::task::yield_now().await;
        let Taken::Value((scene, frame)) = studio.door.scenes.take_within(Duration::ZERO) else { continue };
        number += 1;
        let message = picture(studio, &scene, frame);
        studio.pictures.send_replace(Shown { number, captured: scene.stamp.captured, message });
    }
}

/// Header length (u32, little endian), header (JSON), JPEG (absent where the scene came without a picture).
fn picture(studio: &Studio, scene: &Scene, frame: Option<Frame>) -> Bytes {
    let names = &studio.known.about.names;
    let mut events = Vec::new();
    while let Taken::Value(event) = studio.door.events.next() {
        events.push(event);
    }
    let header = PictureHeader {
        scene: SceneMessage::new(names, scene, studio.known.clock.wall()),
        events: events.iter().map(|(stamp, event)| EventMessage::new(names, stamp, event)).collect(),
        size: frame.as_ref().map(|frame| [frame.size().width, frame.size().height]),
    };
    let header = text(&header);
    let mut jpeg = Vec::with_capacity(64 * 1024);
    if let Some(frame) = frame {
        jpeg::encode(&frame, &mut jpeg);
    }
    let mut message = BytesMut::with_capacity(4 + header.len() + jpeg.len());
    message.put_u32_le(u32::try_from(header.len()).unwrap_or(u32::MAX));
    message.put_slice(header.as_bytes());
    message.put_slice(&jpeg);
    message.freeze()
}

/// Statistics each second, and at once when the engine, the camera or the broker changes.
async fn make_news(studio: &Studio) {
    let mut statistics = Statistics::new(studio.known.clone());
    let (mut engine, mut camera) = (studio.known.engine.clone(), studio.known.camera.clone());
    let mut broker = studio.known.broker.clone();
    let mut tick = tokio::time::interval(Duration::from_secs(1));
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = tick.tick() => {}
            Ok(()) = engine.changed() => {}
            Ok(()) = camera.changed() => {}
            Ok(()) = broker.changed() => {}
        }
        let (camera, broker) = (camera.borrow_and_update().clone(), broker.borrow_and_update().clone());
        let engine = engine.borrow_and_update().clone();
        if studio.known.viewers.load(Relaxed) > 0 {
            studio.news.send_replace(text(&News::new(&engine, &camera, &broker, statistics.read())));
        }
    }
}

/// Our own types always become JSON; should one not, the page gets nothing rather than half.
fn text(message: &impl Serialize) -> Utf8Bytes {
    serde_json::to_string(message).unwrap_or_default().into()
}

#[derive(Serialize)]
struct PictureHeader<'a> {
    scene: SceneMessage<'a>,
    events: Vec<EventMessage<'a>>,
    size: Option<[u32; 2]>,
}

/// What a page is told once.
#[derive(Serialize)]
struct Hello<'a> {
    kind: &'static str,
    arena: &'a str,
    version: &'static str,
    model: &'a str,
    identities: &'a [String],
    colours: &'a [String],
    skeleton: &'a [[String; 2]],
    zones: Vec<HelloZone<'a>>,
}

#[derive(Serialize)]
struct HelloZone<'a> {
    name: &'a str,
    sheltered: bool,
    corners: &'a [(f32, f32)],
}

impl<'a> Hello<'a> {
    fn new(known: &'a Known) -> Self {
        let about = &known.about;
        let zones = about.zones.iter();
        Self {
            kind: "hello",
            arena: &about.names.arena,
            version: env!("CARGO_PKG_VERSION"),
            model: &about.model,
            identities: &about.names.identities,
            colours: &about.colours,
            skeleton: &about.skeleton,
            zones: zones
                .map(|zone| HelloZone { name: &zone.name, sheltered: zone.sheltered, corners: &zone.corners })
                .collect(),
        }
    }
}

/// What a page is told each second.
#[derive(Serialize)]
struct News<'a> {
    kind: &'static str,
    /// Engine and precision, once they run.
    runs: Option<(&'static str, &'static str)>,
    /// How far the opening of the engine is, until it runs.
    opening: Option<&'a str>,
    camera: &'a str,
    broker: &'a str,
    stats: StatsMessage<'a>,
}

impl<'a> News<'a> {
    fn new(
        engine: &'a EngineReport,
        camera: &'a CameraReport,
        broker: &'a BrokerReport,
        stats: StatsMessage<'a>,
    ) -> Self {
        let (runs, opening) = (engine.runs(), engine.opening());
        Self { kind: "news", runs, opening, camera: &camera.detail, broker: &broker.detail, stats }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn door(hz: u64) -> Door {
        Door {
            scenes: Slot::new(),
            arrived: Notify::new(),
            events: Feed::new(1),
            ready: Arc::default(),
            viewers: Arc::default(),
            period_ns: 1_000_000_000 / hz,
            next_due: AtomicU64::new(0),
        }
    }

    #[test]
    fn jitter_does_not_thin_a_stream_of_the_configured_rate() {
        let door = door(30);
        let jitter = [0u64, 4, 1, 5, 2, 0, 3];
        let shown =
            (0..300u64).filter(|n| door.due(1_000_000_000 + n * 33_333_333 + jitter[*n as usize % 7] * 1_000_000));
        assert_eq!(shown.count(), 300);
    }

    #[test]
    fn a_fast_stream_is_thinned_to_the_configured_rate() {
        let door = door(15);
        let shown = (0..600u64).filter(|n| door.due(1_000_000_000 + n * 16_666_667)).count();
        assert!((145..=160).contains(&shown), "{shown} of 600 frames in 10 s");
    }
}
