//! Which rolling files there are, in the order of their time.

use super::{ExportError, read_error};
use crate::sink::files::{FINISHED, STREAM};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// The rolling files among `inputs`: files as given, folders with all below them, in the order of `<date>/<time>`.
///
/// A stream (`.arrows`) stands only where no `.parquet` of its name does: the daemon died between finishing the one and removing the
/// other. Links to folders are not followed.
pub(super) fn rolling_files(inputs: &[PathBuf]) -> Result<Vec<PathBuf>, ExportError> {
    let mut found = Vec::new();
    for input in inputs {
        let before = found.len();
        if input.metadata().map_err(read_error(input))?.is_dir() {
            below(input, &mut found)?;
        } else if is_rolling(input) {
            found.push(input.clone());
        }
        if found.len() == before {
            return Err(ExportError::Nothing { path: input.clone() });
        }
    }
    found.sort_by(|a, b| order(a, b));
    found.dedup();
    let finished =
        |stream: &Path| found.binary_search_by(|other| order(other, &stream.with_extension(FINISHED))).is_ok();
    let doubled: Vec<bool> = found.iter().map(|file| ends_in(file, STREAM) && finished(file)).collect();
    let mut doubled = doubled.into_iter();
    found.retain(|_| !doubled.next().unwrap_or(false));
    Ok(found)
}

fn order(a: &Path, b: &Path) -> std::cmp::Ordering {
    when(a).cmp(&when(b)).then_with(|| a.cmp(b))
}

fn below(folder: &Path, found: &mut Vec<PathBuf>) -> Result<(), ExportError> {
    for entry in folder.read_dir().map_err(read_error(folder))? {
        let entry = entry.map_err(read_error(folder))?;
        let path = entry.path();
        let kind = entry.file_type().map_err(read_error(&path))?;
        if kind.is_dir() {
            below(&path, found)?;
        } else if is_rolling(&path) && path.is_file() {
            found.push(path);
        }
    }
    Ok(())
}

fn is_rolling(path: &Path) -> bool {
    ends_in(path, FINISHED) || ends_in(path, STREAM)
}

/// Whether the file's extension is this.
pub(super) fn ends_in(path: &Path, extension: &str) -> bool {
    path.extension() == Some(OsStr::new(extension))
}

/// What sorts by time: the folder's name, which is the date, then the file's, which is the time.
fn when(path: &Path) -> (Option<&OsStr>, Option<&OsStr>) {
    (path.parent().and_then(Path::file_name), path.file_stem())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn names(root: &Path, inputs: &[&str]) -> Vec<String> {
        let inputs: Vec<_> = inputs.iter().map(|name| root.join(name)).collect();
        let found = rolling_files(&inputs).unwrap();
        found.iter().map(|path| path.strip_prefix(root).unwrap().to_string_lossy().into_owned()).collect()
    }

    fn tree(files: &[&str]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for file in files {
            fs::create_dir_all(root.path().join(file).parent().unwrap()).unwrap();
            fs::write(root.path().join(file), "").unwrap();
        }
        root
    }

    #[test]
    fn files_stand_in_the_order_of_time_wherever_they_lie() {
        let root = tree(&["b/2026-11-20/09.parquet", "a/2026-11-21/08.parquet", "a/2026-11-21/08.mp4", "b/poses.csv"]);
        assert_eq!(names(root.path(), &["a", "b"]), ["b/2026-11-20/09.parquet", "a/2026-11-21/08.parquet"]);
    }

    #[test]
    fn a_stream_whose_parquet_is_finished_is_left_out() {
        let root = tree(&["d/1.arrows", "d/1.parquet", "d/2.arrows"]);
        assert_eq!(names(root.path(), &["d", "d/1.arrows"]), ["d/1.parquet", "d/2.arrows"]);
    }

    #[test]
    fn a_folder_without_rolling_files_is_named() {
        let root = tree(&["d/notes.txt"]);
        let folder = root.path().join("d");
        for input in [&folder, &folder.join("notes.txt")] {
            let told = rolling_files(std::slice::from_ref(input)).unwrap_err().to_string();
            let expected = "no .parquet or .arrows file; give a folder that arenad wrote, such as <data>/<arena>";
            assert_eq!(told, format!("{}: {expected}", input.display()));
        }
    }
}
