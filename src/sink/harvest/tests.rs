//! What the harvest promises: bounds, spacing, folders that are whole at any moment, and nobody else's labels touched.

use super::*;
use crate::config::{Doubts, ZoneArea};
use crate::handover::{
    Animal, Colour, FramePool, Identity, Keypoint, MAX_KEYPOINTS, PixelFormat, State, TrackId, Vanished, Zone,
};
use crate::sink::disk::DiskFile;
use crate::sink::disk::faulty::FaultyDisk;
use crate::space::InCamera;
use crate::stamp::{Stamp, WallTime};
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;
use std::{fs, io};
use table::{LABELS, REASONS};

const START: i64 = 1_795_242_780_123_456_789;
const SECOND: i64 = 1_000_000_000;
/// After this frames are settled: of 10 frames/s each is held until then.
const SETTLE: Duration = Duration::from_millis(1500);

fn info() -> FileInfo {
    let corners = vec![(0.0, 0.0), (9.0, 0.0), (9.0, 9.0)];
    let zone = |name: &str, sheltered| ZoneArea { name: name.into(), sheltered, corners: corners.clone() };
    FileInfo {
        arena: "a1".into(),
        keypoints: vec!["nose".into(), "tail, end".into()],
        identities: vec!["R".into(), "G".into()],
        zones: vec![zone("Open", false), zone("Nest", true)],
        ..FileInfo::default()
    }
}

fn config(folder: &Path, frames_max: usize) -> config::Harvest {
    let doubts = Doubts {
        score_min: 0.5,
        identity_p_min: 0.7,
        identity_change: true,
        identity_revised: true,
        missing_animals: 1,
        jump_px: 50.0,
    };
    config::Harvest {
        folder: folder.to_owned(),
        frames_max,
        bytes_max: 1 << 20,
        spacing: Duration::from_secs(1),
        label_score_min: 0.5,
        doubts,
    }
}

/// A seen animal of which nothing is doubtful.
fn animal(identity: u8) -> Animal {
    let mut keypoints = [None; MAX_KEYPOINTS];
    let at = |x, y| Some(Keypoint { at: InCamera { x, y }, score: 0.9 });
    (keypoints[0], keypoints[1]) = (at(10.0, 20.5), at(30.0, 40.125));
    Animal {
        identity: Some(Identity(identity)),
        p: 0.99,
        track: Some(TrackId(u32::from(identity) + 1)),
        state: State::Seen,
        centre: Some(InCamera { x: 20.0, y: 30.0 }),
        zone: Some(Zone(0)),
        keypoints,
        predicted: Default::default(),
        vanished: None,
    }
}

/// Frame `frame` of 10 frames/s, of which nothing is doubtful.
pub(super) fn scene(frame: u64) -> Scene {
    let captured = WallTime(START + frame as i64 * SECOND / 10);
    let mut scene = Scene { stamp: Stamp { frame, captured, ..Stamp::default() }, ..Scene::default() };
    scene.animals.extend([animal(0), animal(1)]);
    scene
}

/// The same with the first name as probable as this.
fn unsure(frame: u64, p: f32) -> Scene {
    let mut scene = scene(frame);
    scene.animals[0].p = p;
    scene
}

pub(super) fn delivery(scene: Scene) -> Delivery {
    let size = PictureSize { width: 6, height: 4 };
    let write = |_: usize, out: &mut [u8], _: usize| out.iter_mut().zip(0..).for_each(|(byte, n)| *byte = n);
    let frame = FramePool::new(1).fill(PixelFormat::Rgb, size, Colour::default(), scene.stamp, write);
    Delivery { scene, events: Default::default(), steps: Default::default(), frame }
}

fn watch() -> Watch {
    let info = info();
    Watch::new(config(Path::new(""), 1).doubts, Duration::from_secs(1), 2, 2, &info.zones)
}

fn harvester(folder: &Path, frames_max: usize) -> (Harvester, Arc<Ledger>) {
    let ledger = Arc::<Ledger>::default();
    (Harvester::new(&config(folder, frames_max), SETTLE, &info(), Arc::clone(&ledger)).expect("starts"), ledger)
}

