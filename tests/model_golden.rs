//! Promise: the bundled models and the decoder give the poses that the Python reference gave when they were exported.

use arenad::config::{self, EngineChoice};
use arenad::handover::{Colour, Frame, PictureSize, PixelFormat};
use arenad::model::Contract;
use arenad::pose::PoseReader;
use arenad::preprocess::Preprocessor;
use arenad::stamp::Stamp;
use std::path::{Path, PathBuf};

#[derive(serde::Deserialize)]
struct Wanted {
    score: f32,
    centre: [f32; 2],
    identity: Vec<f32>,
    keypoints: Vec<[f32; 3]>,
}

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("models").join(name).join("golden")
}

fn still(name: &str) -> Frame {
    let image = image::open(golden(name).join("still.png")).expect("a picture").to_rgb8();
    let size = PictureSize { width: image.width(), height: image.height() };
    Frame::unpooled(PixelFormat::Rgb, size, Colour::default(), Stamp::default(), image.as_raw()).expect("a frame")
}

#[test]
fn each_bundled_model_reads_its_golden_still_as_the_reference_does() {
    for name in ["socialbox", "openfield"] {
        check(name);
    }
}

fn check(name: &str) {
    let text = std::fs::read_to_string(golden(name).join("poses.json")).expect("a file");
    let wanted: Vec<Wanted> = serde_json::from_str(&text).expect("poses");
    assert!(!wanted.is_empty());
    let contract = Contract::find(Some(Path::new(name))).expect("a bundled model");
    let built_in = config::Model { engine: EngineChoice::BuiltIn, threads: 1, ..config::Model::default() };
    let mut engine = arenad::infer::open(&contract, &built_in).expect("an engine");
    let mut input = vec![0.0; contract.input_len()];
    let letterbox = Preprocessor::new(&contract).fill(&still(name), &mut input);
    let heads = engine.run(&input).expect("heads");
    let poses = PoseReader::new(&contract).expect("a reader").read(heads, &letterbox);
    assert_eq!(poses.len(), wanted.len());
    for (pose, wanted) in poses.iter().zip(&wanted) {
        let near =
            |got: f32, wanted: f32, by: f32| assert!((got - wanted).abs() <= by, "got {got}, not {wanted}: {pose:?}");
        near(pose.score, wanted.score, 0.001);
        near(pose.centre.x, wanted.centre[0], 0.02);
        near(pose.centre.y, wanted.centre[1], 0.02);
        pose.identity.iter().zip(&wanted.identity).for_each(|(got, wanted)| near(*got, *wanted, 0.002));
        for (got, wanted) in pose.keypoints.iter().zip(&wanted.keypoints) {
            let got = got.expect("a keypoint");
            near(got.at.x, wanted[0], 0.02);
            near(got.at.y, wanted[1], 0.02);
            near(got.score, wanted[2], 0.001);
        }
    }
}
