//! The two decoders of DeepLabCut's networks: what their settings and outputs must be.

use super::{Complaint, meanings_with_spare, say, share};
use crate::handover::MAX_ANIMALS;
use crate::model::{Written, WrittenPartAffinity};

/// Transposed convolutions without padding make maps that reach beyond the picture; more than this is another network.
const SPARE: usize = 3;
/// A window wider than this sees whole animals, not keypoints.
const WINDOW_MAX: usize = 15;

pub(super) fn heatmap_locref(written: &Written, score_min: f32, locref_stdev: f32) -> Option<Complaint> {
    if written.identities.len() > 1 {
        let what = "of them; allowed: at most one, as this decoder reads a single animal";
        return say("identities", format!("got {} {what}", written.identities.len()));
    }
    share("score_min", score_min).or_else(|| stdev(locref_stdev)).or_else(|| {
        let keypoints = written.keypoints.len();
        maps(written, &[("heatmaps", keypoints), ("locref", refined(keypoints, locref_stdev))])
    })
}

pub(super) fn part_affinity(written: &Written, decoder: &WrittenPartAffinity) -> Option<Complaint> {
    let keypoints = written.keypoints.len();
    share("keypoint_min", decoder.keypoint_min)
        .or_else(|| share("affinity_min", decoder.affinity_min))
        .or_else(|| stdev(decoder.locref_stdev))
        .or_else(|| within("animals_max", decoder.animals_max, 1, MAX_ANIMALS))
        .or_else(|| within("links_min", decoder.links_min, 0, keypoints.saturating_sub(1)))
        .or_else(|| window(decoder.peak_window))
        .or_else(|| overlap(decoder.overlap_max))
        .or_else(|| edges(written, &decoder.edges))
        .or_else(|| {
            maps(
                written,
                &[
                    ("heatmaps", keypoints),
                    ("locref", refined(keypoints, decoder.locref_stdev)),
                    ("affinity", 2 * decoder.edges.len()),
                    ("identity", written.identities.len()),
                ],
            )
        })
}

/// Channels of the location refinement.
fn refined(keypoints: usize, stdev: f32) -> usize {
    if stdev > 0.0 { 2 * keypoints } else { 0 }
}

/// All outputs but the identity share their cells.
fn maps(written: &Written, wanted: &[(&str, usize)]) -> Option<Complaint> {
    if let Some(complaint) = meanings_with_spare(written, wanted, SPARE) {
        return Some(complaint);
    }
    let cells: Vec<_> = written.outputs.iter().filter(|output| output.meaning != "identity").collect();
    let odd =
        cells.iter().find(|output| (output.shape[2..] != cells[0].shape[2..]) | (output.stride != cells[0].stride))?;
    say(
        format!("outputs.{}", odd.name),
        format!("has other cells than {}; allowed: one size and stride", cells[0].name),
    )
}

fn stdev(value: f32) -> Option<Complaint> {
    let fine = (0.0..=1000.0).contains(&value);
    if fine { None } else { say("decoder.locref_stdev", format!("got {value}; allowed: 0 to 1000")) }
}

fn within(field: &str, value: usize, least: usize, most: usize) -> Option<Complaint> {
    let fine = (least..=most).contains(&value);
    if fine { None } else { say(format!("decoder.{field}"), format!("got {value}; allowed: {least} to {most}")) }
}

fn window(cells: usize) -> Option<Complaint> {
    let fine = cells % 2 == 1 && cells <= WINDOW_MAX;
    let what = || format!("got {cells}; allowed: an odd number from 1 to {WINDOW_MAX}");
    if fine { None } else { say("decoder.peak_window", what()) }
}

/// 1 keeps all animals, however they overlap.
fn overlap(value: f32) -> Option<Complaint> {
    let fine = (0.0..=1.0).contains(&value);
    if fine { None } else { say("decoder.overlap_max", format!("got {value}; allowed: 0 to 1")) }
}

/// One keypoint needs no edge; more need edges between different ones, each pair once.
fn edges(written: &Written, edges: &[[String; 2]]) -> Option<Complaint> {
    let field = "decoder.edges";
    if let Some(stranger) = edges.iter().flatten().find(|name| !written.keypoints.contains(name)) {
        return say(field, format!("got {stranger:?}; allowed: a name among keypoints"));
    }
    if let Some([name, _]) = edges.iter().find(|[from, to]| from == to) {
        return say(field, format!("{name:?} is joined to itself; allowed: two keypoints"));
    }
    let same = |[a, b]: &[String; 2], [c, d]: &[String; 2]| (a == c && b == d) || (a == d && b == c);
    let twice = edges.iter().enumerate().find(|(index, edge)| edges[..*index].iter().any(|other| same(edge, other)));
    if let Some((_, [from, to])) = twice {
        return say(field, format!("[{from:?}, {to:?}] stands twice; allowed: each pair once"));
    }
    if edges.is_empty() && written.keypoints.len() > 1 {
        return say(field, "got none; allowed: one at least, as an animal is put together along them");
    }
    None
}

