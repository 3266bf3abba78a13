//! Each wrong field of an imported model is named by what was got and what is allowed.

use crate::model::Written;

const HEAD: &str = r##"
contract = 1
name = "imported"
about = "a test"
keypoints = ["nose", "neck", "tail"]
skeleton = []
left_right = []
IDENTITIES
[input]
name = "image"
width = 160
height = 128
layout = "nchw"
channels = "rgb"
mean = [0.0, 0.0, 0.0]
scale = [255.0, 255.0, 255.0]
padding = 0
[training]
command = "none"
seed = 0
data = "none"
scores_on = "none"
[[files]]
name = "model.onnx"
precision = "fp32"
sha256 = "0000000000000000000000000000000000000000000000000000000000000000"
loss_max = 0.0
[[outputs]]
name = "maps"
meaning = "keypoints"
shape = [1, 3, 64, 80]
stride = 2
"##;

const NOBODY: &str = "identities = []";
const ANN: &str = "identities = [{ name = \"ann\", colour = \"#112233\" }]";

const SINGLE: &str = "[decoder]\nkind = \"confidence-maps\"\nscale = 1.0\nscore_min = 0.2\npatch = 5\n";

const TOP_DOWN: &str =
    "[decoder]\nkind = \"centred-instances\"\nscale = 0.5\nscore_min = 0.2\npatch = 0\ncentroid_min = 0.3
crop = [64, 64]
[[outputs]]\nname = \"centroids\"\nmeaning = \"centroids\"\nshape = [1, 1, 4, 3]\nstride = 4
[[outputs]]\nname = \"who\"\nmeaning = \"identity\"\nshape = [1, 1, 4, 1]\nstride = 1\n";

