//! What a consumer behind a real broker sees: every scene once, a retained status, the last will, events across a broker's restart.

mod scenes;
mod tensorrt;

use arenad::config::{Encoding, Login, Mqtt, MqttVersion, Tls};
use arenad::handover::{Event, Identity, Settled, Zone};
use arenad::infer::Engine;
use arenad::model::Contract;
use arenad::rehearsal::broker::Broker;
use arenad::sink::mqtt::probe;
use arenad::sink::net::NetHandle;
use arenad::sink::wire::{BrokerState, CameraState};
use rumqttc_v5::tokio_rustls::{TlsAcceptor, rustls};
use rumqttc_v5::{AsyncClient, Event as Heard, EventLoop, MqttOptions, Packet, QoS};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::Value;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tensorrt::StandIn;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

const LIMIT: Duration = Duration::from_secs(20);

fn config(port: u16) -> Mqtt {
    Mqtt {
        host: "127.0.0.1".into(),
        port,
        version: MqttVersion::V5,
        login: None,
        tls: None,
        encoding: Encoding::Json,
        queue: 100,
    }
}

fn run<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async { tokio::time::timeout(LIMIT, work).await.expect("in time") })
}

/// A consumer of everything.
struct Consumer {
    driver: EventLoop,
    _client: AsyncClient,
}

struct Message {
    leaf: String,
    retained: bool,
    payload: Vec<u8>,
}

impl Message {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.payload).expect("JSON")
    }
}

impl Consumer {
    /// Connected and subscribed.
    async fn new(addr: SocketAddr, name: &str) -> Self {
        let mut options = MqttOptions::new(name, (addr.ip().to_string(), addr.port()));
        options.set_max_packet_size(Some(1 << 20));
        let (client, mut driver) = AsyncClient::builder(options).capacity(10).build();
        client.subscribe("arenad/#", QoS::AtLeastOnce).await.expect("asks");
        while !matches!(driver.poll().await.expect("connects"), Heard::Incoming(Packet::SubAck(_))) {}
        Self { driver, _client: client }
    }

    async fn next(&mut self) -> Message {
        loop {
            if let Heard::Incoming(Packet::Publish(publish)) = self.driver.poll().await.expect("stays connected") {
                let topic = String::from_utf8(publish.topic.to_vec()).expect("text");
                let leaf = topic.rsplit('/').next().expect("a leaf").to_owned();
                return Message { leaf, retained: publish.retain, payload: publish.payload.to_vec() };
            }
        }
    }

    async fn next_of(&mut self, leaf: &str) -> Message {
        loop {
            let message = self.next().await;
            if message.leaf == leaf {
                return message;
            }
        }
    }

    async fn status(&mut self, state: &str) -> Message {
        loop {
            let message = self.next_of("status").await;
            if message.json()["state"] == state {
                return message;
            }
        }
    }
}

/// A wire between the daemon and a broker that can be cut and led elsewhere. Cut, it takes connections and closes them at once.
struct Wire {
    addr: SocketAddr,
    to: watch::Sender<Option<SocketAddr>>,
}

impl Wire {
    async fn new(to: Option<SocketAddr>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
        let addr = listener.local_addr().expect("an address");
        let (to, seen) = watch::channel(to);
        tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                let mut seen = seen.clone();
                let Some(target) = *seen.borrow_and_update() else { continue };
                tokio::spawn(async move {
                    let mut far = TcpStream::connect(target).await.expect("the broker");
                    tokio::select! {
                        _ = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
                        _ = seen.changed() => {}
                    }
                });
            }
        });
        Self { addr, to }
    }
}

/// Closes sinks whose farewell goes through tasks of this runtime, which waiting here would stop.
async fn close(sinks: NetHandle) {
    tokio::task::spawn_blocking(move || drop(sinks)).await.expect("closes");
}

