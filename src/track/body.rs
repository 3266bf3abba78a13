//! Whose keypoint is it? Each body part of a pose is held against what its track's body can be, and against the bodies near it.
//!
//! A body has a frame of its own. `build` learns from the stream where each keypoint lies in it and how far it strays;
//! `posture` remembers where it lay last, so that it says where the keypoint must be; `contest` weighs every pose's keypoint
//! against every track that it could belong to. One that is not clearly its own track's is given up: missing is better than
//! borrowed. All lengths are in body sizes, except where camera pixels are named.

mod build;
mod contest;
mod posture;
mod seat;

pub use posture::Posture;
pub use seat::{Hidden, Seat, UNKNOWN_COAT, UNKNOWN_COATS};

use crate::handover::{KeypointSet, MAX_ANIMALS, MAX_KEYPOINTS};
use crate::space::InCamera;
use build::Build;
use heapless::Vec;
use posture::{Expected, Frame};

/// Links of a skeleton that are held to their lengths; further ones are left out.
const MAX_LINKS: usize = 32;
/// A keypoint is given up below this probability that it is its own track's.
const OWN_MIN: f32 = 0.99;
/// One that was missing in the frame before comes back from this on: most borrowed ones are new ones.
const OWN_AGAIN: f32 = 0.998;
/// A pose that keeps less than this share of its keypoints may be of two animals: what it keeps must be this sure.
const WHOLE: f32 = 0.7;
const OWN_IN_PART: f32 = 0.999;
/// Where coats are known a smaller loss makes it doubtful, for what it keeps can still be vouched for: it must show its animal's coat
/// this many times likelier than by chance; a keypoint that lies on no paint must be linked to one that shows it this clearly.
const WHOLE_COATED: f32 = 0.8;
const SHOWN: f32 = 2.0;
const SHOWN_LINKED: f32 = 3.0;
/// How much a body counts as one that a stray keypoint may be of: where its own pose has that keypoint elsewhere, and where it has
/// no track.
const HAS_ITS_OWN: f32 = 0.1;
const HIDDEN: f32 = 0.3;
/// A body counts at least this much, whatever the coat there: a part that lies on another animal is seen against that one's coat.
const AGAINST_ANOTHERS: f32 = 0.2;
/// The model is less sure of a keypoint that it borrows. One that scores a standard deviation less than usual is e times likelier to
/// be another's, one that scores `FAINT` of them less counts as it stands; beyond these bounds nothing more is made of it.
const FAINT: f32 = 1.2;
const CLEAREST: f32 = 0.2;
const FAINTEST: f32 = 100.0;
/// The model borrows what strays, as tails do, the most: such a keypoint that was missing is this many times likelier to be another's.
const STRAYED: f32 = 2.0;
/// A body may have a keypoint this many standard deviations from where it is thought to be.
const ASTRAY: f32 = 3.0;
/// From so many bodies on that it may be of, a keypoint that was missing must be seen in this many further frames before it is back:
/// borrowed ones seldom stay for three frames.
const BESIDE_OTHERS: f32 = 0.05;
const HELD_BACK: u8 = 2;
/// Where it may be of so many, one that lies further than this (body sizes) from where it must be comes back, too: it went elsewhere.
const AMONG_OTHERS: f32 = 1.0;
const LEAP: f32 = 0.15;
/// A keypoint further than this from another is elsewhere, body sizes.
const ELSEWHERE: f32 = 0.3;
/// An animal's own build counts once it was learnt for this long, seconds.
const OWN_BUILD_S: f32 = 5.0;
/// A name teaches its build from this probability on.
const TEACHES: f32 = 0.9;

/// The bodies of an arena: how they are built, as a whole and each animal.
#[derive(Clone, Debug)]
pub struct Bodies {
    links: Vec<[usize; 2], MAX_LINKS>,
    all: Build,
    each: [Build; MAX_ANIMALS],
}

impl Bodies {
    /// Nothing is known but which keypoints the skeleton links, by their indexes; it may be empty.
    pub fn new(skeleton: &[[usize; 2]]) -> Self {
        let sound = |link: &&[usize; 2]| link[0] != link[1] && link.iter().all(|index| *index < MAX_KEYPOINTS);
        Self {
            links: skeleton.iter().filter(sound).take(MAX_LINKS).copied().collect(),
            all: Build::default(),
            each: Default::default(),
        }
    }

