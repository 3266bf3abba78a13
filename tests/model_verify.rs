//! Promise: `arenad model verify` says what each INT8 file loses against FP32, and refuses one that loses more than its contract allows.

mod program;

use arenad::config::{self, EngineChoice};
use arenad::handover::{Colour, Frame, PictureSize, PixelFormat};
use arenad::model::Contract;
use arenad::pose::PoseReader;
use arenad::preprocess::Preprocessor;
use arenad::stamp::Stamp;
use program::{Ended, arenad, line};
use sha2::{Digest, Sha256};
use std::fs;
use std::path::Path;

const SIDE: u32 = 32;

fn fixtures() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/models"))
}

/// A folder with the tiny model, `u8` being this file, and labels that are exactly what its FP32 file finds.
fn desk(u8_file: &str, loss_max: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let mut contract = fs::read_to_string(fixtures().join("model.toml")).expect("the tiny contract");
    for (name, precision, source, loss) in [("a.onnx", "fp32", "fp32", "0.0"), ("b.onnx", "u8", u8_file, loss_max)] {
        let bytes = fs::read(fixtures().join(source).with_extension("onnx")).expect("a fixture");
        let hash: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        contract += &format!(
            "[[files]]\nname = \"{name}\"\nprecision = \"{precision}\"\nsha256 = \"{hash}\"\nloss_max = {loss}\n"
        );
        fs::write(folder.path().join(name), bytes).expect("written");
    }
    fs::write(folder.path().join("model.toml"), contract).expect("written");
    let picture = image::RgbImage::from_fn(SIDE, SIDE, |x, y| image::Rgb([(x * 8) as u8, (y * 8) as u8, 99]));
    picture.save(folder.path().join("still.png")).expect("a picture");
    fs::write(folder.path().join("CollectedData_test.csv"), labels(folder.path(), &picture)).expect("written");
    folder
}

fn labels(folder: &Path, picture: &image::RgbImage) -> String {
    let contract = Contract::read(folder).unwrap_or_else(|error| panic!("{error}"));
    let wanted = config::Model { engine: EngineChoice::BuiltIn, threads: 1, ..config::Model::default() };
    let mut engine = arenad::infer::open(&contract, &wanted).unwrap_or_else(|error| panic!("{error}"));
    let size = PictureSize { width: SIDE, height: SIDE };
    let frame = Frame::unpooled(PixelFormat::Rgb, size, Colour::default(), Stamp::default(), picture.as_raw());
    let mut input = vec![0.0; contract.input_len()];
    let letterbox = Preprocessor::new(&contract).fill(&frame.expect("a frame"), &mut input);
    let poses = PoseReader::new(&contract).expect("a reader").read(engine.run(&input).expect("heads"), &letterbox);
    assert!(!poses.is_empty(), "the tiny model finds nothing, so nothing can be lost");
    let mut rows = ["scorer", "individuals", "bodyparts", "coords"].map(str::to_owned);
    let mut row = "still.png".to_owned();
    for (index, pose) in poses.iter().enumerate() {
        let at = pose.keypoints[0].expect("a keypoint").at;
        for (coord, value) in [("x", at.x), ("y", at.y)] {
            rows[0] += ",test";
            rows[1] += &format!(",animal{index}");
            rows[2] += ",nose";
            rows[3] += &format!(",{coord}");
            row += &format!(",{value}");
        }
    }
    format!("{}\n{row}\n", rows.join("\n"))
}

fn verify(desk: &tempfile::TempDir, more: &str) -> Ended {
    let command = format!("--log error model verify {{}} --engine built-in --frames 0 {more}");
    let folders = [desk.path(), desk.path()];
    arenad(line(command.trim_end(), &folders))
}

#[test]
fn a_file_that_loses_nothing_is_taken_with_its_figures() {
    let said = verify(&desk("fp32", "0.0"), "--json --labels {}").well();
    let said: serde_json::Value = serde_json::from_str(&said).expect("JSON");
    let file = &said["files"][1];
    assert_eq!(file["precision"], "u8", "{said}");
    assert_eq!((&file["labelled"]["oks_map"], &file["labelled"]["oks_map_loss"]), (&1.0.into(), &0.0.into()), "{said}");
    assert_eq!(file["differences"]["centre"]["largest"], 0.0, "{said}");
    assert_eq!(said["complaints"], serde_json::json!([]));
}

#[test]
fn a_file_that_loses_more_than_it_may_is_named_with_the_figure() {
    let desk = desk("other", "0.01");
    let ended = verify(&desk, "--labels {}");
    let start =
        format!("arenad: model {}: OKS mAP on labelled frames: u8 has 0.", desk.path().join("b.onnx").display());
    assert!(ended.code == Some(1) && ended.why().starts_with(&start), "{ended:?}");
    assert!(ended.why().contains(" less than fp32 (1.0000); allowed: 1.00 % (files.loss_max); "), "{ended:?}");
    assert!(ended.out.contains("OKS mAP, labelled"), "{ended:?}");
}

#[test]
fn without_a_picture_that_is_known_no_file_passes() {
    let ended = verify(&desk("fp32", "0.5"), "");
    assert!(ended.code == Some(1), "{ended:?}");
    assert!(ended.why().ends_with("give labelled pictures of its keypoints with --labels"), "{ended:?}");
}

#[test]
fn labels_that_are_not_there_are_named() {
    let ended =
        arenad(line("model verify {} --engine built-in --labels {}", &[desk("fp32", "0.5").path(), fixtures()]));
    let words = format!(
        "arenad: labels {}: no CollectedData*.csv in it; give a folder of DeepLabCut labels",
        fixtures().display()
    );
    assert_eq!((ended.code, ended.why()), (Some(2), words.as_str()), "{ended:?}");
}