/// Kept, replaced, refused, failed.
fn counts(ledger: &Ledger) -> [u64; 4] {
    let counters = &ledger.counters;
    [&counters.harvest_kept, &counters.harvest_replaced, &counters.harvest_refused, &counters.harvest_failed]
        .map(|counter| counter.get())
}

fn day(folder: &Path) -> PathBuf {
    folder.join("labeled-data/a1-2026-11-21")
}

/// Every row with labels has a whole picture and a reason, every picture and every reason a row; the frames, in order.
fn frames(folder: &Path) -> Vec<u64> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder.join("labeled-data")).expect("the folder").flatten() {
        let names: BTreeSet<String> = fs::read_dir(entry.path())
            .expect("read")
            .map(|e| e.expect("read").file_name().into_string().expect("text"))
            .collect();
        let read = |name: &str| fs::read_to_string(entry.path().join(name)).expect("a table");
        let (labels, reasons) = (read(LABELS), read(REASONS));
        let first = |line: &str, n: usize| line.split(',').nth(n).expect("a cell").to_owned();
        let labelled: BTreeSet<_> = labels.lines().skip(4).map(|line| first(line, 2)).collect();
        let told: BTreeSet<_> = reasons.lines().skip(1).map(|line| first(line, 0)).collect();
        let pictures: BTreeSet<_> = names.iter().filter(|name| name.ends_with(".png")).cloned().collect();
        assert_eq!((&labelled, &told), (&pictures, &pictures));
        assert_eq!(names.len(), pictures.len() + 2, "{names:?}");
        for picture in &pictures {
            let picture = image::open(entry.path().join(picture)).expect("a picture").to_rgb8();
            assert_eq!((picture.width(), picture.height(), picture.get_pixel(1, 0).0), (6, 4, [3, 4, 5]));
        }
        all.extend(labelled.iter().map(|image| image[3..11].parse::<u64>().expect("a number")));
    }
    all.sort_unstable();
    all
}

#[test]
fn each_reason_is_found_with_its_value() {
    let told = |change: &dyn Fn(&mut Scene)| {
        let mut watch = watch();
        assert_eq!(watch.look(&scene(0)), None);
        let mut scene = scene(1);
        change(&mut scene);
        watch.look(&scene).map(|doubt| (doubt.reason, doubt.value, doubt.weight))
    };
    assert_eq!(told(&|_| ()), None);
    let weak = |scene: &mut Scene| scene.animals[1].keypoints[0] = None;
    assert_eq!(told(&weak), Some((Reason::Scores, 0.45, 0.1)));
    assert_eq!(told(&|scene| scene.animals[1].p = 0.35), Some((Reason::Identity, 0.35, 0.5)));
    let renamed =
        |scene: &mut Scene| (scene.animals[0].track, scene.animals[1].track) = (Some(TrackId(2)), Some(TrackId(1)));
    assert_eq!(told(&renamed), Some((Reason::Renamed, 0.99, 1.0)));
    assert_eq!(told(&|scene| scene.animals[1].state = State::Predicted), Some((Reason::Missing, 1.0, 0.5)));
    let far = |scene: &mut Scene| {
        scene.animals[0].keypoints[1] = Some(Keypoint { at: InCamera { x: 130.0, y: 40.125 }, score: 0.9 });
    };
    assert_eq!(told(&far), Some((Reason::Jump, 100.0, 0.5)));
}

