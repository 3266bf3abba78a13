//! Things that lie about: straws, cables, bedding, pellets, droppings, and hard edges of light over animals and floor.

use super::dice::Dice;
use super::floor::{Point, segment_distance};
use super::look::Look;
use super::{HEIGHT, WIDTH};

/// What one pixel becomes: what was there times `keep`/255, plus `add` in 1/64 display levels.
struct Touch {
    at: u32,
    keep: u8,
    add: [u16; 3],
}

/// Things in camera pixels, to be laid over a canvas.
#[derive(Default)]
pub struct Clutter {
    touches: Vec<Touch>,
    /// Pixels whose thing is opaque; empty when nothing lies there.
    opaque: Vec<bool>,
}

/// Turns levels of light into the canvas's values.
struct Ink<'a> {
    look: &'a Look,
}

impl Ink<'_> {
    fn colour(&self, levels: [f32; 3]) -> [f32; 3] {
        std::array::from_fn(|c| {
            let lit = (levels[c] * self.look.floor_light * self.look.balance[c]).clamp(0.0, 255.0);
            255.0 * 64.0 * (lit / 255.0).powf(self.look.gamma)
        })
    }
}

impl Clutter {
    /// What lies on the floor, under the animals.
    pub fn under(look: &Look, dice: &mut Dice) -> Self {
        let mut all = Self::default();
        let ink = Ink { look };
        if dice.chance(0.35) {
            for _ in 0..dice.below(60) {
                let at = anywhere(dice);
                all.dropping(&ink, at, dice);
            }
        }
        if dice.chance(0.3) {
            for _ in 0..1 + dice.below(5) {
                let at = anywhere(dice);
                match dice.below(3) {
                    0 => all.pellet(&ink, at, dice),
                    1 => all.straw(&ink, at, dice),
                    _ => all.line(&ink, dice),
                }
            }
        }
        if dice.chance(0.15) {
            all.light_edge(dice);
        }
        all
    }

    /// What lies over the animals, much of it near the points of `near`.
    pub fn over(look: &Look, near: &[Point], dice: &mut Dice) -> Self {
        let mut all = Self { touches: Vec::new(), opaque: vec![false; WIDTH * HEIGHT] };
        let ink = Ink { look };
        for _ in 0..1 + dice.below(6) {
            let mut at = anywhere(dice);
            if !near.is_empty() && dice.chance(0.7) {
                let by = near[dice.below(near.len())];
                at = [by[0] + dice.normal() * 14.0, by[1] + dice.normal() * 14.0];
            }
            match dice.pick(&[0.3, 0.1, 0.25, 0.15, 0.1, 0.05, 0.05]) {
                0 => all.straw(&ink, at, dice),
                1 => all.cable(&ink, at, dice),
                2 => all.tuft(&ink, at, dice),
                3 => all.pellet(&ink, at, dice),
                4 => all.dropping(&ink, at, dice),
                5 => all.glare(at, dice),
                _ => all.light_edge(dice),
            }
        }
        all
    }

    /// Lays everything over `canvas` (RGB, 1/64 display levels).
    pub fn lay(&self, canvas: &mut [u16]) {
        for touch in &self.touches {
            let Some(pixel) = canvas.get_mut(touch.at as usize * 3..touch.at as usize * 3 + 3) else { continue };
            for (value, add) in pixel.iter_mut().zip(touch.add) {
                let kept = u32::from(*value) * u32::from(touch.keep) / 255;
                *value = (kept + u32::from(add)).min(16_383) as u16;
            }
        }
    }

    /// Whether something opaque lies at `p`.
    pub fn hides(&self, p: Point) -> bool {
        let (x, y) = (p[0].round(), p[1].round());
        let inside = x >= 0.0 && y >= 0.0 && x < WIDTH as f32 && y < HEIGHT as f32;
        inside && self.opaque.get(y as usize * WIDTH + x as usize).is_some_and(|opaque| *opaque)
    }

    /// A rod from `a` to `b` of half width `r`.
    fn rod(&mut self, a: Point, b: Point, r: f32, colour: [f32; 3]) {
        let clip = |v: f32, most: usize| v.clamp(0.0, most as f32) as usize;
        let (left, right) = (a[0].min(b[0]) - r - 1.0, a[0].max(b[0]) + r + 2.0);
        let (top, bottom) = (a[1].min(b[1]) - r - 1.0, a[1].max(b[1]) + r + 2.0);
        for y in clip(top, HEIGHT)..clip(bottom, HEIGHT) {
            for x in clip(left, WIDTH)..clip(right, WIDTH) {
                let d = segment_distance(a, b, [x as f32, y as f32]);
                let share = (0.5 + r - d).clamp(0.0, 1.0);
                if share > 0.0 {
                    // Round things are brighter along their middle.
                    let lit = 0.7 + 0.3 * (1.0 - d / (r + 0.5)).clamp(0.0, 1.0);
                    self.touch(y * WIDTH + x, 1.0 - share, colour.map(|v| v * lit * share));
                    if let Some(opaque) = self.opaque.get_mut(y * WIDTH + x) {
                        *opaque |= share > 0.6;
                    }
                }
            }
        }
    }

    fn touch(&mut self, at: usize, keep: f32, add: [f32; 3]) {
        let add = add.map(|v| v.clamp(0.0, 16_383.0) as u16);
        self.touches.push(Touch { at: at as u32, keep: (keep * 255.0) as u8, add });
    }

    fn straw(&mut self, ink: &Ink<'_>, at: Point, dice: &mut Dice) {
        let (angle, long) = (dice.heading(), dice.between(6.0, 60.0));
        let (ax, ay) = (angle.cos() * long, angle.sin() * long);
        let colour = ink.colour(wood(dice.between(15.0, 90.0), dice));
        self.rod([at[0] - ax, at[1] - ay], [at[0] + ax, at[1] + ay], dice.between(0.5, 3.2), colour);
    }

