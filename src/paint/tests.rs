//! Promises of the room `paint`: what it reads from pictures of every format, and how coats may move.

use super::fusion::Fusion;
use super::*;
use crate::handover::{Animal, Colour, Identity, Keypoint, Keypoints, Matrix, PictureSize, PixelFormat, Pose, TrackId};
use crate::stamp::{Stamp, WallTime};

const RED: [u8; 3] = [228, 40, 60];
const MINT: [u8; 3] = [120, 205, 168];
const SKY: [u8; 3] = [110, 185, 222];
const YELLOW: [u8; 3] = [243, 221, 90];
const SIZE: PictureSize = PictureSize { width: 160, height: 120 };

fn contract() -> Contract {
    Contract::bundled().unwrap_or_else(|error| panic!("{error}"))
}

/// A mouse at `centre` that looks to the right, in the bundled model's keypoints.
fn mouse(centre: (f32, f32)) -> Pose {
    let mut pose = Pose { centre: InCamera { x: centre.0, y: centre.1 }, score: 0.9, ..Pose::default() };
    let parts = [(30.0, 0.0), (20.0, -6.0), (20.0, 6.0), (-8.0, -12.0), (-8.0, 12.0), (0.0, 0.0), (-30.0, 0.0)];
    for (keypoint, (x, y)) in pose.keypoints.iter_mut().zip(parts) {
        *keypoint = Some(Keypoint { at: InCamera { x: centre.0 + x, y: centre.1 + y }, score: 0.9 });
    }
    pose.identity[..4].fill(0.25);
    pose
}

/// A dark picture with a painted square of 60 pixels around each centre.
fn picture(painted: &[((f32, f32), [u8; 3])]) -> Frame {
    let mut bytes = vec![20; (SIZE.width * SIZE.height * 3) as usize];
    for (index, pixel) in bytes.as_chunks_mut::<3>().0.iter_mut().enumerate() {
        let (x, y) = ((index % 160) as f32, (index / 160) as f32);
        for ((cx, cy), colour) in painted {
            if (x - cx).abs() < 30.0 && (y - cy).abs() < 30.0 {
                *pixel = *colour;
            }
        }
    }
    Frame::unpooled(PixelFormat::Rgb, SIZE, Colour::default(), Stamp::default(), &bytes).expect("a frame")
}

fn likeliest(pose: &Pose) -> usize {
    (0..MAX_ANIMALS).max_by(|a, b| pose.identity[*a].total_cmp(&pose.identity[*b])).unwrap_or(0)
}

/// What the paint alone makes of one mouse of this colour.
fn seen(paint: &mut Paint, colour: [u8; 3]) -> Pose {
    let mut poses = Poses::new();
    let _ = poses.push(mouse((80.0, 60.0)));
    paint.read(&picture(&[((80.0, 60.0), colour)]), &mut poses);
    poses[0].clone()
}

#[test]
fn each_bundled_coat_is_known_by_its_paint_alone() {
    let mut paint = Paint::new(&contract()).expect("coats");
    for (index, colour) in [RED, MINT, SKY, YELLOW].into_iter().enumerate() {
        let pose = seen(&mut paint, colour);
        assert_eq!(likeliest(&pose), index, "{colour:?}: {:?}", pose.identity);
        assert!((pose.identity.iter().sum::<f32>() - 1.0).abs() < 1e-5);
    }
}

#[test]
fn a_pose_over_two_animals_shows_whose_coat_each_keypoint_lies_on() {
    let mut paint = Paint::new(&contract()).expect("coats");
    let mut poses = Poses::new();
    let _ = poses.push(mouse((80.0, 60.0)));
    paint.read(&picture(&[((110.0, 60.0), RED), ((50.0, 60.0), SKY)]), &mut poses);
    let shown: Vec<Option<usize>, 7> = poses[0].coats[..7]
        .iter()
        .map(|shown| (0..4).find(|coat| shown[*coat] > 0.9).filter(|_| (shown.iter().sum::<f32>() - 1.0).abs() < 0.01))
        .collect();
    // Nose, ears, flanks, tail base; the centre lies on the seam.
    assert_eq!(shown[..5], [None, Some(0), Some(0), Some(2), Some(2)]);
    assert_eq!((shown[6], poses[0].coats[0]), (Some(2), [0.0; MAX_ANIMALS]));
}