#[test]
fn an_animal_in_a_sheltered_zone_is_not_missing() {
    let told = |state, zone, vanished: Option<u8>| {
        let mut scene = scene(0);
        let animal = &mut scene.animals[0];
        (animal.state, animal.zone) = (state, zone);
        let last = |zone| Vanished { at: InCamera::default(), frame: 0, zone: Some(Zone(zone)) };
        animal.vanished = vanished.map(last);
        watch().look(&scene).map(|doubt| doubt.reason)
    };
    assert_eq!(told(State::Hidden, None, Some(1)), None);
    assert_eq!(told(State::Predicted, Some(Zone(1)), None), None);
    assert_eq!(told(State::Hidden, None, Some(0)), Some(Reason::Missing));
    assert_eq!(told(State::Hidden, Some(Zone(1)), None), Some(Reason::Missing));
    assert_eq!(told(State::Unseen, None, None), None);
    let mut open = Watch::new(config(Path::new(""), 1).doubts, Duration::ZERO, 2, 2, &info().zones[..1]);
    let mut scene = scene(0);
    scene.animals[0].state = State::Unseen;
    assert_eq!(open.look(&scene).map(|doubt| doubt.reason), Some(Reason::Missing));
}

#[test]
fn thresholds_of_zero_never_doubt() {
    let doubts = Doubts {
        score_min: 0.0,
        identity_p_min: 0.0,
        identity_change: false,
        identity_revised: false,
        missing_animals: 0,
        jump_px: 0.0,
    };
    let mut watch = Watch::new(doubts, Duration::ZERO, 2, 2, &[]);
    let mut worst = unsure(1, 0.0);
    worst.animals[0].keypoints = [None; MAX_KEYPOINTS];
    worst.animals[1].state = State::Unseen;
    worst.animals[0].identity = Some(Identity(1));
    assert_eq!((watch.look(&scene(0)), watch.look(&worst)), (None, None));
}

#[test]
fn one_moment_is_given_out_once_for_all_its_reasons() {
    let mut watch = watch();
    let given: Vec<u64> = (0..30).filter(|frame| watch.look(&unsure(*frame, 0.1)).is_some()).collect();
    assert_eq!(given, [0, 10, 20]);
    let mut two = unsure(40, 0.6);
    two.animals[1].state = State::Predicted;
    assert_eq!(watch.look(&two).map(|doubt| doubt.reason), Some(Reason::Missing));
    assert_eq!(watch.look(&unsure(41, 0.1)), None, "its name was in doubt in that moment too");
}

#[test]
fn animals_of_a_model_without_names_are_told_too() {
    let mut watch = Watch::new(config(Path::new(""), 1).doubts, Duration::ZERO, 2, 0, &[]);
    let mut one = scene(0);
    one.animals.truncate(1);
    (one.animals[0].identity, one.animals[0].p) = (None, 0.0);
    assert_eq!(watch.look(&one), None);
    assert_eq!(
        watch.look(&Scene { stamp: scene(1).stamp, ..Scene::default() }).map(|d| d.reason),
        Some(Reason::Missing)
    );
    let layout = table::Layout::new(&info().keypoints, &[]);
    let row = |cells| Row {
        image: image_of(7),
        frame: 7,
        captured: WallTime(0),
        doubt: Doubt { reason: Reason::Jump, value: 1.0, weight: 1.0 },
        bytes: 1,
        cells,
    };
    assert_eq!(
        layout.labels("a1-2026-11-21", &[row(layout.cells(&one, 0.5))]),
        "scorer,,,arenad,arenad,arenad,arenad\nbodyparts,,,nose,nose,\"tail, end\",\"tail, end\"\ncoords,,,x,y,x,y\n\
         labeled-data,a1-2026-11-21,img00000007.png,10.00,20.50,30.00,40.13\n"
    );
}