fn one_scene_a_frame(version: MqttVersion, encoding: Encoding) {
    let broker = Broker::start(0).expect("a broker");
    run(async {
        let mut consumer = Consumer::new(broker.addr(), "consumer").await;
        let config = Mqtt { version, encoding, ..config(broker.addr().port()) };
        let (sinks, ledger, clock) = scenes::start(Some(config), None, "a1");
        consumer.next_of("status").await;
        for frame in 0..50 {
            sinks.offer(&scenes::delivery(frame, &clock, &[]));
            sinks.offer_settled(&Settled::as_live(scenes::scene(scenes::stamp(frame, &clock))));
        }
        let (mut live, mut settled) = (0, 0);
        while live < 50 || settled < 50 {
            let Message { leaf, payload, .. } = consumer.next().await;
            let next = match leaf.as_str() {
                "scene" => &mut live,
                "settled" => &mut settled,
                _ => continue,
            };
            let scene: Value = match encoding {
                Encoding::Json => serde_json::from_slice(&payload).expect("JSON"),
                Encoding::MessagePack => rmp_serde::from_slice(&payload).expect("MessagePack"),
            };
            assert_eq!(
                (&scene["frame"], scene["animals"][0].get("live").is_some()),
                (&Value::from(*next), leaf == "settled")
            );
            *next += 1;
        }
        assert_eq!(ledger.counters.mqtt_dropped.get(), 0);
    });
}

#[test]
fn every_scene_is_one_message_over_mqtt_5() {
    one_scene_a_frame(MqttVersion::V5, Encoding::Json);
}

#[test]
fn every_scene_is_one_message_over_mqtt_3_1_1_as_messagepack() {
    one_scene_a_frame(MqttVersion::V311, Encoding::MessagePack);
}

#[test]
fn the_status_is_there_for_whoever_comes_later_and_ends_as_stopped() {
    let broker = Broker::start(0).expect("a broker");
    run(async {
        let mut early = Consumer::new(broker.addr(), "early").await;
        let (sinks, _, _) = scenes::start(Some(config(broker.addr().port())), None, "a1");
        early.status("starting").await;
        sinks.set_camera_state(CameraState::Live, "");
        early.status("live").await;
        let mut late = Consumer::new(broker.addr(), "late").await;
        assert!(late.status("live").await.retained);
        sinks.close();
        late.status("stopped").await;
        let mut latest = Consumer::new(broker.addr(), "latest").await;
        assert!(latest.status("stopped").await.retained);
    });
}

#[test]
fn whoever_subscribes_hears_how_far_the_building_of_an_engine_is_and_why_it_failed() {
    let broker = Broker::start(0).expect("a broker");
    let contract = Contract::bundled().expect("the bundled model");
    let cache = tempfile::tempdir().expect("a folder");
    run(async {
        let mut consumer = Consumer::new(broker.addr(), "consumer").await;
        let sinks = Arc::new(scenes::opening(Some(config(broker.addr().port())), None, "a1").0);
        assert_eq!(consumer.status("opening").await.json()["engine"], Value::Null);
        let library = Arc::new(StandIn::slow(&contract));
        let start = |refuses: bool| {
            let (sinks, library, contract) = (Arc::clone(&sinks), Arc::clone(&library), contract.clone());
            let cache = cache.path().to_owned();
            tokio::task::spawn_blocking(move || {
                library.refuses.store(refuses, std::sync::atomic::Ordering::SeqCst);
                let told = |what: &str| sinks.set_opening(what);
                let opened = library.open(&contract, &cache, &told);
                match &opened {
                    Ok(engine) => sinks.set_engine(engine.name(), engine.precision().word()),
                    Err(error) => sinks.set_opening(&error.to_string()),
                }
            })
        };
        for refuses in [true, false] {
            let building = start(refuses);
            // The library does the next step when the one before has been heard behind the broker.
            for step in 1..=3 {
                let words = format!("building the engine of socialbox: layers, {} %", step * 25);
                while consumer.status("opening").await.json()["detail"] != words.as_str() {}
                library.go_on();
            }
            building.await.expect("opens");
            if refuses {
                let words = "the parser does not know Foo";
                while !consumer.status("opening").await.json()["detail"].as_str().is_some_and(|d| d.contains(words)) {}
            }
        }
        let status = consumer.status("starting").await.json();
        assert_eq!((&status["engine"], &status["precision"]), (&"tensorrt".into(), &"fp32".into()));
        close(Arc::into_inner(sinks).expect("the last")).await;
    });
}