#[test]
fn a_grey_picture_shows_no_coat() {
    let mut paint = Paint::new(&contract()).expect("coats");
    let mut poses = Poses::new();
    let _ = poses.push(mouse((80.0, 60.0)));
    let grey = vec![90; (SIZE.width * SIZE.height) as usize];
    let frame = Frame::unpooled(PixelFormat::Grey, SIZE, Colour::default(), Stamp::default(), &grey).expect("a frame");
    paint.read(&frame, &mut poses);
    assert_eq!(poses[0].coats, crate::handover::Coats::default());
}

#[test]
fn one_colour_has_one_tint_in_every_format() {
    let (y, u, v) = (150u8, 160u8, 90u8);
    for matrix in [Matrix::Bt601, Matrix::Bt709, Matrix::Bt2020] {
        for full_range in [false, true] {
            let colour = Colour { matrix, full_range };
            let luma = vec![y; 160 * 120];
            let planar = [luma.clone(), vec![u; 80 * 60], vec![v; 80 * 60]].concat();
            let paired = [luma, [u, v].repeat(80 * 60)].concat();
            let frame =
                |format, bytes: &[u8]| Frame::unpooled(format, SIZE, colour, Stamp::default(), bytes).expect("a frame");
            let (i420, nv12) = (frame(PixelFormat::I420, &planar), frame(PixelFormat::Nv12, &paired));
            let mut rgb = vec![0; 160 * 120 * 3];
            crate::preprocess::rgb_from_frame(&i420, &mut rgb);
            let rgb = frame(PixelFormat::Rgb, &rgb);
            let at = |frame: &Frame, x, y| Eye::new(frame).and_then(|eye| eye.tint(InCamera { x, y }));
            for place in [(0.0, 0.0), (159.0, 119.0), (80.4, 60.6)] {
                let planar = at(&i420, place.0, place.1).expect("a tint");
                assert_eq!(Some(planar), at(&nv12, place.0, place.1));
                let converted = at(&rgb, place.0, place.1).expect("a tint");
                assert!((0..3).all(|i| (planar[i] - converted[i]).abs() < 0.01), "{planar:?} {converted:?}");
            }
            for place in [(160.0, 5.0), (-1.0, 5.0), (5.0, 120.0), (f32::NAN, 5.0), (f32::INFINITY, 1.0), (1e30, -1e30)]
            {
                assert_eq!(at(&i420, place.0, place.1), None, "{place:?}");
            }
        }
    }
}

#[test]
fn exposure_moves_brightness_alone() {
    let bright = tint([200.0, 100.0, 60.0]);
    let dim = tint([140.0, 70.0, 42.0]);
    assert!((bright[0] - dim[0]).abs() < 0.03 && (bright[1] - dim[1]).abs() < 0.04, "{bright:?} {dim:?}");
    assert!(bright[2] - dim[2] > 0.25);
    let back = rgb(&bright);
    assert!((back[0] - 200.0).abs() < 0.1 && (back[1] - 100.0).abs() < 0.1 && (back[2] - 60.0).abs() < 0.1, "{back:?}");
}

#[test]
fn a_grey_picture_leaves_the_word_to_the_network() {
    let mut paint = Paint::new(&contract()).expect("coats");
    let bytes = vec![120; 160 * 120];
    let grey = Frame::unpooled(PixelFormat::Grey, SIZE, Colour::default(), Stamp::default(), &bytes).expect("a frame");
    let mut poses = Poses::new();
    let _ = poses.push(mouse((80.0, 60.0)));
    paint.read(&grey, &mut poses);
    assert!(poses[0].identity[..4].iter().all(|p| (p - 0.25).abs() < 1e-5), "{:?}", poses[0].identity);
    poses[0].identity = [0.1, 0.6, 0.2, 0.1, 0.0, 0.0, 0.0, 0.0];
    paint.read(&grey, &mut poses);
    assert_eq!(likeliest(&poses[0]), 1);
}

