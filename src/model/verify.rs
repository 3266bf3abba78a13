//! Holds what `model.toml` says against what the line can use.

mod deeplabcut;
mod sleap;

use super::{Precision, Written, WrittenDecoder, WrittenFile, WrittenOutput};
use crate::handover::{MAX_ANIMALS, MAX_KEYPOINTS};

/// A field and what is wrong with it.
type Complaint = (String, String);

/// The first thing that is wrong, if any.
pub(super) fn complaint(written: &Written) -> Option<Complaint> {
    let complaint = names(written).or_else(|| input(written)).or_else(|| decoder(written)).or_else(|| files(written));
    match written.contract {
        1 => complaint,
        other => say("contract", format!("got {other}; allowed: 1; export the model again")),
    }
}

fn say(field: impl Into<String>, what: impl Into<String>) -> Option<Complaint> {
    Some((field.into(), what.into()))
}

fn names(written: &Written) -> Option<Complaint> {
    let keypoints = &written.keypoints;
    if !(1..=MAX_KEYPOINTS).contains(&keypoints.len()) {
        return say("keypoints", format!("got {} of them; allowed: 1 to {MAX_KEYPOINTS}", keypoints.len()));
    }
    if let Some(twice) = repeated(keypoints) {
        return say("keypoints", format!("{twice:?} stands twice; allowed: each name once"));
    }
    for (field, pairs) in [("skeleton", &written.skeleton), ("left_right", &written.left_right)] {
        if let Some(stranger) = pairs.iter().flatten().find(|name| !keypoints.contains(name)) {
            return say(field, format!("got {stranger:?}; allowed: a name among keypoints"));
        }
    }
    let identities: Vec<_> = written.identities.iter().map(|identity| identity.name.clone()).collect();
    if identities.len() > MAX_ANIMALS {
        return say("identities", format!("got {} of them; allowed: at most {MAX_ANIMALS}", identities.len()));
    }
    if let Some(twice) = repeated(&identities) {
        return say("identities", format!("{twice:?} stands twice; allowed: each name once"));
    }
    let odd = written.identities.iter().find(|identity| !is_colour(&identity.colour))?;
    say("identities", format!("got the colour {:?}; allowed: #rrggbb", odd.colour))
}

fn repeated(names: &[String]) -> Option<&String> {
    names.iter().enumerate().find(|(index, name)| names[..*index].contains(name)).map(|(_, name)| name)
}

pub(super) fn is_colour(text: &str) -> bool {
    text.strip_prefix('#').is_some_and(|hex| hex.len() == 6 && hex.chars().all(|c| c.is_ascii_hexdigit()))
}

fn input(written: &Written) -> Option<Complaint> {
    let input = &written.input;
    if input.layout != "nchw" {
        return say("input.layout", format!("got {:?}; allowed: \"nchw\"", input.layout));
    }
    if input.channels != "rgb" {
        return say("input.channels", format!("got {:?}; allowed: \"rgb\"", input.channels));
    }
    for (field, size) in [("input.width", input.width), ("input.height", input.height)] {
        if !(32..=4096).contains(&size) {
            return say(field, format!("got {size}; allowed: 32 to 4096"));
        }
    }
    if !input.mean.iter().all(|mean| mean.is_finite()) {
        return say("input.mean", format!("got {:?}; allowed: finite numbers", input.mean));
    }
    if !input.scale.iter().all(|scale| scale.is_normal()) {
        return say("input.scale", format!("got {:?}; allowed: finite numbers other than 0", input.scale));
    }
    None
}

fn decoder(written: &Written) -> Option<Complaint> {
    match &written.decoder {
        WrittenDecoder::CentreOffsets { score_min, separation_px, reach_px, parents } => share("score_min", *score_min)
            .or_else(|| pixels("separation_px", *separation_px))
            .or_else(|| pixels("reach_px", *reach_px))
            .or_else(|| tree(written, parents))
            .or_else(|| centre_offsets(written)),
        WrittenDecoder::YoloPose { score_min, overlap_max, visibility, .. } => share("score_min", *score_min)
            .or_else(|| share("overlap_max", *overlap_max))
            .or_else(|| yolo_pose(written, *visibility)),
        WrittenDecoder::HeatmapLocref { score_min, locref_stdev } => {
            deeplabcut::heatmap_locref(written, *score_min, *locref_stdev)
        }
        WrittenDecoder::PartAffinity(decoder) => deeplabcut::part_affinity(written, decoder),
        WrittenDecoder::ConfidenceMaps { .. }
        | WrittenDecoder::CentredInstances { .. }
        | WrittenDecoder::AffinityFields { .. }
        | WrittenDecoder::ClassMaps { .. } => sleap::complaint(written),
    }
}

