//! Lets coats follow fading paint and a drifting camera: slowly, from sure pictures only, and never into one another.

use super::coat::{Coat, Spread, apart};
use super::colour::Tint;
use crate::handover::MAX_ANIMALS;
use crate::model;
use heapless::Vec;

/// A coat as enrolled is worth this many seconds of looking at it; so fast it first takes an arena's own light in.
const WARM_S: f64 = 180.0;
/// Later it follows with this time constant, seconds in which it was surely seen.
const SLOW_S: f64 = 1800.0;
/// One picture counts for no more than this, seconds: a gap in the frames says nothing.
const STEP_MOST_S: f64 = 1.0;
/// A picture this many standard deviations off pulls no harder than one at that distance.
const PULL_MOST: f32 = 3.0;
/// A coat stays within this share of the way from where it was enrolled to where any other was: a camera's drift moves all coats
/// alike, so that one may come near another's old place while that one has left it.
const LEASH: f32 = 0.8;
/// Two coats as they are keep this share of the distance that they were enrolled at.
const MARGIN: f32 = 0.6;
/// How far a coat without another beside it may go: each part of the tint.
const LEASH_ALONE: Tint = [0.15, 0.15, 0.8];
/// A coat's pictures scatter by at least this much, standard deviations; half of what rendered mice show in one arena.
const SCATTER_LEAST: Tint = [0.006, 0.008, 0.03];

/// One coat as enrolled and as it is.
#[derive(Clone, Debug)]
struct Followed {
    home: Tint,
    home_spread: Spread,
    spread: Spread,
    seen_s: f64,
}

/// The coats of an arena, and how they change.
#[derive(Clone, Debug)]
pub struct Follower {
    followed: Vec<Followed, MAX_ANIMALS>,
    coats: Vec<Coat, MAX_ANIMALS>,
}

impl Follower {
    /// From the enrolled middles and covariances; those beyond `MAX_ANIMALS` are left out.
    pub fn new(enrolled: impl Iterator<Item = (Tint, Spread)>) -> Self {
        let mut follower = Self { followed: Vec::new(), coats: Vec::new() };
        for (tint, spread) in enrolled.take(MAX_ANIMALS) {
            let _ = follower.followed.push(Followed { home: tint, home_spread: spread, spread, seen_s: 0.0 });
            let _ = follower.coats.push(Coat::new(tint, &spread));
        }
        follower
    }

    /// The coats as they are.
    pub fn coats(&self) -> &[Coat] {
        &self.coats
    }

    /// What became of each coat.
    pub fn became(&self) -> Vec<model::Followed, MAX_ANIMALS> {
        let one = |(followed, coat): (&Followed, &Coat)| model::Followed {
            tint: coat.tint,
            spread: followed.spread,
            seen_s: followed.seen_s,
        };
        self.followed.iter().zip(&self.coats).map(one).collect()
    }

    /// Takes up what the coats had become, all or none of them; says whether they may stand so.
    pub fn recall(&mut self, known: &[Option<model::Followed>]) -> bool {
        let mut next = self.clone();
        for ((followed, coat), known) in next.followed.iter_mut().zip(&mut next.coats).zip(known) {
            let Some(known) = known else { continue };
            let home = &followed.home_spread;
            if (0..3).any(|i| known.spread[i][i] > widest(home, i)) {
                return false;
            }
            followed.spread = scattered(&known.spread, home, &[0.0; 3], 0.0);
            followed.seen_s = known.seen_s.max(0.0);
            *coat = Coat::new(known.tint, &followed.spread);
        }
        let stands = next.coats.iter().enumerate().all(|(index, coat)| {
            next.within(index, &coat.tint, LEASH) && next.others(index, &coat.tint).all(|way| way.now >= way.least)
        });
        if stands {
            *self = next;
        }
        stands
    }

