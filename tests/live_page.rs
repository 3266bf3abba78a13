//! What a browser gets from the live page, and what a hostile page does not.

mod scenes;

use arenad::config::Web;
use arenad::handover::{Colour, Event, Frame, Identity, PictureSize, PixelFormat};
use arenad::sink::net::{NetHandle, NetOptions, NetSinks};
use arenad::sink::wire::CameraState;
use arenad::space::InCamera;
use arenad::stamp::Clock;
use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

const LIMIT: Duration = Duration::from_secs(20);

fn run<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async { tokio::time::timeout(LIMIT, work).await.expect("in time") })
}

fn page() -> (NetHandle, Clock, SocketAddr) {
    let web = Web { listen: (Ipv4Addr::LOCALHOST, 0).into(), pictures_hz: 30 };
    let (sinks, _, clock) = scenes::start(None, Some(web), "a1");
    let addr = sinks.web_addr().expect("an address");
    (sinks, clock, addr)
}

/// The answer to one GET: head and body.
async fn get(addr: SocketAddr, path: &str, host: &str) -> (String, String) {
    let mut stream = TcpStream::connect(addr).await.expect("connects");
    let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("asks");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("an answer");
    let (head, body) = answer.split_once("\r\n\r\n").expect("head and body");
    (head.to_lowercase(), body.to_owned())
}

