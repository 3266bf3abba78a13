//! The columns of a rolling file and what it says about itself. `docs/files.md` tells both to people.

use super::FileInfo;
use crate::stamp::WallTime;
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Frame number, u64.
pub const FRAME: &str = "frame";
/// Capture time, UTC, microseconds; null in a gap.
pub const CAPTURED: &str = "captured";
/// Estimated error of `captured`, milliseconds; null in a gap.
pub const CAPTURED_ERROR_MS: &str = "captured_error_ms";
/// What `captured` rests on; null in a gap.
pub const CAPTURE_CLOCK: &str = "capture_clock";
/// How the animal's place is known, or `gap`.
pub const STATE: &str = "state";
/// The animal's settled name; null when withheld.
pub const IDENTITY: &str = "identity";
/// Probability of the name; null when the animal was never seen.
pub const P: &str = "p";
/// The name that went out live; null when withheld, or when live had nothing here.
pub const LIVE_IDENTITY: &str = "live_identity";
/// Probability of the live name.
pub const LIVE_P: &str = "live_p";
/// Track number; null unless seen or predicted.
pub const TRACK: &str = "track";
/// Zone that holds the body centre.
pub const ZONE: &str = "zone";
/// Body centre, camera pixels to the right.
pub const X: &str = "x";
/// Body centre, camera pixels down.
pub const Y: &str = "y";
/// How many frames a gap has.
pub const GAP_FRAMES: &str = "gap_frames";
/// Why the frames of a gap are missing.
pub const GAP_REASON: &str = "gap_reason";

/// Endings of a keypoint's three columns of numbers, after its name.
pub const KEYPOINT_ENDINGS: [&str; 3] = ["_x", "_y", "_score"];
/// Ending of the column after these: whether the keypoint was seen in this frame.
pub const SEEN_ENDING: &str = "_seen";
/// The state of a row that stands for missing frames.
pub const GAP: &str = "gap";
/// The state of the one row of a frame in which no animal is known.
pub const NOBODY: &str = "unseen";

/// Version of this layout.
pub const FORMAT: &str = "1";
/// Metadata: version of the layout.
pub const META_FORMAT: &str = "arenad.format";
/// Metadata: version of arenad.
pub const META_VERSION: &str = "arenad.version";
/// Metadata: the arena's name.
pub const META_ARENA: &str = "arenad.arena";
/// Metadata: capture time of the run's first scene, RFC 3339. Frame numbers count within one run.
pub const META_RUN: &str = "arenad.run";
/// Metadata: the model's name.
pub const META_MODEL: &str = "arenad.model";
/// Metadata: whether `identity` is settled, or, in the rows that a crash left, as it was live.
pub const META_NAMES: &str = "arenad.names";
/// The names are settled.
pub const NAMES_SETTLED: &str = "settled";
/// The names are as they were live.
pub const NAMES_LIVE: &str = "live";
/// Metadata: names of the body parts, a JSON list.
pub const META_KEYPOINTS: &str = "arenad.keypoints";
/// Metadata: pairs of body parts, a JSON list of lists.
pub const META_SKELETON: &str = "arenad.skeleton";
/// Metadata: names of the animals, a JSON list.
pub const META_IDENTITIES: &str = "arenad.identities";
/// Metadata: display colours of the animals, `#rrggbb`, a JSON list in the order of the names.
pub const META_COLOURS: &str = "arenad.colours";
/// Metadata: the zones, a JSON list of `{"name", "sheltered", "corners": [[x, y], …]}`, camera pixels.
pub const META_ZONES: &str = "arenad.zones";

/// The schema of the files of one run, whose first scene was captured at `run`.
pub(super) fn schema(info: &FileInfo, run: WallTime) -> SchemaRef {
    Arc::new(Schema::new_with_metadata(columns(&info.keypoints), metadata(info, run)))
}

