//! Promise: an imported YOLO-pose model gives the poses that Ultralytics' own post-processing reads from the same table of boxes.
//!
//! `models/convert/parity_yolo.py --golden` wrote the folder; its network always answers with one table.

use arenad::config::EngineChoice;
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

#[test]
fn the_same_table_gives_the_same_poses() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/import/yolo");
    let wanted: Vec<Wanted> =
        serde_json::from_slice(&std::fs::read(folder.join("poses.json")).expect("a file")).expect("poses");
    let contract = Contract::read(&folder).unwrap_or_else(|error| panic!("{error}"));
    let mut engine = arenad::infer::open(&contract, EngineChoice::BuiltIn, 1, None).expect("an engine");
    let heads = engine.run(&vec![0.5; contract.input_len()]).expect("heads");
    let input = &contract.written.input;
    let letterbox = Letterbox::fit((input.width, input.height), (input.width, input.height));
    let poses = PoseReader::new(&contract).expect("a reader").read(heads, &letterbox);
    assert_eq!(poses.len(), wanted.len());
    for (pose, wanted) in poses.iter().zip(&wanted) {
        let near = |got: f32, wanted: f32, by: f32| assert!((got - wanted).abs() <= by, "{got}, not {wanted}: {pose:?}");
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
