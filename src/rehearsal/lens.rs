//! Where an arena point falls in the camera's picture, and back.

use super::{HEIGHT, WIDTH, look::Look};

/// The camera's pose and radial distortion. Arena space is the nominal camera's pixels.
#[derive(Clone, Copy, Debug)]
pub struct Lens {
    cos: f32,
    sin: f32,
    zoom: f32,
    shift: [f32; 2],
    bulge: f32,
}

const CENTRE: [f32; 2] = [WIDTH as f32 / 2.0, HEIGHT as f32 / 2.0];
const CORNER_SQUARED: f32 = CENTRE[0] * CENTRE[0] + CENTRE[1] * CENTRE[1];

impl Lens {
    /// The lens of one look.
    pub fn new(look: &Look) -> Self {
        Self { cos: look.roll.cos(), sin: look.roll.sin(), zoom: look.zoom, shift: look.shift, bulge: look.bulge }
    }

    /// Camera pixels of an arena point.
    pub fn camera_from_arena(&self, p: [f32; 2]) -> [f32; 2] {
        let (x, y) = (p[0] - CENTRE[0], p[1] - CENTRE[1]);
        let x1 = (x * self.cos - y * self.sin) * self.zoom + self.shift[0];
        let y1 = (x * self.sin + y * self.cos) * self.zoom + self.shift[1];
        let k = 1.0 - self.bulge * (x1 * x1 + y1 * y1) / CORNER_SQUARED;
        [x1 * k + CENTRE[0], y1 * k + CENTRE[1]]
    }

    /// The arena point that a camera pixel sees; three rounds of a fixed point, exact to under 0.01 px.
    pub fn arena_from_camera(&self, p: [f32; 2]) -> [f32; 2] {
        let (x, y) = (p[0] - CENTRE[0], p[1] - CENTRE[1]);
        let (mut x1, mut y1) = (x, y);
        for _ in 0..4 {
            let k = 1.0 - self.bulge * (x1 * x1 + y1 * y1) / CORNER_SQUARED;
            (x1, y1) = (x / k, y / k);
        }
        let (x1, y1) = ((x1 - self.shift[0]) / self.zoom, (y1 - self.shift[1]) / self.zoom);
        [x1 * self.cos + y1 * self.sin + CENTRE[0], -x1 * self.sin + y1 * self.cos + CENTRE[1]]
    }

    /// Camera pixels per arena pixel, near enough for widths.
    pub fn scale(&self) -> f32 {
        self.zoom
    }
}
