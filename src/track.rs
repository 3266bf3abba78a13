//! Poses to scenes: which pose continues which track, who each track is, and who is out of sight. Pure: no clock but the stamp.
//!
//! One frame: `motion` predicts each track, `cost` says how badly each pose fits each track, `assign` pairs them, `body`
//! gives up keypoints that are not clearly their own track's, `identity` weighs who is who, `known` tells the scene. All lengths are
//! in body sizes, which the tracker learns from the poses, so that nothing depends on the camera's resolution. Poses are put in
//! order first, so that their order says nothing.

mod assign;
mod body;
mod contact;
mod cost;
mod identity;
mod known;
mod looks;
mod motion;
mod seating;
mod settle;
mod told;

use crate::config;
use crate::handover::{
    Event, Gaps, Identity, Keypoint, KeypointSet, Keypoints, MAX_ANIMALS, MAX_EVENTS, Pose, Poses, Scene, TrackId,
    Vanished,
};
use crate::space::InCamera;
use crate::stamp::{Elapsed, Stamp};
use crate::zones::Zones;
use assign::{Costs, Pairs, assign};
use body::{Bodies, Posture};
pub use contact::Contacts;
use cost::Expected;
use heapless::Vec;
use identity::{Belief, Candidate, Shares};
use known::{Known, View};
use looks::Looks;
use motion::Motion;
pub use settle::{MOST_WAITING, Settler};
use std::cmp::Ordering;
pub use told::{Exchange, Hearing, Sighting, Told};

/// A pose at least this sure starts a track at once; a weaker one must be seen twice. Mice on photographs of a real arena score 0.548 and
/// more.
const STRONG: f32 = 0.54;
/// Body size until one was measured, pixels.
const FIRST_SIZE: f32 = 20.0;
/// The body size is the mean over about this many frames.
const SIZE_FRAMES: f32 = 50.0;
/// After a longer gap between two frames every track is a new one, seconds.
const LONGEST_STEP_S: f64 = 1.0;
/// A doubtful pairing makes an exchange certain only when the doubt lasts this long, seconds.
const DOUBT_S: f64 = 0.06;
/// An animal that is out of sight may take over the pose of one seen this near to where it vanished, body sizes: it comes out of its
/// shelter under the other.
const BESIDE: f32 = 3.0;
/// A track that goes out of sight closer than this to another is under it, body sizes. On rendered film, two poses became one where
/// centres were nearer than this; no exchange of two tracks that both had poses was ever seen.
const CLOSE: f32 = 1.2;
/// It may stay under it for this long, seconds: of 350 gaps in the poses of rendered mice in view one was longer.
const UNDER_S: f64 = 0.8;
/// Two animals that have one pose between them: the pose goes over from one to the other once in this time, seconds. Names are about
/// as right from 0.3 to 1.6; longer leaves doubts unsaid, shorter withholds more.
const TOGETHER_S: f64 = 0.7;
/// An exchange less likely than this moves no belief.
const EXCHANGED_MIN: f32 = 1e-5;
/// A pose whose body parts are this much like those of a track seen in the same frame is a second sight of the same animal.
const DOUBLE: f32 = 0.7;
/// A cut loses tracks that were seen within this long, seconds: the frame before, at any usual rate.
const CUT_S: f64 = 0.25;
/// A place that a mouse can reach after being out of sight: body sizes, and body sizes for each second.
const REACHABLE: f32 = 4.0;
const REACHABLE_PER_S: f32 = 15.0;
/// No picture is as wide: what lies beyond is nonsense, pixels.
const WIDEST: f32 = 1e5;

/// An unbroken run of poses.
#[derive(Clone, Debug)]
struct Track {
    id: TrackId,
    motion: Motion,
    belief: Belief,
    looks: Looks,
    /// Posterior probability of each identity.
    shares: Shares,
    name: Option<Identity>,
    /// Out of sight since it was close to this track: most likely under it, or the two have one pose between them.
    under: Option<TrackId>,
    /// As last seen, without those that were given up or held back.
    keypoints: Keypoints,
    /// The same with those that were held back: the next pose is held against it.
    shape: Keypoints,
    posture: Posture,
    seen_at: InCamera,
    /// Its pose in this frame.
    pose: Option<usize>,
    /// Time since the last pose, and between the last two, seconds.
    unseen_s: f64,
    interval_s: f64,
    /// How long it had poses, seconds.
    seen_s: f64,
    /// Seen often or clearly enough to be shown.
    confirmed: bool,
}

impl Track {
    fn seen(&self) -> bool {
        self.pose.is_some()
    }

