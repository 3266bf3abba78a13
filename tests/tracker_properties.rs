//! Promise: whatever comes, the tracker's scenes are well formed, repeatable, and independent of the order of poses.

mod world;

use arenad::config;
use arenad::handover::{Gap, GapReason, Gaps, Identity, Keypoint, MAX_ANIMALS, MAX_EVENTS, Pose, Poses, Scene, State};
use arenad::space::InCamera;
use arenad::stamp::{Stamp, WallTime};
use arenad::track::Tracker;
use arenad::zones::Zones;
use proptest::prelude::*;
use world::{Dice, Observer, World, looks, no_gaps, pose, zones};

fn tracker(identities: usize) -> Tracker {
    // Links that make no sense are left out.
    Tracker::new(config::Tracker::default(), identities, zones(), &[[0, 1], [1, 2], [2, 2], [3, 99]])
}

fn stamp(frame: u64, captured_ns: i64) -> Stamp {
    Stamp { frame, captured: WallTime(captured_ns), ..Stamp::default() }
}

/// Every number of the tracker's own making is sound, each identity stands where it belongs and at most once.
fn well_formed(scene: &Scene, identities: usize) -> Result<(), TestCaseError> {
    prop_assert!(scene.animals.len() >= identities);
    for (index, animal) in scene.animals.iter().enumerate() {
        let expected = (index < identities).then_some(Identity(index as u8));
        prop_assert_eq!(animal.identity, expected);
        prop_assert!((0.0..=1.0).contains(&animal.p), "{:?}", animal);
        prop_assert!(animal.centre.is_none_or(InCamera::is_finite));
        prop_assert_eq!(animal.centre.is_none(), animal.state == State::Unseen);
        let tracked = matches!(animal.state, State::Seen | State::Predicted);
        prop_assert_eq!(animal.track.is_some(), tracked);
        prop_assert_eq!(animal.vanished.is_some(), animal.state == State::Hidden);
        for (index, keypoint) in animal.keypoints.iter().enumerate() {
            prop_assert!(keypoint.is_some() || !animal.predicted.contains(index));
            prop_assert!(animal.state != State::Predicted || keypoint.is_none() || animal.predicted.contains(index));
            if let Some(keypoint) = keypoint {
                prop_assert!(tracked && keypoint.at.is_finite() && (0.0..=1.0).contains(&keypoint.score));
            }
        }
    }
    let mut tracks: Vec<_> = scene.animals.iter().filter_map(|animal| animal.track).collect();
    tracks.sort();
    tracks.dedup();
    prop_assert_eq!(tracks.len(), scene.animals.iter().filter(|animal| animal.track.is_some()).count());
    Ok(())
}

/// Each keypoint of a seen animal that is not marked predicted is that keypoint of one and the same pose.
fn told_by_a_pose(scene: &Scene, poses: &Poses) -> Result<(), TestCaseError> {
    for animal in scene.animals.iter().filter(|animal| animal.state == State::Seen) {
        let is_its = |pose: &&Pose| {
            let places = animal.keypoints.iter().zip(&pose.keypoints).enumerate();
            places.into_iter().all(|(index, (shown, given))| match shown {
                Some(shown) if !animal.predicted.contains(index) => given.is_some_and(|given| given.at == shown.at),
                _ => true,
            })
        };
        prop_assert!(poses.iter().find(is_its).is_some(), "{:?}", animal);
    }
    Ok(())
}

/// Numbers as a broken model or a broken camera may give them.
fn wild() -> impl Strategy<Value = f32> {
    prop_oneof![
        6 => -50.0f32..700.0,
        2 => 0.0f32..1.0,
        1 => prop_oneof![
            Just(f32::NAN), Just(f32::INFINITY), Just(f32::NEG_INFINITY), Just(f32::MAX), Just(f32::MIN_POSITIVE),
            Just(-0.0), Just(1e30), Just(-1e38),
        ],
    ]
}