#[test]
fn the_folder_is_as_deeplabcut_has_it() {
    let folder = tempfile::tempdir().expect("folder");
    let (mut harvester, ledger) = harvester(folder.path(), 10);
    let mut first = unsure(7, 0.25);
    first.animals[0].identity = None;
    first.animals[1].keypoints[0] = Some(Keypoint { at: InCamera { x: 1.0, y: 2.0 }, score: 0.4 });
    harvester.take(&delivery(first));
    let mut second = scene(123_456_789);
    second.animals.iter_mut().for_each(|animal| animal.state = State::Predicted);
    second.stamp.captured = WallTime(START + 2 * SECOND);
    harvester.take(&delivery(second));
    let read = |name: &str| fs::read_to_string(day(folder.path()).join(name)).expect("a table");
    assert_eq!(
        read(LABELS),
        "scorer,,,arenad,arenad,arenad,arenad,arenad,arenad,arenad,arenad\nindividuals,,,R,R,R,R,G,G,G,G\n\
         bodyparts,,,nose,nose,\"tail, end\",\"tail, end\",nose,nose,\"tail, end\",\"tail, end\"\n\
         coords,,,x,y,x,y,x,y,x,y\n\
         labeled-data,a1-2026-11-21,img00000007.png,,,,,,,30.00,40.13\n\
         labeled-data,a1-2026-11-21,img123456789.png,NaN,,,,,,,\n"
    );
    assert_eq!(
        read(REASONS),
        "image,frame,captured,reason,value,doubt\n\
         img00000007.png,7,2026-11-21T06:33:00.823456Z,identity,0.250,0.6429\n\
         img123456789.png,123456789,2026-11-21T06:33:02.123456Z,missing,2.000,1.0000\n"
    );
    assert_eq!(counts(&ledger), [2, 0, 0, 0]);
}

#[test]
fn a_predicted_keypoint_is_no_label() {
    let folder = tempfile::tempdir().expect("folder");
    let (mut harvester, _) = harvester(folder.path(), 10);
    let mut scene = unsure(7, 0.25);
    scene.animals[0].predicted.insert(1);
    harvester.take(&delivery(scene));
    let labels = fs::read_to_string(day(folder.path()).join(LABELS)).expect("a table");
    assert!(labels.ends_with("img00000007.png,10.00,20.50,,,10.00,20.50,30.00,40.13\n"), "{labels}");
}

/// Frame `frame` settled with its first two names exchanged, or as it went out.
fn settled(frame: u64, exchanged: bool) -> Settled {
    let mut settled = Settled::as_live(scene(frame));
    if exchanged {
        (settled.scene.animals[0].identity, settled.scene.animals[1].identity) = (Some(Identity(1)), Some(Identity(0)));
        settled.scene.animals[0].keypoints[0].as_mut().expect("given").at.x = 11.0;
    }
    settled
}

#[test]
fn a_frame_that_was_settled_otherwise_is_kept_with_the_settled_names() {
    let folder = tempfile::tempdir().expect("temporary");
    let (mut harvester, ledger) = harvester(folder.path(), 9);
    (0..=15).for_each(|frame| harvester.take(&delivery(scene(frame))));
    (0..=15).for_each(|frame| harvester.take_settled(&settled(frame, frame == 3)));
    assert_eq!((frames(folder.path()), counts(&ledger)), (vec![3], [1, 0, 0, 0]));
    let day = day(folder.path());
    let labels = fs::read_to_string(day.join(LABELS)).expect("readable");
    assert!(
        labels
            .lines()
            .last()
            .expect("a row")
            .ends_with("img00000003.png,10.00,20.50,30.00,40.13,11.00,20.50,30.00,40.13"),
        "{labels}"
    );
    let reasons = fs::read_to_string(day.join(REASONS)).expect("readable");
    assert!(reasons.contains(",revised,0.990,0.9900"), "{reasons}");
}

#[test]
fn a_frame_that_was_kept_live_is_not_kept_again() {
    let folder = tempfile::tempdir().expect("temporary");
    let (mut harvester, ledger) = harvester(folder.path(), 9);
    harvester.take(&delivery(unsure(3, 0.5)));
    harvester.take_settled(&settled(3, true));
    assert_eq!((frames(folder.path()), counts(&ledger)), (vec![3], [1, 0, 0, 0]));
}

