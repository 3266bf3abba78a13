//! Promise: `arenad model import` runs the framework's converter, shows its words, and leaves a checked model folder or none.

mod program;

use program::{Ended, arenad, line};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A folder with a stand-in for Python: a shell script that sees `-m convert.yolo SOURCE -o DIR …`.
struct Desk(TempDir);

impl Desk {
    fn new(script: &str) -> Self {
        let desk = Self(tempfile::tempdir().expect("a folder"));
        let python = desk.path("python");
        fs::write(&python, format!("#!/bin/sh\n{script}\n")).expect("written");
        fs::set_permissions(&python, fs::Permissions::from_mode(0o755)).expect("allowed");
        fs::write(desk.path("net.onnx"), b"a network").expect("written");
        desk
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn import(&self) -> Ended {
        let (source, out, python) = (self.path("net.onnx"), self.path("made"), self.path("python"));
        arenad(line(
            "model import --from yolo {} -o {} --name mine --size 128x96 --python {}",
            &[&source, &out, &python],
        ))
    }

    /// What lies in the folder, apart from what was put there.
    fn left(&self) -> Vec<String> {
        let names = fs::read_dir(self.0.path()).expect("a folder").map(|entry| entry.expect("an entry").file_name());
        let mut names: Vec<_> = names.map(|name| name.to_string_lossy().into_owned()).collect();
        names.retain(|name| !["python", "net.onnx"].contains(&name.as_str()));
        names.sort();
        names
    }
}

fn golden() -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/import/yolo").display().to_string()
}

#[test]
fn a_network_becomes_a_checked_model_folder() {
    let script = format!(
        "echo \"$@\" > \"$(dirname \"$0\")/asked\"; ls convert >> \"$(dirname \"$0\")/asked\"
         echo reading >&2; mkdir \"$5\" && cp {}/model.* \"$5\"",
        golden()
    );
    let desk = Desk::new(&script);
    let ended = desk.import();
    assert!(ended.err.contains("reading"), "{ended:?}");
    let out = ended.well();
    assert!(out.contains("detections (detections) [1, 18, 1, 240]"), "{out}");
    assert!(out.contains("one frame in"), "{out}");
    assert_eq!(desk.left(), ["asked", "made"]);
    assert!(desk.path("made/model.toml").is_file());
    let asked = fs::read_to_string(desk.path("asked")).expect("what was asked");
    let source = desk.path("net.onnx");
    assert!(asked.starts_with(&format!("-m convert.yolo {} -o ", source.display())), "{asked}");
    assert!(asked.contains("/model --name mine --size 128x96\n"), "{asked}");
    assert!(asked.contains("yolo.py"), "{asked}");
}

#[test]
fn a_converters_refusal_is_one_line() {
    let desk =
        Desk::new("echo warming up >&2; echo 'convert.yolo: net.onnx: has 12 classes; allowed: 1 to 8' >&2; exit 2");
    let ended = desk.import();
    assert_eq!(ended.code, Some(2));
    assert_eq!(ended.err, "warming up\narenad: import: convert.yolo: net.onnx: has 12 classes; allowed: 1 to 8\n");
    assert!(desk.left().is_empty());
}

#[test]
fn a_missing_package_is_answered_with_how_to_get_it() {
    let desk = Desk::new("echo \"ModuleNotFoundError: No module named 'onnx'\" >&2; exit 1");
    let ended = desk.import();
    let python = desk.path("python").display().to_string();
    assert_eq!(ended.code, Some(2));
    let why = format!(
        "arenad: import: {python}: ModuleNotFoundError: No module named 'onnx'; {python} -m pip install onnx ultralytics"
    );
    assert_eq!(ended.why(), why);
}

#[test]
fn without_python_it_says_so() {
    let desk = Desk::new("");
    fs::remove_file(desk.path("python")).expect("removed");
    let ended = desk.import();
    let why = format!(
        "arenad: import: {}: No such file or directory (os error 2); give a Python 3.10 or later with --python",
        desk.path("python").display()
    );
    assert_eq!((ended.code, ended.why()), (Some(2), why.as_str()));
    assert!(desk.left().is_empty());
}

#[test]
fn a_converter_that_fails_or_says_nothing_leaves_nothing() {
    for (script, expected) in [
        ("echo Traceback >&2; echo 'KeyError: model' >&2; exit 1", "arenad: import: KeyError: model"),
        ("exit 3", "ended with exit status: 3"),
        ("exit 0", "the result breaks its contract: model "),
    ] {
        let desk = Desk::new(script);
        let ended = desk.import();
        assert_eq!(ended.code, Some(1), "{ended:?}");
        assert!(ended.why().contains(expected), "{ended:?}");
        assert!(desk.left().is_empty(), "{script}");
    }
}

#[test]
fn a_result_that_breaks_its_contract_is_not_kept() {
    let desk = Desk::new(&format!("mkdir \"$5\" && cp {}/model.* \"$5\" && echo junk >> \"$5/model.onnx\"", golden()));
    let ended = desk.import();
    assert_eq!(ended.code, Some(1));
    assert!(ended.why().contains("the result breaks its contract: model "), "{ended:?}");
    assert!(ended.why().contains("model.onnx has the hash "), "{ended:?}");
    assert!(desk.left().is_empty());
}

#[test]
fn a_folder_that_is_not_empty_is_never_written_to() {
    let desk = Desk::new("exit 0");
    fs::create_dir(desk.path("made")).expect("made");
    fs::write(desk.path("made/notes"), b"mine").expect("written");
    let ended = desk.import();
    assert_eq!(ended.code, Some(2));
    let why = format!(
        "arenad: import: {}: is there and not an empty folder; give a folder that is not there yet",
        desk.path("made").display()
    );
    assert_eq!(ended.why(), why);
    assert_eq!(desk.left(), ["made"]);
}
