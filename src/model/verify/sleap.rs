//! Holds the settings and outputs of the kinds of heads that SLEAP-NN trains against what `pose/sleap` can read.

use super::{Complaint, Written, WrittenDecoder, WrittenOutput, pixels, say, share};
use crate::handover::MAX_ANIMALS;

/// Rows and columns of a map at most: the largest input at stride 1.
const CELLS_MAX: usize = 4096;

/// The first thing that is wrong, if any.
pub(super) fn complaint(written: &Written) -> Option<Complaint> {
    let (keypoints, identities) = (written.keypoints.len(), written.identities.len());
    match &written.decoder {
        &WrittenDecoder::ConfidenceMaps { scale, score_min, patch } => reading(scale, score_min, patch)
            .or_else(|| no_identities(written))
            .or_else(|| outputs(written, &[("keypoints", maps(keypoints))])),
        &WrittenDecoder::CentredInstances { scale, score_min, patch, centroid_min, crop } => {
            reading(scale, score_min, patch)
                .or_else(|| share("centroid_min", centroid_min))
                .or_else(|| cutting(written, crop))
                .or_else(|| centred(written))
        }
        WrittenDecoder::AffinityFields { scale, score_min, patch, edges, .. } => reading(*scale, *score_min, *patch)
            .or_else(|| no_identities(written))
            .or_else(|| skeleton(written))
            .or_else(|| lines(written))
            .or_else(|| outputs(written, &[("keypoints", maps(keypoints)), ("affinities", maps(2 * edges.len()))])),
        &WrittenDecoder::ClassMaps { scale, score_min, patch } => reading(scale, score_min, patch)
            .or_else(|| (identities == 0).then(|| said("identities", "got none; allowed: the classes of the maps")))
            .or_else(|| outputs(written, &[("keypoints", maps(keypoints)), ("identity", maps(identities))])),
        // The other kinds have checks of their own.
        _ => None,
    }
}

fn said(field: impl Into<String>, what: impl Into<String>) -> Complaint {
    (field.into(), what.into())
}

fn reading(scale: f32, score_min: f32, patch: u32) -> Option<Complaint> {
    if !(0.01..=8.0).contains(&scale) {
        return say("decoder.scale", format!("got {scale}; allowed: 0.01 to 8"));
    }
    if !matches!(patch, 0 | 3 | 5 | 7 | 9) {
        return say("decoder.patch", format!("got {patch}; allowed: 0, 3, 5, 7 or 9"));
    }
    share("score_min", score_min)
}

fn no_identities(written: &Written) -> Option<Complaint> {
    let count = written.identities.len();
    (count > 0)
        .then(|| said("identities", format!("got {count} of them; allowed: none, as this decoder cannot tell who")))
}

fn cutting(written: &Written, crop: [u32; 2]) -> Option<Complaint> {
    let most = [written.input.width, written.input.height].map(|size| 2 * size);
    let fine = crop.iter().zip(most).all(|(size, most)| (8..=most).contains(size));
    let what = || format!("got {crop:?}; allowed: 8 to twice the input, {most:?}");
    (!fine).then(|| said("decoder.crop", what()))
}

fn skeleton(written: &Written) -> Option<Complaint> {
    let WrittenDecoder::AffinityFields { edges, order, keypoints_min, .. } = &written.decoder else { return None };
    let keypoints = &written.keypoints;
    let most = keypoints.len() * keypoints.len();
    if !(1..=most).contains(&edges.len()) {
        return say("decoder.edges", format!("got {} of them; allowed: 1 to {most}", edges.len()));
    }
    if let Some(stranger) = edges.iter().flatten().find(|name| !keypoints.contains(name)) {
        return say("decoder.edges", format!("got {stranger:?}; allowed: a name among keypoints"));
    }
    if let Some([name, _]) = edges.iter().find(|[from, to]| from == to) {
        return say("decoder.edges", format!("got {name:?} to itself; allowed: two keypoints"));
    }
    let twice = order.iter().enumerate().any(|(place, edge)| order[..place].contains(edge));
    // A tree over the keypoints has one edge less than they are.
    let fine = (1..keypoints.len().max(2)).contains(&order.len());
    if twice || !fine || order.iter().any(|edge| *edge as usize >= edges.len()) {
        let allowed =
            format!("numbers of edges, 0 to {}, each at most once, {} at most", edges.len() - 1, keypoints.len() - 1);
        return say("decoder.order", format!("got {order:?}; allowed: {allowed}"));
    }
    let fine = *keypoints_min as usize <= keypoints.len();
    (!fine).then(|| said("decoder.keypoints_min", format!("got {keypoints_min}; allowed: 0 to {}", keypoints.len())))
}

