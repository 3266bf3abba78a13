//! What is pushed into the rehearsal camera is what a real RTSP client (retina) receives, with the time it was captured.

use arenad::handover::PictureSize;
use arenad::rehearsal::camera::{CameraAuth, CameraOptions, Faults, Picture, RehearsalCamera, Scheme};
use arenad::rehearsal::encode::{Coded, EncodeSettings, Encoder, FrameRate, Rate};
use arenad::stamp::WallTime;
use futures_util::StreamExt;
use retina::client::{Credentials, Demuxed, PlayOptions, Session, SessionOptions, SetupOptions, Transport};
use retina::codec::{CodecItem, FrameFormat, VideoFrame};
use std::time::Duration;

/// When picture 0 is captured: far from now, so that only sender reports can tell.
const CAPTURED: i64 = 1_795_243_980_123_456_789;
const SIZE: PictureSize = PictureSize { width: 160, height: 128 };

/// `count` coded pictures of noise, a key picture every ten.
fn pictures(count: u64) -> Vec<Picture> {
    let settings = EncodeSettings { rate: Rate::Quality(26), key_every: 10 };
    let mut encoder = Encoder::new(SIZE, FrameRate::THIRTY, settings).expect("settings in range");
    let mut noise = 7u32;
    let mut picture = |index: u64| {
        let mut i420 = vec![0; 160 * 128 * 3 / 2];
        for pixel in &mut i420 {
            noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            *pixel = 60 + (noise >> 27) as u8;
        }
        let Coded { annexb, key } = encoder.encode(&i420, false).expect("a whole picture");
        Picture { annexb, key, captured: WallTime(CAPTURED + FrameRate::THIRTY.nanos(index)) }
    };
    (0..count).map(&mut picture).collect()
}

/// A camera that has already made `first`, so that `DESCRIBE` is answered.
fn camera(options: CameraOptions, first: &Picture) -> RehearsalCamera {
    let camera = RehearsalCamera::start(CameraOptions { queue: 400, ..options }).expect("a free port");
    camera.push(first.clone());
    camera
}

fn udp() -> Transport {
    Transport::Udp(Default::default())
}

fn tcp() -> Transport {
    Transport::Tcp(Default::default())
}

async fn play(camera: &RehearsalCamera, transport: Transport, login: Option<(&str, &str)>) -> Result<Demuxed, String> {
    let creds = login.map(|(user, password)| Credentials { username: user.into(), password: password.into() });
    let url = camera.url().parse().expect("a url");
    let mut session =
        Session::describe(url, SessionOptions::default().creds(creds)).await.map_err(|error| error.to_string())?;
    let setup = SetupOptions::default().transport(transport).frame_format(FrameFormat::SIMPLE);
    session.setup(0, setup).await.map_err(|error| error.to_string())?;
    session.play(PlayOptions::default()).await.map_err(|error| error.to_string())?.demuxed().map_err(|e| e.to_string())
}

/// A client that gets nothing for so long has failed.
const PATIENCE: Duration = Duration::from_secs(10);

async fn next(client: &mut Demuxed) -> Option<Result<CodecItem, retina::Error>> {
    tokio::time::timeout(PATIENCE, client.next()).await.expect("an item in time")
}

async fn next_frame(client: &mut Demuxed) -> VideoFrame {
    let frame = async {
        loop {
            if let CodecItem::VideoFrame(frame) = client.next().await.expect("a stream").expect("no error") {
                return frame;
            }
        }
    };
    tokio::time::timeout(PATIENCE, frame).await.expect("a frame in time")
}

/// Plays, pushes pictures 1 to 60 and expects from the first key picture on (10) each with its bytes.
async fn receives_what_is_pushed(options: CameraOptions, transport: Transport, login: Option<(&str, &str)>) {
    let pictures = pictures(61);
    let camera = camera(options, &pictures[0]);
    let mut client = play(&camera, transport, login).await.expect("to play");
    assert!(camera.wants_key());
    pictures[1..10].iter().for_each(|picture| camera.push(picture.clone()));
    assert!(camera.wants_key());
    let first = &pictures[10];
    let mut start = None;
    for picture in &pictures[10..] {
        camera.push(picture.clone());
        assert!(!camera.wants_key());
        let frame = next_frame(&mut client).await;
        assert_eq!((frame.loss(), frame.is_random_access_point()), (0, picture.key));
        assert_eq!(frame.data(), &picture.annexb[..]);
        let begin = *start.get_or_insert(frame.timestamp().timestamp());
        let ticks = (picture.captured.nanos_since(first.captured) as f64 * 9e-5).round() as i64;
        assert!((frame.timestamp().timestamp() - begin - ticks).abs() <= 1);
    }
}