    /// How long it is kept without a pose, seconds.
    fn lasts_s(&self, coast_s: f64) -> f64 {
        if self.under.is_some() { UNDER_S.max(coast_s) } else { coast_s }
    }

    /// Where it is: as seen, else as predicted. Camera pixels.
    fn place(&self) -> InCamera {
        if self.seen() { self.seen_at } else { self.motion.at() }
    }

    /// Body parts shifted as the centre is thought to have moved, less sure the longer ago they were seen.
    fn moved(&self, coast_s: f64) -> Keypoints {
        let at = self.place();
        let (dx, dy) = (at.x - self.seen_at.x, at.y - self.seen_at.y);
        let sure = if coast_s > 0.0 { (-self.unseen_s / coast_s).exp() as f32 } else { 0.0 };
        let mut keypoints = self.keypoints;
        for keypoint in keypoints.iter_mut().flatten() {
            keypoint.at = InCamera { x: keypoint.at.x + dx, y: keypoint.at.y + dy };
            keypoint.score *= sure;
        }
        keypoints
    }

    fn expected(&self) -> Expected<'_> {
        Expected {
            motion: &self.motion,
            seen_at: self.seen_at,
            keypoints: &self.shape,
            shares: &self.shares,
            unseen_s: self.unseen_s,
        }
    }
}

/// The tracker of one arena. Allocates nothing after `new`.
#[derive(Clone, Debug)]
pub struct Tracker {
    config: config::Tracker,
    identities: usize,
    zones: Zones,
    elapsed: Elapsed,
    /// Body size, pixels, and over how many frames it was measured.
    size: f32,
    sized: f32,
    tracks: Vec<Track, MAX_ANIMALS>,
    next_id: u32,
    /// Share of looks that are another animal's.
    misled: f32,
    bodies: Bodies,
    known: Known,
    told: Told,
}

impl Tracker {
    /// A tracker that has seen nothing. `identities` is how many the model knows, at most `MAX_ANIMALS`; with none every track
    /// stays nameless. `skeleton` links keypoints by their indexes; without one, bodies are known by their keypoints' places alone.
    pub fn new(config: config::Tracker, identities: usize, zones: Zones, skeleton: &[[usize; 2]]) -> Self {
        Self {
            config,
            identities: identities.min(MAX_ANIMALS),
            zones,
            elapsed: Elapsed::default(),
            size: FIRST_SIZE,
            sized: 0.0,
            tracks: Vec::new(),
            next_id: 1,
            misled: looks::MISLED,
            bodies: Bodies::new(skeleton),
            known: Known::default(),
            told: Told::default(),
        }
    }

    /// Takes one frame's poses in and tells the scene. Poses with impossible values are left out, and so are those below the
    /// configured score. Stamps may be any time apart or go back. The same frames always give the same scenes.
    pub fn advance(&mut self, poses: &Poses, stamp: Stamp, gaps: &Gaps) -> Scene {
        let step_s = self.elapsed.advance(stamp.captured);
        let poses = self.admit(poses);
        self.measure(&poses);
        self.known.age(step_s);
        self.predict(step_s);
        let (places, pairs) = self.pair(&poses);
        if self.is_cut(&poses, &pairs) {
            self.tracks.clear();
        }
        self.follow(&poses, &pairs);
        self.cover();
        self.told.clear();
        self.fade(step_s);
        self.doubt(&places, &pairs, step_s);
        self.start(&poses, &pairs);
        self.check_bodies(&poses, step_s);
        self.listen(&poses);
        self.name();
        self.tell();
        let view = View { zones: &self.zones, identities: self.identities, size: self.size, coast_s: self.coast_s() };
        self.known.tell(&self.told.sightings, &view, stamp, gaps)
    }

    /// What happened in the scene told last: gaps, then each identity's events in the model's order. All of them fit.
    pub fn events(&self) -> &Vec<Event, MAX_EVENTS> {
        self.known.events()
    }

    /// What the last frame said about who is who.
    pub fn told(&self) -> &Told {
        &self.told
    }

    fn coast_s(&self) -> f64 {
        self.config.coast.as_secs_f64()
    }

    /// The poses that make sense, cleaned, in an order that is theirs alone.
    fn admit(&self, poses: &Poses) -> Vec<Pose, MAX_ANIMALS> {
        let mut admitted: Vec<Pose, MAX_ANIMALS> = Vec::new();
        for pose in poses {
            if pose.score >= self.config.score_min && sensible(pose.centre) {
                let mut pose = pose.clone();
                pose.score = pose.score.clamp(0.0, 1.0);
                for keypoint in &mut pose.keypoints {
                    *keypoint = keypoint
                        .filter(|k| sensible(k.at) && k.score >= self.config.keypoint_score_min)
                        .map(|k| Keypoint { score: k.score.clamp(0.0, 1.0), ..k });
                }
                pose.identity = identity::sound(&pose.identity, self.identities);
                pose.coats = identity::sound_coats(&pose.coats, self.identities);
                let _ = admitted.push(pose);
            }
        }
        admitted.sort_unstable_by(order);
        admitted
    }