fn columns(keypoints: &[String]) -> Vec<Field> {
    let needed = |name: &str, kind: DataType| Field::new(name, kind, false);
    let maybe = |name: &str, kind: DataType| Field::new(name, kind, true);
    let mut columns = vec![
        needed(FRAME, DataType::UInt64),
        maybe(CAPTURED, DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))),
        maybe(CAPTURED_ERROR_MS, DataType::Float32),
        maybe(CAPTURE_CLOCK, DataType::Utf8),
        needed(STATE, DataType::Utf8),
        maybe(IDENTITY, DataType::Utf8),
        maybe(P, DataType::Float32),
        maybe(LIVE_IDENTITY, DataType::Utf8),
        maybe(LIVE_P, DataType::Float32),
        maybe(TRACK, DataType::UInt32),
        maybe(ZONE, DataType::Utf8),
        maybe(X, DataType::Float32),
        maybe(Y, DataType::Float32),
    ];
    for name in keypoints {
        columns.extend(KEYPOINT_ENDINGS.map(|ending| maybe(&format!("{name}{ending}"), DataType::Float32)));
        columns.push(maybe(&format!("{name}{SEEN_ENDING}"), DataType::Boolean));
    }
    columns.push(maybe(GAP_FRAMES, DataType::UInt64));
    columns.push(maybe(GAP_REASON, DataType::Utf8));
    columns
}

fn metadata(info: &FileInfo, run: WallTime) -> BTreeMap<String, String> {
    let zones: Vec<_> = info
        .zones
        .iter()
        .map(|zone| serde_json::json!({"name": zone.name, "sheltered": zone.sheltered, "corners": zone.corners}))
        .collect();
    let list = |names: &[String]| serde_json::json!(names).to_string();
    [
        (META_FORMAT, FORMAT.to_owned()),
        (META_VERSION, env!("CARGO_PKG_VERSION").to_owned()),
        (META_ARENA, info.arena.clone()),
        (META_RUN, run.rfc3339().to_string()),
        (META_MODEL, info.model.clone()),
        (META_NAMES, NAMES_SETTLED.to_owned()),
        (META_KEYPOINTS, list(&info.keypoints)),
        (META_SKELETON, serde_json::json!(info.skeleton).to_string()),
        (META_IDENTITIES, list(&info.identities)),
        (META_COLOURS, list(&info.colours)),
        (META_ZONES, serde_json::json!(zones).to_string()),
    ]
    .map(|(key, value)| (key.to_owned(), value))
    .into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ZoneArea;

    #[test]
    fn columns_stand_in_the_documented_order() {
        let info = FileInfo { keypoints: vec!["nose".into()], ..FileInfo::default() };
        let schema = schema(&info, WallTime(0));
        let names: Vec<_> = schema.fields().iter().map(|field| field.name().as_str()).collect();
        assert_eq!(
            names,
            [
                "frame",
                "captured",
                "captured_error_ms",
                "capture_clock",
                "state",
                "identity",
                "p",
                "live_identity",
                "live_p",
                "track",
                "zone",
                "x",
                "y",
                "nose_x",
                "nose_y",
                "nose_score",
                "nose_seen",
                "gap_frames",
                "gap_reason"
            ]
        );
    }

    #[test]
    fn a_file_says_what_it_is() {
        let zone = ZoneArea { name: "Nest".into(), sheltered: true, corners: vec![(0.0, 0.5), (3.0, 0.0), (3.0, 3.0)] };
        let info = FileInfo {
            arena: "a1".into(),
            skeleton: vec![["nose".into(), "tail".into()]],
            zones: vec![zone],
            ..FileInfo::default()
        };
        let metadata = metadata(&info, WallTime(1_795_242_780_123_456_000));
        assert_eq!(metadata[META_ARENA], "a1");
        assert_eq!(metadata[META_RUN], "2026-11-21T06:33:00.123456Z");
        assert_eq!(metadata[META_SKELETON], r#"[["nose","tail"]]"#);
        assert_eq!(
            metadata[META_ZONES],
            r#"[{"corners":[[0.0,0.5],[3.0,0.0],[3.0,3.0]],"name":"Nest","sheltered":true}]"#
        );
    }
}