#[tokio::test]
async fn a_client_over_tcp_receives_what_is_pushed() {
    receives_what_is_pushed(CameraOptions::default(), tcp(), None).await;
}

#[tokio::test]
async fn a_client_over_udp_receives_what_is_pushed() {
    receives_what_is_pushed(CameraOptions::default(), udp(), None).await;
}

#[tokio::test]
async fn a_client_with_the_password_receives_what_is_pushed() {
    for scheme in [Scheme::Basic, Scheme::Digest] {
        let auth = Some(CameraAuth { user: "lab".into(), password: "mice".into(), scheme });
        receives_what_is_pushed(CameraOptions { auth, ..CameraOptions::default() }, tcp(), Some(("lab", "mice"))).await;
    }
}

#[tokio::test]
async fn a_client_without_the_password_gets_nothing() {
    let pictures = pictures(1);
    let auth = Some(CameraAuth { user: "lab".into(), password: "mice".into(), scheme: Scheme::Digest });
    let camera = camera(CameraOptions { auth, ..CameraOptions::default() }, &pictures[0]);
    for login in [None, Some(("lab", "rats"))] {
        let error = play(&camera, tcp(), login).await.err().expect("a refusal");
        assert!(error.contains("401") || error.contains("no credentials"), "{error}");
    }
}

#[tokio::test]
async fn sender_reports_lay_every_picture_on_the_wall_clock() {
    let pictures = pictures(31);
    for (transport, wrong_s) in [(tcp(), 0), (udp(), 0), (tcp(), 3)] {
        let options = CameraOptions { clock_error_ns: wrong_s * 1_000_000_000, ..CameraOptions::default() };
        let camera = camera(options, &pictures[0]);
        let mut client = play(&camera, transport, None).await.expect("to play");
        let (mut mapping, mut seen) = (None, 0);
        camera.push(pictures[10].clone());
        while seen < 21 {
            match next(&mut client).await.expect("a stream").expect("no error") {
                CodecItem::Rtcp(report) => {
                    let sender =
                        report.pkts().next().and_then(|p| p.as_sender_report().ok().flatten()).expect("a report");
                    let ntp = u128::from(sender.ntp_timestamp().0 - retina::UNIX_EPOCH.0);
                    let nanos = ((ntp * 1_000_000_000) >> 32) as i64;
                    mapping = Some((nanos, report.rtp_timestamp().expect("placed").timestamp()));
                }
                CodecItem::VideoFrame(frame) => {
                    let (nanos, ticks) = mapping.expect("a report before the first picture");
                    let wall = nanos + (frame.timestamp().timestamp() - ticks) * 100_000 / 9;
                    let off = wall - wrong_s * 1_000_000_000 - pictures[10 + seen].captured.0;
                    assert!(off.abs() <= 20_000, "picture {}: {off} ns off", 10 + seen);
                    seen += 1;
                    pictures.get(10 + seen).into_iter().for_each(|picture| camera.push(picture.clone()));
                }
                _ => {}
            }
        }
    }
}

#[tokio::test]
async fn a_camera_without_sender_reports_sends_none() {
    let pictures = pictures(31);
    let faults = Faults { sender_reports: false, ..Faults::default() };
    let report_every = Duration::from_millis(10);
    let camera = camera(CameraOptions { faults, report_every, ..CameraOptions::default() }, &pictures[0]);
    let mut client = play(&camera, tcp(), None).await.expect("to play");
    for picture in &pictures[10..] {
        camera.push(picture.clone());
        assert!(matches!(next(&mut client).await, Some(Ok(CodecItem::VideoFrame(_)))));
    }
    assert_eq!(camera.counts().reports, 0);
}

#[tokio::test]
async fn several_clients_receive_the_same() {
    let pictures = pictures(21);
    let camera = camera(CameraOptions::default(), &pictures[0]);
    let mut clients = [
        play(&camera, tcp(), None).await.expect("to play"),
        play(&camera, udp(), None).await.expect("to play"),
        play(&camera, tcp(), None).await.expect("to play"),
    ];
    assert_eq!(camera.clients(), 3);
    for picture in &pictures[10..] {
        camera.push(picture.clone());
        for client in &mut clients {
            assert_eq!(next_frame(client).await.data(), &picture.annexb[..]);
        }
    }
}

