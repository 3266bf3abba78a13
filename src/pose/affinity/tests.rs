//! Hand-made heads of several animals: what the decoder must make of them.

use super::{SAMPLES, shares};
use crate::handover::{Pose, Poses};
use crate::infer::{Head, Heads};
use crate::model::{Contract, WrittenDecoder, WrittenOutput, WrittenPartAffinity};
use crate::pose::PoseReader;
use crate::space::{InCamera, Letterbox};

const SAME: Letterbox = Letterbox { scale: 1.0, left: 0.0, top: 0.0 };
const ROWS: usize = 20;
const COLUMNS: usize = 30;
const CELLS: usize = ROWS * COLUMNS;

fn decoder() -> WrittenPartAffinity {
    WrittenPartAffinity {
        animals_max: 4,
        keypoint_min: 0.1,
        peak_window: 5,
        locref_stdev: 4.0,
        affinity_min: 0.05,
        links_min: 2,
        overlap_max: 0.8,
        edges: [["nose", "L_ear"], ["L_ear", "R_ear"], ["nose", "R_ear"]].map(|pair| pair.map(str::to_owned)).to_vec(),
    }
}

/// Three keypoints, three edges, two identities on 20 x 30 cells of 8 pixels.
fn contract(decoder: WrittenPartAffinity) -> Contract {
    let mut contract = Contract::bundled().expect("the bundled model");
    contract.written.keypoints.truncate(3);
    contract.written.identities.truncate(2);
    let output = |meaning: &str, channels| WrittenOutput {
        name: meaning.to_owned(),
        meaning: meaning.to_owned(),
        shape: [1, channels, ROWS, COLUMNS],
        stride: 8,
    };
    let channels = [("heatmaps", 3), ("locref", 6), ("affinity", 2 * decoder.edges.len()), ("identity", 2)];
    contract.written.outputs = channels.map(|(meaning, channels)| output(meaning, channels)).to_vec();
    contract.written.decoder = WrittenDecoder::PartAffinity(decoder);
    contract
}

/// Animals with three keypoints in a row, four cells apart, from the given cells (row, column); each with its score and identity.
fn heads(animals: &[(usize, usize, f32, usize)]) -> Heads {
    let names = [("heatmaps", 3), ("locref", 6), ("affinity", 6), ("identity", 2)];
    let mut heads = names.map(|(name, channels)| Head {
        name: name.to_owned(),
        shape: [1, channels, ROWS, COLUMNS],
        values: vec![0.0; channels * CELLS].into(),
    });
    for (row, column, score, identity) in animals {
        let cell = row * COLUMNS + column;
        for k in 0..3 {
            heads[0].values[k * CELLS + cell + 4 * k] = *score;
            heads[1].values[2 * k * CELLS + cell + 4 * k] = 0.5;
        }
        for along in 0..=8 {
            // The field points to the right wherever an animal is.
            (0..3).for_each(|edge| heads[2].values[2 * edge * CELLS + cell + along] = 1.0);
            for r in row.saturating_sub(1)..(row + 2).min(ROWS) {
                heads[3].values[identity * CELLS + r * COLUMNS + column + along] = 5.0;
            }
        }
    }
    Heads(heads.into())
}

fn read(heads: &Heads) -> Poses {
    PoseReader::new(&contract(decoder())).expect("a reader").read(heads, &SAME)
}

fn places(pose: &Pose) -> Vec<Option<InCamera>> {
    pose.keypoints[..3].iter().map(|keypoint| keypoint.map(|keypoint| keypoint.at)).collect()
}

#[test]
fn animals_are_put_together_best_first_with_their_identities() {
    let poses = read(&heads(&[(5, 4, 0.6, 1), (12, 15, 0.9, 0)]));
    assert_eq!(poses.len(), 2);
    for (pose, (row, column, score, identity)) in poses.iter().zip([(12, 15, 0.9, 0), (5, 4, 0.6, 1)]) {
        let (x, y) = (column as f32 * 8.0 + 4.0 + 2.0, row as f32 * 8.0 + 4.0);
        let wanted: Vec<_> = (0..3).map(|k| Some(InCamera { x: x + 32.0 * k as f32, y })).collect();
        assert_eq!(places(pose), wanted);
        assert!((pose.score - score).abs() < 1e-6, "{pose:?}");
        assert!(pose.centre.distance(InCamera { x: x + 32.0, y }) < 1e-3);
        assert!(pose.identity[identity] > 0.6, "{:?}", pose.identity);
        assert!((pose.identity.iter().sum::<f32>() - 1.0).abs() < 1e-5);
    }
}

#[test]
fn keypoints_that_no_field_ties_are_no_animal() {
    let mut heads = heads(&[(5, 4, 0.6, 1)]);
    heads.0[2].values.fill(0.0);
    assert!(read(&heads).is_empty());
}

