//! Lets coats follow fading paint and a drifting camera: slowly, from sure pictures only, and never into one another.

use super::coat::{Coat, Spread, apart};
use super::colour::Tint;
use crate::handover::MAX_ANIMALS;
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

    /// A coat may go there: it stays in its neighbourhood and away from the others.
    fn may_stand(&self, index: usize, tint: &Tint) -> bool {
        let Some(own) = self.followed.get(index) else { return false };
        self.within(index, tint, LEASH)
            && self.followed.iter().zip(&self.coats).enumerate().all(|(number, (other, coat))| {
                let enrolled = apart((&own.home, &own.home_spread), (&other.home, &other.home_spread));
                let now = apart((tint, &own.home_spread), (&coat.tint, &other.home_spread));
                let before = self.coats.get(index).map_or(0.0, |coat_now| {
                    apart((&coat_now.tint, &own.home_spread), (&coat.tint, &other.home_spread))
                });
                // A way out of too near a place is always open.
                number == index || now >= MARGIN * enrolled || now >= before
            })
    }
}

/// The covariance with one more picture in it, `step` off the middle: never narrower than pictures scatter nor wider than enrolled.
fn scattered(spread: &Spread, home: &Spread, step: &Tint, rate: f32) -> Spread {
    let mut next: Spread =
        std::array::from_fn(|i| std::array::from_fn(|j| spread[i][j] + rate * (step[i] * step[j] - spread[i][j])));
    for i in 0..3 {
        let least = SCATTER_LEAST[i] * SCATTER_LEAST[i];
        if next[i][i] > home[i][i].max(4.0 * least) {
            return *spread;
        }
        next[i][i] = next[i][i].max(least);
    }
    next
}