const BOTTOM_UP: &str = "[decoder]\nkind = \"affinity-fields\"\nscale = 1.0\nscore_min = 0.2\npatch = 5
edges = [[\"nose\", \"neck\"], [\"neck\", \"tail\"]]\norder = [0, 1]\npoints = 10\nlength_max = 40.0\nlength_loss = 1.0
line_score_min = 0.25\nkeypoints_min = 0
[[outputs]]\nname = \"fields\"\nmeaning = \"affinities\"\nshape = [1, 4, 32, 40]\nstride = 4\n";

const CLASSES: &str = "[decoder]\nkind = \"class-maps\"\nscale = 1.0\nscore_min = 0.2\npatch = 5
[[outputs]]\nname = \"who\"\nmeaning = \"identity\"\nshape = [1, 1, 32, 40]\nstride = 4\n";

/// The complaint about a contract with `from` replaced by `to`, as `field: what`; empty where there is none.
fn complaint(identities: &str, rest: &str, from: &str, to: &str) -> String {
    let mut text = HEAD.replace("IDENTITIES", identities) + rest;
    if rest == TOP_DOWN {
        text = text.replace("shape = [1, 3, 64, 80]", "shape = [4, 3, 32, 32]");
    }
    assert!(text.contains(from), "the contract has no {from}");
    let written: Written = toml::from_str(&text.replacen(from, to, 1)).unwrap_or_else(|error| panic!("{error}"));
    super::super::complaint(&written).map(|(field, what)| format!("{field}: {what}")).unwrap_or_default()
}

#[test]
fn good_ones_pass() {
    for (identities, rest) in [(NOBODY, SINGLE), (ANN, TOP_DOWN), (NOBODY, BOTTOM_UP), (ANN, CLASSES)] {
        assert_eq!(complaint(identities, rest, "contract", "contract"), "");
    }
}

#[test]
fn settings_of_maps_are_held_to_their_ranges() {
    for (from, to, expected) in [
        ("scale = 1.0", "scale = 0.0", "decoder.scale: got 0; allowed: 0.01 to 8"),
        ("scale = 1.0", "scale = nan", "decoder.scale: got NaN; allowed: 0.01 to 8"),
        ("patch = 5", "patch = 4", "decoder.patch: got 4; allowed: 0, 3, 5, 7 or 9"),
        ("score_min = 0.2", "score_min = 1.0", "decoder.score_min: got 1; allowed: 0 to below 1"),
        (NOBODY, ANN, "identities: got 1 of them; allowed: none, as this decoder cannot tell who"),
        ("stride = 2", "stride = 0", "outputs.maps: got the stride 0; allowed: 1 to 64"),
        (
            "[1, 3, 64, 80]",
            "[1, 4, 64, 80]",
            "outputs.maps: got the shape [1, 4, 64, 80]; allowed: [1, 3, 1 to 4096, 1 to 4096]",
        ),
        (
            "[1, 3, 64, 80]",
            "[1, 3, 0, 80]",
            "outputs.maps: got the shape [1, 3, 0, 80]; allowed: [1, 3, 1 to 4096, 1 to 4096]",
        ),
        ("\"keypoints\"\n", "\"centre\"\n", "outputs.maps: got the meaning \"centre\"; allowed: keypoints"),
    ] {
        assert_eq!(complaint(NOBODY, SINGLE, from, to), expected);
    }
}

#[test]
fn cuttings_must_fit_the_picture_and_each_other() {
    for (from, to, expected) in [
        (
            "crop = [64, 64]",
            "crop = [64, 400]",
            "decoder.crop: got [64, 400]; allowed: 8 to twice the input, [320, 256]",
        ),
        ("centroid_min = 0.3", "centroid_min = -1.0", "decoder.centroid_min: got -1; allowed: 0 to below 1"),
        ("[1, 1, 4, 3]", "[1, 1, 9, 3]", "outputs: \"centroids\" tells of 9 animals; allowed: 1 to 8"),
        (
            "[1, 1, 4, 3]",
            "[1, 1, 3, 3]",
            "outputs.maps: got the shape [4, 3, 32, 32]; allowed: [3, 3, 1 to 4096, 1 to 4096]",
        ),
        ("[1, 1, 4, 1]", "[1, 1, 4, 2]", "outputs.who: got the shape [1, 1, 4, 2]; allowed: [1, 1, 4, 1]"),
        (ANN, NOBODY, "outputs.who: got the meaning \"identity\"; allowed: keypoints, centroids"),
        (
            "meaning = \"centroids\"",
            "meaning = \"identity\"",
            "outputs: \"centroids\" tells of 0 animals; allowed: 1 to 8",
        ),
    ] {
        assert_eq!(complaint(ANN, TOP_DOWN, from, to), expected);
    }
}

#[test]
fn edges_must_be_of_the_skeleton() {
    for (from, to, expected) in [
        (
            "[\"neck\", \"tail\"]]",
            "[\"neck\", \"ear\"]]",
            "decoder.edges: got \"ear\"; allowed: a name among keypoints",
        ),
        (
            "[\"neck\", \"tail\"]]",
            "[\"neck\", \"neck\"]]",
            "decoder.edges: got \"neck\" to itself; allowed: two keypoints",
        ),
        (
            "edges = [[\"nose\", \"neck\"], [\"neck\", \"tail\"]]",
            "edges = []",
            "decoder.edges: got 0 of them; allowed: 1 to 9",
        ),
        (
            "order = [0, 1]",
            "order = [0, 2]",
            "decoder.order: got [0, 2]; allowed: numbers of edges, 0 to 1, each at most once, 2 at most",
        ),
        (
            "order = [0, 1]",
            "order = [1, 1]",
            "decoder.order: got [1, 1]; allowed: numbers of edges, 0 to 1, each at most once, 2 at most",
        ),
        ("points = 10", "points = 1", "decoder.points: got 1; allowed: 2 to 64"),
        ("length_max = 40.0", "length_max = inf", "decoder.length_max: got inf; allowed: 0 to 1000000"),
        ("length_loss = 1.0", "length_loss = -1.0", "decoder.length_loss: got -1; allowed: 0 to 1000"),
        ("line_score_min = 0.25", "line_score_min = 2.0", "decoder.line_score_min: got 2; allowed: -1 to 1"),
        ("keypoints_min = 0", "keypoints_min = 4", "decoder.keypoints_min: got 4; allowed: 0 to 3"),
        (
            "[1, 4, 32, 40]",
            "[1, 2, 32, 40]",
            "outputs.fields: got the shape [1, 2, 32, 40]; allowed: [1, 4, 1 to 4096, 1 to 4096]",
        ),
        (
            "\"affinities\"\n",
            "\"keypoints\"\n",
            "outputs.fields: got the shape [1, 4, 32, 40]; allowed: [1, 3, 1 to 4096, 1 to 4096]",
        ),
    ] {
        assert_eq!(complaint(NOBODY, BOTTOM_UP, from, to), expected);
    }
}

#[test]
fn maps_of_classes_need_classes() {
    for (from, to, expected) in [
        (ANN, NOBODY, "identities: got none; allowed: the classes of the maps"),
        (
            "[1, 1, 32, 40]",
            "[1, 2, 32, 40]",
            "outputs.who: got the shape [1, 2, 32, 40]; allowed: [1, 1, 1 to 4096, 1 to 4096]",
        ),
    ] {
        assert_eq!(complaint(ANN, CLASSES, from, to), expected);
    }
    let one = CLASSES.split("[[outputs]]").next().unwrap_or_default();
    assert_eq!(complaint(ANN, one, "contract", "contract"), "outputs: 0 have the meaning \"identity\"; allowed: one");
}
