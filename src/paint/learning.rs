//! Coats from labelled pictures: where each coat's tints lie, and how often pictures would be taken for another's.

use super::coat::{Coat, Spread, apart};
use super::colour::Tint;

/// How pictures of one coat scatter in one arena where too few say it: standard deviations of rendered films, three times over for
/// light and wear that a few pictures do not show.
const SCATTER: Tint = [0.018, 0.036, 0.09];
/// As many pictures is that knowledge worth.
const SCATTER_WORTH: f32 = 8.0;
/// Degrees of freedom as in `coat`: pictures far out weigh less.
const FREEDOM: f32 = 4.0;
/// Rounds of weighing; more change nothing that matters.
const ROUNDS: usize = 12;
/// Pictures are named by coats that were learnt without them, in so many parts.
const PARTS: usize = 20;

/// One labelled picture.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measured {
    /// Whose, counted from 0.
    pub coat: usize,
    /// What it showed.
    pub tint: Tint,
}

/// What the pictures taught.
#[derive(Clone, Debug, PartialEq)]
pub struct Learnt {
    /// Middle and covariance of each coat.
    pub coats: Vec<(Tint, Spread)>,
    /// Row by coat: the share of its pictures that each coat would be named for, by coats learnt without them.
    pub taken_for: Vec<Vec<f32>>,
    /// How far each two are apart, standard deviations of a picture.
    pub apart: Vec<Vec<f32>>,
}

/// Learns `count` coats; `None` where one of them has no picture.
pub fn learn(pictures: &[Measured], count: usize) -> Option<Learnt> {
    let coats = coats(pictures, count)?;
    let away = |a: &(Tint, Spread), b: &(Tint, Spread)| apart((&a.0, &a.1), (&b.0, &b.1));
    let apart = coats.iter().map(|a| coats.iter().map(|b| away(a, b)).collect()).collect();
    let mut taken_for = vec![vec![0.0f32; count]; count];
    let parts = pictures.len().min(PARTS);
    for part in 0..parts {
        // Neighbours in a film are alike, so a part is a run of pictures of each coat.
        let mut met = vec![0; count];
        let totals: Vec<usize> = (0..count).map(|k| pictures.iter().filter(|p| p.coat == k).count()).collect();
        let (out, rest): (Vec<Measured>, Vec<Measured>) = pictures.iter().partition(|picture| {
            let number = met.get_mut(picture.coat).map_or(0, |met| std::mem::replace(met, *met + 1));
            number * parts / totals.get(picture.coat).copied().unwrap_or(1).max(1) == part
        });
        // A coat's only picture says nothing of others like it; it is not judged.
        let Some(without) = self::coats(&rest, count) else { continue };
        let coats: Vec<Coat> = without.iter().map(|(tint, spread)| Coat::new(*tint, spread)).collect();
        for picture in &out {
            let looks = coats.iter().map(|coat| coat.log_likelihood(&picture.tint));
            let likeliest = looks.enumerate().max_by(|a, b| a.1.total_cmp(&b.1)).map(|(index, _)| index);
            if let Some(cell) = likeliest.and_then(|index| taken_for.get_mut(picture.coat)?.get_mut(index)) {
                *cell += 1.0;
            }
        }
    }
    for row in &mut taken_for {
        let sum = row.iter().sum::<f32>().max(1.0);
        row.iter_mut().for_each(|cell| *cell /= sum);
    }
    Some(Learnt { coats, taken_for, apart })
}

fn coats(pictures: &[Measured], count: usize) -> Option<Vec<(Tint, Spread)>> {
    let of = |coat| pictures.iter().filter(move |picture| picture.coat == coat).map(|picture| picture.tint);
    (0..count).map(|coat| middle(&of(coat).collect::<Vec<_>>())).collect()
}

/// Middle and covariance of tints, those far out weighing less, and what scatter is known beforehand.
fn middle(tints: &[Tint]) -> Option<(Tint, Spread)> {
    let count = tints.len() as f32;
    if tints.is_empty() {
        return None;
    }
    let mut at = median(tints);
    let before: Spread =
        std::array::from_fn(|i| std::array::from_fn(|j| if i == j { SCATTER[i] * SCATTER[i] } else { 0.0 }));
    let mut spread = before;
    for _ in 0..ROUNDS {
        let coat = Coat::new(at, &spread);
        let weight = |tint: &Tint| (FREEDOM + 3.0) / (FREEDOM + coat.away(tint).powi(2));
        let weights: Vec<f32> = tints.iter().map(weight).collect();
        let sum: f32 = weights.iter().sum();
        at = std::array::from_fn(|i| tints.iter().zip(&weights).map(|(tint, w)| w * tint[i]).sum::<f32>() / sum);
        spread = std::array::from_fn(|i| {
            std::array::from_fn(|j| {
                let off = |tint: &Tint| (tint[i] - at[i]) * (tint[j] - at[j]);
                let seen: f32 = tints.iter().zip(&weights).map(|(tint, w)| w * off(tint)).sum();
                // The middle itself is known no better than so many pictures tell.
                (1.0 + 1.0 / count) * (seen + SCATTER_WORTH * before[i][j]) / (count + SCATTER_WORTH)
            })
        });
    }
    Some((at, spread))
}

fn median(tints: &[Tint]) -> Tint {
    std::array::from_fn(|part| {
        let mut values: Vec<f32> = tints.iter().map(|tint| tint[part]).collect();
        values.sort_unstable_by(f32::total_cmp);
        values[values.len() / 2]
    })
}
