//! Checks what `model.toml` says: names, sizes and that the parts agree with each other.

use super::{Written, WrittenOutput};
use crate::handover::{MAX_ANIMALS, MAX_KEYPOINTS};

/// The field, and what was got, what is allowed, what to do.
type Complaint = (String, String);

/// Longest name, bytes.
const NAME_MAX: usize = 64;
/// Smallest and largest input side, pixels.
const SIDE: std::ops::RangeInclusive<u32> = 32..=4096;
/// Largest distance in the decoder, model pixels.
const DISTANCE_MAX: f32 = 1000.0;

/// The first thing that is wrong, if any.
pub(super) fn check(written: &Written) -> Result<(), Complaint> {
    if written.contract != 1 {
        return complain("contract", format!("got {}; this program reads 1", written.contract));
    }
    name("name", &written.name)?;
    body_parts(written)?;
    identities(written)?;
    input(written)?;
    decoder(written)?;
    outputs(written)?;
    files(written)?;
    training(written)
}

fn complain<T>(field: impl Into<String>, what: impl Into<String>) -> Result<T, Complaint> {
    Err((field.into(), what.into()))
}

/// 1 to 64 printable characters.
fn name(field: &str, value: &str) -> Result<(), Complaint> {
    if value.is_empty() || value.len() > NAME_MAX || value.chars().any(char::is_control) {
        return complain(field, format!("got {value:?}; allowed are 1 to {NAME_MAX} printable characters"));
    }
    Ok(())
}

/// Every name is one, and none stands twice.
fn names<'a>(field: &str, values: impl Iterator<Item = &'a str> + Clone) -> Result<(), Complaint> {
    for (index, value) in values.clone().enumerate() {
        name(field, value)?;
        if values.clone().take(index).any(|before| before == value) {
            return complain(field, format!("got {value:?} twice; each name may stand once"));
        }
    }
    Ok(())
}

fn body_parts(written: &Written) -> Result<(), Complaint> {
    let count = written.keypoints.len();
    if !(1..=MAX_KEYPOINTS).contains(&count) {
        return complain("keypoints", format!("got {count} of them; allowed are 1 to {MAX_KEYPOINTS}"));
    }
    names("keypoints", written.keypoints.iter().map(String::as_str))?;
    for (field, pairs) in [("skeleton", &written.skeleton), ("left_right", &written.left_right)] {
        for pair in pairs {
            if let Some(unknown) = pair.iter().find(|end| !written.keypoints.contains(end)) {
                return complain(field, format!("got {unknown:?}; allowed are the names in keypoints"));
            }
            if pair[0] == pair[1] {
                return complain(field, format!("got {:?} with itself; a pair has two names", pair[0]));
            }
        }
    }
    Ok(())
}

fn identities(written: &Written) -> Result<(), Complaint> {
    let count = written.identities.len();
    if count > MAX_ANIMALS {
        return complain("identities", format!("got {count} of them; allowed are 0 to {MAX_ANIMALS}"));
    }
    names("identities.name", written.identities.iter().map(|one| one.name.as_str()))?;
    for one in &written.identities {
        let digits = one.colour.strip_prefix('#').unwrap_or("");
        if digits.len() != 6 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return complain("identities.colour", format!("got {:?}; write it as \"#rrggbb\"", one.colour));
        }
    }
    Ok(())
}

fn input(written: &Written) -> Result<(), Complaint> {
    let input = &written.input;
    name("input.name", &input.name)?;
    for (field, side) in [("input.width", input.width), ("input.height", input.height)] {
        if !SIDE.contains(&side) {
            return complain(field, format!("got {side}; allowed are {} to {} pixels", SIDE.start(), SIDE.end()));
        }
    }
    if input.layout != "nchw" {
        return complain(
            "input.layout",
            format!("got {:?}; only \"nchw\" is known; export the model so", input.layout),
        );
    }
    if input.channels != "rgb" {
        return complain(
            "input.channels",
            format!("got {:?}; only \"rgb\" is known; export the model so", input.channels),
        );
    }
    if let Some(mean) = input.mean.iter().find(|value| !value.is_finite()) {
        return complain("input.mean", format!("got {mean}; allowed are finite numbers"));
    }
    if let Some(scale) = input.scale.iter().find(|value| !value.is_normal()) {
        return complain("input.scale", format!("got {scale}; allowed are finite numbers other than 0"));
    }
    Ok(())
}

