//! Names of rolling files: `<folder>/<arena>/<YYYY-MM-DD>/<HHMMSS.mmm>.arrows`, later `.parquet`; none is used twice.

use crate::stamp::WallTime;
use std::path::{Path, PathBuf};

/// Ending of a stream that is open, or was left by a crash.
pub const STREAM: &str = "arrows";
/// Ending of a finished file.
pub const FINISHED: &str = "parquet";
/// What is put after the name of a stream whose end was torn, once its whole batches are in a finished file.
pub const DAMAGED: &str = "damaged";
/// Most files of one name.
const MOST: u32 = 100_000;

/// The folder of the day and the name without ending of a file whose first frame was captured then, UTC.
pub(super) fn place(arena: &Path, captured: WallTime) -> (PathBuf, String) {
    let time = captured.to_system().max(std::time::SystemTime::UNIX_EPOCH);
    let text = humantime::format_rfc3339_millis(time).to_string();
    let (date, time) = text.trim_end_matches('Z').split_once('T').unwrap_or((&text, ""));
    (arena.join(date), time.replace(':', ""))
}

/// The streams that could be begun for this name, best first: the name itself, then with a number. None of them is in use in any form.
pub(super) fn free_streams(folder: &Path, name: &str) -> impl Iterator<Item = PathBuf> {
    numbered(folder.to_owned(), name.to_owned())
        .filter(|plain| {
            let taken = [STREAM, FINISHED, "arrows.damaged"].map(|ending| ended(plain, ending));
            !taken.iter().any(|path| path.exists())
        })
        .map(|plain| ended(&plain, STREAM))
}

/// The finished file of a stream, and others to take where that one stands.
pub(super) fn finished_of(stream: &Path) -> impl Iterator<Item = PathBuf> {
    split(stream).map(|plain| ended(&plain, FINISHED))
}

/// Where the torn stream is kept.
pub(super) fn damaged_of(stream: &Path) -> impl Iterator<Item = PathBuf> {
    split(stream).map(|plain| ended(&ended(&plain, STREAM), DAMAGED))
}

/// `path.ending`
pub(super) fn ended(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(ending);
    name.into()
}

fn split(stream: &Path) -> impl Iterator<Item = PathBuf> {
    let folder = stream.parent().map(Path::to_owned).unwrap_or_default();
    let name = stream.file_stem().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    numbered(folder, name)
}

/// `name`, `name-2`, `name-3`, …
fn numbered(folder: PathBuf, name: String) -> impl Iterator<Item = PathBuf> {
    (1..MOST).map(move |n| folder.join(if n == 1 { name.clone() } else { format!("{name}-{n}") }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_named_after_its_first_frame() {
        let (folder, name) = place(Path::new("d/a1"), WallTime(1_795_242_780_123_456_789));
        assert_eq!((folder, name.as_str()), ("d/a1/2026-11-21".into(), "063300.123"));
        assert_eq!(
            free_streams(Path::new("d/none"), &name).take(2).collect::<Vec<_>>(),
            ["d/none/063300.123.arrows", "d/none/063300.123-2.arrows"].map(PathBuf::from)
        );
        assert_eq!(
            damaged_of(Path::new("d/063300.123.arrows")).next(),
            Some(PathBuf::from("d/063300.123.arrows.damaged"))
        );
    }
}