/// A setting of the decoder that is a score or a share.
fn share(field: &str, value: f32) -> Option<Complaint> {
    let fine = (0.0..1.0).contains(&value);
    if fine { None } else { say(format!("decoder.{field}"), format!("got {value}; allowed: 0 to below 1")) }
}

/// A setting of the decoder that is a distance.
fn pixels(field: &str, value: f32) -> Option<Complaint> {
    let fine = (0.0..=1000.0).contains(&value);
    if fine { None } else { say(format!("decoder.{field}"), format!("got {value}; allowed: 0 to 1000")) }
}

/// One parent a keypoint, and from each keypoint the parents lead to a root, which is its own parent.
fn tree(written: &Written, parents: &[String]) -> Option<Complaint> {
    let keypoints = &written.keypoints;
    if parents.len() != keypoints.len() {
        let what = format!("got {} names; allowed: one for each of the {} keypoints", parents.len(), keypoints.len());
        return say("decoder.parents", what);
    }
    if let Some(stranger) = parents.iter().find(|name| !keypoints.contains(name)) {
        return say("decoder.parents", format!("got {stranger:?}; allowed: a name among keypoints"));
    }
    let parent = |name: &String| keypoints.iter().position(|keypoint| keypoint == name).and_then(|k| parents.get(k));
    let stray = keypoints.iter().find(|name| {
        let (mut at, mut steps) = (*name, 0);
        while let Some(next) = parent(at).filter(|next| *next != at && steps <= keypoints.len()) {
            (at, steps) = (next, steps + 1);
        }
        steps > keypoints.len()
    })?;
    say("decoder.parents", format!("{stray:?} is among its own parents; allowed: a tree whose root is its own parent"))
}

fn centre_offsets(written: &Written) -> Option<Complaint> {
    let (keypoints, identities) = (written.keypoints.len(), written.identities.len());
    let ways = 2 * keypoints;
    let wanted =
        [("keypoints", keypoints), ("centre", 1), ("offsets", ways), ("parents", ways), ("identity", identities)];
    if let Some(complaint) = meanings(written, &wanted) {
        return Some(complaint);
    }
    let bodies: Vec<_> = written.outputs.iter().filter(|output| output.meaning != "keypoints").collect();
    let odd = bodies.iter().find(|output| output.shape[2..] != bodies[0].shape[2..])?;
    say(
        format!("outputs.{}", odd.name),
        "has another size than the centre; allowed: one size for centre, offsets, parents and identity",
    )
}

/// One output: a table with a column for each box.
fn yolo_pose(written: &Written, visibility: bool) -> Option<Complaint> {
    let [output] = &written.outputs[..] else {
        return say(
            "outputs",
            format!("got {} of them; allowed: one with the meaning \"detections\"", written.outputs.len()),
        );
    };
    let field = format!("outputs.{}", output.name);
    if output.meaning != "detections" {
        return say(field, format!("got the meaning {:?}; allowed: detections", output.meaning));
    }
    if output.stride != 1 {
        return say(field, format!("got the stride {}; allowed: 1", output.stride));
    }
    let rows = 4 + written.identities.len().max(1) + written.keypoints.len() * if visibility { 3 } else { 2 };
    // The finest grid in use has a box for each 4 x 4 pixels, the coarser ones a third more.
    let most = written.input.width as usize * written.input.height as usize / 8;
    let [batch, got, one, boxes] = output.shape;
    if (batch, got, one) == (1, rows, 1) && (1..=most).contains(&boxes) {
        return None;
    }
    say(field, format!("got the shape {:?}; allowed: [1, {rows}, 1, 1 to {most}]", output.shape))
}

