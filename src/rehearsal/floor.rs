//! The empty arena: floor, bedding and furniture as the camera sees them, and the walls that the mice feel.

use super::dice::{Dice, lattice, smooth};
use super::{HEIGHT, WIDTH, lens::Lens, look::Look};

/// A point or a vector in arena pixels.
pub type Point = [f32; 2];

/// A wall from end to end, arena pixels.
pub type Barrier = [Point; 2];

/// The S-shaped wall, a polyline.
pub const WALL: [Point; 6] =
    [[252.0, 236.0], [252.0, 306.0], [321.0, 306.0], [321.0, 234.0], [388.0, 234.0], [388.0, 304.0]];
/// The nest's roof: the grey ramp at the top centre.
pub const NEST: [Point; 4] = [[228.0, -50.0], [315.0, -50.0], [318.0, 82.0], [246.0, 84.0]];
/// The shelter's lid, lower right.
pub const SHELTER: [Point; 4] = [[450.0, 361.0], [515.0, 361.0], [515.0, 427.0], [450.0, 427.0]];
/// Walls of the nest (four) and of the shelter, their doors left out.
pub const PARTITIONS: [Barrier; 9] = [
    [[228.0, -50.0], [246.0, 84.0]],
    [[315.0, -50.0], [318.0, 82.0]],
    [[246.0, 84.0], [258.0, 84.0]],
    [[306.0, 82.0], [318.0, 82.0]],
    [[450.0, 361.0], [466.0, 361.0]],
    [[499.0, 361.0], [515.0, 361.0]],
    [[450.0, 361.0], [450.0, 377.0]],
    [[450.0, 411.0], [450.0, 427.0]],
    [[515.0, 361.0], [515.0, 427.0]],
];

/// The picture of an empty arena, and what of it stands above the animals.
pub struct Floor {
    /// RGB in 1/64 display levels, before noise.
    pub pixels: Vec<u16>,
    /// 0 open to 255 roofed, per pixel.
    pub roof: Vec<u8>,
    /// Light per pixel (vignette), 0 to 1.
    pub light: Vec<f32>,
}

/// Signed distance of `p` to a convex or concave polygon: negative inside.
pub fn polygon_distance(polygon: &[Point], p: Point) -> f32 {
    let mut nearest = f32::MAX;
    let mut inside = false;
    let mut j = polygon.len() - 1;
    for i in 0..polygon.len() {
        let (a, b) = (polygon[i], polygon[j]);
        nearest = nearest.min(segment_distance(a, b, p));
        if (a[1] > p[1]) != (b[1] > p[1]) && p[0] < (b[0] - a[0]) * (p[1] - a[1]) / (b[1] - a[1]) + a[0] {
            inside = !inside;
        }
        j = i;
    }
    if inside { -nearest } else { nearest }
}

/// Distance of `p` to the segment from `a` to `b`.
pub fn segment_distance(a: Point, b: Point, p: Point) -> f32 {
    let q = segment_nearest(a, b, p);
    (p[0] - q[0]).hypot(p[1] - q[1])
}

/// The point of the segment from `a` to `b` that is nearest to `p`.
pub fn segment_nearest(a: Point, b: Point, p: Point) -> Point {
    let (dx, dy) = (b[0] - a[0], b[1] - a[1]);
    let t = (((p[0] - a[0]) * dx + (p[1] - a[1]) * dy) / (dx * dx + dy * dy).max(1e-6)).clamp(0.0, 1.0);
    [a[0] + t * dx, a[1] + t * dy]
}

/// Whether `p` is within left, top, right, bottom.
fn within(p: Point, [l, t, r, b]: [f32; 4]) -> bool {
    p[0] >= l && p[0] <= r && p[1] >= t && p[1] <= b
}

fn cover(distance: f32) -> f32 {
    (0.5 - distance).clamp(0.0, 1.0)
}

fn mix(under: &mut [f32; 3], over: [f32; 3], share: f32) {
    for c in 0..3 {
        under[c] += (over[c] - under[c]) * share;
    }
}

fn grey(level: f32) -> [f32; 3] {
    [level, level * 0.99, level * 0.95]
}