fn wild_pose() -> impl Strategy<Value = Pose> {
    (wild(), wild(), wild(), prop::collection::vec(wild(), 8), prop::collection::vec((wild(), wild(), wild()), 0..9))
        .prop_map(|(x, y, score, looks, parts)| {
            let mut pose = Pose { centre: InCamera { x, y }, score, ..Pose::default() };
            pose.identity.copy_from_slice(&looks);
            for (k, (x, y, score)) in parts.into_iter().enumerate() {
                pose.keypoints[k] = Some(Keypoint { at: InCamera { x, y }, score });
                (pose.coats[k][0], pose.coats[k][k % MAX_ANIMALS]) = (score, looks[k % looks.len()]);
            }
            pose
        })
}

fn wild_stream() -> impl Strategy<Value = Vec<(Vec<Pose>, i64)>> {
    let time = prop_oneof![3 => 0i64..100_000_000, 1 => any::<i64>()];
    prop::collection::vec((prop::collection::vec(wild_pose(), 0..=MAX_ANIMALS), time), 1..25)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn wild_values_and_wild_clocks_are_survived(stream in wild_stream(), identities in 0usize..=8) {
        let mut tracker = tracker(identities);
        let mut captured = 0i64;
        for (frame, (poses, step)) in stream.into_iter().enumerate() {
            captured = captured.wrapping_add(step);
            let poses: Poses = poses.into_iter().collect();
            let scene = tracker.advance(&poses, stamp(frame as u64, captured), &no_gaps());
            well_formed(&scene, identities)?;
            told_by_a_pose(&scene, &poses)?;
            prop_assert!(tracker.events().len() <= MAX_EVENTS);
        }
    }

    #[test]
    fn the_order_of_poses_changes_nothing(seed in any::<u64>()) {
        let observer = Observer { ghosts: 0.3, doubles: 0.2, missed: 0.2, ..Observer::default() };
        let mut world = World::new(seed, observer);
        let mut dice = Dice::new(!seed);
        let (mut one, mut other) = (tracker(4), tracker(4));
        for _ in 0..90 {
            let shown = world.step();
            let mut shuffled = shown.poses.clone();
            for n in (1..shuffled.len()).rev() {
                shuffled.swap(n, dice.below(n + 1));
            }
            let scene = one.advance(&shown.poses, shown.stamp, &no_gaps());
            prop_assert_eq!(&scene, &other.advance(&shuffled, shown.stamp, &no_gaps()));
            prop_assert_eq!(one.events(), other.events());
            well_formed(&scene, 4)?;
        }
    }

    #[test]
    fn a_gap_of_any_length_leaves_names_right_within_a_second(
        gap in prop_oneof![0i64..5_000_000_000, -5_000_000_000i64..0, any::<i64>()]
    ) {
        let mut tracker = tracker(4);
        let mut captured = 0;
        for frame in 0..90u64 {
            captured = if frame == 45 { gap } else { captured + 33_333_333 };
            let scene = tracker.advance(&four(|n| n), stamp(frame, captured), &no_gaps());
            well_formed(&scene, 4)?;
            if frame == 44 || frame >= 75 {
                prop_assert_eq!(named(&scene), [Some(0), Some(1), Some(2), Some(3)]);
            }
        }
    }

    #[test]
    fn the_same_frames_give_the_same_scenes(seed in any::<u64>()) {
        let run = || {
            let (mut world, mut tracker) = (World::new(seed, Observer::default()), tracker(4));
            (0..60).map(|_| { let shown = world.step(); tracker.advance(&shown.poses, shown.stamp, &no_gaps()) })
                .collect::<Vec<_>>()
        };
        prop_assert_eq!(run(), run());
    }

    #[test]
    fn gaps_are_passed_on(frames in prop::collection::vec((any::<u64>(), 0usize..5), 0..12)) {
        let mut gaps = Gaps::default();
        for (frame, reason) in frames {
            gaps.note_one(frame, GapReason::ALL[reason]);
        }
        let mut tracker = tracker(4);
        let scene = tracker.advance(&four(|n| n), stamp(7, 0), &gaps);
        prop_assert_eq!(&scene.gaps, &gaps);
        let told: Vec<Gap> = tracker
            .events()
            .iter()
            .filter_map(|event| if let arenad::handover::Event::Gap(gap) = event { Some(*gap) } else { None })
            .collect();
        prop_assert_eq!(told, gaps.iter().copied().collect::<Vec<_>>());
    }
}

