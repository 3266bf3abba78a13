//! Poses against the truth: how well keypoints, animals and names fit. Figures only, no clock and no log; `labels`, `layout`
//! and `film` read files.

mod figures;
mod film;
mod fit;
mod jumps;
mod labels;
mod layout;
#[cfg(test)]
mod made;
mod names;
mod oks;
mod pairing;
mod plot;
mod points;
mod rmse;
mod setting;
mod swaps;
mod tracking;

pub use figures::{Evaluation, Figures, KindFigures, Part, Parts, evaluate};
pub use film::{Film, FilmFrame, GivenPoint, GivenPose, Name, Oddities, Who};
pub use jumps::Jumps;
pub use labels::{LabelsError, Still, find_labels, read_labels, read_names};
pub use names::{Bin, Calibration, LASTING_S, Mistake, Tally, Verdict};
pub use oks::{AveragePrecision, Oks};
pub use plot::plot;
pub use points::Points;
pub use rmse::{Fit, pairs};
pub use swaps::Exits;
pub use tracking::{Clear, Tracking};

use crate::export::ExportError;
use crate::handover::Identity;
use crate::space::InCamera;
use std::path::PathBuf;

/// Why a film could not be judged.
#[derive(Debug, thiserror::Error)]
pub enum EvalError {
    /// A file could not be read.
    #[error("{path}: {source}; give a file that can be read", path = path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// The system's words.
        source: std::io::Error,
    },
    /// A file is not as it must be.
    #[error("{path}: {what}", path = path.display())]
    Content {
        /// Which.
        path: PathBuf,
        /// What was got, what is allowed.
        what: String,
    },
    /// Recorded files could not be read.
    #[error(transparent)]
    Recorded(#[from] ExportError),
    /// Distances are told in body lengths.
    #[error(
        "truth: never knows two body parts of an animal in view; a body length is needed; give a truth that has some"
    )]
    NoScale,
}

/// Where one keypoint truly is. Pixels of whatever space the poses beside it are in.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum TruePoint {
    /// Nobody knows.
    Unknown,
    /// Something hides it; its place is known.
    Covered(InCamera),
    /// The camera sees it.
    Seen(InCamera),
}

impl TruePoint {
    /// Its place, covered or not.
    pub fn place(self) -> Option<InCamera> {
        match self {
            Self::Unknown => None,
            Self::Covered(at) | Self::Seen(at) => Some(at),
        }
    }

    /// Its place, if the camera sees it.
    pub fn seen(self) -> Option<InCamera> {
        match self {
            Self::Seen(at) => Some(at),
            Self::Unknown | Self::Covered(_) => None,
        }
    }
}

/// One animal of one frame as it truly is.
#[derive(Clone, Debug, PartialEq)]
pub struct TrueAnimal {
    /// Who it is, where that is known.
    pub identity: Option<Identity>,
    /// Its keypoints, in the model's order.
    pub points: Vec<TruePoint>,
}

impl TrueAnimal {
    /// How many keypoints the camera sees.
    pub fn seen(&self) -> usize {
        self.points.iter().filter(|point| point.seen().is_some()).count()
    }

    /// Enough of it is in view for a model to be asked for it: a quarter of its known keypoints.
    pub fn counts(&self) -> bool {
        let known = self.points.iter().filter(|point| point.place().is_some()).count();
        self.seen() > 0 && self.seen() * 4 >= known
    }
}
