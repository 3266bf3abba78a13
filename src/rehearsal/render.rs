//! Draws the mice over the floor: paint, fur, soft shadow, motion blur and who lies over whom.

use super::body::{Body, Part, SPINE, Spot, TAIL};
use super::dice::{Dice, smooth};
use super::floor::Floor;
use super::look::{Look, Paint};
use super::{HEIGHT, IDENTITIES, INDIVIDUALS, WIDTH};

/// Side of the fur tile, a power of two.
const FUR: usize = 256;

/// Cells of a paint tile along and across the body.
const ALONG: usize = 96;
const ACROSS: usize = 40;
/// Pixels around the outline that the soft shadow reaches.
const SHADOW: f32 = 6.5;

/// What the drawing of mice needs to remember from frame to frame.
pub struct Brush {
    fur: Vec<f32>,
    patches: Vec<Vec<f32>>,
    tone: Vec<u16>,
    trunk: Vec<Spot>,
    tail: Vec<Spot>,
    layer: Vec<[f32; 4]>,
    shade: Vec<f32>,
    blurred: Vec<[f32; 4]>,
}

struct Coat<'a> {
    /// None on animals without paint.
    paint: Option<&'a Paint>,
    patches: &'a [f32],
    fur: [f32; 3],
    /// Brightness of the bare tail and of the paws.
    skin: f32,
}

impl<'a> Coat<'a> {
    fn new(look: &'a Look, identity: usize, patches: &'a [f32]) -> Self {
        let paint = look.paints.get(identity);
        let plain = look.plain_furs.get(identity.wrapping_sub(IDENTITIES.len()));
        // Pale mice have a pink tail, dark ones a grey-brown one that is paler than their fur.
        let skin = plain.map_or(1.0, |fur| 0.35 + 0.65 * (fur[0] / 200.0).min(1.0));
        Self { paint, patches, fur: *plain.unwrap_or(&look.fur), skin }
    }

    /// Fixed noise of this animal's coat in about -1 to 1, along and across the body from 0 to 1.
    fn patch(&self, along: f32, across: f32) -> f32 {
        let cell = |v: f32, n: usize| ((v * n as f32) as usize).min(n - 1);
        self.patches[cell(across, ACROSS) * ALONG + cell(along, ALONG)]
    }
}

impl Brush {
    /// Tiles and tables for one look.
    pub fn new(look: &Look) -> Self {
        let seed = look.texture as u32 ^ 0xF00D;
        let mut dice = Dice::new(look.texture, 12);
        let mut fur = vec![0f32; FUR * FUR];
        for y in 0..FUR {
            for x in 0..FUR {
                fur[y * FUR + x] = 0.55 * smooth(seed, x as f32 / 2.6, y as f32 / 1.3)
                    + 0.35 * smooth(seed ^ 1, x as f32 / 6.0, y as f32 / 4.0)
                    + 0.35 * dice.normal() * 0.6;
            }
        }
        let tone = (0..=4095).map(|i| (64.0 * 255.0 * (i as f32 / 4095.0).powf(look.gamma)) as u16).collect();
        let patches = (0..INDIVIDUALS.len()).map(|identity| {
            let seed = look.texture as u32 ^ (identity as u32 * 7919 + 3);
            let mut cells = Vec::with_capacity(ALONG * ACROSS);
            for y in 0..ACROSS {
                for x in 0..ALONG {
                    let (x, y) = (x as f32 * 62.0 / ALONG as f32, y as f32 * 24.0 / ACROSS as f32);
                    cells.push(smooth(seed, x / 9.0, y / 7.0) * 0.6 + smooth(seed ^ 9, x / 3.0, y / 3.0) * 0.4);
                }
            }
            cells
        });
        let patches = patches.collect();
        Self {
            fur,
            patches,
            tone,
            trunk: Vec::new(),
            tail: Vec::new(),
            layer: Vec::new(),
            shade: Vec::new(),
            blurred: Vec::new(),
        }
    }