/// As `wild`, but cheap: from the test world's own dice.
fn wild_draw(dice: &mut Dice) -> f32 {
    const BROKEN: [f32; 8] =
        [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX, f32::MIN_POSITIVE, -0.0, 1e30, -1e38];
    match dice.below(9) {
        0..=5 => 750.0 * dice.share() - 50.0,
        6 | 7 => dice.share(),
        _ => BROKEN[dice.below(BROKEN.len())],
    }
}

fn wild_draw_pose(dice: &mut Dice) -> Pose {
    let mut draw = || if dice.chance(0.8) { 100.0 * dice.share() } else { wild_draw(dice) };
    let mut pose = Pose { centre: InCamera { x: draw(), y: draw() }, score: draw() / 100.0, ..Pose::default() };
    pose.identity.iter_mut().for_each(|p| *p = draw() / 100.0);
    for keypoint in pose.keypoints.iter_mut().take(6) {
        *keypoint = Some(Keypoint { at: InCamera { x: draw(), y: draw() }, score: draw() / 50.0 });
    }
    pose.coats.iter_mut().take(6).for_each(|shown| shown[..2].fill_with(|| draw() / 100.0));
    pose
}

#[test]
fn a_hundred_thousand_wild_streams_give_sound_scenes() {
    let mut dice = Dice::new(1);
    for stream in 0..100_000 {
        // Eight identities cost ten times what four do.
        let identities = if stream % 50 == 0 { dice.below(9) } else { dice.below(5) };
        let mut tracker = Tracker::new(config::Tracker::default(), identities, Zones::default(), &[]);
        let mut captured = 0i64;
        for frame in 0..1 + dice.below(3) as u64 {
            let step = [33_333_333, 0, -1, 400_000_000, 1_500_000_000, i64::MAX, i64::MIN][dice.below(7)];
            captured = captured.wrapping_add(step);
            let most = [3, 4, MAX_ANIMALS][dice.below(3)];
            let poses: Poses = (0..dice.below(most + 1)).map(|_| wild_draw_pose(&mut dice)).collect();
            let scene = tracker.advance(&poses, stamp(frame, captured), &no_gaps());
            well_formed(&scene, identities).unwrap();
        }
    }
}

/// Four animals that sit still; `looks_like` says whom each place looks like.
fn four(looks_like: impl Fn(usize) -> usize) -> Poses {
    (0..4)
        .map(|n| {
            let at = InCamera { x: 100.0 + 120.0 * n as f32, y: 150.0 };
            pose(at, 1.0, looks(looks_like(n), 0.85), 0.9, |_| Some([0.0; 2]))
        })
        .collect()
}

/// Which name stands at each of the four places.
fn named(scene: &Scene) -> [Option<u8>; 4] {
    [0, 1, 2, 3].map(|n| {
        let at = InCamera { x: 100.0 + 120.0 * n as f32, y: 150.0 };
        scene.animals.iter().find(|a| a.state == State::Seen && a.centre == Some(at))?.identity.map(|id| id.0)
    })
}

#[test]
fn evidence_that_is_exchanged_exchanges_the_names_within_half_a_second() {
    let mut tracker = tracker(4);
    let exchanged = |n| [1, 0, 2, 3][n];
    for frame in 0..135i64 {
        let poses = four(|n| if frame < 120 { n } else { exchanged(n) });
        let scene = tracker.advance(&poses, stamp(frame as u64, frame * 33_333_333), &no_gaps());
        match frame {
            119 => assert_eq!(named(&scene), [Some(0), Some(1), Some(2), Some(3)]),
            134 => assert_eq!(named(&scene), [Some(1), Some(0), Some(2), Some(3)], "{scene:?}"),
            _ => (),
        }
    }
}