    fn measure(&mut self, poses: &[Pose]) {
        if let Some(measured) = cost::size_of(poses) {
            self.sized = (self.sized + 1.0).min(SIZE_FRAMES);
            self.size += (measured.clamp(2.0, 1000.0) - self.size) / self.sized;
        }
    }

    /// A track may go on after a gap in the frames that is longer than the coasting time: it had no chance to be seen.
    fn predict(&mut self, step_s: f64) {
        let coast_s = self.coast_s();
        self.tracks.retain(|track| step_s <= LONGEST_STEP_S && track.unseen_s <= track.lasts_s(coast_s));
        let size = self.size;
        for track in &mut self.tracks {
            track.motion.predict(step_s, size);
            track.interval_s = track.unseen_s + step_s;
            track.unseen_s = track.interval_s;
            track.pose = None;
        }
    }

    /// What each pairing costs by place alone, and the best pairing by place and looks.
    fn pair(&self, poses: &[Pose]) -> (Costs, Pairs) {
        let mut places = Costs::new(self.tracks.len(), poses.len());
        let mut costs = places.clone();
        for (row, track) in self.tracks.iter().enumerate() {
            let expected = track.expected();
            for (column, pose) in poses.iter().enumerate() {
                let place = cost::place(&expected, pose, self.size);
                places.set(row, column, place);
                costs.set(row, column, place + cost::looks(&expected, &pose.identity, self.identities));
            }
        }
        let pairs = assign(&costs, cost::UNPAIRED);
        (places, pairs)
    }

    /// Several animals are seen and none of them where any was: another picture, not motion. A camera that was moved, or stills.
    /// The tracks end, so that paint alone names who is seen; as coasting tracks they would keep the names.
    fn is_cut(&self, poses: &[Pose], pairs: &Pairs) -> bool {
        let lost = self.tracks.iter().filter(|track| track.interval_s < CUT_S).count();
        lost > 1 && poses.len() > 1 && pairs.iter().all(Option::is_none)
    }

    /// Paired tracks take their poses in.
    fn follow(&mut self, poses: &[Pose], pairs: &Pairs) {
        let size = self.size;
        for (track, pair) in self.tracks.iter_mut().zip(pairs) {
            let Some(pose) = pair.and_then(|index| poses.get(index)) else { continue };
            track.motion.update(pose.centre, motion::noise(size, pose.score));
            track.keypoints = pose.keypoints;
            track.seen_at = pose.centre;
            track.pose = *pair;
            track.unseen_s = 0.0;
            track.seen_s += track.interval_s;
            track.confirmed = true;
        }
    }

    /// A track that goes out of sight close to another is under it and goes where the other goes.
    fn cover(&mut self) {
        let close = CLOSE * self.size;
        for index in 0..self.tracks.len() {
            let track = &self.tracks[index];
            if track.seen() {
                self.tracks[index].under = None;
                continue;
            }
            let at = track.motion.at();
            let over = match track.under {
                Some(id) => self.tracks.iter().find(|other| other.id == id && other.seen()),
                None => self
                    .tracks
                    .iter()
                    .filter(|other| other.seen() && other.seen_at.distance(at) < close)
                    .min_by(|a, b| a.seen_at.distance(at).total_cmp(&b.seen_at.distance(at))),
            };
            let Some((id, motion)) = over.map(|over| (over.id, over.motion.clone())) else { continue };
            let track = &mut self.tracks[index];
            track.under = Some(id);
            track.motion.go_with(&motion, f64::from(self.size));
        }
    }

    /// What was believed counts less as time goes by.
    fn fade(&mut self, step_s: f64) {
        let beside = BESIDE * self.size;
        let hidden = self.hidden();
        for track in &mut self.tracks {
            let place = track.place();
            let lasts_s = match track.seen() {
                true if hidden.iter().any(|at| at.distance(place) < beside) => identity::FADE_BESIDE_S,
                true => identity::FADE_SEEN_S,
                false => identity::FADE_UNSEEN_S,
            };
            let keeps = (-step_s / lasts_s).exp() as f32;
            track.belief.fade(keeps, self.identities);
            let _ = self.told.tracks.push(Hearing { track: track.id, keeps, ..Hearing::default() });
        }
    }

