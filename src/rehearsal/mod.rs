//! Everything a camera is: renders an arena with known truth and serves it over RTSP. Never imported by the line.

mod arena;
mod body;
mod clutter;
mod dice;
mod film;
mod floor;
mod layout;
mod lens;
mod look;
mod mice;
mod mouse;
mod paths;
mod render;
mod scenes;
mod sensor;
mod stills;
mod tracks;
mod variety;

pub use arena::Arena;
pub use dice::Dice;
pub use look::{Look, Paint};
pub use sensor::i420_from_rgb;
pub use stills::write_stills;
pub use tracks::Tracks;

use std::path::PathBuf;

/// Picture width in pixels.
pub const WIDTH: usize = 640;
/// Picture height in pixels.
pub const HEIGHT: usize = 480;
/// The keypoints, in the order of [`TrueAnimal::points`]; left and right are the mouse's own.
pub const KEYPOINTS: [&str; 9] = ["nose", "L_ear", "R_ear", "L_flnk", "R_flnk", "cntr", "T_base", "T_mid", "T_end"];
/// The painted animals, the first ones of [`INDIVIDUALS`].
pub const IDENTITIES: [&str; 4] = ["R", "G", "B", "Y"];
/// Every animal that an arena can hold, in the order of [`TrueAnimal::identity`]: the painted ones, and some that wear no
/// paint and so cannot be told apart.
pub const INDIVIDUALS: [&str; 8] = ["R", "G", "B", "Y", "unmarked1", "unmarked2", "unmarked3", "unmarked4"];

/// How much of a keypoint the camera sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Visibility {
    /// In view.
    Seen,
    /// Another animal, a roof, the animal's own body or the picture's edge hides it; its place is still known.
    Covered,
    /// Its whole animal is out of view.
    Hidden,
}

/// The true place of one keypoint in camera pixels; the origin is the centre of the top left pixel.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TruePoint {
    /// Camera pixels rightwards.
    pub x: f32,
    /// Camera pixels downwards.
    pub y: f32,
    /// Whether the camera sees it.
    pub visibility: Visibility,
}

/// The truth about one animal in one frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TrueAnimal {
    /// Index into [`INDIVIDUALS`].
    pub identity: usize,
    /// No keypoint of it is in view.
    pub hidden: bool,
    /// In the order of [`KEYPOINTS`].
    pub points: [TruePoint; 9],
}

/// The truth about one frame: the animals that live in the arena, by identity.
#[derive(Clone, Debug, PartialEq)]
pub struct Truth {
    /// At most one of each of [`INDIVIDUALS`].
    pub animals: Vec<TrueAnimal>,
}

/// What can go wrong in the rehearsal.
#[derive(Debug, thiserror::Error)]
pub enum RehearsalError {
    /// A file or folder could not be read or written.
    #[error("{path}: {source}")]
    File {
        /// What was touched.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A picture could not be encoded.
    #[error("{path}: the picture could not be encoded: {reason}")]
    Picture {
        /// Where it should have gone.
        path: PathBuf,
        /// What the encoder said.
        reason: String,
    },
    /// A recorded track is not as it must be.
    #[error("{path}, line {line}, column {column}: {got}; {allowed}")]
    Track {
        /// The file.
        path: PathBuf,
        /// Counted from 1, the header being line 1.
        line: usize,
        /// The column's name.
        column: String,
        /// What stands there.
        got: String,
        /// What may stand there.
        allowed: String,
    },
}
pub mod broker;
pub mod camera;
pub mod encode;
pub mod labels;
pub mod video;
