//! Made-up mice: a trunk and a tail of three, walking, touching and crossing tails.

use super::{ASTRAY, Bodies, HELD_BACK, Hidden, Posture, Seat, UNKNOWN_COAT, UNKNOWN_COATS};
use crate::handover::{Coats, Keypoint, KeypointSet, Keypoints, MAX_ANIMALS, MAX_KEYPOINTS};
use crate::space::InCamera;

const STEP_S: f32 = 1.0 / 30.0;
const SIZE: f32 = 20.0;
/// nose, left and right flank, centre, tail base, middle and end.
const LINKS: [[usize; 2]; 6] = [[0, 3], [1, 3], [2, 3], [3, 4], [4, 5], [5, 6]];
const CENTRE: usize = 3;
const TAIL_MIDDLE: usize = 5;
const TAIL_END: usize = 6;

/// A mouse whose nose points along `turn` (radians), its tail swung by `swing` pixels at the end.
fn mouse(x: f32, y: f32, turn: f32, swing: f32, tail: f32) -> Keypoints {
    let body = [
        [30.0, 0.0],
        [0.0, -9.0],
        [0.0, 9.0],
        [0.0, 0.0],
        [-22.0, 0.0],
        [-22.0 - tail, 0.5 * swing],
        [-22.0 - 2.0 * tail, swing],
    ];
    let mut keypoints = [None; MAX_KEYPOINTS];
    for (keypoint, [along, across]) in keypoints.iter_mut().zip(body) {
        let (sin, cos) = turn.sin_cos();
        let at = InCamera { x: x + cos * along - sin * across, y: y + sin * along + cos * across };
        *keypoint = Some(Keypoint { at, score: 0.9 });
    }
    keypoints
}

/// Two mice that walk, and what is known of them.
struct Stage {
    bodies: Bodies,
    postures: [Posture; 2],
    shapes: [Keypoints; 2],
    /// Whose coats their poses show.
    coats: [Coats; 2],
    frame: usize,
}

/// What shows the coat of one of four animals.
fn coat_of(animal: usize) -> [f32; MAX_ANIMALS] {
    std::array::from_fn(|other| {
        if other == animal {
            3.9
        } else if other < 4 {
            0.03
        } else {
            0.0
        }
    })
}

impl Stage {
    /// Both were seen alone for some seconds; the tail of the second is `tail` long in each half.
    fn new(links: &[[usize; 2]], tail: f32) -> Self {
        let mut stage = Self {
            bodies: Bodies::new(links),
            postures: Default::default(),
            shapes: [[None; MAX_KEYPOINTS]; 2],
            coats: [UNKNOWN_COATS; 2],
            frame: 0,
        };
        for _ in 0..300 {
            let (first, second) = stage.walking(tail);
            let kept = stage.show([Some(first), Some(second)], &[]);
            let frame = stage.frame;
            for (kept, shown) in kept.iter().zip([first, second]) {
                assert_eq!(kept.unwrap_or_default(), shown, "a mouse alone loses nothing, frame {frame}");
            }
        }
        stage
    }

    /// Where the two are: far apart, turning, their tails swinging.
    fn walking(&self, tail: f32) -> (Keypoints, Keypoints) {
        let t = self.frame as f32 * STEP_S;
        let swing = 12.0 * (2.0 * t).sin();
        (
            mouse(150.0 + 8.0 * t, 150.0, 0.3 * t, swing, 20.0),
            mouse(450.0, 300.0 - 5.0 * t, 2.0 - 0.4 * t, -swing, tail),
        )
    }

    /// Shows a frame; gives what each mouse keeps.
    fn show(&mut self, mut poses: [Option<Keypoints>; 2], hidden: &[Hidden]) -> [Option<Keypoints>; 2] {
        self.frame += 1;
        let shares: [[f32; MAX_ANIMALS]; 2] =
            std::array::from_fn(|own| std::array::from_fn(|identity| if identity == own { 0.99 } else { 0.0 }));
        let mut seats: Vec<Seat<'_>> = self
            .postures
            .iter_mut()
            .zip(&mut poses)
            .zip(&mut self.shapes)
            .enumerate()
            .map(|(index, ((posture, pose), shape))| Seat {
                posture,
                keypoints: pose.as_mut(),
                shape,
                coats: &self.coats[index],
                shares: &shares[index],
                moved: [0.0; 2],
                name: Some((index, 0.99)),
            })
            .collect();
        self.bodies.check(&mut seats, hidden, SIZE, STEP_S);
        poses
    }

