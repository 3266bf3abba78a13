//! Hand-made maps: which peaks, pairs and groups come of them.

use super::affinity_fields::{AffinityFields, Lines};
use super::centred_instances::{CentredInstances, Crop};
use super::class_maps::ClassMaps;
use super::grouping::{Groups, PeakId};
use super::matching::{Costs, match_least};
use super::peaks::{Map, PEAKS_MAX};
use super::{Layout, Reading, even_out};
use crate::handover::Poses;
use crate::infer::{Head, Heads};
use crate::model::{Contract, WrittenIdentity, WrittenOutput};
use crate::space::Letterbox;

const SAME: Letterbox = Letterbox { scale: 1.0, left: 0.0, top: 0.0 };
const PLAIN: Reading = Reading { scale: 1.0, score_min: 0.2, patch: 0 };

/// Peaks of a map written in tenths, as x, y.
fn peaks(rows: &[&[u8]], patch: u32) -> Vec<(f32, f32)> {
    let values: Vec<f32> = rows.iter().copied().flatten().map(|tenths| f32::from(*tenths) / 10.0).collect();
    let map = Map { values: &values, rows: rows.len(), columns: rows[0].len() };
    map.peaks(0.2, patch).iter().map(|peak| (peak.x, peak.y)).collect()
}

#[test]
fn each_cell_above_its_neighbours_is_a_peak_in_reading_order() {
    let map: [&[u8]; 4] = [&[0, 0, 0, 9], &[0, 5, 0, 0], &[0, 0, 0, 0], &[2, 0, 0, 3]];
    assert_eq!(peaks(&map, 0), [(3.0, 0.0), (1.0, 1.0), (3.0, 3.0)]);
}

#[test]
fn equal_cells_in_a_block_are_one_peak_in_their_middle_and_wider_ones_none() {
    assert_eq!(peaks(&[&[0, 0, 0], &[0, 7, 7], &[0, 0, 0]], 0), [(1.5, 1.0)]);
    assert_eq!(peaks(&[&[0, 0, 0], &[0, 7, 7], &[0, 7, 7]], 0), [(1.5, 1.5)]);
    assert_eq!(peaks(&[&[0, 7, 0], &[7, 0, 0], &[0, 0, 0]], 0), [(0.5, 0.5)]);
    assert_eq!(peaks(&[&[0, 0, 0], &[7, 7, 7], &[0, 0, 0]], 0), []);
    assert_eq!(peaks(&[&[0, 0, 0, 0], &[0, 7, 7, 8], &[0, 0, 0, 0]], 0), [(3.0, 1.0)]);
}

#[test]
fn a_peak_is_placed_by_the_mean_around_it() {
    let map: [&[u8]; 3] = [&[0, 0, 0, 0], &[0, 4, 8, 4], &[0, 0, 0, 0]];
    assert_eq!(peaks(&map, 3), [(2.0, 1.0)]);
    let (x, y) = peaks(&[&[0, 0, 0, 0], &[0, 2, 8, 6], &[0, 0, 0, 0]], 3)[0];
    assert!((x - 2.25).abs() < 1e-6 && y == 1.0, "{x} {y}");
}

#[test]
fn of_too_many_peaks_the_highest_stay() {
    let row: Vec<u8> = (0..40).map(|i| if i % 2 == 0 { 3 + i / 2 } else { 0 }).collect();
    let found = peaks(&[&row], 0);
    assert_eq!(found.len(), PEAKS_MAX);
    assert_eq!((found[0], found[PEAKS_MAX - 1]), ((8.0, 0.0), (38.0, 0.0)));
}

#[test]
fn the_highest_place_is_the_first_row_and_column_that_reach_it() {
    let values = [0.1, 0.9, 0.0, 0.9, 0.0, 0.0];
    let map = Map { values: &values, rows: 2, columns: 3 };
    let peak = map.highest(0.2, 0).expect("a peak");
    assert_eq!((peak.x, peak.y, peak.score), (0.0, 0.0, 0.9));
    assert!(map.highest(0.95, 0).is_none());
    assert!(Map { values: &[f32::NAN; 6], rows: 2, columns: 3 }.highest(0.0, 5).is_none());
    assert!(Map { values: &[], rows: 2, columns: 3 }.highest(0.0, 5).is_none());
}

#[test]
fn pairs_cost_the_least_in_all_not_each() {
    let mut costs = Costs::new(3, 2);
    for (row, line) in [[-0.9, -0.8], [-0.8, -0.1], [-0.5, f32::NAN]].iter().enumerate() {
        line.iter().enumerate().for_each(|(column, cost)| costs.set(row, column, *cost));
    }
    assert_eq!(match_least(&costs).as_slice(), [(0, 1), (1, 0)]);
    assert!(match_least(&Costs::new(0, 4)).is_empty());
    assert!(match_least(&Costs::new(4, 4)).is_empty());
}

