//! Recordings of every kind, whole and damaged.

use super::*;
use crate::source::annexb;
use std::path::PathBuf;

fn recording(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/recordings").join(name)
}

fn units(path: &Path) -> Vec<AccessUnit> {
    FileSource::open(path).unwrap().map(Result::unwrap).collect()
}

/// The slices of each unit, without parameter sets and the like.
fn slices(units: &[AccessUnit]) -> Vec<Vec<&[u8]>> {
    use annexb::NalKind::{KeySlice, Slice};
    let is_slice = |unit: &AccessUnit, nal: &[u8]| matches!(annexb::kind(unit.codec, nal), Some(KeySlice | Slice));
    units.iter().map(|unit| annexb::nals(&unit.data).filter(|nal| is_slice(unit, nal)).collect()).collect()
}

/// A fresh folder with one file of this name and content.
fn folder_with(name: &str, content: &[u8]) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, content).unwrap();
    (folder, path)
}

/// The words of the first error, with the folder left out.
fn words(path: &Path) -> String {
    let error = match FileSource::open(path) {
        Err(error) => error,
        Ok(mut source) => source.find_map(Result::err).expect("no error"),
    };
    let folder = path.parent().unwrap().display().to_string();
    error.to_string().replace(&folder, "")
}

#[test]
fn an_mp4_gives_its_pictures_in_decoding_order_with_their_own_times() {
    let units = units(&recording("h264.mp4"));
    let times: Vec<i64> = units.iter().map(|unit| unit.presentation / 9000).collect();
    assert_eq!(times, [0, 3, 1, 2, 5, 4, 6, 9, 7, 8, 11, 10]);
    let keys: Vec<usize> = (0..12).filter(|n| units[*n].key).collect();
    assert_eq!(keys, [0, 6]);
    assert!(keys.iter().all(|n| annexb::has_parameter_sets(Codec::H264, &units[*n].data)));
}

#[test]
fn stamps_are_the_recordings_own_and_the_same_in_each_run() {
    let path = recording("h264.mp4");
    let start = WallTime(1_000_000_000_000);
    let units: Vec<AccessUnit> = FileSource::open_at(&path, start).unwrap().map(Result::unwrap).collect();
    assert_eq!(
        units[1].stamp,
        Stamp {
            frame: 1,
            captured: WallTime(1_000_300_000_000),
            captured_error_ns: 0,
            capture_clock: CaptureClock::Recording,
            arrived: Monotonic(300_000_000),
        }
    );
    let again: Vec<Stamp> = FileSource::open_at(&path, start).unwrap().map(|unit| unit.unwrap().stamp).collect();
    assert_eq!(units.iter().map(|unit| unit.stamp).collect::<Vec<_>>(), again);
    assert_eq!(units.iter().filter(|unit| unit.restart).count(), 1);
}

#[test]
fn fragments_hold_the_same_pictures_as_tables() {
    let (tables, fragments) = (units(&recording("h264.mp4")), units(&recording("h264_fragments.mp4")));
    assert_eq!(slices(&tables), slices(&fragments));
    let times = |units: &[AccessUnit]| units.iter().map(|unit| unit.presentation).collect::<Vec<_>>();
    assert_eq!(times(&tables), times(&fragments));
}

#[test]
fn raw_streams_hold_the_same_pictures_as_their_mp4() {
    for (mp4, raw) in [("h264.mp4", "h264.h264"), ("h265.mp4", "h265.h265")] {
        let (mp4, raw) = (units(&recording(mp4)), units(&recording(raw)));
        assert_eq!(slices(&mp4), slices(&raw));
        let keys = |units: &[AccessUnit]| units.iter().map(|unit| unit.key).collect::<Vec<_>>();
        assert_eq!(keys(&mp4), keys(&raw));
        assert_eq!(raw[2].presentation, 6000);
    }
}

#[test]
fn h265_starts_at_its_open_groups_too() {
    let units = units(&recording("h265.mp4"));
    let keys: Vec<usize> = (0..12).filter(|n| units[*n].key).collect();
    assert_eq!(keys, [0, 4]);
    assert!(annexb::has_parameter_sets(Codec::H265, &units[4].data));
}

#[test]
fn the_length_is_known_where_an_index_is() {
    let length = |name| FileSource::open(&recording(name)).unwrap().len();
    assert_eq!([length("h264.mp4"), length("h264.h264"), length("still.png")], [Some(12), None, Some(1)]);
}

#[test]
fn a_folder_gives_its_pictures_in_name_order() {
    let folder = tempfile::tempdir().unwrap();
    let (jpg, png) = (std::fs::read(recording("still.jpg")).unwrap(), std::fs::read(recording("still.png")).unwrap());
    for (name, content) in [("b.JPG", &jpg), ("a.png", &png), ("c.txt", &jpg), (".d.png", &png)] {
        std::fs::write(folder.path().join(name), content).unwrap();
    }
    let units = units(folder.path());
    let told: Vec<_> = units.iter().map(|unit| (unit.codec, unit.key, unit.presentation)).collect();
    assert_eq!(told, [(Codec::Png, true, 0), (Codec::Jpeg, true, 3000)]);
    assert_eq!(units[1].data, jpg);
}

