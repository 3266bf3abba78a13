//! Runs the broker sink: connects, hands messages over, notices silence, backs off, says farewell.

use super::MqttError;
use super::kept::Kept;
use super::link::{Acknowledgement, Care, Dial, Driver, Heard, Publisher, REQUESTS};
use crate::config::Mqtt;
use crate::handover::{Delivery, Settled, Taken};
use crate::ledger::Ledger;
use crate::sink::feed::{Feed, Item, Known, Statistics};
use crate::sink::wire::{
    BrokerReport, BrokerState, CameraReport, DaemonState, Encoder, EngineReport, EventMessage, SceneMessage,
    StatusMessage,
};
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior};

/// The statistics are acknowledged, one a second: a broker that acknowledges nothing for this long is gone. (The client's own ping
/// does not show it, because it pings only when nothing else is sent.)
const SILENCE: Duration = Duration::from_secs(5);
/// Values taken from the feed between two turns of the socket; their messages fit before it, with the events and the statistics.
const BATCH: usize = REQUESTS / 4;
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// How long the farewell may take.
const FAREWELL: Duration = Duration::from_secs(2);

/// The broker sink, before and while it runs.
pub struct MqttSink {
    dial: Dial,
    topics: Topics,
    known: Known,
    feed: Arc<Feed<Item>>,
    state: watch::Sender<BrokerReport>,
    encoder: Encoder,
    statistics: Statistics,
    kept: Kept,
    engine: watch::Receiver<EngineReport>,
    camera: watch::Receiver<CameraReport>,
    closing: bool,
    failing: Option<MqttError>,
}

struct Topics {
    status: String,
    scene: String,
    settled: String,
    event: String,
    stats: String,
}

impl Topics {
    fn new(arena: &str) -> Self {
        let topic = |leaf: &str| format!("arenad/{arena}/{leaf}");
        Self {
            status: topic("status"),
            scene: topic("scene"),
            settled: topic("settled"),
            event: topic("event"),
            stats: topic("stats"),
        }
    }
}

/// Why one connection is over.
enum Ended {
    /// We were asked to end.
    Closed,
    /// It is to be tried again.
    Lost(MqttError),
}

/// Acknowledgements on their way: of a kept event by its serial, or of anything else.
type Acks = FuturesUnordered<Pin<Box<dyn Future<Output = (Option<u64>, Result<(), String>)> + Send>>>;

fn note(acks: &Acks, serial: Option<u64>, acknowledgement: Acknowledgement) {
    acks.push(Box::pin(async move { (serial, acknowledgement.await) }));
}

impl MqttSink {
    /// Reads certificates; connects to nothing yet.
    pub fn new(
        config: &Mqtt,
        known: Known,
        feed: Arc<Feed<Item>>,
        state: watch::Sender<BrokerReport>,
    ) -> Result<Self, MqttError> {
        let about = Arc::clone(&known.about);
        let topics = Topics::new(&about.names.arena);
        let mut encoder = Encoder::new(config.encoding);
        let gone = (DaemonState::Offline, known.clock.wall());
        let (engine, report) = (known.engine.borrow().clone(), known.camera.borrow().clone());
        let will = StatusMessage::new(&about.names, (&about.model, &engine), &report, Some(gone));
        let will = Bytes::copy_from_slice(encoder.encode(&will).unwrap_or_default());
        let dial = Dial::new(config, format!("arenad-{}", about.names.arena), Some((topics.status.clone(), will)))?;
        let statistics = Statistics::new(known.clone());
        let (engine, camera) = (known.engine.clone(), known.camera.clone());
        let kept = Kept::new(config.queue);
        Ok(Self {
            dial,
            topics,
            known,
            feed,
            state,
            encoder,
            statistics,
            kept,
            engine,
            camera,
            closing: false,
            failing: None,
        })
    }

    /// Works until the feed is closed, then says farewell.
    pub async fn run(mut self) {
        let mut pause = FIRST_PAUSE;
        while !self.closing {
            let (publisher, driver) = self.dial.open();
            let (ended, welcomed) = self.connected(&publisher, driver).await;
            self.kept.unsend();
            let Ended::Lost(error) = ended else { break };
            self.lost(error);
            pause = if welcomed { FIRST_PAUSE } else { (pause * 2).min(LONGEST_PAUSE) };
            self.away(pause).await;
        }
        self.known.ledger.counters.mqtt_dropped.add(self.kept.len() as u64);
    }

