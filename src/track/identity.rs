//! Who a track is: the belief that evidence moves, and the exact joint posterior in which each identity stands at most once.
//!
//! A track's belief is a hidden Markov chain: between frames two animals may have changed places unnoticed (`fade`, `mix`), and
//! each frame is heard as a likelihood, weighed against what the track looked like before (`looks`).
//!
//! The posterior joins the beliefs: every way of giving the live tracks different identities, or none, is weighed, and the
//! share of all ways in which a track is R is its probability of being R. That is what makes three sure tracks name the fourth.
//! The sum over all ways runs over subsets of identities, so that eight tracks and eight identities cost 40 000 steps and
//! four and four cost 600.

use super::assign::{Costs, assign};
use super::body::UNKNOWN_COAT;
use crate::handover::{Coats, Identity, MAX_ANIMALS};

/// Least logarithm of odds between two identities, for the numbers' sake.
const LEAST: f32 = -16.0;
/// Share of pictures whose identity says nothing about the animal: it bounds what one picture can say (200 to 1 of four). Rendered
/// film: one name in 400 was wrong, one in 6000 where the pose's score was above 0.7, one in 10 where it was below 0.4.
const NOTHING: f32 = 0.02;
/// A track becomes another animal's unnoticed once in this time with poses, beside one that is hidden, and without poses, seconds.
/// Sixteen rendered minutes of four mice: fewest wrong names and best calibration between 20 and 60 (ECE 0.002); above that an
/// exchange that nobody saw stands for too long.
pub const FADE_SEEN_S: f64 = 30.0;
pub const FADE_BESIDE_S: f64 = 5.0;
pub const FADE_UNSEEN_S: f64 = 2.0;
/// Weight of a track being none of the identities, against a track of which nothing is known being one certain identity. What lasts
/// is an animal: with 0.04 names that were right 9998 times in 10 000 were said to be right 99 times in 100.
const NOBODY: f64 = 0.003;
/// Share of first sights that are nobody, and how long such a one lasts, seconds.
const GHOSTS: f64 = 0.05;
const GHOST_S: f64 = 0.2;
/// Most that a place far from where an identity was last seen counts against it, as the logarithm of odds.
const FAR: f32 = 1.0;
/// A name is not given away for less than this much probability.
const STICKS: f32 = 0.05;

/// Evidence on each identity of one track: logarithms, the greatest of them 0.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub struct Belief([f32; MAX_ANIMALS]);

/// Probability of each identity.
pub type Shares = [f32; MAX_ANIMALS];

/// A pose's likelihoods over the first `identities`, summing to 1 and none of them 0. Nonsense becomes "nothing known".
pub fn sound(likelihood: &Shares, identities: usize) -> Shares {
    let mut shares = [0.0; MAX_ANIMALS];
    let even = 1.0 / identities.max(1) as f32;
    let sum: f32 = likelihood[..identities].iter().sum();
    let usable = likelihood[..identities].iter().all(|p| *p >= 0.0) && sum > 1e-6 && sum.is_finite();
    for (share, p) in shares[..identities].iter_mut().zip(likelihood) {
        *share = NOTHING * even + (1.0 - NOTHING) * if usable { p / sum } else { even };
    }
    shares
}

/// How much likelier than by chance each identity shows what is seen around each keypoint; 1 where nothing is known.
pub fn sound_coats(coats: &Coats, identities: usize) -> Coats {
    coats.map(|shown| {
        let known = shown[..identities].iter().any(|share| *share > 0.0);
        if known { sound(&shown, identities).map(|share| share * identities as f32) } else { UNKNOWN_COAT }
    })
}

/// How likely an animal is there: its track has had poses for `seen_s` seconds and none for `unseen_s`, and is given up after
/// `coast_s` without.
pub fn present(seen_s: f64, unseen_s: f64, coast_s: f64) -> f32 {
    let animal = 1.0 - GHOSTS * (-seen_s / GHOST_S).exp();
    (animal * (1.0 - unseen_s / coast_s.max(1e-3)).clamp(0.0, 1.0)) as f32
}

impl Belief {
    /// Takes `evidence` in.
    pub fn hear(&mut self, heard: &Shares, identities: usize) {
        for (log, more) in self.0[..identities].iter_mut().zip(heard) {
            *log += more;
        }
        self.settle(identities);
    }