#[test]
fn the_method_finds_what_trying_all_pairings_finds() {
    let mut seed = 1u32;
    let mut dice = move || {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (seed >> 8) as f32 / 16_777_216.0
    };
    fn least(costs: &Costs, row: usize, taken: u32) -> f32 {
        if row == 5 {
            return 0.0;
        }
        let free = (0..5).filter(|column| taken & 1 << column == 0);
        free.map(|column| costs.get(row, column) + least(costs, row + 1, taken | 1 << column))
            .fold(f32::INFINITY, f32::min)
    }
    for _ in 0..50 {
        let mut costs = Costs::new(5, 5);
        (0..25).for_each(|index| costs.set(index / 5, index % 5, dice() - 0.5));
        let sum: f32 = match_least(&costs).iter().map(|(row, column)| costs.get(*row, *column)).sum();
        assert!((sum - least(&costs, 0, 0)).abs() < 1e-5);
    }
}

/// The groups that joins give, each as its peaks in order.
fn groups(joins: &[(PeakId, PeakId)], least: usize) -> Vec<(f32, Vec<PeakId>)> {
    let mut groups = Groups::default();
    joins.iter().for_each(|(from, to)| groups.join(*from, *to, 0.5));
    groups.finish(least);
    let group = |index| (groups.score(index), groups.members(index).collect());
    (0..groups.count()).map(group).collect()
}

#[test]
fn joins_make_groups_and_small_ones_are_dropped() {
    let two = [((0, 0), (1, 0)), ((0, 1), (1, 1)), ((1, 0), (2, 0))];
    assert_eq!(groups(&two, 0), [(1.0, vec![(0, 0), (1, 0), (2, 0)]), (0.5, vec![(0, 1), (1, 1)])]);
    assert_eq!(groups(&two, 3).len(), 1);
    // Apart at first, joined later.
    let later = [((0, 0), (1, 0)), ((2, 0), (3, 0)), ((1, 0), (2, 0))];
    assert_eq!(groups(&later, 0), [(1.5, vec![(0, 0), (1, 0), (2, 0), (3, 0)])]);
    // Both have a keypoint 1: only the second peak changes over.
    let overlap = [((0, 0), (1, 0)), ((2, 0), (1, 1)), ((0, 0), (2, 0))];
    assert_eq!(groups(&overlap, 0), [(1.5, vec![(0, 0), (1, 0), (2, 0)]), (0.0, vec![(1, 1)])]);
}

#[test]
fn likelihoods_of_anything_sum_to_one() {
    for mut likely in [[0.2, 0.6], [f32::NAN, -1.0], [f32::INFINITY, 3.0]] {
        even_out(&mut likely);
        assert!((likely.iter().sum::<f32>() - 1.0).abs() < 1e-6, "{likely:?}");
    }
}

/// The bundled contract with two keypoints, two identities and these outputs, and their heads filled with zeros.
fn prepared(outputs: &[(&str, [usize; 4], u32)]) -> (Contract, Heads) {
    let mut contract = Contract::bundled().expect("the bundled model");
    contract.written.keypoints = ["a", "b"].map(String::from).to_vec();
    let identity = |name: &str| WrittenIdentity { name: name.to_owned(), colour: "#ffffff".to_owned() };
    contract.written.identities = ["one", "two"].map(identity).to_vec();
    let output = |(meaning, shape, stride): &(&str, [usize; 4], u32)| WrittenOutput {
        name: (*meaning).to_owned(),
        meaning: (*meaning).to_owned(),
        shape: *shape,
        stride: *stride,
    };
    contract.written.outputs = outputs.iter().map(output).collect();
    let head = |(name, shape, _): &(&str, [usize; 4], u32)| Head {
        name: (*name).to_owned(),
        shape: *shape,
        values: vec![0.0; shape.iter().product()].into(),
    };
    (contract, Heads(outputs.iter().map(head).collect()))
}

/// Sets cells of one channel, given as row, column, value.
fn set(head: &mut Head, channel: usize, cells: &[(usize, usize, f32)]) {
    let [_, _, rows, columns] = head.shape;
    cells.iter().for_each(|(row, column, value)| head.values[(channel * rows + row) * columns + column] = *value);
}

fn place(poses: &Poses, index: usize, k: usize) -> (f32, f32) {
    let keypoint = poses[index].keypoints[k].expect("a keypoint");
    (keypoint.at.x, keypoint.at.y)
}

