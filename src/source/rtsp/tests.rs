//! Retries, transports, counters and the words of each error, against scripted cameras.

use super::scripted::{Camera as Scripted, H264, H265, Script, rtp, sender_report};
use super::*;
use crate::config::Login;
use crate::handover::{Codec, PictureSize};
use crate::source::{Fate, annexb};
use crate::stamp::CaptureClock;
use std::cell::RefCell;
use std::net::SocketAddr;

const IDR: &[u8] = &[0x65, 0x88, 0x84, 0x00];
const NON_IDR: &[u8] = &[0x41, 0x9a, 0x02, 0x00];

#[derive(Default)]
struct Seen {
    units: Vec<AccessUnit>,
    states: Vec<SourceState>,
    ledger: Ledger,
    requests: Vec<String>,
}

impl Seen {
    fn errors(&self) -> Vec<&SourceError> {
        self.states
            .iter()
            .filter_map(|state| match state {
                SourceState::Retrying { error, .. } => Some(error),
                _ => None,
            })
            .collect()
    }

    /// The first error's words with the port left out, since it is another one each time.
    fn words(&self, address: SocketAddr) -> String {
        self.errors()[0].to_string().replace(&address.to_string(), "cam")
    }
}

const PATIENCE: Patience = Patience { stall: Duration::from_millis(300), backoff_max: Duration::from_millis(1) };

fn camera(address: SocketAddr) -> NetworkCamera {
    let url = format!("rtsp://{address}/live").parse().unwrap();
    NetworkCamera { url, login: None, transport: Transport::Tcp }
}

/// Runs the source until `enough` was seen, and fails after ten seconds.
async fn watch_camera(camera: &NetworkCamera, enough: impl Fn(&[AccessUnit], &[SourceState]) -> bool) -> Seen {
    let limits = Limits { step: Duration::from_millis(300), teardown: Duration::from_millis(100) };
    let (stop, stopped) = watch::channel(false);
    let seen = RefCell::new(Seen::default());
    let ledger = Ledger::default();
    let check = |seen: &Seen| {
        if enough(&seen.units, &seen.states) {
            stop.send_replace(true);
        }
    };
    let mut emit = |unit| {
        seen.borrow_mut().units.push(unit);
        check(&seen.borrow());
    };
    let mut state = |state| {
        seen.borrow_mut().states.push(state);
        check(&seen.borrow());
    };
    let work = run_within(limits, (camera, PATIENCE), Clock::new(), &ledger, stopped, &mut emit, &mut state);
    timeout(Duration::from_secs(10), work).await.expect("the camera did not do what the test waits for");
    let mut seen = seen.into_inner();
    seen.ledger = ledger;
    seen
}

fn local<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build().unwrap();
    tokio::task::LocalSet::new().block_on(&runtime, work)
}

/// Runs the source on scripted connections, one after the other, until `enough` was seen.
fn play(
    scripts: Vec<Script>,
    change: impl Fn(&mut NetworkCamera),
    enough: impl Fn(&[AccessUnit], &[SourceState]) -> bool,
) -> (Seen, SocketAddr) {
    local(async {
        let scripted = Scripted::start(scripts).await;
        let mut camera = camera(scripted.address);
        change(&mut camera);
        let mut seen = watch_camera(&camera, enough).await;
        seen.requests = scripted.requests.borrow().clone();
        (seen, scripted.address)
    })
}

fn first_error(_: &[AccessUnit], states: &[SourceState]) -> bool {
    states.iter().any(|state| matches!(state, SourceState::Retrying { .. }))
}

fn refused(word: &'static str, status: &'static str) -> Vec<Script> {
    vec![Script { refuse: Some((word, status)), media: H264, ..Script::default() }]
}

#[test]
fn nobody_listening_is_said_so() {
    let (seen, address) = local(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        (watch_camera(&camera(address), first_error).await, address)
    });
    assert_eq!(
        seen.words(address),
        "camera rtsp://cam/live: no connection: connection refused (os error 111); an RTSP server must listen there; \
         check the address, the cable and that the camera is on"
    );
    assert_eq!(seen.errors()[0].fate(), Fate::Passing);
    assert_eq!(seen.ledger.counters.connections_failed.get(), 1);
}

