//! What the frames after a frame say about its tracks: the backward half of a forward-backward pass.
//!
//! Forward, a track's belief is `hear(mix(fade(belief before)))` (`Told`). Read backward, what comes after the frame before is
//! `fade(mix(hear(what comes after)))`, with each step the transpose of its forward twin. A pair that may have exchanged its
//! animals is weighed with what each was believed to be before: for two tracks that nothing else ties this is exact.

use super::super::identity::{Belief, Shares};
use super::super::told::{Exchange, Told};
use crate::handover::{MAX_ANIMALS, TrackId};
use heapless::Vec;

/// What comes after a frame, for each of its tracks.
pub(super) type Later = Vec<(TrackId, Belief), MAX_ANIMALS>;

/// What all frames after the first of `frames` say about the tracks of the first.
pub(super) fn later<'a>(mut frames: impl DoubleEndedIterator<Item = &'a Told>, identities: usize) -> Later {
    let Some(mut frame) = frames.next_back() else { return Later::new() };
    let mut after: Later = frame.tracks.iter().map(|hearing| (hearing.track, Belief::default())).collect();
    while let Some(before) = frames.next_back() {
        after = step(before, frame, &after, identities);
        frame = before;
    }
    after
}

/// What comes after `before`, when the next frame is `frame` and what comes after that is `after`.
fn step(before: &Told, frame: &Told, after: &Later, identities: usize) -> Later {
    let mut earlier = Later::new();
    for track in before.tracks.iter().map(|hearing| hearing.track) {
        let mut belief = Belief::default();
        if let Some(hearing) = frame.of(track) {
            belief = of(after, track).map_or(belief, |at| after[at].1);
            belief.hear(&hearing.heard, identities);
        }
        // There is room: a frame has no more tracks than that.
        let _ = earlier.push((track, belief));
    }
    for exchange in frame.exchanges.iter().rev() {
        mix(&mut earlier, exchange, before, identities);
    }
    for (track, belief) in &mut earlier {
        belief.fade(frame.of(*track).map_or(1.0, |hearing| hearing.keeps), identities);
    }
    earlier
}

fn of(later: &Later, track: TrackId) -> Option<usize> {
    later.iter().position(|(other, _)| *other == track)
}

/// The transpose of an exchange: each track's future is its own, or the other's.
fn mix(earlier: &mut Later, exchange: &Exchange, before: &Told, identities: usize) {
    let (Some(a), Some(b)) = (of(earlier, exchange.a), of(earlier, exchange.b)) else { return };
    let believed = |track| before.of(track).map_or(Belief::default(), |hearing| hearing.belief).shares(identities);
    let (past_a, past_b) = (believed(exchange.a), believed(exchange.b));
    let (future_a, future_b) = (earlier[a].1.shares(identities), earlier[b].1.shares(identities));
    let weigh = |mine: &Shares, theirs: &Shares, their_past: &Shares| {
        let expected = |future: &Shares| their_past.iter().zip(future).map(|(p, l)| p * l).sum::<f32>();
        let stayed = (1.0 - exchange.p) * expected(theirs);
        let exchanged = exchange.p * expected(mine);
        let mut weights = [0.0; MAX_ANIMALS];
        for (weight, (mine, theirs)) in weights.iter_mut().zip(mine.iter().zip(theirs)) {
            *weight = stayed * mine + exchanged * theirs;
        }
        Belief::of_weights(&weights, identities)
    };
    earlier[a].1 = weigh(&future_a, &future_b, &past_b);
    earlier[b].1 = weigh(&future_b, &future_a, &past_a);
}

#[cfg(test)]
mod tests {
    use super::super::super::told::Hearing;
    use super::*;

    const A: TrackId = TrackId(1);
    const B: TrackId = TrackId(2);

    /// Logarithms of three likelihoods.
    fn heard(likelihoods: [f32; 3]) -> Shares {
        let mut heard = [0.0; MAX_ANIMALS];
        heard.iter_mut().zip(likelihoods).for_each(|(log, likelihood)| *log = likelihood.ln());
        heard
    }

