//! Promise: on a picture much larger than the model's input, looking through a window around the animals places body parts better
//! than looking at the whole, and each frame is still one scene.

use arenad::config::{Config, EngineChoice, Secrets};
use arenad::handover::{Colour, Frame, PictureSize, PixelFormat, Scene};
use arenad::ledger::Ledger;
use arenad::model::Contract;
use arenad::pipeline::{Tracking, TrackingParts};
use arenad::rehearsal::{Arena, HEIGHT, Look, Truth, Visibility, WIDTH};
use arenad::space::InCamera;
use arenad::stamp::{Clock, Stamp, WallTime};
use std::sync::Arc;

/// Twice the model's input: shrunk to it, a mouse is half as large as the model learned.
const PICTURE: PictureSize = PictureSize { width: 2 * WIDTH as u32, height: 2 * HEIGHT as u32 };
/// Where the arena lies in the picture.
const AT: (usize, usize) = (571, 333);
const FRAMES: u64 = 24;
const FLOOR: u8 = 40;

/// Pictures of an arena with two mice in a corner of a large dark floor, and where their body parts are.
fn film() -> Vec<(Frame, Truth)> {
    let mut arena = Arena::with(11, Look::typical(), 25.0, &[0, 1]);
    let mut small = vec![0; WIDTH * HEIGHT * 3];
    let width = PICTURE.width as usize;
    (0..FRAMES)
        .map(|frame| {
            arena.step();
            arena.render(&mut small);
            let mut large = vec![FLOOR; width * PICTURE.height as usize * 3];
            for (row, from) in small.chunks_exact(3 * WIDTH).enumerate() {
                large[3 * ((AT.1 + row) * width + AT.0)..][..3 * WIDTH].copy_from_slice(from);
            }
            let captured = WallTime(1_700_000_000_000_000_000 + frame as i64 * 40_000_000);
            let stamp = Stamp { frame, captured, ..Stamp::default() };
            let frame = Frame::unpooled(PixelFormat::Rgb, PICTURE, Colour::default(), stamp, &large);
            (frame.expect("a frame"), arena.truth())
        })
        .collect()
}

/// The scenes of the film, looking at the whole of one frame in `every`; how many were looked at whole, how many not.
fn scenes(film: &[(Frame, Truth)], every: u32) -> (Vec<Scene>, u64, u64) {
    let contract = Contract::bundled().expect("the bundled model");
    let mut config =
        Config::read("arena = \"a1\"\n[camera]\nurl = \"rtsp://camera/\"\n", &Secrets::default()).expect("valid");
    (config.model.engine, config.model.full_frame_every) = (EngineChoice::BuiltIn, every);
    let (clock, ledger) = (Clock::new(), Arc::new(Ledger::default()));
    let parts = TrackingParts::new(&config, &contract, clock, Arc::clone(&ledger)).expect("parts");
    let mut tracking = Tracking::new(&contract, &config.model, parts, clock, Arc::clone(&ledger)).expect("a line");
    let scenes = film.iter().map(|(frame, _)| tracking.advance(frame.clone()).expect("a scene").scene).collect();
    (scenes, ledger.counters.frames_whole.get(), ledger.counters.frames_cropped.get())
}

/// Of the body parts in view: the root mean square distance to the nearest animal's part, at most `LOST` each, and how many lie farther.
fn error(film: &[(Frame, Truth)], scenes: &[Scene]) -> (f32, usize) {
    const LOST: f32 = 30.0;
    let (mut sum, mut count, mut lost) = (0.0, 0, 0);
    // The first frames are looked at whole by both.
    for ((_, truth), scene) in film.iter().zip(scenes).skip(4) {
        for animal in &truth.animals {
            for (k, point) in animal.points.iter().enumerate().filter(|(_, point)| point.visibility == Visibility::Seen)
            {
                let at = InCamera { x: point.x + AT.0 as f32, y: point.y + AT.1 as f32 };
                let parts = scene.animals.iter().filter_map(|animal| animal.keypoints[k]);
                let away = parts.map(|part| part.at.distance(at)).fold(LOST, f32::min);
                (sum, count, lost) = (sum + away * away, count + 1, lost + usize::from(away >= LOST));
            }
        }
    }
    ((sum / count as f32).sqrt(), lost)
}

#[test]
fn a_window_places_body_parts_better_than_the_whole() {
    let film = film();
    let (whole, whole_frames, none) = scenes(&film, 1);
    let (cropped, some, cropped_frames) = scenes(&film, 8);
    assert_eq!((whole_frames, none), (FRAMES, 0));
    assert_eq!(some + cropped_frames, FRAMES);
    let (whole, lost_whole) = error(&film, &whole);
    let (cropped, lost) = error(&film, &cropped);
    println!(
        "whole: {whole:.2} px, {lost_whole} lost; window in {cropped_frames} of {FRAMES}: {cropped:.2} px, {lost} lost"
    );
    assert!(cropped_frames > FRAMES / 2, "only {cropped_frames} frames were cropped");
    assert!(cropped < whole && lost <= lost_whole, "{cropped} px, {lost} lost; whole {whole} px, {lost_whole} lost");
}
