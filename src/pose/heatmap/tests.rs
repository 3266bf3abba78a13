//! Hand-made heads of one animal: what the decoder must make of them.

use crate::handover::{Keypoint, Poses};
use crate::infer::{Head, Heads};
use crate::model::{Contract, WrittenDecoder, WrittenOutput};
use crate::pose::PoseReader;
use crate::space::{InCamera, Letterbox};

const SAME: Letterbox = Letterbox { scale: 1.0, left: 0.0, top: 0.0 };
const CELLS: usize = 6 * 8;

/// Three keypoints on 6 x 8 cells of 8 pixels.
fn contract(locref_stdev: f32) -> Contract {
    let mut contract = Contract::bundled().expect("the bundled model");
    contract.written.decoder = WrittenDecoder::HeatmapLocref { score_min: 0.2, locref_stdev };
    contract.written.keypoints.truncate(3);
    contract.written.identities.clear();
    let output = |meaning: &str, channels| WrittenOutput {
        name: meaning.to_owned(),
        meaning: meaning.to_owned(),
        shape: [1, channels, 6, 8],
        stride: 8,
    };
    contract.written.outputs = vec![output("heatmaps", 3)];
    if locref_stdev > 0.0 {
        contract.written.outputs.push(output("locref", 6));
    }
    contract
}

/// Keypoint k is highest in cell (row k, column 2k), a quarter of a stdev right of and half a stdev above its middle.
fn heads() -> Heads {
    let mut heatmaps = vec![0.01; 3 * CELLS];
    let mut locref = vec![9.0; 6 * CELLS];
    for k in 0..3 {
        let cell = k * 8 + 2 * k;
        heatmaps[k * CELLS + cell] = 0.5 + 0.1 * k as f32;
        locref[2 * k * CELLS + cell] = 0.25;
        locref[(2 * k + 1) * CELLS + cell] = -0.5;
    }
    let head = |name: &str, channels, values: Vec<f32>| Head {
        name: name.to_owned(),
        shape: [1, channels, 6, 8],
        values: values.into(),
    };
    Heads(vec![head("heatmaps", 3, heatmaps), head("locref", 6, locref)])
}

fn read(heads: &Heads, letterbox: Letterbox) -> Poses {
    PoseReader::new(&contract(4.0)).expect("a reader").read(heads, &letterbox)
}

#[test]
fn each_keypoint_is_at_its_highest_cell_moved_as_told_there() {
    let poses = read(&heads(), SAME);
    assert_eq!(poses.len(), 1);
    for k in 0..3 {
        let at = InCamera { x: 16.0 * k as f32 + 4.0 + 1.0, y: 8.0 * k as f32 + 4.0 - 2.0 };
        assert_eq!(poses[0].keypoints[k], Some(Keypoint { at, score: 0.5 + 0.1 * k as f32 }));
    }
    assert!(poses[0].keypoints[3..].iter().all(Option::is_none));
    assert!((poses[0].score - 0.6).abs() < 1e-6);
}

#[test]
fn poses_are_in_camera_pixels() {
    let poses = read(&heads(), Letterbox { scale: 0.5, left: 0.0, top: 10.0 });
    assert_eq!(poses[0].keypoints[0].map(|keypoint| keypoint.at), Some(InCamera { x: 10.5, y: -15.5 }));
}

#[test]
fn without_location_refinement_a_keypoint_is_in_the_middle_of_its_cell() {
    let mut heads = heads();
    heads.0.pop();
    let poses = PoseReader::new(&contract(0.0)).expect("a reader").read(&heads, &SAME);
    assert_eq!(poses[0].keypoints[1].map(|keypoint| keypoint.at), Some(InCamera { x: 20.0, y: 12.0 }));
}

#[test]
fn low_scores_are_no_animal() {
    let mut heads = heads();
    heads.0[0].values.iter_mut().for_each(|value| *value *= 0.3);
    assert!(read(&heads, SAME).is_empty());
}

#[test]
fn what_is_not_a_number_never_panics_and_never_comes_out() {
    for poison in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX, f32::MIN] {
        for head in 0..2 {
            for every in [1, 7] {
                let mut heads = heads();
                heads.0[head].values.iter_mut().step_by(every).for_each(|value| *value = poison);
                for pose in &read(&heads, SAME) {
                    assert!(pose.centre.is_finite() && (0.0..=1.0).contains(&pose.score));
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
    for head in 0..2 {
        let mut heads = heads();
        heads.0[head].shape = [1, 3, 8, 6];
        assert!(read(&heads, SAME).is_empty());
    }
    assert!(read(&Heads::default(), SAME).is_empty());
}

#[test]
fn a_missing_output_is_an_error() {
    let mut contract = contract(4.0);
    contract.written.outputs.pop();
    let words = PoseReader::new(&contract).map(|_| ()).map_err(|error| error.to_string());
    assert_eq!(words, Err("model socialbox: outputs: none means \"locref\"; its decoder needs one".into()));
}