impl Floor {
    /// Paints the empty arena for one look.
    pub fn new(look: &Look, lens: &Lens) -> Self {
        let mut dice = Dice::new(look.texture, 11);
        let painter = Painter::new(look, &mut dice);
        let mut canvas = vec![[0f32; 3]; WIDTH * HEIGHT];
        let mut roof = vec![0u8; WIDTH * HEIGHT];
        let mut light = vec![0f32; WIDTH * HEIGHT];
        for y in 0..HEIGHT {
            for x in 0..WIDTH {
                let p = lens.arena_from_camera([x as f32, y as f32]);
                let i = y * WIDTH + x;
                canvas[i] = painter.floor(p);
                let (dx, dy) = (x as f32 / 320.0 - 1.0, y as f32 / 240.0 - 1.0);
                light[i] = 1.0 - look.vignette * 0.5 * (dx * dx + dy * dy);
            }
        }
        painter.specks(&mut canvas, lens, &mut dice);
        for y in 0..HEIGHT {
            for x in 0..WIDTH {
                let p = lens.arena_from_camera([x as f32, y as f32]);
                let i = y * WIDTH + x;
                roof[i] = (painter.furniture(&mut canvas[i], p) * 255.0) as u8;
            }
        }
        let mut pixels = vec![0u16; WIDTH * HEIGHT * 3];
        for i in 0..WIDTH * HEIGHT {
            for c in 0..3 {
                let v = canvas[i][c] * light[i] * look.floor_light * look.balance[c];
                let v = 255.0 * (v.max(0.0) / 255.0).powf(look.gamma);
                pixels[i * 3 + c] = (v * 64.0).clamp(0.0, 16383.0) as u16;
            }
        }
        Self { pixels, roof, light }
    }
}

/// Paints one point of the arena at a time.
struct Painter<'a> {
    look: &'a Look,
    seed: u32,
    bound: [f32; 4],
    tint: [f32; 3],
}

impl<'a> Painter<'a> {
    fn new(look: &'a Look, dice: &mut Dice) -> Self {
        let mut edge = |v: f32| v + dice.normal() * 2.0;
        let bound = look.layout.room.map(&mut edge);
        Self { look, seed: dice.bits(), bound, tint: look.tint }
    }

    /// Depth inside the floor in pixels, its edge uneven where bedding lies against the walls.
    fn depth(&self, p: Point) -> f32 {
        let [l, t, r, b] = self.bound;
        let corner = self.look.layout.corner;
        let dx = (p[0] - l).min(r - p[0]);
        let dy = (p[1] - t).min(b - p[1]);
        let flat = dx.min(dy);
        let round = if dx < corner && dy < corner { corner - (corner - dx).hypot(corner - dy) } else { flat };
        round + self.look.bedding * 2.5 * smooth(self.seed ^ 5, p[0] / 14.0, p[1] / 14.0)
    }

    fn floor(&self, p: Point) -> [f32; 3] {
        let outside = if p[0] < 71.0 {
            8.6
        } else if p[0] < 122.0 {
            4.8
        } else if p[0] > 566.0 {
            6.4
        } else if p[1] > 470.0 {
            3.0
        } else {
            5.2
        };
        let outside = outside * self.look.walls;
        let mut colour = [outside, outside, outside * 1.02];
        let rim = if self.bound[0] > 90.0 { (1.0 - (p[0] - 71.0).abs() / 1.6).max(0.0) * 7.0 } else { 0.0 };
        let on = ((self.depth(p) + 1.5) / 3.0).clamp(0.0, 1.0);
        let b = self.look.bedding;
        let grain = smooth(self.seed, p[0] / 1.7, p[1] / 1.7) * 6.0
            + smooth(self.seed ^ 1, p[0] / 3.4, p[1] / 3.4) * 5.0
            + smooth(self.seed ^ 2, p[0] / 11.0, p[1] / 11.0) * 2.0
            + lattice(self.seed ^ 3, p[0].floor() as i32, p[1].floor() as i32) * 2.0;
        let edge = (self.depth(p) / 40.0).clamp(0.0, 1.0);
        let level =
            22.0 - 7.0 * b.min(1.0) * (1.0 - edge) + grain * b + 4.0 * (1.0 - b.min(1.0)) + (1.0 - b.min(1.0)) * 4.0;
        let hue = smooth(self.seed ^ 4, p[0] / 2.6, p[1] / 2.6) * 0.1 * b;
        let bed = [level * (self.tint[0] + hue), level * self.tint[1], level * (self.tint[2] - hue * 0.6)];
        mix(&mut colour, bed, on);
        for v in &mut colour {
            *v += rim;
        }
        colour
    }