#[test]
fn over_restarts_the_bound_holds_and_the_most_doubtful_stay_spread_over_time() {
    let folder = tempfile::tempdir().expect("folder");
    let mut total = [0; 4];
    for run in 0..5 {
        let (mut harvester, ledger) = harvester(folder.path(), 6);
        for second in 0..20 {
            let doubtful = if second % 5 == 2 { 0.1 } else { 0.6 };
            let mut scene = unsure(second, doubtful);
            scene.stamp.captured = WallTime(START + (run * 20 + second as i64) * SECOND);
            harvester.take(&delivery(scene));
        }
        assert!(frames(folder.path()).len() <= 6);
        counts(&ledger).iter().zip(&mut total).for_each(|(count, total)| *total += count);
    }
    assert_eq!(frames(folder.path()).len(), 6);
    assert_eq!((total[0] - total[1], total[0] + total[2], total[3]), (6, 100, 0));
    let mut seconds = Vec::new();
    for entry in fs::read_dir(folder.path().join("labeled-data")).expect("the folder").flatten() {
        let text = fs::read_to_string(entry.path().join(REASONS)).expect("a table");
        for row in table::read_reasons(&text).expect("reads") {
            assert_eq!(row.doubt.value, 0.1, "{row:?}");
            seconds.push((row.captured.0 - START) / SECOND);
        }
    }
    seconds.sort_unstable();
    let widest = seconds.windows(2).map(|pair| pair[1] - pair[0]).max();
    assert!(seconds[0] <= 20 && *seconds.last().expect("frames") >= 80 && widest <= Some(40), "{seconds:?}");
}

#[test]
fn the_bytes_are_bounded_too() {
    let folder = tempfile::tempdir().expect("folder");
    let ledger = Arc::<Ledger>::default();
    let (mut harvester, _) = harvester(folder.path(), 10);
    harvester.take(&delivery(unsure(0, 0.1)));
    let size = fs::metadata(day(folder.path()).join("img00000000.png")).expect("a picture").len();
    drop(harvester);
    let config = config::Harvest { bytes_max: size * 3 + 1, ..config(folder.path(), 10) };
    let mut harvester = Harvester::new(&config, SETTLE, &info(), Arc::clone(&ledger)).expect("starts");
    (1..9).for_each(|second| harvester.take(&delivery(unsure(second * 20, 0.1))));
    assert_eq!(frames(folder.path()).len(), 3);
    assert_eq!(counts(&ledger)[3], 0);
}

/// A disk that is gone after so many calls; the call at which it goes writes half of what it was given.
#[derive(Clone)]
struct DyingDisk(Arc<AtomicU32>);

impl DyingDisk {
    fn call(&self) -> io::Result<()> {
        let left = self.0.load(Relaxed);
        self.0.store(left.saturating_sub(1), Relaxed);
        if left == 0 { Err(io::Error::from_raw_os_error(5)) } else { Ok(()) }
    }
}

impl Disk for DyingDisk {
    fn make_folder(&self, folder: &Path) -> io::Result<()> {
        self.call().and_then(|()| SystemDisk.make_folder(folder))
    }
    fn create(&self, file: &Path) -> io::Result<Box<dyn DiskFile>> {
        self.call()?;
        Ok(Box::new(DyingFile { file: SystemDisk.create(file)?, disk: self.clone() }))
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.call().and_then(|()| SystemDisk.rename(from, to))
    }
    fn replace(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.call().and_then(|()| SystemDisk.replace(from, to))
    }
    fn remove(&self, file: &Path) -> io::Result<()> {
        self.call().and_then(|()| SystemDisk.remove(file))
    }
    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        self.call().and_then(|()| SystemDisk.sync_folder(folder))
    }
}

struct DyingFile {
    file: Box<dyn DiskFile>,
    disk: DyingDisk,
}

impl io::Write for DyingFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Err(error) = self.disk.call() {
            self.file.write_all(&bytes[..bytes.len() / 2])?;
            return Err(error);
        }
        self.file.write(bytes)
    }
    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl DiskFile for DyingFile {
    fn sync(&mut self) -> io::Result<()> {
        self.disk.call().and_then(|()| self.file.sync())
    }
    fn cut(&mut self, length: u64) -> io::Result<()> {
        self.disk.call().and_then(|()| self.file.cut(length))
    }
    fn is_removed(&self) -> bool {
        self.file.is_removed()
    }
}