#[test]
fn a_cut_connection_leaves_the_last_will_and_comes_back_by_itself() {
    let broker = Broker::start(0).expect("a broker");
    run(async {
        let mut consumer = Consumer::new(broker.addr(), "consumer").await;
        let wire = Wire::new(Some(broker.addr())).await;
        let (sinks, ledger, _) = scenes::start(Some(config(wire.addr.port())), None, "a1");
        consumer.status("starting").await;
        wire.to.send_replace(None);
        consumer.status("offline").await;
        wire.to.send_replace(Some(broker.addr()));
        consumer.status("starting").await;
        assert_eq!(ledger.counters.mqtt_connections.get(), 2);
        close(sinks).await;
    });
}

#[test]
fn a_revised_name_is_an_event_of_its_own() {
    let broker = Broker::start(0).expect("a broker");
    run(async {
        let mut consumer = Consumer::new(broker.addr(), "consumer").await;
        let (sinks, _, clock) = scenes::start(Some(config(broker.addr().port())), None, "a1");
        let revised = scenes::events().into_iter().find(|event| matches!(event, Event::IdentityRevised(_)));
        let mut settled = Settled::as_live(scenes::scene(scenes::stamp(9, &clock)));
        settled.events.push(revised.expect("one of each")).expect("room");
        consumer.status("starting").await;
        sinks.offer_settled(&settled);
        let told = consumer.next_of("event").await.json();
        assert_eq!((&told["kind"], &told["frame"], &told["id"]), (&"identity-revision".into(), &9.into(), &"G".into()));
        close(sinks).await;
    });
}

#[test]
fn events_made_while_the_broker_is_away_arrive_at_the_next_one() {
    let first = Broker::start(0).expect("a broker");
    run(async {
        let mut consumer = Consumer::new(first.addr(), "consumer").await;
        let wire = Wire::new(Some(first.addr())).await;
        let (sinks, ledger, clock) = scenes::start(Some(config(wire.addr.port())), None, "a1");
        let event = Event::ZoneEntered { identity: Identity(0), zone: Zone(1) };
        consumer.status("starting").await;
        sinks.offer(&scenes::delivery(0, &clock, &[event]));
        assert_eq!(consumer.next_of("event").await.json()["frame"], 0);
        // Frames 1 to 9 meet a broker that goes, is gone, and comes back knowing nothing.
        wire.to.send_replace(None);
        for frame in 1..10 {
            sinks.offer(&scenes::delivery(frame, &clock, &[event]));
        }
        drop(first);
        let second = Broker::start(0).expect("another broker");
        let mut consumer = Consumer::new(second.addr(), "consumer").await;
        wire.to.send_replace(Some(second.addr()));
        let mut frames = Vec::new();
        while frames.last() != Some(&9) {
            frames.extend(consumer.next_of("event").await.json()["frame"].as_u64());
        }
        // The cut may have swallowed the acknowledgement of frame 0: at least once is what was promised.
        frames.retain(|frame| *frame != 0);
        assert_eq!(frames, [1, 2, 3, 4, 5, 6, 7, 8, 9]);
        assert_eq!(ledger.counters.mqtt_connections.get(), 2);
        close(sinks).await;
    });
}

#[test]
fn what_a_missing_broker_costs_is_counted() {
    let nobody = free_port();
    let (sinks, ledger, clock) = scenes::start(Some(Mqtt { queue: 3, ..config(nobody) }), None, "a1");
    for frame in 0..10 {
        let event = Event::ZoneLeft { identity: Identity(0), zone: Zone(1) };
        sinks.offer(&scenes::delivery(frame, &clock, &[event]));
    }
    sinks.close();
    // Ten scenes, seven events beyond the queue, and the three in it that no broker ever took.
    assert_eq!(ledger.counters.mqtt_dropped.get(), 20);
}

/// A port on which nobody listens.
fn free_port() -> u16 {
    let taken = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    taken.local_addr().expect("an address").port()
}

/// A broker that answers every CONNECT with the same bytes.
fn answering(answer: &'static [u8]) -> u16 {
    use std::io::{Read, Write};
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let serve = move || {
        for client in listener.incoming() {
            let Ok(mut client) = client else { return };
            let mut connect = [0; 512];
            let _ = client.read(&mut connect).and_then(|_| client.write_all(answer));
        }
    };
    std::thread::Builder::new().name("refusing broker".into()).spawn(serve).expect("a thread");
    port
}

fn probed(config: Mqtt) -> String {
    probe(&config).expect_err("refused").to_string()
}

