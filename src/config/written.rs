//! From the text of `arenad.toml` to what is meant, with every complaint at once.

use super::section::Section;
use super::*;
use std::path::Path;

/// One thing wrong in the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Complaint {
    /// Which key, from the top: `camera.stall_ms`, `zone[2].name`.
    pub key: String,
    /// What was got, what is allowed, what to do.
    pub what: String,
}

impl std::fmt::Display for Complaint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.key, self.what)
    }
}

/// The configuration is wrong: the daemon must not start, and a restart does not help.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The file could not be read.
    #[error("configuration {file}: {what}; give the path of a readable TOML file (see systemd/arenad.toml)")]
    Read {
        /// Which file.
        file: String,
        /// The system's words.
        what: String,
    },
    /// Not TOML.
    #[error("configuration: not valid TOML: {0}")]
    Syntax(String),
    /// All that is wrong with its values.
    #[error("configuration: {} thing(s) to mend\n{}", .0.len(), .0.iter().map(|c| format!("  {c}")).collect::<Vec<_>>().join("\n"))]
    Values(Vec<Complaint>),
}

/// Where secrets named in the configuration are found: files, and systemd's credentials folder where there is one.
#[derive(Clone, Debug, Default)]
pub struct Secrets {
    /// `$CREDENTIALS_DIRECTORY`, which systemd sets for `LoadCredential=`.
    pub credentials: Option<PathBuf>,
}

impl Config {
    /// Reads, checks and means `file`.
    pub fn read_file(file: &Path, secrets: &Secrets) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(file)
            .map_err(|error| ConfigError::Read { file: file.display().to_string(), what: error.to_string() })?;
        Self::read(&text, secrets)
    }

    /// Checks and means the text of a configuration.
    pub fn read(text: &str, secrets: &Secrets) -> Result<Self, ConfigError> {
        let table: toml::Table = text
            .parse()
            .map_err(|error: toml::de::Error| ConfigError::Syntax(error.to_string().trim().replace('\n', "\n  ")))?;
        let mut complaints = Vec::new();
        let config = read_all(Section::new("", table, &mut complaints), secrets);
        match config {
            Some(config) if complaints.is_empty() => Ok(config),
            _ => Err(ConfigError::Values(complaints)),
        }
    }
}

fn read_all(mut top: Section<'_>, secrets: &Secrets) -> Option<Config> {
    let arena = top.required_text("arena", "\"a1\"").and_then(|arena| checked_name(&mut top, "arena", arena));
    let camera = top.section("camera", |section| camera::read(section, secrets));
    if camera.is_none() {
        top.complain("camera", "is missing; write a table [camera] with its url or device");
    }
    let decode = top.section("decode", decoding::read).unwrap_or_default();
    let model = top.section("model", read_model).unwrap_or_default();
    let tracker = top.section("tracker", read_tracker).unwrap_or_default();
    let zones: Vec<_> = top.list("zone", crate::handover::MAX_ZONES, read_zone).into_iter().flatten().collect();
    let rules: Vec<_> = top.list("rule", MAX_RULES, read_rule).into_iter().flatten().collect();
    check_zones(&mut top, &zones, &rules);
    let gpio = top.section("gpio", gpio::read).flatten();
    gpio::check(&mut top, gpio.as_ref(), &rules);
    let mqtt = top.section("mqtt", |section| read_mqtt(section, secrets)).flatten();
    let files = top.section("files", read_files).flatten();
    let web = top.section("web", read_web).flatten();
    let harvest = top.section("harvest", harvest::read).flatten();
    let process = top.section("process", process::read).unwrap_or_default();
    top.finish();
    Some(Config {
        arena: arena?,
        camera: camera??,
        decode,
        model,
        tracker,
        zones,
        rules,
        gpio,
        mqtt,
        files,
        web,
        harvest,
        process,
    })
}

/// Most rules of one arena.
pub const MAX_RULES: usize = 16;
/// Longest run of windows: at 25 frames a second an animal that comes into view is found within 40 s.
pub const FULL_FRAME_EVERY_MAX: u32 = 1000;
/// The highest number of a DLA core; boards have one or two, and the board itself says how many.
const DLA_MAX: u64 = 7;

