//! DeepLabCut labels: each individual is an animal, its labelled body parts say where its back is.

use super::super::model::open;
use super::Pictures;
use arenad::eval;
use arenad::handover::{Keypoint, MAX_KEYPOINTS, Pose};
use arenad::paint::{self, Anatomy, Eye};
use arenad::space::InCamera;
use std::path::Path;

/// Reads every table below `folder`; `wanted` are the individuals to take, all of them where it is empty.
pub(super) fn read(folder: &Path, wanted: &[String]) -> Result<Pictures, String> {
    let said = |error: eval::LabelsError| format!("enrol: {error}");
    let mut pictures = Pictures { made_of: format!("labels in {}", folder.display()), ..Pictures::default() };
    for table in eval::find_labels(folder).map_err(said)? {
        let (mut animals, mut parts) = eval::read_names(&table).map_err(said)?;
        // What no trunk is found by is not asked for.
        parts.retain(|part| Anatomy::of(std::slice::from_ref(part)) != Anatomy::default());
        parts.truncate(MAX_KEYPOINTS);
        if parts.is_empty() || animals.is_empty() {
            let what = if animals.is_empty() { "individuals" } else { "body parts that tell where a back is" };
            let allowed = "allowed: multi-animal labels with a nose, ears, flanks, a back or a tail base";
            return Err(format!("enrol: labels {}: has no {what}; {allowed}", table.display()));
        }
        if !wanted.is_empty() {
            // Animals that are not wanted stand in the picture all the same, without a name.
            animals.retain(|animal| wanted.contains(animal));
        }
        let anatomy = Anatomy::of(&parts);
        for still in eval::read_labels(&table, &parts, &animals).map_err(said)? {
            let frame = match open(&still.picture) {
                Ok(frame) => frame,
                Err(what) => {
                    pictures.left_out.push(what);
                    continue;
                }
            };
            let Some(eye) = Eye::new(&frame) else {
                pictures.left_out.push(format!("picture {}: is grey; allowed: colour", still.picture.display()));
                continue;
            };
            let trunks: Vec<_> = still.animals.iter().map(|animal| anatomy.trunk(&pose(animal))).collect();
            for (index, animal) in still.animals.iter().enumerate() {
                let name = animal.identity.and_then(|identity| animals.get(usize::from(identity.0)));
                if let (Some(name), Some((tint, _))) = (name, paint::measure(&eye, &trunks, index)) {
                    pictures.add(name, tint);
                }
            }
        }
    }
    Ok(pictures)
}

/// An animal's labels as the line would have found them.
fn pose(animal: &eval::TrueAnimal) -> Pose {
    let mut pose = Pose::default();
    let mut sum = InCamera::default();
    for (keypoint, point) in pose.keypoints.iter_mut().zip(&animal.points) {
        *keypoint = point.seen().map(|at| Keypoint { at, score: 1.0 });
        sum = point.seen().map_or(sum, |at| InCamera { x: sum.x + at.x, y: sum.y + at.y });
    }
    let seen = animal.seen().max(1) as f32;
    pose.centre = InCamera { x: sum.x / seen, y: sum.y / seen };
    pose
}
