//! Draws looks from a range so wide that a real camera is one more sample, while no coat turns into another.

use super::dice::Dice;
use super::layout::{Layout, Move, Piece};
use super::look::{COATS, Look, Paint};
use std::f32::consts::FRAC_PI_2;

/// How bright a floor is against the animals.
#[derive(Clone, Copy, PartialEq)]
enum Phase {
    /// Paint glows over a dark floor.
    Dark,
    /// In between.
    Dusk,
    /// A bright floor; shadows are weak and paint is dull.
    Light,
}

impl Look {
    /// A look from a wide range: brightness varies a lot, hue little, so that no coat turns into another.
    pub fn random(dice: &mut Dice) -> Self {
        let layout = layout(dice);
        let ordinary = layout.room == Layout::built().room;
        let faithful = layout.nest == Piece::Built;
        let phase = match dice.pick(&[0.72, 0.13, 0.15]) {
            0 => Phase::Dark,
            1 => Phase::Dusk,
            _ => Phase::Light,
        };
        // Even in the logarithm; most cameras are set better than the extremes.
        let (least, most) = if dice.chance(0.6) { (0.75, 1.4) } else { (0.4, 1.6) };
        let gain = least * f32::powf(most / least, dice.unit());
        let (light, floor_light) = match phase {
            Phase::Dark => (dice.between(0.8, 1.2), dice.between(0.5, 1.7)),
            Phase::Dusk => (dice.between(0.75, 1.1), dice.between(1.8, 4.0)),
            Phase::Light => (dice.between(0.65, 1.0), dice.between(4.0, 9.0)),
        };
        let bright = phase != Phase::Dark;
        let bedding = match dice.below(10) {
            0..3 => dice.between(0.0, 0.5),
            _ => dice.between(0.6, 1.6),
        };
        let roll = if faithful { 0.0 } else { dice.below(4) as f32 * FRAC_PI_2 };
        let reach = if faithful { 14.0 } else { 30.0 };
        Self {
            texture: u64::from(dice.bits()),
            paints: std::array::from_fn(|i| paint(i, phase, dice)),
            light: light * gain.max(if bright { 0.55 } else { 0.4 }),
            floor_light: floor_light * gain.max(if bright { 0.7 } else { 0.4 }),
            // Grain that shows in the dark would be gravel in bright light.
            bedding: bedding * [1.0, 0.5, 0.3][phase as usize],
            specks: dice.between(0.0, 2.0) * if bright { 0.25 } else { 1.0 },
            furniture: dice.between(0.6, 1.4) * if bright { dice.between(0.15, 0.7) } else { 1.0 },
            tint: tint(bright, dice),
            walls: if ordinary && phase == Phase::Dark { dice.between(0.5, 1.6) } else { dice.between(0.1, 4.0) },
            // Paint shows on pale fur; brown under a worn blue would make it grey.
            fur: if dice.chance(0.8) { fur(dice, 0.5, 180.0, 238.0) } else { fur(dice, 0.3, 90.0, 180.0) },
            plain_furs: {
                // Littermates look alike.
                let one = any_fur(dice);
                std::array::from_fn(|_| if dice.chance(0.6) { one } else { any_fur(dice) })
            },
            balance: {
                let warmth = dice.between(-0.08, 0.08);
                [1.0 + warmth + dice.between(-0.03, 0.03), 1.0, 1.0 - warmth + dice.between(-0.03, 0.03)]
            },
            gamma: 0.7 * 2f32.powf(dice.unit()),
            vignette: dice.between(0.0, 0.7),
            drift: dice.between(0.0, 0.05),
            sharpness: dice.between(-0.8, 0.8),
            noise: 0.3 * 14f32.powf(dice.unit()),
            shot: dice.between(0.1, 1.4),
            shutter: dice.between(0.05, 0.95),
            shift: [dice.between(-reach, reach), dice.between(-reach, reach)],
            roll: roll + dice.between(-0.087, 0.087),
            zoom: match (faithful, ordinary) {
                (true, _) => dice.between(0.9, 1.1),
                (_, true) => dice.between(0.75, 1.3),
                // A single animal's box is often filmed from near.
                _ => 0.75 * 2.2f32.powf(dice.unit()),
            },
            tilt: if dice.chance(0.5) { [0.0; 2] } else { [dice.between(-0.1, 0.1), dice.between(-0.1, 0.1)] },
            bulge: if dice.chance(0.5) { dice.between(-0.02, 0.04) } else { dice.between(-0.08, 0.12) },
            size: dice.between(0.8, 1.22),
            spread: dice.between(0.0, 0.25),
            shadow: if bright { dice.between(0.05, 0.45) } else { dice.between(0.2, 0.8) },
            guarded: true,
            sun: [dice.between(-1.0, 1.0), dice.between(-1.0, 1.0)],
            layout,
        }
    }
}

