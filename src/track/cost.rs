//! How badly a pose fits a track: its place, its body parts and whom it looks like.

use super::identity::Shares;
use super::motion::{Motion, noise};
use crate::handover::{Keypoints, MAX_ANIMALS, Pose};
use crate::space::InCamera;

/// A pose further than this many standard deviations, squared, is not the track's.
const GATE: f64 = 20.0;
/// A pose further than this is not the track's: body sizes, and body sizes for each second without a pose.
const REACH: f32 = 3.0;
const REACH_PER_S: f32 = 20.0;
/// What body parts that are all elsewhere cost.
const SHAPE: f32 = 3.0;
/// Body parts this far off, in body sizes, count as half elsewhere.
const SHAPE_OFF: f32 = 0.6;
/// How fast body parts seen long ago stop counting, seconds.
const SHAPE_OLD_S: f64 = 0.3;
/// How much it counts whom a pose looks like.
const LOOKS: f32 = 1.3;
/// A track or a pose is left alone rather than paired at more than this.
pub const UNPAIRED: f32 = 14.0;

/// What a track expects to see.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    /// Its prediction for this frame.
    pub motion: &'a Motion,
    /// Where its centre was when last seen, camera pixels.
    pub seen_at: InCamera,
    /// Its body parts when last seen, camera pixels.
    pub keypoints: &'a Keypoints,
    /// Probability of each identity.
    pub shares: &'a Shares,
    /// Time since it was last seen, seconds.
    pub unseen_s: f64,
}

/// What a pair costs by place and body parts, as a negative logarithm of likelihood; infinite where the pose is out of reach.
pub fn place(expected: &Expected<'_>, pose: &Pose, size: f32) -> f32 {
    let at = expected.motion.at();
    let noise = noise(size, pose.score);
    let (surprise, variance) = expected.motion.surprise(pose.centre, noise);
    let reach = size * (REACH + REACH_PER_S * expected.unseen_s as f32);
    // Written so that NaN is out of reach too.
    if !(surprise <= GATE && pose.centre.distance(expected.seen_at) <= reach) {
        return f32::INFINITY;
    }
    let moved = InCamera { x: at.x - expected.seen_at.x, y: at.y - expected.seen_at.y };
    let shape = match likeness(expected.keypoints, moved, &pose.keypoints, size) {
        Some(likeness) => SHAPE * (1.0 - likeness) * (-expected.unseen_s / SHAPE_OLD_S).exp() as f32,
        None => SHAPE / 2.0,
    };
    (0.5 * surprise + (variance / self::noise(size, 1.0)).ln()) as f32 + shape
}

/// What it costs that the pose looks like somebody else: negative where it looks like the track's own animal.
pub fn looks(expected: &Expected<'_>, sound: &Shares, identities: usize) -> f32 {
    if identities == 0 {
        return 0.0;
    }
    let named: f32 = expected.shares.iter().sum();
    let nobody = (1.0 - named).max(0.0) / identities as f32;
    let fit: f32 = (0..identities).map(|k| (expected.shares[k] + nobody) * sound[k]).sum();
    -LOOKS * (fit * identities as f32).max(1e-3).ln()
}

/// How alike two sets of body parts lie, 0 to 1, the first one shifted by `moved`; `None` when fewer than two are in both.
pub fn likeness(a: &Keypoints, moved: InCamera, b: &Keypoints, size: f32) -> Option<f32> {
    let (mut sum, mut parts) = (0.0, 0u8);
    for (a, b) in a.iter().zip(b) {
        if let (Some(a), Some(b)) = (a, b) {
            let off = InCamera { x: a.at.x + moved.x, y: a.at.y + moved.y }.distance(b.at) / (SHAPE_OFF * size);
            sum += 1.0 / (1.0 + off * off);
            parts += 1;
        }
    }
    (parts >= 2).then(|| sum / f32::from(parts))
}

/// The typical distance of body parts from the centre over all poses, pixels; `None` without body parts.
pub fn size_of(poses: &[Pose]) -> Option<f32> {
    let mut sizes = [0.0f32; MAX_ANIMALS];
    let mut count = 0;
    for pose in poses.iter().take(MAX_ANIMALS) {
        let mut distances = [f32::INFINITY; crate::handover::MAX_KEYPOINTS];
        let mut parts = 0;
        for keypoint in pose.keypoints.iter().flatten() {
            distances[parts] = keypoint.at.distance(pose.centre);
            parts += 1;
        }
        if parts >= 3 {
            sizes[count] = middle(&mut distances[..parts]);
            count += 1;
        }
    }
    (count > 0).then(|| middle(&mut sizes[..count]))
}

/// The middle value, the lower of two; not of nothing.
fn middle(values: &mut [f32]) -> f32 {
    values.sort_unstable_by(f32::total_cmp);
    values[(values.len() - 1) / 2]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::handover::Keypoint;

    fn body(x: f32) -> Pose {
        let mut pose = Pose { centre: InCamera { x, y: 0.0 }, score: 1.0, ..Pose::default() };
        for (n, keypoint) in pose.keypoints.iter_mut().take(5).enumerate() {
            *keypoint = Some(Keypoint { at: InCamera { x: x + 10.0 * n as f32 - 20.0, y: 0.0 }, score: 1.0 });
        }
        pose
    }

    #[test]
    fn the_same_body_elsewhere_is_alike_once_it_is_shifted() {
        let (a, b) = (body(0.0), body(100.0));
        assert_eq!(likeness(&a.keypoints, InCamera { x: 100.0, y: 0.0 }, &b.keypoints, 20.0), Some(1.0));
        assert!(likeness(&a.keypoints, InCamera::default(), &b.keypoints, 20.0) < Some(0.05));
    }

    #[test]
    fn the_size_is_the_middle_distance_of_the_parts() {
        assert_eq!(size_of(&[body(0.0)]), Some(10.0));
        assert_eq!(size_of(&[Pose::default()]), None);
    }

    #[test]
    fn a_pose_out_of_reach_is_forbidden() {
        let here = body(0.0);
        let motion = Motion::new(here.centre, noise(10.0, 1.0), 10.0);
        let expected = Expected {
            motion: &motion,
            seen_at: here.centre,
            keypoints: &here.keypoints,
            shares: &[0.25; MAX_ANIMALS],
            unseen_s: 1.0 / 30.0,
        };
        assert!(place(&expected, &body(2.0), 10.0).is_finite());
        assert!(place(&expected, &body(300.0), 10.0).is_infinite());
        assert!(place(&expected, &body(f32::NAN), 10.0).is_infinite());
    }
}
