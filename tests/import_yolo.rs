//! Promise: an imported YOLO-pose model gives the poses that Ultralytics' own post-processing reads from the same table of boxes.
//!
//! `models/convert/parity_yolo.py --golden` wrote the folder; its network always answers with one table.

use arenad::config::{self, EngineChoice};
use arenad::model::Contract;
use arenad::pose::PoseReader;
use arenad::space::Letterbox;
use std::path::Path;

#[derive(serde::Deserialize)]
struct Wanted {
    score: f32,
    class: usize,
    keypoints: Vec<[f32; 3]>,
}

fn wanted_engine() -> config::Model {
    config::Model { engine: EngineChoice::BuiltIn, threads: 1, ..config::Model::default() }
}

#[test]
fn the_same_table_gives_the_same_poses() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/import/yolo");
    let wanted: Vec<Wanted> =
        serde_json::from_slice(&std::fs::read(folder.join("poses.json")).expect("a file")).expect("poses");
    let contract = Contract::read(&folder).unwrap_or_else(|error| panic!("{error}"));
    let mut engine = arenad::infer::open(&contract, &wanted_engine()).expect("an engine");
    let heads = engine.run(&vec![0.5; contract.input_len()]).expect("heads");
    let input = &contract.written.input;
    let letterbox = Letterbox::fit((input.width, input.height), (input.width, input.height));
    let poses = PoseReader::new(&contract).expect("a reader").read(heads, &letterbox);
    assert_eq!(poses.len(), wanted.len());
    for (pose, wanted) in poses.iter().zip(&wanted) {
        let near =
            |got: f32, wanted: f32, by: f32| assert!((got - wanted).abs() <= by, "{got}, not {wanted}: {pose:?}");
        near(pose.score, wanted.score, 1e-5);
        assert!(pose.identity[wanted.class] > 0.5, "{pose:?}");
        for (got, wanted) in pose.keypoints.iter().zip(&wanted.keypoints) {
            let got = got.expect("a keypoint");
            near(got.at.x, wanted[0], 1e-3);
            near(got.at.y, wanted[1], 1e-3);
            near(got.score, wanted[2], 1e-5);
        }
    }
}

/// What is said of the contract with `from` replaced by `to`.
fn complaint(from: &str, to: &str) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let text = include_str!("data/import/yolo/model.toml");
    assert!(text.contains(from), "the contract has no {from}");
    std::fs::write(folder.path().join("model.toml"), text.replacen(from, to, 1)).expect("written");
    std::fs::write(folder.path().join("model.onnx"), include_bytes!("data/import/yolo/model.onnx")).expect("written");
    let error = Contract::read(folder.path()).expect_err("refused").to_string();
    error.split_once("model.toml: ").expect("a file and what is wrong").1.to_owned()
}

#[test]
fn each_wrong_field_is_named_with_what_is_allowed() {
    for (from, to, expected) in [
        ("score_min = 0.25", "score_min = 1.5", "decoder.score_min: got 1.5; allowed: 0 to below 1"),
        ("overlap_max = 0.7", "overlap_max = nan", "decoder.overlap_max: got NaN; allowed: 0 to below 1"),
        (
            "shape = [1, 18, 1, 240]",
            "shape = [1, 17, 1, 240]",
            "outputs.detections: got the shape [1, 17, 1, 240]; allowed: [1, 18, 1, 1 to 1536]",
        ),
        (
            "shape = [1, 18, 1, 240]",
            "shape = [1, 18, 1, 2400000]",
            "outputs.detections: got the shape [1, 18, 1, 2400000]; allowed: [1, 18, 1, 1 to 1536]",
        ),
        (
            "visibility = true",
            "visibility = false",
            "outputs.detections: got the shape [1, 18, 1, 240]; allowed: [1, 14, 1, 1 to 1536]",
        ),
        (
            "meaning = \"detections\"",
            "meaning = \"centre\"",
            "outputs.detections: got the meaning \"centre\"; allowed: detections",
        ),
        ("stride = 1\n", "stride = 8\n", "outputs.detections: got the stride 8; allowed: 1"),
    ] {
        assert_eq!(complaint(from, to), expected);
    }
    assert!(complaint("across_classes = false\n", "").contains("missing field `across_classes`"));
}
