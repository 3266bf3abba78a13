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
        belief.fade(frame.of(*track).map_or(1.0, |hearing| hearing.keeps));
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
