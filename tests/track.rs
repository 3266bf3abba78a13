//! Promise: recorded poses are the poses that were recorded, the tracker alone does with them what the line did, and no file harms it.

mod program;

use arenad::handover::{Gap, GapReason, Gaps, Keypoint, MAX_ANIMALS, MAX_KEYPOINTS, Pose, Poses};
use arenad::space::InCamera;
use arenad::stamp::{Monotonic, Stamp, WallTime};
use arenad::transcript::{
    LARGEST_SEQ, LONGEST_LINE, MOST_MISSING, Recorded, Sizes, TranscriptReader, TranscriptWriter,
};
use program::{Account, arenad, csv_numbers, files, line};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Two keypoints, two identities.
fn sizes() -> Sizes {
    Sizes::new(2, 2)
}

/// All frames of a text, and the gaps after the last.
fn read(text: &[u8], sizes: Sizes) -> Result<(Vec<Recorded>, Gaps), String> {
    let mut reader = TranscriptReader::new(text, sizes);
    let mut frames = Vec::new();
    while let Some(frame) = reader.next_frame().map_err(|error| error.to_string())? {
        frames.push(frame);
    }
    Ok((frames, reader.take_gaps()))
}

fn written(frames: &[Recorded], last: &Gaps, sizes: Sizes) -> Vec<u8> {
    let mut writer = TranscriptWriter::new(Vec::new(), sizes);
    for frame in frames {
        writer.write_frame(&frame.stamp, &frame.gaps, &frame.poses).expect("written");
    }
    writer.write_gaps(last).expect("written");
    writer.finish().expect("written")
}

fn stamp(frame: u64, nanos: i64) -> Stamp {
    Stamp { frame, captured: WallTime(nanos), arrived: Monotonic(nanos.max(0) as u64), ..Stamp::default() }
}

/// What a replay or the tracker alone wrote, without the recorded poses.
fn results(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = files(folder);
    found.remove(Path::new("poses.jsonl"));
    found
}

#[test]
fn the_tracker_alone_writes_what_the_replay_wrote() {
    let root = tempfile::tempdir().expect("a folder");
    let path = |name: &str| root.path().join(name);
    arenad(line("rehearse -o {} --minutes 0.02 --fps 20 --seed 3", &[&path("film")])).well();
    let film = path("film/video.mp4");
    // Damage in the middle of the film: frames are missing, and why is told.
    let mut bytes = std::fs::read(&film).expect("a film");
    let middle = bytes.len() / 2;
    bytes[middle..middle + 300].fill(0xff);
    std::fs::write(path("damaged.mp4"), bytes).expect("written");
    for (film, out) in [(film, "whole"), (path("damaged.mp4"), "cut")] {
        let (replayed, tracked) = (path(out), path(&format!("{out}-alone")));
        arenad(line("replay {} -o {} --engine built-in --raw-poses", &[&film, &replayed])).well();
        let said = arenad(line("track {} -o {}", &[&replayed.join("poses.jsonl"), &tracked])).well();
        assert!(said.contains(" frames/s by the tracker alone: ") && said.contains(" at p99, "), "{said}");
        assert!(results(&replayed) == results(&tracked), "{out}: the same poses gave other files");
        assert_eq!(Account::of(&tracked).gaps.is_empty(), out == "whole");
    }
}

#[test]
fn poses_of_another_program_are_tracked_under_the_names_of_their_keypoints() {
    let root = tempfile::tempdir().expect("a folder");
    let path = |name: &str| root.path().join(name);
    let mut text = String::new();
    for frame in 0..5 {
        let x = 100 + frame;
        text += &format!(
            "{{\"seq\":{frame},\"time_s\":{},\"poses\":[{{\"keypoints\":[[{x},50,0.9],[{x},80,0.9]],\"score\":0.9}}]}}\n",
            f64::from(frame) / 30.0
        );
    }
    std::fs::write(path("poses.jsonl"), text).expect("written");
    arenad(line("track {} -o {} --keypoints snout,tail", &[&path("poses.jsonl"), &path("out")])).well();
    let csv = std::fs::read_to_string(path("out/poses.csv")).expect("written");
    assert!(csv.contains("bodyparts,snout,snout,snout,tail,"), "{csv}");
    assert!(csv.contains("\n4,104.00,50.00,0.900,104.00,80.00,0.900,,"), "{csv}");
    let ended = arenad(line("track {} -o {} --keypoints snout,snout", &[&path("poses.jsonl"), &path("out")]));
    let said = "arenad: --keypoints: got snout,snout; allowed: at most 24 names, each once and none empty";
    assert_eq!((ended.code, ended.why()), (Some(2), said));
}