    /// The two side by side, tails towards each other, seen for a moment.
    fn touching(&mut self) -> (Keypoints, Keypoints) {
        self.postures = Default::default();
        let pair = (mouse(200.0, 200.0, 0.0, 0.0, 20.0), mouse(200.0, 226.0, 0.0, 0.0, 20.0));
        for _ in 0..15 {
            let kept = self.show([Some(pair.0), Some(pair.1)], &[]);
            assert_eq!(kept, [Some(pair.0), Some(pair.1)]);
        }
        pair
    }
}

fn missing(shown: &Keypoints, kept: &Option<Keypoints>) -> Vec<usize> {
    let kept = kept.expect("a pose");
    (0..MAX_KEYPOINTS).filter(|k| shown[*k].is_some() && kept[*k].is_none()).collect()
}

#[test]
fn a_tail_end_that_is_the_neighbours_is_given_up() {
    let mut stage = Stage::new(&LINKS, 20.0);
    let (mut first, mut second) = stage.touching();
    first[TAIL_END] = second[TAIL_END].take();
    let kept = stage.show([Some(first), Some(second)], &[]);
    assert_eq!((missing(&first, &kept[0]), missing(&second, &kept[1])), (vec![TAIL_END], vec![]));
}

#[test]
fn two_poses_on_one_tail_leave_it_to_whose_it_was() {
    let mut stage = Stage::new(&LINKS, 20.0);
    let (mut first, second) = stage.touching();
    for k in [TAIL_MIDDLE, TAIL_END] {
        first[k] = second[k];
    }
    let kept = stage.show([Some(first), Some(second)], &[]);
    assert_eq!((missing(&first, &kept[0]), missing(&second, &kept[1])), (vec![TAIL_MIDDLE, TAIL_END], vec![]));
}

#[test]
fn tails_that_cross_and_are_exchanged_are_both_given_up() {
    let mut stage = Stage::new(&LINKS, 20.0);
    let (mut first, mut second) = stage.touching();
    std::mem::swap(&mut first[TAIL_END], &mut second[TAIL_END]);
    let kept = stage.show([Some(first), Some(second)], &[]);
    assert_eq!((missing(&first, &kept[0]), missing(&second, &kept[1])), (vec![TAIL_END], vec![TAIL_END]));
}

#[test]
fn what_cannot_be_decided_is_nobodys() {
    let mut stage = Stage::new(&LINKS, 20.0);
    let (mut first, mut second) = stage.touching();
    // Long unseen tails that could both end at one place half way between.
    for k in [TAIL_MIDDLE, TAIL_END] {
        (first[k], second[k]) = (None, None);
    }
    for _ in 0..60 {
        stage.show([Some(first), Some(second)], &[]);
    }
    let at = InCamera { x: 140.0, y: 213.0 };
    (first[TAIL_END], second[TAIL_END]) = (Some(Keypoint { at, score: 0.8 }), Some(Keypoint { at, score: 0.9 }));
    let kept = stage.show([Some(first), Some(second)], &[]);
    assert_eq!((missing(&first, &kept[0]), missing(&second, &kept[1])), (vec![TAIL_END], vec![TAIL_END]));
}

#[test]
fn a_tail_end_too_far_for_any_tail_is_given_up_with_a_skeleton_and_without() {
    for links in [&LINKS[..], &[]] {
        let mut stage = Stage::new(links, 20.0);
        let (mut first, second) = stage.walking(20.0);
        first[TAIL_END] = Some(Keypoint { at: InCamera { x: 320.0, y: 320.0 }, score: 0.9 });
        let kept = stage.show([Some(first), Some(second)], &[]);
        assert_eq!((missing(&first, &kept[0]), missing(&second, &kept[1])), (vec![TAIL_END], vec![]));
    }
}

#[test]
fn each_animal_is_held_to_its_own_proportions() {
    let mut stage = Stage::new(&LINKS, 10.0);
    let (long, mut short) = stage.walking(10.0);
    let (_, too_long) = stage.walking(20.0);
    for k in [TAIL_MIDDLE, TAIL_END] {
        short[k] = too_long[k];
    }
    let kept = stage.show([Some(long), Some(short)], &[]);
    assert_eq!((missing(&long, &kept[0]), missing(&short, &kept[1])), (vec![], vec![TAIL_MIDDLE, TAIL_END]));
}