    /// Where those identities vanished that most likely no track is.
    fn hidden(&self) -> Vec<InCamera, MAX_ANIMALS> {
        let tracked = |k: usize| self.tracks.iter().map(|track| track.shares[k]).sum::<f32>() > 0.5;
        let sights = (0..self.identities).filter(|k| !tracked(*k)).filter_map(|k| self.known.sight(k));
        sights.map(|sight| sight.last.at).collect()
    }

    /// Where another pairing would have been nearly as good, the two tracks may have exchanged their animals.
    fn doubt(&mut self, places: &Costs, pairs: &Pairs, step_s: f64) {
        let lasting = (step_s / DOUBT_S).min(1.0) as f32;
        for i in 0..self.tracks.len() {
            for j in i + 1..self.tracks.len() {
                let dearer = match (pairs[i], pairs[j]) {
                    (Some(a), Some(b)) => places.get(i, b) + places.get(j, a) - places.get(i, a) - places.get(j, b),
                    (Some(a), None) => places.get(j, a) - places.get(i, a),
                    (None, Some(b)) => places.get(i, b) - places.get(j, b),
                    (None, None) => continue,
                };
                let together =
                    self.tracks[i].under == Some(self.tracks[j].id) || self.tracks[j].under == Some(self.tracks[i].id);
                if dearer.is_finite() || together {
                    let by_place = if dearer.is_finite() { lasting / (1.0 + dearer.max(0.0).exp()) } else { 0.0 };
                    let by_pose = if together { 1.0 - (-step_s / TOGETHER_S).exp() as f32 } else { 0.0 };
                    let exchanged = by_place.max(by_pose).min(0.5);
                    if exchanged > EXCHANGED_MIN {
                        let (first, second) = self.tracks.split_at_mut(j);
                        first[i].belief.mix(&mut second[0].belief, exchanged, self.identities);
                        first[i].looks.mix(&mut second[0].looks, exchanged);
                        let exchange = Exchange { a: first[i].id, b: second[0].id, p: exchanged };
                        let _ = self.told.exchanges.push(exchange);
                    }
                }
            }
        }
    }

    /// Ends tracks that were out of sight too long, and starts new ones with the poses that are left.
    fn start(&mut self, poses: &[Pose], pairs: &Pairs) {
        let coast_s = self.coast_s();
        self.tracks.retain(|track| track.seen() || (track.confirmed && track.unseen_s <= track.lasts_s(coast_s)));
        for (index, pose) in poses.iter().enumerate() {
            if pairs.contains(&Some(index)) || self.seen_already(pose) {
                continue;
            }
            if self.tracks.is_full() {
                self.forget_one();
            }
            let track = self.born(pose, index);
            // There is room: at most as many tracks are seen as there are poses, and the others make way.
            let _ = self.tracks.push(track);
        }
    }

    fn seen_already(&self, pose: &Pose) -> bool {
        self.tracks.iter().filter(|track| track.seen()).any(|track| {
            let alike = cost::likeness(&track.keypoints, InCamera::default(), &pose.keypoints, self.size);
            alike.is_some_and(|alike| alike > DOUBLE)
        })
    }

    /// Makes room: the track that was out of sight longest goes.
    fn forget_one(&mut self) {
        let longest =
            self.tracks.iter().enumerate().max_by(|a, b| a.1.unseen_s.total_cmp(&b.1.unseen_s)).map(|(index, _)| index);
        if let Some(index) = longest {
            self.tracks.remove(index);
        }
    }

    /// How far `at` is from where an animal vanished, pixels: from a shelter, in which it may have gone anywhere, that is from its
    /// border, so that no door is nearer than another.
    fn away(&self, last: &Vanished, at: InCamera) -> f32 {
        match last.zone.filter(|zone| self.zones.sheltered(*zone)) {
            Some(zone) if self.zones.contains(zone, at) => 0.0,
            Some(zone) => self.zones.border_distance(zone, at),
            None => at.distance(last.at),
        }
    }

