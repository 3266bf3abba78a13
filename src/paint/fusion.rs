//! One likelihood over an arena's animals from what the network and the paint say of the same picture.
//!
//! Network and paint see the same pixels and err together, so their likelihoods are not multiplied: each is raised to a power
//! that was fitted to both at once, and so found to give honest probabilities (see `Weights`).

use super::coat::Coat;
use super::colour::Tint;
use crate::handover::MAX_ANIMALS;

/// Share of pictures whose colour says nothing of the animal: soil, shadow, a pose in a wrong place.
const ASTRAY: f32 = 0.02;
/// Where such pictures lie: the volume of tints that occur at all, standard deviations multiplied.
const ANYWHERE: f32 = 0.15 * 0.2 * 0.6;
/// No likelihood of the network is taken as smaller.
const HEAD_LEAST: f32 = 1e-4;

/// Powers of the two likelihoods.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Weights {
    /// Of the network's.
    pub head: f32,
    /// Of the paint's.
    pub paint: f32,
}

/// Both know the coat. Least log-loss over 3288 painted animals in 1100 rendered stills of all looks (`arenad rehearse --stills`, seeds
/// 9102, 9103 and 9551); `docs/bench/coats.py` tells what they give.
const BOTH: Weights = Weights { head: 1.05, paint: 0.55 };
/// The network knows the coat and the picture has no colour: seeds 9102 and 9103. The network is surer than it says.
const HEAD_ALONE: f32 = 1.8;
/// The network does not know the coat: 1.25 on them, left at what the coats' own distributions say.
const PAINT_ALONE: f32 = 1.0;

/// Logarithm of how likely each coat shows a tint.
pub fn looks(coats: &[Coat], tint: &Tint) -> [f32; MAX_ANIMALS] {
    let anywhere = ASTRAY / ANYWHERE;
    let mut looks = [0.0; MAX_ANIMALS];
    for (look, coat) in looks.iter_mut().zip(coats) {
        *look = (coat.log_likelihood(tint).exp() + anywhere).ln();
    }
    looks
}

/// Which output of the network's identity head each coat is, where their names agree.
#[derive(Clone, Debug, PartialEq)]
pub struct Fusion {
    head: [Option<usize>; MAX_ANIMALS],
    coats: usize,
    known: usize,
}

impl Fusion {
    /// By names: the coats', and those of the network's identities.
    pub fn new<'a>(coats: impl Iterator<Item = &'a str>, head: &[&str]) -> Self {
        let mut fusion = Self { head: [None; MAX_ANIMALS], coats: 0, known: 0 };
        for (slot, name) in fusion.head.iter_mut().zip(coats) {
            *slot = head.iter().take(MAX_ANIMALS).position(|known| *known == name);
            fusion.coats += 1;
            fusion.known += usize::from(slot.is_some());
        }
        fusion
    }

    /// Likelihood of each coat, summing to 1, from the network's over its own identities and the paint's `looks`; `None` where the
    /// picture says nothing of colour.
    ///
    /// What the network says of an animal that it does not know means nothing, so the paint alone divides the likelihood between
    /// coats that the network knows and those it does not; only among the former the network has a say.
    pub fn fuse(&self, head: &[f32; MAX_ANIMALS], looks: Option<&[f32; MAX_ANIMALS]>) -> [f32; MAX_ANIMALS] {
        let paint: [f32; MAX_ANIMALS] = std::array::from_fn(|k| looks.map_or(0.0, |looks| PAINT_ALONE * looks[k]));
        let alone = shares(&paint[..self.coats]);
        if self.known < 2 {
            return alone;
        }
        let told = match looks {
            Some(_) => BOTH,
            None => Weights { head: HEAD_ALONE, paint: 0.0 },
        };
        let mut both = [f32::NEG_INFINITY; MAX_ANIMALS];
        let mut mass = 0.0;
        for (k, slot) in self.head.iter().enumerate().take(self.coats) {
            let Some(said) = slot.and_then(|index| head.get(index)) else { continue };
            let said = if said.is_finite() { said.clamp(HEAD_LEAST, 1.0) } else { 1.0 };
            both[k] = told.head * said.ln() + told.paint * looks.map_or(0.0, |looks| looks[k]);
            mass += alone[k];
        }
        let among = shares(&both[..self.coats]);
        std::array::from_fn(|k| if self.head[k].is_some() { mass * among[k] } else { alone[k] })
    }
}

/// Logarithms as shares that sum to 1.
pub fn shares(logs: &[f32]) -> [f32; MAX_ANIMALS] {
    let most = logs.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut shares = [0.0; MAX_ANIMALS];
    for (share, log) in shares.iter_mut().zip(logs) {
        *share = (log - most).exp();
    }
    let sum: f32 = shares.iter().sum::<f32>().max(f32::MIN_POSITIVE);
    shares.map(|share| share / sum)
}