    /// Takes in that the identity was last seen so far away that only the share `reachable` (0 to 1) speaks for it.
    pub fn hear_place(&mut self, identity: usize, reachable: f32) {
        self.0[identity] -= FAR * (1.0 - reachable.clamp(0.0, 1.0));
    }

    /// It is somebody else, nobody knows who, with probability `1 - keeps`.
    pub fn fade(&mut self, keeps: f32, identities: usize) {
        let even = 1.0 / identities.max(1) as f32;
        let shares = self.shares(identities);
        for (log, share) in self.0[..identities].iter_mut().zip(shares) {
            *log = (even + keeps * (share - even)).max(1e-7).ln();
        }
        self.settle(identities);
    }

    /// What the evidence alone says, without the other tracks.
    pub fn shares(&self, identities: usize) -> Shares {
        let mut shares = [0.0; MAX_ANIMALS];
        for (share, log) in shares[..identities].iter_mut().zip(self.0) {
            *share = log.exp();
        }
        let sum: f32 = shares.iter().sum::<f32>().max(f32::MIN_POSITIVE);
        shares.map(|share| share / sum)
    }

    /// The two tracks may have exchanged their animals, with probability `exchanged` (at most one half).
    pub fn mix(&mut self, other: &mut Self, exchanged: f32, identities: usize) {
        let (mine, theirs) = (self.shares(identities), other.shares(identities));
        let exchanged = exchanged.clamp(0.0, 0.5);
        for k in 0..identities {
            self.0[k] = (mine[k] + exchanged * (theirs[k] - mine[k])).max(1e-7).ln();
            other.0[k] = (theirs[k] + exchanged * (mine[k] - theirs[k])).max(1e-7).ln();
        }
        self.settle(identities);
        other.settle(identities);
    }

    /// A belief with these weights, which need not sum to 1.
    pub fn of_weights(weights: &Shares, identities: usize) -> Self {
        let sum = weights[..identities].iter().sum::<f32>().max(f32::MIN_POSITIVE);
        let mut belief = Self::default();
        for (log, weight) in belief.0[..identities].iter_mut().zip(weights) {
            *log = (weight / sum).max(1e-7).ln();
        }
        belief.settle(identities);
        belief
    }

    /// What two sources that know nothing of each other say together.
    pub fn with(mut self, other: &Self, identities: usize) -> Self {
        for (log, more) in self.0[..identities].iter_mut().zip(&other.0) {
            *log += more;
        }
        let greatest = self.0[..identities].iter().copied().fold(f32::NEG_INFINITY, f32::max);
        self.0[..identities].iter_mut().for_each(|log| *log -= greatest);
        self
    }

    /// The greatest becomes 0 and none is below `LEAST`.
    fn settle(&mut self, identities: usize) {
        let greatest = self.0[..identities].iter().copied().fold(f32::NEG_INFINITY, f32::max);
        for log in &mut self.0[..identities] {
            *log = (*log - greatest).max(LEAST);
        }
    }
}

/// One track as the posterior sees it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Candidate {
    /// What its own evidence says.
    pub belief: Belief,
    /// How likely it is still there, 0 to 1: 1 with a pose, falling without.
    pub present: f32,
    /// The name it has had so far.
    pub name: Option<Identity>,
}

/// The posterior probability of each identity for each candidate, every way of giving them different identities weighed.
pub fn posterior(candidates: &[Candidate], identities: usize) -> [Shares; MAX_ANIMALS] {
    let mut posterior = [[0.0; MAX_ANIMALS]; MAX_ANIMALS];
    let sets = 1usize << identities;
    let mut weight = [[0.0f64; MAX_ANIMALS]; MAX_ANIMALS];
    let mut nobody = [1.0f64; MAX_ANIMALS];
    for (row, candidate) in candidates.iter().enumerate() {
        for (w, share) in weight[row].iter_mut().zip(candidate.belief.shares(identities)) {
            *w = f64::from(share) * identities as f64;
        }
        nobody[row] = NOBODY + (1.0 - NOBODY) * f64::from(1.0 - candidate.present.clamp(0.0, 1.0));
    }
    // after[i][taken]: sum over all ways to name the candidates from i on when the identities in `taken` are gone.
    let mut after = [[0.0f64; 1 << MAX_ANIMALS]; MAX_ANIMALS + 1];
    after[candidates.len()][..sets].fill(1.0);
    for row in (0..candidates.len()).rev() {
        for taken in 0..sets {
            let mut sum = nobody[row] * after[row + 1][taken];
            for k in (0..identities).filter(|k| taken & (1 << k) == 0) {
                sum += weight[row][k] * after[row + 1][taken | (1 << k)];
            }
            after[row][taken] = sum;
        }
    }
    // before[taken]: sum over all ways to name the candidates so far that use exactly `taken`.
    let mut before = [0.0f64; 1 << MAX_ANIMALS];
    before[0] = 1.0;
    for row in 0..candidates.len() {
        let mut next = [0.0f64; 1 << MAX_ANIMALS];
        for taken in 0..sets {
            next[taken] += nobody[row] * before[taken];
            for k in (0..identities).filter(|k| taken & (1 << k) == 0) {
                let way = before[taken] * weight[row][k];
                next[taken | (1 << k)] += way;
                posterior[row][k] += (way * after[row + 1][taken | (1 << k)] / after[0][0]) as f32;
            }
        }
        before = next;
    }
    posterior
}