    fn born(&mut self, pose: &Pose, index: usize) -> Track {
        let size = self.size;
        let id = TrackId(self.next_id);
        self.next_id = self.next_id.wrapping_add(1).max(1);
        let mut belief = Belief::default();
        for k in 0..self.identities {
            if let Some(sight) = self.known.sight(k) {
                let reach = size * (REACHABLE + REACHABLE_PER_S * sight.ago_s as f32);
                belief.hear_place(k, reach / self.away(&sight.last, pose.centre).max(reach));
            }
        }
        Track {
            id,
            motion: Motion::new(pose.centre, motion::noise(size, pose.score), size),
            belief,
            looks: Looks::new(self.identities, self.misled),
            shares: [0.0; MAX_ANIMALS],
            name: None,
            under: None,
            keypoints: pose.keypoints,
            shape: pose.keypoints,
            posture: Posture::default(),
            seen_at: pose.centre,
            pose: Some(index),
            unseen_s: 0.0,
            interval_s: f64::INFINITY,
            seen_s: 0.0,
            confirmed: pose.score >= STRONG,
        }
    }

    /// Evidence of this frame's poses moves the beliefs. Tracks that ended are told no more.
    fn listen(&mut self, poses: &[Pose]) {
        let tracks = &self.tracks;
        self.told.tracks.retain(|hearing| tracks.iter().any(|track| track.id == hearing.track));
        for track in &mut self.tracks {
            if self.told.of(track.id).is_none() {
                let _ = self.told.tracks.push(Hearing { track: track.id, keeps: 1.0, ..Hearing::default() });
            }
            let Some(pose) = track.pose.and_then(|index| poses.get(index)) else { continue };
            let heard = track.looks.hear(&pose.identity, self.identities, track.interval_s, self.misled);
            track.belief.hear(&heard, self.identities);
            if let Some(hearing) = self.told.of_mut(track.id) {
                hearing.heard = heard;
            }
        }
    }

    /// The posterior over all confirmed tracks, and their names.
    fn name(&mut self) {
        let coast_s = self.coast_s();
        let mut candidates: Vec<Candidate, MAX_ANIMALS> = Vec::new();
        for track in &self.tracks {
            let present = identity::present(track.seen_s, track.unseen_s, track.lasts_s(coast_s));
            if let Some(hearing) = self.told.of_mut(track.id) {
                (hearing.belief, hearing.present, hearing.weighed) = (track.belief, present, track.confirmed);
            }
            if !track.confirmed {
                continue;
            }
            let _ = candidates.push(Candidate { belief: track.belief, present, name: track.name });
        }
        let posterior = identity::posterior(&candidates, self.identities);
        let names = identity::names(&candidates, &posterior, self.identities, self.config.name_min);
        for (row, track) in self.tracks.iter_mut().filter(|track| track.confirmed).enumerate() {
            track.shares = posterior[row];
            track.name = names[row];
            if track.seen() && track.interval_s.is_finite() {
                track.looks.teach(&mut self.misled, &track.shares, self.identities, track.interval_s);
            }
        }
    }

    /// Each track as the scene shows it.
    fn tell(&mut self) {
        let coast_s = self.coast_s();
        self.told.size = self.size;
        let hold_s = self.config.hold.as_secs_f64() as f32;
        for track in &self.tracks {
            let (keypoints, predicted) = if track.seen() {
                track.posture.completed(&track.keypoints, hold_s, self.size)
            } else {
                let moved = track.moved(coast_s);
                (moved, KeypointSet::present(&moved))
            };
            let p = match track.name {
                Some(identity) => track.shares[usize::from(identity.0)],
                None => track.shares.iter().copied().fold(0.0, f32::max),
            };
            // There is room: it holds as many as there are tracks.
            let _ = self.told.sightings.push(Sighting {
                track: track.id,
                name: track.name,
                p: p.clamp(0.0, 1.0),
                shares: track.shares,
                confirmed: track.confirmed && track.unseen_s <= coast_s,
                seen: track.seen(),
                at: track.place(),
                keypoints,
                predicted,
            });
        }
    }
}

fn sensible(at: InCamera) -> bool {
    // Written so that NaN is nonsense too.
    at.x.abs() <= WIDEST && at.y.abs() <= WIDEST
}

/// Any order will do that does not depend on the order in which the poses came.
fn order(a: &Pose, b: &Pose) -> Ordering {
    let keypoints = |pose: &Pose| pose.keypoints.map(|k| k.map_or([f32::INFINITY; 3], |k| [k.at.x, k.at.y, k.score]));
    by_numbers(&[a.centre.x, a.centre.y, a.score], &[b.centre.x, b.centre.y, b.score])
        .then_with(|| by_numbers(&a.identity, &b.identity))
        .then_with(|| by_numbers(keypoints(a).as_flattened(), keypoints(b).as_flattened()))
        .then_with(|| by_numbers(a.coats.as_flattened(), b.coats.as_flattened()))
}

fn by_numbers(a: &[f32], b: &[f32]) -> Ordering {
    a.iter().zip(b).map(|(a, b)| a.total_cmp(b)).find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
}