#[test]
fn an_animal_out_of_sight_makes_keypoints_near_it_doubtful() {
    let odd = |stage: &Stage| {
        let (mut first, second) = stage.walking(20.0);
        let end = first[TAIL_END].as_mut().expect("given");
        end.at.y += 16.0;
        (first, second)
    };
    let mut stage = Stage::new(&LINKS, 20.0);
    let (first, second) = odd(&stage);
    let kept = stage.show([Some(first), Some(second)], &[]);
    assert!(missing(&first, &kept[0]).is_empty());
    let mut stage = Stage::new(&LINKS, 20.0);
    let (first, second) = odd(&stage);
    let kept =
        stage.show([Some(first), Some(second)], &[Hidden { identity: 2, at: first[TAIL_END].expect("given").at }]);
    assert_eq!(missing(&first, &kept[0]), vec![TAIL_END]);
}

#[test]
fn a_missing_keypoint_is_predicted_for_a_while_and_moves_with_its_body() {
    let mut stage = Stage::new(&LINKS, 20.0);
    let (mut first, second) = stage.walking(20.0);
    first[CENTRE] = None;
    stage.show([Some(first), Some(second)], &[]);
    let (mut moved, _) = stage.walking(20.0);
    let truth = moved[CENTRE].take().expect("given");
    stage.show([Some(moved), Some(second)], &[]);
    let (all, predicted) = stage.postures[0].completed(&moved, 0.3, SIZE);
    let centre = all[CENTRE].expect("predicted");
    assert_eq!(predicted, KeypointSet::from_iter([CENTRE]));
    assert!(centre.at.distance(truth.at) < 2.0 && centre.score < 0.45 && centre.score > 0.2, "{centre:?} {truth:?}");
    let unheld = stage.postures[0].completed(&moved, 0.05, SIZE);
    assert_eq!((unheld.0[CENTRE], unheld.1.is_empty()), (None, true));
    assert_eq!(all[TAIL_END], moved[TAIL_END]);
}

#[test]
fn a_frame_is_not_carried_away_by_borrowed_keypoints() {
    let mut stage = Stage::new(&LINKS, 20.0);
    let (mut first, second) = stage.walking(20.0);
    let truth = first;
    for k in [4, TAIL_MIDDLE, TAIL_END] {
        let keypoint = first[k].as_mut().expect("given");
        (keypoint.at.x, keypoint.at.y) = (keypoint.at.x + 35.0, keypoint.at.y - 30.0);
    }
    let kept = stage.show([Some(first), Some(second)], &[]);
    assert_eq!(missing(&first, &kept[0]), vec![4, TAIL_MIDDLE, TAIL_END]);
    let (all, _) = stage.postures[0].completed(&kept[0].expect("a pose"), 0.3, SIZE);
    let base = all[4].expect("predicted").at;
    assert!(base.distance(truth[4].expect("given").at) < 3.0, "{base:?}");
}

/// How far the tail's end of the first of two that touch may swing until it is given up, pixels.
fn swing_until_given_up(had: bool, neighbour_has: bool) -> f32 {
    let kept_at = |off: f32| {
        let mut stage = Stage::new(&LINKS, 20.0);
        let (mut first, mut second) = stage.touching();
        let end = first[TAIL_END];
        if !had {
            first[TAIL_END] = None;
        }
        if !neighbour_has {
            second[TAIL_END] = None;
        }
        stage.show([Some(first), Some(second)], &[]);
        first[TAIL_END] = end.map(|end| Keypoint { at: InCamera { y: end.at.y + off, ..end.at }, ..end });
        let mut kept = stage.show([Some(first), Some(second)], &[]);
        for _ in 0..if had { 0 } else { HELD_BACK } {
            kept = stage.show([Some(first), Some(second)], &[]);
        }
        missing(&first, &kept[0]).is_empty()
    };
    (0..80).map(|step| 0.5 * step as f32).take_while(|off| kept_at(*off)).last().unwrap_or(-1.0)
}

#[test]
fn a_keypoint_that_comes_back_beside_another_body_must_be_surer_than_one_that_stayed() {
    let (stayed, back) = (swing_until_given_up(true, false), swing_until_given_up(false, false));
    assert!(back < stayed, "{back} {stayed}");
}

/// Whether keypoint `k` of the first of two mice, which was missing for a frame, is kept in the frames after it. `coat` is around it.
fn back_after_a_frame(
    stage: &mut Stage,
    pair: (Keypoints, Keypoints),
    k: usize,
    coat: [f32; MAX_ANIMALS],
) -> [bool; 4] {
    let (first, second) = pair;
    stage.coats[0][k] = coat;
    let mut without = first;
    without[k] = None;
    stage.show([Some(without), Some(second)], &[]);
    std::array::from_fn(|_| stage.show([Some(first), Some(second)], &[])[0].expect("a pose")[k].is_some())
}

