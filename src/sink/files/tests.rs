//! What rolling files promise, on a disk that works and on one that does not.

use super::*;
use crate::handover::{Animal, GapReason, Identity, Keypoint, LiveName, MAX_KEYPOINTS, Scene, State, TrackId, Zone};
use crate::sink::disk::faulty::FaultyDisk;
use crate::space::InCamera;
use crate::stamp::{Stamp, WallTime};
use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, UInt64Type};
use arrow_array::{Array, RecordBatch};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

const START: i64 = 1_795_242_780_123_000_000;

fn config(folder: &Path) -> config::Files {
    config::Files {
        folder: folder.to_owned(),
        rotate_after: Duration::from_secs(3600),
        rotate_bytes: 1 << 30,
        flush_every: Duration::from_millis(100),
    }
}

fn info() -> FileInfo {
    let corners = vec![(0.0, 0.0), (9.0, 0.0), (9.0, 9.0)];
    FileInfo {
        arena: "a1".into(),
        model: "mice".into(),
        keypoints: vec!["nose".into(), "tail".into()],
        skeleton: vec![["nose".into(), "tail".into()]],
        identities: vec!["R".into(), "G".into()],
        colours: vec!["#ff0000".into(), "#00ff00".into()],
        zones: vec![config::ZoneArea { name: "Nest".into(), sheltered: true, corners }],
    }
}

fn animal(identity: Option<u8>) -> Animal {
    let mut keypoints = [None; MAX_KEYPOINTS];
    keypoints[0] = Some(Keypoint { at: InCamera { x: 3.5, y: 4.25 }, score: 0.75 });
    Animal {
        identity: identity.map(Identity),
        p: 0.5,
        track: Some(TrackId(7)),
        state: State::Seen,
        centre: Some(InCamera { x: 1.5, y: 2.5 }),
        zone: Some(Zone(0)),
        keypoints,
        predicted: Default::default(),
        vanished: None,
    }
}

/// Frame `frame` of 10 frames/s with both animals.
fn scene(frame: u64) -> Scene {
    let captured = WallTime(START + frame as i64 * 100_000_000);
    let stamp = Stamp { frame, captured, captured_error_ns: 1_500_000, ..Stamp::default() };
    let mut scene = Scene { stamp, ..Scene::default() };
    scene.animals.extend([animal(Some(0)), animal(Some(1))]);
    scene
}

fn open_writer(folder: &Path) -> FilesWriter {
    FilesWriter::new(config(folder), info(), Arc::default()).expect("starts")
}

fn write(writer: &mut FilesWriter, frames: impl IntoIterator<Item = u64>) {
    frames.into_iter().for_each(|frame| writer.write(&Settled::as_live(scene(frame))));
}

/// Every file below, sorted, as paths below the folder.
fn tree(folder: &Path) -> Vec<String> {
    let mut all = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(one) = folders.pop() {
        for entry in fs::read_dir(one).expect("reads").flatten() {
            match entry.path() {
                path if path.is_dir() => folders.push(path),
                path => all.push(path.strip_prefix(folder).expect("below").display().to_string()),
            }
        }
    }
    all.sort();
    all
}

fn read(file: &Path) -> RecordBatch {
    let builder = ParquetRecordBatchReaderBuilder::try_new(File::open(file).expect("opens")).expect("is parquet");
    let mut batches = builder.with_batch_size(1 << 20).build().expect("reads");
    batches.next().expect("has rows").expect("reads")
}

fn numbers(batch: &RecordBatch, column: &str) -> Vec<Option<u64>> {
    batch[column].as_primitive::<UInt64Type>().iter().collect()
}

fn floats(batch: &RecordBatch, column: &str) -> Vec<Option<f32>> {
    batch[column].as_primitive::<Float32Type>().iter().collect()
}

fn words(batch: &RecordBatch, column: &str) -> Vec<Option<String>> {
    batch[column].as_string::<i32>().iter().map(|word| word.map(str::to_owned)).collect()
}