#[test]
fn a_crash_at_any_moment_leaves_a_folder_that_is_whole_after_the_next_start() {
    // A frame that replaces another in the same folder, at each call to the disk that this takes.
    for calls in 0.. {
        let folder = tempfile::tempdir().expect("folder");
        let disk = DyingDisk(Arc::new(AtomicU32::new(u32::MAX)));
        let ledger = Arc::<Ledger>::default();
        let config = config(folder.path(), 2);
        let mut dying =
            Harvester::on(Box::new(disk.clone()), &config, SETTLE, &info(), Arc::clone(&ledger)).expect("starts");
        (0..2).for_each(|second| dying.take(&delivery(unsure(second * 20, 0.5))));
        disk.0.store(calls, Relaxed);
        dying.take(&delivery(unsure(30, 0.1)));
        let done = counts(&ledger)[3] == 0;
        // Here the process is gone.
        drop(dying);
        let (mut next, _) = harvester(folder.path(), 2);
        let kept = frames(folder.path());
        assert!([vec![0, 20], vec![0], vec![0, 30]].contains(&kept) && (!done || kept.len() == 2), "{calls}: {kept:?}");
        next.take(&delivery(unsure(100, 0.1)));
        assert!(frames(folder.path()).ends_with(&[100]), "{calls}");
        if done {
            assert!(calls > 20);
            return;
        }
    }
}

#[test]
fn a_disk_that_is_full_for_a_while_costs_the_frames_of_that_while() {
    let folder = tempfile::tempdir().expect("folder");
    let disk = FaultyDisk::new();
    let ledger = Arc::<Ledger>::default();
    let config = config(folder.path(), 10);
    let mut harvester =
        Harvester::on(Box::new(disk.clone()), &config, SETTLE, &info(), Arc::clone(&ledger)).expect("starts");
    for second in 0..6 {
        match second {
            2 => disk.fail_after(100, 28, true),
            4 => disk.mend(),
            _ => {}
        }
        harvester.take(&delivery(unsure(second * 20, 0.1)));
    }
    assert_eq!(counts(&ledger), [4, 0, 0, 2]);
    assert_eq!(frames(folder.path()), [0, 20, 80, 100]);
}

#[test]
fn what_somebody_corrected_is_never_touched_again() {
    type Correction<'a> = (&'a str, &'a dyn Fn(&Path));
    let corrections: [Correction<'_>; 4] = [
        ("saved in DeepLabCut", &|day| fs::write(day.join("CollectedData_arenad.h5"), "h5").expect("written")),
        ("another scorer", &|day| fs::write(day.join("CollectedData_me.csv"), "x").expect("written")),
        ("a cell changed", &|day| {
            let text = fs::read_to_string(day.join(LABELS)).expect("a table");
            fs::write(day.join(LABELS), text.replacen("10.00", "11.5", 1)).expect("written");
        }),
        ("garbage", &|day| fs::write(day.join(LABELS), b"\xff\xfe\0garbage").expect("written")),
    ];
    for (what, correct) in corrections {
        for restart in [false, true] {
            let folder = tempfile::tempdir().expect("folder");
            let (mut harvester, mut ledger) = harvester(folder.path(), 2);
            (0..2).for_each(|second| harvester.take(&delivery(unsure(second * 20, 0.5))));
            correct(&day(folder.path()));
            let before = contents(&day(folder.path()));
            if restart {
                (harvester, ledger) = self::harvester(folder.path(), 3);
            }
            (2..5).for_each(|second| harvester.take(&delivery(unsure(second * 20, 0.1))));
            assert_eq!(contents(&day(folder.path())), before, "{what}, restart {restart}");
            assert_eq!(counts(&ledger)[3], 0, "{what}, restart {restart}");
            let second = folder.path().join("labeled-data/a1-2026-11-21-2");
            assert!(contents(&second).len() >= 4, "{what}, restart {restart}");
        }
    }
}

/// Every file of a folder with its bytes.
fn contents(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("read").path());
    let mut files: Vec<_> = entries.map(|path| (path.clone(), fs::read(path).expect("read"))).collect();
    files.sort();
    files
}

