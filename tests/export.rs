//! Promise: rolling files become DeepLabCut's layout whole and in order, and what cannot be read is told by its name.

use arenad::export::{ExportError, Summary, dlc_csv};
use arrow_array::{ArrayRef, Float32Array, RecordBatch, StringArray, UInt64Array};
use arrow_ipc::writer::StreamWriter;
use arrow_schema::{Field, Schema};
use parquet::arrow::ArrowWriter;
use std::collections::HashMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Frame, state, identity, nose and tail (x, y, score), frames in the gap.
type Row = (u64, &'static str, Option<&'static str>, [Option<[f32; 3]>; 2], Option<u64>);

const NOSE: Option<[f32; 3]> = Some([312.4, 188.0, 0.97]);
const TAIL: Option<[f32; 3]> = Some([300.126, 170.5, 0.5]);

fn animal(frame: u64, state: &'static str, identity: &'static str, points: [Option<[f32; 3]>; 2]) -> Row {
    (frame, state, Some(identity), points, None)
}

fn seen(frame: u64, identity: &'static str) -> Row {
    animal(frame, "seen", identity, [NOSE, TAIL])
}

fn gap(first: u64, frames: u64) -> Row {
    (first, "gap", None, [None; 2], Some(frames))
}

/// What the daemon writes, in the columns that matter here.
fn batch(model: &str, run: &str, rows: &[Row]) -> RecordBatch {
    let floats = |keypoint: usize, part: usize| -> ArrayRef {
        Arc::new(Float32Array::from_iter(rows.iter().map(|row| row.3[keypoint].map(|point| point[part]))))
    };
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("frame", Arc::new(UInt64Array::from_iter_values(rows.iter().map(|row| row.0)))),
        ("state", Arc::new(StringArray::from_iter_values(rows.iter().map(|row| row.1)))),
        ("identity", Arc::new(StringArray::from_iter(rows.iter().map(|row| row.2)))),
        ("nose_x", floats(0, 0)),
        ("nose_y", floats(0, 1)),
        ("nose_score", floats(0, 2)),
        ("tail_x", floats(1, 0)),
        ("tail_y", floats(1, 1)),
        ("tail_score", floats(1, 2)),
        ("gap_frames", Arc::new(UInt64Array::from_iter(rows.iter().map(|row| row.4)))),
    ];
    let fields: Vec<_> =
        columns.iter().map(|(name, column)| Field::new(*name, column.data_type().clone(), true)).collect();
    let told = [
        ("arenad.arena", "a1"),
        ("arenad.run", run),
        ("arenad.model", model),
        ("arenad.keypoints", r#"["nose","tail"]"#),
        ("arenad.identities", r#"["R","G"]"#),
    ];
    let told: HashMap<_, _> = told.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
    let schema = Arc::new(Schema::new_with_metadata(fields, told));
    RecordBatch::try_new(schema, columns.into_iter().map(|(_, column)| column).collect()).unwrap()
}

fn parquet(path: &Path, batches: &[RecordBatch]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut writer = ArrowWriter::try_new(File::create(path).unwrap(), batches[0].schema(), None).unwrap();
    batches.iter().for_each(|batch| writer.write(batch).unwrap());
    writer.close().unwrap();
}

/// A stream as a killed daemon leaves it: without an end.
fn stream(path: &Path, batches: &[RecordBatch]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut writer = StreamWriter::try_new(File::create(path).unwrap(), &batches[0].schema()).unwrap();
    batches.iter().for_each(|batch| writer.write(batch).unwrap());
}

struct Bench {
    folder: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("data")).unwrap();
        Self { folder }
    }

    fn data(&self, name: &str) -> PathBuf {
        self.folder.path().join("data").join(name)
    }

    fn out(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn export(&self, force: bool) -> Result<Summary, ExportError> {
        dlc_csv(&[self.data("")], &self.out("poses.csv"), force, &mut |_, _| ())
    }

    fn body(&self, name: &str) -> String {
        fs::read_to_string(self.out(name)).unwrap().lines().skip(4).map(|line| format!("{line}\n")).collect()
    }

    /// The words of a refusal, with the folder's name taken out.
    fn told(&self, told: &impl ToString) -> String {
        told.to_string().replace(&format!("{}/", self.folder.path().display()), "")
    }

    fn written(&self) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(self.folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name != "data")
            .collect();
        names.sort();
        names
    }
}

