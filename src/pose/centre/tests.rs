//! Hand-made heads: what the decoder must make of them.

use crate::handover::{Keypoint, Pose, Poses};
use crate::infer::{Head, Heads};
use crate::model::{Contract, WrittenDecoder};
use crate::pose::PoseReader;
use crate::space::{InCamera, Letterbox};

const SIGMA_CENTRE: f32 = 8.0;
const SIGMA_KEYPOINT: f32 = 4.8;
const SAME: Letterbox = Letterbox { scale: 1.0, left: 0.0, top: 0.0 };

/// The keypoint that is every other's parent in these tests.
const ROOT: usize = 5;

/// An animal as the heads shall show it: keypoints at `centre` + `offset`, those of `seen` in the heatmaps.
struct Body {
    centre: (f32, f32),
    offset: fn(usize) -> (f32, f32),
    seen: fn(usize) -> bool,
    identity: usize,
}

/// Keypoints in a row through the centre, 12 px apart.
fn row(k: usize) -> (f32, f32) {
    (12.0 * (k as f32 - 4.0), 0.0)
}

const BODY: Body = Body { centre: (200.0, 150.0), offset: row, seen: |_| true, identity: 2 };

fn bump(head: &mut Head, channel: usize, at: (f32, f32), sigma: f32, stride: f32) {
    let [_, _, rows, columns] = head.shape;
    for (index, value) in head.values[channel * rows * columns..][..rows * columns].iter_mut().enumerate() {
        let place = |cell: usize| cell as f32 * stride + (stride - 1.0) / 2.0;
        let (x, y) = (place(index % columns) - at.0, place(index / columns) - at.1);
        *value = value.max((-(x * x + y * y) / (2.0 * sigma * sigma)).exp());
    }
}

fn heads(bodies: &[Body]) -> Heads {
    let contract = Contract::bundled().expect("the bundled model");
    let mut heads: Vec<Head> = Vec::new();
    for output in &contract.written.outputs {
        let values = vec![0.0; output.shape.iter().product()];
        heads.push(Head { name: output.name.clone(), shape: output.shape, values: values.into() });
    }
    for body in bodies {
        bump(&mut heads[1], 0, body.centre, SIGMA_CENTRE, 8.0);
        for k in 0..9 {
            let (dx, dy) = (body.offset)(k);
            let at = (body.centre.0 + dx, body.centre.1 + dy);
            if (body.seen)(k) {
                bump(&mut heads[0], k, at, SIGMA_KEYPOINT, 4.0);
            }
            let (dx, dy) = (body.offset)(ROOT);
            let root = (body.centre.0 + dx, body.centre.1 + dy);
            near(&mut heads, at, 8.0, |heads, index, x, y| {
                heads[3].values[2 * k * 4800 + index] = root.0 - x;
                heads[3].values[(2 * k + 1) * 4800 + index] = root.1 - y;
            });
            near(&mut heads, body.centre, 20.0, |heads, index, x, y| {
                heads[2].values[2 * k * 4800 + index] = at.0 - x;
                heads[2].values[(2 * k + 1) * 4800 + index] = at.1 - y;
            });
        }
        near(&mut heads, body.centre, 20.0, |heads, index, _, _| heads[4].values[body.identity * 4800 + index] = 5.0);
    }
    Heads(heads)
}

/// Calls `write` for each cell of stride 8 within 20 px of the body's centre.
/// Calls `write` with index and place of each body cell within `radius` of a place.
fn near(heads: &mut [Head], at: (f32, f32), radius: f32, mut write: impl FnMut(&mut [Head], usize, f32, f32)) {
    for index in 0..4800 {
        let (x, y) = ((index % 80) as f32 * 8.0 + 3.5, (index / 80) as f32 * 8.0 + 3.5);
        if (x - at.0).hypot(y - at.1) < radius {
            write(heads, index, x, y);
        }
    }
}

fn read(heads: &Heads, letterbox: Letterbox) -> Poses {
    let mut contract = Contract::bundled().expect("the bundled model");
    let parents = vec![contract.written.keypoints[ROOT].clone(); 9];
    contract.written.decoder =
        WrittenDecoder::CentreOffsets { score_min: 0.3, separation_px: 12.0, reach_px: 16.0, parents };
    PoseReader::new(&contract).expect("a reader").read(heads, &letterbox)
}

fn keypoint(pose: &Pose, k: usize) -> Keypoint {
    pose.keypoints[k].unwrap_or_else(|| panic!("keypoint {k} is missing"))
}

#[test]
fn an_animal_is_read_where_it_is() {
    let poses = read(&heads(&[BODY]), SAME);
    assert_eq!(poses.len(), 1);
    assert!(poses[0].centre.distance(InCamera { x: 200.0, y: 150.0 }) < 0.1, "{:?}", poses[0].centre);
    for k in 0..9 {
        let found = keypoint(&poses[0], k);
        assert!(found.at.distance(InCamera { x: 200.0 + row(k).0, y: 150.0 }) < 0.1, "{k}: {found:?}");
        assert!(found.score > 0.8, "{k}: {found:?}");
    }
    assert!(poses[0].keypoints[9..].iter().all(Option::is_none));
    assert!(poses[0].identity[2] > 0.95, "{:?}", poses[0].identity);
    assert!((poses[0].identity.iter().sum::<f32>() - 1.0).abs() < 1e-5);
}

#[test]
fn an_empty_picture_holds_no_animal() {
    assert!(read(&heads(&[]), SAME).is_empty());
}