#[test]
fn hostile_folders_are_left_alone() {
    let head = "image,frame,captured,reason,value,doubt\n";
    let row = "img00000007.png,7,2026-11-21T06:33:00.823456Z,identity,0.250,0.6429\n";
    let labels = table::Layout::new(&info().keypoints, &info().identities).labels("a1-2026-11-21", &[]);
    let line = "labeled-data,a1-2026-11-21,img00000007.png,,,,,,,30.00,40.13\n";
    let cases: Vec<Vec<(&str, String)>> = vec![
        vec![("notes.txt", "mine".into())],
        vec![("img00000001.png", "mine".into()), ("img00000002.png.tmp", "mine".into())],
        vec![(LABELS, labels.clone())],
        vec![(REASONS, "garbage\n".into())],
        vec![(REASONS, format!("{head}{row}img\n")), (LABELS, labels.clone())],
        vec![(REASONS, format!("{head}{row}").replace("0.6429", "NaN")), (LABELS, labels.clone())],
        vec![(REASONS, format!("{head}{row}").replace(",7,", ",8,")), (LABELS, labels.clone())],
        vec![(REASONS, format!("{head}{row}").replace("img00000007", "../../img00000007")), (LABELS, labels.clone())],
        vec![(REASONS, format!("{head}{row}").replace("2026-11-21T", "9999-99-99T")), (LABELS, labels.clone())],
        vec![(REASONS, format!("{head}{row}{row}"))],
        vec![(REASONS, head.into()), (LABELS, format!("{labels}{line}"))],
        vec![(REASONS, format!("{head}{row}")), (LABELS, format!("{labels}{line}{line}"))],
        vec![(REASONS, format!("{head}{row}")), (LABELS, format!("{labels}{}", line.replace(",30.00", "")))],
        vec![(REASONS, format!("{head}{row}")), (LABELS, format!("{labels}{}", line.trim_end()))],
        vec![(REASONS, format!("{head}{row}")), (LABELS, labels.replace("nose", "snout"))],
        vec![(REASONS, format!("{head}{row}")), (LABELS, String::new())],
    ];
    for files in cases {
        let folder = tempfile::tempdir().expect("folder");
        fs::create_dir_all(day(folder.path())).expect("made");
        for (name, text) in &files {
            fs::write(day(folder.path()).join(name), text).expect("written");
        }
        let before = contents(&day(folder.path()));
        let (mut harvester, ledger) = harvester(folder.path(), 2);
        harvester.take(&delivery(unsure(0, 0.1)));
        assert_eq!(contents(&day(folder.path())), before);
        assert_eq!(counts(&ledger), [1, 0, 0, 0], "{files:?}");
        assert_eq!(contents(&folder.path().join("labeled-data/a1-2026-11-21-2")).len(), 3);
    }
}

#[test]
fn a_torn_picture_and_what_a_crash_left_are_cleared_away() {
    let folder = tempfile::tempdir().expect("folder");
    let (mut harvester, _) = harvester(folder.path(), 10);
    (0..3).for_each(|second| harvester.take(&delivery(unsure(second * 20, 0.5))));
    let file = |name: &str| day(folder.path()).join(name);
    let whole = fs::read(file("img00000020.png")).expect("read");
    fs::write(file("img00000020.png"), &whole[..whole.len() / 2]).expect("written");
    fs::remove_file(file("img00000040.png")).expect("removed");
    fs::write(file("img00000060.png.tmp"), "half").expect("written");
    let (_harvester, _) = self::harvester(folder.path(), 3);
    assert_eq!(frames(folder.path()), [0]);
}

#[test]
fn a_clock_at_its_ends_is_survived() {
    let folder = tempfile::tempdir().expect("folder");
    let (mut harvester, ledger) = harvester(folder.path(), 10);
    for (frame, captured) in [i64::MIN, i64::MAX, -1, 0].into_iter().enumerate() {
        let mut scene = unsure(frame as u64, 0.1);
        scene.stamp.captured = WallTime(captured);
        harvester.take(&delivery(scene));
    }
    assert_eq!(counts(&ledger)[3], 0);
    assert!(frames(folder.path()).len() >= 3);
    drop(harvester);
    let _ = self::harvester(folder.path(), 10);
}