#[test]
fn files_of_a_night_become_one_csv() {
    let bench = Bench::new();
    let rows = [
        seen(0, "R"),
        animal(0, "seen", "G", [None, TAIL]),
        animal(1, "predicted", "R", [NOSE, TAIL]),
        animal(1, "seen", "G", [NOSE, None]),
        gap(2, 2),
        seen(4, "R"),
        // The rows of frame 4 straddle two batches.
        seen(4, "G"),
        animal(5, "hidden", "R", [None; 2]),
        (5, "seen", None, [NOSE, TAIL], None),
        (6, "unseen", None, [None; 2], None),
    ];
    let batches = [batch("m", "r", &rows[..6]), batch("m", "r", &rows[6..])];
    parquet(&bench.data("2026-11-21/08-00-00.parquet"), &batches);
    stream(&bench.data("2026-11-21/09-00-00.arrows"), &[batch("m", "r", &[seen(7, "G")])]);
    let mut heard = Vec::new();
    let out = bench.out("poses.csv");
    let summary = dlc_csv(&[bench.data("")], &out, false, &mut |done, total| heard.push((done, total))).unwrap();
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/poses.csv");
    assert_eq!(fs::read_to_string(&out).unwrap(), fs::read_to_string(golden).unwrap());
    let expected = Summary { outputs: vec![out], files: 2, frames: 6, missing: 2, unnamed: 1, ..Summary::default() };
    assert_eq!(summary, expected);
    assert!(heard.is_sorted() && heard.last().is_some_and(|(done, total)| done == total), "{heard:?}");
    assert_eq!(bench.written(), ["poses.csv"]);
}

#[test]
fn every_run_of_the_daemon_has_its_own_csv() {
    let bench = Bench::new();
    parquet(&bench.data("1.parquet"), &[batch("m", "first", &[seen(0, "R"), seen(1, "R")])]);
    parquet(&bench.data("2.parquet"), &[batch("m", "second", &[seen(1, "G")])]);
    let summary = bench.export(false).unwrap();
    assert_eq!(summary.outputs, [bench.out("poses.csv"), bench.out("poses-2.csv")]);
    assert_eq!(bench.body("poses-2.csv"), "1,,,,,,,312.40,188.00,0.970,300.13,170.50,0.500\n");
}

#[test]
fn a_damaged_file_is_named_and_the_others_are_exported() {
    let bench = Bench::new();
    parquet(&bench.data("1.parquet"), &[batch("m", "r", &[seen(0, "R")])]);
    fs::write(bench.data("2.parquet"), "no rows").unwrap();
    parquet(&bench.data("3.parquet"), &[batch("m", "r", &[seen(2, "R")])]);
    let summary = bench.export(false).unwrap();
    assert_eq!((summary.files, summary.frames, summary.unrecorded), (2, 2, 1));
    assert_eq!(bench.body("poses.csv").lines().nth(1), Some("1,,,,,,,,,,,,"));
    let told = bench.told(&summary.damaged[0]);
    assert!(
        told.starts_with("data/2.parquet: ") && told.ends_with("copy it anew from where it came, or move it away"),
        "{told}"
    );
}

#[test]
fn a_stream_torn_by_a_power_cut_gives_its_whole_batches() {
    let bench = Bench::new();
    let path = bench.data("1.arrows");
    stream(&path, &[batch("m", "r", &[seen(0, "R")]), batch("m", "r", &[seen(1, "R")])]);
    let length = path.metadata().unwrap().len();
    for lost in [8, 100, 400] {
        File::options().write(true).open(&path).unwrap().set_len(length - lost).unwrap();
        let summary = bench.export(true).unwrap();
        assert_eq!((summary.frames, summary.unfinished, summary.damaged.len()), (1, 1, 0), "{lost} bytes lost");
    }
}

