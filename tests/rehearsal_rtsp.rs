//! The rehearsal camera answers RTSP requests as RFC 2326 says, good ones and bad ones.

use arenad::rehearsal::camera::{CameraAuth, CameraOptions, Picture, RehearsalCamera, Scheme};
use arenad::stamp::WallTime;
use std::io::{Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::time::Duration;

/// A key picture with parameter sets of 64x48 and a slice that nobody decodes.
const KEY: &[u8] = &[
    0, 0, 0, 1, 0x67, 0x42, 0x40, 0x1e, 0xf4, 0x0b, 0x04, 0xb2, 0, 0, 0, 1, 0x68, 0xce, 0x3c, 0x80, 0, 0, 0, 1, 0x65,
    0x88, 0x84, 0x21,
];

/// A client that speaks by hand.
struct Client {
    stream: TcpStream,
    base: String,
    number: u32,
}

impl Client {
    fn of(camera: &RehearsalCamera) -> Self {
        let stream = TcpStream::connect(camera.address()).expect("a connection");
        stream.set_read_timeout(Some(Duration::from_secs(5))).expect("a timeout");
        Self { stream, base: camera.url(), number: 0 }
    }

    /// Sends a request with `CSeq` and the given headers; `target` is put behind the camera's address.
    fn ask(&mut self, method: &str, target: &str, headers: &str) -> String {
        self.number += 1;
        let text = format!("{method} {}{target} RTSP/1.0\r\nCSeq: {}\r\n{headers}\r\n", self.base, self.number);
        self.say(&text)
    }

    /// Sends any text and reads one answer with its body, stepping over interleaved packets.
    fn say(&mut self, text: &str) -> String {
        self.stream.write_all(text.as_bytes()).expect("written");
        let mut answer = Vec::new();
        let mut one = [0];
        while !answer.ends_with(b"\r\n\r\n") {
            self.stream.read_exact(&mut one).expect("an answer");
            if answer.is_empty() && one[0] == b'$' {
                self.packet();
                continue;
            }
            answer.push(one[0]);
        }
        let head = String::from_utf8(answer).expect("text");
        let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
        let mut body = vec![0; length.map_or(0, |length| length.parse().expect("a number"))];
        self.stream.read_exact(&mut body).expect("the body");
        head + &String::from_utf8(body).expect("text")
    }

    /// The rest of an interleaved packet: its channel and its bytes.
    fn packet(&mut self) -> (u8, Vec<u8>) {
        let mut header = [0; 3];
        self.stream.read_exact(&mut header).expect("a header");
        let mut packet = vec![0; usize::from(u16::from_be_bytes([header[1], header[2]]))];
        self.stream.read_exact(&mut packet).expect("a packet");
        (header[0], packet)
    }

    /// Sets up interleaved, plays, and gives the session's name.
    fn play(&mut self) -> String {
        let setup = self.ask("SETUP", "/trackID=0", "Transport: RTP/AVP/TCP;unicast;interleaved=4-5\r\n");
        assert!(setup.contains("interleaved=4-5"), "{setup}");
        let session = session(&setup);
        let play = self.ask("PLAY", "/", &format!("Session: {session}\r\n"));
        assert!(play.starts_with("RTSP/1.0 200") && play.contains("trackID=0;seq="), "{play}");
        session
    }

    fn ended(&mut self) -> bool {
        let mut rest = Vec::new();
        self.stream.read_to_end(&mut rest).is_ok()
    }
}

fn session(answer: &str) -> String {
    let value = answer.lines().find_map(|line| line.strip_prefix("Session: ")).expect("a session");
    value.split(';').next().unwrap_or(value).to_owned()
}

fn camera(options: CameraOptions) -> RehearsalCamera {
    let camera = RehearsalCamera::start(options).expect("a free port");
    camera.push(key(0));
    camera
}

fn key(index: i64) -> Picture {
    let captured = WallTime(1_795_243_980_000_000_000 + index * 33_000_000);
    Picture { annexb: bytes::Bytes::from_static(KEY), key: true, captured }
}

/// The status line's number.
fn status(answer: &str) -> &str {
    answer.get(9..12).unwrap_or(answer)
}

#[test]
fn options_need_no_password_and_name_the_methods() {
    let auth = Some(CameraAuth { user: "lab".into(), password: "mice".into(), scheme: Scheme::Digest });
    let camera = camera(CameraOptions { auth, ..CameraOptions::default() });
    let answer = Client::of(&camera).ask("OPTIONS", "", "");
    assert!(answer.contains("Public: OPTIONS, DESCRIBE, SETUP, PLAY") && answer.contains("CSeq: 1"), "{answer}");
}

#[test]
fn the_description_names_codec_parameter_sets_and_track() {
    let camera = camera(CameraOptions::default());
    let answer = Client::of(&camera).ask("DESCRIBE", "", "Accept: application/sdp\r\n");
    for part in
        ["Content-Base: rtsp://127.0.0.1:", "a=rtpmap:96 H264/90000", "=Z0JAHvQLBLI=,aM48gA==", "a=control:trackID=0"]
    {
        assert!(answer.contains(part), "{part}: {answer}");
    }
}

#[test]
fn what_cannot_be_served_is_refused_with_its_number() {
    let camera = camera(CameraOptions { tcp: false, ..CameraOptions::default() });
    let mut client = Client::of(&camera);
    let tcp = "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n";
    assert_eq!(status(&client.ask("SETUP", "/trackID=0", tcp)), "461");
    assert_eq!(status(&client.ask("SETUP", "/trackID=0", "Transport: RTP/AVP;multicast\r\n")), "461");
    assert_eq!(status(&client.ask("SETUP", "/trackID=0", "")), "461");
    assert_eq!(status(&client.ask("DESCRIBE", "2", "")), "404");
    assert_eq!(status(&client.ask("SETUP", "/trackID=7", tcp)), "404");
    assert_eq!(status(&client.ask("PLAY", "", "Session: 4711\r\n")), "454");
    assert_eq!(status(&client.ask("PLAY", "", "")), "454");
    assert_eq!(status(&client.ask("GET_PARAMETER", "", "Session: 4711\r\n")), "454");
    assert_eq!(status(&client.ask("RECORD", "", "")), "501");
    assert_eq!(status(&client.say("OPTIONS * RTSP/2.0\r\nCSeq: 9\r\n\r\n")), "505");
    assert_eq!(status(&client.say("OPTIONS * RTSP/1.0\r\n\r\n")), "400");
    assert_eq!(status(&client.say("OPTIONS * RTSP/1.0\r\nCSeq: 9\r\n\r\n")), "200");
}

#[test]
fn what_is_not_rtsp_ends_the_connection_and_no_other() {
    let camera = camera(CameraOptions::default());
    let mut good = Client::of(&camera);
    good.play();
    let mut bad = Client::of(&camera);
    assert_eq!(status(&bad.say("GET / HTTP/1.1\r\nHost: x\r\n\r\n")), "400");
    assert!(bad.ended());
    let mut endless = Client::of(&camera);
    let _ = endless.stream.write_all(&[b'A'; 100_000]);
    assert!(matches!(endless.stream.read(&mut [0; 64]), Ok(_) | Err(_)));
    assert_eq!(status(&good.ask("OPTIONS", "", "")), "200");
}

#[test]
fn a_session_is_kept_alive_paused_played_on_and_torn_down() {
    let camera = camera(CameraOptions::default());
    let mut client = Client::of(&camera);
    let session = format!("Session: {}\r\n", client.play());
    assert!(client.ask("GET_PARAMETER", "/", &session).contains("timeout=60"));
    assert_eq!(status(&client.ask("SET_PARAMETER", "/", &session)), "200");
    let tcp = format!("{session}Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n");
    assert_eq!(status(&client.ask("SETUP", "/trackID=0", &tcp)), "455");
    // A receiver report on the RTCP channel is taken and not answered.
    client.stream.write_all(&[b'$', 5, 0, 8, 0x80, 201, 0, 1, 0, 0, 0, 1]).expect("written");
    assert_eq!(status(&client.ask("PAUSE", "/", &session)), "200");
    assert_eq!(camera.clients(), 0);
    assert_eq!(status(&client.ask("PLAY", "/", &session)), "200");
    assert_eq!(camera.clients(), 1);
    assert_eq!(status(&client.ask("TEARDOWN", "/", &session)), "200");
    assert!(client.ended());
}

#[test]
fn a_stopped_camera_says_goodbye() {
    let camera = camera(CameraOptions::default());
    let mut client = Client::of(&camera);
    client.play();
    camera.stop();
    let mut sign = [0];
    client.stream.read_exact(&mut sign).expect("a packet");
    let (channel, packet) = client.packet();
    assert_eq!((sign[0], channel, packet[1]), (b'$', 5, 201));
    // A compound packet: empty receiver report, source description, goodbye.
    assert_eq!(packet[packet.len() - 7], 203);
    assert!(client.ended());
}

#[test]
fn a_client_too_many_is_refused() {
    let camera = camera(CameraOptions { clients_max: 1, ..CameraOptions::default() });
    let mut first = Client::of(&camera);
    first.play();
    let mut second = Client::of(&camera);
    let tcp = "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n";
    assert_eq!(status(&second.ask("SETUP", "/trackID=0", tcp)), "453");
}

#[test]
fn a_datagram_session_whose_client_is_silent_times_out() {
    let camera = camera(CameraOptions { session_timeout: Duration::from_millis(50), ..CameraOptions::default() });
    let sockets = [0; 2].map(|_| UdpSocket::bind("127.0.0.1:0").expect("a port"));
    let [rtp, rtcp] = sockets.each_ref().map(|socket| socket.local_addr().expect("an address").port());
    let mut client = Client::of(&camera);
    let setup = client.ask("SETUP", "/trackID=0", &format!("Transport: RTP/AVP;unicast;client_port={rtp}-{rtcp}\r\n"));
    let session = session(&setup);
    assert!(setup.contains("server_port="), "{setup}");
    assert_eq!(status(&client.ask("PLAY", "/", &format!("Session: {session}\r\n"))), "200");
    assert!(client.ended());
}

#[test]
fn datagrams_come_from_the_ports_that_were_named_and_begin_with_a_report() {
    let camera = camera(CameraOptions::default());
    let sockets = [0; 2].map(|_| UdpSocket::bind("127.0.0.1:0").expect("a port"));
    let ports = sockets.each_ref().map(|socket| socket.local_addr().expect("an address").port());
    let mut client = Client::of(&camera);
    let header = format!("Transport: RTP/AVP;unicast;client_port={}-{}\r\n", ports[0], ports[1]);
    let setup = client.ask("SETUP", "/trackID=0", &header);
    client.ask("PLAY", "/", &format!("Session: {}\r\n", session(&setup)));
    camera.push(key(1));
    let mut from = Vec::new();
    for (socket, kind) in sockets.iter().zip([96, 200]) {
        socket.set_read_timeout(Some(Duration::from_secs(5))).expect("a timeout");
        let mut packet = [0; 1500];
        let (_, sender) = socket.recv_from(&mut packet).expect("a packet");
        assert_eq!(packet[1] & if kind == 96 { 0x7f } else { 0xff }, kind);
        from.push(sender.port());
    }
    assert!(setup.contains(&format!("server_port={}-{}", from[0], from[1])), "{setup}");
}

#[test]
fn what_cannot_be_started_is_said() {
    let says = |options| RehearsalCamera::start(options).err().map(|error| error.to_string()).unwrap_or_default();
    assert_eq!(
        says(CameraOptions { path: "live stream".into(), ..CameraOptions::default() }),
        "rehearsal camera: path \"live stream\"; allowed is \"/\" and then letters, digits, \"-\", \"_\", \".\" and \"/\"; change it"
    );
    let other = camera(CameraOptions::default());
    let taken = says(CameraOptions { listen: other.address(), ..CameraOptions::default() });
    let start = format!("rehearsal camera: {}: ", other.address());
    assert!(
        taken.starts_with(&start)
            && taken.ends_with("allowed is a free port of this machine; choose another, 0 takes any"),
        "{taken}"
    );
}