#[test]
fn a_broker_that_lets_us_in_passes_the_probe() {
    let broker = Broker::start(0).expect("a broker");
    for version in [MqttVersion::V5, MqttVersion::V311] {
        probe(&Mqtt { version, ..config(broker.addr().port()) }).expect("lets us in");
    }
}

#[test]
fn a_wrong_password_is_named_and_not_shown() {
    let login = Some(Login { user: "lab".into(), password: "secret".into() });
    for (version, answer) in [(MqttVersion::V5, &[0x20, 3, 0, 0x86, 0][..]), (MqttVersion::V311, &[0x20, 2, 0, 4][..])]
    {
        let port = answering(answer);
        assert_eq!(
            probed(Mqtt { version, login: login.clone(), ..config(port) }),
            format!(
                "mqtt broker 127.0.0.1:{port}: refused user \"lab\" with this password; correct the user name and the password file in [mqtt]"
            )
        );
    }
}

#[test]
fn a_missing_login_is_named() {
    let port = answering(&[0x20, 3, 0, 0x87, 0]);
    assert_eq!(
        probed(config(port)),
        format!(
            "mqtt broker 127.0.0.1:{port}: refused a connection without user name and password; correct the user name and the password file in [mqtt]"
        )
    );
}

#[test]
fn a_wrong_version_is_named() {
    let port = answering(&[0x20, 3, 0, 0x84, 0]);
    assert_eq!(
        probed(config(port)),
        format!(
            "mqtt broker 127.0.0.1:{port}: does not speak MQTT 5; set the other version in [mqtt] (\"5\" or \"3.1.1\")"
        )
    );
}

#[test]
fn an_absent_broker_is_named() {
    let port = free_port();
    assert_eq!(
        probed(config(port)),
        format!(
            "mqtt broker 127.0.0.1:{port}: cannot connect: Connection refused (os error 111); start the broker or correct host and port in [mqtt]"
        )
    );
}

#[test]
fn a_broker_that_hangs_up_is_named() {
    let port = answering(&[]);
    assert_eq!(
        probed(config(port)),
        format!(
            "mqtt broker 127.0.0.1:{port}: refused the connection: it closed the connection without a word, as brokers do when TLS is set on one side only; look into the broker's log"
        )
    );
}

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tls").join(name)
}

/// TLS in front of a broker.
async fn tls_in_front_of(broker: SocketAddr) -> u16 {
    let certificate = CertificateDer::from_pem_file(fixture("server.crt")).expect("a certificate");
    let key = PrivateKeyDer::from_pem_file(fixture("server.key")).expect("a key");
    let config = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .expect("a configuration");
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(mut near) = acceptor.accept(client).await else { return };
                let mut far = TcpStream::connect(broker).await.expect("the broker");
                let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
            });
        }
    });
    port
}

#[test]
fn tls_with_the_right_authority_carries_scenes() {
    let broker = Broker::start(0).expect("a broker");
    run(async {
        let mut consumer = Consumer::new(broker.addr(), "consumer").await;
        let port = tls_in_front_of(broker.addr()).await;
        let tls = Some(Tls { ca_file: Some(fixture("ca.crt")), client: None });
        let (sinks, _, clock) = scenes::start(Some(Mqtt { tls, ..config(port) }), None, "a1");
        consumer.next_of("status").await;
        sinks.offer(&scenes::delivery(5, &clock, &[]));
        assert_eq!(consumer.next_of("scene").await.json()["frame"], 5);
        close(sinks).await;
    });
}

#[test]
fn an_unknown_authority_is_named() {
    let broker = Broker::start(0).expect("a broker");
    run(async {
        let port = tls_in_front_of(broker.addr()).await;
        let tls = Some(Tls { ca_file: Some(fixture("other-ca.crt")), client: None });
        let words = tokio::task::spawn_blocking(move || probed(Mqtt { tls, ..config(port) })).await.expect("probes");
        assert_eq!(
            words,
            format!(
                "mqtt broker 127.0.0.1:{port}: the TLS handshake failed: invalid peer certificate: UnknownIssuer; give the authority that signed the broker's certificate as ca_file in [mqtt.tls], and the client certificate where the broker asks for one"
            )
        );
    });
}

#[test]
fn a_daemon_without_a_broker_says_so() {
    let (sinks, _, _) = scenes::start(None, None, "a1");
    assert_eq!(sinks.broker().state, BrokerState::Off);
}