#[test]
fn an_animal_that_comes_back_is_named_by_its_looks_and_not_by_its_place() {
    // 0 and 1 vanish; after a minute 1 comes out where 0 went in.
    let mut tracker = tracker(4);
    let mut last = Scene::default();
    for frame in 0..1900i64 {
        let mut poses = four(|n| if frame < 1800 { n } else { [1, 0, 2, 3][n] });
        if frame >= 60 {
            poses.remove(1);
        }
        if (60..1800).contains(&frame) {
            poses.remove(0);
        }
        last = tracker.advance(&poses, stamp(frame as u64, frame * 33_333_333), &no_gaps());
        if frame == 1000 {
            let states: Vec<_> = last.animals.iter().map(|animal| animal.state).collect();
            assert_eq!(states, [State::Hidden, State::Hidden, State::Seen, State::Seen]);
            assert_eq!(last.animals[0].vanished.map(|vanished| vanished.frame), Some(59));
        }
    }
    assert_eq!(named(&last), [Some(1), None, Some(2), Some(3)]);
}

/// Animals 0 and 1 walk towards each other on one line, are one pose for a third of a second, and part again; 2 and 3 sit still.
/// Which of the two went through and which turned back cannot be seen when `marked` is false.
fn meeting(frame: i64, marked: bool) -> Poses {
    let mut poses = four(|n| n);
    let from_meeting = (frame - 60).abs();
    let apart = 6.0 * (from_meeting - 5).max(0) as f32;
    for (pose, side) in poses[..2].iter_mut().zip([-1.0, 1.0]) {
        let to = InCamera { x: 160.0 + side * apart.min(60.0), y: 150.0 };
        let dx = to.x - pose.centre.x;
        pose.centre = to;
        pose.keypoints.iter_mut().flatten().for_each(|keypoint| keypoint.at.x += dx);
        if !marked && frame > 40 {
            pose.identity = [0.25, 0.25, 0.25, 0.25, 0.0, 0.0, 0.0, 0.0];
        }
    }
    if from_meeting <= 5 {
        poses.remove(1);
    }
    poses
}

#[test]
fn after_a_meeting_without_marks_the_two_names_are_unsure_and_the_others_stay() {
    let mut tracker = tracker(4);
    let mut scene = Scene::default();
    for frame in 0..90 {
        scene = tracker.advance(&meeting(frame, false), stamp(frame as u64, frame * 33_333_333), &no_gaps());
        let named: Vec<_> = scene.animals.iter().filter(|a| a.state == State::Seen && a.identity.is_some()).collect();
        match frame {
            30 => assert_eq!(named.len(), 4),
            75.. => assert_eq!(named.iter().filter_map(|a| a.identity).collect::<Vec<_>>(), [Identity(2), Identity(3)]),
            _ => (),
        }
    }
    let unsure: Vec<_> = scene.animals.iter().filter(|a| a.state == State::Seen && a.identity.is_none()).collect();
    assert!(unsure.len() == 2 && unsure.iter().all(|a| (0.4..0.7).contains(&a.p)), "{scene:?}");
    // Neither is surely anywhere, and neither is gone.
    for hidden in &scene.animals[..2] {
        assert!(hidden.state == State::Hidden && hidden.p < 0.1, "{hidden:?}");
    }
}

#[test]
fn after_a_meeting_marks_name_both_at_once() {
    let mut tracker = tracker(4);
    for frame in 0..90 {
        let poses = meeting(frame, true);
        let scene = tracker.advance(&poses, stamp(frame as u64, frame * 33_333_333), &no_gaps());
        if !(55..68).contains(&frame) {
            for (n, pose) in poses.iter().enumerate() {
                let named = scene.animals.iter().find(|a| a.state == State::Seen && a.centre == Some(pose.centre));
                assert_eq!(named.and_then(|a| a.identity), Some(Identity(n as u8)), "{frame} {scene:?}");
            }
        }
    }
}

