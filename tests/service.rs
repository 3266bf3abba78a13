//! Promise: systemd hears how the daemon is, its watchdog is fed only while every thread of the line moves, and an arena runs once.

mod program;

use arenad::config::{Config, Secrets};
use arenad::handover::{Delivery, PictureSize, Taken};
use arenad::ledger::Ledger;
use arenad::model::Contract;
use arenad::pipeline::{Daemon, Notice, Plan, Vigil, Witness};
use arenad::rehearsal::camera::{CameraOptions, Picture, RehearsalCamera};
use arenad::rehearsal::encode::{EncodeSettings, Encoder, FrameRate};
use arenad::stamp::Clock;
use std::net::TcpListener;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

/// What has not happened by then will not happen, also on an emulated processor.
const LIMIT: Duration = Duration::from_secs(300);
const SIZE: PictureSize = PictureSize { width: 640, height: 480 };

/// The address of a camera that is off.
fn nobody() -> String {
    let addr = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port");
    format!("rtsp://{addr}/live")
}

fn daemon(camera: &str, witness: Option<Witness>, clock: Clock) -> Daemon {
    let text = format!("arena = \"a1\"\n[camera]\nurl = \"{camera}\"\n[model]\nengine = \"built-in\"\nthreads = 1\n");
    let config = Config::read(&text, &Secrets::default()).expect("valid");
    let contract = Contract::bundled().expect("the bundled model");
    let ledger = Arc::new(Ledger::default());
    Daemon::start(Plan { config: &config, contract: &contract, clock, ledger, witness, progress: &|_| () })
        .expect("starts")
}

/// What `vigil` sees after a second in which the daemon ran.
fn look(daemon: &Daemon, vigil: &mut Vigil) -> Option<&'static str> {
    while let Taken::Value(notice) = daemon.wait(Duration::from_secs(1)) {
        assert!(matches!(notice, Notice::FirstScene), "{notice:?}");
    }
    vigil.look()
}

#[test]
fn a_camera_that_is_away_is_no_hang() {
    let daemon = daemon(&nobody(), None, Clock::new());
    let mut vigil = daemon.vigil();
    // A crowded machine may keep a thread from running for a second, not for ever.
    assert!((0..60).any(|_| look(&daemon, &mut vigil).is_none()));
    assert!((0..60).any(|_| look(&daemon, &mut vigil).is_none()));
}

#[test]
fn a_tracking_thread_that_hangs_is_named_until_it_moves_again() {
    let clock = Clock::new();
    let camera = RehearsalCamera::start(CameraOptions::default()).expect("a port");
    let (hangs, hung) = sync_channel::<()>(1);
    let (release, released) = sync_channel::<()>(1);
    let mut first = true;
    let witness = Box::new(move |_: &Delivery| {
        if std::mem::take(&mut first) {
            hangs.send(()).expect("somebody waits");
            released.recv().expect("let go");
        }
    });
    let daemon = daemon(&camera.url(), Some(witness), clock);
    let mut encoder = Encoder::new(SIZE, FrameRate::THIRTY, EncodeSettings::default()).expect("settings in range");
    let grey = vec![128; 640 * 480 * 3 / 2];
    let seen = (0..300).any(|_| {
        let coded = encoder.encode(&grey, true).expect("a whole picture");
        camera.push(Picture { annexb: coded.annexb, key: coded.key, captured: clock.wall() });
        hung.recv_timeout(Duration::from_millis(200)).is_ok()
    });
    assert!(seen, "no scene came");

    let mut vigil = daemon.vigil();
    let looks: Vec<_> = (0..4).map(|_| look(&daemon, &mut vigil)).collect();
    assert!(looks.iter().all(Option::is_some), "fed in spite of the hang: {looks:?}");
    assert!((0..60).any(|_| look(&daemon, &mut vigil) == Some("track")), "{looks:?}");
    release.send(()).expect("it waits");
    assert!((0..60).any(|_| look(&daemon, &mut vigil).is_none()));
}