#[test]
fn a_wrong_password_is_said_so_and_never_shown() {
    let login = Login { user: "cam".into(), password: "s3cret".into() };
    let (seen, address) =
        play(refused("DESCRIBE", "401 Unauthorized"), |camera| camera.login = Some(login.clone()), first_error);
    assert_eq!(
        seen.words(address),
        "camera rtsp://cam/live: login refused (401) for user \"cam\"; a user and password that the camera knows are \
         needed; correct the camera's user or password file"
    );
    assert_eq!(seen.errors()[0].fate(), Fate::Configuration);
}

#[test]
fn a_missing_login_is_said_so() {
    let (seen, address) = play(refused("DESCRIBE", "401 Unauthorized"), |_| {}, first_error);
    assert_eq!(
        seen.words(address),
        "camera rtsp://cam/live: asks for a login (401) and none is configured; a user and password that the camera \
         knows are needed; add them to the camera's configuration"
    );
    assert_eq!(seen.errors()[0].fate(), Fate::Configuration);
}

#[test]
fn a_wrong_path_is_said_so() {
    let (seen, address) = play(refused("DESCRIBE", "404 Not Found"), |_| {}, first_error);
    assert_eq!(
        seen.words(address),
        "camera rtsp://cam/live: no stream at this path (404); the path must be one that the camera serves; look it up \
         in the camera's manual"
    );
}

#[test]
fn another_refusal_is_told_in_the_cameras_words() {
    let (seen, address) = play(refused("PLAY", "503 Service Unavailable"), |_| {}, first_error);
    assert_eq!(
        seen.words(address),
        "camera rtsp://cam/live: 503 response to PLAY CSeq=3: Unexpected RTSP response status; an \
         answer that RTSP allows is needed; check the camera's address and its log"
    );
}

#[test]
fn an_address_of_another_kind_is_said_so() {
    for (address, got) in [
        ("http://cam/live", "camera http://cam/live: the scheme is http"),
        ("rtsp://u:s3cret@cam/live", "camera rtsp://cam/live: it holds a user or a password"),
        ("rtsp:/live", "camera rtsp:/live: it names no host"),
    ] {
        let url = address.parse().unwrap();
        let seen = local(watch_camera(&NetworkCamera { url, ..camera(([10, 0, 0, 7], 1).into()) }, first_error));
        let words = format!(
            "{got}; allowed is rtsp://host[:port]/path without user and password; correct the camera's address"
        );
        assert_eq!(seen.errors()[0].to_string(), words);
        assert_eq!(seen.errors()[0].fate(), Fate::Configuration);
    }
}

#[test]
fn a_codec_that_nothing_decodes_is_named() {
    let media = "m=video 0 RTP/AVP 96\r\na=rtpmap:96 MP4V-ES/90000\r\nm=audio 0 RTP/AVP 0\r\n";
    let (seen, address) = play(vec![Script { media, ..Script::default() }], |_| {}, first_error);
    assert_eq!(
        seen.words(address),
        "camera rtsp://cam/live: offers video as MP4V-ES; allowed are H.264, H.265 and MJPEG; change the codec in the \
         camera's own settings"
    );
    assert_eq!(seen.errors()[0].fate(), Fate::Configuration);
}

#[test]
fn a_stream_without_video_is_said_so() {
    let media = "m=audio 0 RTP/AVP 0\r\n";
    let (seen, address) = play(vec![Script { media, ..Script::default() }], |_| {}, first_error);
    assert_eq!(
        seen.words(address),
        "camera rtsp://cam/live: offers no video (only audio as PCMU); allowed are H.264, H.265 and MJPEG; check the \
         path of the camera's address"
    );
}

#[test]
fn silence_while_opening_is_bounded() {
    for (word, step) in [("DESCRIBE", "connect and DESCRIBE"), ("SETUP", "SETUP"), ("PLAY", "PLAY")] {
        let silent = Script { silent_at: Some(word), media: H264, ..Script::default() };
        let (seen, address) = play(vec![silent], |_| {}, first_error);
        let words = format!(
            "camera rtsp://cam/live: no answer to {step}; allowed are 0.3 s; check the address, the cable and that the \
             camera is on"
        );
        assert_eq!(seen.words(address), words);
    }
}

