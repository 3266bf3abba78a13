//! What a pose's looks say beyond the poses before it: pictures that follow each other err alike.
//!
//! A track looks like one animal for a while, mostly like the one it is; then its look is drawn anew. So a look that lasts is heard
//! once, and then again only as fast as looks are drawn: ten pictures of one shadow are not ten witnesses. What is heard is the
//! exact predictive likelihood of that chain, so that it adds up like independent evidence, forward as well as backward.

use super::identity::Shares;
use crate::handover::MAX_ANIMALS;

/// How long a track looks like one animal before its look is drawn anew, seconds. Rendered film, our network: after a wrong name the
/// next frame's was wrong in 59 of 100 cases, a tenth of a second later in 36, a third in 17, a second in 6.
const LOOK_S: f64 = 0.1;
/// Share of looks that are another animal's: before any was learnt, and the bounds of what can be learnt.
pub const MISLED: f32 = 0.08;
const MISLED_LEAST: f32 = 0.03;
const MISLED_MOST: f32 = 0.3;
/// It is learnt from tracks surer than this, as the mean over about this many seconds of one track.
const SURE: f32 = 0.9;
const LEARNT_S: f64 = 20.0;

/// What a track looks like, were it each of the identities: `self.0[k][j]` is the probability that it looks like `j` if it is `k`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Looks([Shares; MAX_ANIMALS]);

impl Looks {
    /// Nothing was seen yet, and the share `misled` of looks is another animal's.
    pub fn new(identities: usize, misled: f32) -> Self {
        let other = misled / (identities.max(2) - 1) as f32;
        let mut looks = Self([[0.0; MAX_ANIMALS]; MAX_ANIMALS]);
        for (k, look) in looks.0[..identities].iter_mut().enumerate() {
            look[..identities].fill(other);
            look[k] = 1.0 - other * (identities - 1) as f32;
        }
        looks
    }

    /// Takes in one pose's `sound` likelihoods, `seconds` after the last pose: what they say of each identity beyond what was
    /// known, logarithms.
    pub fn hear(&mut self, sound: &Shares, identities: usize, seconds: f64, misled: f32) -> Shares {
        let anew = (1.0 - (-seconds / LOOK_S).exp()) as f32;
        let drawn = Self::new(identities, misled);
        let mut heard = [0.0; MAX_ANIMALS];
        for ((look, drawn), heard) in self.0.iter_mut().zip(&drawn.0).zip(&mut heard[..identities]) {
            let mut sum = 0.0;
            for ((share, drawn), p) in look.iter_mut().zip(drawn).zip(&sound[..identities]) {
                *share = (*share + anew * (drawn - *share)) * p;
                sum += *share;
            }
            let sum = sum.max(f32::MIN_POSITIVE);
            look[..identities].iter_mut().for_each(|share| *share /= sum);
            *heard = sum.ln();
        }
        heard
    }

    /// The two tracks may have exchanged their animals, with probability `exchanged`.
    pub fn mix(&mut self, other: &mut Self, exchanged: f32) {
        for (mine, theirs) in self.0.as_flattened_mut().iter_mut().zip(other.0.as_flattened_mut()) {
            let apart = exchanged * (*theirs - *mine);
            (*mine, *theirs) = (*mine + apart, *theirs - apart);
        }
    }

    /// Follows the share of misleading looks slowly: where a track is surely somebody (`shares`), it is known whether it looks it.
    pub fn teach(&self, misled: &mut f32, shares: &Shares, identities: usize, seconds: f64) {
        let sure = shares[..identities].iter().position(|share| *share > SURE);
        if let Some(k) = sure {
            let learns = (1.0 - (-seconds / LEARNT_S).exp()) as f32;
            *misled = (*misled + learns * (1.0 - self.0[k][k] - *misled)).clamp(MISLED_LEAST, MISLED_MOST);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::identity::sound;
    use super::*;

    const FRAME_S: f64 = 1.0 / 30.0;

    fn like(shares: [f32; 4]) -> Shares {
        let mut likelihood = [0.0; MAX_ANIMALS];
        likelihood[..4].copy_from_slice(&shares);
        sound(&likelihood, 4)
    }

    #[test]
    fn a_look_that_lasts_says_less_than_looks_drawn_anew() {
        let said = |seconds: f64| {
            let mut looks = Looks::new(4, MISLED);
            let one = like([0.9, 0.04, 0.03, 0.03]);
            let heard: Vec<_> = (0..10).map(|_| looks.hear(&one, 4, seconds, MISLED)).collect();
            heard.iter().map(|heard| heard[0] - heard[1]).sum::<f32>()
        };
        assert!(said(FRAME_S) < 0.5 * said(10.0) && said(1.0 / 300.0) < said(FRAME_S));
    }

    #[test]
    fn what_is_heard_of_two_pictures_is_what_both_say_together() {
        let (first, second) = (like([0.7, 0.2, 0.05, 0.05]), like([0.3, 0.5, 0.1, 0.1]));
        let mut looks = Looks::new(4, MISLED);
        let one = looks.hear(&first, 4, f64::INFINITY, MISLED);
        let two = looks.hear(&second, 4, FRAME_S, MISLED);
        let drawn = Looks::new(4, MISLED);
        let stays = (-FRAME_S / LOOK_S).exp() as f32;
        for k in 0..4 {
            // Every look at the first picture, and every look at the second.
            let mut both = 0.0;
            for (i, j) in (0..16).map(|n| (n / 4, n % 4)) {
                let moves = if i == j { stays } else { 0.0 } + (1.0 - stays) * drawn.0[k][j];
                both += drawn.0[k][i] * first[i] * moves * second[j];
            }
            assert!((one[k] + two[k] - both.ln()).abs() < 1e-4, "{k}");
        }
    }

    #[test]
    fn misleading_looks_are_learnt_within_bounds() {
        let (mut looks, mut misled) = (Looks::new(4, MISLED), MISLED);
        let sure = [0.99, 0.01, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0];
        let mut learn = |seen: Shares| {
            for _ in 0..6000 {
                looks.hear(&seen, 4, FRAME_S, misled);
                looks.teach(&mut misled, &sure, 4, FRAME_S);
            }
            misled
        };
        assert_eq!(learn(like([0.97, 0.01, 0.01, 0.01])), MISLED_LEAST);
        assert_eq!(learn(like([0.01, 0.97, 0.01, 0.01])), MISLED_MOST);
    }
}