#[test]
fn what_is_known_of_a_hidden_animal_fades_and_is_never_more_than_was_known() {
    let mut tracker = tracker(4);
    let mut known = 1.0;
    for frame in 0..900i64 {
        let mut poses = four(|n| n);
        if frame >= 60 {
            poses.remove(2);
        }
        let scene = tracker.advance(&poses, stamp(frame as u64, frame * 33_333_333), &no_gaps());
        let animal = &scene.animals[2];
        if animal.state != State::Predicted && frame >= 59 {
            assert!(animal.p <= known && animal.p > 0.5, "{frame} {animal:?}");
            known = animal.p;
        }
    }
    assert!(known < 0.9, "{known}");
}

#[test]
fn nobody_is_named_when_the_model_knows_nobody() {
    let mut tracker = tracker(0);
    for frame in 0..10 {
        let scene = tracker.advance(&four(|n| n), stamp(frame, frame as i64 * 33_333_333), &no_gaps());
        assert!(scene.animals.len() == 4 && scene.animals.iter().all(|a| a.identity.is_none() && a.track.is_some()));
    }
}

#[test]
fn a_name_that_is_not_sure_is_withheld_and_its_track_is_shown() {
    let mut tracker = tracker(4);
    let mut scene = Scene::default();
    for frame in 0..30 {
        let mut poses = four(|n| n);
        for pose in &mut poses {
            pose.identity = [0.25, 0.25, 0.25, 0.25, 0.0, 0.0, 0.0, 0.0];
        }
        scene = tracker.advance(&poses, stamp(frame, frame as i64 * 33_333_333), &no_gaps());
    }
    assert_eq!(scene.animals.len(), 8);
    assert!(scene.animals[..4].iter().all(|a| a.state == State::Unseen));
    assert!(scene.animals[4..].iter().all(|a| a.identity.is_none() && a.track.is_some() && a.p < 0.3));
}

#[test]
fn vanishing_and_appearing_are_told_once() {
    use arenad::handover::Event;
    let mut tracker = tracker(4);
    let mut told = Vec::new();
    for frame in 0..150i64 {
        let mut poses = four(|n| n);
        if (60..120).contains(&frame) {
            poses.remove(2);
        }
        tracker.advance(&poses, stamp(frame as u64, frame * 33_333_333), &no_gaps());
        told.extend(tracker.events().iter().filter_map(|event| match event {
            Event::Appeared { identity, .. } => Some((frame, "appeared", identity.0)),
            Event::Vanished { identity, last } => Some((last.frame as i64, "vanished", identity.0)),
            _ => None,
        }));
    }
    assert_eq!(
        told,
        [
            (0, "appeared", 0),
            (0, "appeared", 1),
            (0, "appeared", 2),
            (0, "appeared", 3),
            (59, "vanished", 2),
            (120, "appeared", 2)
        ]
    );
}

#[test]
fn another_picture_is_named_at_once_by_looks_alone() {
    let mut tracker = tracker(4);
    let first = four(|animal| animal);
    tracker.advance(&first, stamp(0, 0), &no_gaps());
    let mut second = four(|animal| (animal + 1) % 4);
    for pose in &mut second {
        pose.centre.y += 250.0;
        for keypoint in pose.keypoints.iter_mut().flatten() {
            keypoint.at.y += 250.0;
        }
    }
    let scene = tracker.advance(&second, stamp(1, 33_333_333), &no_gaps());
    for (animal, wanted) in scene.animals.iter().zip(0u8..4) {
        assert_eq!((animal.identity.map(|identity| identity.0), animal.state), (Some(wanted), State::Seen));
    }
}