#[test]
fn a_wrong_line_ends_the_reading_and_what_came_before_it_is_kept() {
    let root = tempfile::tempdir().expect("a folder");
    let path = |name: &str| root.path().join(name);
    let frame = |seq: u64| format!("{{\"seq\":{seq},\"time_s\":0.{seq},\"poses\":[]}}\n");
    std::fs::write(path("poses.jsonl"), [frame(1), frame(2), frame(2), frame(3)].concat()).expect("written");
    let ended = arenad(line("track {} -o {}", &[&path("poses.jsonl"), &path("out")]));
    let said = format!(
        "arenad: {}: line 3: seq: got 2 after 2; allowed: frame numbers that rise",
        path("poses.jsonl").display()
    );
    assert_eq!((ended.code, ended.why()), (Some(2), said.as_str()));
    assert_eq!(csv_numbers(&path("out/poses.csv")), [1, 2]);
    let ended = arenad(line("track {} -o {}", &[&path("none.jsonl"), &path("out")]));
    assert!(ended.code == Some(2) && ended.why().ends_with("; give a file of recorded poses"), "{ended:?}");
}

#[test]
fn frames_that_no_line_tells_are_missing() {
    let text = "{\"seq\":4,\"time_s\":1.5,\"poses\":[]}\n\n{\"gap\":[5,6,\"late\"]}\n{\"seq\":9,\"time_s\":2,\"poses\":[]}\n\
                {\"gap\":[10,12,\"corrupt\"]}";
    let (frames, last) = read(text.as_bytes(), sizes()).expect("read");
    let numbers: Vec<_> = frames.iter().map(|frame| (frame.stamp.frame, frame.stamp.captured.0)).collect();
    assert_eq!(numbers, [(4, 1_500_000_000), (9, 2_000_000_000)]);
    assert!(frames[0].gaps.is_empty());
    let gap = |first, last, reason| Gap { first, last, reason };
    let before: Vec<_> = frames[1].gaps.iter().copied().collect();
    assert_eq!(before, [gap(5, 6, GapReason::Late), gap(7, 8, GapReason::Inference)]);
    assert_eq!(last.iter().copied().collect::<Vec<_>>(), [gap(10, 12, GapReason::Corrupt)]);
}

#[test]
fn what_may_be_left_out_is_filled_in() {
    let text = "{\"seq\":0,\"time_s\":0,\"poses\":[{\"keypoints\":[[10,20,0.5],[30,40,0.7]],\"score\":0.25}]}";
    let (frames, _) = read(text.as_bytes(), sizes()).expect("read");
    let pose = &frames[0].poses[0];
    assert_eq!((pose.centre, pose.score), (InCamera { x: 20.0, y: 30.0 }, 0.25));
    assert_eq!(pose.identity[..3], [0.5, 0.5, 0.0]);
}

