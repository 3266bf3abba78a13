//! The section `[harvest]`: which doubtful frames are kept for labelling, how many and where.

use super::section::Section;
use crate::handover::MAX_ANIMALS;
use std::path::PathBuf;
use std::time::Duration;

/// Doubtful frames kept for labelling.
#[derive(Clone, Debug, PartialEq)]
pub struct Harvest {
    /// Folder; `<folder>/labeled-data/<arena>-<date>/` is written.
    pub folder: PathBuf,
    /// Most frames kept in all.
    pub frames_max: usize,
    /// Most bytes of their pictures in all.
    pub bytes_max: u64,
    /// Least time between two kept frames of one reason, capture time.
    pub spacing: Duration,
    /// Keypoints below this score are left out of the first labels, 0 to 1.
    pub label_score_min: f32,
    /// What makes a frame doubtful.
    pub doubts: Doubts,
}

/// What makes a frame doubtful.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Doubts {
    /// A seen animal whose keypoints' mean score is below this, 0 to 1; a missing keypoint counts as 0. 0 is never.
    pub score_min: f32,
    /// A seen animal whose best name is less probable than this, 0 to 1. 0 is never.
    pub identity_p_min: f32,
    /// A track changes its name.
    pub identity_change: bool,
    /// A name that went out live was settled otherwise.
    pub identity_revised: bool,
    /// So many animals or more are out of sight outside sheltered zones. 0 is never.
    pub missing_animals: usize,
    /// A keypoint moves further than this from one scene to the next, camera pixels. 0 is never.
    pub jump_px: f32,
}

impl Default for Harvest {
    fn default() -> Self {
        Self {
            folder: PathBuf::new(),
            frames_max: 400,
            bytes_max: 512 << 20,
            spacing: Duration::from_secs(60),
            label_score_min: 0.3,
            doubts: Doubts::default(),
        }
    }
}

impl Default for Doubts {
    fn default() -> Self {
        Self {
            score_min: 0.4,
            identity_p_min: 0.7,
            identity_change: true,
            identity_revised: true,
            missing_animals: 1,
            jump_px: 60.0,
        }
    }
}

/// Switched off it is read all the same: what is wrong in it is told before it is switched on.
pub(super) fn read(mut section: Section<'_>) -> Option<Harvest> {
    let default = Harvest::default();
    let enabled = section.truth("enabled", true);
    let folder = section.required_text("folder", "\"/var/lib/arenad/harvest\"").map(PathBuf::from);
    let frames_max = section.whole("frames_max", default.frames_max as u64, 1..=10_000) as usize;
    let mib_max = section.whole("mib_max", default.bytes_max >> 20, 1..=1 << 20);
    let spacing = Duration::from_secs(section.whole("spacing_s", default.spacing.as_secs(), 0..=86_400));
    let label_score_min = section.share("label_score_min", default.label_score_min);
    let doubts = Doubts {
        score_min: section.share("score_min", default.doubts.score_min),
        identity_p_min: section.share("identity_p_min", default.doubts.identity_p_min),
        identity_change: section.truth("identity_change", default.doubts.identity_change),
        identity_revised: section.truth("identity_revised", default.doubts.identity_revised),
        missing_animals: section.whole("missing_animals", default.doubts.missing_animals as u64, 0..=MAX_ANIMALS as u64)
            as usize,
        jump_px: section.decimal("jump_px", default.doubts.jump_px, 0.0..=10_000.0),
    };
    section.finish();
    let harvest = Harvest { folder: folder?, frames_max, bytes_max: mib_max << 20, spacing, label_score_min, doubts };
    enabled.then_some(harvest)
}

#[cfg(test)]
mod tests {
    use super::super::{Config, ConfigError, Secrets};
    use super::*;

    const LEAST: &str = "arena = \"a1\"\n[camera]\nurl = \"rtsp://10.0.0.20/stream\"\n";

    #[test]
    fn the_harvest_is_off_until_it_is_asked_for() {
        let read = |text: &str| Config::read(&format!("{LEAST}{text}"), &Secrets::default()).expect("valid").harvest;
        assert_eq!(read("[harvest]\nenabled = false\nfolder = \"h\"\n"), None);
        let least = read("[harvest]\nfolder = \"h\"\n");
        assert_eq!(least, Some(Harvest { folder: "h".into(), ..Harvest::default() }));
        let full = "[harvest]\nfolder = \"h\"\nframes_max = 9\nmib_max = 2\nspacing_s = 0\nlabel_score_min = 0\n\
                    score_min = 0.5\nidentity_p_min = 1\nidentity_change = false\nidentity_revised = false\nmissing_animals = 0\n\
                    jump_px = 12.5\n";
        let doubts = Doubts {
            score_min: 0.5,
            identity_p_min: 1.0,
            identity_change: false,
            identity_revised: false,
            missing_animals: 0,
            jump_px: 12.5,
        };
        let wanted = Harvest {
            folder: "h".into(),
            frames_max: 9,
            bytes_max: 2 << 20,
            spacing: Duration::ZERO,
            label_score_min: 0.0,
            doubts,
        };
        assert_eq!(read(full), Some(wanted));
    }

    #[test]
    fn everything_wrong_with_the_harvest_is_told_at_once() {
        let wrong = "[harvest]\nenabled = false\nframes_max = 0\nmib_max = -1\nspacing_s = 1.5\nscore_min = 2\n\
                     missing_animals = 9\njump_px = nan\nidentity_change = 1\nspacing_ms = 1\n";
        let Err(ConfigError::Values(told)) = Config::read(&format!("{LEAST}{wrong}"), &Secrets::default()) else {
            panic!("accepted")
        };
        assert_eq!(
            told.iter().map(ToString::to_string).collect::<Vec<_>>(),
            [
                "harvest.folder: is missing; write for example folder = \"/var/lib/arenad/harvest\"",
                "harvest.frames_max: got 0; allowed: a whole number from 1 to 10000",
                "harvest.mib_max: got -1; allowed: a whole number from 1 to 1048576",
                "harvest.spacing_s: got 1.5; allowed: a whole number from 0 to 86400",
                "harvest.score_min: got 2; allowed: 0 to 1",
                "harvest.identity_change: got 1; allowed: true or false",
                "harvest.missing_animals: got 9; allowed: a whole number from 0 to 8",
                "harvest.jump_px: got nan; allowed: 0 to 10000",
                "harvest.spacing_ms: is not a key here; allowed: enabled, folder, frames_max, mib_max, spacing_s, \
                 label_score_min, score_min, identity_p_min, identity_change, identity_revised, missing_animals, jump_px",
            ]
        );
    }
}