#[test]
fn what_comes_back_beside_a_body_that_lacks_it_is_kept_when_seen_a_third_time() {
    let flank = 2;
    for coat in [UNKNOWN_COAT, coat_of(0)] {
        let mut stage = Stage::new(&LINKS, 20.0);
        let (first, mut second) = stage.touching();
        second[flank] = None;
        assert_eq!(back_after_a_frame(&mut stage, (first, second), flank, coat), [false, false, true, true]);
        assert_eq!(stage.shapes[0], first);
        let mut alone = Stage::new(&LINKS, 20.0);
        let pair = alone.walking(20.0);
        assert_eq!(back_after_a_frame(&mut alone, pair, flank, coat), [true; 4]);
    }
}

#[test]
fn a_tail_end_goes_with_the_middle_that_it_hangs_on_unless_its_coat_speaks_for_it() {
    let lost = |coat| {
        let mut stage = Stage::new(&LINKS, 20.0);
        let (mut first, second) = stage.walking(20.0);
        stage.coats[0][TAIL_END] = coat;
        first[TAIL_MIDDLE].as_mut().expect("given").at.y += 60.0;
        missing(&first, &stage.show([Some(first), Some(second)], &[])[0])
    };
    assert_eq!((lost(UNKNOWN_COAT), lost(coat_of(0))), (vec![TAIL_MIDDLE, TAIL_END], vec![TAIL_MIDDLE]));
}

#[test]
fn a_tail_end_without_its_middle_is_given_up_even_where_no_other_is_near() {
    let mut stage = Stage::new(&LINKS, 20.0);
    let swinging_wider = |stage: &Stage| {
        let t = stage.frame as f32 * STEP_S;
        let swing = (12.0 + 2.0 * t) * t.sin();
        [mouse(150.0, 150.0, 0.0, swing, 20.0), mouse(450.0, 300.0, 0.0, -swing, 20.0)]
    };
    for _ in 0..900 {
        let mice = swinging_wider(&stage);
        stage.show(mice.map(Some), &[]);
    }
    let [mut first, second] = swinging_wider(&stage);
    first[TAIL_MIDDLE] = None;
    let [kept, _] = stage.show([Some(first), Some(second)], &[]);
    assert_eq!(missing(&first, &kept), [TAIL_END]);
}

#[test]
fn a_trunk_without_its_centre_is_kept() {
    let mut stage = Stage::new(&LINKS, 20.0);
    let (mut first, second) = stage.walking(20.0);
    first[CENTRE] = None;
    let [kept, _] = stage.show([Some(first), Some(second)], &[]);
    assert_eq!(missing(&first, &kept), [0; 0]);
}

#[test]
fn a_tail_may_reach_further_than_it_mostly_does() {
    let stage = Stage::new(&LINKS, 20.0);
    let mouse = mouse(200.0, 200.0, 0.0, 0.0, 20.0);
    let expected = Posture::default().expect(stage.bodies.of(None), Some(&mouse), [0.0; 2], SIZE);
    let furthest = |astray| {
        let may_end = |behind: &f32| expected.may_have(TAIL_END, [(200.0 - behind) / SIZE, 200.0 / SIZE], astray);
        (60u8..150).map(f32::from).take_while(may_end).last().unwrap_or_default()
    };
    let (mostly, at_most) = (furthest(0.0), furthest(ASTRAY));
    assert!(62.0 <= mostly && mostly < at_most && at_most < 80.0, "{mostly} {at_most}");
}

#[test]
fn what_a_neighbour_has_elsewhere_is_not_taken_for_its_own() {
    let (elsewhere, nowhere) = (swing_until_given_up(false, true), swing_until_given_up(false, false));
    assert!(nowhere < elsewhere, "{nowhere} {elsewhere}");
}

#[test]
fn a_pose_that_loses_much_to_another_body_keeps_nothing_doubtful() {
    // All but the flanks and the centre are the neighbour's, and the centre lies between the two.
    let kept = |borrowed: &[usize]| {
        let mut stage = Stage::new(&LINKS, 20.0);
        let (mut first, mut second) = stage.touching();
        for k in borrowed {
            first[*k] = second[*k].take();
        }
        let centre = first[CENTRE].as_mut().expect("given");
        centre.at.y += 4.0;
        let kept = stage.show([Some(first), Some(second)], &[]);
        kept[0].expect("a pose")[CENTRE].is_some()
    };
    assert_eq!((kept(&[]), kept(&[0, 4, TAIL_MIDDLE, TAIL_END])), (true, false));
}

