//! The fixed-lag smoother: each frame seen again with what the next seconds said, its names settled. Pure, as all of `track`.
//!
//! A ring holds what the tracker told of the last frames. A frame that is `settle` old is settled: what was believed up to it
//! (forward) and what came after it (backward, `later`) give one joint posterior, in which each identity stands at most once.
//! Each frame is settled exactly once and in order, whatever the gaps between frames.

mod followed;
mod later;
mod revised;

use super::identity::{self, Candidate};
use super::known::{Known, View};
use super::told::{Hearing, Sighting, Told};
use crate::config;
use crate::handover::{Animal, Gaps, Identity, LiveName, MAX_ANIMALS, Scene, Settled, TrackId};
use crate::stamp::{Elapsed, Stamp};
use crate::zones::Zones;
use followed::Followed;
use heapless::Vec;
use revised::Revised;
use std::collections::VecDeque;

/// Most frames that wait to be settled: a faster stream settles sooner.
pub const MOST_WAITING: usize = 512;
/// Most frames that are settled with one frame, after a jump in time.
const AT_ONCE: usize = 4;

/// A track this likely there needs no further look.
const PRESENT: f32 = 0.999;

/// A frame that waits.
#[derive(Clone, Debug)]
struct Waiting {
    at_ns: u64,
    stamp: Stamp,
    gaps: Gaps,
    told: Told,
    live: Vec<LiveAnimal, MAX_ANIMALS>,
}

/// An animal as the live scene had it.
#[derive(Clone, Copy, Debug)]
struct LiveAnimal {
    track: Option<TrackId>,
    identity: Option<Identity>,
    p: f32,
}

/// Settles frames. Allocates nothing after `new`.
#[derive(Clone, Debug)]
pub struct Settler {
    lag_ns: u64,
    coast_s: f64,
    name_min: f32,
    identities: usize,
    zones: Zones,
    elapsed: Elapsed,
    waiting: VecDeque<Waiting>,
    /// Time of the frame settled last.
    settled_ns: Option<u64>,
    known: Known,
    followed: Followed,
    revised: Revised,
}

impl Settler {
    /// A settler for the tracker that was made with the same values.
    pub fn new(config: config::Tracker, identities: usize, zones: Zones) -> Self {
        Self {
            lag_ns: u64::try_from(config.settle.as_nanos()).unwrap_or(u64::MAX),
            coast_s: config.coast.as_secs_f64(),
            name_min: config.name_min,
            identities: identities.min(MAX_ANIMALS),
            zones,
            elapsed: Elapsed::default(),
            waiting: VecDeque::with_capacity(MOST_WAITING),
            settled_ns: None,
            known: Known::default(),
            followed: Followed::default(),
            revised: Revised::default(),
        }
    }

    /// Takes a frame in, as it went out live and as the tracker told it, and gives the frames that are settled by it, oldest
    /// first: at most four, so that a jump in time costs no frame its turn.
    pub fn take(&mut self, scene: &Scene, told: &Told, give: &mut impl FnMut(Settled)) {
        self.elapsed.advance(scene.stamp.captured);
        let at_ns = u64::try_from(self.elapsed.total().as_nanos()).unwrap_or(u64::MAX);
        let live = |animal: &Animal| LiveAnimal { track: animal.track, identity: animal.identity, p: animal.p };
        self.waiting.push_back(Waiting {
            at_ns,
            stamp: scene.stamp,
            gaps: scene.gaps.clone(),
            told: told.clone(),
            live: scene.animals.iter().map(live).collect(),
        });
        for _ in 0..AT_ONCE {
            let due = self.waiting.front().is_some_and(|first| at_ns.saturating_sub(first.at_ns) >= self.lag_ns);
            if !due && self.waiting.len() < MOST_WAITING {
                break;
            }
            if let Some(settled) = self.settle() {
                give(settled);
            }
        }
    }

    /// Settles all frames that wait with what is there: at the end, or when no frame came for a while.
    pub fn finish(&mut self, give: &mut impl FnMut(Settled)) {
        while let Some(mut settled) = self.settle() {
            if self.waiting.is_empty() {
                self.revised.end(&mut settled);
            }
            give(settled);
        }
    }

