//! How unsure the line was of a scene, and which scene is worth keeping for it. Pure: time is the stamp's.
//!
//! DeepLabCut calls such frames outliers and refines a network on them (Mathis et al. 2018, Nath et al. 2019); here they are
//! found while they happen, or some seconds later when names are settled. A further reason is a variant of `Reason` with its
//! word, a measure in `Watch::measure` and a threshold in `config::Doubts`.

use crate::config::{Doubts, ZoneArea};
use crate::handover::{Animal, Keypoint, MAX_ANIMALS, MAX_ZONES, Scene, Settled, State};
use crate::stamp::WallTime;
use heapless::Vec;
use std::time::Duration;

/// Why a frame is doubtful.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The keypoints of a seen animal have low scores.
    Scores,
    /// The best name of a seen animal is not probable.
    Identity,
    /// A track has another name than in the scene before.
    Renamed,
    /// Animals are out of sight where they cannot hide.
    Missing,
    /// A keypoint is further from where it was than an animal moves.
    Jump,
    /// A name that went out live was settled otherwise.
    Revised,
}

/// How many reasons there are.
const REASONS: usize = Reason::ALL.len();

impl Reason {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 6] = [Self::Scores, Self::Identity, Self::Renamed, Self::Missing, Self::Jump, Self::Revised];

    /// The word in `harvest.csv`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Scores => "scores",
            Self::Identity => "identity",
            Self::Renamed => "renamed",
            Self::Missing => "missing",
            Self::Jump => "jump",
            Self::Revised => "revised",
        }
    }
}

/// A reason with what was measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Doubt {
    /// Why.
    pub reason: Reason,
    /// What was measured: mean score, probability, probability, animals, pixels; three decimals.
    pub value: f32,
    /// How doubtful that is, comparable between reasons: 0 at the threshold to 1; four decimals.
    pub weight: f32,
}

impl Doubt {
    fn new(reason: Reason, value: f32, weight: f32) -> Self {
        // As they are written, so that a restart decides like the run before it.
        Self { reason, value: rounded(value, 1e3), weight: rounded(weight.clamp(0.0, 1.0), 1e4) }
    }
}

fn rounded(value: f32, scale: f32) -> f32 {
    (value * scale).round() / scale
}

/// Scenes further apart than this are not held against each other, nanoseconds.
const LONGEST_STEP_NS: i64 = 250_000_000;

/// Sees every scene and says which is worth keeping: for each reason at most one in `spacing`. Allocates nothing after `new`.
pub struct Watch {
    doubts: Doubts,
    spacing_ns: i64,
    keypoints: usize,
    identities: usize,
    sheltered: [bool; MAX_ZONES],
    /// The scene before.
    before: Vec<Animal, MAX_ANIMALS>,
    before_at: Option<WallTime>,
    /// When each reason was last given out.
    given: [Option<WallTime>; REASONS],
}

impl Watch {
    /// For a model with so many keypoints and identities.
    pub fn new(doubts: Doubts, spacing: Duration, keypoints: usize, identities: usize, zones: &[ZoneArea]) -> Self {
        let mut sheltered = [false; MAX_ZONES];
        sheltered.iter_mut().zip(zones).for_each(|(sheltered, zone)| *sheltered = zone.sheltered);
        Self {
            doubts,
            spacing_ns: i64::try_from(spacing.as_nanos()).unwrap_or(i64::MAX),
            keypoints,
            identities,
            sheltered,
            before: Vec::new(),
            before_at: None,
            given: [None; REASONS],
        }
    }

    /// The strongest doubt about this scene among the reasons that were not given out lately. A scene given out stands for all
    /// its reasons, so that one moment is not kept several times.
    pub fn look(&mut self, scene: &Scene) -> Option<Doubt> {
        let doubts = self.measure(scene);
        self.before.clone_from(&scene.animals);
        self.before_at = Some(scene.stamp.captured);
        self.strongest(&doubts, scene.stamp.captured)
    }

    /// The doubt that settling brings about a scene that went out seconds ago.
    pub fn look_back(&mut self, settled: &Settled) -> Option<Doubt> {
        let mut doubts = [None; REASONS];
        doubts[Reason::Revised as usize] = self.revised(settled);
        self.strongest(&doubts, settled.scene.stamp.captured)
    }

    fn strongest(&mut self, doubts: &[Option<Doubt>; REASONS], captured: WallTime) -> Option<Doubt> {
        let waits = |last: &Option<WallTime>| {
            last.is_some_and(|last| captured.nanos_since(last).unsigned_abs() < self.spacing_ns.unsigned_abs())
        };
        let free = doubts.iter().zip(&self.given).filter(|(_, last)| !waits(last)).filter_map(|(doubt, _)| *doubt);
        let strongest = free.reduce(|best, next| if next.weight > best.weight { next } else { best })?;
        for (last, _) in self.given.iter_mut().zip(doubts).filter(|(_, doubt)| doubt.is_some()) {
            *last = Some(captured);
        }
        Some(strongest)
    }