/// `arenad run` as systemd starts it, and what it tells systemd.
struct Service {
    child: Child,
    told: UnixDatagram,
}

impl Service {
    fn start(folder: &Path, config: &Path) -> Self {
        let socket = folder.join("notify");
        let told = UnixDatagram::bind(&socket).expect("a socket");
        told.set_read_timeout(Some(LIMIT)).expect("a limit");
        let child = Command::new(env!("CARGO_BIN_EXE_arenad"))
            .args([Path::new("run"), config])
            .env("NOTIFY_SOCKET", &socket)
            .env("WATCHDOG_USEC", "1000000")
            .env_remove("WATCHDOG_PID")
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the program starts");
        Self { child, told }
    }

    /// Everything up to the first message with the line `wanted`.
    fn hear(&self, wanted: &str) -> Vec<String> {
        let mut heard = Vec::new();
        let mut buffer = [0; 4096];
        while !heard.iter().any(|line| line == wanted) {
            let Ok(length) = self.told.recv(&mut buffer) else { panic!("no {wanted} in {heard:?}") };
            heard.extend(String::from_utf8_lossy(&buffer[..length]).lines().map(str::to_owned));
        }
        heard
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn config(folder: &Path, arena: &str) -> PathBuf {
    let file = folder.join(format!("{arena}.toml"));
    let text =
        format!("arena = \"{arena}\"\n[camera]\nurl = \"{}\"\n[model]\nengine = \"built-in\"\nthreads = 1\n", nobody());
    std::fs::write(&file, text).expect("written");
    file
}

#[test]
fn systemd_hears_progress_readiness_signs_of_life_and_the_end() {
    let folder = tempfile::tempdir().expect("a folder");
    let arena = format!("service-{}", std::process::id());
    let file = config(folder.path(), &arena);
    let mut service = Service::start(folder.path(), &file);
    let start = service.hear("READY=1");
    for wanted in ["EXTEND_TIMEOUT_USEC=300000000", "STATUS=opening the model socialbox", "STATUS=starting the sinks"] {
        assert!(start.iter().any(|line| line == wanted), "{wanted}: {start:?}");
    }
    let alive = service.hear("WATCHDOG=1");
    assert!(!start.iter().any(|line| line == "WATCHDOG=1"));
    let waits = |line: &String| line.starts_with("STATUS=camera away; 0.0 scenes/s, 0 frames late; camera rtsp://");
    assert!(alive.iter().any(waits) || service.hear("WATCHDOG=1").iter().any(waits), "{alive:?}");

    let again = program::arenad(program::line("run {}", &[&file]));
    let said = format!("arenad: arena {arena}: another arenad on this machine runs it already; stop that one (");
    assert!(again.code == Some(2) && again.why().starts_with(&said), "{again:?}");

    let killed = Command::new("kill").arg(service.child.id().to_string()).status().expect("kill runs");
    assert!(killed.success());
    service.hear("STOPPING=1");
    assert_eq!(service.child.wait().expect("ends").code(), Some(0));
}

#[test]
fn what_is_packaged_agrees_with_the_program() {
    let read = |file: &str| {
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("systemd").join(file))
            .expect("a packaged file")
    };
    let unit = read("arenad@.service");
    for wanted in [
        "Type=notify".to_owned(),
        "RestartPreventExitStatus=2".to_owned(),
        format!("LimitRTPRIO={}", arenad::config::REALTIME_PRIORITY_MAX),
    ] {
        assert!(unit.lines().any(|line| line == wanted), "{wanted}");
    }
    let manual = read("arenad.1");
    let help = program::arenad(["--help"]).well();
    let commands = help.split("Commands:").nth(1).and_then(|rest| rest.split("Options:").next()).expect("commands");
    let named: Vec<_> = commands
        .lines()
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|word| *word != "help")
        .collect();
    assert!(named.len() >= 8, "{named:?}");
    for command in named {
        let told = [format!(".B {command}"), format!(".BI {command} ")];
        assert!(manual.lines().any(|line| told.iter().any(|start| line.starts_with(start))), "{command}");
    }
}