/// Names become topics and folders, so they keep to letters, digits, `-` and `_`.
fn checked_name(section: &mut Section<'_>, key: &'static str, name: String) -> Option<String> {
    let fine = name.len() <= 64 && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
    if !fine {
        section.complain(key, format!("got {name:?}; allowed: 1 to 64 letters, digits, - and _"));
    }
    fine.then_some(name)
}

/// `user` with `password_file` or `password_credential`.
pub(super) fn read_login(section: &mut Section<'_>, secrets: &Secrets) -> Option<Login> {
    let user = section.text("user");
    let file = section.path("password_file");
    let credential = section.text("password_credential");
    let file = match (file, credential) {
        (Some(_), Some(_)) => {
            section.complain("password_credential", "stands beside password_file; keep one of them");
            return None;
        }
        (Some(file), None) => Some(file),
        (None, Some(name)) => match &secrets.credentials {
            Some(folder) if checked_name(section, "password_credential", name.replace('.', "-")).is_some() => {
                Some(folder.join(name))
            }
            Some(_) => return None,
            None => {
                section.complain("password_credential", "needs systemd's LoadCredential=; use password_file elsewhere");
                return None;
            }
        },
        (None, None) => None,
    };
    match (user, file) {
        (None, None) => None,
        (None, Some(_)) => {
            section.complain("user", "is missing beside the password; write user = \"…\"");
            None
        }
        (Some(_), None) => {
            section.complain("password_file", "is missing beside user; name a file that holds the password alone");
            None
        }
        (Some(user), Some(file)) => match std::fs::read_to_string(&file) {
            Ok(password) => {
                let password = password.trim_end_matches(['\r', '\n']).to_owned();
                if password.is_empty() {
                    section.complain("password_file", format!("{}: is empty; {WRITE_PASSWORD}", file.display()));
                    return None;
                }
                Some(Login { user, password })
            }
            Err(error) => {
                section.complain("password_file", format!("{}: {error}; name a readable file", file.display()));
                None
            }
        },
    }
}

/// What to do about a password file without a password; as a credential it is the unit's stand-in for a file that is not there.
const WRITE_PASSWORD: &str = "write the password alone into it (under arenad@ARENA: /etc/arenad/ARENA.camera.password or \
                              .mqtt.password), or leave user out";

fn read_model(mut section: Section<'_>) -> Model {
    let folder = section.path("folder");
    let engine = section.choice(
        "engine",
        EngineChoice::Auto,
        &[
            ("auto", EngineChoice::Auto),
            ("built-in", EngineChoice::BuiltIn),
            ("onnxruntime", EngineChoice::OnnxRuntime),
            ("tensorrt", EngineChoice::TensorRt),
        ],
    );
    let precision = section.choice("precision", PrecisionChoice::Auto, &PrecisionChoice::WORDS);
    let threads = section.whole("threads", Model::default().threads as u64, 1..=64) as usize;
    let full_frame_every = section.whole("full_frame_every", 1, 1..=FULL_FRAME_EVERY_MAX.into()) as u32;
    let library = section.path("onnxruntime_library");
    let providers = section.texts("onnxruntime_providers").map(|words| Provider::list(&words));
    if providers.is_some() && engine != EngineChoice::OnnxRuntime {
        section.complain("onnxruntime_providers", "goes with engine = \"onnxruntime\"; write both or leave it out");
    }
    let providers = match providers.unwrap_or_else(|| Ok(Model::default().providers)) {
        Ok(providers) => providers,
        Err(what) => {
            section.complain("onnxruntime_providers", what);
            Vec::new()
        }
    };
    let tensorrt_folder = section.path("tensorrt_folder");
    let engine_cache = section.path("engine_cache").unwrap_or_else(|| Model::default().engine_cache);
    let preprocess = section.choice("preprocess", PreprocessChoice::Auto, &PreprocessChoice::WORDS);
    let dla = section.some_whole("dla", 0..=DLA_MAX).map(|core| core as u32);
    if dla.is_some() && engine != EngineChoice::TensorRt {
        section.complain("dla", "goes with engine = \"tensorrt\"; write both or leave it out");
    }
    let coats = section.path("coats");
    section.finish();
    Model {
        folder,
        engine,
        precision,
        threads,
        full_frame_every,
        library,
        providers,
        tensorrt_folder,
        engine_cache,
        preprocess,
        dla,
        coats,
    }
}