#[test]
fn each_wrong_line_is_told_by_what_was_got_and_what_is_allowed() {
    let whole = "{\"seq\":0,\"time_s\":0,\"poses\":[{\"keypoints\":[[1,2,0.5],null],\"identity\":[0.5,0.5],\"coats\":[[0.9,0.1],null],\"score\":1,\"centre\":[1,2]}]}";
    read(whole.as_bytes(), sizes()).expect("read");
    let lines = "allowed: {\"seq\":…,\"time_s\":…,\"poses\":[…]} or {\"gap\":[first,last,\"reason\"]}";
    let nine = ["{\"keypoints\":[null,null],\"score\":1,\"centre\":[1,2]}"; 9].join(",");
    for (from, to, said) in [
        ("[1,2,0.5]", "[1,2]", format!(": invalid length 2, expected an array of length 3; {lines}")),
        ("[1,2,0.5]", "[1,1e400,0.5]", format!(": number out of range; {lines}")),
        ("[1,2,0.5]", "[1,NaN,0.5]", format!(": expected value; {lines}")),
        ("[1,2,0.5]", "[1,1e39,0.5]", "poses[0].keypoints: got inf; allowed: -100000 to 100000".to_owned()),
        ("[1,2,0.5]", "[-2e5,2,0.5]", "poses[0].keypoints: got -200000; allowed: -100000 to 100000".to_owned()),
        (",null]", "]", "poses[0].keypoints: got 1; allowed: 2, one for each of the model's".to_owned()),
        ("[0.5,0.5]", "[1]", "poses[0].identity: got 1; allowed: 2, one for each of the model's, or none".to_owned()),
        (
            "[[0.9,0.1],null]",
            "[[0.9,0.1],null,null]",
            "poses[0].coats: got 3; allowed: 2, one for each keypoint, or none".to_owned(),
        ),
        (
            "[0.9,0.1]",
            "[1]",
            "poses[0].coats[0]: got 1; allowed: 2, one for each of the model's identities, or null".to_owned(),
        ),
        ("[0.9,0.1]", "[0.9,-1e6]", "poses[0].coats: got -1000000; allowed: -100000 to 100000".to_owned()),
        ("\"score\":1", "\"score\":1e6", "poses[0].score: got 1000000; allowed: -100000 to 100000".to_owned()),
        ("\"centre\":[1,2]", "\"center\":[1,2]", "unknown field `center`, expected one of".to_owned()),
        (
            "[[1,2,0.5],null],\"identity\":[0.5,0.5],\"coats\":[[0.9,0.1],null],\"score\":1,\"centre\":[1,2]",
            "[null,null],\"score\":1",
            "poses[0].centre: got neither a centre nor a keypoint; allowed: one of them at least".to_owned(),
        ),
        ("\"time_s\":0", "\"time_s\":1e8", "time_s: got 100000000; allowed: -9000000 to 9000000".to_owned()),
        ("\"time_s\":0,", "", format!("got neither a whole frame nor a gap; {lines}")),
        ("\"seq\":0", "\"seq\":-1", "invalid value: integer `-1`, expected u64".to_owned()),
        ("\"seq\":0", "\"seq\":9007199254740993", format!("seq: got 9007199254740993; allowed: 0 to {LARGEST_SEQ}")),
        (whole, &whole[..52], format!(": EOF while parsing a list; {lines}")),
        (whole, "{\"gap\":[1,2,\"tired\"]}", "gap: got the reason \"tired\"; allowed: corrupt, ".to_owned()),
        (whole, "{\"gap\":[3,2,\"late\"]}", "gap: got 3 to 2; allowed: a last number from the first to ".to_owned()),
        (
            whole,
            &format!("{{\"seq\":0,\"time_s\":0,\"poses\":[{nine}]}}"),
            "poses: got 9; allowed: at most 8".to_owned(),
        ),
    ] {
        assert!(whole.contains(from), "{from}");
        let error = read(whole.replacen(from, to, 1).as_bytes(), sizes()).expect_err(to);
        assert!(error.starts_with("line 1: ") && error.contains(&said), "{to}: {error}");
    }
}

#[test]
fn a_line_that_does_not_end_and_a_night_that_is_missing_are_refused() {
    let endless = vec![b'['; LONGEST_LINE * 4];
    let said = "line 1: is longer than 65536 bytes; allowed: one frame of at most 8 poses";
    assert_eq!(read(&endless, sizes()).expect_err("refused"), said);
    let far = MOST_MISSING + 2;
    let text = format!("{{\"seq\":0,\"time_s\":0,\"poses\":[]}}\n{{\"seq\":{far},\"time_s\":1,\"poses\":[]}}\n");
    let said = "line 2: frames 1 to 1000001 are missing, 1000001 so far; allowed: at most 1000000 in one file";
    assert_eq!(read(text.as_bytes(), sizes()).expect_err("refused"), said);
}

/// Any number that a pose may have, small ones and great ones alike.
fn number() -> impl Strategy<Value = f32> {
    let sized = (0..=1e5f32.to_bits()).prop_map(f32::from_bits);
    (sized, any::<bool>()).prop_map(|(size, negative)| if negative { -size } else { size })
}