/// Any fur from black over brown to white.
fn any_fur(dice: &mut Dice) -> [f32; 3] {
    if dice.chance(0.35) { fur(dice, 1.0, 8.0, 40.0) } else { fur(dice, 1.0, 30.0, 240.0) }
}

/// Fur of a brightness between `dark` and `pale`, and so far `brown`: 0 not to 1.
fn fur(dice: &mut Dice, brown: f32, dark: f32, pale: f32) -> [f32; 3] {
    let base = dice.between(dark, pale);
    // Brown is strongest in the middle.
    let warm = dice.unit() * 0.22 * (1.0 - ((base - 90.0) / 100.0).abs()).max(0.0);
    let brown = brown * (warm + dice.between(-0.02, 0.06));
    [base * (1.0 + brown), base, base * (1.0 - brown)]
}

fn tint(bright: bool, dice: &mut Dice) -> [f32; 3] {
    let reach = if dice.chance(0.2) { 0.4 } else { 0.1 };
    // Bright floors are more often grey or white than brown.
    let base = if bright && dice.chance(0.6) { [1.02, 1.0, 0.98] } else { [1.12, 0.98, 0.9] };
    base.map(|v| v * (1.0 + dice.between(-reach, reach)))
}

fn paint(identity: usize, phase: Phase, dice: &mut Dice) -> Paint {
    let mut base = COATS[identity];
    match identity {
        0 => base[2] += dice.between(-4.0, 34.0),
        // The lab's blue leans to cyan on some days, never as far as the mint.
        2 => base[1] += dice.between(-4.0, 12.0),
        _ => {}
    }
    let light = dice.between(0.62, 1.12);
    // Red has less room: a pale red turns pink, a rich yellow turns orange.
    let mut richer = match identity {
        0 => dice.between(-0.2, 0.1),
        3 => dice.between(-0.25, 0.5),
        _ => dice.between(-0.2, 0.45),
    };
    if phase == Phase::Light {
        richer = (richer - dice.between(0.0, 0.15)).max(-0.25);
    }
    let grey = (base[0] + base[1] + base[2]) / 3.0;
    let colour = base.map(|c| ((grey + (c - grey) * (1.0 + richer)) * light + dice.normal() * 3.0).clamp(4.0, 255.0));
    Paint {
        colour,
        starts: match dice.below(10) {
            0..4 => dice.between(-0.02, 0.1),
            4..9 => dice.between(0.08, 0.3),
            _ => dice.between(0.3, 0.42),
        },
        edge: dice.between(0.04, 0.22),
        patchy: dice.between(0.0, 1.0),
        faded: dice.between(0.0, 0.3),
        worn: if dice.chance(0.4) { dice.between(0.0, 0.9) } else { 0.0 },
        ends: if dice.chance(0.3) { dice.between(0.75, 1.05) } else { 2.0 },
    }
}

fn layout(dice: &mut Dice) -> Layout {
    match dice.pick(&[0.38, 0.37, 0.25]) {
        0 => {
            let mut layout = Layout::built();
            layout.lid = dice.chance(0.6);
            if dice.chance(0.08) {
                layout.wall = Piece::Missing;
            }
            layout
        }
        1 => {
            let mut layout = Layout::built();
            layout.lid = dice.chance(0.6);
            layout.nest = moved(dice, 0.25, true);
            layout.shelter = moved(dice, 0.25, false);
            layout.wall = moved(dice, 0.25, false);
            layout.ramps = [moved(dice, 0.3, true), moved(dice, 0.3, true)];
            layout.trifles = moved(dice, 0.3, true);
            layout
        }
        _ => {
            let half = [dice.between(150.0, 330.0), dice.between(140.0, 250.0)];
            let at = [320.0 + dice.between(-20.0, 20.0), 240.0 + dice.between(-15.0, 15.0)];
            let room = [at[0] - half[0], at[1] - half[1], at[0] + half[0], at[1] + half[1]];
            let mut layout = Layout::open(room, dice.between(3.0, 60.0));
            if dice.chance(0.3) {
                // No border in sight.
                layout.room = [-400.0, -400.0, 1040.0, 880.0];
            }
            if dice.chance(0.3) {
                layout.shelter = moved(dice, 0.0, false);
                layout.lid = dice.chance(0.7);
            }
            layout
        }
    }
}

/// A piece somewhere else; one that `leans` stays at the walls.
fn moved(dice: &mut Dice, missing: f32, leans: bool) -> Piece {
    if dice.chance(missing) {
        return Piece::Missing;
    }
    let mirrored = dice.chance(0.5);
    let turn = dice.below(4) as f32 * FRAC_PI_2;
    let (turn, shift) = if leans {
        (turn, [dice.between(-10.0, 10.0), dice.between(-10.0, 10.0)])
    } else {
        (turn + dice.between(-0.8, 0.8), [dice.between(-60.0, 60.0), dice.between(-60.0, 60.0)])
    };
    Piece::Moved(Move { about: [320.0, 236.0], mirrored, turn, shift })
}
