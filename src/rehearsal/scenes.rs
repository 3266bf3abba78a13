//! Scenes that are hard for a network or a tracker: piles, chases, crossings, doors, borders.

use super::mouse::{Den, Doing, Mouse};
use super::{Arena, Dice};

/// Sets up a scene that is hard for a network or a tracker, with as many animals as there are.
pub fn stage(arena: &mut Arena, dice: &mut Dice) {
    set(arena, dice);
    for mouse in &mut arena.mice.all {
        if dice.chance(0.25) {
            contort(mouse, dice);
        }
    }
}

/// Lets a mouse lie or sit as few do: curled up, stretched out, its tail in a hook.
fn contort(mouse: &mut Mouse, dice: &mut Dice) {
    let (tight, turn) = (dice.unit(), if dice.chance(0.5) { 1.0 } else { -1.0 });
    match dice.pick(&[0.3, 0.3, 0.4]) {
        // Asleep: nose to tail.
        0 => {
            (mouse.doing, mouse.left_s, mouse.speed) = (Doing::Rest, 4.0, 0.0);
            mouse.goal_stretch = 0.6 + 0.15 * tight;
            mouse.goal_upright = 0.0;
            mouse.curl = turn * (1.0 + 0.5 * tight);
            mouse.posture.rear = mouse.posture.trunk - mouse.curl * 0.8;
            mouse.posture.head = mouse.posture.trunk + mouse.curl;
            mouse.posture.stretch = mouse.goal_stretch;
            mouse.lay_tail(turn * (0.1 + 0.2 * tight));
        }
        // Reaching out.
        1 => {
            mouse.goal_stretch = 1.08 + 0.17 * tight;
            mouse.posture.stretch = mouse.goal_stretch;
            mouse.lay_tail(turn * 0.3 * dice.unit());
        }
        _ => mouse.lay_tail(turn * 0.3 * tight),
    }
}

fn set(arena: &mut Arena, dice: &mut Dice) {
    let n = arena.mice.all.len();
    let at = arena.mice.somewhere(dice);
    let heading = dice.heading();
    for index in 0..n {
        let heading = dice.heading();
        let doing = [Doing::Walk, Doing::Rest, Doing::Rear, Doing::Groom, Doing::Run]
            [dice.pick(&[0.45, 0.15, 0.15, 0.12, 0.13])];
        let place = arena.mice.somewhere(dice);
        arena.mice.put(index, place, heading, doing, 2.0);
    }
    arena.mice.shuffle_heights();
    let first = dice.below(n);
    let near = |dice: &mut Dice, reach: f32| {
        let (angle, far) = (dice.heading(), dice.between(0.35 * reach, reach));
        [at[0] + angle.cos() * far, at[1] + angle.sin() * far]
    };
    match dice.pick(&[0.18, 0.24, 0.14, 0.12, 0.1, 0.1, 0.12]) {
        0 => {} // apart
        1 => {
            // A pile of two to four.
            let many = (2 + dice.below(3)).min(n);
            for k in 0..many {
                let place = near(dice, 34.0);
                let turn = dice.heading();
                let doing = if dice.chance(0.6) { Doing::Huddle((first + k + 1) % n) } else { Doing::Rest };
                arena.mice.put((first + k) % n, place, turn, doing, 4.0);
            }
        }
        2 if n > 1 => {
            // One after the other, at speed.
            let behind = [at[0] - heading.cos() * 60.0, at[1] - heading.sin() * 60.0];
            arena.mice.put((first + 1) % n, at, heading, Doing::Run, 2.0);
            arena.mice.put(first, behind, heading, Doing::Chase((first + 1) % n), 2.0);
        }
        3 if n > 1 => {
            // Two that cross.
            for k in 0..2 {
                let place = near(dice, 50.0);
                let to = (at[1] - place[1]).atan2(at[0] - place[0]);
                arena.mice.put((first + k) % n, place, to, Doing::Huddle((first + 1 - k) % n), 1.0);
            }
        }
        4 => {
            let den = if dice.chance(0.5) { Den::Nest } else { Den::Shelter };
            for k in 0..(1 + dice.below(2)).min(n) {
                let jitter = [dice.between(-26.0, 26.0), dice.between(-26.0, 26.0)];
                let built = match den {
                    Den::Nest => [282.0 + jitter[0] * 0.7, 86.0 + jitter[1]],
                    Den::Shelter => [448.0 + jitter[0], 392.0 + jitter[1] * 0.5],
                };
                let place = arena.mice.layout().den(den, built);
                let turn = dice.heading();
                arena.mice.put((first + k) % n, place, turn, Doing::Enter(den, 0, true), 1.5);
            }
        }
        5 => {
            // Along a border or on a ramp.
            let [l, t, r, b] = arena.mice.layout().bounds;
            for k in 0..(1 + dice.below(3)).min(n) {
                let along = dice.unit();
                let place = match dice.below(5) {
                    0 => [l + 2.0, t + along * (b - t)],
                    1 => [r - 2.0, t + along * (b - t)],
                    2 => [l + along * (r - l), b - 4.0],
                    3 => [150.0 + dice.between(-14.0, 20.0), 334.0],
                    _ => [480.0 + dice.between(-20.0, 20.0), 192.0],
                };
                let turn = dice.heading();
                arena.mice.put((first + k) % n, place, turn, Doing::Walk, 2.0);
            }
        }
        _ => {
            for k in 0..(1 + dice.below(2)).min(n) {
                let place = near(dice, 40.0);
                let doing = if dice.chance(0.6) { Doing::Rear } else { Doing::Groom };
                arena.mice.put((first + k) % n, place, heading, doing, 2.0);
            }
        }
    }
}
