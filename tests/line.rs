//! Promise: from the camera to the consumers every picture is one scene or in a gap, also across a lost connection.

mod program;

use arenad::config::{Config, EngineChoice, Secrets};
use arenad::handover::PictureSize;
use arenad::ledger::Ledger;
use arenad::model::Contract;
use arenad::pipeline::{Daemon, Plan};
use arenad::rehearsal::broker::Broker;
use arenad::rehearsal::camera::{CameraOptions, Picture, RehearsalCamera};
use arenad::rehearsal::encode::{EncodeSettings, Encoder, FrameRate};
use arenad::rehearsal::{Arena, HEIGHT, Look, WIDTH, i420_from_rgb};
use arenad::stamp::Clock;
use program::{Account, files};
use rumqttc_v5::{AsyncClient, Event, MqttOptions, Packet, QoS};
use serde_json::Value;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

/// What has not come by then will not come, also on an emulated processor.
const LIMIT: Duration = Duration::from_secs(1200);

/// A rendered arena in front of a camera.
struct Stage {
    arena: Arena,
    encoder: Encoder,
    camera: RehearsalCamera,
    clock: Clock,
}

impl Stage {
    fn show(&mut self) {
        let (mut rgb, mut i420) = (vec![0; WIDTH * HEIGHT * 3], vec![0; WIDTH * HEIGHT * 3 / 2]);
        self.arena.render(&mut rgb);
        i420_from_rgb(&rgb, WIDTH, HEIGHT, &mut i420);
        let coded = self.encoder.encode(&i420, self.camera.wants_key()).expect("a whole picture");
        self.camera.push(Picture { annexb: coded.annexb, key: coded.key, captured: self.clock.wall() });
        self.arena.step();
    }

    /// Shows pictures until one is a scene.
    fn show_until_scene(&mut self, scenes: &Receiver<u64>) -> u64 {
        for _ in 0..200 {
            self.show();
            if let Ok(frame) = scenes.recv_timeout(Duration::from_millis(200)) {
                return frame;
            }
        }
        panic!("no scene came")
    }
}

/// Frame numbers of scenes, live and settled alike, and states of the daemon, as one consumer hears them, up to `stopped`.
fn consume(broker: SocketAddr, name: &str, ready: SyncSender<()>) -> (Vec<u64>, Vec<String>) {
    let listen = async {
        let mut options = MqttOptions::new(name, (broker.ip().to_string(), broker.port()));
        options.set_max_packet_size(Some(1 << 20));
        let (client, mut driver) = AsyncClient::builder(options).capacity(10).build();
        client.subscribe("arenad/#", QoS::AtLeastOnce).await.expect("asks");
        let (mut scenes, mut settled, mut states) = (Vec::new(), Vec::new(), Vec::<String>::new());
        while states.last().is_none_or(|state| state != "stopped") {
            match driver.poll().await.expect("stays connected") {
                Event::Incoming(Packet::SubAck(_)) => ready.send(()).expect("somebody waits"),
                Event::Incoming(Packet::Publish(publish)) => {
                    let json: Value = serde_json::from_slice(&publish.payload).expect("JSON");
                    if publish.topic.ends_with(b"/scene") {
                        scenes.push(json["frame"].as_u64().expect("a number"));
                    } else if publish.topic.ends_with(b"/settled") {
                        settled.push(json["frame"].as_u64().expect("a number"));
                    } else if publish.topic.ends_with(b"/status") {
                        states.push(json["state"].as_str().expect("a word").to_owned());
                    }
                }
                _ => {}
            }
        }
        assert_eq!(scenes, settled, "each scene is settled, in order");
        (scenes, states)
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async { tokio::time::timeout(LIMIT, listen).await.expect("in time") })
}

fn scenes_on_the_page(page: SocketAddr) -> u64 {
    let mut stream = TcpStream::connect(page).expect("connects");
    stream.set_read_timeout(Some(LIMIT)).expect("a timeout");
    write!(stream, "GET /stats HTTP/1.1\r\nHost: {page}\r\nConnection: close\r\n\r\n").expect("asks");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    let (_, body) = answer.split_once("\r\n\r\n").expect("head and body");
    let stats: Value = serde_json::from_str(body).expect("JSON");
    stats["counters"]["scenes"].as_u64().expect("a number")
}