    /// A frame's record when the belief before is `before`, as the tracker makes it.
    fn told(before: &Told, keeps: f32, exchange: Option<f32>, said: &[(TrackId, [f32; 3])]) -> Told {
        let mut told = Told::default();
        for (track, likelihoods) in said {
            let mut belief = before.of(*track).map_or(Belief::default(), |hearing| hearing.belief);
            belief.fade(keeps, 3);
            let hearing =
                Hearing { track: *track, belief, heard: heard(*likelihoods), keeps, present: 1.0, weighed: true };
            told.tracks.push(hearing).expect("room");
        }
        if let Some(p) = exchange {
            let (first, second) = told.tracks.split_at_mut(1);
            first[0].belief.mix(&mut second[0].belief, p, 3);
            told.exchanges.push(Exchange { a: A, b: B, p }).expect("room");
        }
        told.tracks.iter_mut().for_each(|hearing| hearing.belief.hear(&hearing.heard, 3));
        told
    }

    fn close(one: &Shares, other: &[f64]) {
        for (one, other) in one.iter().zip(other) {
            assert!((f64::from(*one) - other).abs() < 1e-4, "{one} {other}");
        }
    }

    fn normed(weights: [f64; 3]) -> [f64; 3] {
        weights.map(|weight| weight / weights.iter().sum::<f64>())
    }

    #[test]
    fn a_track_alone_is_weighed_as_all_its_frames_together_say() {
        let said = [[0.5, 0.3, 0.2], [0.2, 0.5, 0.3], [0.3, 0.4, 0.3], [0.6, 0.2, 0.2], [0.1, 0.5, 0.4]];
        for keeps in [1.0f32, 0.9] {
            let mut frames = vec![told(&Told::default(), keeps, None, &[(A, said[0])])];
            for likelihoods in &said[1..] {
                frames.push(told(frames.last().expect("one"), keeps, None, &[(A, *likelihoods)]));
            }
            for at in 0..said.len() {
                let after = later(frames[at..].iter(), 3);
                let belief = frames[at].tracks[0].belief.with(&after[0].1, 3);
                // Every way in which it may have been somebody else from frame to frame.
                let mut weights = [0.0; 3];
                for way in 0..3usize.pow(5) {
                    let who = [0, 1, 2, 3, 4].map(|n| way / 3usize.pow(n) % 3);
                    let said = who.iter().zip(&said).map(|(k, said)| f64::from(said[*k])).product::<f64>();
                    let stays = |pair: &[usize]| if pair[0] == pair[1] { f64::from(keeps) } else { 0.0 };
                    let moves = who.windows(2).map(|pair| stays(pair) + (1.0 - f64::from(keeps)) / 3.0);
                    weights[who[at]] += said * moves.product::<f64>();
                }
                close(&belief.shares(3), &normed(weights));
            }
        }
    }

    #[test]
    fn two_tracks_that_may_have_exchanged_are_weighed_as_trying_both_ways_does() {
        for p in [0.0f32, 0.1, 0.3, 0.5] {
            let first = told(&Told::default(), 1.0, None, &[(A, [0.6, 0.3, 0.1]), (B, [0.2, 0.7, 0.1])]);
            let second = told(&first, 1.0, Some(p), &[(A, [0.3, 0.6, 0.1]), (B, [0.5, 0.3, 0.2])]);
            let third = told(&second, 1.0, None, &[(A, [0.4, 0.5, 0.1]), (B, [0.6, 0.2, 0.2])]);
            let after = later([&first, &second, &third].into_iter(), 3);
            // What track `a` is by trying who it and `b` are, and whether they exchanged.
            let by_hand = |a: usize, b: usize| {
                let says = |frame: &Told, track: usize, k: usize| f64::from(frame.tracks[track].heard[k].exp());
                let then = |track, k| says(&second, track, k) * says(&third, track, k);
                let mut weights = [0.0; 3];
                for (i, j) in (0..9).map(|n| (n / 3, n % 3)) {
                    let stayed = (1.0 - f64::from(p)) * then(a, i) * then(b, j);
                    let exchanged = f64::from(p) * then(a, j) * then(b, i);
                    weights[i] += says(&first, a, i) * says(&first, b, j) * (stayed + exchanged);
                }
                normed(weights)
            };
            for (track, other) in [(0, 1), (1, 0)] {
                let belief = first.tracks[track].belief.with(&after[track].1, 3);
                close(&belief.shares(3), &by_hand(track, other));
            }
        }
    }

    #[test]
    fn a_track_that_begins_or_ends_says_nothing_about_frames_without_it() {
        let first = told(&Told::default(), 1.0, None, &[(A, [0.6, 0.3, 0.1])]);
        let second = told(&first, 1.0, None, &[(B, [0.1, 0.1, 0.8])]);
        let after = later([&first, &second].into_iter(), 3);
        assert_eq!(after[..], [(A, Belief::default())]);
        assert_eq!(later([].into_iter(), 3).len(), 0);
    }
}