    /// Shavings and crumbs that catch the light.
    fn specks(&self, canvas: &mut [[f32; 3]], lens: &Lens, dice: &mut Dice) {
        let count = (self.look.specks * self.look.bedding.min(1.0) * 5200.0) as usize;
        for _ in 0..count {
            let p = [dice.between(self.bound[0], self.bound[2]), dice.between(self.bound[1], self.bound[3])];
            let bright = if dice.chance(0.03) { dice.between(25.0, 60.0) } else { dice.between(5.0, 22.0) };
            let tint = match dice.below(4) {
                0 => [1.0, 0.35, 0.35],
                1 => [0.8, 1.0, 0.7],
                2 => [0.8, 0.9, 1.0],
                _ => [1.0, 0.95, 0.9],
            };
            if self.depth(p) < 3.0 {
                continue;
            }
            let q = lens.camera_from_arena(p);
            let (angle, long) = (dice.heading(), dice.between(0.6, 1.9));
            let (ax, ay) = (angle.cos() * long * 0.5, angle.sin() * long * 0.5);
            let (x0, y0) = (q[0].floor() as i32, q[1].floor() as i32);
            for y in y0 - 2..=y0 + 3 {
                for x in x0 - 2..=x0 + 3 {
                    if x < 0 || y < 0 || x >= WIDTH as i32 || y >= HEIGHT as i32 {
                        continue;
                    }
                    let d = segment_distance([q[0] - ax, q[1] - ay], [q[0] + ax, q[1] + ay], [x as f32, y as f32]);
                    let share = (1.3 - d).clamp(0.0, 1.0);
                    let at = &mut canvas[y as usize * WIDTH + x as usize];
                    for c in 0..3 {
                        at[c] += bright * tint[c] * share;
                    }
                }
            }
        }
    }

    /// Paints furniture over the floor; gives how much of this point is roofed, 0 to 1.
    fn furniture(&self, colour: &mut [f32; 3], p: Point) -> f32 {
        let (f, layout) = (self.look.furniture, &self.look.layout);
        if let Some(own) = layout.wall.own(p).filter(|own| within(*own, [235.0, 215.0, 405.0, 322.0])) {
            self.wall(colour, own, f);
        }
        self.ramps(colour, p, f);
        if let Some(own) = layout.trifles.own(p) {
            self.trifles(colour, own, f);
        }
        let nest = layout.nest.own(p).filter(|own| within(*own, [215.0, -80.0, 330.0, 110.0]));
        let shelter = layout.shelter.own(p).filter(|own| within(*own, [430.0, 340.0, 535.0, 450.0]));
        let roof = nest.map_or(0.0, |own| self.nest(colour, own, f));
        shelter.map_or(roof, |own| roof.max(self.shelter(colour, own, f)))
    }

    /// Two brushed plates with a dark gap below; gives how much of this point is roofed.
    fn nest(&self, colour: &mut [f32; 3], p: Point, f: f32) -> f32 {
        let below = polygon_distance(&[[250.0, 80.0], [315.0, 80.0], [315.0, 94.0], [250.0, 94.0]], p);
        mix(colour, grey(6.0), (0.6 - below / 4.0).clamp(0.0, 0.9));
        let nest = polygon_distance(&NEST, p);
        let roof = cover(nest);
        if roof > 0.0 {
            let brushed = smooth(self.seed ^ 8, p[0] / 40.0, p[1] / 1.2) * 5.0;
            let shine = 1.0 - ((p[0] - 282.0) / 60.0).powi(2);
            let plate = if p[1] < 38.0 {
                62.0 + 34.0 * (p[1] / 38.0).clamp(0.0, 1.0)
            } else {
                76.0 - 8.0 * (p[1] - 38.0) / 44.0
            };
            let seam = (1.0 - (p[1] - 38.0).abs() / 1.5).max(0.0) * 12.0;
            let rim = (1.0 - (nest + 2.0).abs() / 1.5).max(0.0) * 18.0;
            mix(colour, grey((plate * (0.7 + 0.3 * shine) + brushed + seam + rim) * f * 0.9), roof);
        }
        roof
    }

    fn shelter(&self, colour: &mut [f32; 3], p: Point, f: f32) -> f32 {
        let shelter = polygon_distance(&SHELTER, p);
        if self.look.layout.lid {
            let lid = cover(shelter);
            let rim = (1.0 - (shelter + 2.0).abs() / 1.6).max(0.0) * 14.0;
            let plate = 15.0 + smooth(self.seed ^ 9, p[0] / 30.0, p[1] / 25.0) * 3.0 + rim;
            mix(colour, grey(3.0), (0.5 - shelter / 6.0).clamp(0.0, 0.7) * (1.0 - lid));
            mix(colour, grey(plate * f), lid);
            lid
        } else {
            let frame = (shelter + 3.0).abs();
            mix(colour, grey(4.0), (1.0 - ((shelter + 8.0).abs() - 3.0) / 3.0).clamp(0.0, 0.8));
            mix(colour, grey(17.0 * f), cover(frame - 1.3) * 0.85);
            0.0
        }
    }

