//! From light to bytes: gain, blur or sharpening, noise, and the way to I420.

use super::dice::Dice;
use super::look::Look;
use super::{HEIGHT, WIDTH};

const ROW: usize = WIDTH * 3;
/// Spare noise, so that each frame can start at another place.
const SPARE: usize = 400_000;

/// The camera's sensor: noise tile and slow drift.
pub struct Sensor {
    noise: Vec<i8>,
    dice: Dice,
    drift: [f32; 3],
    exposure: f32,
}

impl Sensor {
    /// A sensor with its own noise.
    pub fn new(mut dice: Dice) -> Self {
        let mut noise: Vec<i8> = (0..ROW * HEIGHT + SPARE).map(|_| (dice.normal() * 32.0) as i8).collect();
        // Neighbours share some noise, as after demosaicing.
        for i in (3..noise.len()).rev() {
            noise[i] = ((i32::from(noise[i]) * 3 + i32::from(noise[i - 3]) * 2) / 4) as i8;
        }
        Self { noise, dice, drift: [0.0; 3], exposure: 0.0 }
    }

    /// Reads `canvas` (1/64 display levels) into RGB bytes.
    pub fn expose(&mut self, canvas: &[u16], look: &Look, rgb: &mut [u8]) {
        self.exposure = self.exposure * 0.98 + self.dice.normal() * 0.2 * look.drift;
        for d in &mut self.drift {
            *d = *d * 0.98 + self.dice.normal() * 0.07 * look.drift;
        }
        let gain: [i16; 3] = self.drift.map(|d| ((1.0 + self.exposure + d).clamp(0.7, 1.4) * 8192.0) as i16);
        let gains: [i16; ROW] = std::array::from_fn(|i| gain[i % 3]);
        let reading = Reading {
            sharp: (look.sharpness.clamp(-0.8, 0.8) * 32767.0) as i16,
            dark: (look.noise * 32.0) as i16,
            shot: (look.shot.clamp(0.0, 1.5) * 20_560.0) as i16,
        };
        let start = self.dice.below(SPARE);
        let noise = &self.noise[start..start + ROW * HEIGHT];
        for y in 0..HEIGHT {
            let row = &canvas[y * ROW..(y + 1) * ROW];
            let up = &canvas[y.saturating_sub(1) * ROW..][..ROW];
            let down = &canvas[(y + 1).min(HEIGHT - 1) * ROW..][..ROW];
            let out = &mut rgb[y * ROW..(y + 1) * ROW];
            reading.row(row, up, down, &noise[y * ROW..(y + 1) * ROW], &gains, out);
        }
    }
}

/// What turns light into bytes in one frame, in 16-bit fixed point so that eight values go at a time.
struct Reading {
    /// 1/32768.
    sharp: i16,
    /// Noise in the dark.
    dark: i16,
    /// Noise for light.
    shot: i16,
}

impl Reading {
    fn row(&self, row: &[u16], up: &[u16], down: &[u16], noise: &[i8], gains: &[i16; ROW], out: &mut [u8]) {
        // The two outermost pixels have a neighbour on one side only.
        for i in (0..3).chain(ROW - 3..ROW) {
            let left = row[if i >= 3 { i - 3 } else { i }];
            let right = row[if i + 3 < ROW { i + 3 } else { i }];
            out[i] = self.value(row[i], [left, right, up[i], down[i]], noise[i], gains[i]);
        }
        let inner = 3..ROW - 3;
        let (left, right) = (&row[..ROW - 6], &row[6..]);
        let (row, up, down) = (&row[inner.clone()], &up[inner.clone()], &down[inner.clone()]);
        let (noise, gains, out) = (&noise[inner.clone()], &gains[inner.clone()], &mut out[inner]);
        for i in 0..ROW - 6 {
            out[i] = self.value(row[i], [left[i], right[i], up[i], down[i]], noise[i], gains[i]);
        }
    }

    #[inline(always)]
    fn value(&self, here: u16, beside: [u16; 4], noise: i8, gain: i16) -> u8 {
        // Light is below 1 << 14, so sums of two fit.
        let [left, right, up, down] = beside;
        let around = ((left >> 1) + (right >> 1) + (up >> 1) + (down >> 1)) >> 1;
        let v = here as i16;
        let crisp = v + high((v - around as i16) << 1, self.sharp);
        let lit = high(crisp, gain);
        let grain = high(i16::from(noise) << 8, self.dark + high(lit, self.shot));
        ((lit + grain + 4) >> 3).clamp(0, 255) as u8
    }
}

/// The upper half of the product.
#[inline(always)]
fn high(a: i16, b: i16) -> i16 {
    ((i32::from(a) * i32::from(b)) >> 16) as i16
}

/// RGB bytes to planar I420, BT.601 limited range; each chroma sample is the mean of its four pixels. `width` and
/// `height` in pixels, both even. `rgb` holds `width * height * 3` bytes, `i420` receives `width * height * 3 / 2`;
/// shorter slices convert nothing and give `false`.
pub fn i420_from_rgb(rgb: &[u8], width: usize, height: usize, i420: &mut [u8]) -> bool {
    let pixels = width * height;
    if !width.is_multiple_of(2) || !height.is_multiple_of(2) || rgb.len() < pixels * 3 || i420.len() < pixels * 3 / 2 {
        return false;
    }
    let (luma, chroma) = i420.split_at_mut(pixels);
    let (cb, cr) = chroma.split_at_mut(pixels / 4);
    for (y, p) in luma.iter_mut().zip(rgb.chunks_exact(3)) {
        let (r, g, b) = (i32::from(p[0]), i32::from(p[1]), i32::from(p[2]));
        *y = ((66 * r + 129 * g + 25 * b + 128 + (16 << 8)) >> 8) as u8;
    }
    let row = width * 3;
    for y in 0..height / 2 {
        let top = &rgb[2 * y * row..][..row];
        let low = &rgb[(2 * y + 1) * row..][..row];
        for x in 0..width / 2 {
            let sum = |c: usize| {
                i32::from(top[6 * x + c])
                    + i32::from(top[6 * x + 3 + c])
                    + i32::from(low[6 * x + c])
                    + i32::from(low[6 * x + 3 + c])
            };
            let (r, g, b) = (sum(0), sum(1), sum(2));
            let at = y * (width / 2) + x;
            cb[at] = ((-38 * r - 74 * g + 112 * b + 512 + (128 << 10)) >> 10) as u8;
            cr[at] = ((112 * r - 94 * g - 18 * b + 512 + (128 << 10)) >> 10) as u8;
        }
    }
    true
}