#[test]
fn nothing_is_read_where_another_animal_lies() {
    let anatomy = Anatomy::of(&contract().written.keypoints);
    let count = |own: &Trunk, others: &[Trunk]| {
        let mut count = 0;
        own.places(others.iter(), |_| count += 1);
        count
    };
    let own = anatomy.trunk(&mouse((80.0, 60.0))).expect("a trunk");
    let beside = anatomy.trunk(&mouse((80.0, 75.0))).expect("a trunk");
    let over = anatomy.trunk(&mouse((82.0, 61.0))).expect("a trunk");
    assert_eq!(count(&own, &[]), PLACES);
    let shared = count(&own, &[beside]);
    assert!(shared > PLACES / 4 && shared < PLACES, "{shared}");
    assert_eq!(count(&own, &[over]), 0);
}

#[test]
fn a_pose_without_a_back_or_with_wild_places_says_nothing() {
    let anatomy = Anatomy::of(&contract().written.keypoints);
    let with = |keypoints: &[(usize, (f32, f32))]| {
        let mut pose = Pose { centre: InCamera { x: 50.0, y: 50.0 }, ..Pose::default() };
        for (index, (x, y)) in keypoints {
            pose.keypoints[*index] = Some(Keypoint { at: InCamera { x: *x, y: *y }, score: 0.9 });
        }
        anatomy.trunk(&pose)
    };
    assert_eq!(with(&[]), None);
    assert_eq!(with(&[(7, (40.0, 50.0))]), None);
    assert_eq!(with(&[(0, (f32::NAN, 50.0)), (6, (f32::INFINITY, 50.0))]), None);
    assert_eq!(with(&[(0, (1e30, 50.0))]), None);
    assert_eq!(with(&[(0, (50.0, 50.0))]), None);
    assert!(with(&[(0, (80.0, 50.0))]).is_some());
    assert!(with(&[(6, (30.0, 50.0))]).is_some());
}

#[test]
fn body_parts_are_known_by_the_names_that_laboratories_use() {
    let words =
        |names: &[&str]| Anatomy::of(&names.iter().map(|name| (*name).to_owned()).collect::<std::vec::Vec<_>>());
    let own = words(&["nose", "L_ear", "R_ear", "L_flnk", "R_flnk", "cntr", "T_base", "T_mid", "T_end"]);
    assert_eq!(
        own,
        words(&["snout", "leftear", "rightear", "left_flank", "right_flank", "spine1", "tailbase", "tail2", "tailend"])
    );
    assert_eq!(words(&["wheel", "tail_tip", "rear_left_paw", "forearm"]), Anatomy::default());
}

#[test]
fn what_the_network_does_not_know_is_the_paint_s_to_say() {
    // The network knows R, G, B, Y; the arena has R, G and a white one.
    let fusion = Fusion::new(["R", "white", "G"].into_iter(), &["R", "G", "B", "Y"]);
    let sure_of_red = [0.97, 0.01, 0.01, 0.01, 0.0, 0.0, 0.0, 0.0];
    let white = [-6.0, 4.0, -6.0, 0.0, 0.0, 0.0, 0.0, 0.0];
    let fused = fusion.fuse(&sure_of_red, Some(&white));
    assert!(fused[1] > 0.99, "{fused:?}");
    let mint = [-3.0, -3.0, 4.0, 0.0, 0.0, 0.0, 0.0, 0.0];
    let torn = fusion.fuse(&sure_of_red, Some(&mint));
    assert!(torn[1] < 0.01 && (torn.iter().sum::<f32>() - 1.0).abs() < 1e-5, "{torn:?}");
    // No colour: the white one is as likely as not, the network divides the rest.
    let dark = fusion.fuse(&sure_of_red, None);
    assert!((dark[1] - 1.0 / 3.0).abs() < 1e-4 && dark[0] > 0.6, "{dark:?}");
    // A network with other names has no say at all.
    let strangers = Fusion::new(["white", "black"].into_iter(), &["R", "G", "B", "Y"]);
    assert_eq!(strangers.fuse(&sure_of_red, None)[..2], [0.5, 0.5]);
}

