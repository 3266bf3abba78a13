//! Every pose's keypoint against every track that it could belong to: the probability that it is its own track's.

use super::Seat;
use super::posture::Expected;
use crate::handover::MAX_ANIMALS;

/// How often a keypoint that is in view is among those found.
const FOUND: f32 = 0.8;
/// How many keypoints that are no track's lie on a square of one body size, and how many more for each body that they may be of.
const STRANGERS: f32 = 0.0003;
const STRANGERS_NEAR: f32 = 0.2;
/// How much more likely the model puts a keypoint into its own animal's pose than into another's near by.
const OWN: f32 = 10.0;
/// Now and then a keypoint strays further than it was seen to: this share of the time, this many times as far.
const WILD: f32 = 0.02;
const WILDER: f32 = 3.0;
/// Keypoints nearer than this, body sizes, claim one place.
const ONE_PLACE: f32 = 0.15;
/// Bound on how many times likelier than a stranger's a keypoint is taken to be, so that products stay finite.
const SUREST: f32 = 1e4;
/// Bound on the misfit along links, variances: the exponential of more is nothing.
const MISFIT_MAX: f32 = 60.0;

/// How many times likelier than a stranger's one kind of keypoint is each track's: a row for each track, a column for the pose of each.
pub struct Fits {
    seats: usize,
    /// Which poses have this keypoint, a bit each.
    there: usize,
    /// Which poses have it where this one has it.
    one_place: [usize; MAX_ANIMALS],
    /// How many bodies the keypoint of each pose may be of, but its own.
    others: [f32; MAX_ANIMALS],
    rows: [[f32; MAX_ANIMALS]; MAX_ANIMALS],
}

impl Fits {
    fn new(seats: usize) -> Self {
        Self {
            seats: seats.min(MAX_ANIMALS),
            there: 0,
            one_place: [0; MAX_ANIMALS],
            others: [0.0; MAX_ANIMALS],
            rows: [[0.0; MAX_ANIMALS]; MAX_ANIMALS],
        }
    }

    /// How many bodies each track's keypoint may be of, but its own.
    pub fn others(&self) -> [f32; MAX_ANIMALS] {
        self.others
    }
}

/// Weighs keypoint `k` of every pose against every track. `others` counts the bodies, but this one, that what lies at a place may be
/// of; `along_links` gives the misfit along links and the sum of their inverse variances. Places in body sizes.
pub fn fits(
    seats: &[Seat<'_>],
    expected: &[Expected],
    size: f32,
    k: usize,
    others: impl Fn(usize, [f32; 2]) -> f32,
    along_links: impl Fn(&Seat<'_>, [f32; 2]) -> (f32, f32),
) -> Fits {
    let mut fits = Fits::new(expected.len());
    let mut places = [None; MAX_ANIMALS];
    for (place, seat) in places.iter_mut().zip(seats) {
        let keypoint = seat.keypoints.as_deref().and_then(|keypoints| *keypoints.get(k)?);
        *place = keypoint.map(|keypoint| [keypoint.at.x / size, keypoint.at.y / size]);
    }
    for (column, at) in places.iter().take(expected.len()).enumerate() {
        let (Some(at), Some(shown)) = (*at, seats[column].coats.get(k)) else { continue };
        fits.there |= 1 << column;
        for (other, place) in places.iter().enumerate() {
            if place.is_some_and(|place| (place[0] - at[0]).hypot(place[1] - at[1]) < ONE_PLACE) {
                fits.one_place[column] |= 1 << other;
            }
        }
        fits.others[column] = others(column, at);
        let strangers = STRANGERS + STRANGERS_NEAR * fits.others[column];
        for (row, (seat, expected)) in seats.iter().zip(expected).enumerate() {
            let own = if row == column { OWN } else { 1.0 };
            let fit = match expected.place(k) {
                Some((place, variance)) => own * density(place, variance, at, along_links(seat, at)),
                // Nothing is known against it.
                None => {
                    if row == column {
                        SUREST
                    } else {
                        0.0
                    }
                }
            };
            fits.rows[row][column] = (fit / strangers).min(SUREST) * seat.would_show(shown);
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

/// For each track the probability that what lies where its pose's keypoint lies is its own, over all ways in which each track has at most one of the
/// keypoints and each keypoint belongs to at most one track. 0 where its pose lacks it.
pub fn own_shares(fits: &Fits) -> [f32; MAX_ANIMALS] {
    const SETS: usize = 1 << MAX_ANIMALS;
    let n = fits.seats;
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
            after[row][set] =
                missed + ways(row, set).map(|(column, way)| way * after[row + 1][set | 1 << column]).sum::<f32>();
        }
    }
    let mut shares = [0.0; MAX_ANIMALS];
    for (row, share) in shares.iter_mut().enumerate().take(n) {
        if fits.there >> row & 1 == 0 || after[0][0] <= 0.0 {
            continue;
        }
        // Which of the keypoints at one place it is makes no difference.
        for column in (0..n).filter(|column| (fits.there & fits.one_place[row]) >> column & 1 == 1) {
            let bit = 1 << column;
            let others = (0..sets).filter(|set| set & bit == 0);
            let with = others.map(|set| before[row][set] * after[row + 1][set | bit]).sum::<f32>();
            *share += FOUND * fits.rows[row][column] * with / after[0][0];
        }
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The weight of every way to give `row` and the rows after it keypoints; with `wanted`, of those in which that row has one of
    /// that set.
    fn ways(fits: &Fits, row: usize, taken: usize, wanted: Option<(usize, usize)>) -> f32 {
        if row == fits.seats {
            return 1.0;
        }
        let set = wanted.filter(|(wanted, _)| *wanted == row).map(|(_, set)| set);
        let missed = (1.0 - FOUND) * ways(fits, row + 1, taken, wanted);
        let mut sum = if set.is_some() { 0.0 } else { missed };
        for column in (0..fits.seats).filter(|column| (fits.there & !taken) >> column & 1 == 1) {
            if set.is_none_or(|set| set >> column & 1 == 1) {
                sum += FOUND * fits.rows[row][column] * ways(fits, row + 1, taken | 1 << column, wanted);
            }
        }
        sum
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]
        #[test]
        fn shares_are_what_trying_every_way_finds(
            seats in 0usize..=5,
            there in 0usize..32,
            same in 0usize..32,
            values in proptest::collection::vec(prop_oneof![0.0f32..2.0, 0.0f32..500.0, Just(0.0)], 25),
        ) {
            let mut fits = Fits { there: there & ((1 << seats) - 1), ..Fits::new(seats) };
            for row in 0..seats {
                fits.one_place[row] = 1 << row | same & there;
                fits.rows[row][..seats].copy_from_slice(&values[5 * row..5 * row + seats]);
            }
            let shares = own_shares(&fits);
            for (row, share) in shares.iter().enumerate() {
                let own = row < seats && fits.there >> row & 1 == 1;
                let tried = if own { ways(&fits, 0, 0, Some((row, fits.one_place[row]))) / ways(&fits, 0, 0, None) } else { 0.0 };
                prop_assert!((share - tried).abs() < 1e-3, "{row}: {share} against {tried}");
            }
        }
    }

    #[test]
    fn eight_sure_tracks_stay_finite() {
        let mut fits = Fits { there: 0xff, rows: [[SUREST; MAX_ANIMALS]; MAX_ANIMALS], ..Fits::new(MAX_ANIMALS) };
        fits.one_place = std::array::from_fn(|row| 1 << row);
        assert!(own_shares(&fits).iter().all(|share| (0.0..=0.2).contains(share)), "{:?}", own_shares(&fits));
    }
}
