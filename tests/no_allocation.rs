//! Promise: from heads to pins nothing is allocated per frame, on any thread of the line that this covers.

mod imported;
mod tensorrt;
mod world;

use arenad::act::{Actor, Names, RecordedPin, Rules};
use arenad::config;
use arenad::crop::Cropper;
use arenad::handover::{
    Animal, Colour, Event, Frame, Identity, Keypoint, MAX_EVENTS, PictureSize, PixelFormat, Pose, Poses, Scene, State,
};
use arenad::infer::tensorrt::picture::Pictures;
use arenad::infer::{Engine, Head, Heads};
use arenad::ledger::Ledger;
use arenad::model::Contract;
use arenad::paint::Paint;
use arenad::pose::PoseReader;
use arenad::preprocess::Preprocessor;
use arenad::sink::harvest::Watch;
use arenad::space::{InCamera, Letterbox, Window};
use arenad::stamp::{Clock, Stamp};
use arenad::track::{Contacts, Settler, Tracker};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;
use tensorrt::StandIn;
use world::{Observer, World, no_gaps, zones};

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: every call goes on to the system's allocator unchanged; counting touches a thread-local cell without a destructor.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        // SAFETY: the caller keeps the promises of `GlobalAlloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn realloc(&self, old: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        // SAFETY: the caller keeps the promises of `GlobalAlloc`.
        unsafe { System.realloc(old, layout, size) }
    }

    unsafe fn dealloc(&self, old: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the promises of `GlobalAlloc`.
        unsafe { System.dealloc(old, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Allocations of this thread so far.
fn allocations() -> u64 {
    ALLOCATIONS.with(Cell::get)
}

fn rules() -> Rules {
    let rule = config::Rule {
        name: "anybody at the feeder".into(),
        identity: None,
        keypoint: "nose".into(),
        zone: "Feeder".into(),
        p_min: 0.5,
        score_min: 0.5,
        pulse: Duration::from_millis(1),
        rest: Duration::from_millis(1),
    };
    let identities = ["R", "G", "B", "Y"].map(String::from);
    Rules::new(&[rule], Names { keypoints: &["nose".into()], identities: &identities }, &zones()).unwrap()
}

#[test]
fn nothing_is_allocated_from_poses_to_pins() {
    let observer = Observer { ghosts: 0.2, doubles: 0.1, missed: 0.1, ..Observer::default() };
    let mut world = World::new(5, observer);
    let mut tracker = Tracker::new(config::Tracker::default(), 4, zones(), &[[0, 1], [1, 2], [2, 3]]);
    let mut settler = Settler::new(config::Tracker::default(), 4, zones());
    let mut contacts = Contacts::new(&config::Tracker::default());
    let (clock, ledger) = (Clock::new(), Arc::new(Ledger::default()));
    let (pin, record) = RecordedPin::new(clock);
    let mut actor = Actor::new(rules(), Box::new(pin), clock, Arc::clone(&ledger)).unwrap();
    let harvest = config::Harvest { spacing: Duration::from_secs(1), ..config::Harvest::default() };
    let mut watch = Watch::new(harvest.doubts, harvest.spacing, 9, 4, &[]);
    let mut doubtful = 0;
    let mut events: heapless::Vec<Event, MAX_EVENTS> = heapless::Vec::new();
    let (mut counted, mut happened, mut settled, mut met) = (0, 0, 0, 0);
    for frame in 0..1500 {
        let mut shown = world.step();
        shown.stamp.arrived = clock.monotonic();
        let before = allocations();
        let scene = tracker.advance(&shown.poses, shown.stamp, &no_gaps());
        events.clone_from(tracker.events());
        contacts.look(&scene, tracker.told().size, &mut events);
        actor.act(&scene, &mut events);
        settler.take(&scene, tracker.told(), &mut |one| settled += one.scene.animals.len());
        doubtful += usize::from(watch.look(&scene).is_some());
        let made = allocations() - before;
        happened += events.len();
        met += events.iter().filter(|event| matches!(event, Event::ContactBegan { .. })).count();
        if frame >= 30 {
            counted += made;
        }
    }
    assert_eq!(counted, 0);
    drop(actor);
    let sets = record.sets();
    assert!(doubtful > 3, "{doubtful}: the harvest's look was never taken to its end");
    assert!(settled > 4000 && met > 0, "{settled} animals settled, {met} contacts");
    assert!(happened > 20 && ledger.counters.triggers.get() > 3, "the run was too quiet to prove anything");
    assert_eq!(sets.last().map(|set| set.1), Some(false));
}

/// Heads with four bodies, each with all its keypoints where its centre points.
fn heads(contract: &Contract) -> Heads {
    let fill = |output: &arenad::model::WrittenOutput| {
        let [_, channels, rows, columns] = output.shape;
        let mut values = vec![0.0; channels * rows * columns];
        for body in 0..4 {
            // The same model pixel at each stride.
            let stride = output.stride as usize;
            let cell = 160 / stride * columns + (120 + 130 * body) / stride;
            for channel in 0..channels {
                values[channel * rows * columns + cell] = match output.meaning.as_str() {
                    "offsets" => 0.0,
                    "identity" => f32::from(u8::from(channel == body)) * 9.0,
                    _ => 0.9,
                };
            }
        }
        Head { name: output.name.clone(), shape: output.shape, values: values.into() }
    };
    Heads(contract.written.outputs.iter().map(fill).collect())
}

#[test]
fn nothing_is_allocated_from_heads_to_poses() {
    let contract = Contract::bundled().unwrap();
    let (heads, letterbox) = (heads(&contract), Letterbox::fit((1280, 720), (640, 480)));
    let mut reader = PoseReader::new(&contract).unwrap();
    let mut found = 0;
    let before = allocations();
    for _ in 0..10 {
        found += reader.read(&heads, &letterbox).len();
    }
    assert_eq!(allocations() - before, 0);
    assert_eq!(found, 40);
}

#[test]
fn nothing_is_allocated_where_paint_is_looked_at_and_followed() {
    let contract = Contract::bundled().unwrap();
    let poses: Poses = (0..4u8).map(|n| mouse(120.0 + 130.0 * f32::from(n), 200.0)).collect();
    let mut paint = Paint::new(&contract).unwrap();
    let mut spoke = false;
    for (format, length) in [(PixelFormat::I420, 3 * 640 * 480 / 2), (PixelFormat::Rgb, 3 * 640 * 480)] {
        let size = PictureSize { width: 640, height: 480 };
        // Mint, more or less, in both.
        let bytes: Vec<u8> = match format {
            PixelFormat::Rgb => [120, 205, 168].repeat(length / 3),
            _ => [vec![165; length / 3 * 2], vec![123; length / 6], vec![100; length / 6]].concat(),
        };
        let frame = Frame::unpooled(format, size, Colour::default(), Stamp::default(), &bytes).unwrap();
        let mut scene = Scene::default();
        for pose in &poses {
            let seen = Animal {
                identity: Some(Identity(0)),
                p: 1.0,
                track: None,
                state: State::Seen,
                centre: Some(pose.centre),
                zone: None,
                keypoints: pose.keypoints,
                predicted: Default::default(),
                vanished: None,
            };
            scene.animals.push(seen).unwrap();
        }
        let before = allocations();
        for second in 1..10 {
            scene.stamp.captured = arenad::stamp::WallTime(second * 1_000_000_000);
            let mut looked_at = poses.clone();
            paint.read(&frame, &mut looked_at);
            paint.follow(&scene);
            spoke |= looked_at.iter().any(|pose| (pose.identity[0] - 0.25).abs() > 0.01);
        }
        assert_eq!(allocations() - before, 0);
    }
    assert!(spoke, "the pictures were too poor to prove anything");
}

/// A mouse that looks to the right.
fn mouse(x: f32, y: f32) -> Pose {
    let mut pose = Pose { centre: InCamera { x, y }, score: 0.9, ..Pose::default() };
    let parts = [(30.0, 0.0), (20.0, -6.0), (20.0, 6.0), (-8.0, -12.0), (-8.0, 12.0), (0.0, 0.0), (-30.0, 0.0)];
    for (keypoint, (right, down)) in pose.keypoints.iter_mut().zip(parts) {
        *keypoint = Some(Keypoint { at: InCamera { x: x + right, y: y + down }, score: 0.9 });
    }
    pose.identity[..4].fill(0.25);
    pose
}

/// The golden contract and the heads of its first picture: whole 2048ths, 16 bits.
fn golden(contract: &str, bytes: &[u8]) -> (Contract, Heads) {
    let contract = Contract { written: toml::from_str(contract).unwrap(), ..Contract::bundled().unwrap() };
    let mut values = bytes.as_chunks::<2>().0.iter().map(|pair| f32::from(i16::from_le_bytes(*pair)) / 2048.0);
    let head = |output: &arenad::model::WrittenOutput| Head {
        name: output.name.clone(),
        shape: output.shape,
        values: values.by_ref().take(output.shape.iter().product()).collect(),
    };
    let heads = Heads(contract.written.outputs.iter().map(head).collect());
    (contract, heads)
}

#[test]
fn nothing_is_allocated_from_an_imported_network_s_heads_to_poses() {
    for (contract, bytes) in [
        (
            include_str!("data/import/deeplabcut-single/model.toml"),
            &include_bytes!("data/import/deeplabcut-single/heads.i16")[..],
        ),
        (
            include_str!("data/import/deeplabcut-multi/model.toml"),
            &include_bytes!("data/import/deeplabcut-multi/heads.i16")[..],
        ),
    ] {
        let (contract, heads) = golden(contract, bytes);
        let mut reader = PoseReader::new(&contract).unwrap();
        let letterbox = Letterbox::fit((1280, 720), (160, 128));
        let mut found = 0;
        let before = allocations();
        for _ in 0..10 {
            found += reader.read(&heads, &letterbox).len();
        }
        assert_eq!(allocations() - before, 0);
        assert!(found >= 10, "the heads were too empty to prove anything");
    }
}

#[test]
fn nothing_is_allocated_from_boxes_to_poses() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/import/yolo");
    let contract = Contract::read(&folder).unwrap();
    let [_, rows, _, boxes] = contract.written.outputs[0].shape;
    // Every box counts, the next ones overlap it.
    let value = |row: usize, column: usize| match row {
        0 | 1 => (column / 4 * 5) as f32,
        2 | 3 => 20.0,
        _ => 0.3 + column as f32 * 1e-3,
    };
    let values: Vec<f32> = (0..rows * boxes).map(|at| value(at / boxes, at % boxes)).collect();
    let heads = Heads(vec![Head { name: "detections".into(), shape: [1, rows, 1, boxes], values: values.into() }]);
    let mut reader = PoseReader::new(&contract).unwrap();
    let letterbox = Letterbox::fit((1280, 720), (128, 96));
    let mut found = 0;
    let before = allocations();
    for _ in 0..10 {
        found += reader.read(&heads, &letterbox).len();
    }
    assert_eq!(allocations() - before, 0);
    assert_eq!(found, 80);
}

#[test]
fn nothing_is_allocated_from_frames_to_inputs_whole_or_through_a_window() {
    let contract = Contract::bundled().unwrap();
    let (mut preprocessor, mut input) = (Preprocessor::new(&contract), vec![0.0; contract.input_len()]);
    let size = PictureSize { width: 960, height: 720 };
    let pixels = vec![90; 960 * 720 * 3 / 2];
    let frame = Frame::unpooled(PixelFormat::I420, size, Colour::default(), Stamp::default(), &pixels).unwrap();
    preprocessor.fill(&frame, &mut input);
    let before = allocations();
    for (x, y, width, height) in [(0, 0, 640, 480), (101, 33, 640, 480), (7, 6, 800, 600), (0, 0, 960, 720)] {
        preprocessor.fill_window(&frame, Window { x, y, width, height }, &mut input);
    }
    preprocessor.fill(&frame, &mut input);
    assert_eq!(allocations() - before, 0);
}

#[test]
fn windows_are_chosen_without_allocating() {
    let mut world = World::new(5, Observer::default());
    let mut tracker = Tracker::new(config::Tracker::default(), 4, zones(), &[[0, 1], [1, 2], [2, 3]]);
    let mut cropper = Cropper::new(10, (64, 48));
    let (mut counted, mut windows) = (0, 0);
    for _ in 0..200 {
        let shown = world.step();
        let scene = tracker.advance(&shown.poses, shown.stamp, &no_gaps());
        let before = allocations();
        windows += usize::from(cropper.next((4000, 3000), false).is_some());
        cropper.found(&scene);
        counted += allocations() - before;
    }
    assert_eq!(counted, 0);
    assert!(windows > 20, "{windows} windows prove little");
}

#[test]
fn nothing_is_allocated_from_imported_heads_to_poses() {
    let letterbox = Letterbox::fit((1280, 720), (640, 480));
    for folder in imported::folders("sleap-") {
        let contract = imported::contract(&folder);
        let (heads, mut reader) = (imported::heads(&folder, &contract), PoseReader::new(&contract).unwrap());
        let before = allocations();
        let found: usize = (0..10).map(|_| reader.read(&heads, &letterbox).len()).sum();
        assert_eq!(allocations() - before, 0, "{folder:?}");
        assert!(found >= 10, "{folder:?}");
    }
}

#[test]
fn the_counter_counts() {
    let before = allocations();
    std::hint::black_box(vec![0u8; 100]);
    assert!(allocations() > before);
}

#[test]
fn nothing_is_allocated_when_a_frame_is_told_to_the_gpu() {
    let pictures = Pictures::new(&Contract::bundled().unwrap());
    let (size, whole) = (PictureSize { width: 1280, height: 720 }, Window::whole((1280, 720)));
    for format in [PixelFormat::Nv12, PixelFormat::I420] {
        let bytes = vec![100; 1280 * 720 * 3 / 2];
        let frame = Frame::unpooled(format, size, Colour::default(), Stamp::default(), &bytes).unwrap();
        let before = allocations();
        assert!(
            pictures.of(&frame, whole).is_some() && pictures.of(&frame, Window { y: 3, height: 99, ..whole }).is_some()
        );
        assert_eq!(allocations() - before, 0);
    }
}

#[test]
fn nothing_is_allocated_around_a_run_of_tensorrt() {
    let (contract, folder) = (Contract::bundled().unwrap(), tempfile::tempdir().unwrap());
    let mut engine = StandIn::new(&contract).open(&contract, folder.path(), &|_| ()).unwrap();
    let input = vec![0.0; contract.input_len()];
    let before = allocations();
    for _ in 0..100 {
        engine.run(&input).unwrap();
    }
    assert_eq!(allocations() - before, 0);
}