    fn fur(&self, x: f32, y: f32) -> f32 {
        let (x, y) = ((x as i32) as usize & (FUR - 1), (y as i32) as usize & (FUR - 1));
        self.fur[y * FUR + x]
    }

    /// Draws one mouse over `canvas` (RGB, 1/64 display levels). `smear` is its movement in camera pixels while the
    /// shutter is open.
    pub fn mouse(
        &mut self,
        canvas: &mut [u16],
        floor: &Floor,
        look: &Look,
        body: &Body,
        identity: usize,
        smear: [f32; 2],
    ) {
        let [l, t, r, b] = body.bounds;
        let grow = smear[0].abs().max(smear[1].abs()) * 0.5 + 5.0;
        let x0 = ((l - grow).floor().max(0.0) as usize).min(WIDTH);
        let y0 = ((t - grow).floor().max(0.0) as usize).min(HEIGHT);
        let x1 = ((r + grow).ceil().max(0.0) as usize).min(WIDTH);
        let y1 = ((b + grow).ceil().max(0.0) as usize).min(HEIGHT);
        if x0 >= x1 || y0 >= y1 {
            return;
        }
        let (w, h) = (x1 - x0, y1 - y0);
        let patches = std::mem::take(&mut self.patches[identity]);
        let coat = Coat::new(look, identity, &patches);
        let mut layer = std::mem::take(&mut self.layer);
        let mut shade = std::mem::take(&mut self.shade);
        layer.clear();
        layer.resize(w * h, [0.0; 4]);
        shade.clear();
        shade.resize(w * h, 0.0);
        let window = [x0, y0, w, h];
        spots(&mut self.tail, window, (0..TAIL - 1).map(|i| body.tail_part(i)), 1.0);
        spots(&mut self.trunk, window, (0..SPINE - 1).map(|i| body.spine_part(i)), SHADOW);
        for y in 0..h {
            for x in 0..w {
                let at = y * w + x;
                if self.tail[at].distance < 0.6 {
                    self.draw_tail(&mut layer[at], self.tail[at], coat.skin);
                }
                if self.trunk[at].distance < SHADOW {
                    let p = [(x + x0) as f32, (y + y0) as f32];
                    shade[at] = self.draw_trunk(&mut layer[at], body, look, &coat, p, self.trunk[at]);
                }
            }
        }
        self.patches[identity] = patches;
        let taps = (smear[0].hypot(smear[1]) / 0.9) as usize;
        if taps > 1 {
            let mut blurred = std::mem::take(&mut self.blurred);
            smear_layer(&layer, &mut blurred, w, h, smear, taps.min(13));
            std::mem::swap(&mut layer, &mut blurred);
            self.blurred = blurred;
        }
        for y in 0..h {
            for x in 0..w {
                let [r, g, b, a] = layer[y * w + x];
                let dark = 1.0 - look.shadow * shade[y * w + x] * (1.0 - a);
                if a < 0.004 && dark > 0.996 {
                    continue;
                }
                let i = (y + y0) * WIDTH + x + x0;
                let light = floor.light[i] * look.light;
                // A roof lies over whatever is under it.
                let open = 1.0 - f32::from(floor.roof[i]) / 255.0;
                let keep = (1.0 - a * open) * (1.0 - (1.0 - dark) * open);
                let lights = look.balance.map(|gain| gain * light);
                let brightest = (r * lights[0]).max(g * lights[1]).max(b * lights[2]);
                let light = if look.guarded && brightest > 250.0 * a { light * 250.0 * a / brightest } else { light };
                for (c, v) in [r, g, b].into_iter().enumerate() {
                    let lit = (v * light * look.balance[c] * (4095.0 / 255.0)).clamp(0.0, 4095.0 * a.max(0.001));
                    // The tone curve belongs to the colour, not to its share.
                    let toned = if a > 0.004 { f32::from(self.tone[(lit / a).min(4095.0) as usize]) * a } else { 0.0 };
                    let under = f32::from(canvas[i * 3 + c]);
                    canvas[i * 3 + c] = (under * keep + toned * open) as u16;
                }
            }
        }
        self.layer = layer;
        self.shade = shade;
    }