/// The frames written and those told as missing, sorted, in all Parquet files below.
fn frames(folder: &Path) -> (Vec<u64>, Vec<u64>) {
    let (mut written, mut missing) = (Vec::new(), Vec::new());
    for file in tree(folder).iter().filter(|name| name.ends_with(".parquet")) {
        let batch = read(&folder.join(file));
        for (frame, gap) in numbers(&batch, "frame").into_iter().zip(numbers(&batch, "gap_frames")) {
            let frame = frame.expect("every row has one");
            match gap {
                None => written.push(frame),
                Some(count) => missing.extend(frame..frame + count),
            }
        }
    }
    written.sort_unstable();
    written.dedup();
    missing.sort_unstable();
    (written, missing)
}

/// Each frame of `0..count` is written or told as missing, and none is both or told twice.
fn assert_accounted(folder: &Path, count: u64, what: &str) {
    let (mut all, missing) = frames(folder);
    all.extend(missing);
    all.sort_unstable();
    assert_eq!(all, (0..count).collect::<Vec<_>>(), "{what}");
}

#[test]
fn a_scene_reads_back_with_nulls_where_nothing_is_known() {
    let folder = tempfile::tempdir().expect("folder");
    let mut writer = open_writer(folder.path());
    let mut first = scene(3);
    first.gaps.note(crate::handover::Gap { first: 1, last: 2, reason: GapReason::Late });
    first.animals[1] = animal(None);
    first.animals[1].predicted.insert(0);
    let unseen = Animal {
        track: None,
        state: State::Unseen,
        centre: None,
        zone: None,
        keypoints: [None; MAX_KEYPOINTS],
        ..animal(Some(1))
    };
    first.animals.push(unseen).expect("room");
    writer.write(&Settled::as_live(first.clone()));
    let nobody = Scene { stamp: Stamp { frame: 4, ..first.stamp }, ..Scene::default() };
    writer.write(&Settled::as_live(nobody));
    let files = writer.finish().expect("finishes");
    assert_eq!(files, [folder.path().join("a1/2026-11-21/063300.423.parquet")]);
    let batch = read(&files[0]);
    let word = |text: &str| Some(text.to_owned());
    assert_eq!(numbers(&batch, "frame"), [1, 3, 3, 3, 4].map(Some));
    assert_eq!(words(&batch, "state"), ["gap", "seen", "seen", "unseen", "unseen"].map(word));
    assert_eq!(words(&batch, "identity"), [None, word("R"), None, word("G"), None]);
    assert_eq!(words(&batch, "live_identity"), words(&batch, "identity"));
    assert_eq!(floats(&batch, "live_p"), floats(&batch, "p"));
    assert_eq!(words(&batch, "zone"), [None, word("Nest"), word("Nest"), None, None]);
    assert_eq!(words(&batch, "capture_clock")[..2], [None, word("recording")]);
    assert_eq!(words(&batch, "gap_reason"), [word("late"), None, None, None, None]);
    assert_eq!(numbers(&batch, "gap_frames"), [Some(2), None, None, None, None]);
    assert_eq!(floats(&batch, "captured_error_ms")[..2], [None, Some(1.5)]);
    assert_eq!(floats(&batch, "p"), [None, Some(0.5), Some(0.5), None, None]);
    assert_eq!(floats(&batch, "x")[..4], [None, Some(1.5), Some(1.5), None]);
    assert_eq!(floats(&batch, "nose_y")[..4], [None, Some(4.25), Some(4.25), None]);
    assert_eq!(batch["tail_score"].null_count(), 5);
    let nose_seen = batch["nose_seen"].as_boolean();
    assert_eq!(nose_seen.iter().collect::<Vec<_>>(), [None, Some(true), Some(false), None, None]);
    assert_eq!(batch["tail_seen"].null_count(), 5);
    let about = ParquetRecordBatchReaderBuilder::try_new(File::open(&files[0]).expect("opens")).expect("is parquet");
    assert_eq!(about.schema().metadata().get("arenad.run").map(String::as_str), Some("2026-11-21T06:33:00.423000Z"));
}

#[test]
fn the_live_name_stands_beside_the_settled_one() {
    let folder = tempfile::tempdir().expect("folder");
    let mut writer = open_writer(folder.path());
    let mut settled = Settled::as_live(scene(0));
    settled.live[0] = LiveName { identity: Some(Identity(1)), p: Some(0.75) };
    settled.live[1] = LiveName::default();
    writer.write(&settled);
    let files = writer.finish().expect("finishes");
    let batch = read(&files[0]);
    assert_eq!(words(&batch, "identity"), ["R", "G"].map(|name| Some(name.to_owned())));
    assert_eq!(words(&batch, "live_identity"), [Some("G".to_owned()), None]);
    assert_eq!(floats(&batch, "live_p"), [Some(0.75), None]);
}