fn decoder(written: &Written) -> Result<(), Complaint> {
    let decoder = &written.decoder;
    if decoder.kind != "centre-offsets" {
        return complain("decoder.kind", format!("got {:?}; only \"centre-offsets\" is known", decoder.kind));
    }
    if !(decoder.score_min > 0.0 && decoder.score_min < 1.0) {
        return complain(
            "decoder.score_min",
            format!("got {}; allowed is more than 0 and less than 1", decoder.score_min),
        );
    }
    for (field, value) in [("decoder.separation_px", decoder.separation_px), ("decoder.reach_px", decoder.reach_px)] {
        if !(value > 0.0 && value <= DISTANCE_MAX) {
            return complain(field, format!("got {value}; allowed is more than 0 and at most {DISTANCE_MAX} pixels"));
        }
    }
    Ok(())
}

/// How many channels an output of this meaning has; `None` for one that this model cannot have.
fn channels(written: &Written, meaning: &str) -> Option<usize> {
    match meaning {
        "keypoints" => Some(written.keypoints.len()),
        "centre" => Some(1),
        "offsets" => Some(2 * written.keypoints.len()),
        "identity" if !written.identities.is_empty() => Some(written.identities.len()),
        _ => None,
    }
}

fn outputs(written: &Written) -> Result<(), Complaint> {
    names("outputs.name", written.outputs.iter().map(|output| output.name.as_str()))?;
    for output in &written.outputs {
        let field = format!("outputs.{}", output.name);
        let Some(wanted) = channels(written, &output.meaning) else {
            let allowed = "allowed are keypoints, centre, offsets and, where there are identities, identity";
            return complain(format!("{field}.meaning"), format!("got {:?}; {allowed}", output.meaning));
        };
        shape(written, output, wanted, &field)?;
    }
    for meaning in ["keypoints", "centre", "offsets", "identity"] {
        let wanted = usize::from(channels(written, meaning).is_some());
        let got = written.outputs.iter().filter(|output| output.meaning == meaning).count();
        if got != wanted {
            return complain("outputs", format!("got {got} that mean {meaning:?}; exactly {wanted} must"));
        }
    }
    let stride = |meaning| written.outputs.iter().find(|output| output.meaning == meaning).map(|output| output.stride);
    for meaning in ["offsets", "identity"] {
        if let (Some(got), Some(wanted)) = (stride(meaning), stride("centre"))
            && got != wanted
        {
            let what = format!("got {got} for {meaning} and {wanted} for centre; they must be equal");
            return complain("outputs.stride", what);
        }
    }
    Ok(())
}

fn shape(written: &Written, output: &WrittenOutput, channels: usize, field: &str) -> Result<(), Complaint> {
    let (width, height, stride) = (written.input.width, written.input.height, output.stride);
    if stride == 0 || width % stride != 0 || height % stride != 0 {
        let what = format!("got {stride}; it must divide the input's {width} x {height} pixels");
        return complain(format!("{field}.stride"), what);
    }
    let wanted = [1, channels, (height / stride) as usize, (width / stride) as usize];
    if output.shape != wanted {
        let what = format!("got {:?}; {wanted:?} follows from its meaning, the input and the stride", output.shape);
        return complain(format!("{field}.shape"), what);
    }
    Ok(())
}

fn files(written: &Written) -> Result<(), Complaint> {
    for file in &written.files {
        name("files.name", &file.name)?;
        if file.name.contains(['/', '\\']) || file.name.starts_with('.') {
            return complain("files.name", format!("got {:?}; allowed is a file name without a path", file.name));
        }
        if !["fp32", "int8", "u8"].contains(&file.precision.as_str()) {
            return complain("files.precision", format!("got {:?}; allowed are fp32, int8 and u8", file.precision));
        }
        let hash = file.sha256.as_bytes();
        if hash.len() != 64 || !hash.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
            return complain("files.sha256", format!("got {:?}; write 64 lower-case hexadecimal digits", file.sha256));
        }
    }
    match written.files.iter().filter(|file| file.precision == "fp32").count() {
        1 => Ok(()),
        got => complain("files", format!("got {got} with precision \"fp32\"; exactly 1 must be there")),
    }
}

