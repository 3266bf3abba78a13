//! Brings the tracks before the bodies: which keypoints each one keeps.

use super::body::{Hidden, Seat, UNKNOWN_COATS};
use super::{MAX_ANIMALS, Pose, Tracker, Vec};

impl Tracker {
    /// Tracks keep the keypoints that are clearly their own. To be called before this frame's names are given.
    pub(super) fn check_bodies(&mut self, poses: &[Pose], step_s: f64) {
        let named = |k: usize| self.tracks.iter().any(|track| track.name.is_some_and(|name| usize::from(name.0) == k));
        let lost = (0..self.identities).filter(|k| !named(*k)).filter_map(|k| Some((k, self.known.sight(k)?)));
        let hidden: Vec<Hidden, MAX_ANIMALS> =
            lost.map(|(identity, sight)| Hidden { identity, at: sight.last.at }).take(MAX_ANIMALS).collect();
        let mut seats: Vec<Seat<'_>, MAX_ANIMALS> = Vec::new();
        for track in &mut self.tracks {
            let at = track.motion.at();
            let pose = track.pose.and_then(|index| poses.get(index));
            // Of a track's first pose nothing is known but what it shows itself.
            let first = pose.filter(|_| !track.interval_s.is_finite());
            let name = track.name.map(|identity| usize::from(identity.0));
            let _ = seats.push(Seat {
                posture: &mut track.posture,
                moved: [at.x - track.seen_at.x, at.y - track.seen_at.y],
                keypoints: track.pose.map(|_| &mut track.keypoints),
                shape: &mut track.shape,
                coats: pose.map_or(&UNKNOWN_COATS, |pose| &pose.coats),
                shares: first.map_or(&track.shares, |pose| &pose.identity),
                name: name.and_then(|index| Some((index, *track.shares.get(index)?))),
            });
        }
        self.bodies.check(&mut seats, &hidden, self.size, step_s as f32);
    }
}
