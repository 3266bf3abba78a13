//! Every pose's keypoint against every track that it could belong to: the probability that it is its own track's.

use super::Seat;
use super::posture::Expected;
use crate::handover::MAX_ANIMALS;

/// How often a keypoint that is in view is among those found.
const FOUND: f32 = 0.8;
/// How many keypoints of animals that no track knows lie on a square of one body size.
const STRANGERS: f32 = 0.01;
/// How much more likely the model puts a keypoint into its own animal's pose than into another's near by.
const OWN: f32 = 10.0;
/// Now and then a keypoint strays further than it was seen to: this share of the time, this many times as far.
const WILD: f32 = 0.05;
const WILDER: f32 = 4.0;
/// Bound on how many times likelier than a stranger's a keypoint is taken to be, so that products stay finite.
const SUREST: f32 = 1e4;
/// Bound on the misfit along links, variances: the exponential of more is nothing.
const MISFIT_MAX: f32 = 60.0;

/// How many times likelier than a stranger's one kind of keypoint is each track's: a row for each track, a column for the pose of each.
pub struct Fits {
    seats: usize,
    /// Which poses have this keypoint, a bit each.
    there: usize,
    rows: [[f32; MAX_ANIMALS]; MAX_ANIMALS],
}

/// Weighs keypoint `k` of every pose against every track. `along_links` gives the misfit along links and the sum of their
/// inverse variances, of a place in body sizes.
pub fn fits(
    seats: &[Seat<'_>],
    expected: &[Expected],
    size: f32,
    k: usize,
    along_links: impl Fn(&Seat<'_>, [f32; 2]) -> (f32, f32),
) -> Fits {
    let mut fits = Fits { seats: expected.len(), there: 0, rows: [[0.0; MAX_ANIMALS]; MAX_ANIMALS] };
    for (column, candidate) in seats.iter().take(expected.len()).enumerate() {
        let keypoint = candidate.keypoints.as_deref().and_then(|keypoints| *keypoints.get(k)?);
        let Some(keypoint) = keypoint else { continue };
        fits.there |= 1 << column;
        let at = [keypoint.at.x / size, keypoint.at.y / size];
        for (row, (seat, expected)) in seats.iter().zip(expected).enumerate() {
            let own = if row == column { OWN } else { 1.0 };
            let fit = match expected.place(k) {
                Some((place, variance)) => own * density(place, variance, at, along_links(seat, at)),
                // Nothing is known against it.
                None => if row == column { SUREST } else { 0.0 },
            };
            fits.rows[row][column] = (fit / STRANGERS).min(SUREST);
        }
    }
    fits
}

/// How dense a track's keypoint is at `at`, for each square of one body size.
fn density(place: [f32; 2], variance: f32, at: [f32; 2], (misfit, gain): (f32, f32)) -> f32 {
    let away = (at[0] - place[0]).powi(2) + (at[1] - place[1]).powi(2);
    let bell = |variance: f32| (-0.5 * away / variance).exp() / (std::f32::consts::TAU * variance);
    let straight = (1.0 - WILD) * bell(variance) + WILD * bell(variance * WILDER * WILDER);
    // A link of known length leaves less room to be in, so that where it does fit the density is higher.
    let linked = (1.0 + gain * variance).sqrt() * (-0.5 * misfit.min(MISFIT_MAX)).exp();
    let density = straight * linked;
    if density.is_finite() { density } else { 0.0 }
}

/// For each track the probability that its pose's keypoint is its own, over all ways in which each track has at most one of the
/// keypoints and each keypoint belongs to at most one track. 0 where its pose lacks it.
pub fn own_shares(fits: &Fits) -> [f32; MAX_ANIMALS] {
    const SETS: usize = 1 << MAX_ANIMALS;
    let n = fits.seats.min(MAX_ANIMALS);
    let sets = 1 << n;
    // The weight of all ways for the tracks before, and from, one of them, by the set of keypoints given to those before.
    let mut before = [[0.0f32; SETS]; MAX_ANIMALS + 1];
    let mut after = [[0.0f32; SETS]; MAX_ANIMALS + 1];
    before[0][0] = 1.0;
    after[n][..sets].fill(1.0);
    let ways = |row: usize, set: usize| {
        let free = fits.there & !set;
        (0..n).filter(move |column| free >> column & 1 == 1).map(move |column| (column, FOUND * fits.rows[row][column]))
    };
    for row in 0..n {
        for set in 0..sets {
            let weight = before[row][set];
            if weight > 0.0 {
                before[row + 1][set] += (1.0 - FOUND) * weight;
                ways(row, set).for_each(|(column, way)| before[row + 1][set | 1 << column] += way * weight);
            }
        }
    }
    for row in (0..n).rev() {
        for set in 0..sets {
            let missed = (1.0 - FOUND) * after[row + 1][set];
            after[row][set] = missed + ways(row, set).map(|(column, way)| way * after[row + 1][set | 1 << column]).sum::<f32>();
        }
    }
    let mut shares = [0.0; MAX_ANIMALS];
    for (row, share) in shares.iter_mut().enumerate().take(n) {
        let bit = 1 << row;
        if fits.there & bit != 0 && after[0][0] > 0.0 {
            let with = (0..sets).filter(|set| set & bit == 0).map(|set| before[row][set] * after[row + 1][set | bit]).sum::<f32>();
            *share = FOUND * fits.rows[row][row] * with / after[0][0];
        }
    }
    shares
}
