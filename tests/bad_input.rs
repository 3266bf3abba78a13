//! Promise: what an operator gets wrong is answered in words that say what to do, with exit code 2; what may pass by itself with 1.

mod program;

use arenad::rehearsal::camera::{CameraAuth, CameraOptions, Picture, RehearsalCamera, Scheme};
use arenad::stamp::WallTime;
use program::{Ended, arenad, line};
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A folder with a configuration.
struct Desk(TempDir);

impl Desk {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        fs::write(self.path(name), content).expect("written");
        self.path(name)
    }

    /// A camera at `url` and whatever else.
    fn config(&self, url: &str, more: &str) -> PathBuf {
        // One daemon an arena on a machine: tests that run at once need names of their own.
        let arena = self.0.path().file_name().map(|name| name.to_string_lossy().replace('.', "a")).unwrap_or_default();
        let text = format!("arena = \"{arena}\"\n[camera]\nurl = \"{url}\"\n{more}\n[model]\nengine = \"built-in\"\n");
        self.write("arenad.toml", text)
    }
}

fn on(command: &str, file: &Path) -> Ended {
    arenad(line(&format!("{command} {{}}"), &[file]))
}

/// An address at which nobody listens.
fn nobody() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port")
}

#[test]
fn a_configuration_that_is_not_there_is_named() {
    for command in ["run", "check"] {
        let ended = on(command, Path::new("/nonexistent/arenad.toml"));
        assert_eq!(
            (ended.code, ended.why()),
            (
                Some(2),
                "arenad: configuration /nonexistent/arenad.toml: No such file or directory (os error 2); \
                 give the path of a readable TOML file (see systemd/arenad.toml)"
            )
        );
    }
}

#[test]
fn a_line_that_cannot_be_had_keeps_the_daemon_from_starting() {
    let desk = Desk::new();
    let url = format!("rtsp://{}/s", nobody());
    let file = desk.config(&url, "[gpio]\nchip = \"/dev/gpiochip-none\"\nline = 1\n");
    let why = if cfg!(feature = "gpio") {
        "gpio: chip /dev/gpiochip-none is not there; there: "
    } else {
        "gpio: [gpio] is configured, and this arenad was built without the feature gpio; "
    };
    let run = on("run", &file);
    assert!(run.code == Some(2) && run.why().contains(why), "{:?} {}", run.code, run.err);
    let check = on("check", &file);
    assert!(check.code == Some(2) && check.out.contains(&format!("WRONG   gpio       {why}")), "{}", check.out);
}

#[test]
fn a_video_device_that_is_not_there_is_told_and_without_the_feature_its_name() {
    let desk = Desk::new();
    let file = desk.write("arenad.toml", "arena = \"video-none\"\n[camera]\ndevice = \"/dev/video-none\"\n");
    let check = on("check", &file);
    let (code, why) = if cfg!(feature = "v4l2") {
        (1, "FAILED  camera     camera /dev/video-none: is not there; there: ")
    } else {
        let run = on("run", &file);
        assert!(run.code == Some(2) && run.why().contains("built without the feature v4l2; "), "{run:?}");
        (
            2,
            "WRONG   camera     camera /dev/video-none: is a video device, and this arenad was built without the feature v4l2; ",
        )
    };
    assert!(check.code == Some(code) && check.out.contains(why), "{check:?}");
}

#[test]
fn everything_wrong_in_a_configuration_is_told_at_once() {
    let desk = Desk::new();
    let text = "arena = \"a 1\"\n[camera]\nurl = \"http://10.0.0.20/s\"\nstal_ms = 3\n[web]\nlisten = \"80\"\n";
    let file = desk.write("arenad.toml", text);
    for command in ["run", "check"] {
        let ended = on(command, &file);
        assert_eq!(
            (ended.code, ended.err.as_str()),
            (
                Some(2),
                "arenad: configuration: 4 thing(s) to mend\n  \
                 arena: got \"a 1\"; allowed: 1 to 64 letters, digits, - and _\n  \
                 camera.url: got \"http://10.0.0.20/s\"; allowed: rtsp://host[:port]/path\n  \
                 camera.stal_ms: is not a key here; allowed: url, device, user, password_file, password_credential, \
                 transport, stall_ms, backoff_max_ms\n  \
                 web.listen: got \"80\"; allowed: address:port, for example \"127.0.0.1:8080\"\n"
            )
        );
    }
}