#[test]
fn poses_are_in_camera_pixels() {
    let half = Letterbox { scale: 0.5, left: 0.0, top: 60.0 };
    let poses = read(&heads(&[BODY]), half);
    assert!(poses[0].centre.distance(InCamera { x: 400.5, y: 180.5 }) < 0.2, "{:?}", poses[0].centre);
}

#[test]
fn a_covered_keypoint_keeps_its_place_with_a_low_score() {
    let poses = read(&heads(&[Body { seen: |k| k != 0, ..BODY }]), SAME);
    let nose = keypoint(&poses[0], 0);
    assert!(nose.at.distance(InCamera { x: 152.0, y: 150.0 }) < 0.1, "{nose:?}");
    assert!(nose.score <= 0.05, "{nose:?}");
}

#[test]
fn a_keypoint_is_never_borrowed_from_a_neighbour() {
    // The second animal's nose is covered, and the first one's lies within reach of where it should be.
    fn upwards(k: usize) -> (f32, f32) {
        if k == 0 { (-48.0, -14.0) } else { row(k) }
    }
    let other = Body { centre: (200.0, 174.0), seen: |k| k != 0, identity: 1, offset: upwards };
    let poses = read(&heads(&[BODY, other]), SAME);
    assert_eq!(poses.len(), 2);
    let of = |identity: usize| poses.iter().find(|pose| pose.identity[identity] > 0.5).expect("the animal");
    assert!(keypoint(of(2), 0).score > 0.8);
    assert!(keypoint(of(2), 0).at.distance(InCamera { x: 152.0, y: 150.0 }) < 0.5);
    assert!(keypoint(of(1), 0).score <= 0.05, "{:?}", keypoint(of(1), 0));
}

#[test]
fn a_peak_beyond_the_reach_is_not_taken() {
    let mut heads = heads(&[Body { seen: |k| k != 0, ..BODY }]);
    bump(&mut heads.0[0], 0, (152.0, 150.0 - 34.0), SIGMA_KEYPOINT, 4.0);
    assert!(keypoint(&read(&heads, SAME)[0], 0).score <= 0.05);
}

#[test]
fn of_two_peaks_the_one_whose_parent_is_the_animals_is_taken() {
    let mut heads = heads(&[Body { seen: |k| k != 0, ..BODY }]);
    // The nearer and brighter one says that its body is elsewhere.
    for (at, root) in [((160.0, 150.0), (160.0, 90.0)), ((150.0, 166.0), (212.0, 150.0))] {
        bump(&mut heads.0[0], 0, at, SIGMA_KEYPOINT, 4.0);
        near(&mut heads.0, at, 8.0, |heads, index, x, y| {
            (heads[3].values[index], heads[3].values[4800 + index]) = (root.0 - x, root.1 - y);
        });
    }
    let nose = keypoint(&read(&heads, SAME)[0], 0);
    assert!(nose.at.distance(InCamera { x: 150.0, y: 166.0 }) < 0.5, "{nose:?}");
}

#[test]
fn the_best_eight_of_many_animals_are_read_best_first() {
    let mut heads = heads(&[]);
    for n in 0..20 {
        bump(&mut heads.0[1], 0, (20.0 + 30.0 * n as f32, 100.0), SIGMA_CENTRE, 8.0);
    }
    let poses = read(&heads, SAME);
    assert_eq!(poses.len(), 8);
    assert!(poses.windows(2).all(|pair| pair[0].score >= pair[1].score));
}

#[test]
fn two_peaks_nearer_than_the_separation_are_one_animal() {
    let mut heads = heads(&[]);
    // Cells (10, 10) and (12, 10) sharpen towards each other.
    for (cell, value) in [(10 * 80 + 10, 0.9), (10 * 80 + 11, 0.899), (10 * 80 + 12, 0.8999)] {
        heads.0[1].values[cell] = value;
    }
    assert_eq!(read(&heads, SAME).len(), 1);
}

#[test]
fn what_is_not_a_number_never_panics_and_never_comes_out() {
    for poison in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX, f32::MIN] {
        for head in 0..5 {
            for every in [1, 7] {
                let mut heads = heads(&[BODY]);
                heads.0[head].values.iter_mut().step_by(every).for_each(|value| *value = poison);
                for pose in &read(&heads, SAME) {
                    assert!(pose.centre.is_finite() && pose.score.is_finite());
                    assert!(pose.identity.iter().all(|p| (0.0..=1.0).contains(p)), "{:?}", pose.identity);
                    assert!((pose.identity.iter().sum::<f32>() - 1.0).abs() < 1e-4, "{:?}", pose.identity);
                    for keypoint in pose.keypoints.iter().flatten() {
                        assert!(keypoint.at.is_finite() && (0.0..=1.0).contains(&keypoint.score), "{keypoint:?}");
                    }
                }
            }
        }
    }
}

#[test]
fn heads_of_another_shape_hold_no_animal() {
    let mut heads = heads(&[BODY]);
    heads.0[0].shape = [1, 9, 60, 80];
    assert!(read(&heads, SAME).is_empty());
    assert!(read(&Heads::default(), SAME).is_empty());
}

#[test]
fn the_same_heads_give_the_same_poses() {
    let heads = heads(&[BODY, Body { centre: (230.0, 300.0), identity: 0, ..BODY }]);
    assert_eq!(read(&heads, SAME), read(&heads, SAME));
}

#[test]
fn a_missing_output_is_an_error() {
    let mut contract = Contract::bundled().expect("the bundled model");
    contract.written.outputs.clear();
    let words = PoseReader::new(&contract).map(|_| ()).map_err(|error| error.to_string());
    assert_eq!(words, Err("model socialbox: outputs: none means \"keypoints\"; its decoder needs one".into()));
}