    /// Gives up or holds back the keypoints that are not clearly their own track's, remembers the others, and learns from bodies that lie alone.
    /// `hidden` are the animals without a track; `size` is the body size in camera
    /// pixels, `step_s` the time since the frame before.
    pub fn check(&mut self, seats: &mut [Seat<'_>], hidden: &[Hidden], size: f32, step_s: f32) {
        let mut expected: Vec<Expected, MAX_ANIMALS> = Vec::new();
        for seat in seats.iter_mut().take(MAX_ANIMALS) {
            seat.posture.age(step_s);
            let build = self.of(seat.name);
            let _ = expected.push(seat.posture.expect(build, seat.keypoints.as_deref(), seat.moved, size));
        }
        self.judge(seats, &expected, hidden, size);
        for (seat, expected) in seats.iter_mut().zip(&expected) {
            match seat.keypoints.as_deref() {
                Some(keypoints) => seat.posture.remember(expected, keypoints, size),
                None => seat.posture.miss(),
            }
            seat.complete_shape();
        }
        self.learn(seats, &expected, size, step_s);
    }

    /// The build to hold a track against: the animal's own once it is well known.
    fn of(&self, name: Option<(usize, f32)>) -> &Build {
        name.filter(|(_, p)| *p >= TEACHES)
            .and_then(|(index, _)| self.each.get(index))
            .filter(|own| own.learnt_s() >= OWN_BUILD_S)
            .unwrap_or(&self.all)
    }

    /// Goes from the keypoints that stray least to those that stray most, so that links lead outwards from what is sure.
    fn judge(&self, seats: &mut [Seat<'_>], expected: &[Expected], hidden: &[Hidden], size: f32) {
        let given: Vec<KeypointSet, MAX_ANIMALS> = seats.iter().take(MAX_ANIMALS).map(Seat::present).collect();
        seats.iter_mut().filter(|seat| seat.keypoints.is_some()).for_each(|seat| *seat.shape = [None; MAX_KEYPOINTS]);
        let mut shares = [[0.0; MAX_ANIMALS]; MAX_KEYPOINTS];
        let mut judged = KeypointSet::default();
        for k in self.all.steadiest_first() {
            let others = |own: usize, at: [f32; 2]| self.others(&*seats, expected, hidden, size, k, (own, at));
            let fits = contest::fits(&*seats, expected, size, k, others, |seat, at| {
                self.along_links(seat, k, at, judged, size)
            });
            shares[k] = contest::own_shares(&fits);
            let bodies = seats.iter_mut().zip(expected);
            for (((seat, body), own), others) in bodies.zip(shares[k]).zip(fits.others()) {
                let at = seat.keypoint(k).map(|keypoint| [keypoint.at.x / size, keypoint.at.y / size]);
                let leapt = others > AMONG_OTHERS && at.is_some_and(|at| body.is_off(k, at, LEAP));
                match verdict(seat.posture, k, own, others, leapt) {
                    Verdict::Kept => {}
                    Verdict::HeldBack => seat.hold_back(k),
                    Verdict::GivenUp => seat.give_up(k, true),
                }
            }
            judged.insert(k);
        }
        for (index, (seat, given)) in seats.iter_mut().zip(given).enumerate() {
            self.let_go(seat, given);
            let coated = (0..MAX_KEYPOINTS).any(|k| seat.tells(k));
            let whole = if coated { WHOLE_COATED } else { WHOLE };
            if (seat.present().count() as f32) < whole * given.count() as f32 {
                let shown = self.shown(seat);
                for (k, shares) in shares.iter().enumerate() {
                    seat.give_up(k, shares[index] < OWN_IN_PART || (coated && !shown.contains(k)));
                }
            }
        }
    }

    /// The keypoints that a link joins to `k`.
    fn linked(&self, k: usize) -> impl Iterator<Item = usize> {
        self.links.iter().filter(move |link| link.contains(&k)).flatten().copied().filter(move |other| *other != k)
    }

    /// Gives up what hangs on steadier keypoints none of which is left, as a tail's end does on its middle, unless its coat speaks for it:
    /// the pose took them together. What strays goes even where the pose never had them: without them it is mostly another's.
    /// `given` are the keypoints that the pose had.
    fn let_go(&self, seat: &mut Seat<'_>, given: KeypointSet) {
        let build = self.of(seat.name);
        let mut steadier = KeypointSet::default();
        for k in self.all.steadiest_first() {
            let strays = build.strays(k);
            let counts = |other: &usize| steadier.contains(*other) && (strays || given.contains(*other));
            let mut hangs_on = self.linked(k).filter(counts);
            let first = hangs_on.next();
            let lost = |other: usize| seat.keypoint(other).is_none();
            let adrift = first.is_some_and(lost) && hangs_on.all(lost);
            seat.give_up(k, adrift && seat.shows(k) < SHOWN);
            steadier.insert(k);
        }
    }

    /// The keypoints of a pose whose coat speaks for them.
    fn shown(&self, seat: &Seat<'_>) -> KeypointSet {
        let spoken_for = |k: &usize| {
            let by_link = |other: usize| seat.keypoint(other).is_some() && seat.shows(other) >= SHOWN_LINKED;
            seat.shows(*k) >= SHOWN || (!seat.tells(*k) && self.linked(*k).any(by_link))
        };
        (0..MAX_KEYPOINTS).filter(spoken_for).collect()
    }

    /// How many bodies, but `own`, a keypoint `k` at `at` (body sizes) may be of. Each counts by how little is known of its own one
    /// and by how well its coat fits.
    fn others(
        &self,
        seats: &[Seat<'_>],
        expected: &[Expected],
        hidden: &[Hidden],
        size: f32,
        k: usize,
        (own, at): (usize, [f32; 2]),
    ) -> f32 {
        let Some(seat) = seats.get(own) else { return 0.0 };
        let (Some(shown), Some(keypoint)) = (seat.coats.get(k), seat.keypoint(k)) else { return 0.0 };
        let away = |place: InCamera| (place.x / size - at[0]).hypot(place.y / size - at[1]);
        let bodies = seats.iter().zip(expected).enumerate();
        let near = bodies.filter(|(index, (_, body))| *index != own && body.may_have(k, at, ASTRAY));
        let seen = near.map(|(_, (seat, _))| {
            let shows = seat.would_show(shown).max(AGAINST_ANOTHERS);
            match seat.keypoint(k) {
                Some(keypoint) if away(keypoint.at) > ELSEWHERE => HAS_ITS_OWN * shows,
                _ => shows,
            }
        });
        let reach = self.all.reach();
        let hidden = hidden.iter().filter(|hidden| away(hidden.at) <= reach);
        let hidden = hidden.filter_map(|hidden| shown.get(hidden.identity)).map(|shows| shows.max(AGAINST_ANOTHERS));
        let build = self.of(seat.name);
        let fainter = build.fainter(k, keypoint.score);
        let faint = fainter.map_or(1.0, |fainter| (fainter - FAINT).exp().clamp(CLEAREST, FAINTEST));
        let strayed = if build.strays(k) && !seat.posture.had(k) { STRAYED } else { 1.0 };
        faint * strayed * (seen.sum::<f32>() + HIDDEN * hidden.sum::<f32>())
    }

    /// How well a keypoint `k` at `at` (body sizes) keeps the lengths of the links to this track's keypoints that were judged.
    fn along_links(&self, seat: &Seat<'_>, k: usize, at: [f32; 2], judged: KeypointSet, size: f32) -> (f32, f32) {
        let build = self.of(seat.name);
        let Some(keypoints) = seat.keypoints.as_deref() else { return (0.0, 0.0) };
        let (mut misfit, mut gain) = (0.0, 0.0);
        for (index, link) in self.links.iter().enumerate() {
            let other = if link[0] == k { link[1] } else { link[0] };
            if !link.contains(&k) || !judged.contains(other) {
                continue;
            }
            if let (Some(length), Some(other)) = (build.length(index), keypoints[other]) {
                let away = (at[0] - other.at.x / size).hypot(at[1] - other.at.y / size);
                misfit += (away - length.mean).powi(2) / length.variance;
                gain += 1.0 / length.variance;
            }
        }
        (misfit, gain)
    }

    /// A body that touches none teaches the arena's build, and its animal's if the name is sure.
    fn learn(&mut self, seats: &[Seat<'_>], expected: &[Expected], size: f32, step_s: f32) {
        for (index, (seat, own)) in seats.iter().zip(expected).enumerate() {
            let (Some(keypoints), Some(frame)) = (seat.keypoints.as_deref(), own.frame) else { continue };
            let others = expected.iter().enumerate().filter(|(other, _)| *other != index);
            if others.filter_map(|(_, other)| other.frame).any(|other| frame.touches(&other)) {
                continue;
            }
            self.all.learn(&frame, keypoints, &self.links, size, step_s);
            let named = seat.name.filter(|(_, p)| *p >= TEACHES).and_then(|(index, _)| self.each.get_mut(index));
            if let Some(named) = named {
                named.learn(&frame, keypoints, &self.links, size, step_s);
            }
        }
        // The first body of all cannot be laid on another.
        if self.all.learnt_s() == 0.0 {
            let first = seats.iter().filter_map(|seat| seat.keypoints.as_deref());
            if let Some(first) = first.max_by_key(|keypoints| keypoints.iter().flatten().count()) {
                self.all.learn(&Frame::around(first, size), first, &self.links, size, step_s);
            }
        }
    }
}

/// What becomes of a keypoint.
enum Verdict {
    Kept,
    /// Its own, as far as is seen, but not surely or often enough to be told.
    HeldBack,
    GivenUp,
}

/// What becomes of a pose's keypoint `k`, which is its track's own with probability `own` and may be one of `others` bodies'; `leapt`: it
/// lies elsewhere than in the frames before.
fn verdict(posture: &mut Posture, k: usize, own: f32, others: f32, leapt: bool) -> Verdict {
    let had = posture.had(k) && !leapt;
    let likely = own >= if had { OWN_MIN } else { OWN_AGAIN };
    if leapt {
        posture.note(k, false);
    }
    let frames = posture.note(k, likely);
    let waits = !had && posture.is_known() && others > BESIDE_OTHERS && frames <= HELD_BACK;
    match own {
        _ if likely && !waits => Verdict::Kept,
        OWN_MIN.. => Verdict::HeldBack,
        _ => Verdict::GivenUp,
    }
}

#[cfg(test)]
mod tests;
