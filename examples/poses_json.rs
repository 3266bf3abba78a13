//! Shows which poses a model finds in pictures: one JSON line a picture. For those who import a model, and for parity tests.
//!
//! `cargo run --example poses_json -- FOLDER PICTURE.png... [--onnxruntime LIBRARY]`; the built-in engine where no library of
//! ONNX Runtime is named. A line is `{"picture", "poses"}`, best pose first; a pose is `{"score", "centre", "identity",
//! "keypoints"}` in camera pixels, `identity` one likelihood for each identity of the model (empty without any), `keypoints`
//! `[x, y, score]` or null in the model's order.

use arenad::config::{self, EngineChoice};
use arenad::handover::{Colour, Frame, PictureSize, PixelFormat, Pose};
use arenad::model::Contract;
use arenad::pose::PoseReader;
use arenad::preprocess::Preprocessor;
use arenad::stamp::Stamp;
use serde_json::{Value, json};
use std::path::PathBuf;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (mut paths, mut library) = (Vec::new(), None);
    let mut arguments = std::env::args_os().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.to_str() {
            Some("--onnxruntime") => {
                library = Some(PathBuf::from(arguments.next().ok_or("--onnxruntime: got nothing; give its library")?));
            }
            _ => paths.push(PathBuf::from(argument)),
        }
    }
    let [folder, pictures @ ..] = paths.as_slice() else {
        return Err("got no model; give a model folder and pictures (.png)".into());
    };
    let contract = Contract::read(folder)?;
    let engine = if library.is_some() { EngineChoice::OnnxRuntime } else { EngineChoice::BuiltIn };
    let model = config::Model { engine, precision: config::PrecisionChoice::Fp32, library, ..config::Model::default() };
    let mut engine = arenad::infer::open(&contract, &model)?;
    let mut preprocessor = Preprocessor::new(&contract);
    let mut reader = PoseReader::new(&contract)?;
    let mut input = vec![0.0; contract.input_len()];
    for picture in pictures {
        let image = image::open(picture).map_err(|error| format!("{}: {error}", picture.display()))?.to_rgb8();
        let size = PictureSize { width: image.width(), height: image.height() };
        let frame = Frame::unpooled(PixelFormat::Rgb, size, Colour::default(), Stamp::default(), image.as_raw())
            .ok_or_else(|| format!("{}: got no pixels", picture.display()))?;
        let letterbox = preprocessor.fill(&frame, &mut input);
        let poses = reader.read(engine.run(&input)?, &letterbox);
        let poses: Vec<Value> = poses.iter().map(|pose| shown(pose, &contract)).collect();
        println!("{}", json!({"picture": picture, "poses": poses}));
    }
    Ok(())
}

fn shown(pose: &Pose, contract: &Contract) -> Value {
    let keypoints: Vec<Value> = pose.keypoints[..contract.written.keypoints.len()]
        .iter()
        .map(|keypoint| keypoint.map_or(Value::Null, |one| json!([one.at.x, one.at.y, one.score])))
        .collect();
    json!({
        "score": pose.score,
        "centre": [pose.centre.x, pose.centre.y],
        "identity": pose.identity[..contract.written.identities.len()],
        "keypoints": keypoints,
    })
}