#[test]
fn what_is_no_recording_is_said_so() {
    let (_folder, missing) = (tempfile::tempdir().unwrap(), Path::new("/nowhere/video.mp4"));
    assert_eq!(
        words(missing),
        "/video.mp4: no such file or directory (os error 2); a readable file or folder is needed; check the path and its \
         permissions"
    );
    let jpg = std::fs::read(recording("still.jpg")).unwrap();
    let kinds = ".mp4, .h264, .h265, .png, .jpg and folders of .png or .jpg";
    let videos = "whole .mp4 files with an H.264 or H.265 video track";
    for (name, content, got, allowed) in [
        ("a.mp4", &[][..], "is empty", kinds),
        ("a.avi", &jpg, "has the ending \"avi\"", kinds),
        ("a.mp4", &jpg, "is not an .mp4 file", videos),
        ("a.h264", &jpg, "is not an H.264 stream", "H.264 streams with start codes (Annex B)"),
        ("a.h265", b"\0\0\x01\x67\0", "is not an H.265 stream", "H.265 streams with start codes (Annex B)"),
        ("a.png", b"GIF89a", "is neither a PNG nor a JPEG", "PNG and JPEG pictures"),
    ] {
        let (_folder, path) = folder_with(name, content);
        let whole = format!("/{name}: {got}; allowed are {allowed}; give another file or make this one anew");
        assert_eq!(words(&path), whole);
    }
}

#[test]
fn an_empty_folder_is_said_so() {
    let folder = tempfile::tempdir().unwrap();
    assert!(words(folder.path()).contains(": holds no pictures; allowed are files that end in .png, .jpg or .jpeg; "));
}

#[test]
fn a_codec_that_nothing_decodes_is_named() {
    assert_eq!(
        words(&recording("mpeg4.mp4")),
        "/mpeg4.mp4: holds video as mp4v; allowed are whole .mp4 files with an H.264 or H.265 video track; give another \
         file or make this one anew"
    );
}

#[test]
fn a_recording_that_is_cut_off_gives_what_is_there_and_then_says_so() {
    let whole = std::fs::read(recording("h264.mp4")).unwrap();
    let (_folder, path) = folder_with("cut.mp4", &whole[..whole.len() - 100]);
    let mut source = FileSource::open(&path).unwrap();
    let good = source.by_ref().take_while(Result::is_ok).count();
    assert!((8..12).contains(&good), "{good}");
    assert!(source.next().is_none());
    let whole_words = format!(
        "/cut.mp4: is cut off: picture {} of 12 lies behind its end; allowed are whole .mp4 files with an H.264 or H.265 \
         video track; give another file or make this one anew",
        good + 1
    );
    assert_eq!(words(&path), whole_words);
}

#[test]
fn a_recording_without_its_index_is_said_so() {
    let whole = std::fs::read(recording("h264.mp4")).unwrap();
    let (_folder, path) = folder_with("cut.mp4", &whole[..500]);
    assert!(words(&path).starts_with("/cut.mp4: has no index (moov): the recording was not finished; "));
}

#[test]
fn absurd_sizes_are_refused_without_being_believed() {
    let mut bytes = std::fs::read(recording("h264.mp4")).unwrap();
    let sizes = bytes.windows(4).position(|four| four == b"stsz").unwrap();
    bytes[sizes + 8..sizes + 16].copy_from_slice(&[0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff]);
    let (_folder, path) = folder_with("a.mp4", &bytes);
    assert!(words(&path).starts_with("/a.mp4: is damaged: its table of sizes is too short; "));
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(400))]
    #[test]
    fn no_damage_to_a_recording_panics(
        name in proptest::sample::select(vec!["h264.mp4", "h264_fragments.mp4", "h265.mp4", "h264.h264", "h265.h265"]),
        cut in 0.0f64..1.2,
        changes in proptest::collection::vec((0.0f64..1.0, proptest::prelude::any::<u8>()), 0..30),
    ) {
        let path = recording(name);
        let mut bytes = std::fs::read(&path).unwrap();
        for (place, value) in changes {
            let index = (place * bytes.len() as f64) as usize;
            bytes[index] = value;
        }
        let kept = ((bytes.len() as f64 * cut) as usize).clamp(1, bytes.len());
        let (_folder, path) = folder_with(name, &bytes[..kept]);
        if let Ok(source) = FileSource::open(&path) {
            let _ = source.count();
        }
    }

    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 1..400), ending in 0usize..3) {
        let (_folder, path) = folder_with(["a.mp4", "a.h264", "a.h265"][ending], &bytes);
        if let Ok(source) = FileSource::open(&path) {
            let _ = source.count();
        }
    }
}