#[cfg(test)]
mod tests {
    use crate::model::parse;
    use std::path::Path;

    const SINGLE: &str = include_str!("../../../tests/data/import/deeplabcut-single/model.toml");
    const MULTI: &str = include_str!("../../../tests/data/import/deeplabcut-multi/model.toml");

    /// The error of a contract with `from` replaced by `to`.
    fn error(good: &str, from: &str, to: &str) -> String {
        assert!(good.contains(from), "the contract has no {from}");
        parse(Path::new("m/model.toml"), &good.replacen(from, to, 1)).expect_err("refused").to_string()
    }

    #[test]
    fn what_the_importer_writes_is_taken() {
        for good in [SINGLE, MULTI] {
            assert!(parse(Path::new("m/model.toml"), good).is_ok());
        }
    }

    #[test]
    fn each_wrong_field_of_a_single_animal_is_named_with_what_is_allowed() {
        for (from, to, expected) in [
            ("score_min = 0.0", "score_min = 1.0", "decoder.score_min: got 1; allowed: 0 to below 1"),
            ("locref_stdev = 7.2801", "locref_stdev = -1.0", "decoder.locref_stdev: got -1; allowed: 0 to 1000"),
            (
                "locref_stdev = 7.2801",
                "locref_stdev = 0.0",
                "outputs.locref: got the shape [1, 8, 17, 21]; allowed: [1, 0, 16, 20] at stride 8, or up to 3 more rows and columns",
            ),
            (
                "shape = [1, 4, 17, 21]",
                "shape = [1, 4, 17, 24]",
                "outputs.heatmaps: got the shape [1, 4, 17, 24]; allowed: [1, 4, 16, 20] at stride 8, or up to 3 more rows and columns",
            ),
            (
                "shape = [1, 4, 17, 21]",
                "shape = [1, 4, 16, 21]",
                "outputs.locref: has other cells than heatmaps; allowed: one size and stride",
            ),
            (
                "meaning = \"locref\"",
                "meaning = \"offsets\"",
                "outputs.locref: got the meaning \"offsets\"; allowed: heatmaps, locref",
            ),
            (
                "identities = []",
                "identities = [{ name = \"A\", colour = \"#000000\" }, { name = \"B\", colour = \"#ffffff\" }]",
                "identities: got 2 of them; allowed: at most one, as this decoder reads a single animal",
            ),
        ] {
            assert_eq!(error(SINGLE, from, to), format!("model m/model.toml: {expected}"));
        }
    }

    #[test]
    fn each_wrong_field_of_several_animals_is_named_with_what_is_allowed() {
        for (from, to, expected) in [
            ("animals_max = 3", "animals_max = 9", "decoder.animals_max: got 9; allowed: 1 to 8"),
            ("keypoint_min = 0.1", "keypoint_min = 1.5", "decoder.keypoint_min: got 1.5; allowed: 0 to below 1"),
            ("affinity_min = 0.05", "affinity_min = -0.5", "decoder.affinity_min: got -0.5; allowed: 0 to below 1"),
            ("links_min = 2", "links_min = 4", "decoder.links_min: got 4; allowed: 0 to 3"),
            ("peak_window = 5", "peak_window = 4", "decoder.peak_window: got 4; allowed: an odd number from 1 to 15"),
            ("overlap_max = 0.8", "overlap_max = 2.0", "decoder.overlap_max: got 2; allowed: 0 to 1"),
            (
                "[[\"nose\", \"neck\"],",
                "[[\"nose\", \"ear\"],",
                "decoder.edges: got \"ear\"; allowed: a name among keypoints",
            ),
            (
                "[[\"nose\", \"neck\"],",
                "[[\"nose\", \"nose\"],",
                "decoder.edges: \"nose\" is joined to itself; allowed: two keypoints",
            ),
            (
                "[[\"nose\", \"neck\"],",
                "[[\"back\", \"nose\"],",
                "decoder.edges: [\"nose\", \"back\"] stands twice; allowed: each pair once",
            ),
            (
                "[[\"nose\", \"neck\"],",
                "[",
                "outputs.affinity: got the shape [1, 12, 17, 21]; allowed: [1, 10, 16, 20] at stride 8, or up to 3 more rows and columns",
            ),
        ] {
            assert_eq!(error(MULTI, from, to), format!("model m/model.toml: {expected}"));
        }
    }

    #[test]
    fn a_missing_field_and_an_unknown_one_are_named() {
        assert!(error(MULTI, "overlap_max = 0.8\n", "").contains("missing field `overlap_max`"));
        assert!(error(MULTI, "overlap_max", "overlap").contains("unknown field `overlap`"));
        assert!(error(SINGLE, "score_min = 0.0", "score = 0.0").contains("unknown field `score`"));
    }
}