fn config(camera: &str, broker: SocketAddr, folder: &std::path::Path) -> Config {
    let text = format!(
        "arena = \"a1\"\n[camera]\nurl = \"{camera}\"\ntransport = \"tcp\"\nbackoff_max_ms = 100\n[mqtt]\nhost = \"{}\"\n\
         port = {}\n[files]\nfolder = \"{folder}\"\n[web]\nlisten = \"127.0.0.1:0\"\n[harvest]\nfolder = \"{folder}\"\n\
         spacing_s = 0\nscore_min = 1\n",
        broker.ip(),
        broker.port(),
        folder = folder.display()
    );
    let mut config = Config::read(&text, &Secrets::default()).expect("valid");
    config.model.engine = EngineChoice::BuiltIn;
    config
}

#[test]
fn every_picture_is_a_scene_or_in_a_gap_also_across_a_lost_connection() {
    let folder = tempfile::tempdir().expect("a folder");
    let broker = Broker::start(0).expect("a broker");
    let clock = Clock::new();
    let size = PictureSize { width: WIDTH as u32, height: HEIGHT as u32 };
    let mut stage = Stage {
        arena: Arena::new(7, Look::typical(), 30.0),
        encoder: Encoder::new(size, FrameRate::THIRTY, EncodeSettings::default()).expect("settings in range"),
        camera: RehearsalCamera::start(CameraOptions::default()).expect("a port"),
        clock,
    };
    stage.show();
    let (ready, subscribed) = sync_channel(1);
    let addr = broker.addr();
    let consumer = std::thread::Builder::new().spawn(move || consume(addr, "first", ready)).expect("a thread");
    subscribed.recv_timeout(LIMIT).expect("subscribed");

    let config = config(&stage.camera.url(), addr, folder.path());
    let contract = Contract::bundled().expect("the bundled model");
    let ledger = Arc::new(Ledger::default());
    let (seen, scenes) = sync_channel(1000);
    let witness = Box::new(move |delivery: &arenad::handover::Delivery| {
        seen.try_send(delivery.scene.stamp.frame).expect("room");
    });
    let plan = Plan {
        config: &config,
        contract: &contract,
        clock,
        ledger: Arc::clone(&ledger),
        witness: Some(witness),
        progress: &|_| (),
    };
    let mut daemon = Daemon::start(plan).expect("starts");
    let mut made: Vec<u64> = (0..8).map(|_| stage.show_until_scene(&scenes)).collect();
    stage.camera.kick();
    made.extend((0..8).map(|_| stage.show_until_scene(&scenes)));
    let before = ledger.counters.scenes.get();
    let told = scenes_on_the_page(daemon.web_addr().expect("a page"));
    assert!((before..=ledger.counters.scenes.get()).contains(&told), "{told}");
    daemon.stop();
    drop(daemon);
    made.extend(scenes.try_iter());

    let (heard, states) = consumer.join().expect("a consumer");
    assert_eq!(heard, made);
    assert_eq!(ledger.counters.mqtt_dropped.get(), 0);
    assert!(states.contains(&"live".to_owned()) && states.contains(&"retrying".to_owned()), "{states:?}");
    let (ready, _subscribed) = sync_channel(1);
    assert_eq!(consume(addr, "second", ready), (vec![], vec!["stopped".to_owned()]));
    let account = Account::of(folder.path());
    assert_eq!(account.scenes.iter().copied().collect::<Vec<_>>(), made);
    assert_eq!(account.whole(), ledger.counters.units_received.get());
    let counters = &ledger.counters;
    let [kept, dropped, failed] =
        [&counters.harvest_kept, &counters.harvest_dropped, &counters.harvest_failed].map(|counter| counter.get());
    assert_eq!((kept + dropped, failed), (made.len() as u64, 0), "each scene was doubtful: kept or counted");
    let pictures = files(folder.path()).into_keys().filter(|path| path.extension().is_some_and(|end| end == "png"));
    assert_eq!(pictures.count() as u64, kept);
    assert!(kept > 0);
}