#[test]
fn a_transport_that_the_operator_insists_on_stays() {
    let (seen, address) = play(refused("interleaved", "461 Unsupported Transport"), |_| {}, first_error);
    assert_eq!(
        seen.words(address),
        "camera rtsp://cam/live: refuses RTP over TCP (461); one of TCP and UDP is needed; set the camera's transport to \
         \"auto\""
    );
}

#[test]
fn where_tcp_is_refused_udp_is_tried_at_once() {
    let (seen, _) = play(
        refused("interleaved", "461 Unsupported Transport"),
        |camera| camera.transport = Transport::Auto,
        |_, states| states.iter().filter(|state| matches!(state, SourceState::Connecting)).count() == 2,
    );
    assert!(seen.errors().is_empty(), "{:?}", seen.states);
}

#[test]
fn where_both_transports_are_refused_it_is_said_so() {
    let (seen, address) =
        play(refused("SETUP", "461 Unsupported Transport"), |camera| camera.transport = Transport::Auto, first_error);
    assert_eq!(
        seen.words(address),
        "camera rtsp://cam/live: refuses RTP over TCP and UDP (461); one of TCP and UDP is needed; check the camera's own \
         settings"
    );
    let asked: Vec<bool> = seen
        .requests
        .iter()
        .filter(|request| request.starts_with("SETUP"))
        .map(|request| request.contains("client_port"))
        .collect();
    assert_eq!(asked, [false, true]);
}

#[test]
fn it_stops_when_told_while_a_camera_keeps_it_waiting() {
    let silent = Script { silent_at: Some("DESCRIBE"), media: H264, ..Script::default() };
    let (seen, _) = play(vec![silent], |_| {}, |_, states| states == [SourceState::Connecting]);
    assert_eq!(seen.states, [SourceState::Connecting]);
    assert_eq!(seen.ledger.counters.connections_failed.get(), 0);
}

/// Two pictures, then the end.
fn two_pictures() -> Script {
    let bytes = [rtp(1, 9000, true, IDR), rtp(2, 12_000, true, NON_IDR)].concat();
    Script { media: H264, bytes, close: true, ..Script::default() }
}

#[test]
fn numbers_go_on_over_connections_and_each_starts_anew() {
    let open_end = Script { close: false, ..two_pictures() };
    let (seen, _) = play(vec![two_pictures(), open_end], |_| {}, |units, _| units.len() == 4);
    let told: Vec<_> =
        seen.units.iter().map(|unit| (unit.stamp.frame, unit.restart, unit.key, unit.presentation)).collect();
    assert_eq!(told, [(0, true, true, 0), (1, false, false, 3000), (2, true, true, 0), (3, false, false, 3000)]);
    let counters = &seen.ledger.counters;
    assert_eq!(counters.units_received.get(), 4);
    assert_eq!(counters.bytes_received.get(), seen.units.iter().map(|unit| unit.data.len() as u64).sum::<u64>());
    assert_eq!((counters.connections.get(), counters.connections_failed.get()), (2, 1));
    assert!(seen.states.contains(&SourceState::Live {
        codec: Codec::H264,
        size: Some(PictureSize { width: 64, height: 48 }),
        device: None
    }));
}

#[test]
fn a_stream_that_ends_is_said_so() {
    let (seen, address) = play(vec![two_pictures()], |_| {}, first_error);
    assert_eq!(
        seen.words(address),
        "camera rtsp://cam/live: the stream ended: the camera closed it; it must not end; check the camera's log and the \
         network"
    );
}

#[test]
fn silence_of_a_stream_is_a_stall() {
    let (seen, address) = play(vec![Script { close: false, ..two_pictures() }], |_| {}, first_error);
    assert_eq!(
        seen.words(address),
        "camera rtsp://cam/live: no picture for 0.3 s; allowed are 0.3 s; check the camera, its cable and the network"
    );
    assert_eq!(seen.ledger.counters.stalls.get(), 1);
}

