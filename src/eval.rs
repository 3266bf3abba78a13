//! Poses against the truth: how well keypoints, animals and names fit. Figures only, no clock and no log; `labels` reads files.

mod labels;
mod oks;
mod rmse;

pub use labels::{LabelsError, Still, find_labels, read_labels, read_names};
pub use oks::{AveragePrecision, Oks};
pub use rmse::{Fit, pairs};

use crate::handover::Identity;
use crate::space::InCamera;

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