fn read_tracker(mut section: Section<'_>) -> Tracker {
    let default = Tracker::default();
    let tracker = Tracker {
        score_min: section.share("score_min", default.score_min),
        keypoint_score_min: section.share("keypoint_score_min", default.keypoint_score_min),
        coast: section.millis("coast_ms", default.coast.as_millis() as u64, 0..=10_000),
        hold: section.millis("hold_ms", default.hold.as_millis() as u64, 0..=10_000),
        name_min: section.share("name_min", default.name_min),
        settle: section.millis("settle_ms", default.settle.as_millis() as u64, 0..=10_000),
        contact_size: section.decimal("contact_size", default.contact_size, 0.0..=10.0),
        contact: section.millis("contact_ms", default.contact.as_millis() as u64, 0..=10_000),
    };
    section.finish();
    tracker
}

fn read_zone(mut section: Section<'_>) -> Option<ZoneArea> {
    let name = section.required_text("name", "\"Shelter\"").and_then(|name| checked_name(&mut section, "name", name));
    let sheltered = section.truth("sheltered", false);
    let corners = section.corners("corners_px");
    section.finish();
    Some(ZoneArea { name: name?, sheltered, corners })
}

fn read_rule(mut section: Section<'_>) -> Option<Rule> {
    let name = section.required_text("name", "\"reward\"").and_then(|name| checked_name(&mut section, "name", name));
    let identity = section.text("identity");
    let keypoint = section.required_text("keypoint", "\"nose\"");
    let zone = section.required_text("zone", "\"Feeder1\"");
    let p_min = section.share("p_min", 0.9);
    let score_min = section.share("score_min", 0.5);
    let pulse = section.millis("pulse_ms", 50, 1..=10_000);
    let rest = section.millis("rest_ms", 1000, 0..=3_600_000);
    if rest < pulse {
        section.complain("rest_ms", "is shorter than pulse_ms; allowed: at least pulse_ms");
    }
    section.finish();
    Some(Rule { name: name?, identity, keypoint: keypoint?, zone: zone?, p_min, score_min, pulse, rest })
}

fn check_zones(top: &mut Section<'_>, zones: &[ZoneArea], rules: &[Rule]) {
    for (index, zone) in zones.iter().enumerate() {
        if zones[..index].iter().any(|earlier| earlier.name == zone.name) {
            top.complain("zone", format!("the name {:?} stands twice; allowed: one zone a name", zone.name));
        }
    }
    let names: Vec<_> = zones.iter().map(|zone| zone.name.as_str()).collect();
    for rule in rules.iter().filter(|rule| !names.contains(&rule.zone.as_str())) {
        let allowed = if names.is_empty() { "none: write a [[zone]] first".to_owned() } else { names.join(", ") };
        top.complain("rule", format!("{:?} names the zone {:?}; allowed: {allowed}", rule.name, rule.zone));
    }
}

fn read_mqtt(mut section: Section<'_>, secrets: &Secrets) -> Option<Mqtt> {
    let host = section.required_text("host", "\"10.0.0.2\"");
    let login = read_login(&mut section, secrets);
    let tls = section.section("tls", read_tls).flatten();
    let port = section.whole("port", if tls.is_some() { 8883 } else { 1883 }, 1..=65_535) as u16;
    let version = section.choice("version", MqttVersion::V5, &[("5", MqttVersion::V5), ("3.1.1", MqttVersion::V311)]);
    let encoding =
        section.choice("encoding", Encoding::Json, &[("json", Encoding::Json), ("messagepack", Encoding::MessagePack)]);
    let queue = section.whole("queue", 1000, 1..=100_000) as usize;
    section.finish();
    Some(Mqtt { host: host?, port, version, login, tls, encoding, queue })
}

fn read_tls(mut section: Section<'_>) -> Option<Tls> {
    let ca_file = section.path("ca_file");
    let cert = section.path("client_cert_file");
    let key = section.path("client_key_file");
    let client = match (cert, key) {
        (Some(cert), Some(key)) => Some((cert, key)),
        (None, None) => None,
        _ => {
            section.complain("client_key_file", "goes with client_cert_file; write both or neither");
            None
        }
    };
    section.finish();
    Some(Tls { ca_file, client })
}