#[test]
fn a_keypoint_on_a_hidden_neighbours_coat_is_given_up() {
    let kept = |coat| {
        let mut stage = Stage::new(&LINKS, 20.0);
        let (first, _) = stage.touching();
        stage.coats[0][2] = coat;
        let kept = stage.show([Some(first), None], &[]);
        missing(&first, &kept[0])
    };
    assert_eq!([kept(coat_of(0)), kept(UNKNOWN_COAT), kept(coat_of(1))], [vec![], vec![], vec![2]]);
}

#[test]
fn its_own_coat_speaks_for_a_keypoint_that_would_be_doubtful() {
    let kept_at = |coat, off: f32| {
        let mut stage = Stage::new(&LINKS, 20.0);
        let (mut first, _) = stage.touching();
        stage.coats[0][2] = coat;
        first[2].as_mut().expect("given").at.y += off;
        missing(&first, &stage.show([Some(first), None], &[])[0]).is_empty()
    };
    let furthest = |coat| (0..40).map(|step| 0.5 * step as f32).take_while(|off| kept_at(coat, *off)).count();
    let (own, unknown) = (furthest(coat_of(0)), furthest(UNKNOWN_COAT));
    assert!(own > unknown, "{own} {unknown}");
}

#[test]
fn what_is_left_of_a_pose_over_two_animals_must_show_its_coat() {
    // The tail is the neighbour's. The nose lies on no paint; it is linked to the centre.
    let kept = |centre| {
        let mut stage = Stage::new(&LINKS, 20.0);
        let (mut first, mut second) = stage.touching();
        (stage.coats[0][1], stage.coats[0][2], stage.coats[0][CENTRE]) = (coat_of(0), coat_of(0), centre);
        for k in [4, TAIL_MIDDLE, TAIL_END] {
            first[k] = second[k].take();
        }
        missing(&first, &stage.show([Some(first), Some(second)], &[])[0])
    };
    let tail = [4, TAIL_MIDDLE, TAIL_END];
    assert_eq!((kept(coat_of(0)), kept(UNKNOWN_COAT)), (tail.to_vec(), [&[0], &tail[..]].concat()));
}

/// The same mouse with every keypoint scored so.
fn scored(mut mouse: Keypoints, score: f32) -> Keypoints {
    mouse.iter_mut().flatten().for_each(|keypoint| keypoint.score = score);
    mouse
}

/// Two mice that touch after scores went up and down around 0.9 for some seconds, `deviation` apart from it.
fn scoring(deviation: f32) -> Stage {
    let mut stage = Stage::new(&LINKS, 20.0);
    for frame in 0..300 {
        let score = 0.9 + if frame % 2 == 0 { deviation } else { -deviation };
        let (first, second) = stage.walking(20.0);
        stage.show([Some(scored(first, score)), Some(scored(second, score))], &[]);
    }
    stage
}

/// Whether a flank that scores `score` and was missing for a frame is kept at once beside a body that lacks its own.
fn back_at_once(deviation: f32, score: f32) -> bool {
    let (mut stage, flank) = (scoring(deviation), 2);
    let (mut first, mut second) = stage.touching();
    second[flank] = None;
    first[flank].as_mut().expect("given").score = score;
    back_after_a_frame(&mut stage, (first, second), flank, coat_of(0))[0]
}

#[test]
fn what_scores_well_comes_back_at_once_beside_a_body_and_what_is_faint_does_not() {
    assert_eq!((back_at_once(0.05, 0.95), back_at_once(0.05, 0.8)), (true, false));
}

#[test]
fn scores_that_are_all_alike_tell_nothing() {
    assert_eq!((back_at_once(0.0, 0.95), back_at_once(0.0, 0.8)), (false, false));
}

#[test]
fn what_leaps_while_it_is_faint_beside_a_body_is_held_back() {
    let flank = 2;
    let kept = |score, off| {
        let mut stage = scoring(0.05);
        let (mut first, mut second) = stage.touching();
        second[flank] = None;
        stage.show([Some(first), Some(second)], &[]);
        let keypoint = first[flank].as_mut().expect("given");
        (keypoint.score, keypoint.at.x) = (score, keypoint.at.x + off);
        stage.show([Some(first), Some(second)], &[])[0].expect("a pose")[flank].is_some()
    };
    assert_eq!((kept(0.8, 0.0), kept(0.8, 5.0), kept(0.95, 5.0)), (true, false, true));
}
