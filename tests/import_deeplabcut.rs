//! Promise: from the same heads our decoders read the poses that DeepLabCut's own predictors read.
//!
//! `python -m convert.heads_deeplabcut --golden` (in `models/`) wrote the heads and the answers.

use arenad::handover::{Pose, Poses};
use arenad::infer::{Head, Heads};
use arenad::model::Contract;
use arenad::pose::PoseReader;
use arenad::space::Letterbox;
use std::path::{Path, PathBuf};

#[derive(serde::Deserialize)]
struct Wanted {
    keypoints: Vec<Option<[f32; 3]>>,
    identity: Vec<f32>,
}

const SAME: Letterbox = Letterbox { scale: 1.0, left: 0.0, top: 0.0 };

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/import").join(name)
}

/// The contract, read as that of any model folder; its weights are an empty file, as only the heads matter here.
fn contract(name: &str) -> Contract {
    let copy = tempfile::tempdir().expect("a folder");
    std::fs::copy(folder(name).join("model.toml"), copy.path().join("model.toml")).expect("a contract");
    std::fs::write(copy.path().join("model.onnx"), b"").expect("weights");
    Contract::read(copy.path()).unwrap_or_else(|error| panic!("{error}"))
}

/// The heads of each picture: whole 2048ths, 16 bits, output after output.
fn pictures(contract: &Contract, name: &str) -> Vec<Heads> {
    let bytes = std::fs::read(folder(name).join("heads.i16")).expect("heads");
    let mut values = bytes.as_chunks::<2>().0.iter().map(|pair| f32::from(i16::from_le_bytes(*pair)) / 2048.0);
    let picture = contract.written.outputs.iter().map(|output| output.shape.iter().product::<usize>()).sum::<usize>();
    let mut head = |output: &arenad::model::WrittenOutput| Head {
        name: output.name.clone(),
        shape: output.shape,
        values: values.by_ref().take(output.shape.iter().product()).collect(),
    };
    (0..bytes.len() / 2 / picture).map(|_| Heads(contract.written.outputs.iter().map(&mut head).collect())).collect()
}

/// The largest distance and the largest difference of a score; `None` where one has a keypoint that the other lacks.
fn apart(pose: &Pose, wanted: &Wanted) -> Option<(f32, f32)> {
    let (mut far, mut unsure) = (0.0f32, 0.0f32);
    for (got, wanted) in pose.keypoints.iter().zip(&wanted.keypoints) {
        match (got, wanted) {
            (Some(got), Some([x, y, score])) => {
                far = far.max((got.at.x - x).hypot(got.at.y - y));
                unsure = unsure.max((got.score - score).abs());
            }
            (None, None) => {}
            _ => return None,
        }
    }
    for (got, wanted) in pose.identity.iter().zip(&wanted.identity) {
        unsure = unsure.max((got - wanted).abs());
    }
    Some((far, unsure))
}

fn agree(name: &str) {
    let contract = contract(name);
    let mut reader = PoseReader::new(&contract).expect("a reader");
    let text = std::fs::read_to_string(folder(name).join("poses.json")).expect("answers");
    let answers: Vec<Vec<Wanted>> = serde_json::from_str(&text).expect("poses");
    let pictures = pictures(&contract, name);
    assert_eq!(pictures.len(), answers.len());
    for (heads, wanted) in pictures.iter().zip(&answers) {
        let poses: Poses = reader.read(heads, &SAME);
        assert_eq!(poses.len(), wanted.len(), "{name}");
        for wanted in wanted {
            let near = |pose: &Pose| apart(pose, wanted).is_some_and(|(far, unsure)| far < 0.01 && unsure < 1e-4);
            assert!(poses.iter().any(near), "{name}: none of {poses:?} is {:?}", wanted.keypoints);
        }
    }
}

#[test]
fn a_single_animal_is_read_as_deeplabcut_reads_it() {
    agree("deeplabcut-single");
}

#[test]
fn several_animals_and_their_identities_are_read_as_deeplabcut_reads_them() {
    agree("deeplabcut-multi");
}