#[test]
fn a_camera_that_is_away_is_no_fault_of_the_configuration() {
    let desk = Desk::new();
    let url = format!("rtsp://{}/live", nobody());
    let ended = on("check", &desk.config(&url, ""));
    let failed = format!("FAILED  camera     camera {url}: no connection: ");
    assert!(ended.out.contains(&failed), "{ended:?}");
    assert!(ended.out.contains("check the address, the cable and that the camera is on"), "{ended:?}");
    assert_eq!((ended.code, ended.why()), (Some(1), "arenad: 1 thing(s) could not be reached; see FAILED above"));
}

#[test]
fn a_wrong_password_is_told_and_not_repeated() {
    let desk = Desk::new();
    let auth = CameraAuth { user: "lab".into(), password: "mice".into(), scheme: Scheme::Digest };
    let camera =
        RehearsalCamera::start(CameraOptions { auth: Some(auth), ..CameraOptions::default() }).expect("a port");
    let annexb = bytes::Bytes::from_static(&[
        0, 0, 0, 1, 0x67, 0x42, 0x40, 0x1e, 0xf4, 0x0b, 0x04, 0xb2, 0, 0, 0, 1, 0x68, 0xce, 0x3c, 0x80, 0, 0, 0, 1,
        0x65, 0x88, 0x84, 0x21,
    ]);
    camera.push(Picture { annexb, key: true, captured: WallTime(1_795_243_980_000_000_000) });
    let password = desk.write("password", "h4mster\n");
    let login = format!("user = \"lab\"\npassword_file = \"{}\"", password.display());
    let file = desk.config(&camera.url(), &login);
    let said = format!(
        "camera {}: login refused (401) for user \"lab\"; a user and password that the camera knows are needed; \
         correct the camera's user or password file",
        camera.url()
    );
    let run = on("run", &file);
    assert_eq!((run.code, run.why()), (Some(2), format!("arenad: {said}").as_str()));
    let check = on("check", &file);
    assert!(check.out.contains(&format!("WRONG   camera     {said}")), "{check:?}");
    assert_eq!((check.code, check.why()), (Some(2), "arenad: 1 thing(s) to mend; see WRONG above"));
    for text in [run.out, run.err, check.out, check.err] {
        assert!(!text.contains("h4mster"), "{text}");
    }
}

/// A camera that describes a VP8 stream to whoever asks.
fn vp8_camera() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let serve = move || {
        for mut stream in listener.incoming().flatten() {
            let mut request = Vec::new();
            let mut byte = [0];
            while stream.read_exact(&mut byte).is_ok() {
                request.push(byte[0]);
                if !request.ends_with(b"\r\n\r\n") {
                    continue;
                }
                let text = String::from_utf8_lossy(&request).into_owned();
                let cseq = text.lines().find_map(|line| line.strip_prefix("CSeq: ")).unwrap_or("0");
                let sdp = "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=x\r\nt=0 0\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 VP8/90000\r\n";
                let answer = format!(
                    "RTSP/1.0 200 OK\r\nCSeq: {cseq}\r\nContent-Type: application/sdp\r\nContent-Base: rtsp://{address}/\r\n\
                     Content-Length: {}\r\n\r\n{sdp}",
                    sdp.len()
                );
                request.clear();
                if stream.write_all(answer.as_bytes()).is_err() {
                    break;
                }
            }
        }
    };
    std::thread::Builder::new().spawn(serve).expect("a thread");
    address
}