/// Names for the candidates: each identity at most once, as many as possible right by the posterior; a name sticks a little.
/// Names less sure than `name_min` are withheld.
pub fn names(
    candidates: &[Candidate],
    posterior: &[Shares; MAX_ANIMALS],
    identities: usize,
    name_min: f32,
) -> [Option<Identity>; MAX_ANIMALS] {
    let mut costs = Costs::new(candidates.len(), identities);
    for (row, candidate) in candidates.iter().enumerate() {
        for (k, p) in posterior[row][..identities].iter().enumerate() {
            let sticks = if candidate.name == Some(Identity(k as u8)) { STICKS } else { 0.0 };
            costs.set(row, k, 1.0 - p - sticks);
        }
    }
    let pairs = assign(&costs, 1.0);
    let mut names = [None; MAX_ANIMALS];
    for row in 0..candidates.len() {
        names[row] = pairs[row].filter(|k| posterior[row][*k] >= name_min).map(|k| Identity(k as u8));
    }
    names
}

#[cfg(test)]
mod tests {
    use super::super::looks::{Looks, MISLED};
    use super::*;

    const FRAME_S: f64 = 1.0 / 30.0;

    fn heard(shares: [f32; 4], times: usize) -> Candidate {
        let mut likelihood = [0.0; MAX_ANIMALS];
        likelihood[..4].copy_from_slice(&shares);
        let (mut belief, mut looks) = (Belief::default(), Looks::new(4, MISLED));
        for _ in 0..times {
            belief.hear(&looks.hear(&sound(&likelihood, 4), 4, FRAME_S, MISLED), 4);
        }
        Candidate { belief, present: 1.0, name: None }
    }

    /// Weighs every way one by one.
    fn by_hand(candidates: &[Candidate], row: usize, taken: &mut [Option<usize>; 4], sums: &mut [[f64; 5]; 4], w: f64) {
        if row == candidates.len() {
            for (r, k) in taken.iter().enumerate() {
                sums[r][k.unwrap_or(4)] += w;
            }
            return;
        }
        taken[row] = None;
        by_hand(candidates, row + 1, taken, sums, w * NOBODY);
        for k in 0..4 {
            if !taken[..row].contains(&Some(k)) {
                taken[row] = Some(k);
                let share = f64::from(candidates[row].belief.shares(4)[k]) * 4.0;
                by_hand(candidates, row + 1, taken, sums, w * share);
            }
        }
        taken[row] = None;
    }

    #[test]
    fn the_posterior_is_the_one_that_weighing_every_way_gives() {
        let candidates = [
            heard([0.9, 0.05, 0.03, 0.02], 8),
            heard([0.6, 0.3, 0.05, 0.05], 3),
            heard([0.25, 0.25, 0.4, 0.1], 5),
            heard([0.25; 4], 1),
        ];
        let mut sums = [[0.0; 5]; 4];
        by_hand(&candidates, 0, &mut [None; 4], &mut sums, 1.0);
        let posterior = posterior(&candidates, 4);
        for row in 0..4 {
            let all: f64 = sums[row].iter().sum();
            for k in 0..4 {
                assert!((f64::from(posterior[row][k]) - sums[row][k] / all).abs() < 1e-5, "{row} {k} {posterior:?}");
            }
        }
    }