    /// One connection, from the first packet to the last. True when the broker let us in.
    async fn connected(&mut self, publisher: &Publisher, driver: Driver) -> (Ended, bool) {
        let (heard, mut news) = watch::channel((false, Instant::now()));
        let mut driving = std::pin::pin!(drive(driver, heard));
        let mut acks = Acks::new();
        let mut tick = tokio::time::interval(Duration::from_secs(1));
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let feed = Arc::clone(&self.feed);
        let mut welcomed = false;
        loop {
            let link = welcomed.then_some(publisher);
            tokio::select! {
                biased;
                ended = &mut driving => return (ended, welcomed),
                Ok(()) = news.changed() => {
                    if !welcomed && news.borrow_and_update().0 {
                        welcomed = true;
                        self.welcome(publisher, &acks);
                    }
                }
                Ok(()) = self.engine.changed() => self.say_status(link, None, &acks),
                Ok(()) = self.camera.changed() => self.say_status(link, None, &acks),
                Some((serial, result)) = acks.next(), if !acks.is_empty() => self.acknowledged(serial, result),
                () = feed.arrived() => self.drain(link),
                _ = tick.tick() => {
                    let (_, last) = *news.borrow();
                    if welcomed && last.elapsed() > SILENCE {
                        let error = MqttError::Silent { broker: self.dial.broker(), seconds: SILENCE.as_secs() };
                        return (Ended::Lost(error), welcomed);
                    }
                    self.say_statistics(link, &acks);
                }
            }
            let link = welcomed.then_some(publisher);
            self.send_kept(link, &acks);
            if self.closing {
                if let Some(publisher) = link {
                    self.farewell(publisher, driving, acks).await;
                }
                return (Ended::Closed, welcomed);
            }
        }
    }

    /// Between two connections: takes what comes, keeps events, drops scenes.
    async fn away(&mut self, pause: Duration) {
        let feed = Arc::clone(&self.feed);
        let over = tokio::time::sleep(pause);
        tokio::pin!(over);
        while !self.closing {
            tokio::select! {
                () = &mut over => return,
                () = feed.arrived() => self.drain(None),
            }
        }
    }

    fn welcome(&mut self, publisher: &Publisher, acks: &Acks) {
        self.known.ledger.counters.mqtt_connections.one();
        tracing::info!(broker = self.dial.broker(), waiting = self.kept.len(), "mqtt connected");
        self.failing = None;
        self.state.send_replace(BrokerReport { state: BrokerState::Connected, detail: self.dial.broker() });
        self.say_status(Some(publisher), None, acks);
    }

    /// Notes a lost or refused connection; the log hears of it once a kind.
    fn lost(&mut self, error: MqttError) {
        if self.failing.as_ref().is_none_or(|before| !before.same_kind(&error)) {
            tracing::warn!("{error}; trying again");
        }
        self.state.send_replace(BrokerReport { state: BrokerState::Retrying, detail: error.to_string() });
        self.failing = Some(error);
    }

    /// Takes what is in the feed, a batch at a time: the socket gets its turn between two, so that a burst (all that is settled at the
    /// end of a stream) is not dropped for want of room before it.
    fn drain(&mut self, link: Option<&Publisher>) {
        for _ in 0..BATCH {
            match self.feed.next() {
                Taken::Value(Item::Scene(delivery)) => self.say_scene(link, &delivery),
                Taken::Value(Item::Settled(settled)) => self.say_settled(link, &settled),
                Taken::Value(Item::Camera(report)) => {
                    let about = Arc::clone(&self.known.about);
                    self.keep(&EventMessage::camera(&about.names, &report));
                }
                Taken::Nothing => return,
                Taken::Closed => {
                    self.closing = true;
                    return;
                }
            }
        }
        self.feed.look_again();
    }

    fn say_scene(&mut self, link: Option<&Publisher>, delivery: &Delivery) {
        let about = Arc::clone(&self.known.about);
        for event in &delivery.events {
            self.keep(&EventMessage::new(&about.names, &delivery.scene.stamp, event));
        }
        let now = self.known.clock.wall();
        let sent = link.is_some_and(|publisher| {
            let message = SceneMessage::new(&about.names, &delivery.scene, now);
            let Ok(payload) = self.encoder.encode(&message) else { return false };
            publisher.publish(&self.topics.scene, Bytes::copy_from_slice(payload), Care::Once)
        });
        let counters = &self.known.ledger.counters;
        if sent {
            counters.mqtt_published.one();
            let age = now.nanos_since(delivery.scene.stamp.captured).max(0);
            self.known.ledger.latencies.capture_to_mqtt.record(age.unsigned_abs());
        } else {
            counters.mqtt_dropped.one();
        }
    }

    fn say_settled(&mut self, link: Option<&Publisher>, settled: &Settled) {
        let about = Arc::clone(&self.known.about);
        let stamp = &settled.scene.stamp;
        for event in &settled.events {
            self.keep(&EventMessage::new(&about.names, stamp, event));
        }
        let now = self.known.clock.wall();
        let sent = link.is_some_and(|publisher| {
            let message = SceneMessage::settled(&about.names, settled, now);
            let Ok(payload) = self.encoder.encode(&message) else { return false };
            publisher.publish(&self.topics.settled, Bytes::copy_from_slice(payload), Care::Once)
        });
        let Ledger { counters, latencies } = &*self.known.ledger;
        if sent {
            counters.mqtt_published.one();
            latencies.capture_to_settled.record(now.nanos_since(stamp.captured).max(0).unsigned_abs());
        } else {
            counters.mqtt_dropped.one();
        }
    }

