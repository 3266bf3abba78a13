//! Hand-made tables of boxes: what the decoder must make of them.

use crate::handover::{Keypoint, Poses};
use crate::infer::{Head, Heads};
use crate::model::{Contract, WrittenDecoder, WrittenIdentity, WrittenOutput};
use crate::pose::PoseReader;
use crate::space::{InCamera, Letterbox};

const SAME: Letterbox = Letterbox { scale: 1.0, left: 0.0, top: 0.0 };
const BOXES: usize = 20;
const KEYPOINTS: usize = 3;

/// One column of the table.
#[derive(Clone, Copy)]
struct Row {
    sides: [f32; 4],
    scores: [f32; 2],
    /// Each x, y, visibility.
    keypoints: [[f32; 3]; KEYPOINTS],
}

const MOUSE: Row = Row {
    sides: [100.0, 80.0, 40.0, 20.0],
    scores: [0.9, 0.1],
    keypoints: [[90.0, 80.0, 0.8], [100.0, 81.0, 0.7], [110.0, 79.0, 0.2]],
};

fn contract(across_classes: bool, visibility: bool) -> Contract {
    let mut contract = Contract::bundled().expect("the bundled model");
    let written = &mut contract.written;
    written.keypoints.truncate(KEYPOINTS);
    let identity = |name: &str| WrittenIdentity { name: name.to_owned(), colour: "#000000".to_owned() };
    written.identities = vec![identity("R"), identity("G")];
    written.decoder = WrittenDecoder::YoloPose { score_min: 0.25, overlap_max: 0.7, across_classes, visibility };
    let rows = 4 + 2 + KEYPOINTS * if visibility { 3 } else { 2 };
    let name = "detections".to_owned();
    written.outputs = vec![WrittenOutput { name: name.clone(), meaning: name, shape: [1, rows, 1, BOXES], stride: 1 }];
    contract
}

fn heads(rows: &[Row], visibility: bool) -> Heads {
    let per = if visibility { 3 } else { 2 };
    let height = 4 + 2 + KEYPOINTS * per;
    let mut values = vec![0.0; height * BOXES];
    for (column, row) in rows.iter().enumerate() {
        let keypoints = row.keypoints.iter().flat_map(|keypoint| &keypoint[..per]);
        for (at, value) in row.sides.iter().chain(&row.scores).chain(keypoints).enumerate() {
            values[at * BOXES + column] = *value;
        }
    }
    Heads(vec![Head { name: "detections".to_owned(), shape: [1, height, 1, BOXES], values: values.into() }])
}

fn read(rows: &[Row]) -> Poses {
    PoseReader::new(&contract(false, true)).expect("a reader").read(&heads(rows, true), &SAME)
}

/// `MOUSE` so many pixels to the right, with other class scores.
fn moved(by: f32, scores: [f32; 2]) -> Row {
    let mut row = Row { scores, ..MOUSE };
    row.sides[0] += by;
    row.keypoints.iter_mut().for_each(|keypoint| keypoint[0] += by);
    row
}

#[test]
fn an_animal_is_read_with_the_numbers_of_the_table() {
    let poses = read(&[MOUSE]);
    assert_eq!(poses.len(), 1);
    assert_eq!((poses[0].score, poses[0].centre), (0.9, InCamera { x: 100.0, y: 80.0 }));
    assert_eq!(poses[0].keypoints[2], Some(Keypoint { at: InCamera { x: 110.0, y: 79.0 }, score: 0.2 }));
    assert_eq!(poses[0].keypoints[3], None);
    assert!((poses[0].identity[0] - 0.9).abs() < 1e-6 && (poses[0].identity[1] - 0.1).abs() < 1e-6);
}

#[test]
fn a_scaled_picture_keeps_its_corner_where_it_is() {
    // Ultralytics takes the padding off and divides: (100 - 0) / 0.5 and (80 - 60) / 0.5.
    let half = Letterbox { scale: 0.5, top: 60.0, ..SAME };
    let poses = PoseReader::new(&contract(false, true)).expect("a reader").read(&heads(&[MOUSE], true), &half);
    assert_eq!(poses[0].centre, InCamera { x: 200.0, y: 40.0 });
}

#[test]
fn of_boxes_that_overlap_too_much_the_best_stays() {
    // Shifted by s of 40 pixels, two boxes share (40 - s) / (40 + s): 0.739 at 6, 0.667 at 8.
    assert_eq!(read(&[MOUSE, moved(6.0, [0.95, 0.0])]).len(), 1);
    assert_eq!(read(&[MOUSE, moved(6.0, [0.95, 0.0])])[0].score, 0.95);
    assert_eq!(read(&[MOUSE, moved(8.0, [0.95, 0.0])]).len(), 2);
}

#[test]
fn boxes_of_two_classes_overlap_only_where_the_contract_says_so() {
    let rows = [MOUSE, moved(2.0, [0.1, 0.8])];
    assert_eq!(read(&rows).len(), 2);
    let mut across = PoseReader::new(&contract(true, true)).expect("a reader");
    assert_eq!(across.read(&heads(&rows, true), &SAME).len(), 1);
}

#[test]
fn a_box_at_the_least_score_is_no_animal() {
    assert!(read(&[moved(0.0, [0.25, 0.0])]).is_empty());
    assert!(read(&[]).is_empty());
}

#[test]
fn the_best_eight_of_many_are_read_best_first_and_ties_in_their_order() {
    let rows: Vec<_> = (0..BOXES).map(|n| moved(50.0 * n as f32, [0.5 + 0.01 * (n / 2) as f32, 0.0])).collect();
    let poses = read(&rows);
    let places: Vec<_> = poses.iter().map(|pose| ((pose.centre.x - 100.0) / 50.0) as usize).collect();
    assert_eq!(places, [18, 19, 16, 17, 14, 15, 12, 13]);
}

#[test]
fn without_visibility_a_keypoint_has_its_boxs_score() {
    let mut reader = PoseReader::new(&contract(false, false)).expect("a reader");
    let poses = reader.read(&heads(&[MOUSE], false), &SAME);
    assert_eq!(poses[0].keypoints[1], Some(Keypoint { at: InCamera { x: 100.0, y: 81.0 }, score: 0.9 }));
}

#[test]
fn what_is_not_a_number_never_panics_and_never_comes_out() {
    for poison in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX, f32::MIN] {
        for row in 0..4 + 2 + KEYPOINTS * 3 {
            for every in [1, 3] {
                let mut heads = heads(&[MOUSE, moved(60.0, [0.2, 0.7]), moved(62.0, [0.2, 0.6])], true);
                heads.0[0].values[row * BOXES..][..BOXES].iter_mut().step_by(every).for_each(|value| *value = poison);
                for pose in &PoseReader::new(&contract(false, true)).expect("a reader").read(&heads, &SAME) {
                    assert!(pose.centre.is_finite() && (0.0..=1.0).contains(&pose.score), "{pose:?}");
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
    let mut reader = PoseReader::new(&contract(false, true)).expect("a reader");
    assert!(reader.read(&heads(&[MOUSE], false), &SAME).is_empty());
    assert!(reader.read(&Heads::default(), &SAME).is_empty());
}

#[test]
fn a_missing_output_is_an_error() {
    let mut contract = contract(false, true);
    contract.written.outputs.clear();
    let words = PoseReader::new(&contract).map(|_| ()).map_err(|error| error.to_string());
    assert_eq!(words, Err("model socialbox: outputs: none means \"detections\"; its decoder needs one".into()));
}