#[test]
fn wild_values_of_the_network_give_likelihoods_all_the_same() {
    let fusion = Fusion::new(["R", "G"].into_iter(), &["R", "G"]);
    for wild in [f32::NAN, f32::INFINITY, -1.0, 0.0, 1e30] {
        for looks in [None, Some([3.0, -3.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0])] {
            let fused = fusion.fuse(&[wild; MAX_ANIMALS], looks.as_ref());
            let sum: f32 = fused.iter().sum();
            assert!((sum - 1.0).abs() < 1e-5 && fused.iter().all(|p| (0.0..=1.0).contains(p)), "{wild}: {fused:?}");
        }
    }
}

/// The scene in which one mouse in the middle is `identity` with `p`.
fn scene(identity: u8, p: f32, state: State, seconds: f64) -> Scene {
    let captured = WallTime((seconds * 1e9) as i64);
    let animal = Animal {
        identity: Some(Identity(identity)),
        p,
        track: Some(TrackId(1)),
        state,
        centre: Some(InCamera { x: 80.0, y: 60.0 }),
        zone: None,
        keypoints: Keypoints::default(),
        predicted: Default::default(),
        vanished: None,
    };
    let mut scene = Scene { stamp: Stamp { captured, ..Stamp::default() }, ..Scene::default() };
    let _ = scene.animals.push(animal);
    scene
}

/// `share` of the way from one colour to another.
fn blend(from: [u8; 3], to: [u8; 3], share: f32) -> [u8; 3] {
    std::array::from_fn(|i| (f32::from(from[i]) + (f32::from(to[i]) - f32::from(from[i])) * share).round() as u8)
}

/// Four coats as a laboratory enrols them in its own light.
fn enrolled() -> Contract {
    let mut contract = contract();
    let coats = contract.coats.as_mut().expect("coats");
    for (coat, colour) in coats.coats.iter_mut().zip([RED, MINT, SKY, YELLOW]) {
        coat.tint = tint(colour.map(f32::from));
        coat.spread = [[4e-4, 0.0, 0.0], [0.0, 9e-4, 0.0], [0.0, 0.0, 1e-2]];
    }
    contract
}

/// The camera turns bluer over `hours`; each coat is surely seen for a while each minute. Gives the paint and the colours at the end.
fn drifted(follow: bool) -> (Paint, [[u8; 3]; 4]) {
    let mut paint = Paint::new(&enrolled()).expect("coats");
    let mut seconds = 0.0;
    let turned = |share: f32| {
        [RED, MINT, SKY, YELLOW].map(|[r, g, b]| {
            let gain = |value: u8, gain: f32| (f32::from(value) * (1.0 + share * (gain - 1.0))).min(255.0) as u8;
            [gain(r, 0.93), gain(g, 0.95), gain(b, 1.17)]
        })
    };
    for minute in 0..360u16 {
        for (index, colour) in turned(f32::from(minute) / 360.0).into_iter().enumerate() {
            seen(&mut paint, colour);
            for _ in 0..15 {
                seconds += 1.0;
                if follow {
                    paint.follow(&scene(index as u8, 0.999, State::Seen, seconds));
                }
            }
        }
    }
    (paint, turned(1.0))
}

#[test]
fn a_camera_that_slowly_turns_blue_is_followed_and_ends_in_wrong_names_where_it_is_not() {
    let names =
        |(mut paint, colours): (Paint, [[u8; 3]; 4])| colours.map(|colour| likeliest(&seen(&mut paint, colour)));
    assert_eq!(names(drifted(true)), [0, 1, 2, 3]);
    assert_ne!(names(drifted(false)), [0, 1, 2, 3]);
}