    fn keep(&mut self, message: &EventMessage<'_>) {
        let dropped = match self.encoder.encode(message) {
            Ok(payload) => self.kept.push(Bytes::copy_from_slice(payload)),
            Err(_) => 1,
        };
        self.known.ledger.counters.mqtt_dropped.add(dropped);
    }

    fn send_kept(&mut self, link: Option<&Publisher>, acks: &Acks) {
        let Some(publisher) = link else { return };
        let (topic, counters) = (&self.topics.event, &self.known.ledger.counters);
        self.kept.send(|serial, payload| {
            let Some(ack) = publisher.publish_acknowledged(topic, payload, Care::Acknowledged) else { return false };
            note(acks, Some(serial), ack);
            counters.mqtt_published.one();
            true
        });
    }

    /// A kept event is done when the broker has it, or has refused it: another try would be refused again.
    fn acknowledged(&mut self, serial: Option<u64>, result: Result<(), String>) {
        let Some(serial) = serial else { return };
        match result {
            Ok(()) => {
                self.kept.done(serial);
            }
            Err(what) if what.contains("puback") => {
                tracing::error!(broker = self.dial.broker(), what, "mqtt: the broker refused an event");
                self.known.ledger.counters.mqtt_dropped.add(u64::from(self.kept.done(serial)));
            }
            // The connection is ending: the event goes again on the next one.
            Err(_) => {}
        }
    }

    fn say_status(&mut self, link: Option<&Publisher>, end: Option<DaemonState>, acks: &Acks) {
        let report = self.camera.borrow_and_update().clone();
        let about = Arc::clone(&self.known.about);
        let engine = self.engine.borrow_and_update().clone();
        let end = end.map(|state| (state, self.known.clock.wall()));
        let message = StatusMessage::new(&about.names, (&about.model, &engine), &report, end);
        let (Some(publisher), Ok(payload)) = (link, self.encoder.encode(&message)) else { return };
        let payload = Bytes::copy_from_slice(payload);
        if let Some(ack) = publisher.publish_acknowledged(&self.topics.status, payload, Care::Retained) {
            note(acks, None, ack);
            self.known.ledger.counters.mqtt_published.one();
        }
    }

    fn say_statistics(&mut self, link: Option<&Publisher>, acks: &Acks) {
        let Some(publisher) = link else { return };
        let message = self.statistics.read();
        let Ok(payload) = self.encoder.encode(&message) else { return };
        let payload = Bytes::copy_from_slice(payload);
        match publisher.publish_acknowledged(&self.topics.stats, payload, Care::Acknowledged) {
            Some(ack) => {
                note(acks, None, ack);
                self.known.ledger.counters.mqtt_published.one();
            }
            None => self.known.ledger.counters.mqtt_dropped.one(),
        }
    }

    /// The last events, "stopped", and the end of the connection once the broker has them.
    async fn farewell(
        &mut self,
        publisher: &Publisher,
        mut driving: Pin<&mut impl Future<Output = Ended>>,
        mut acks: Acks,
    ) {
        self.say_status(Some(publisher), Some(DaemonState::Stopped), &acks);
        let acknowledged = async {
            while !acks.is_empty() {
                self.send_kept(Some(publisher), &acks);
                tokio::select! {
                    _ = &mut driving => return false,
                    Some((serial, result)) = acks.next() => self.acknowledged(serial, result),
                }
            }
            true
        };
        let said = tokio::time::timeout(FAREWELL, acknowledged).await.unwrap_or(false);
        if said && publisher.disconnect(FAREWELL / 4) {
            let _ = tokio::time::timeout(FAREWELL / 2, driving).await;
        } else {
            tracing::warn!(broker = self.dial.broker(), "mqtt: the broker did not hear the farewell");
        }
    }
}

/// Drives one connection to its end and tells when the broker let us in and when it was last heard.
async fn drive(mut driver: Driver, heard: watch::Sender<(bool, Instant)>) -> Ended {
    let mut welcomed = false;
    loop {
        match driver.poll(welcomed).await {
            Ok(Heard::Nothing) => continue,
            Ok(Heard::Farewell) => return Ended::Closed,
            Ok(Heard::Welcome) => welcomed = true,
            Ok(Heard::Something) => {}
            Err(error) => return Ended::Lost(error),
        }
        heard.send_replace((welcomed, Instant::now()));
    }
}