    fn wall(&self, colour: &mut [f32; 3], p: Point, f: f32) {
        for pair in WALL.windows(2) {
            let d = segment_distance(pair[0], pair[1], p);
            // The wall stands up: its inner side shows as a dark strip towards the picture's centre.
            let inner = segment_distance(
                [pair[0][0] + (320.0 - pair[0][0]) * 0.08, pair[0][1] - 6.0],
                [pair[1][0] + (320.0 - pair[1][0]) * 0.08, pair[1][1] - 6.0],
                p,
            );
            mix(colour, grey(6.0), (1.0 - (inner - 4.0) / 3.0).clamp(0.0, 0.85));
            mix(colour, grey(9.0), (1.0 - d / 7.0).clamp(0.0, 0.6));
        }
        for pair in WALL.windows(2) {
            let d = segment_distance(pair[0], pair[1], p);
            let level = if pair[0][0] == pair[1][0] { 40.0 } else { 56.0 };
            mix(colour, grey(level * f), cover(d - 1.6));
        }
    }

    fn ramps(&self, colour: &mut [f32; 3], p: Point, f: f32) {
        let [left, right] = self.look.layout.ramps;
        let shade = |colour: &mut [f32; 3], polygon: &[Point], p: Point, level: f32| {
            mix(colour, grey(level), cover(polygon_distance(polygon, p)));
        };
        let stripes = |p: Point| ((p[0] * 1.3).sin() * 3.0) + smooth(self.seed ^ 6, p[0] / 1.5, p[1] / 30.0) * 4.0;
        if let Some(p) = right.own(p).filter(|own| within(*own, [445.0, 150.0, 540.0, 235.0])) {
            let side = polygon_distance(&[[470.0, 168.0], [528.0, 170.0], [528.0, 218.0], [470.0, 219.0]], p);
            mix(colour, grey(5.0), (0.6 - side / 4.0).clamp(0.0, 0.9));
            let plate = [[457.0, 165.0], [498.0, 175.0], [498.0, 212.0], [457.0, 223.0]];
            shade(colour, &plate, p, (44.0 + stripes(p)) * f);
            shade(colour, &[[498.0, 175.0], [528.0, 176.0], [528.0, 210.0], [498.0, 212.0]], p, 30.0 * f);
        }
        if let Some(p) = left.own(p).filter(|own| within(*own, [105.0, 290.0, 200.0, 380.0])) {
            let side = polygon_distance(&[[112.0, 318.0], [185.0, 303.0], [187.0, 363.0], [112.0, 366.0]], p);
            mix(colour, grey(5.0), (0.6 - side / 4.0).clamp(0.0, 0.9));
            let plate = [[146.0, 326.0], [185.0, 303.0], [185.0, 362.0], [146.0, 361.0]];
            shade(colour, &plate, p, (8.0 + stripes(p) * 0.3) * f);
            shade(colour, &[[114.0, 325.0], [146.0, 326.0], [146.0, 361.0], [114.0, 362.0]], p, 16.0 * f);
        }
    }

    /// Feeders, water and their screws.
    fn trifles(&self, colour: &mut [f32; 3], p: Point, f: f32) {
        if p[0] > 130.0 && p[1] < 430.0 {
            return;
        }
        let feeder = polygon_distance(&[[320.0, 441.0], [384.0, 440.0], [384.0, 449.0], [320.0, 450.0]], p);
        let food = 30.0 + smooth(self.seed ^ 7, p[0] / 2.5, p[1] / 2.5) * 30.0;
        mix(colour, [food * 0.9, food * 0.75, food * 0.5], cover(feeder) * 0.6 * (f - 0.5).clamp(0.0, 1.0));
        for (k, at) in [
            [118.0, 32.0],
            [119.0, 60.0],
            [118.0, 92.0],
            [119.0, 120.0],
            [268.0, 437.0],
            [390.0, 437.0],
            [290.0, 438.0],
            [166.0, 471.0],
        ]
        .into_iter()
        .enumerate()
        {
            let d = (p[0] - at[0]).hypot(p[1] - at[1]);
            mix(colour, grey(26.0 + 6.0 * (k % 4) as f32), (1.6 - d).clamp(0.0, 0.8));
        }
    }
}