#[test]
fn a_codec_that_nothing_decodes_is_named() {
    let desk = Desk::new();
    let url = format!("rtsp://{}/live", vp8_camera());
    let ended = on("run", &desk.config(&url, ""));
    let said = format!(
        "arenad: camera {url}: offers video as vp8; allowed are H.264, H.265 and MJPEG; \
         change the codec in the camera's own settings"
    );
    assert_eq!((ended.code, ended.why().to_lowercase()), (Some(2), said.to_lowercase()));
}

#[test]
fn a_model_that_is_not_there_damaged_or_of_another_shape_is_told() {
    let desk = Desk::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/socialbox");
    let good = fs::read_to_string(root.join("model.toml")).expect("the bundled contract");
    let film = desk.write("film.h264", [0, 0, 0, 1, 0x67]);
    let replay = |model: &Path| arenad(line("replay {} -o {} --model {}", &[&film, &desk.path("out"), model]));
    let missing = replay(&desk.path("none"));
    let expected = format!(
        "arenad: model {}: No such file or directory (os error 2); give a folder that holds model.toml and model.onnx",
        desk.path("none").join("model.toml").display()
    );
    assert_eq!((missing.code, missing.why()), (Some(2), expected.as_str()));
    for (name, toml, words) in [
        ("damaged", good.clone(), "the file is damaged or from another export: export the model again"),
        ("shape", good.replace("[1, 9, 120, 160]", "[1, 9, 60, 80]"), "allowed: [1, 9, 120, 160] at stride 4"),
    ] {
        fs::create_dir(desk.path(name)).expect("made");
        fs::write(desk.path(name).join("model.toml"), toml).expect("written");
        fs::write(desk.path(name).join("model.onnx"), b"not it").expect("written");
        let ended = replay(&desk.path(name));
        assert!(ended.code == Some(2) && ended.why().ends_with(words), "{ended:?}");
    }
}

#[test]
fn a_port_in_use_is_named_with_the_option_that_changes_it() {
    let desk = Desk::new();
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("an address").port();
    for (options, option) in
        [("--mqtt-port P --web-port 0", "--mqtt-port"), ("--mqtt-port 0 --web-port P", "--web-port")]
    {
        let options = options.replace('P', &port.to_string());
        let command = format!("demo --seconds 5 --engine built-in {options} --data {{}}");
        let ended = arenad(line(&command, &[&desk.path("data")]));
        assert!(ended.code == Some(2) && ended.why().contains("the port is in use"), "{ended:?}");
        assert!(ended.why().contains(option) && ended.why().contains(&port.to_string()), "{ended:?}");
    }
}

#[test]
fn a_data_folder_that_cannot_be_made_is_named() {
    let desk = Desk::new();
    let below = desk.write("file", "").join("data");
    let config = desk.config("rtsp://127.0.0.1:9/live", &format!("[files]\nfolder = \"{}\"", below.display()));
    let ended = on("run", &config);
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert!(ended.why().starts_with(&format!("arenad: files.folder: {}", below.display())), "{ended:?}");
    assert!(ended.why().ends_with("move the file that stands in its place"), "{ended:?}");
    let film = desk.write("film.h264", [0, 0, 0, 1, 0x67]);
    let ended = arenad(line("replay {} -o {} --engine built-in", &[&film, &below]));
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert!(ended.why().ends_with("give -o a folder that can be written"), "{ended:?}");
    let ended = arenad(line("rehearse --minutes 0.001 -o {}", &[&below]));
    assert_eq!(ended.code, Some(2), "{ended:?}");
}

#[test]
fn an_option_that_is_not_one_is_refused() {
    for command in ["run --fast x.toml", "replay film.mp4", "demo --seconds 0", "fly"] {
        let ended = arenad(line(command, &[]));
        assert_eq!(ended.code, Some(2), "{ended:?}");
        assert!(ended.err.starts_with("error: ") && ended.err.contains("--help"), "{ended:?}");
    }
}
