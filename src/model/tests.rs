//! Promise: a model folder that breaks its contract is refused with file, field, got and allowed.

use super::*;

const GOOD: &str = include_str!("../../models/socialbox/model.toml");

#[test]
fn the_bundled_model_keeps_its_contract() {
    let contract = Contract::bundled().unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(contract.keypoint("T_end"), Some(8));
    assert_eq!(contract.identity("Y"), Some(Identity(3)));
    assert_eq!(contract.output("centre").map(|(index, _)| index), Some(1));
}

/// The error of the bundled contract with `from` replaced by `to`.
fn error(from: &str, to: &str) -> String {
    assert!(GOOD.contains(from), "the bundled contract has no {from}");
    parse(Path::new("m/model.toml"), &GOOD.replacen(from, to, 1)).expect_err("refused").to_string()
}

#[test]
fn each_wrong_field_is_named_with_what_is_allowed() {
    for (from, to, expected) in [
        ("contract = 1", "contract = 2", "model m/model.toml: contract: got 2; allowed: 1; export the model again"),
        (
            "\"L_ear\", \"R_ear\", \"L_flnk\"",
            "\"nose\", \"R_ear\", \"L_flnk\"",
            "model m/model.toml: keypoints: \"nose\" stands twice; allowed: each name once",
        ),
        (
            "[\"nose\", \"L_ear\"]",
            "[\"nose\", \"ear\"]",
            "model m/model.toml: skeleton: got \"ear\"; allowed: a name among keypoints",
        ),
        ("#e2333d", "red", "model m/model.toml: identities: got the colour \"red\"; allowed: #rrggbb"),
        ("layout = \"nchw\"", "layout = \"nhwc\"", "model m/model.toml: input.layout: got \"nhwc\"; allowed: \"nchw\""),
        ("width = 640", "width = 64000", "model m/model.toml: input.width: got 64000; allowed: 32 to 4096"),
        (
            "scale = [255.0",
            "scale = [0.0",
            "model m/model.toml: input.scale: got [0.0, 255.0, 255.0]; allowed: finite numbers other than 0",
        ),
        ("reach_px = 24.0", "reach_px = -1.0", "model m/model.toml: decoder.reach_px: got -1; allowed: 0 to 1000"),
        (
            "shape = [1, 9, 120, 160]",
            "shape = [1, 8, 120, 160]",
            "model m/model.toml: outputs.keypoints: got the shape [1, 8, 120, 160]; allowed: [1, 9, 120, 160] at stride 4",
        ),
        (
            "meaning = \"identity\"",
            "meaning = \"what\"",
            "model m/model.toml: outputs.identity: got the meaning \"what\"; allowed: keypoints, centre, offsets, identity",
        ),
    ] {
        assert_eq!(error(from, to), expected);
    }
}

#[test]
fn a_missing_field_and_an_unknown_one_are_named() {
    assert!(error("padding = 0\n", "").contains("missing field `padding`"));
    assert!(error("padding = 0", "padding = 0\ngamma = 2").contains("unknown field `gamma`"));
    assert!(error("separation_px = 12.0\n", "").contains("missing field `separation_px`"));
    assert!(error("separation_px", "apart_px").contains("unknown field `apart_px`"));
    assert!(error("centre-offsets", "heat").contains("unknown variant `heat`, expected `centre-offsets`"));
}

#[test]
fn weights_with_another_hash_are_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("model.toml"), GOOD).expect("written");
    std::fs::write(folder.path().join("model.onnx"), b"not it").expect("written");
    let error = Contract::read(folder.path()).expect_err("refused").to_string();
    assert!(error.contains("files.sha256: model.onnx has the hash "), "{error}");
    assert!(error.ends_with("the file is damaged or from another export: export the model again"), "{error}");
}

#[test]
fn a_folder_without_a_contract_says_what_to_give() {
    let error = Contract::read(Path::new("/nonexistent")).expect_err("refused").to_string();
    assert_eq!(
        error,
        "model /nonexistent/model.toml: No such file or directory (os error 2); give a folder that holds model.toml and model.onnx"
    );
}
