//! Where an arena point falls in the camera's picture, and back.

use super::{HEIGHT, WIDTH, look::Look};

/// The camera's pose and radial distortion. Arena space is the nominal camera's pixels.
#[derive(Clone, Copy, Debug)]
pub struct Lens {
    cos: f32,
    sin: f32,
    zoom: f32,
    shift: [f32; 2],
    tilt: [f32; 2],
    bulge: f32,
}

const CENTRE: [f32; 2] = [WIDTH as f32 / 2.0, HEIGHT as f32 / 2.0];
const CORNER_SQUARED: f32 = CENTRE[0] * CENTRE[0] + CENTRE[1] * CENTRE[1];

impl Lens {
    /// The lens of one look.
    pub fn new(look: &Look) -> Self {
        Self {
            cos: look.roll.cos(),
            sin: look.roll.sin(),
            zoom: look.zoom,
            shift: look.shift,
            tilt: look.tilt,
            bulge: look.bulge,
        }
    }

    /// Camera pixels of an arena point.
    pub fn camera_from_arena(&self, p: [f32; 2]) -> [f32; 2] {
        let (x, y) = (p[0] - CENTRE[0], p[1] - CENTRE[1]);
        let x1 = (x * self.cos - y * self.sin) * self.zoom + self.shift[0];
        let y1 = (x * self.sin + y * self.cos) * self.zoom + self.shift[1];
        // A tilted camera sees one side from further away.
        let far = 1.0 + (self.tilt[0] * x1 + self.tilt[1] * y1) / CENTRE[0];
        let (x1, y1) = (x1 / far, y1 / far);
        let k = 1.0 - self.bulge * (x1 * x1 + y1 * y1) / CORNER_SQUARED;
        [x1 * k + CENTRE[0], y1 * k + CENTRE[1]]
    }

    /// The arena point that a camera pixel sees; a fixed point of few rounds, exact to about 0.01 px.
    pub fn arena_from_camera(&self, p: [f32; 2]) -> [f32; 2] {
        let (x, y) = (p[0] - CENTRE[0], p[1] - CENTRE[1]);
        let (mut x1, mut y1) = (x, y);
        // A stronger lens needs more rounds.
        let rounds = 4 + (self.bulge.abs() * 150.0 - 2.0).max(0.0) as usize;
        for _ in 0..rounds {
            let k = 1.0 - self.bulge * (x1 * x1 + y1 * y1) / CORNER_SQUARED;
            (x1, y1) = (x / k, y / k);
        }
        let far = 1.0 / (1.0 - (self.tilt[0] * x1 + self.tilt[1] * y1) / CENTRE[0]);
        let (x1, y1) = (x1 * far, y1 * far);
        let (x1, y1) = ((x1 - self.shift[0]) / self.zoom, (y1 - self.shift[1]) / self.zoom);
        [x1 * self.cos + y1 * self.sin + CENTRE[0], -x1 * self.sin + y1 * self.cos + CENTRE[1]]
    }

    /// The camera's pixels that an arena vector spans, near enough for motion blur.
    pub fn turned(&self, v: [f32; 2]) -> [f32; 2] {
        [(v[0] * self.cos - v[1] * self.sin) * self.zoom, (v[0] * self.sin + v[1] * self.cos) * self.zoom]
    }

    /// Camera pixels per arena pixel, near enough for widths.
    pub fn scale(&self) -> f32 {
        self.zoom
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_back_is_the_way_there_for_the_strongest_lens() {
        for (bulge, tilt) in [(0.12, [0.1, -0.08]), (-0.08, [-0.1, 0.1]), (0.01, [0.0, 0.0])] {
            let look = Look { bulge, tilt, roll: 1.6, shift: [20.0, -9.0], ..Look::typical() };
            let lens = Lens::new(&look);
            for p in [[0.0, 0.0], [639.0, 0.0], [320.0, 240.0], [100.0, 470.0]] {
                let q = lens.camera_from_arena(lens.arena_from_camera(p));
                assert!((q[0] - p[0]).hypot(q[1] - p[1]) < 0.3, "{bulge} {tilt:?}: {p:?} became {q:?}");
            }
        }
    }
}