    /// The oldest frame with all that came after it.
    fn settle(&mut self) -> Option<Settled> {
        let sightings = self.name(self.waiting.front()?);
        let first = self.waiting.pop_front()?;
        let step_ns = first.at_ns.saturating_sub(self.settled_ns.replace(first.at_ns).unwrap_or(first.at_ns));
        self.known.age(step_ns as f64 / 1e9);
        self.followed.advance(&first.told, first.at_ns);
        sightings.iter().for_each(|sighting| self.followed.note(sighting, first.at_ns));
        let view =
            View { zones: &self.zones, identities: self.identities, size: first.told.size, coast_s: self.coast_s };
        let scene = self.known.tell(&sightings, &view, first.stamp, &first.gaps);
        let live = scene.animals.iter().map(|animal| live_name(animal, &first.live)).collect();
        let mut settled = Settled { scene, live, events: Vec::new() };
        self.revised.look(&mut settled, &self.followed, first.at_ns);
        Some(settled)
    }

    /// The tracks of the oldest frame with their settled names and places.
    fn name(&self, first: &Waiting) -> Vec<Sighting, MAX_ANIMALS> {
        let later = later::later(self.waiting.iter().map(|frame| &frame.told), self.identities);
        let mut sightings: Vec<Sighting, MAX_ANIMALS> = Vec::new();
        let mut candidates: Vec<Candidate, MAX_ANIMALS> = Vec::new();
        for sighting in &first.told.sightings {
            let Some(hearing) = first.told.of(sighting.track) else { continue };
            let fate = self.fate(sighting, hearing);
            // One that is not seen again was out of sight already: its animal is hidden, and another track may have its name.
            if !fate.weighed || fate.gone {
                continue;
            }
            // A track that was too unsure to be shown is shown from its first pose on once it is sure enough.
            let mut sighting = Sighting { confirmed: sighting.confirmed || sighting.seen, ..*sighting };
            if let (false, Some(next)) = (sighting.seen, fate.seen) {
                self.followed.place_between(&mut sighting, first.at_ns, next);
            }
            let after = later.iter().find(|(track, _)| *track == sighting.track).map(|(_, after)| *after);
            let belief = hearing.belief.with(&after.unwrap_or_default(), self.identities);
            let name = self.followed.name(sighting.track);
            // There is room: a frame has no more tracks than that.
            let _ = candidates.push(Candidate { belief, present: fate.present, name });
            let _ = sightings.push(sighting);
        }
        let posterior = identity::posterior(&candidates, self.identities);
        let names = identity::names(&candidates, &posterior, self.identities, self.name_min);
        for (row, sighting) in sightings.iter_mut().enumerate() {
            let most = posterior[row].iter().copied().fold(0.0, f32::max);
            (sighting.name, sighting.shares) = (names[row], posterior[row]);
            sighting.p = names[row].map_or(most, |name| posterior[row][usize::from(name.0)]).clamp(0.0, 1.0);
        }
        sightings
    }

    /// What becomes of a track of the oldest frame.
    fn fate(&self, sighting: &Sighting, hearing: &Hearing) -> Fate<'_> {
        let mut fate = Fate { seen: None, weighed: hearing.weighed, present: hearing.present, gone: false };
        for frame in self.waiting.iter().skip(1) {
            let of = |later: &&Sighting| later.track == sighting.track;
            let (Some(later), Some(heard)) = (frame.told.sightings.iter().find(of), frame.told.of(sighting.track))
            else {
                fate.gone = !sighting.seen && fate.seen.is_none();
                break;
            };
            fate.weighed |= heard.weighed;
            if sighting.seen {
                fate.present = fate.present.max(heard.present);
            }
            if later.seen && fate.seen.is_none() {
                fate.seen = Some((frame.at_ns, later));
            }
            if fate.weighed && fate.seen.is_some() && fate.present >= PRESENT {
                break;
            }
        }
        fate
    }
}

/// What becomes of a track.
#[derive(Clone, Copy, Debug)]
struct Fate<'a> {
    /// When and where it is seen next.
    seen: Option<(u64, &'a Sighting)>,
    /// It is weighed for a name, at least later.
    weighed: bool,
    /// How likely it is an animal that is there: of one that is seen, how likely it ever gets.
    present: f32,
    /// It is not seen in this frame and never again.
    gone: bool,
}

/// How the live scene named an animal: its track, or, out of sight, the animal itself.
fn live_name(animal: &Animal, live: &[LiveAnimal]) -> LiveName {
    let same = |other: &&LiveAnimal| match animal.track {
        Some(track) => other.track == Some(track),
        None => other.track.is_none() && other.identity == animal.identity,
    };
    let found = live.iter().find(same);
    found.map_or(LiveName::default(), |live| LiveName { identity: live.identity, p: Some(live.p) })
}