#[test]
fn a_stream_torn_at_any_byte_gives_all_its_whole_batches() {
    let folder = tempfile::tempdir().expect("folder");
    let mut writer = open_writer(folder.path());
    write(&mut writer, [0, 1, 2]);
    let stream = folder.path().join("a1/2026-11-21/063300.123.arrows");
    let good = fs::metadata(&stream).expect("stands").len();
    write(&mut writer, [3, 4]);
    drop(writer);
    let torn = File::options().write(true).open(&stream).expect("opens");
    let rows = |stream: &Path| {
        let mut file = StreamFile::open(stream).expect("opens");
        let rows: usize = file.by_ref().map(|batch| batch.num_rows()).sum();
        (rows, file.is_damaged())
    };
    let (all, _) = rows(&stream);
    let whole = fs::metadata(&stream).expect("stands").len();
    assert!(whole > good + 1000);
    for length in (good + 1..whole).rev() {
        torn.set_len(length).expect("cuts");
        let (kept, damaged) = rows(&stream);
        assert!(kept < all && kept >= 4 && damaged, "cut at {length}: {kept} rows");
    }
    torn.set_len(good).expect("cuts");
    let kept = rows(&stream);
    assert!(!kept.1);
    // A disk that lost its power: the length is there, the bytes are not.
    torn.set_len(whole).expect("lengthens");
    assert_eq!(rows(&stream), (kept.0, true));
    torn.set_len(100).expect("cuts");
    assert_eq!(rows(&stream), (0, true));
}

#[test]
fn a_damaged_byte_never_ends_the_program() {
    let folder = tempfile::tempdir().expect("folder");
    let mut writer = open_writer(folder.path());
    write(&mut writer, [0, 1]);
    drop(writer);
    let stream = folder.path().join("a1/2026-11-21/063300.123.arrows");
    let bytes = fs::read(&stream).expect("stands");
    for at in (0..bytes.len()).step_by(5) {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x5a;
        fs::write(&stream, &damaged).expect("written");
        // How much of it is left does not matter here: the reader ends by itself.
        let _rows: usize = StreamFile::open(&stream).expect("opens").map(|batch| batch.num_rows()).sum();
    }
}

#[test]
fn the_next_start_finishes_what_a_crash_left() {
    let folder = tempfile::tempdir().expect("folder");
    let mut writer = open_writer(folder.path());
    write(&mut writer, 0..10);
    drop(writer);
    let stream = folder.path().join("a1/2026-11-21/063300.123.arrows");
    let length = fs::metadata(&stream).expect("stands").len();
    File::options().write(true).open(&stream).and_then(|file| file.set_len(length - 1)).expect("cuts");
    let mut next = open_writer(folder.path());
    assert_eq!(next.finish().expect("finishes"), [stream.with_extension("parquet")]);
    assert_eq!(tree(folder.path()), ["a1/2026-11-21/063300.123.arrows.damaged", "a1/2026-11-21/063300.123.parquet"]);
    let (written, _) = frames(folder.path());
    assert!(written.len() >= 8 && written.len() < 10, "{written:?}");
}

#[test]
fn a_crash_before_the_stream_was_removed_leaves_one_copy() {
    let folder = tempfile::tempdir().expect("folder");
    let mut writer = open_writer(folder.path());
    write(&mut writer, 0..10);
    let stream = folder.path().join("a1/2026-11-21/063300.123.arrows");
    writer.flush();
    let copy = fs::read(&stream).expect("reads");
    writer.finish().expect("finishes");
    fs::write(&stream, copy).expect("writes");
    open_writer(folder.path()).finish().expect("finishes");
    assert_eq!(tree(folder.path()), ["a1/2026-11-21/063300.123.parquet"]);
}

/// Frames that a writer saw live, and how many of them were settled when it was dropped without a word.
fn crashed(folder: &Path, live: u64, settled: u64) {
    let mut writer = open_writer(folder);
    for frame in 0..live {
        let mut scene = scene(frame);
        if frame == 25 {
            scene.stamp.frame = 27;
            scene.gaps.note(crate::handover::Gap { first: 25, last: 26, reason: GapReason::Late });
        }
        writer.note_live(&scene);
    }
    write(&mut writer, 0..settled);
    writer.flush();
}

