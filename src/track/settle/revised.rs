//! Runs of frames whose settled name differs from the published one, and why: one event a run.

use super::followed::Followed;
use crate::handover::{Event, Identity, MAX_ANIMALS, Revision, RevisionReason, Settled, TrackId};
use heapless::Vec;

/// A longer run is told in pieces, nanoseconds.
const LONGEST_NS: u64 = 10_000_000_000;
/// A contact explains what is revised within this long after it, nanoseconds.
const CONTACT_NS: u64 = 10_000_000_000;
/// A track is new for this long, nanoseconds.
const NEW_NS: u64 = 1_000_000_000;

/// The runs that go on.
#[derive(Clone, Debug, Default)]
pub(super) struct Revised {
    runs: Vec<Run, MAX_ANIMALS>,
}

#[derive(Clone, Copy, Debug)]
struct Run {
    revision: Revision,
    since_ns: u64,
}

impl Revised {
    /// Takes a settled frame in and puts the revisions that ended before it into its events.
    pub(super) fn look(&mut self, settled: &mut Settled, followed: &Followed, now_ns: u64) {
        let frame = settled.scene.stamp.frame;
        let mut going: Vec<Run, MAX_ANIMALS> = Vec::new();
        for (track, from, to) in differing(settled) {
            let same = |run: &&Run| {
                let Revision { track: other, from: before, to: then, .. } = run.revision;
                (other, before, then) == (track, from, to) && now_ns.saturating_sub(run.since_ns) < LONGEST_NS
            };
            let run = match self.runs.iter().find(same) {
                Some(run) => Run { revision: Revision { last: frame, ..run.revision }, ..*run },
                None => {
                    let why = why(followed, track, now_ns);
                    Run { revision: Revision { track, first: frame, last: frame, from, to, why }, since_ns: now_ns }
                }
            };
            let _ = going.push(run);
        }
        for run in &self.runs {
            let goes_on =
                |other: &Run| (other.revision.track, other.revision.first) == (run.revision.track, run.revision.first);
            if !going.iter().any(goes_on) {
                // There is room: a frame has no more tracks than animals, and each ends one run at most, here and in `end`.
                let _ = settled.events.push(Event::IdentityRevised(run.revision));
            }
        }
        self.runs = going;
    }

    /// Ends all runs with this frame, the last.
    pub(super) fn end(&mut self, settled: &mut Settled) {
        for run in self.runs.iter() {
            let _ = settled.events.push(Event::IdentityRevised(run.revision));
        }
        self.runs.clear();
    }
}

/// Tracks with a live name that is not their settled one.
fn differing(settled: &Settled) -> Vec<(TrackId, Identity, Option<Identity>), MAX_ANIMALS> {
    let animals = settled.scene.animals.iter().zip(&settled.live);
    animals
        .filter_map(|(animal, live)| {
            let (track, from) = (animal.track?, live.identity?);
            (animal.identity != Some(from)).then_some((track, from, animal.identity))
        })
        .collect()
}

fn why(followed: &Followed, track: TrackId, now_ns: u64) -> RevisionReason {
    let Some(one) = followed.of(track) else { return RevisionReason::LaterEvidence };
    match one.contact {
        Some((with, at_ns)) if now_ns.saturating_sub(at_ns) <= CONTACT_NS => RevisionReason::Contact(with),
        _ if now_ns.saturating_sub(one.since_ns) <= NEW_NS => RevisionReason::NewTrack,
        _ => RevisionReason::LaterEvidence,
    }
}