#[test]
fn rows_that_a_power_cut_left_as_zeros_are_no_rows() {
    let bench = Bench::new();
    let zeros = (0, "", None, [None; 2], None);
    stream(&bench.data("1.arrows"), &[batch("m", "r", &[seen(3, "R")]), batch("m", "r", &[zeros])]);
    let summary = bench.export(false).unwrap();
    assert_eq!((summary.frames, summary.unfinished), (1, 1));
}

#[test]
fn rows_out_of_order_are_left_out_and_told() {
    let bench = Bench::new();
    parquet(&bench.data("1.parquet"), &[batch("m", "r", &[seen(5, "R"), seen(6, "R"), seen(4, "G"), seen(7, "R")])]);
    let summary = bench.export(false).unwrap();
    assert_eq!(
        bench.told(&summary.damaged[0]),
        "data/1.parquet: frame 4 stands after frame 6; rows out of order were left out; \
         its rows up to frame 7 were read; copy it anew from where it came, or move it away"
    );
    assert_eq!(summary.frames, 3);
}

#[test]
fn a_gap_told_wider_than_it_is_takes_no_row_away() {
    let bench = Bench::new();
    parquet(&bench.data("1.parquet"), &[batch("m", "r", &[seen(5, "R"), gap(3, 5), seen(8, "R")])]);
    let summary = bench.export(false).unwrap();
    assert_eq!((summary.frames, summary.missing), (2, 2));
    let frames: Vec<_> =
        bench.body("poses.csv").lines().map(|line| line.split(',').next().unwrap().to_owned()).collect();
    assert_eq!(frames, ["5", "6", "7", "8"]);
}

#[test]
fn a_hole_too_long_to_fill_begins_a_new_csv() {
    for hole in [vec![], vec![gap(1, u64::MAX)]] {
        let bench = Bench::new();
        let rows = [vec![seen(0, "R")], hole, vec![seen(5_000_000_000, "R")]].concat();
        parquet(&bench.data("1.parquet"), &[batch("m", "r", &rows)]);
        let summary = bench.export(false).unwrap();
        assert_eq!((summary.outputs.len(), summary.frames), (2, 2));
        assert!(bench.body("poses-2.csv").starts_with("5000000000,312.40,"));
    }
}

#[test]
fn files_that_do_not_belong_together_are_refused() {
    let bench = Bench::new();
    parquet(&bench.data("1.parquet"), &[batch("m", "r", &[seen(0, "R")])]);
    parquet(&bench.data("2.parquet"), &[batch("n", "r", &[seen(1, "R")])]);
    assert_eq!(
        bench.told(&bench.export(false).unwrap_err()),
        "data/2.parquet: its model is n, that of data/1.parquet is m; all files must have the same; export them apart"
    );
    assert_eq!(bench.written(), [""; 0]);
}

#[test]
fn what_is_there_is_replaced_only_by_force() {
    let bench = Bench::new();
    parquet(&bench.data("1.parquet"), &[batch("m", "r", &[seen(0, "R")])]);
    fs::write(bench.out("poses.csv"), "mine").unwrap();
    assert_eq!(
        bench.told(&bench.export(false).unwrap_err()),
        "poses.csv: is there already; give another -o, or --force to replace it"
    );
    assert_eq!(fs::read_to_string(bench.out("poses.csv")).unwrap(), "mine");
    bench.export(true).unwrap();
    assert!(bench.body("poses.csv").starts_with("0,312.40,"));
}

#[test]
fn when_no_file_can_be_read_the_first_is_told() {
    let bench = Bench::new();
    let mut foreign = batch("m", "r", &[seen(0, "R")]);
    foreign.remove_column(0);
    let path = bench.data("1.parquet");
    parquet(
        &path,
        &[RecordBatch::try_new(Arc::new(Schema::new(foreign.schema().fields().clone())), foreign.columns().to_vec())
            .unwrap()],
    );
    assert_eq!(
        bench.told(&bench.export(false).unwrap_err()),
        "no file could be read: data/1.parquet: its metadata lack arenad.arena; only files that arenad wrote can be read; \
         none of its rows were read; copy it anew from where it came, or move it away"
    );
}