#[test]
fn two_coats_cannot_be_dragged_into_each_other() {
    let mut paint = Paint::new(&enrolled()).expect("coats");
    let away = |paint: &Paint| {
        let [_, mint, sky, _] = paint.follower.coats() else { return 0.0 };
        mint.tint.iter().zip(sky.tint).map(|(a, b)| (a - b).powi(2)).sum::<f32>().sqrt()
    };
    let before = away(&paint);
    let mut seconds = 0.0;
    for step in 0..2000u16 {
        // Each is shown ever nearer to the other, and called by its name with certainty.
        let share = (f32::from(step) / 2000.0).min(0.5);
        let (index, colour) = if step % 2 == 0 { (1, blend(MINT, SKY, share)) } else { (2, blend(SKY, MINT, share)) };
        seen(&mut paint, colour);
        for _ in 0..10 {
            seconds += 1.0;
            paint.follow(&scene(index, 1.0, State::Seen, seconds));
        }
    }
    assert!(away(&paint) > 0.55 * before, "{} of {before}", away(&paint));
    assert_eq!([MINT, SKY].map(|colour| likeliest(&seen(&mut paint, colour))), [1, 2]);
}

#[test]
fn a_swapped_name_does_not_move_a_coat() {
    let mut paint = Paint::new(&enrolled()).expect("coats");
    let before = paint.follower.coats().to_vec();
    seen(&mut paint, SKY);
    for second in 0..5000 {
        paint.follow(&scene(1, 1.0, State::Seen, f64::from(second)));
    }
    assert_eq!(paint.follower.coats(), before);
}

#[test]
fn what_the_coats_became_is_taken_up_unless_it_may_not_stand() {
    let mut contract = enrolled();
    let (drifted, colours) = drifted(true);
    let became = drifted.became();
    let taken_up = |contract: &mut Contract, order: [usize; 4]| {
        contract.coats.as_mut().expect("coats").followed = order.map(|index| became.get(index).copied()).to_vec();
        Paint::new(contract).expect("coats")
    };
    let mut again = taken_up(&mut contract, [0, 1, 2, 3]);
    assert_eq!(again.became(), became);
    assert_eq!(colours.map(|colour| likeliest(&seen(&mut again, colour))), [0, 1, 2, 3]);
    // A file in which two coats have each other's colours.
    let enrolled = Paint::new(&self::enrolled()).expect("coats");
    assert_eq!(taken_up(&mut contract, [0, 2, 1, 3]).became(), enrolled.became());
}

#[test]
fn only_sure_sights_of_an_animal_alone_move_a_coat() {
    let other = blend(MINT, YELLOW, 0.1);
    for (p, state, alone, moves) in [
        (0.999, State::Seen, true, true),
        (0.9, State::Seen, true, false),
        (0.999, State::Predicted, true, false),
        (0.999, State::Hidden, true, false),
        (0.999, State::Seen, false, false),
    ] {
        let mut paint = Paint::new(&enrolled()).expect("coats");
        let before = paint.follower.coats().to_vec();
        for second in 0..100 {
            let mut poses = Poses::new();
            let _ = poses.push(mouse((80.0, 60.0)));
            if !alone {
                let _ = poses.push(mouse((80.0, 100.0)));
            }
            paint.read(&picture(&[((80.0, 60.0), other)]), &mut poses);
            paint.follow(&scene(1, p, state, f64::from(second)));
        }
        assert_eq!(paint.follower.coats() != before, moves, "{p} {state:?} {alone}");
    }
}

#[test]
fn coats_from_few_pictures_tell_apart_what_differs_and_say_what_does_not() {
    let measured = |coat, colour: [u8; 3]| Measured { coat, tint: tint(colour.map(f32::from)) };
    let learnt = learn(&[measured(0, RED), measured(1, MINT), measured(0, RED), measured(1, MINT)], 2).expect("coats");
    assert!(learnt.apart[0][1] > 6.0 && learnt.taken_for[0][0] == 1.0, "{learnt:?}");
    let alike = learn(&[measured(0, RED), measured(1, RED), measured(0, RED), measured(1, RED)], 2).expect("coats");
    assert!(alike.apart[0][1] < 0.01, "{alike:?}");
    assert_eq!(learn(&[measured(0, RED)], 2), None);
    assert_eq!(learn(&[], 1), None);
}
