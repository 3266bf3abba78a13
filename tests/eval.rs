//! Promise: `arenad eval` reads what arenad writes and what others write, and its figures are those that a person finds by hand.

mod program;

use arrow_array::{ArrayRef, BooleanArray, Float32Array, RecordBatch, StringArray, UInt32Array, UInt64Array};
use arrow_schema::{Field, Schema};
use parquet::arrow::ArrowWriter;
use program::{Ended, arenad};
use serde_json::Value;
use std::collections::HashMap;
use std::fs::{self, File};
use std::path::PathBuf;
use std::sync::Arc;
use tempfile::TempDir;

/// A folder with a truth of two animals, R at (0, 0) and G at (0, 100), each 40 px from nose to tail; the cells of each frame say who
/// is in view.
struct Desk(TempDir);

impl Desk {
    fn new(in_view: &[&str]) -> Self {
        let desk = Self(tempfile::tempdir().expect("a folder"));
        let rows: Vec<Vec<Option<f32>>> = in_view
            .iter()
            .map(|who| ["R", "G"].iter().map(|name| who.contains(name).then_some(0.0)).collect())
            .collect();
        desk.table("truth.csv", &["R", "G"], &rows);
        desk
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// A table in which the animal of each column stands so far from the place of that column.
    fn table(&self, name: &str, individuals: &[&str], rows: &[Vec<Option<f32>>]) {
        let mut heads = ["scorer", "individuals", "bodyparts", "coords"].map(str::to_owned);
        for individual in individuals {
            for part in ["nose", "tail_base"] {
                for coord in ["x", "y", "likelihood"] {
                    for (head, cell) in heads.iter_mut().zip(["test", individual, part, coord]) {
                        head.push_str(&format!(",{cell}"));
                    }
                }
            }
        }
        let mut text = heads.join("\n") + "\n";
        for (frame, row) in rows.iter().enumerate() {
            text.push_str(&frame.to_string());
            for (place, away) in row.iter().enumerate() {
                match away {
                    Some(away) => {
                        let y = 100.0 * place as f32;
                        text.push_str(&format!(",{away},{y},1,{},{y},1", away + 40.0));
                    }
                    None => text.push_str(",,,,,,"),
                }
            }
            text.push('\n');
        }
        fs::write(self.path(name), text).expect("written");
    }

    fn eval(&self, poses: &str, more: &[&str]) -> Ended {
        let (truth, poses) = (self.path("truth.csv"), self.path(poses));
        let args = ["--log", "warn", "eval", "--truth"].map(PathBuf::from).into_iter();
        arenad(args.chain([truth, "--poses".into(), poses]).chain(more.iter().map(PathBuf::from)))
    }

    fn json(&self, poses: &str, more: &[&str]) -> Value {
        let more: Vec<&str> = more.iter().copied().chain(["--json"]).collect();
        serde_json::from_str(&self.eval(poses, &more).well()).expect("JSON")
    }

    /// What a refusal says, with the folder's name taken out.
    fn refused(&self, poses: &str) -> String {
        let ended = self.eval(poses, &[]);
        assert_eq!(ended.code, Some(2), "{ended:?}");
        ended.why().replace(&format!("{}/", self.0.path().display()), "")
    }
}

/// A row of a rolling file: frame, settled name, live name, the animal's place, frames of a gap.
type Row = (u64, Option<&'static str>, Option<&'static str>, Option<f32>, Option<u64>);

fn folder(desk: &Desk, rows: &[Row], with_live: bool) {
    let y = |row: &Row| row.3.map(|_| 0.0);
    let points =
        |along: f32| -> ArrayRef { Arc::new(Float32Array::from_iter(rows.iter().map(|row| row.3.map(|x| x + along)))) };
    let ys = || -> ArrayRef { Arc::new(Float32Array::from_iter(rows.iter().map(y))) };
    let state = |row: &Row| match row {
        (.., Some(_)) => "gap",
        (.., Some(_), None) => "seen",
        _ => "unseen",
    };
    let p: ArrayRef = Arc::new(Float32Array::from_iter(rows.iter().map(|row| row.3.map(|_| 0.9))));
    let mut columns: Vec<(&str, ArrayRef)> = vec![
        ("frame", Arc::new(UInt64Array::from_iter_values(rows.iter().map(|row| row.0)))),
        ("state", Arc::new(StringArray::from_iter_values(rows.iter().map(state)))),
        ("identity", Arc::new(StringArray::from_iter(rows.iter().map(|row| row.1)))),
        ("p", Arc::clone(&p)),
        ("track", Arc::new(UInt32Array::from_iter(rows.iter().map(|row| row.3.map(|_| 7))))),
        ("nose_x", points(0.0)),
        ("nose_y", ys()),
        ("nose_score", Arc::clone(&p)),
        ("tail_base_x", points(40.0)),
        ("tail_base_y", ys()),
        ("tail_base_score", Arc::clone(&p)),
        ("gap_frames", Arc::new(UInt64Array::from_iter(rows.iter().map(|row| row.4)))),
    ];
    if with_live {
        columns.push(("live_identity", Arc::new(StringArray::from_iter(rows.iter().map(|row| row.2)))));
        columns.push(("live_p", p));
        columns.push(("nose_seen", Arc::new(BooleanArray::from_iter(rows.iter().map(|row| row.3.map(|_| false))))));
    }
    let fields: Vec<_> =
        columns.iter().map(|(name, column)| Field::new(*name, column.data_type().clone(), true)).collect();
    let told = [
        ("arenad.arena", "a1"),
        ("arenad.run", "r"),
        ("arenad.model", "m"),
        ("arenad.keypoints", r#"["nose","tail_base"]"#),
        ("arenad.identities", r#"["R","G"]"#),
    ];
    let told: HashMap<_, _> = told.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
    let schema = Arc::new(Schema::new_with_metadata(fields, told));
    let batch = RecordBatch::try_new(Arc::clone(&schema), columns.into_iter().map(|(_, column)| column).collect())
        .expect("rows");
    let path = desk.path("out/a1/2026-11-21");
    fs::create_dir_all(&path).expect("a folder");
    let file = File::create(path.join("080000.000.parquet")).expect("a file");
    let mut writer = ArrowWriter::try_new(file, schema, None).expect("a writer");
    writer.write(&batch).expect("written");
    writer.close().expect("closed");
}

#[test]
fn a_table_is_judged_as_by_hand() {
    let desk = Desk::new(&["RG", "RG", "RG", "R"]);
    let here = Some(0.0);
    // R everywhere, the last 3 px off; G in one of three frames.
    desk.table(
        "poses.csv",
        &["R", "G"],
        &[vec![here, here], vec![here, None], vec![here, None], vec![Some(3.0), None]],
    );
    let got = desk.json("poses.csv", &["--fps", "25"]);
    let kind = &got["kinds"][0];
    assert_eq!(
        (&kind["kind"], got["fps"].as_f64(), got["frames"].as_u64()),
        (&Value::from("given"), Some(25.0), Some(4))
    );
    assert_eq!((kind["identity_accuracy"].as_f64(), kind["coverage"].as_f64()), (Some(1.0), Some(5.0 / 7.0)));
    assert_eq!(kind["tracking"]["idr"].as_f64(), Some(5.0 / 7.0));
    assert_eq!(got["keypoints"]["rmse_px"].as_f64(), Some((18.0_f64 / 10.0).sqrt()));
    assert_eq!(got["keypoints"]["pck"][0].as_f64(), Some(8.0 / 14.0));
    assert_eq!(got["body_length_px"].as_f64(), Some(40.0));
}

#[test]
fn live_and_settled_names_of_a_folder_stand_side_by_side() {
    let desk = Desk::new(&["R"; 6]);
    let row = |frame, settled, live| (frame, settled, live, Some(0.0), None);
    let rows = [
        row(0, Some("R"), Some("G")),
        row(1, Some("R"), None),
        row(2, Some("G"), Some("R")),
        (3, None, None, None, None),
        (4, None, None, None, Some(2)),
    ];
    folder(&desk, &rows, true);
    let got = desk.json("out", &[]);
    let of = |index: usize| {
        let kind = &got["kinds"][index];
        let counts = ["right", "wrong", "withheld", "not_found"].map(|key| kind["animal_frames"][key].as_u64());
        (kind["kind"].as_str(), counts.map(Option::unwrap_or_default))
    };
    assert_eq!((of(0), of(1)), ((Some("live"), [1, 1, 1, 3]), (Some("settled"), [2, 1, 0, 3])));
    // p is 0.9, of two live names one is right.
    let ece = got["kinds"][0]["calibration"]["ece"].as_f64().expect("an error");
    assert!((ece - 0.4).abs() < 1e-6, "{ece}");
    assert_eq!((got["oddities"]["gap_frames"].as_u64(), got["keypoints"]["predicted"].as_u64()), (Some(2), Some(3)));
    let table = desk.eval("out", &[]).well();
    assert!(table.contains("names                                 live       settled"), "{table}");
    assert!(table.contains("2 frames are told as missing: their animals count as not found"), "{table}");
}

#[test]
fn a_folder_without_live_columns_has_live_names() {
    let desk = Desk::new(&["R"; 2]);
    folder(&desk, &[(0, Some("R"), None, Some(0.0), None), (1, None, None, Some(0.0), None)], false);
    let got = desk.json("out", &[]);
    assert_eq!(got["kinds"].as_array().map(Vec::len), Some(1));
    assert_eq!((&got["kinds"][0]["kind"], &got["kinds"][0]["coverage"]), (&Value::from("live"), &Value::from(0.5)));
}

#[test]
fn a_name_that_stands_twice_in_a_frame_is_told() {
    let desk = Desk::new(&["R"; 2]);
    let row = |frame, x| (frame, Some("R"), None, Some(x), None);
    folder(&desk, &[row(0, 0.0), row(1, 0.0), row(1, 200.0)], false);
    let got = desk.json("out", &[]);
    assert_eq!(got["oddities"]["doubled_names"].as_u64(), Some(1));
    assert_eq!(got["kinds"][0]["tracking"]["false_positives"].as_u64(), Some(1));
}

#[test]
fn names_that_nobody_has_are_told_and_wrong() {
    let desk = Desk::new(&["RG"; 2]);
    desk.table("poses.csv", &["Q", "G"], &[vec![Some(0.0), Some(0.0)], vec![None, Some(0.0)]]);
    let got = desk.json("poses.csv", &[]);
    assert_eq!(got["oddities"]["unknown_names"], serde_json::json!(["Q"]));
    assert_eq!(got["kinds"][0]["identity_accuracy"].as_f64(), Some(2.0 / 3.0));
}

#[test]
fn poses_of_nobody_known_are_followed_without_names() {
    let desk = Desk::new(&["RG"; 2]);
    desk.table("poses.csv", &["animal1", "animal2"], &[vec![Some(0.0); 2], vec![Some(0.0); 2]]);
    let kind = desk.json("poses.csv", &[])["kinds"][0].clone();
    assert_eq!((kind["identity_accuracy"].as_f64(), kind["tracking"]["idf1"].as_f64()), (None, Some(1.0)));
}

#[test]
fn frames_that_one_side_lacks_are_told_and_not_judged() {
    let desk = Desk::new(&["R", "R", "R"]);
    desk.table("poses.csv", &["R"], &[vec![Some(0.0)]]);
    let told = desk.eval("poses.csv", &[]).well();
    assert!(told.contains("2 frames of the truth lie outside the poses: not judged"), "{told}");
    desk.table("poses.csv", &["R"], &vec![vec![Some(0.0)]; 5]);
    let told = desk.eval("poses.csv", &[]).well();
    assert!(told.contains("2 frames of the poses have no truth: not judged"), "{told}");
}

#[test]
fn the_plot_is_written() {
    let desk = Desk::new(&["RG"; 3]);
    desk.table("poses.csv", &["R", "G"], &vec![vec![Some(0.0); 2]; 3]);
    let svg = desk.path("names.svg");
    desk.eval("poses.csv", &["--plot", &svg.display().to_string()]).well();
    assert!(fs::read_to_string(svg).expect("a picture").starts_with("<svg xmlns"));
}

#[test]
fn what_cannot_be_judged_is_refused_in_words() {
    let desk = Desk::new(&["R"]);
    fs::create_dir(desk.path("empty")).expect("a folder");
    fs::write(desk.path("notes.csv"), "no\ntable\nat\nall\n").expect("written");
    desk.table("poses.csv", &["R"], &[vec![Some(0.0)]]);
    let text = fs::read_to_string(desk.path("poses.csv")).expect("read");
    fs::write(desk.path("paws.csv"), text.replace("nose", "paw").replace("tail_base", "claw")).expect("written");
    fs::write(desk.path("late.csv"), text.replace("\n0,", "\n9,")).expect("written");
    for (poses, expected) in [
        ("empty", "empty: no .parquet or .arrows file; give a folder that arenad wrote, such as <data>/<arena>"),
        (
            "notes.csv",
            "notes.csv: got the header rows no, table, at, all; allowed: scorer, individuals, bodyparts, coords (DeepLabCut, several \
             animals)",
        ),
        ("paws.csv", "paws.csv: has the body parts paw, claw; at least one of the truth's is needed: nose, tail_base"),
        ("late.csv", "late.csv: none of its frames is one of truth.csv; give the poses of that film"),
    ] {
        assert_eq!(desk.refused(poses), format!("arenad: {expected}"));
    }
    fs::write(desk.path("truth.csv"), text.replace(",1", ",0")).expect("written");
    let expected =
        "truth: never knows two body parts of an animal in view; a body length is needed; give a truth that has some";
    assert_eq!(desk.refused("poses.csv"), format!("arenad: {expected}"));
}

#[test]
fn a_folder_that_two_runs_wrote_to_is_refused() {
    let desk = Desk::new(&["R"; 2]);
    folder(&desk, &[(0, Some("R"), None, Some(0.0), None), (1, Some("R"), None, Some(0.0), None)], false);
    let day = desk.path("out/a1/2026-11-21");
    fs::copy(day.join("080000.000.parquet"), day.join("080000.000-2.parquet")).expect("copied");
    let told = desk.refused("out");
    assert!(
        told.ends_with(
            "frame 0 stands after frame 1; the rows of one run are allowed, in which frame numbers rise; give the folder of a single \
             run, not one that several wrote to"
        ),
        "{told}"
    );
}

#[test]
fn damaged_files_are_refused_by_name() {
    let desk = Desk::new(&["R"]);
    fs::create_dir(desk.path("out")).expect("a folder");
    fs::write(desk.path("out/1.parquet"), "PAR1 and nothing else").expect("written");
    assert!(desk.refused("out").starts_with("arenad: out/1.parquet: "));
}