    fn draw_tail(&self, pixel: &mut [f32; 4], spot: Spot, skin: f32) {
        let (d, along) = (spot.distance, spot.along);
        let a = (0.5 - d / 1.1).clamp(0.0, 1.0);
        let middle = 0.72 + 0.28 * (-d / 2.0).clamp(0.0, 1.0);
        let grain = self.fur(along * 90.0, 7.0);
        let level = (172.0 - 50.0 * along) * middle * (1.0 + 0.16 * grain) * skin;
        over(pixel, [level * 1.08, level * 0.95, level * 0.9], a * (1.0 - 0.3 * along));
    }

    /// Draws trunk, head, ears and paws at one pixel; gives the depth of the shadow there.
    fn draw_trunk(
        &self,
        pixel: &mut [f32; 4],
        body: &Body,
        look: &Look,
        coat: &Coat<'_>,
        p: [f32; 2],
        spot: Spot,
    ) -> f32 {
        let shadow = (1.0 - (spot.distance - 0.5) / 6.0).clamp(0.0, 1.0);
        for (i, paw) in body.paws.iter().enumerate() {
            let d = disc_distance(p, *paw, if i < 2 { 1.0 } else { 1.6 });
            let a = (0.5 - d / 2.2).clamp(0.0, 1.0) * 0.5;
            if a > 0.0 {
                over(pixel, coat.fur.map(|v| v * 0.62), a);
            }
        }
        // Long hair stands out from the outline unevenly.
        let ragged = self.fur(spot.along * body.length * 1.1, spot.across * 3.0 + 60.0);
        let bulge = coat.patch(spot.along, if spot.across < 0.0 { 0.08 } else { 0.92 });
        let distance = spot.distance + ragged * 0.95 + bulge * 1.0 - 0.1;
        let a = (0.5 - distance / 2.0).clamp(0.0, 1.0);
        if a > 0.0 {
            over(pixel, self.hair(body, look, coat, spot), a);
        }
        for (side, ear) in body.ears.iter().enumerate() {
            let d = disc_distance(p, *ear, body.ear);
            let a = (0.5 - d / 1.8).clamp(0.0, 1.0) * 0.8;
            if a > 0.0 {
                let rim = (1.0 + d / body.ear).clamp(0.0, 1.0);
                let level = 0.72 + 0.12 * rim + 0.04 * side as f32 + 0.12 * ragged;
                let skin = [coat.fur[0], coat.fur[1] * 0.9, coat.fur[2] * 0.88];
                let (dyed, dye) = coat
                    .paint
                    .map_or((0.0, skin), |paint| (((0.3 - paint.starts) / 0.3).clamp(0.0, 0.8), paint.colour));
                over(pixel, std::array::from_fn(|c| (skin[c] * (1.0 - dyed) + dye[c] * dyed) * level), a);
            }
        }
        shadow
    }