#[tokio::test]
async fn dropped_packets_are_missed_by_the_client_counted_by_the_camera_and_the_same_for_a_seed() {
    let pictures = pictures(101);
    let mut dropped = Vec::new();
    for transport in [tcp(), udp()] {
        let camera = camera(CameraOptions::default(), &pictures[0]);
        let mut client = play(&camera, transport, None).await.expect("to play");
        let mut lost = 0;
        for (index, picture) in pictures[10..].iter().enumerate() {
            // Each tenth picture is sent whole, so that the client sees what was lost before it.
            let whole = index % 10 == 0;
            camera.set_faults(Faults { drop_one_in: if whole { 0 } else { 3 }, ..Faults::default() });
            camera.push(picture.clone());
            if !whole {
                continue;
            }
            loop {
                // Anything else is a report, or a picture that retina gives up.
                let Ok(CodecItem::VideoFrame(frame)) = next(&mut client).await.expect("a stream") else {
                    continue;
                };
                lost += u64::from(frame.loss());
                if frame.data() == &picture.annexb[..] {
                    break;
                }
            }
        }
        dropped.push(camera.counts().packets_dropped);
        // retina does not count what is lost within a picture that it gives up.
        assert!(lost > 0 && lost <= dropped[0], "lost {lost} of {dropped:?}");
    }
    assert_eq!(dropped[0], dropped[1]);
}

#[tokio::test]
async fn corrupted_packets_change_bytes_and_nothing_else() {
    let pictures = pictures(21);
    let faults = Faults { corrupt_one_in: 1, ..Faults::default() };
    let camera = camera(CameraOptions { faults, ..CameraOptions::default() }, &pictures[0]);
    let mut client = play(&camera, tcp(), None).await.expect("to play");
    camera.push(pictures[10].clone());
    let mut changed = 0;
    // Corrupted parameter sets may be refused by the client, so only pictures between key pictures are looked at.
    let _ = next(&mut client).await;
    for picture in &pictures[11..20] {
        camera.push(picture.clone());
    }
    while camera.counts().packets_corrupted < 9 || changed < 9 {
        if let Some(Ok(CodecItem::VideoFrame(frame))) = next(&mut client).await {
            let sent = pictures.iter().find(|picture| picture.annexb.len() == frame.data().len());
            changed += usize::from(sent.is_none_or(|sent| sent.annexb != frame.data()));
            assert_eq!(frame.loss(), 0);
        }
    }
}

#[tokio::test]
async fn a_stalled_camera_is_silent_and_goes_on_with_a_key_picture() {
    let pictures = pictures(31);
    let camera = camera(CameraOptions::default(), &pictures[0]);
    let mut client = play(&camera, tcp(), None).await.expect("to play");
    camera.push(pictures[10].clone());
    assert_eq!(next_frame(&mut client).await.data(), &pictures[10].annexb[..]);
    camera.stall(true);
    pictures[11..15].iter().for_each(|picture| camera.push(picture.clone()));
    assert!(!camera.wants_key());
    camera.stall(false);
    assert!(camera.wants_key());
    pictures[15..31].iter().for_each(|picture| camera.push(picture.clone()));
    assert_eq!(next_frame(&mut client).await.data(), &pictures[20].annexb[..]);
}

#[tokio::test]
async fn a_kicked_client_is_cut_off_and_may_come_back() {
    let pictures = pictures(21);
    let camera = camera(CameraOptions::default(), &pictures[0]);
    let mut client = play(&camera, tcp(), None).await.expect("to play");
    camera.kick();
    assert!(next(&mut client).await.is_none_or(|item| item.is_err()));
    let mut client = play(&camera, tcp(), None).await.expect("to play again");
    camera.push(pictures[10].clone());
    assert_eq!(next_frame(&mut client).await.data(), &pictures[10].annexb[..]);
}

#[tokio::test]
async fn a_slow_client_misses_pictures_up_to_a_key_picture() {
    let pictures = pictures(20);
    let camera = RehearsalCamera::start(CameraOptions { queue: 4, ..CameraOptions::default() }).expect("a free port");
    camera.push(pictures[0].clone());
    let mut client = play(&camera, tcp(), None).await.expect("to play");
    // Without a pause between them: faster than any client.
    let moved = |index: u64| Picture {
        captured: WallTime(CAPTURED + FrameRate::THIRTY.nanos(index)),
        ..pictures[(index % 20) as usize].clone()
    };
    let mut pushed = 10;
    while camera.counts().pictures_skipped == 0 {
        camera.push(moved(pushed));
        pushed += 1;
    }
    let mut before: Option<i64> = None;
    let mut gaps = 0;
    while gaps == 0 {
        // A key picture, which is taken as soon as there is room.
        camera.push(Picture { captured: moved(pushed).captured, ..pictures[0].clone() });
        pushed += 1;
        let frame = next_frame(&mut client).await;
        let now = frame.timestamp().timestamp();
        if before.is_some_and(|before| now - before > 4500) {
            gaps += 1;
            assert!(frame.is_random_access_point());
        }
        before = Some(now);
    }
}
