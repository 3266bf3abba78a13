//! What the operator wrote in `arenad.toml`, checked and turned into what is meant.
//!
//! These are the meant values; `written` reads the file, refuses unknown keys and collects every complaint.

mod camera;
mod decoding;
mod gpio;
mod harvest;
mod process;
pub mod providers;
mod section;
mod written;

pub use camera::{Camera, CameraAt, DeviceCamera, NetworkCamera, Patience, PixelsChoice, Setting, Transport};
pub use decoding::{DecodeEngine, Decoding};
pub use gpio::{Gpio, GpioLine};
pub use harvest::{Doubts, Harvest};
pub use process::{Process, REALTIME_PRIORITY_MAX};
pub use providers::Provider;
pub use written::{Complaint, ConfigError, MAX_RULES, Secrets};

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Everything one daemon needs.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Name of the arena: letters, digits, `-` and `_`; part of topics and folder names.
    pub arena: String,
    /// Where pictures come from.
    pub camera: Camera,
    /// What decodes pictures.
    pub decode: Decoding,
    /// What finds the animals.
    pub model: Model,
    /// The tracker.
    pub tracker: Tracker,
    /// Named parts of the picture.
    pub zones: Vec<ZoneArea>,
    /// What an animal's act sets off.
    pub rules: Vec<Rule>,
    /// The output that rules drive; without it they drive nothing and are told and timed all the same.
    pub gpio: Option<Gpio>,
    /// Messages, if wanted.
    pub mqtt: Option<Mqtt>,
    /// Rolling files, if wanted.
    pub files: Option<Files>,
    /// The live page, if wanted.
    pub web: Option<Web>,
    /// Doubtful frames kept for labelling, if wanted.
    pub harvest: Option<Harvest>,
    /// How the system runs the daemon's threads.
    pub process: Process,
}

/// User name and password. Debug output hides the password.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    /// User name.
    pub user: String,
    /// Password.
    pub password: String,
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Login").field("user", &self.user).field("password", &"(hidden)").finish()
    }
}

/// What finds the animals.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    /// The model's folder; `None` is the bundled one.
    pub folder: Option<PathBuf>,
    /// What runs it.
    pub engine: EngineChoice,
    /// Which of its files.
    pub precision: PrecisionChoice,
    /// Threads of a CPU engine.
    pub threads: usize,
    /// One frame in so many is looked at whole, those between through a window around the animals; 1: every frame is whole.
    pub full_frame_every: u32,
    /// ONNX Runtime's library file; `None` looks in the usual places.
    pub library: Option<PathBuf>,
    /// What ONNX Runtime runs it on, in this order.
    pub providers: Vec<Provider>,
    /// The folder of TensorRT's libraries; `None` leaves it to the loader.
    pub tensorrt_folder: Option<PathBuf>,
    /// Where engines that TensorRT built are kept.
    pub engine_cache: PathBuf,
    /// What fills the model's input.
    pub preprocess: PreprocessChoice,
    /// The DLA core to which TensorRT gives the layers that it can take; `None`: the GPU runs all.
    pub dla: Option<u32>,
    /// The arena's own coats, as `arenad enrol` wrote them; `None` takes those of the model.
    pub coats: Option<PathBuf>,
}

impl Default for Model {
    fn default() -> Self {
        Self {
            folder: None,
            engine: EngineChoice::Auto,
            precision: PrecisionChoice::Auto,
            threads: 2,
            full_frame_every: 1,
            library: None,
            providers: vec![Provider::Cpu],
            tensorrt_folder: None,
            engine_cache: PathBuf::from("/var/cache/arenad"),
            preprocess: PreprocessChoice::Auto,
            dla: None,
            coats: None,
        }
    }
}

/// Which file of the model is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PrecisionChoice {
    /// `u8` with ONNX Runtime and `int8` with TensorRT where the model has it, else `fp32`.
    Auto,
    /// The 32-bit floating point file.
    Fp32,
    /// The 32-bit file, computed with 16 bits where that is faster; TensorRT before 11.
    Fp16,
    /// The signed 8-bit file.
    Int8,
    /// The file with unsigned 8-bit activations.
    U8,
}