    fn hair(&self, body: &Body, look: &Look, coat: &Coat<'_>, spot: Spot) -> [f32; 3] {
        let v = spot.across.clamp(-1.0, 1.0);
        let height = (1.0 - v * v * 0.98).sqrt();
        let (x, y) = (spot.along * body.length, v * 12.0);
        let texture = self.fur(x * 1.4, y * 1.4 + 128.0);
        let side = v * (look.sun[0] * 0.6 + look.sun[1] * 0.3);
        let shine = 0.58
            + 0.42 * height
            + 0.1 * side * (1.0 - height)
            + 0.15 * texture
            + 0.1 * body.upright * (0.5 - spot.along);
        let patch = coat.patch(spot.along, v * 0.5 + 0.5);
        let nose = (1.0 - spot.along / 0.06).clamp(0.0, 1.0);
        let fur = [coat.fur[0], coat.fur[1] * (1.0 - 0.2 * nose), coat.fur[2] * (1.0 - 0.2 * nose)];
        // White hair is duller at the outline than paint is.
        let pale = shine * (0.9 + 0.1 * height);
        let Some(paint) = coat.paint else {
            return fur.map(|v| v * pale);
        };
        let edge = spot.along - paint.starts + 0.06 * texture + 0.1 * paint.patchy * patch;
        let mut m = (edge / paint.edge).clamp(0.0, 1.0);
        // Bare patches, and thin paint down the sides.
        let bare = patch - 1.15 + 0.85 * paint.patchy * (0.4 + 0.6 * v.abs());
        m *= 1.0 - (bare * 5.0).clamp(0.0, 0.85);
        m *= 1.0 - (paint.faded + 0.12 * texture.max(0.0)).clamp(0.0, 0.6);
        let thick = 1.0 + 0.1 * patch;
        if paint.worn > 0.0 {
            m *= 1.0 - ((patch - 0.7 * (1.0 - paint.worn)) * 6.0 + 0.5 * paint.worn).clamp(0.0, 0.92);
        }
        m *= ((paint.ends - spot.along + 0.06 * texture) / paint.edge).clamp(0.0, 1.0);
        std::array::from_fn(|c| fur[c] * pale * (1.0 - m) + paint.colour[c] * shine * thick * m)
    }
}

/// Fills `field` with the nearest spot of each pixel in `window` (left, top, width, height), as far as `reach`.
fn spots(field: &mut Vec<Spot>, window: [usize; 4], parts: impl Iterator<Item = Part>, reach: f32) {
    let [x0, y0, w, h] = window;
    field.clear();
    field.resize(w * h, Spot::NOWHERE);
    let clip = |v: f32, from: usize, size: usize| (v - from as f32).clamp(0.0, size as f32) as usize;
    for part in parts {
        let [l, t, r, b] = part.bounds(reach);
        let (from, to) = (clip(l, x0, w), clip(r + 2.0, x0, w));
        for y in clip(t, y0, h)..clip(b + 2.0, y0, h) {
            for (x, best) in (from..to).zip(&mut field[y * w + from..y * w + to]) {
                part.nearer([(x + x0) as f32, (y + y0) as f32], best);
            }
        }
    }
}

/// Signed distance of `p` to a disc; exact only near it.
fn disc_distance(p: [f32; 2], centre: [f32; 2], radius: f32) -> f32 {
    let (dx, dy) = (p[0] - centre[0], p[1] - centre[1]);
    let squared = dx * dx + dy * dy;
    // Most pixels are far from every paw and ear: no square root for them.
    if squared > (radius + 3.0) * (radius + 3.0) { 3.0 } else { squared.sqrt() - radius }
}

/// Puts `colour` with share `a` over a premultiplied pixel.
fn over(pixel: &mut [f32; 4], colour: [f32; 3], a: f32) {
    for c in 0..3 {
        pixel[c] = pixel[c] * (1.0 - a) + colour[c] * a;
    }
    pixel[3] = pixel[3] * (1.0 - a) + a;
}

/// Averages `layer` along `smear`.
fn smear_layer(layer: &[[f32; 4]], out: &mut Vec<[f32; 4]>, w: usize, h: usize, smear: [f32; 2], taps: usize) {
    out.clear();
    out.resize(w * h, [0.0; 4]);
    let share = 1.0 / taps as f32;
    for k in 0..taps {
        let t = (k as f32 + 0.5) * share - 0.5;
        let (ox, oy) = ((smear[0] * t).round() as isize, (smear[1] * t).round() as isize);
        for y in 0..h as isize {
            let from_y = y + oy;
            if from_y < 0 || from_y >= h as isize {
                continue;
            }
            for x in 0..w as isize {
                let from_x = x + ox;
                if from_x < 0 || from_x >= w as isize {
                    continue;
                }
                let from = layer[from_y as usize * w + from_x as usize];
                let to = &mut out[y as usize * w + x as usize];
                for c in 0..4 {
                    to[c] += from[c] * share;
                }
            }
        }
    }
}
