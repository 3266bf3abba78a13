//! The pictures that `arenad model verify` runs the model on: rendered arenas of seeds that nobody trained on, and people's labels.

use arenad::decode::Decode;
use arenad::eval::{self, LabelsError, Still, TrueAnimal, TruePoint};
use arenad::handover::{Colour, Frame, Identity, PictureSize, PixelFormat};
use arenad::ledger::Ledger;
use arenad::model::Contract;
use arenad::rehearsal::{Arena, Dice, HEIGHT, IDENTITIES, KEYPOINTS, Look, Truth, Visibility, WIDTH};
use arenad::source::FileSource;
use arenad::space::InCamera;
use arenad::stamp::{Clock, Stamp};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where a picture comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    Rendered,
    Labelled,
}

impl Origin {
    pub(super) const ALL: [Self; 2] = [Self::Rendered, Self::Labelled];

    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Rendered => "rendered",
            Self::Labelled => "labelled",
        }
    }
}

/// One picture and what is truly in it.
pub(super) struct Picture {
    pub(super) frame: Frame,
    pub(super) origin: Origin,
    /// Camera pixels; `None` where nothing is known of this model's keypoints.
    pub(super) truth: Option<Vec<TrueAnimal>>,
}

/// All of them, one after the other.
pub(super) struct Pictures {
    rendered: Rendered,
    stills: std::vec::IntoIter<Still>,
}

/// Frames of one arena; then another look is drawn.
const FRAMES_PER_LOOK: u32 = 4;

struct Rendered {
    names: Names,
    seed: u64,
    frames: u32,
    done: u32,
    dice: Dice,
    arena: Option<Arena>,
}

/// The rehearsal's animals in the model's words.
struct Names {
    /// For each of the model's keypoints, the rehearsal's.
    keypoints: Vec<Option<usize>>,
    /// For each of the rehearsal's identities, the model's.
    identities: Vec<Option<Identity>>,
}

impl Pictures {
    pub(super) fn new(contract: &Contract, frames: u32, seed: u64, labels: &[PathBuf]) -> Result<Self, LabelsError> {
        let written = &contract.written;
        let identities: Vec<_> = written.identities.iter().map(|identity| identity.name.clone()).collect();
        let mut stills = Vec::new();
        for folder in labels {
            for table in eval::find_labels(folder)? {
                stills.extend(eval::read_labels(&table, &written.keypoints, &identities)?);
            }
        }
        let keypoint = |name: &String| KEYPOINTS.iter().position(|keypoint| keypoint == name);
        let names = Names {
            keypoints: written.keypoints.iter().map(keypoint).collect(),
            identities: IDENTITIES.iter().map(|name| contract.identity(name)).collect(),
        };
        let rendered = Rendered { names, seed, frames, done: 0, dice: Dice::new(seed, 0), arena: None };
        Ok(Self { rendered, stills: stills.into_iter() })
    }

    /// How many are left.
    pub(super) fn len(&self) -> u64 {
        u64::from(self.rendered.frames - self.rendered.done) + self.stills.len() as u64
    }

    /// The next one.
    pub(super) fn next(&mut self) -> Result<Option<Picture>, String> {
        if let Some(picture) = self.rendered.next() {
            return Ok(Some(picture));
        }
        let Some(still) = self.stills.next() else { return Ok(None) };
        let frame = open(&still.picture)?;
        Ok(Some(Picture { frame, origin: Origin::Labelled, truth: Some(still.animals) }))
    }
}

impl Rendered {
    fn next(&mut self) -> Option<Picture> {
        if self.done == self.frames {
            return None;
        }
        let group = u64::from(self.done / FRAMES_PER_LOOK);
        if self.done.is_multiple_of(FRAMES_PER_LOOK) {
            self.arena = None;
        }
        self.done += 1;
        let (seed, dice) = (self.seed, &mut self.dice);
        let arena = self.arena.get_or_insert_with(|| {
            *dice = Dice::new(seed, group);
            Arena::with(seed ^ (group << 32), Look::random(dice), 30.0, &[0, 1, 2, 3])
        });
        for _ in 0..15 + dice.below(60) {
            arena.step();
        }
        let mut rgb = vec![0; WIDTH * HEIGHT * 3];
        arena.render(&mut rgb);
        let size = PictureSize { width: WIDTH as u32, height: HEIGHT as u32 };
        let frame = Frame::unpooled(PixelFormat::Rgb, size, Colour::default(), Stamp::default(), &rgb)?;
        Some(Picture { frame, origin: Origin::Rendered, truth: self.names.truth(&arena.truth()) })
    }
}

impl Names {
    fn truth(&self, truth: &Truth) -> Option<Vec<TrueAnimal>> {
        self.keypoints.iter().any(Option::is_some).then_some(())?;
        let in_view = truth.animals.iter().filter(|animal| !animal.hidden);
        let animal = |animal: &arenad::rehearsal::TrueAnimal| TrueAnimal {
            identity: self.identities.get(animal.identity).copied().flatten(),
            points: self
                .keypoints
                .iter()
                .map(|keypoint| keypoint.map_or(TruePoint::Unknown, |k| point(animal, k)))
                .collect(),
        };
        Some(in_view.map(animal).collect())
    }
}

fn point(animal: &arenad::rehearsal::TrueAnimal, keypoint: usize) -> TruePoint {
    let point = animal.points[keypoint];
    let at = InCamera { x: point.x, y: point.y };
    match point.visibility {
        Visibility::Seen => TruePoint::Seen(at),
        Visibility::Covered | Visibility::Hidden => TruePoint::Covered(at),
    }
}

/// One picture from a file, as the line decodes it.
pub(in crate::commands) fn open(file: &Path) -> Result<Frame, String> {
    let said = |error: String| format!("picture {}: {error}", file.display());
    let mut decode = Decode::new(1, Arc::new(Ledger::default()), Clock::new());
    let mut shown = None;
    for unit in FileSource::open(file).map_err(|error| error.to_string())? {
        let unit = unit.map_err(|error| error.to_string())?;
        decode.decode(&unit, &mut |frame| shown = Some(frame)).map_err(|error| said(error.to_string()))?;
    }
    shown.ok_or_else(|| said("holds no picture; allowed: a .png or .jpg file".to_owned()))
}