#[test]
fn runs_of_one_day_with_the_same_frame_numbers_keep_both_pictures() {
    let folder = tempfile::tempdir().expect("folder");
    for run in 0..2 {
        let (mut harvester, _) = harvester(folder.path(), 10);
        let mut scene = unsure(5, 0.1);
        scene.stamp.captured = WallTime(START + run * 100 * SECOND);
        harvester.take(&delivery(scene));
    }
    assert_eq!(frames(folder.path()), [5, 5]);
}

#[test]
fn a_folder_that_cannot_be_written_is_told_in_words() {
    let folder = tempfile::tempdir().expect("folder");
    let file = folder.path().join("file");
    fs::write(&file, "").expect("written");
    let error = Harvester::new(&config(&file, 1), SETTLE, &info(), Arc::default()).err().expect("refused").to_string();
    assert_eq!(
        error,
        format!(
            "harvest.folder: {}/labeled-data cannot be written: Not a directory (os error 20); \
             allowed: a folder that arenad may write; move the file that stands in its place",
            file.display()
        )
    );
}

#[test]
fn the_thread_keeps_what_it_was_offered_and_ends_once() {
    let folder = tempfile::tempdir().expect("folder");
    let ledger = Arc::<Ledger>::default();
    let handle = HarvestSink::start(&config(folder.path(), 10), SETTLE, &info(), Arc::clone(&ledger)).expect("starts");
    handle.offer(&delivery(scene(0)));
    handle.offer(&delivery(unsure(1, 0.1)));
    handle.close();
    handle.close();
    handle.offer(&delivery(unsure(50, 0.1)));
    assert_eq!(frames(folder.path()), [1]);
    assert_eq!((ledger.counters.harvest_kept.get(), ledger.counters.harvest_dropped.get()), (1, 1));
}

fn some_kept() -> impl Strategy<Value = Kept> {
    (0..5_000i64, 0..Reason::ALL.len(), 0..=100u32, 1..100u64).prop_map(|(second, reason, weight, bytes)| Kept {
        captured: WallTime(second * SECOND),
        reason: Reason::ALL[reason],
        weight: weight as f32 / 100.0,
        bytes,
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever comes, in whatever order of time: bounds and spacing hold, and the same again gives the same.
    #[test]
    fn bounds_and_spacing_hold_and_nothing_is_left_to_chance(
        offered in proptest::collection::vec(some_kept(), 1..200),
        frames in 1..20usize,
        bytes in 1..1_000u64,
        spacing in 0..100u64,
    ) {
        let bounds = Bounds { frames, bytes, spacing: Duration::from_secs(spacing) };
        let run = |shuffled: bool| {
            let mut kept: Vec<Kept> = Vec::new();
            for new in &offered {
                if shuffled {
                    kept.reverse();
                }
                if let Choice::Keep(gone) = bounds.choose(&kept, new) {
                    let mut index = 0..;
                    kept.retain(|_| !gone.contains(&index.next().unwrap_or(0)));
                    kept.push(*new);
                }
                assert!(kept.len() <= frames && kept.iter().map(|kept| kept.bytes).sum::<u64>() <= bytes);
            }
            kept.sort_by(|a, b| (a.captured, a.bytes, a.reason.word()).cmp(&(b.captured, b.bytes, b.reason.word())));
            kept
        };
        let kept = run(false);
        prop_assert_eq!(&kept, &run(true));
        for (n, a) in kept.iter().enumerate() {
            for b in kept[n + 1..].iter().filter(|b| b.reason == a.reason) {
                prop_assert!(b.captured.0 - a.captured.0 >= spacing as i64 * SECOND);
            }
        }
    }

    /// While there is room nothing makes way.
    #[test]
    fn nothing_makes_way_while_there_is_room(kept in proptest::collection::vec(some_kept(), 0..20), new in some_kept()) {
        let bounds = Bounds { frames: 21, bytes: 10_000, spacing: Duration::ZERO };
        prop_assert_eq!(bounds.choose(&kept, &new), Choice::Keep(Vec::new()));
    }
}