#[test]
fn a_crash_leaves_the_live_rows_of_what_was_not_settled() {
    for settled in [0, 1, 10, 25] {
        let folder = tempfile::tempdir().expect("folder");
        crashed(folder.path(), 26, settled);
        assert!(folder.path().join("a1/unsettled.live").exists());
        let files = open_writer(folder.path()).finish().expect("finishes");
        assert_accounted(folder.path(), 28, "after a crash");
        let names = |file: &PathBuf| {
            let file = ParquetRecordBatchReaderBuilder::try_new(File::open(file).expect("opens")).expect("is parquet");
            file.schema().metadata().get("arenad.names").cloned().expect("says")
        };
        let rows: usize = files.iter().map(|file| read(file).num_rows()).sum();
        assert_eq!(rows, 26 * 2 + 1, "none twice");
        let all: Vec<_> = files.iter().map(names).collect();
        assert_eq!(all, if settled == 0 { vec!["live"] } else { vec!["settled", "live"] });
        assert!(tree(folder.path()).iter().all(|name| name.ends_with(".parquet")), "{:?}", tree(folder.path()));
    }
}

#[test]
fn a_crash_between_the_settled_rows_and_the_live_ones_tells_no_frame_twice() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("a1/unsettled.live");
    let mut writer = open_writer(folder.path());
    (0..20).for_each(|frame| writer.note_live(&scene(frame)));
    writer.flush();
    let before = fs::read(&path).expect("stands");
    write(&mut writer, 0..12);
    writer.flush();
    drop(writer);
    fs::write(&path, before).expect("writes");
    let files = open_writer(folder.path()).finish().expect("finishes");
    assert_accounted(folder.path(), 20, "after a crash");
    assert_eq!(files.iter().map(|file| read(file).num_rows()).sum::<usize>(), 40);
}

#[test]
fn nothing_unsettled_is_left_at_the_end_and_nonsense_in_its_place_is_survived() {
    let folder = tempfile::tempdir().expect("folder");
    let mut writer = open_writer(folder.path());
    (0..20).for_each(|frame| writer.note_live(&scene(frame)));
    writer.flush();
    let bytes = fs::read(folder.path().join("a1/unsettled.live")).expect("stands");
    write(&mut writer, 0..20);
    writer.finish().expect("finishes");
    assert_eq!(tree(folder.path()), ["a1/2026-11-21/063300.123.parquet"]);
    for length in (0..bytes.len()).step_by(97) {
        fs::write(folder.path().join("a1/unsettled.live"), &bytes[..length]).expect("writes");
        open_writer(folder.path()).finish().expect("finishes");
        assert_eq!(tree(folder.path()), ["a1/2026-11-21/063300.123.parquet"], "cut at {length}");
    }
}

#[test]
fn files_rotate_by_time_and_by_size() {
    let folder = tempfile::tempdir().expect("folder");
    let by_time = config::Files { rotate_after: Duration::from_secs(1), ..config(folder.path()) };
    let mut writer = FilesWriter::new(by_time, info(), Arc::default()).expect("starts");
    write(&mut writer, 0..25);
    assert_eq!(writer.finish().expect("finishes").len(), 3);
    let names = ["063300.123", "063301.123", "063302.123"].map(|name| format!("a1/2026-11-21/{name}.parquet"));
    assert_eq!(tree(folder.path()), names);
    assert_accounted(folder.path(), 25, "by time");

    let folder = tempfile::tempdir().expect("folder");
    let by_size = config::Files { rotate_bytes: 20_000, ..config(folder.path()) };
    let ledger = Arc::<Ledger>::default();
    let mut writer = FilesWriter::new(by_size, info(), Arc::clone(&ledger)).expect("starts");
    write(&mut writer, 0..200);
    let files = writer.finish().expect("finishes");
    assert!(files.len() > 3);
    assert_eq!(ledger.counters.files_finished.get(), files.len() as u64);
    assert_eq!(ledger.counters.rows_written.get(), 400);
    assert_accounted(folder.path(), 200, "by size");
}