impl PrecisionChoice {
    /// Each with its word.
    pub const WORDS: [(&'static str, Self); 5] =
        [("auto", Self::Auto), ("fp32", Self::Fp32), ("fp16", Self::Fp16), ("int8", Self::Int8), ("u8", Self::U8)];
}

/// What fills the model's input from a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PreprocessChoice {
    /// The GPU where the engine is TensorRT and the frame is NV12 or I420, else the CPU.
    Auto,
    /// The CPU, always.
    Cpu,
}

impl PreprocessChoice {
    /// Each with its word.
    pub const WORDS: [(&'static str, Self); 2] = [("auto", Self::Auto), ("cpu", Self::Cpu)];
}

/// What runs the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EngineChoice {
    /// ONNX Runtime where its library is found, else the built-in engine.
    Auto,
    /// The pure-Rust engine.
    BuiltIn,
    /// ONNX Runtime; an error where its library is not found.
    OnnxRuntime,
    /// TensorRT on an NVIDIA GPU; an error where it cannot be used, never another engine.
    TensorRt,
}

/// The tracker's settings.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tracker {
    /// Poses below this score are not tracked, 0 to 1.
    pub score_min: f32,
    /// Keypoints below this score are missing, 0 to 1.
    pub keypoint_score_min: f32,
    /// A track without a pose is predicted for this long, then its animal is hidden.
    pub coast: Duration,
    /// A missing keypoint of an animal that is seen is predicted for this long.
    pub hold: Duration,
    /// Below this probability a name is withheld, 0 to 1.
    pub name_min: f32,
    /// A frame is settled this long after it, with what came meanwhile; 0 settles at once.
    pub settle: Duration,
    /// Two animals touch when body parts of theirs are nearer than this, body sizes (see `track`) ...
    pub contact_size: f32,
    /// ... for at least this long; they part as slowly.
    pub contact: Duration,
}

impl Default for Tracker {
    fn default() -> Self {
        Self {
            score_min: 0.3,
            keypoint_score_min: 0.5,
            coast: Duration::from_millis(400),
            hold: Duration::from_millis(300),
            name_min: 0.8,
            settle: Duration::from_secs(3),
            contact_size: 0.4,
            contact: Duration::from_millis(200),
        }
    }
}

/// A named polygon of the picture.
#[derive(Clone, Debug, PartialEq)]
pub struct ZoneArea {
    /// Its name, as on the wire.
    pub name: String,
    /// Animals may vanish here.
    pub sheltered: bool,
    /// Corners in camera pixels, at least three, finite.
    pub corners: Vec<(f32, f32)>,
}

/// An identity's keypoint enters a zone: a pulse and an event.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// Its name, as on the wire.
    pub name: String,
    /// The identity's name in the model; `None` is any identity.
    pub identity: Option<String>,
    /// The keypoint's name in the model.
    pub keypoint: String,
    /// The zone's name.
    pub zone: String,
    /// The name must be at least this sure, 0 to 1.
    pub p_min: f32,
    /// The keypoint must be at least this sure, 0 to 1.
    pub score_min: f32,
    /// How long the pin is set.
    pub pulse: Duration,
    /// Not again before this long after the last pulse began.
    pub rest: Duration,
}

/// Messages.
#[derive(Clone, Debug, PartialEq)]
pub struct Mqtt {
    /// Broker host name or address.
    pub host: String,
    /// Broker port.
    pub port: u16,
    /// MQTT 5 or 3.1.1.
    pub version: MqttVersion,
    /// User name and password, read from files.
    pub login: Option<Login>,
    /// TLS; `None` is plain TCP.
    pub tls: Option<Tls>,
    /// How payloads are written.
    pub encoding: Encoding,
    /// Messages that wait while the broker is away; beyond it the oldest scenes are dropped and counted.
    pub queue: usize,
}

/// Protocol version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MqttVersion {
    /// MQTT 5.0.
    V5,
    /// MQTT 3.1.1.
    V311,
}

/// TLS towards the broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// Certificate authority, PEM; `None` trusts the system's.
    pub ca_file: Option<PathBuf>,
    /// Client certificate and key, PEM, for mutual TLS.
    pub client: Option<(PathBuf, PathBuf)>,
}

/// How payloads are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// JSON.
    Json,
    /// MessagePack with the same field names.
    MessagePack,
}

/// Rolling files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Files {
    /// Folder; `<folder>/<arena>/<date>/<time>.parquet` is written.
    pub folder: PathBuf,
    /// A file is finished after this long.
    pub rotate_after: Duration,
    /// A file is finished at this size of its open form.
    pub rotate_bytes: u64,
    /// Rows are on the disk at most this long after their frame.
    pub flush_every: Duration,
}

/// The live page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Web {
    /// Address and port; loopback unless the operator says otherwise.
    pub listen: SocketAddr,
    /// Most pictures a second sent to one viewer.
    pub pictures_hz: u32,
}