#[test]
fn a_broken_packet_costs_its_picture_only() {
    let headless_fragment = [0x7c, 0x05, 1, 2, 3];
    let bytes = [
        rtp(1, 9000, true, IDR),
        rtp(2, 12_000, true, &headless_fragment),
        rtp(3, 15_000, true, NON_IDR),
        rtp(6, 18_000, true, NON_IDR),
    ];
    let script = Script { bytes: bytes.concat(), ..two_pictures() };
    let (seen, _) = play(vec![script], |_| {}, |units, _| units.len() == 3);
    let lost: Vec<u32> = seen.units.iter().map(|unit| unit.packets_lost).collect();
    assert_eq!(lost, [0, 1, 2]);
    assert_eq!(seen.ledger.counters.stream_errors.get(), 1);
    assert_eq!(seen.ledger.counters.packets_lost.get(), 3);
}

#[test]
fn an_error_that_repeats_for_ever_ends_the_connection() {
    let bytes = [rtp(1, 9000, true, IDR), b"\x01\x02 this is not RTSP\r\n\r\n".to_vec()].concat();
    let (seen, address) = play(vec![Script { bytes, close: false, ..two_pictures() }], |_| {}, first_error);
    let words = seen.words(address);
    assert!(
        words.starts_with("camera rtsp://cam/live: 300 errors of the stream in a row, the last: RTSP framing error"),
        "{words}"
    );
    assert_eq!(seen.ledger.counters.stalls.get(), 0);
}

/// The library asserts that no picture waits when a packet is pushed; a damaged packet behind a picture without end mark
/// breaks that.
#[test]
fn a_panic_of_the_library_costs_the_connection_only() {
    let bytes = [rtp(1, 9000, false, IDR), rtp(2, 12_000, false, &[0x1f, 0]), rtp(3, 15_000, true, NON_IDR)];
    let script = Script { bytes: bytes.concat(), close: false, ..two_pictures() };
    let (seen, address) = play(vec![script, two_pictures()], |_| {}, |units, _| units.len() == 2);
    assert_eq!(
        seen.words(address),
        "camera rtsp://cam/live: the stream ended: a packet that the RTSP library cannot bear; it must not end; check \
         the camera's log and the network"
    );
}

#[test]
fn a_sender_report_stamps_the_next_picture() {
    let ntp = (2_208_988_800 + 1_000_000_000) << 32;
    let bytes = [rtp(1, 9000, true, IDR), sender_report(ntp, 9000), rtp(2, 12_000, true, NON_IDR)].concat();
    let (seen, _) = play(vec![Script { bytes, ..two_pictures() }], |_| {}, |units, _| units.len() == 2);
    let clocks: Vec<CaptureClock> = seen.units.iter().map(|unit| unit.stamp.capture_clock).collect();
    assert_eq!(clocks, [CaptureClock::Arrival, CaptureClock::SenderReport]);
}

#[test]
fn an_open_group_of_pictures_is_a_start_with_parameter_sets() {
    let cra = [42, 1, 0xaf, 0x00];
    let trailing = [2, 1, 0xd0, 0x00];
    let bytes = [rtp(1, 9000, true, &cra), rtp(2, 12_000, true, &trailing)].concat();
    let script = Script { media: H265, bytes, ..two_pictures() };
    let (seen, _) = play(vec![script], |_| {}, |units, _| units.len() == 2);
    assert!(seen.units[0].key && !seen.units[1].key);
    let kinds: Vec<u8> = annexb::nals(&seen.units[0].data).map(|nal| (nal[0] >> 1) & 0x3f).collect();
    assert_eq!(kinds, [32, 33, 34, 21]);
}

#[test]
fn pauses_double_up_to_the_limit_and_start_anew_after_a_good_connection() {
    let mut backoff = Backoff::new(Duration::from_secs(1));
    let pauses: Vec<u128> = (0..4).map(|_| backoff.pause(Duration::ZERO).as_millis()).collect();
    assert_eq!(pauses, [250, 500, 1000, 1000]);
    assert_eq!(backoff.pause(Duration::from_millis(900)).as_millis(), 1000);
    assert_eq!(backoff.pause(Duration::from_secs(2)).as_millis(), 250);
}
