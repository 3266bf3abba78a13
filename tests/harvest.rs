//! Promise: `replay --harvest` keeps doubtful frames as a DeepLabCut folder that the training reads, with the line's own answers.

mod program;

use program::{arenad, files, line};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

const CONFIG: &str = "arena = \"a1\"\n[camera]\nurl = \"rtsp://10.0.0.20/stream\"\n[harvest]\nfolder = \"not-used-by-replay\"\n\
                      frames_max = 2\nspacing_s = 1\nscore_min = 1\nlabel_score_min = 0.4\n";

/// Points by individual and body part; `None` where the cell is empty.
type Points = BTreeMap<(String, String), Option<(f32, f32)>>;

fn cells(line: &str) -> Vec<&str> {
    line.split(',').collect()
}

fn number(cell: &str) -> Option<f32> {
    (!cell.is_empty() && !cell.eq_ignore_ascii_case("nan")).then(|| cell.parse().expect("a number"))
}

/// Reads a table as `models/train/labels.py` does: every picture, found from the table's folder upwards, with its points.
fn read_labels(table: &Path) -> Vec<(PathBuf, Points)> {
    let text = fs::read_to_string(table).expect("a table");
    let rows: Vec<_> = text.lines().map(cells).collect();
    assert_eq!(
        ["scorer", "individuals", "bodyparts", "coords"].map(str::to_owned),
        [0, 1, 2, 3].map(|n| rows[n][0].to_owned())
    );
    let first = rows[3].iter().position(|word| *word == "x").expect("a column");
    let read = |row: &Vec<&str>| {
        let key = row[..first].join("/");
        let picture = table.ancestors().skip(2).take(3).map(|above| above.join(&key)).find(|path| path.exists());
        let points = (first..row.len()).step_by(2).map(|at| {
            let xy = number(row[at]).zip(number(row[at + 1]));
            ((rows[1][at].to_owned(), rows[2][at].to_owned()), xy)
        });
        (picture.unwrap_or_else(|| panic!("no picture {key}")), points.collect())
    };
    rows[4..].iter().map(read).collect()
}

/// The points of one frame in `poses.csv` that score at least this.
fn answers(poses: &str, frame: u64, score_min: f32) -> Points {
    let rows: Vec<_> = poses.lines().map(cells).collect();
    let row = rows[4..].iter().find(|row| row[0].parse() == Ok(frame)).expect("the frame");
    let point = |at: usize| {
        let scored = number(row[at + 2]).is_some_and(|score| score >= score_min);
        let xy = number(row[at]).zip(number(row[at + 1])).filter(|_| scored);
        ((rows[1][at].to_owned(), rows[2][at].to_owned()), xy)
    };
    (1..row.len()).step_by(3).map(point).collect()
}

#[test]
fn doubtful_frames_become_labels_that_the_training_reads() {
    let root = tempfile::tempdir().expect("a folder");
    let path = |name: &str| root.path().join(name);
    fs::write(path("a1.toml"), CONFIG).expect("written");
    arenad(line("rehearse -o {} --minutes 0.04 --fps 10 --seed 3", &[&path("film")])).well();
    let replay = |out: &str| {
        let [film, out, config] = ["film/video.mp4", out, "a1.toml"].map(path);
        arenad(line("replay {} -o {} --config {} --engine built-in --live --harvest", &[&film, &out, &config])).well()
    };
    let said = replay("out");
    assert!(said.contains("doubtful frames kept in "), "{said}");
    let kept = files(&path("out/labeled-data"));
    let tables: Vec<_> = kept.keys().filter(|path| path.ends_with("CollectedData_arenad.csv")).collect();
    assert_eq!(tables.len(), 1, "{:?}", kept.keys());
    let labels = read_labels(&path("out/labeled-data").join(tables[0]));
    assert_eq!((labels.len(), kept.len()), (2, 4));
    let poses = fs::read_to_string(path("out/poses.csv")).expect("poses");
    for (picture, points) in &labels {
        let name = picture.file_stem().expect("a name").to_string_lossy().into_owned();
        assert_eq!(points, &answers(&poses, name[3..].parse().expect("a number"), 0.4), "{name}");
        let picture = image::open(picture).expect("a picture").to_rgb8();
        assert_eq!(picture.dimensions(), (640, 480));
        assert!(points.values().flatten().count() > 5, "{points:?}");
    }

    replay("again");
    assert!(kept == files(&path("again/labeled-data")), "one film gave two harvests");
    replay("out");
    assert!(kept == files(&path("out/labeled-data")), "what is kept already was kept again");
}
