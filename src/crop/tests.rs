//! Scenes, and the windows that must follow.

use super::Cropper;
use crate::handover::{Animal, Keypoint, Scene, State, TrackId};
use crate::space::{InCamera, Window};
use proptest::prelude::*;

const PICTURE: (u32, u32) = (1920, 1080);
const MODEL: (u32, u32) = (640, 480);

/// An animal 60 pixels long.
fn animal(track: u32, x: f32, y: f32) -> Animal {
    let mut animal = Animal {
        identity: None,
        p: 0.0,
        track: Some(TrackId(track)),
        state: State::Seen,
        centre: Some(InCamera { x, y }),
        zone: None,
        keypoints: Default::default(),
        predicted: Default::default(),
        vanished: None,
    };
    for (keypoint, dx) in animal.keypoints.iter_mut().zip([-30.0, 0.0, 30.0]) {
        *keypoint = Some(Keypoint { at: InCamera { x: x + dx, y }, score: 0.9 });
    }
    animal
}

fn scene(animals: impl IntoIterator<Item = Animal>) -> Scene {
    Scene { animals: animals.into_iter().collect(), ..Scene::default() }
}

/// A cropper that has seen this scene whole.
fn after(every: u32, seen: &Scene) -> Cropper {
    let mut cropper = Cropper::new(every, MODEL);
    assert_eq!(cropper.next(PICTURE, false), None);
    cropper.found(seen);
    cropper
}

#[test]
fn the_window_is_around_the_animals_at_one_to_one() {
    let mut cropper = after(5, &scene([animal(1, 900.0, 500.0), animal(2, 1000.0, 540.0)]));
    assert_eq!(cropper.next(PICTURE, false), Some(Window { x: 630, y: 280, width: 640, height: 480 }));
}

#[test]
fn one_frame_in_so_many_is_whole() {
    for every in [1, 2, 5] {
        let still = scene([animal(1, 900.0, 500.0)]);
        let mut cropper = Cropper::new(every, MODEL);
        for frame in 0..20 {
            assert_eq!(cropper.next(PICTURE, false).is_none(), frame % every == 0, "{every} {frame}");
            cropper.found(&still);
        }
    }
}

#[test]
fn a_window_in_the_corner_stays_inside_the_picture() {
    let mut cropper = after(5, &scene([animal(1, 1915.0, 3.0)]));
    assert_eq!(cropper.next(PICTURE, false), Some(Window { x: 1280, y: 0, width: 640, height: 480 }));
}

#[test]
fn animals_that_are_far_apart_make_a_larger_window_of_the_models_shape() {
    let mut cropper = after(5, &scene([animal(1, 500.0, 500.0), animal(2, 1180.0, 500.0)]));
    let window = cropper.next(PICTURE, false).expect("a window");
    assert_eq!((window.width, window.height), (800, 600));
}

#[test]
fn animals_all_over_the_picture_are_looked_at_whole() {
    let mut cropper = after(5, &scene([animal(1, 100.0, 100.0), animal(2, 1800.0, 1000.0)]));
    assert_eq!(cropper.next(PICTURE, false), None);
}

#[test]
fn no_animal_or_a_lost_one_or_missing_frames_make_a_whole_frame() {
    let (one, other) = (animal(1, 900.0, 500.0), animal(2, 1000.0, 540.0));
    assert_eq!(after(5, &scene([])).next(PICTURE, false), None);
    let mut cropper = after(5, &scene([one.clone(), other.clone()]));
    assert_eq!(cropper.next(PICTURE, true), None, "frames are missing");
    cropper.found(&scene([one.clone(), Animal { state: State::Predicted, ..other.clone() }]));
    assert_eq!(cropper.next(PICTURE, false), None, "a track is only predicted");
    cropper.found(&scene([one.clone(), other]));
    assert!(cropper.next(PICTURE, false).is_some());
    cropper.found(&scene([one.clone()]));
    assert_eq!(cropper.next(PICTURE, false), None, "a track is gone");
    cropper.found(&scene([one]));
    assert!(cropper.next(PICTURE, false).is_some(), "the rest goes on");
}

#[test]
fn a_picture_no_larger_than_the_input_is_always_whole() {
    for picture in [(640, 480), (320, 240), (700, 500), (0, 0)] {
        let mut cropper = after(5, &scene([animal(1, 100.0, 100.0)]));
        assert_eq!(cropper.next(picture, false), None, "{picture:?}");
    }
}

#[test]
fn a_fast_animal_is_expected_ahead() {
    let mut cropper = after(9, &scene([animal(1, 900.0, 500.0)]));
    cropper.next(PICTURE, false);
    cropper.found(&scene([animal(1, 1000.0, 500.0)]));
    let window = cropper.next(PICTURE, false).expect("a window");
    assert_eq!(window.x + window.width / 2, 1050, "half a step of 100 pixels ahead of 1000");
}

#[test]
fn places_that_are_nowhere_are_no_place_to_look() {
    for nowhere in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let mut cropper = after(5, &scene([animal(1, nowhere, 500.0)]));
        assert_eq!(cropper.next(PICTURE, false), None, "{nowhere}");
    }
    for far in [f32::MAX, f32::MIN, 1e9, -1e9] {
        let mut cropper = after(5, &scene([animal(1, far, 500.0)]));
        assert!(cropper.next(PICTURE, false).is_none_or(|window| window.lies_in(PICTURE)), "{far}");
    }
}

proptest! {
    #[test]
    fn a_window_lies_in_the_picture_holds_the_animals_and_never_magnifies(
        places in prop::collection::vec((0.0f32..1920.0, 0.0f32..1080.0), 1..=8),
        picture in (1u32..4000, 1u32..4000),
        model in (32u32..1500, 32u32..1500),
    ) {
        let inside = |at: &(f32, f32)| (at.0 * picture.0 as f32 / 1920.0, at.1 * picture.1 as f32 / 1080.0);
        let places: Vec<_> = places.iter().map(inside).collect();
        let mut cropper = Cropper::new(5, model);
        cropper.next(picture, false);
        cropper.found(&scene(places.iter().enumerate().map(|(n, at)| animal(n as u32, at.0, at.1))));
        if let Some(window) = cropper.next(picture, false) {
            prop_assert!(window.lies_in(picture));
            prop_assert!(window.width >= model.0.min(picture.0) && window.height >= model.1.min(picture.1));
            for (x, y) in places {
                prop_assert!(x >= window.x as f32 && x <= (window.x + window.width) as f32);
                prop_assert!(y >= window.y as f32 && y <= (window.y + window.height) as f32);
            }
        }
    }
}