fn read_files(mut section: Section<'_>) -> Option<Files> {
    let folder = section.required_text("folder", "\"/var/lib/arenad\"").map(PathBuf::from);
    let rotate_after = section.millis("rotate_after_ms", 3_600_000, 1000..=86_400_000);
    let rotate_bytes = section.whole("rotate_bytes", 1 << 30, 1 << 16..=1 << 40);
    let flush_every = section.millis("flush_every_ms", 500, 10..=900);
    section.finish();
    Some(Files { folder: folder?, rotate_after, rotate_bytes, flush_every })
}

fn read_web(mut section: Section<'_>) -> Option<Web> {
    let text = section.text("listen").unwrap_or_else(|| "127.0.0.1:8080".to_owned());
    let listen = text.parse::<SocketAddr>();
    if listen.is_err() {
        section.complain("listen", format!("got {text:?}; allowed: address:port, for example \"127.0.0.1:8080\""));
    }
    let pictures_hz = section.whole("pictures_hz", 15, 1..=60) as u32;
    section.finish();
    Some(Web { listen: listen.ok()?, pictures_hz })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEAST: &str = "arena = \"a1\"\n[camera]\nurl = \"rtsp://10.0.0.20/stream\"\n";

    /// The complaints of `text`, one a line.
    fn complaints(text: &str) -> Vec<String> {
        match Config::read(text, &Secrets::default()) {
            Err(ConfigError::Values(complaints)) => complaints.iter().map(ToString::to_string).collect(),
            other => panic!("expected complaints, got {other:?}"),
        }
    }

    #[test]
    fn the_shortest_configuration_is_enough() {
        let config = Config::read(LEAST, &Secrets::default()).expect("valid");
        let camera = Camera::on_network("rtsp://10.0.0.20/stream".parse().expect("an address"));
        assert_eq!((config.arena.as_str(), config.camera), ("a1", camera));
        assert_eq!((config.mqtt, config.files, config.web, config.harvest), (None, None, None, None));
    }

    #[test]
    fn the_commented_example_parses_and_is_complete() {
        let text = include_str!("../../systemd/arenad.toml");
        let folder = tempfile::tempdir().expect("a folder");
        for name in ["camera.password", "mqtt.password"] {
            std::fs::write(folder.path().join(name), "secret\n").expect("written");
        }
        let secrets = Secrets { credentials: Some(folder.path().to_owned()) };
        let config = Config::read(text, &secrets).unwrap_or_else(|error| panic!("{error}"));
        let CameraAt::Network(camera) = config.camera.at else { panic!("a camera on the network") };
        assert_eq!(camera.login.as_ref().map(|login| login.password.as_str()), Some("secret"));
        assert!(config.mqtt.is_some() && config.files.is_some() && config.web.is_some());
        assert!(!config.zones.is_empty() && !config.rules.is_empty());
    }

    #[test]
    fn all_complaints_come_at_once() {
        let text = "arena = \"a 1\"\ncolour = 3\n[camera]\nurl = \"http://x\"\nstall_ms = 0\nstal_ms = 3\n[web]\nlisten = 80\n";
        assert_eq!(
            complaints(text),
            [
                "arena: got \"a 1\"; allowed: 1 to 64 letters, digits, - and _",
                "camera.url: got \"http://x\"; allowed: rtsp://host[:port]/path",
                "camera.stall_ms: got 0; allowed: a whole number from 200 to 60000",
                "camera.stal_ms: is not a key here; allowed: url, device, user, password_file, password_credential, transport, stall_ms, backoff_max_ms",
                "web.listen: got 80; allowed: text in quotes",
                "colour: is not a key here; allowed: arena, camera, decode, model, tracker, zone, rule, gpio, mqtt, files, web, harvest, process",
            ]
        );
    }

    #[test]
    fn each_bad_value_is_named_with_what_is_allowed() {
        for (extra, expected) in [
            (
                "[model]\nprecision = \"int4\"\n",
                "model.precision: got \"int4\"; allowed: \"auto\", \"fp32\", \"fp16\", \"int8\", \"u8\"",
            ),
            (
                "[model]\nengine = \"gpu\"\n",
                "model.engine: got \"gpu\"; allowed: \"auto\", \"built-in\", \"onnxruntime\", \"tensorrt\"",
            ),
            (
                "[model]\nfull_frame_every = 0\n",
                "model.full_frame_every: got 0; allowed: a whole number from 1 to 1000",
            ),
            (
                "[model]\nonnxruntime_providers = [\"cuda\"]\n",
                "model.onnxruntime_providers: goes with engine = \"onnxruntime\"; write both or leave it out",
            ),
            (
                "[model]\nengine = \"onnxruntime\"\nonnxruntime_providers = [\"gpu\"]\n",
                "model.onnxruntime_providers: got \"gpu\"; allowed: tensorrt, cuda and cpu, each once, the CPU last",
            ),
            ("[model]\npreprocess = \"gpu\"\n", "model.preprocess: got \"gpu\"; allowed: \"auto\", \"cpu\""),
            ("[model]\ndla = 0\n", "model.dla: goes with engine = \"tensorrt\"; write both or leave it out"),
            ("[model]\nengine = \"tensorrt\"\ndla = 8\n", "model.dla: got 8; allowed: a whole number from 0 to 7"),
            ("[model]\nthreads = 0\n", "model.threads: got 0; allowed: a whole number from 1 to 64"),
            ("[tracker]\nname_min = 1.5\n", "tracker.name_min: got 1.5; allowed: 0 to 1"),
            ("[tracker]\nhold_ms = 20000\n", "tracker.hold_ms: got 20000; allowed: a whole number from 0 to 10000"),
            ("[tracker]\nsettle_ms = 10001\n", "tracker.settle_ms: got 10001; allowed: a whole number from 0 to 10000"),
            (
                "[process]\nrealtime_priority = 50\n",
                "process.realtime_priority: got 50; allowed: a whole number from 0 to 49",
            ),
            ("[mqtt]\nport = 1883\n", "mqtt.host: is missing; write for example host = \"10.0.0.2\""),
            ("[mqtt]\nhost = \"h\"\nversion = 5\n", "mqtt.version: got 5; allowed: \"5\", \"3.1.1\""),
            (
                "[files]\nflush_every_ms = 100\n",
                "files.folder: is missing; write for example folder = \"/var/lib/arenad\"",
            ),
            (
                "[[zone]]\nname = \"Open\"\ncorners_px = [[1, 2], [3, 4]]\n",
                "zone[0].corners_px: got a list of 2; allowed: at least three corners [x, y] in pixels, 64 at most",
            ),
            (
                "[[rule]]\nname = \"r\"\nkeypoint = \"nose\"\nzone = \"Z\"\n",
                "rule: \"r\" names the zone \"Z\"; allowed: none: write a [[zone]] first",
            ),
        ] {
            assert_eq!(complaints(&format!("{LEAST}{extra}")), [expected], "{extra}");
        }
    }

    #[test]
    fn a_password_in_the_url_is_refused_and_not_repeated() {
        let said = complaints("arena = \"a\"\n[camera]\nurl = \"rtsp://user:hunter2@10.0.0.20/s\"\n");
        assert_eq!(
            said,
            ["camera.url: holds a user name or password; write user = \"…\" and password_file = \"…\" instead"]
        );
        let said = complaints("arena = \"a\"\n[camera]\nurl = \"http://user:hunter2@10.0.0.20/s\"\n");
        assert!(!said.concat().contains("hunter2"), "{said:?}");
    }

    #[test]
    fn a_password_file_that_is_not_there_is_a_complaint() {
        let said = complaints(&format!("{LEAST}user = \"u\"\npassword_file = \"/nonexistent/p\"\n"));
        assert_eq!(
            said,
            ["camera.password_file: /nonexistent/p: No such file or directory (os error 2); name a readable file"]
        );
    }

    #[test]
    fn an_empty_password_is_a_complaint() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("camera.password"), "\n").expect("written");
        let secrets = Secrets { credentials: Some(folder.path().to_owned()) };
        let text = format!("{LEAST}user = \"u\"\npassword_credential = \"camera.password\"\n");
        let said = Config::read(&text, &secrets).expect_err("refused").to_string();
        assert!(
            said.contains("camera.password_file: ") && said.contains("camera.password: is empty; write the password"),
            "{said}"
        );
    }

    #[test]
    fn text_that_is_not_toml_says_where() {
        let error = Config::read("arena = \n", &Secrets::default()).expect_err("invalid").to_string();
        assert!(error.starts_with("configuration: not valid TOML: TOML parse error at line 1"), "{error}");
    }
}