#[test]
fn an_animal_with_a_missing_keypoint_keeps_the_others() {
    let decoder = WrittenPartAffinity { links_min: 1, ..decoder() };
    let mut heads = heads(&[(5, 4, 0.6, 1)]);
    heads.0[0].values[2 * CELLS..].fill(0.0);
    let poses = PoseReader::new(&contract(decoder)).expect("a reader").read(&heads, &SAME);
    assert_eq!(poses.len(), 1);
    assert!(poses[0].keypoints[0].is_some() && poses[0].keypoints[1].is_some() && poses[0].keypoints[2].is_none());
}

#[test]
fn an_animal_with_too_few_joints_is_dropped() {
    let mut heads = heads(&[(5, 4, 0.6, 1)]);
    heads.0[0].values[2 * CELLS..].fill(0.0);
    assert!(read(&heads).is_empty());
}

#[test]
fn one_animal_takes_the_best_peak_of_each_keypoint_without_any_joint() {
    let decoder = WrittenPartAffinity { animals_max: 1, ..decoder() };
    let mut heads = heads(&[(5, 4, 0.6, 1), (12, 15, 0.9, 0)]);
    heads.0[2].values.fill(0.0);
    let poses = PoseReader::new(&contract(decoder)).expect("a reader").read(&heads, &SAME);
    assert_eq!(poses.len(), 1);
    assert_eq!(poses[0].keypoints[0].map(|keypoint| keypoint.at), Some(InCamera { x: 126.0, y: 100.0 }));
}

#[test]
fn more_animals_than_allowed_are_cut_to_the_best() {
    let many: Vec<_> = (0..6).map(|n| (3 * n + 1, 5, 0.4 + 0.1 * n as f32, 0)).collect();
    let poses = read(&heads(&many));
    assert_eq!(poses.len(), 4);
    assert!(poses.iter().all(|pose| pose.score > 0.55), "{poses:?}");
}

#[test]
fn of_two_animals_in_one_place_the_weaker_is_dropped() {
    // The second animal lies three cells below the first and its field is half as strong.
    let mut both = heads(&[(5, 4, 0.6, 1)]);
    let row = 8 * COLUMNS;
    for k in 0..3 {
        both.0[0].values[k * CELLS + row + 5 + 3 * k] = 0.5;
    }
    for along in 0..=6 {
        (0..3).for_each(|edge| both.0[2].values[2 * edge * CELLS + row + 5 + along] = 0.5);
    }
    let decoder = WrittenPartAffinity { overlap_max: 0.3, ..decoder() };
    let mut reader = PoseReader::new(&contract(decoder)).expect("a reader");
    assert_eq!(reader.read(&both, &SAME).len(), 2);
    // The location refinement lifts it by 24 pixels, onto the first.
    (0..3).for_each(|k| both.0[1].values[(2 * k + 1) * CELLS + row + 5 + 3 * k] = -6.0);
    let poses = reader.read(&both, &SAME);
    assert_eq!(poses.len(), 1);
    assert!((poses[0].score - 0.6).abs() < 1e-6);
}

#[test]
fn what_is_not_a_number_never_panics_and_never_comes_out() {
    for poison in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX, f32::MIN, 1.0] {
        for head in 0..4 {
            for every in [1, 7] {
                let mut heads = heads(&[(5, 4, 0.6, 1), (12, 15, 0.9, 0)]);
                heads.0[head].values.iter_mut().step_by(every).for_each(|value| *value = poison);
                for pose in &read(&heads) {
                    assert!(pose.centre.is_finite() && (0.0..=1.0).contains(&pose.score));
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
    for head in 0..4 {
        let mut heads = heads(&[(5, 4, 0.6, 1)]);
        heads.0[head].shape = [1, 3, 7, 7];
        assert!(read(&heads).is_empty(), "{head}");
    }
    assert!(read(&Heads::default()).is_empty());
}

#[test]
fn the_same_heads_give_the_same_poses_again_and_again() {
    let heads = heads(&[(5, 4, 0.6, 1), (12, 15, 0.9, 0)]);
    let mut reader = PoseReader::new(&contract(decoder())).expect("a reader");
    let first = reader.read(&heads, &SAME);
    for _ in 0..3 {
        assert_eq!(reader.read(&heads, &SAME), first);
    }
}

#[test]
fn the_field_is_read_at_the_shares_of_the_way_that_torch_gives() {
    // torch.linspace(0, 1, 10), as bits.
    let torch: [u32; SAMPLES] = [
        0,
        0x3de3_8e39,
        0x3e63_8e39,
        0x3eaa_aaab,
        0x3ee3_8e39,
        0x3f0e_38e4,
        0x3f2a_aaab,
        0x3f47_1c72,
        0x3f63_8e39,
        0x3f80_0000,
    ];
    assert_eq!(shares().map(f32::to_bits), torch);
}
