//! Promise: heads of SLEAP-NN networks are read as SLEAP-NN reads them, and nothing in them brings a decoder down.
//!
//! `models/convert/parity_sleap.py --goldens` wrote the heads and SLEAP-NN's answers.

mod imported;

use arenad::handover::{Pose, Poses};
use arenad::pose::PoseReader;
use arenad::space::Letterbox;
use imported::{contract, folders, heads};

#[derive(serde::Deserialize)]
struct Wanted {
    score: f32,
    keypoints: Vec<Option<[f32; 3]>>,
    /// The likelihood of each class, or the class alone.
    identity: Option<Identity>,
}

#[derive(serde::Deserialize)]
#[serde(untagged)]
enum Identity {
    Class(usize),
    Likely(Vec<f32>),
}

const SAME: Letterbox = Letterbox { scale: 1.0, left: 0.0, top: 0.0 };

/// How far a pose is from what was wanted: places in pixels, then scores; infinite for another keypoint or identity.
fn apart(pose: &Pose, wanted: &Wanted) -> (f32, f32) {
    let (mut place, mut score) = (0.0f32, (pose.score - wanted.score).abs());
    for (got, wanted) in pose.keypoints.iter().zip(&wanted.keypoints) {
        match (got, wanted) {
            (Some(got), Some([x, y, sure])) => {
                place = place.max((got.at.x - x).hypot(got.at.y - y));
                score = score.max((got.score - sure).abs());
            }
            (None, None) => {}
            _ => place = f32::INFINITY,
        }
    }
    match &wanted.identity {
        Some(Identity::Likely(likely)) => {
            likely.iter().zip(&pose.identity).for_each(|(a, b)| score = score.max((a - b).abs()));
        }
        Some(Identity::Class(class)) if pose.identity.iter().any(|likely| *likely > pose.identity[*class]) => {
            score = f32::INFINITY;
        }
        _ => {}
    }
    (place, score)
}

#[test]
fn each_kind_is_read_as_the_framework_reads_it() {
    let folders = folders("sleap-");
    assert_eq!(folders.len(), 5, "one for each kind, and top-down with and without classes");
    for folder in folders {
        let contract = contract(&folder);
        let text = std::fs::read_to_string(folder.join("poses.json")).expect("poses");
        let wanted: Vec<Wanted> = serde_json::from_str(&text).expect("poses");
        let poses = PoseReader::new(&contract).expect("a reader").read(&heads(&folder, &contract), &SAME);
        assert_eq!(poses.len(), wanted.len(), "{folder:?}");
        assert!(!wanted.is_empty(), "{folder:?}: nothing to compare");
        for wanted in &wanted {
            let nearest = poses.iter().map(|pose| apart(pose, wanted)).min_by(|a, b| a.0.total_cmp(&b.0));
            let (place, score) = nearest.expect("a pose");
            assert!(place < 0.01 && score < 1e-3, "{folder:?}: {place} px, scores {score}: {poses:?}");
        }
    }
}

/// What the next step may rely on.
fn is_sound(poses: &Poses) -> bool {
    let share = |value: &f32| (0.0..=1.0).contains(value);
    let sound = |pose: &Pose| {
        let mut keypoints = pose.keypoints.iter().flatten();
        pose.centre.is_finite()
            && share(&pose.score)
            && pose.identity.iter().all(share)
            && keypoints.all(|keypoint| keypoint.at.is_finite() && share(&keypoint.score))
    };
    poses.iter().all(sound) && poses.is_sorted_by(|a, b| a.score >= b.score)
}

#[test]
fn no_head_however_wild_brings_a_decoder_down() {
    let mut seed = 7u32;
    let mut dice = move || {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (seed >> 8) as usize
    };
    let wild = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX, f32::MIN, f32::MIN_POSITIVE, -0.0, 1.0, 0.5];
    for folder in folders("sleap-") {
        let contract = contract(&folder);
        let (good, mut reader) = (heads(&folder, &contract), PoseReader::new(&contract).expect("a reader"));
        for round in 0..40 {
            let mut heads = good.clone();
            for head in &mut heads.0 {
                // From a few wild values to nothing else.
                let every = 1 + dice() % (1 << (round % 12));
                let kinds = 1 + dice() % wild.len();
                let values = head.values.iter_mut().step_by(every);
                values.for_each(|value| *value = wild[dice() % kinds] * if dice() % 2 == 0 { 1.0 } else { 0.7 });
            }
            let poses = reader.read(&heads, &SAME);
            assert!(is_sound(&poses), "{folder:?}: {poses:?}");
            assert_eq!(reader.read(&heads, &SAME), poses, "not the same twice");
        }
    }
}