    /// Takes in that coat `index` surely looked like `tint`, `seconds` after the frame before; says whether it was followed.
    pub fn take(&mut self, index: usize, tint: &Tint, seconds: f64) -> bool {
        let (Some(followed), Some(coat)) = (self.followed.get(index), self.coats.get(index)) else { return false };
        if !tint.iter().all(|value| value.is_finite()) || !self.is_own(index, tint) {
            return false;
        }
        let seconds = if seconds > 0.0 { seconds.min(STEP_MOST_S) } else { 0.0 };
        let rate = (seconds / (WARM_S + followed.seen_s).min(SLOW_S)) as f32;
        let pull = (PULL_MOST / coat.away(tint).max(PULL_MOST)).min(1.0);
        let step: Tint = std::array::from_fn(|i| pull * (tint[i] - coat.tint[i]));
        let moved: Tint = std::array::from_fn(|i| coat.tint[i] + rate * step[i]);
        if !self.may_stand(index, &moved) {
            return false;
        }
        let spread = scattered(&followed.spread, &followed.home_spread, &step, rate);
        if let (Some(followed), Some(coat)) = (self.followed.get_mut(index), self.coats.get_mut(index)) {
            followed.seen_s += seconds;
            followed.spread = spread;
            *coat = Coat::new(moved, &spread);
        }
        true
    }

    /// The paint itself calls the picture this coat's, and it is not beyond where the coat may go.
    fn is_own(&self, index: usize, tint: &Tint) -> bool {
        let likely = |coat: &Coat| coat.log_likelihood(tint);
        let own = self.coats.get(index).map_or(f32::NEG_INFINITY, likely);
        self.within(index, tint, 1.0)
            && self.coats.iter().enumerate().all(|(other, coat)| other == index || likely(coat) < own)
    }

    /// A tint is not further from where a coat was enrolled than this share of the way to any other.
    fn within(&self, index: usize, tint: &Tint, share: f32) -> bool {
        let Some(own) = self.followed.get(index) else { return false };
        let others = || self.followed.iter().enumerate().filter(|(other, _)| *other != index);
        let near = others().all(|(_, other)| {
            let way = apart((&own.home, &own.home_spread), (&other.home, &other.home_spread));
            apart((tint, &own.home_spread), (&own.home, &other.home_spread)) <= share * way
        });
        near && (others().next().is_some() || (0..3).all(|i| (tint[i] - own.home[i]).abs() <= LEASH_ALONE[i]))
    }

    /// A coat may go there: it stays in its neighbourhood and away from the others. A way out of too near a place is open.
    fn may_stand(&self, index: usize, tint: &Tint) -> bool {
        self.within(index, tint, LEASH)
            && self.others(index, tint).all(|way| way.now >= way.least || way.now >= way.before)
    }

    /// How far each other coat is from coat `index`, were it at `tint`.
    fn others(&self, index: usize, tint: &Tint) -> impl Iterator<Item = Way> {
        let own = self.followed.get(index).zip(self.coats.get(index));
        let others = self.followed.iter().zip(&self.coats).enumerate().filter(move |(number, _)| *number != index);
        others.filter_map(move |(_, (other, coat))| {
            let (own, own_coat) = own?;
            let away = |at: &Tint, from: &Tint| apart((at, &own.home_spread), (from, &other.home_spread));
            Some(Way {
                now: away(tint, &coat.tint),
                before: away(&own_coat.tint, &coat.tint),
                least: MARGIN * away(&own.home, &other.home),
            })
        })
    }
}

/// The way between two coats, standard deviations as enrolled.
struct Way {
    now: f32,
    before: f32,
    least: f32,
}

/// The largest variance that a coat may come to have in one part of the tint.
fn widest(home: &Spread, part: usize) -> f32 {
    home[part][part].max(4.0 * SCATTER_LEAST[part] * SCATTER_LEAST[part])
}

/// The covariance with one more picture in it, `step` off the middle: never narrower than pictures scatter nor wider than enrolled.
fn scattered(spread: &Spread, home: &Spread, step: &Tint, rate: f32) -> Spread {
    let mut next: Spread =
        std::array::from_fn(|i| std::array::from_fn(|j| spread[i][j] + rate * (step[i] * step[j] - spread[i][j])));
    for i in 0..3 {
        let least = SCATTER_LEAST[i] * SCATTER_LEAST[i];
        if next[i][i] > widest(home, i) {
            return *spread;
        }
        next[i][i] = next[i][i].max(least);
    }
    next
}