    /// A bent line from edge to edge by way of `at`.
    fn cable(&mut self, ink: &Ink<'_>, at: Point, dice: &mut Dice) {
        let (angle, bend) = (dice.heading(), dice.between(-0.08, 0.08));
        let (r, level) = (dice.between(0.6, 2.4), dice.between(2.0, 80.0));
        let colour = ink.colour([level; 3]);
        for side in [1.0, -1.0] {
            let (mut p, mut heading) = (at, angle);
            for _ in 0..60 {
                let q = [p[0] + heading.cos() * 12.0 * side, p[1] + heading.sin() * 12.0 * side];
                self.rod(p, q, r, colour);
                (p, heading) = (q, heading + bend);
            }
        }
    }

    fn tuft(&mut self, ink: &Ink<'_>, at: Point, dice: &mut Dice) {
        let (wide, level) = (dice.between(5.0, 16.0), dice.between(15.0, 80.0));
        for _ in 0..20 + dice.below(50) {
            let p = [at[0] + dice.normal() * wide, at[1] + dice.normal() * wide];
            let (angle, long) = (dice.heading(), dice.between(1.5, 7.0));
            let colour = ink.colour(wood(level * dice.between(0.6, 1.3), dice));
            let q = [p[0] + angle.cos() * long, p[1] + angle.sin() * long];
            self.rod(p, q, dice.between(0.4, 1.3), colour);
        }
    }

    fn pellet(&mut self, ink: &Ink<'_>, at: Point, dice: &mut Dice) {
        let (angle, long, r) = (dice.heading(), dice.between(1.0, 6.0), dice.between(2.0, 5.0));
        let colour = ink.colour(wood(dice.between(15.0, 70.0), dice));
        self.rod(at, [at[0] + angle.cos() * long, at[1] + angle.sin() * long], r, colour);
    }

    fn dropping(&mut self, ink: &Ink<'_>, at: Point, dice: &mut Dice) {
        let (angle, long, r) = (dice.heading(), dice.between(1.0, 3.5), dice.between(0.5, 1.3));
        let colour = ink.colour([dice.between(1.0, 9.0), 3.0, 2.0]);
        self.rod(at, [at[0] + angle.cos() * long, at[1] + angle.sin() * long], r, colour);
    }

    /// A long thin mark on the floor.
    fn line(&mut self, ink: &Ink<'_>, dice: &mut Dice) {
        let level = dice.between(5.0, 60.0);
        self.rod(anywhere(dice), anywhere(dice), dice.between(0.3, 1.2), ink.colour([level; 3]));
    }

    /// A bright soft spot, as of a lamp mirrored in a wet place.
    fn glare(&mut self, at: Point, dice: &mut Dice) {
        let (wide, high) = (dice.between(4.0, 30.0), dice.between(4.0, 16.0));
        let level = 64.0 * dice.between(30.0, 220.0);
        let clip = |v: f32, most: usize| v.clamp(0.0, most as f32) as usize;
        for y in clip(at[1] - 2.5 * high, HEIGHT)..clip(at[1] + 2.5 * high, HEIGHT) {
            for x in clip(at[0] - 2.5 * wide, WIDTH)..clip(at[0] + 2.5 * wide, WIDTH) {
                let (u, v) = ((x as f32 - at[0]) / wide, (y as f32 - at[1]) / high);
                let share = (1.0 - (u * u + v * v) / 6.25).max(0.0).powi(3);
                self.touch(y * WIDTH + x, 1.0, [level * share; 3]);
                if let Some(opaque) = self.opaque.get_mut(y * WIDTH + x) {
                    *opaque |= level * share > 64.0 * 140.0;
                }
            }
        }
    }

    /// Half of the picture in shade, with a soft edge.
    fn light_edge(&mut self, dice: &mut Dice) {
        let (at, angle) = (anywhere(dice), dice.heading());
        let (soft, dark) = (dice.between(1.0, 40.0), dice.between(0.35, 0.85));
        let (s, c) = angle.sin_cos();
        for y in 0..HEIGHT {
            for x in 0..WIDTH {
                let d = (x as f32 - at[0]) * c + (y as f32 - at[1]) * s;
                let share = (0.5 + d / soft).clamp(0.0, 1.0);
                if share > 0.0 {
                    self.touch(y * WIDTH + x, 1.0 - dark * share * 0.8, [0.0; 3]);
                }
            }
        }
    }
}

fn anywhere(dice: &mut Dice) -> Point {
    [dice.between(0.0, WIDTH as f32), dice.between(0.0, HEIGHT as f32)]
}

/// From grey to brown.
fn wood(level: f32, dice: &mut Dice) -> [f32; 3] {
    let brown = dice.between(0.0, 0.35);
    [level * (1.0 + brown * 0.5), level, level * (1.0 - brown)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_opaque_changes_the_picture_and_hides() {
        let look = Look::typical();
        let mut all = Clutter { touches: Vec::new(), opaque: vec![false; WIDTH * HEIGHT] };
        all.rod([100.0, 100.0], [140.0, 100.0], 3.0, Ink { look: &look }.colour([90.0; 3]));
        let mut canvas = vec![0; WIDTH * HEIGHT * 3];
        all.lay(&mut canvas);
        assert!(all.hides([120.0, 101.0]) && canvas[(101 * WIDTH + 120) * 3] > 64 * 40);
        assert!(!all.hides([120.0, 110.0]) && canvas[(110 * WIDTH + 120) * 3] == 0);
        assert!(!all.hides([-3.0, 1e9]) && !Clutter::default().hides([120.0, 101.0]));
    }
}