#[test]
fn cuttings_lie_around_their_centroids_and_twins_count_once() {
    let shapes = [("keypoints", [3, 2, 4, 4], 2), ("centroids", [1, 1, 3, 3], 4), ("identity", [1, 1, 3, 2], 1)];
    let (contract, mut heads) = prepared(&shapes);
    set(&mut heads.0[0], 0, &[(1, 3, 0.9)]);
    set(&mut heads.0[0], 2, &[(0, 0, 0.9)]);
    heads.0[1].values = vec![20.0, 30.0, 0.8, 24.0, 30.0, 0.8, 50.0, 50.0, 0.1].into();
    heads.0[2].values = vec![0.25, 0.75, 0.5, 0.5, 0.5, 0.5].into();
    let crop = Crop { centroid_min: 0.2, size: (8, 8) };
    let read = CentredInstances::new(&contract, PLAIN, crop).expect("a reader").read(&heads, &SAME);
    assert_eq!(read.len(), 1);
    assert_eq!(place(&read, 0, 0), (20.0 - 4.0 + 0.5 + 6.0, 30.0 - 4.0 + 0.5 + 2.0));
    assert_eq!((read[0].centre.x, read[0].score, read[0].keypoints[1]), (20.0, 0.8, None));
    assert_eq!(read[0].identity[..2], [0.25, 0.75]);
}

#[test]
fn peaks_go_to_the_class_that_their_maps_name() {
    let shapes = [("keypoints", [1, 2, 8, 8], 2), ("identity", [1, 2, 4, 4], 4)];
    let (contract, mut heads) = prepared(&shapes);
    set(&mut heads.0[0], 0, &[(0, 0, 0.9), (6, 6, 0.6)]);
    set(&mut heads.0[0], 1, &[(0, 2, 0.5)]);
    set(&mut heads.0[1], 0, &[(3, 3, 0.8)]);
    set(&mut heads.0[1], 1, &[(0, 0, 0.9), (0, 1, 0.6), (3, 3, 0.2)]);
    let read = ClassMaps::new(&contract, PLAIN).expect("a reader").read(&heads, &SAME);
    assert_eq!(read.len(), 2);
    assert_eq!((place(&read, 0, 0), place(&read, 0, 1)), ((0.0, 0.0), (4.0, 0.0)));
    assert!((read[0].score - 0.7).abs() < 1e-6);
    assert_eq!(read[0].identity[..2], [0.0, 1.0]);
    assert_eq!((place(&read, 1, 0), read[1].keypoints[1]), ((12.0, 12.0), None));
    assert!((read[1].identity[0] - 0.8).abs() < 1e-6);
}

#[test]
fn fields_join_the_peaks_that_lie_along_them() {
    let shapes = [("keypoints", [1, 2, 16, 16], 1), ("affinities", [1, 2, 16, 16], 1)];
    let (contract, mut heads) = prepared(&shapes);
    // Two animals, one beside the other, each from left to right.
    set(&mut heads.0[0], 0, &[(2, 2, 0.9), (10, 2, 0.8)]);
    set(&mut heads.0[0], 1, &[(2, 12, 0.7), (10, 12, 0.6)]);
    let along: Vec<_> = (2..13).flat_map(|column| [(2, column, 1.0), (10, column, 0.9)]).collect();
    set(&mut heads.0[1], 0, &along);
    let lines = Lines { points: 10, length_max: 100.0, length_loss: 1.0, score_min: 0.25, keypoints_min: 0 };
    let edges = [["a".to_owned(), "b".to_owned()]];
    let mut reader = AffinityFields::new(&contract, PLAIN, lines, (&edges, &[0])).expect("a reader");
    let read = reader.read(&heads, &SAME);
    assert_eq!(read.len(), 2);
    assert_eq!((place(&read, 0, 0), place(&read, 0, 1)), ((2.0, 2.0), (12.0, 2.0)));
    assert_eq!((place(&read, 1, 0), place(&read, 1, 1)), ((2.0, 10.0), (12.0, 10.0)));
    assert!((read[0].score - 1.0).abs() < 1e-6 && (read[1].score - 0.9).abs() < 1e-6, "{read:?}");
    // A line of twice the length that is allowed loses half a score.
    let short = Lines { length_max: 5.0, ..lines };
    let mut reader = AffinityFields::new(&contract, PLAIN, short, (&edges, &[0])).expect("a reader");
    assert!((reader.read(&heads, &SAME)[0].score - 0.5).abs() < 1e-6);
}

#[test]
fn heads_of_another_shape_give_nothing() {
    let (contract, mut heads) = prepared(&[("keypoints", [1, 2, 8, 8], 2), ("identity", [1, 2, 4, 4], 4)]);
    set(&mut heads.0[0], 0, &[(0, 0, 0.9)]);
    heads.0[1].shape = [1, 2, 2, 8];
    assert!(ClassMaps::new(&contract, PLAIN).expect("a reader").read(&heads, &SAME).is_empty());
    assert!(ClassMaps::new(&contract, PLAIN).expect("a reader").read(&Heads::default(), &SAME).is_empty());
    assert!(Layout::needed(&contract, "affinities").is_err());
}