    #[test]
    fn three_sure_tracks_name_the_fourth() {
        let candidates = [
            heard([0.9, 0.04, 0.03, 0.03], 20),
            heard([0.03, 0.9, 0.04, 0.03], 20),
            heard([0.03, 0.03, 0.9, 0.04], 20),
            heard([0.25; 4], 1),
        ];
        let posterior = posterior(&candidates, 4);
        assert!(posterior[3][3] > 0.9, "{posterior:?}");
        assert_eq!(names(&candidates, &posterior, 4, 0.5)[..4], [0, 1, 2, 3].map(|k| Some(Identity(k))));
    }

    #[test]
    fn a_second_track_with_the_same_evidence_stays_nameless() {
        let candidates = [heard([0.97, 0.01, 0.01, 0.01], 40), heard([0.97, 0.01, 0.01, 0.01], 40)];
        let posterior = posterior(&candidates, 4);
        assert!(posterior[0][0] < 0.6 && posterior[1][1] < 0.3, "{posterior:?}");
        assert!(names(&candidates, &posterior, 4, 0.7).iter().all(Option::is_none));
    }

    #[test]
    fn full_belief_is_overturned_within_half_a_second() {
        let (mut belief, mut looks) = (Belief::default(), Looks::new(4, MISLED));
        let mut hear = |shares: [f32; 4], times| {
            let mut likelihood = [0.0; MAX_ANIMALS];
            likelihood[..4].copy_from_slice(&shares);
            for _ in 0..times {
                belief.fade((-FRAME_S / FADE_SEEN_S).exp() as f32, 4);
                belief.hear(&looks.hear(&sound(&likelihood, 4), 4, FRAME_S, MISLED), 4);
            }
            belief.shares(4)
        };
        let before = hear([0.9, 0.04, 0.03, 0.03], 3000);
        let after = hear([0.04, 0.9, 0.03, 0.03], 15);
        assert!(before[0] > 0.99 && after[1] > 0.5, "{before:?} {after:?}");
    }

    #[test]
    fn one_odd_picture_does_not_rename_and_is_made_good() {
        let mut candidate = heard([0.9, 0.04, 0.03, 0.03], 60);
        let (mut belief, mut looks) = (candidate.belief, Looks::new(4, MISLED));
        let like = |shares: [f32; 4]| {
            let mut likelihood = [0.0; MAX_ANIMALS];
            likelihood[..4].copy_from_slice(&shares);
            sound(&likelihood, 4)
        };
        belief.hear(&looks.hear(&like([0.9, 0.04, 0.03, 0.03]), 4, FRAME_S, MISLED), 4);
        belief.hear(&looks.hear(&like([0.04, 0.9, 0.03, 0.03]), 4, FRAME_S, MISLED), 4);
        assert!(belief.shares(4)[0] > 0.5, "{belief:?}");
        for _ in 0..10 {
            belief.hear(&looks.hear(&like([0.9, 0.04, 0.03, 0.03]), 4, FRAME_S, MISLED), 4);
        }
        candidate.belief = belief;
        assert!(posterior(&[candidate], 4)[0][0] > 0.95, "{belief:?}");
    }

    #[test]
    fn evidence_that_makes_no_sense_says_nothing() {
        for bad in [f32::NAN, f32::INFINITY, -1.0, 0.0] {
            let shares = sound(&[bad; MAX_ANIMALS], 4);
            assert_eq!(shares[..4], [0.25; 4], "{bad}");
        }
    }

    #[test]
    fn eight_sure_tracks_and_eight_identities_stay_finite() {
        let mut likelihood = [0.0; MAX_ANIMALS];
        likelihood[0] = 1.0;
        let mut candidate = Candidate { present: 1.0, ..Candidate::default() };
        let mut looks = Looks::new(8, MISLED);
        for _ in 0..100 {
            candidate.belief.hear(&looks.hear(&sound(&likelihood, 8), 8, FRAME_S, MISLED), 8);
        }
        let posterior = posterior(&[candidate; 8], 8);
        let sum: f32 = posterior.iter().map(|row| row[0]).sum();
        assert!(sum.is_finite() && sum <= 1.001, "{posterior:?}");
    }

    #[test]
    fn an_even_exchange_leaves_the_two_names_open_and_the_others_out() {
        let (mut a, mut b) = (heard([0.9, 0.04, 0.03, 0.03], 40), heard([0.04, 0.9, 0.03, 0.03], 40));
        a.belief.mix(&mut b.belief, 0.5, 4);
        let posterior = posterior(&[a, b], 4);
        assert!(
            (posterior[0][0] - 0.5).abs() < 0.05 && (posterior[0][1] - posterior[0][0]).abs() < 0.01,
            "{posterior:?}"
        );
    }
}