/// Each of the `wanted` meanings with so many channels must stand there once, as a map over the whole input; no channel, no output.
fn meanings(written: &Written, wanted: &[(&str, usize)]) -> Option<Complaint> {
    meanings_with_spare(written, wanted, 0)
}

/// The same, where maps may have so many `spare` rows and columns beyond the input.
fn meanings_with_spare(written: &Written, wanted: &[(&str, usize)], spare: usize) -> Option<Complaint> {
    for output in &written.outputs {
        let Some((_, channels)) = wanted.iter().find(|(meaning, _)| *meaning == output.meaning) else {
            let allowed: Vec<_> = wanted.iter().map(|(meaning, _)| *meaning).collect();
            let what = format!("got the meaning {:?}; allowed: {}", output.meaning, allowed.join(", "));
            return say(format!("outputs.{}", output.name), what);
        };
        if let Some(complaint) = shape(written, output, *channels, spare) {
            return Some(complaint);
        }
    }
    for (meaning, channels) in wanted.iter().filter(|(_, channels)| *channels > 0) {
        let count = written.outputs.iter().filter(|output| output.meaning == *meaning).count();
        if count != 1 {
            return say(
                "outputs",
                format!("{count} have the meaning {meaning:?}; allowed: one with {channels} channel(s)"),
            );
        }
    }
    None
}

fn shape(written: &Written, output: &WrittenOutput, channels: usize, spare: usize) -> Option<Complaint> {
    let field = format!("outputs.{}", output.name);
    let stride = output.stride;
    if !(1..=64).contains(&stride) {
        return say(field, format!("got the stride {stride}; allowed: 1 to 64"));
    }
    let rows = written.input.height.div_ceil(stride) as usize;
    let columns = written.input.width.div_ceil(stride) as usize;
    let allowed = [1, channels, rows, columns];
    let [batch, depth, tall, wide] = output.shape;
    if (batch, depth) == (1, channels)
        && (rows..=rows + spare).contains(&tall)
        && (columns..=columns + spare).contains(&wide)
    {
        return None;
    }
    let or = if spare > 0 { format!(", or up to {spare} more rows and columns") } else { String::new() };
    say(field, format!("got the shape {:?}; allowed: {allowed:?} at stride {stride}{or}", output.shape))
}

fn files(written: &Written) -> Option<Complaint> {
    let files = &written.files;
    if let Some(complaint) = files.iter().find_map(file) {
        return Some(complaint);
    }
    let names: Vec<_> = files.iter().map(|file| file.name.clone()).collect();
    if let Some(twice) = repeated(&names) {
        return say("files.name", format!("{twice:?} stands twice; allowed: each name once"));
    }
    for precision in [Precision::Fp32, Precision::Int8, Precision::U8] {
        let count = files.iter().filter(|file| file.precision == precision).count();
        if count > 1 {
            return say("files.precision", format!("{count} files are {precision}; allowed: at most one"));
        }
        if count == 0 && precision == Precision::Fp32 {
            return say("files.precision", format!("none of {} is fp32; allowed: exactly one", list(&names)));
        }
    }
    None
}

fn file(file: &WrittenFile) -> Option<Complaint> {
    let WrittenFile { name, precision, sha256, loss_max } = file;
    // The name of a file beside model.toml, so that a contract reads nothing outside its folder.
    let plain = name.len() <= 100
        && !name.starts_with('.')
        && !name.is_empty()
        && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'));
    if !plain {
        let allowed = "letters, digits, - _ and . (not first), at most 100, no folder";
        return say("files.name", format!("got {name:?}; allowed: {allowed}"));
    }
    if sha256.len() != 64 || !sha256.chars().all(|c| matches!(c, '0'..='9' | 'a'..='f')) {
        return say("files.sha256", format!("{name} has {sha256:?}; allowed: 64 lower-case hexadecimal digits"));
    }
    let most = if *precision == Precision::Fp32 { 0.0 } else { 1.0 };
    if !(0.0..=most).contains(loss_max) {
        let allowed = if *precision == Precision::Fp32 { "0 for fp32" } else { "0 to 1" };
        return say("files.loss_max", format!("{name} has {loss_max}; allowed: {allowed}"));
    }
    None
}

fn list(names: &[String]) -> String {
    if names.is_empty() { "no files".to_owned() } else { names.join(", ") }
}