fn pose() -> impl Strategy<Value = Pose> {
    let keypoint = (number(), number(), number()).prop_map(|(x, y, score)| Keypoint { at: InCamera { x, y }, score });
    let keypoints = proptest::collection::vec(proptest::option::of(keypoint), 9);
    let identity = proptest::collection::vec(number(), 4);
    let coats = proptest::collection::vec(proptest::option::of(proptest::collection::vec(number(), 4)), 9);
    (keypoints, identity, coats, number(), number(), number()).prop_map(|(keypoints, identity, coats, score, x, y)| {
        let mut pose = Pose { centre: InCamera { x, y }, score, ..Pose::default() };
        pose.keypoints[..9].copy_from_slice(&keypoints);
        pose.identity[..4].copy_from_slice(&identity);
        for (shown, known) in pose.coats.iter_mut().zip(coats) {
            shown[..4].copy_from_slice(&known.unwrap_or(vec![0.0; 4]));
        }
        pose
    })
}

proptest! {
    #[test]
    fn what_was_written_is_read_to_the_bit(
        poses in proptest::collection::vec(proptest::collection::vec(pose(), 0..=MAX_ANIMALS), 1..4),
        steps in proptest::collection::vec(0i64..3_000_000_000, 4),
    ) {
        let mut nanos = -1_000_000_001;
        let mut frames = Vec::new();
        for (index, poses) in poses.into_iter().enumerate() {
            nanos += steps[index];
            let mut gaps = Gaps::default();
            if index > 0 {
                gaps.note(Gap { first: 5 * index as u64 + 1, last: 5 * index as u64 + 4, reason: GapReason::NoBuffer });
            }
            let poses: Poses = poses.into_iter().collect();
            frames.push(Recorded { stamp: stamp(5 * index as u64 + 5, nanos), gaps, poses });
        }
        let mut last = Gaps::default();
        last.note_one(5 * frames.len() as u64 + 1, GapReason::Corrupt);
        let sizes = Sizes::new(9, 4);
        let text = written(&frames, &last, sizes);
        let (again, after) = read(&text, sizes).expect("read");
        prop_assert_eq!(&again, &frames);
        prop_assert_eq!(&after, &last);
        prop_assert_eq!(written(&again, &after, sizes), text);
    }

    #[test]
    fn no_text_harms_the_reader(text in proptest::collection::vec(any::<u8>(), 0..400), cut in 0usize..200, at in 0usize..200) {
        let whole = b"{\"seq\":3,\"time_s\":0.5,\"poses\":[{\"keypoints\":[[1.5,2,0.5],null],\"identity\":[0.5,0.5],\"score\":1}]}\n";
        let at = at.min(whole.len());
        let end = (at + cut).min(whole.len());
        let mixed = [whole, &whole[..at], &text[..], &whole[end..], &whole[..]].concat();
        let _ = read(&text, sizes());
        let _ = read(&mixed, sizes());
    }
}

#[test]
fn what_no_tracker_takes_in_is_not_written() {
    let place = |x| Some(Keypoint { at: InCamera { x, y: 1.0 }, score: 0.5 });
    let mut keypoints = [None; MAX_KEYPOINTS];
    (keypoints[0], keypoints[1]) = (place(f32::NAN), place(2.0));
    let mut identity = [0.0; MAX_ANIMALS];
    identity[0] = f32::INFINITY;
    let mut coats = [[0.0; MAX_ANIMALS]; MAX_KEYPOINTS];
    (coats[0][1], coats[1][0]) = (f32::NAN, 0.75);
    let good = Pose { keypoints, coats, identity, score: 0.5, centre: InCamera { x: 1.0, y: 1.0 } };
    let bad = Pose { centre: InCamera { x: f32::INFINITY, y: 1.0 }, ..good.clone() };
    let frame = Recorded { stamp: stamp(0, 0), gaps: Gaps::default(), poses: [bad, good].into_iter().collect() };
    let text = String::from_utf8(written(&[frame], &Gaps::default(), sizes())).expect("text");
    let said = "{\"seq\":0,\"time_s\":0.0,\"poses\":[{\"keypoints\":[null,[2.0,1.0,0.5]],\"identity\":[0.5,0.5],\
                \"coats\":[null,[0.75,0.0]],\"score\":0.5,\"centre\":[1.0,1.0]}]}\n";
    assert_eq!(text, said);
}
