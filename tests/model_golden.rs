//! Promise: the bundled model and the decoder give the poses that the Python reference gave when the model was exported.

use arenad::config::{self, EngineChoice};
use arenad::handover::{Colour, Frame, PictureSize, PixelFormat};
use arenad::model::Contract;
use arenad::pose::PoseReader;
use arenad::preprocess::Preprocessor;
use arenad::stamp::Stamp;

#[derive(serde::Deserialize)]
struct Wanted {
    score: f32,
    centre: [f32; 2],
    identity: Vec<f32>,
    keypoints: Vec<[f32; 3]>,
}

fn still() -> Frame {
    let image = image::load_from_memory(include_bytes!("../models/socialbox/golden/still.png")).expect("a picture");
    let image = image.to_rgb8();
    let size = PictureSize { width: image.width(), height: image.height() };
    Frame::unpooled(PixelFormat::Rgb, size, Colour::default(), Stamp::default(), image.as_raw()).expect("a frame")
}

#[test]
fn the_bundled_model_reads_the_golden_still_as_the_reference_does() {
    let wanted: Vec<Wanted> =
        serde_json::from_str(include_str!("../models/socialbox/golden/poses.json")).expect("poses");
    let contract = Contract::bundled().expect("the bundled model");
    let built_in = config::Model { engine: EngineChoice::BuiltIn, threads: 1, ..config::Model::default() };
    let mut engine = arenad::infer::open(&contract, &built_in).expect("an engine");
    let mut input = vec![0.0; contract.input_len()];
    let letterbox = Preprocessor::new(&contract).fill(&still(), &mut input);
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