    /// In the order of `Reason::ALL`.
    fn measure(&self, scene: &Scene) -> [Option<Doubt>; REASONS] {
        Reason::ALL.map(|reason| match reason {
            Reason::Scores => self.scores(scene),
            Reason::Identity => self.identity(scene),
            Reason::Renamed => self.renamed(scene),
            Reason::Missing => self.missing(scene),
            Reason::Jump => self.jump(scene),
            // Not known yet.
            Reason::Revised => None,
        })
    }

    fn scores(&self, scene: &Scene) -> Option<Doubt> {
        let mean = |animal: &Animal| {
            let scores = seen_keypoints(animal).flatten().map(|keypoint| keypoint.score).sum::<f32>();
            scores / self.keypoints.max(1) as f32
        };
        below(Reason::Scores, seen(&scene.animals).map(mean), self.doubts.score_min)
    }

    fn identity(&self, scene: &Scene) -> Option<Doubt> {
        if self.identities == 0 {
            return None;
        }
        below(Reason::Identity, seen(&scene.animals).map(|animal| animal.p), self.doubts.identity_p_min)
    }

    /// One of the two names is wrong, so there is no greater doubt.
    fn renamed(&self, scene: &Scene) -> Option<Doubt> {
        if !self.doubts.identity_change {
            return None;
        }
        let renamed = self.followed(scene).find(|(then, now)| match (then.identity, now.identity) {
            (Some(then), Some(now)) => then != now,
            _ => false,
        });
        renamed.map(|(_, now)| Doubt::new(Reason::Renamed, now.p, 1.0))
    }

    /// The surer the settled name, the surer that the live one was wrong.
    fn revised(&self, settled: &Settled) -> Option<Doubt> {
        if !self.doubts.identity_revised {
            return None;
        }
        let pairs = settled.scene.animals.iter().zip(&settled.live);
        let revised = pairs.filter(|(animal, live)| {
            let named = animal.state == State::Seen && animal.identity.is_some();
            named && live.identity.is_some() && live.identity != animal.identity
        });
        let surest = revised.map(|(animal, _)| animal.p).reduce(f32::max)?;
        Some(Doubt::new(Reason::Revised, surest, surest))
    }

    /// A model without identities has one animal; where it vanished is not known.
    fn missing(&self, scene: &Scene) -> Option<Doubt> {
        let missing = if self.identities == 0 {
            usize::from(seen(&scene.animals).next().is_none() && !self.has_shelter())
        } else {
            scene.animals.iter().filter(|animal| self.is_missing(animal)).count()
        };
        let enough = self.doubts.missing_animals > 0 && missing >= self.doubts.missing_animals;
        enough.then(|| Doubt::new(Reason::Missing, missing as f32, missing as f32 / self.identities.max(1) as f32))
    }

    fn is_missing(&self, animal: &Animal) -> bool {
        let last = match animal.state {
            State::Seen => return false,
            State::Predicted => animal.zone,
            State::Hidden => animal.vanished.and_then(|vanished| vanished.zone),
            // Where it was before the start is not known either.
            State::Unseen => return !self.has_shelter(),
        };
        last.is_none_or(|zone| self.sheltered.get(usize::from(zone.0)) != Some(&true))
    }

    fn has_shelter(&self) -> bool {
        self.sheltered.contains(&true)
    }

    fn jump(&self, scene: &Scene) -> Option<Doubt> {
        let limit = self.doubts.jump_px;
        let of_track = |(then, now): (&Animal, &Animal)| {
            let pairs = seen_keypoints(then).zip(seen_keypoints(now));
            pairs.filter_map(|(a, b)| Some(a?.at.distance(b?.at))).fold(0.0, f32::max)
        };
        let furthest = self.followed(scene).map(of_track).fold(0.0, f32::max);
        (limit > 0.0 && furthest > limit).then(|| Doubt::new(Reason::Jump, furthest, 1.0 - limit / furthest))
    }

    /// Animals of tracks seen in the scene before and in this one.
    fn followed<'a>(&'a self, scene: &'a Scene) -> impl Iterator<Item = (&'a Animal, &'a Animal)> {
        let step = self.before_at.map_or(i64::MAX, |before| scene.stamp.captured.nanos_since(before));
        let near = (0..=LONGEST_STEP_NS).contains(&step);
        seen(&scene.animals).filter(move |_| near).filter_map(|now| {
            let then = seen(&self.before).find(|then| then.track.is_some() && then.track == now.track)?;
            Some((then, now))
        })
    }
}

fn seen(animals: &[Animal]) -> impl Iterator<Item = &Animal> {
    animals.iter().filter(|animal| animal.state == State::Seen)
}

/// Its keypoints; those that are only predicted are missing.
fn seen_keypoints(animal: &Animal) -> impl Iterator<Item = Option<Keypoint>> {
    let keypoints = animal.keypoints.iter().enumerate();
    keypoints.map(|(index, keypoint)| keypoint.filter(|_| !animal.predicted.contains(index)))
}

/// The lowest value, where it is below the threshold.
fn below(reason: Reason, values: impl Iterator<Item = f32>, threshold: f32) -> Option<Doubt> {
    let lowest = values.reduce(f32::min)?;
    (lowest < threshold).then(|| Doubt::new(reason, lowest, (threshold - lowest) / threshold))
}