#[test]
fn the_same_scenes_give_the_same_bytes() {
    let make = || {
        let folder = tempfile::tempdir().expect("folder");
        let mut writer = open_writer(folder.path());
        write(&mut writer, 0..30);
        let stream = fs::read(folder.path().join("a1/2026-11-21/063300.123.arrows")).expect("reads");
        let files = writer.finish().expect("finishes");
        (stream, fs::read(&files[0]).expect("reads"))
    };
    assert!(make() == make());
}

#[test]
fn no_file_is_ever_overwritten() {
    let folder = tempfile::tempdir().expect("folder");
    let day = folder.path().join("a1/2026-11-21");
    fs::create_dir_all(&day).expect("makes");
    fs::write(day.join("063300.123.parquet"), "precious").expect("writes");
    let mut writer = open_writer(folder.path());
    write(&mut writer, 0..5);
    fs::write(day.join("063300.123-2.parquet"), "precious too").expect("writes");
    assert_eq!(writer.finish().expect("finishes"), [day.join("063300.123-2-2.parquet")]);
    assert_eq!(fs::read(day.join("063300.123.parquet")).expect("reads"), b"precious");
    assert_eq!(fs::read(day.join("063300.123-2.parquet")).expect("reads"), b"precious too");
}

#[test]
fn a_disk_that_fills_at_any_byte_and_is_freed_loses_no_row() {
    for cuts in [true, false] {
        for bytes in [0, 1, 700, 5000, 9000, 12_345] {
            let what = format!("full after {bytes} bytes, cuts {cuts}");
            let (folder, disk, ledger) = (tempfile::tempdir().expect("folder"), FaultyDisk::new(), Arc::default());
            let mut writer =
                FilesWriter::on(Box::new(disk.clone()), config(folder.path()), info(), Arc::clone(&ledger))
                    .expect("starts");
            disk.fail_after(bytes, 28, cuts);
            write(&mut writer, 0..20);
            assert!(ledger.counters.disk_errors.get() >= 1, "{what}");
            disk.mend();
            write(&mut writer, 20..60);
            writer.finish().expect("finishes");
            assert_eq!(ledger.counters.rows_dropped.get(), 0, "{what}");
            assert_eq!(frames(folder.path()).0.len(), 60, "{what}");
            assert_accounted(folder.path(), 60, &what);
            let damaged = tree(folder.path()).iter().any(|name| name.ends_with("damaged"));
            assert!(!(cuts && damaged), "{what}");
        }
    }
}

#[test]
fn a_disk_that_stays_full_leaves_a_gap_and_the_daemon_goes_on() {
    let (folder, disk, ledger) = (tempfile::tempdir().expect("folder"), FaultyDisk::new(), Arc::default());
    let mut writer =
        FilesWriter::on(Box::new(disk.clone()), config(folder.path()), info(), Arc::clone(&ledger)).expect("starts");
    write(&mut writer, 0..10);
    disk.fail_after(10, 28, true);
    write(&mut writer, 10..5000);
    disk.mend();
    let mut last = scene(5002);
    last.gaps.note(crate::handover::Gap { first: 5000, last: 5001, reason: GapReason::Late });
    writer.write(&Settled::as_live(last));
    write(&mut writer, 5003..5500);
    writer.finish().expect("finishes");
    assert_accounted(folder.path(), 5500, "after an outage of 499 s");
    let dropped = ledger.counters.rows_dropped.get();
    assert!((4000..5000).contains(&dropped), "{dropped}");
    let (written, missing) = frames(folder.path());
    assert_eq!(missing.len() as u64, dropped + 2);
    assert_eq!(written.len() as u64 + dropped + 2, 5500);
}

#[test]
fn a_disk_that_is_full_at_the_end_is_an_error_that_says_so() {
    let (folder, disk, ledger) = (tempfile::tempdir().expect("folder"), FaultyDisk::new(), Arc::default());
    let mut writer =
        FilesWriter::on(Box::new(disk.clone()), config(folder.path()), info(), Arc::clone(&ledger)).expect("starts");
    write(&mut writer, 0..10);
    writer.flush();
    write(&mut writer, [10]);
    disk.fail_after(0, 28, true);
    let error = writer.finish().expect_err("full").to_string();
    let stream = folder.path().join("a1/2026-11-21/063300.123.arrows");
    assert_eq!(
        error,
        format!(
            "files: {} cannot be written: No space left on device (os error 28); free some space",
            stream.display()
        )
    );
    assert_eq!(ledger.counters.rows_dropped.get(), 1);
    disk.mend();
    assert_eq!(open_writer(folder.path()).finish().expect("finishes").len(), 1);
    assert_eq!(frames(folder.path()).0, (0..10).collect::<Vec<_>>());
}

