//! The golden picture of a model folder: the poses that the reference read from it when the model was exported.

use super::compare::Rival;
use super::pictures;
use arenad::handover::{Keypoint, Pose};
use arenad::model::Contract;
use arenad::space::InCamera;

/// One pose of `golden/poses.json`, camera pixels.
#[derive(serde::Deserialize)]
struct Wanted {
    score: f32,
    centre: [f32; 2],
    identity: Vec<f32>,
    /// x, y, score.
    keypoints: Vec<[f32; 3]>,
}

/// How far engines may differ from the reference: summation in another order, nothing else.
const PLACE_PX: f32 = 0.02;
const SCORE: f32 = 0.002;

/// What was found, in words; an error where the model does not give the golden poses.
pub(super) fn check(contract: &Contract, fp32: &mut Rival) -> Result<String, String> {
    let folder = contract.folder.join("golden");
    let file = folder.join("poses.json");
    if !file.is_file() {
        return Ok("none in the folder".to_owned());
    }
    let wrong = |what: String| format!("model {}: {what}", file.display());
    let text = std::fs::read_to_string(&file).map_err(|error| wrong(error.to_string()))?;
    let wanted: Vec<Wanted> =
        serde_json::from_str(&text).map_err(|error| wrong(format!("{error}; export the model again")))?;
    let poses = fp32.poses(&pictures::open(&folder.join("still.png"))?)?;
    if poses.len() != wanted.len() {
        return Err(wrong(format!("got {} poses; allowed: {}; export the model again", poses.len(), wanted.len())));
    }
    for (index, (pose, wanted)) in poses.iter().zip(&wanted).enumerate() {
        if let Some(what) = differs(pose, wanted) {
            return Err(wrong(format!("pose {index}: {what}; the weights and the golden poses are of two exports")));
        }
    }
    Ok(format!("{} poses as the reference reads them", poses.len()))
}

fn differs(pose: &Pose, wanted: &Wanted) -> Option<String> {
    let place = |what: String, got: InCamera, [x, y]: [f32; 2]| {
        let near = got.distance(InCamera { x, y }) <= PLACE_PX;
        (!near)
            .then(|| format!("{what} at ({:.2}, {:.2}); allowed: ({x:.2}, {y:.2}) within {PLACE_PX} px", got.x, got.y))
    };
    let score = |what: String, got: f32, wanted: f32| {
        let near = (got - wanted).abs() <= SCORE;
        (!near).then(|| format!("{what} {got:.4}; allowed: {wanted:.4} within {SCORE}"))
    };
    let centre = place("centre".to_owned(), pose.centre, wanted.centre);
    let likely = pose.identity.iter().zip(&wanted.identity).enumerate();
    let names = likely.map(|(i, (got, wanted))| score(format!("identity {i}"), *got, *wanted));
    let keypoints = pose.keypoints.iter().zip(&wanted.keypoints).enumerate().map(|(k, (got, [x, y, s]))| match got {
        Some(Keypoint { at, score: got }) => {
            place(format!("keypoint {k}"), *at, [*x, *y]).or_else(|| score(format!("score of keypoint {k}"), *got, *s))
        }
        None => Some(format!("keypoint {k} is missing")),
    });
    let whole = score("score".to_owned(), pose.score, wanted.score);
    whole.or(centre).or_else(|| names.chain(keypoints).flatten().next())
}