fn lines(written: &Written) -> Option<Complaint> {
    let WrittenDecoder::AffinityFields { points, length_max, length_loss, line_score_min, .. } = &written.decoder
    else {
        return None;
    };
    if !(2..=64).contains(points) {
        return say("decoder.points", format!("got {points}; allowed: 2 to 64"));
    }
    if !(0.0..=1e6).contains(length_max) {
        return say("decoder.length_max", format!("got {length_max}; allowed: 0 to 1000000"));
    }
    if !(-1.0..=1.0).contains(line_score_min) {
        return say("decoder.line_score_min", format!("got {line_score_min}; allowed: -1 to 1"));
    }
    pixels("length_loss", *length_loss)
}

fn centred(written: &Written) -> Option<Complaint> {
    let identities = written.identities.len();
    let cuttings =
        written.outputs.iter().find(|output| output.meaning == "centroids").map_or(0, |output| output.shape[2]);
    if !(1..=MAX_ANIMALS).contains(&cuttings) {
        return say("outputs", format!("\"centroids\" tells of {cuttings} animals; allowed: 1 to {MAX_ANIMALS}"));
    }
    let who = [Some(1), Some(1), Some(cuttings), Some(identities)];
    let wanted = [
        ("keypoints", [Some(cuttings), Some(written.keypoints.len()), None, None]),
        ("centroids", [Some(1), Some(1), Some(cuttings), Some(3)]),
        ("identity", who),
    ];
    outputs(written, if identities > 0 { &wanted } else { &wanted[..2] })
}

/// A shape of which some sizes are free.
type Shape = [Option<usize>; 4];

fn maps(channels: usize) -> Shape {
    [Some(1), Some(channels), None, None]
}

/// Each of the `wanted` meanings must stand there once with its shape, and no other.
fn outputs(written: &Written, wanted: &[(&str, Shape)]) -> Option<Complaint> {
    for output in &written.outputs {
        let Some((_, shape)) = wanted.iter().find(|(meaning, _)| *meaning == output.meaning) else {
            let allowed: Vec<_> = wanted.iter().map(|(meaning, _)| *meaning).collect();
            let what = format!("got the meaning {:?}; allowed: {}", output.meaning, allowed.join(", "));
            return say(format!("outputs.{}", output.name), what);
        };
        if let Some(complaint) = one(output, shape) {
            return Some(complaint);
        }
    }
    for (meaning, _) in wanted {
        let count = written.outputs.iter().filter(|output| output.meaning == *meaning).count();
        if count != 1 {
            return say("outputs", format!("{count} have the meaning {meaning:?}; allowed: one"));
        }
    }
    None
}

fn one(output: &WrittenOutput, wanted: &Shape) -> Option<Complaint> {
    let field = format!("outputs.{}", output.name);
    if !(1..=64).contains(&output.stride) {
        return say(field, format!("got the stride {}; allowed: 1 to 64", output.stride));
    }
    let fits = |(got, wanted): (&usize, &Option<usize>)| match wanted {
        Some(size) => got == size,
        None => (1..=CELLS_MAX).contains(got),
    };
    if output.shape.iter().zip(wanted).all(fits) {
        return None;
    }
    let size = |size: &Option<usize>| size.map_or_else(|| format!("1 to {CELLS_MAX}"), |size| size.to_string());
    let allowed: Vec<_> = wanted.iter().map(size).collect();
    say(field, format!("got the shape {:?}; allowed: [{}]", output.shape, allowed.join(", ")))
}

#[cfg(test)]
mod tests;