#[test]
fn a_folder_that_cannot_be_written_is_told_at_the_start() {
    let folder = tempfile::tempdir().expect("folder");
    let file = folder.path().join("file");
    fs::write(&file, "").expect("writes");
    let start =
        |disk: FaultyDisk, at: &Path| FilesWriter::on(Box::new(disk), config(at), info(), Arc::default()).map(|_| ());
    let error = start(FaultyDisk::new(), &file).expect_err("a file").to_string();
    assert_eq!(
        error,
        format!(
            "files.folder: {}/a1 cannot be written: Not a directory (os error 20); \
             allowed: a folder that arenad may write; move the file that stands in its place",
            file.display()
        )
    );
    let disk = FaultyDisk::new();
    disk.fail_after(0, 30, true);
    let error = start(disk.clone(), folder.path()).expect_err("read only").to_string();
    assert_eq!(
        error,
        format!(
            "files.folder: {}/a1 cannot be written: Read-only file system (os error 30); \
             allowed: a folder that arenad may write; mount it writable",
            folder.path().display()
        )
    );
    disk.fail_after(0, 28, true);
    assert!(start(disk, folder.path()).is_ok(), "a full disk may be freed");
}

#[test]
#[cfg(unix)]
fn a_removed_folder_is_made_again() {
    let folder = tempfile::tempdir().expect("folder");
    let ledger = Arc::<Ledger>::default();
    let mut writer = FilesWriter::new(config(folder.path()), info(), Arc::clone(&ledger)).expect("starts");
    write(&mut writer, 0..10);
    writer.flush();
    fs::remove_dir_all(folder.path().join("a1")).expect("removes");
    write(&mut writer, 10..20);
    writer.finish().expect("finishes");
    assert_eq!(ledger.counters.disk_errors.get(), 1);
    assert_eq!(frames(folder.path()).0, (10..20).collect::<Vec<_>>());
}

#[test]
fn a_stream_that_another_daemon_writes_is_left_alone() {
    let folder = tempfile::tempdir().expect("folder");
    let mut first = open_writer(folder.path());
    write(&mut first, 0..10);
    assert_eq!(open_writer(folder.path()).finish().expect("finishes"), Vec::<PathBuf>::new());
    assert_eq!(first.finish().expect("finishes").len(), 1);
}

#[test]
fn the_thread_writes_what_it_was_offered_and_ends_once() {
    let folder = tempfile::tempdir().expect("folder");
    let ledger = Arc::<Ledger>::default();
    let handle = FilesSink::start(config(folder.path()), info(), Arc::clone(&ledger), Clock::new()).expect("starts");
    for frame in 0..20 {
        handle.offer(Settled::as_live(scene(frame)));
    }
    let mut gaps = Gaps::default();
    gaps.note_one(20, GapReason::Inference);
    handle.note_gaps(&gaps);
    handle.close();
    handle.close();
    assert_accounted(folder.path(), 21, "through the thread");
    assert_eq!(ledger.latencies.capture_to_files.count(), 20);
    assert_eq!(tree(folder.path()).len(), 1);
}

#[test]
fn scenes_without_room_are_counted_and_told_as_gaps_of_the_next_that_finds_some() {
    let shared = Shared { scenes: Line::new(1), missing: Mutex::default(), ledger: Arc::default() };
    let offer = |scene| shared.offer(Settled::as_live(scene));
    let take = || match shared.scenes.take() {
        Some(Item::Settled(settled)) => settled.scene,
        _ => panic!("a settled scene waits"),
    };
    offer(scene(0));
    let mut second = scene(2);
    second.gaps.note_one(1, GapReason::Late);
    offer(second);
    offer(scene(3));
    assert_eq!(take().stamp.frame, 0);
    offer(scene(4));
    let fourth = take();
    let ranges: Vec<_> = fourth.gaps.iter().map(|gap| (gap.first, gap.last, gap.reason)).collect();
    assert_eq!(ranges, [(1, 1, GapReason::Late), (2, 3, GapReason::Disk)]);
    assert_eq!(shared.ledger.counters.rows_dropped.get(), 2);
    assert!(lock(&shared.missing).is_empty());
}