struct Viewer(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Viewer {
    async fn new(addr: SocketAddr) -> Self {
        let (socket, _) = tokio_tungstenite::connect_async(format!("ws://{addr}/ws")).await.expect("connects");
        Self(socket)
    }

    async fn next(&mut self) -> Message {
        self.0.next().await.expect("a message").expect("a whole one")
    }

    async fn text_of(&mut self, kind: &str) -> Value {
        loop {
            if let Message::Text(text) = self.next().await {
                let value: Value = serde_json::from_str(&text).expect("JSON");
                if value["kind"] == kind {
                    return value;
                }
            }
        }
    }

    /// Header and JPEG of the next picture.
    async fn picture(&mut self) -> (Value, Vec<u8>) {
        loop {
            if let Message::Binary(bytes) = self.next().await {
                let (length, rest) = bytes.split_at(4);
                let length = u32::from_le_bytes(length.try_into().expect("four bytes")) as usize;
                return (serde_json::from_slice(&rest[..length]).expect("JSON"), rest[length..].to_vec());
            }
        }
    }
}

fn grey_frame(clock: &Clock, frame: u64) -> Frame {
    let size = PictureSize { width: 64, height: 48 };
    let pixels = vec![90; 64 * 48];
    Frame::unpooled(PixelFormat::Grey, size, Colour::default(), scenes::stamp(frame, clock), &pixels).expect("a frame")
}

/// Offers frames until the page has taken one: how soon it waits for one is its own matter.
async fn offer_until_shown(
    sinks: &NetHandle,
    clock: &Clock,
    viewer: &mut Viewer,
    events: &[Event],
) -> (Value, Vec<u8>) {
    let mut pace = tokio::time::interval(Duration::from_millis(20));
    let mut frame = 0;
    let shown = viewer.picture();
    tokio::pin!(shown);
    loop {
        tokio::select! {
            shown = &mut shown => return shown,
            _ = pace.tick() => {
                frame += 1;
                let mut delivery = scenes::delivery(frame, clock, events);
                delivery.frame = Some(grey_frame(clock, frame));
                sinks.offer(&delivery);
            }
        }
    }
}

#[test]
fn the_page_and_its_parts_are_served_with_nothing_from_elsewhere() {
    let (_sinks, _, addr) = page();
    run(async {
        for (path, kind, words) in [
            ("/", "text/html", "<canvas"),
            ("/page.js", "text/javascript", "WebSocket"),
            ("/page.css", "text/css", "body"),
        ] {
            let (head, body) = get(addr, path, &addr.to_string()).await;
            assert!(head.starts_with("http/1.1 200") && head.contains(kind), "{path}: {head}");
            assert!(body.contains(words), "{path}");
            assert!(!body.contains("http://") && !body.contains("https://"), "{path} names another server");
            assert!(head.contains("content-security-policy: default-src 'none'; script-src 'self'"), "{head}");
            assert!(!head.contains("access-control-allow-origin"), "{head}");
        }
    });
}

#[test]
fn a_page_gets_each_picture_together_with_its_scene() {
    let (sinks, clock, addr) = page();
    run(async {
        let mut viewer = Viewer::new(addr).await;
        let hello = viewer.text_of("hello").await;
        assert_eq!((&hello["arena"], &hello["colours"][1]), (&Value::from("a1"), &Value::from("#00ff00")));
        let event = Event::Appeared { identity: Identity(0), at: InCamera { x: 1.0, y: 2.0 } };
        let (header, jpeg) = offer_until_shown(&sinks, &clock, &mut viewer, &[event]).await;
        assert_eq!(header["size"], serde_json::json!([64, 48]));
        assert_eq!(header["scene"]["animals"][0]["id"], "R");
        assert_eq!(header["events"][0]["kind"], "appeared");
        assert!(jpeg.starts_with(&[0xff, 0xd8]) && jpeg.ends_with(&[0xff, 0xd9]), "no JPEG");
        let news = viewer.text_of("news").await;
        assert_eq!(news["stats"]["viewers"], 1);
    });
}

#[test]
fn a_page_that_does_not_draw_gets_two_pictures_and_no_more() {
    let (sinks, clock, addr) = page();
    run(async {
        let mut viewer = Viewer::new(addr).await;
        viewer.text_of("hello").await;
        let (first, _) = offer_until_shown(&sinks, &clock, &mut viewer, &[]).await;
        let (second, _) = offer_until_shown(&sinks, &clock, &mut viewer, &[]).await;
        assert!(first["scene"]["frame"].is_u64() && second["scene"]["frame"].is_u64());
        // The next thing it hears, while frames go on, is a second's statistics.
        let offering = async {
            let mut pace = tokio::time::interval(Duration::from_millis(20));
            for frame in 1000.. {
                pace.tick().await;
                let mut delivery = scenes::delivery(frame, &clock, &[]);
                delivery.frame = Some(grey_frame(&clock, frame));
                sinks.offer(&delivery);
            }
        };
        tokio::select! {
            () = offering => {}
            message = viewer.next() => assert!(message.is_text(), "a third picture"),
        }
        viewer.0.send(Message::text("drawn")).await.expect("answers");
        offer_until_shown(&sinks, &clock, &mut viewer, &[]).await;
    });
}

#[test]
fn a_scene_without_a_picture_is_still_shown() {
    let (sinks, clock, addr) = page();
    run(async {
        let mut viewer = Viewer::new(addr).await;
        viewer.text_of("hello").await;
        let mut pace = tokio::time::interval(Duration::from_millis(20));
        let shown = viewer.picture();
        tokio::pin!(shown);
        let (header, jpeg) = loop {
            tokio::select! {
                shown = &mut shown => break shown,
                _ = pace.tick() => sinks.offer(&scenes::delivery(1, &clock, &[])),
            }
        };
        assert!(header["size"].is_null() && jpeg.is_empty());
    });
}

#[test]
fn a_name_that_a_hostile_page_chose_is_refused() {
    let (_sinks, _, addr) = page();
    run(async {
        for path in ["/", "/stats", "/ws"] {
            let (head, body) = get(addr, path, "evil.example:8080").await;
            assert!(head.starts_with("http/1.1 421"), "{head}");
            assert_eq!(body, "this name is not mine: ask by address, for example http://127.0.0.1\n");
        }
        assert!(get(addr, "/stats", "localhost").await.0.starts_with("http/1.1 200"));
    });
}

#[test]
fn a_websocket_from_another_page_is_refused() {
    let (_sinks, _, addr) = page();
    run(async {
        let mut request = format!("ws://{addr}/ws").into_client_request().expect("a request");
        request.headers_mut().insert("origin", "http://evil.example".parse().expect("a header"));
        let error = tokio_tungstenite::connect_async(request).await.expect_err("refused").to_string();
        assert!(error.contains("403"), "{error}");
    });
}

#[test]
fn health_follows_the_camera() {
    let (sinks, _, addr) = page();
    run(async {
        let host = addr.to_string();
        assert!(get(addr, "/healthz", &host).await.0.starts_with("http/1.1 503"));
        sinks.set_camera_state(CameraState::Live, "");
        assert!(get(addr, "/healthz", &host).await.0.starts_with("http/1.1 200"));
        sinks.set_camera_state(CameraState::Retrying, "no picture for 3.0 s");
        assert_eq!(get(addr, "/healthz", &host).await.1, "camera lost: no picture for 3.0 s\n");
    });
}

#[test]
fn the_page_tells_how_far_the_opening_of_an_engine_is() {
    let web = Web { listen: (Ipv4Addr::LOCALHOST, 0).into(), pictures_hz: 30 };
    let (sinks, _, _) = scenes::opening(None, Some(web), "a1");
    let addr = sinks.web_addr().expect("an address");
    run(async {
        let mut viewer = Viewer::new(addr).await;
        let words = "building the engine of made-up: layers, 4 of 9";
        sinks.set_opening(words);
        while viewer.text_of("news").await["opening"] != words {}
        assert_eq!(get(addr, "/healthz", &addr.to_string()).await.1, format!("{words}\n"));
        sinks.set_engine("none", "fp32");
        let runs = serde_json::json!(["none", "fp32"]);
        while viewer.text_of("news").await["runs"] != runs {}
    });
}

#[test]
fn a_port_in_use_says_which_and_what_to_do() {
    let (_sinks, clock, addr) = page();
    let options = NetOptions {
        mqtt: None,
        web: Some(Web { listen: addr, pictures_hz: 30 }),
        about: scenes::about("a1"),
        ledger: std::sync::Arc::default(),
        clock,
    };
    assert_eq!(
        NetSinks::start(options).expect_err("refused").to_string(),
        format!(
            "web page {addr}: the port is in use; end the program that uses it, or choose another port with --web-port or `listen` in [web]"
        )
    );
}