fn training(written: &Written) -> Result<(), Complaint> {
    let training = &written.training;
    if !(training.rmse_px.is_finite() && training.rmse_px >= 0.0) {
        return complain("training.rmse_px", format!("got {}; allowed is 0 or more pixels", training.rmse_px));
    }
    if !(0.0..=1.0).contains(&training.identity_accuracy) {
        let what = format!("got {}; allowed is 0 to 1", training.identity_accuracy);
        return complain("training.identity_accuracy", what);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::model::Contract;
    use std::path::Path;

    /// A contract that is right.
    fn right() -> String {
        let identities =
            "[[identities]]\nname = \"R\"\ncolour = \"#ff0000\"\n[[identities]]\nname = \"B\"\ncolour = \"#0000ff\"\n";
        let mut text = format!(
            "contract = 1\nname = \"two\"\nabout = \"\"\nkeypoints = [\"nose\", \"tail\"]\nskeleton = [[\"nose\", \"tail\"]]\nleft_right = []\n\
             [input]\nname = \"image\"\nwidth = 64\nheight = 32\nlayout = \"nchw\"\nchannels = \"rgb\"\nmean = [0.0, 0.0, 0.0]\nscale = [255.0, 255.0, 255.0]\npadding = 0\n\
             [decoder]\nkind = \"centre-offsets\"\nscore_min = 0.3\nseparation_px = 12.0\nreach_px = 16.0\n\
             [training]\ncommand = \"\"\nseed = 1\ndata = \"\"\nscores_on = \"\"\nrmse_px = 1.5\nidentity_accuracy = 0.9\n{identities}"
        );
        for (meaning, channels, stride) in
            [("keypoints", 2, 4), ("centre", 1, 8), ("offsets", 4, 8), ("identity", 2, 8)]
        {
            let (rows, columns) = (32 / stride, 64 / stride);
            text += &format!(
                "[[outputs]]\nname = \"{meaning}\"\nmeaning = \"{meaning}\"\nshape = [1, {channels}, {rows}, {columns}]\nstride = {stride}\n"
            );
        }
        text + &format!("[[files]]\nname = \"model.onnx\"\nprecision = \"fp32\"\nsha256 = \"{}\"\n", "0".repeat(64))
    }

    fn complaint(text: &str) -> String {
        match Contract::parse(Path::new("m"), text) {
            Ok(_) => "none".into(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn a_right_contract_is_taken() {
        assert_eq!(complaint(&right()), "none");
    }

    #[test]
    fn every_wrong_value_is_named_with_what_is_allowed() {
        let hash = "0".repeat(64);
        let many = format!("{:?}", (0..25).map(|n| format!("k{n}")).collect::<Vec<_>>());
        let cases: &[(&str, &str, &str)] = &[
            ("contract = 1", "contract = 2", "contract: got 2; this program reads 1"),
            ("name = \"two\"", "name = \"\"", "name: got \"\"; allowed are 1 to 64 printable characters"),
            (
                "keypoints = [\"nose\", \"tail\"]",
                &format!("keypoints = {many}"),
                "keypoints: got 25 of them; allowed are 1 to 24",
            ),
            ("keypoints = [\"nose\", \"tail\"]", "keypoints = []", "keypoints: got 0 of them; allowed are 1 to 24"),
            (
                "[\"nose\", \"tail\"]\nskel",
                "[\"tail\", \"tail\"]\nskel",
                "keypoints: got \"tail\" twice; each name may stand once",
            ),
            (
                "[[\"nose\", \"tail\"]]",
                "[[\"nose\", \"ear\"]]",
                "skeleton: got \"ear\"; allowed are the names in keypoints",
            ),
            (
                "left_right = []",
                "left_right = [[\"nose\", \"nose\"]]",
                "left_right: got \"nose\" with itself; a pair has two names",
            ),
            ("name = \"B\"", "name = \"R\"", "identities.name: got \"R\" twice; each name may stand once"),
            ("\"#ff0000\"", "\"red\"", "identities.colour: got \"red\"; write it as \"#rrggbb\""),
            ("width = 64", "width = 100000", "input.width: got 100000; allowed are 32 to 4096 pixels"),
            ("height = 32", "height = 0", "input.height: got 0; allowed are 32 to 4096 pixels"),
            ("\"nchw\"", "\"nhwc\"", "input.layout: got \"nhwc\"; only \"nchw\" is known; export the model so"),
            ("\"rgb\"", "\"bgr\"", "input.channels: got \"bgr\"; only \"rgb\" is known; export the model so"),
            ("mean = [0.0", "mean = [nan", "input.mean: got NaN; allowed are finite numbers"),
            ("scale = [255.0", "scale = [0.0", "input.scale: got 0; allowed are finite numbers other than 0"),
            ("\"centre-offsets\"", "\"yolo\"", "decoder.kind: got \"yolo\"; only \"centre-offsets\" is known"),
            ("score_min = 0.3", "score_min = 1.0", "decoder.score_min: got 1; allowed is more than 0 and less than 1"),
            (
                "reach_px = 16.0",
                "reach_px = inf",
                "decoder.reach_px: got inf; allowed is more than 0 and at most 1000 pixels",
            ),
            (
                "separation_px = 12.0",
                "separation_px = 0.0",
                "decoder.separation_px: got 0; allowed is more than 0 and at most 1000 pixels",
            ),
            (
                "meaning = \"centre\"",
                "meaning = \"paf\"",
                "outputs.centre.meaning: got \"paf\"; allowed are keypoints, centre, offsets and, where there are identities, identity",
            ),
            (
                "shape = [1, 1, 4, 8]",
                "shape = [1, 1, 8, 4]",
                "outputs.centre.shape: got [1, 1, 8, 4]; [1, 1, 4, 8] follows from its meaning, the input and the stride",
            ),
            ("stride = 4", "stride = 5", "outputs.keypoints.stride: got 5; it must divide the input's 64 x 32 pixels"),
            (
                "shape = [1, 4, 4, 8]\nstride = 8",
                "shape = [1, 4, 8, 16]\nstride = 4",
                "outputs.stride: got 4 for offsets and 8 for centre; they must be equal",
            ),
            (
                "name = \"identity\"\nmeaning = \"identity\"\nshape = [1, 2, 4, 8]",
                "name = \"more\"\nmeaning = \"centre\"\nshape = [1, 1, 4, 8]",
                "outputs: got 2 that mean \"centre\"; exactly 1 must",
            ),
            (
                "\"model.onnx\"",
                "\"../model.onnx\"",
                "files.name: got \"../model.onnx\"; allowed is a file name without a path",
            ),
            ("\"fp32\"", "\"fp16\"", "files.precision: got \"fp16\"; allowed are fp32, int8 and u8"),
            ("\"fp32\"", "\"int8\"", "files: got 0 with precision \"fp32\"; exactly 1 must be there"),
            (&hash, "abc", "files.sha256: got \"abc\"; write 64 lower-case hexadecimal digits"),
            ("rmse_px = 1.5", "rmse_px = nan", "training.rmse_px: got NaN; allowed is 0 or more pixels"),
            (
                "identity_accuracy = 0.9",
                "identity_accuracy = 90.0",
                "training.identity_accuracy: got 90; allowed is 0 to 1",
            ),
        ];
        for (from, to, words) in cases {
            let text = right();
            assert!(text.contains(from), "{from}");
            assert_eq!(complaint(&text.replacen(from, to, 1)), format!("model m/model.toml: {words}"));
        }
    }

    #[test]
    fn a_missing_or_unknown_field_is_named() {
        let missing = complaint(&right().replacen("seed = 1\n", "", 1));
        assert!(missing.contains("missing field `seed`") && missing.contains("every field is required"), "{missing}");
        let unknown = complaint(&right().replacen("seed = 1", "seed = 1\nluck = 2", 1));
        assert!(unknown.contains("unknown field `luck`"), "{unknown}");
    }
}
