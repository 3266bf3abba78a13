//! One arena whole: its mice move, the camera sees them, and the truth is known.

use super::clutter::Clutter;
use super::dice::Dice;
use super::floor::Floor;
use super::lens::Lens;
use super::look::Look;
use super::mice::Mice;
use super::mouse::Doing;
use super::render::Brush;
use super::sensor::Sensor;
use super::tracks::Tracks;
use super::{HEIGHT, INDIVIDUALS, TrueAnimal, TruePoint, Truth, Visibility, WIDTH};

/// A rendered arena: mice, most of them painted, their home cage and a camera above it. The same seed, look and frame rate give
/// the same frames.
pub struct Arena {
    look: Look,
    lens: Lens,
    floor: Floor,
    brush: Brush,
    sensor: Sensor,
    pub(super) mice: Mice,
    tracks: Option<Tracks>,
    clutter: Clutter,
    canvas: Vec<u16>,
    frame: usize,
    frame_s: f32,
}

impl Arena {
    /// Four mice that behave by themselves, at `fps` frames per second (5 to 120).
    pub fn new(seed: u64, look: Look, fps: f64) -> Self {
        Self::with(seed, look, fps, &[0, 1, 2, 3])
    }

    /// As [`Arena::new`] with the given animals (indices into [`INDIVIDUALS`]); none is an empty arena.
    pub fn with(seed: u64, look: Look, fps: f64, identities: &[usize]) -> Self {
        let present: Vec<usize> = (0..INDIVIDUALS.len()).filter(|i| identities.contains(i)).collect();
        let lens = Lens::new(&look);
        let floor = Floor::new(&look, &lens);
        let mice = Mice::new(&present, &look, Dice::new(seed, 1));
        Self {
            brush: Brush::new(&look),
            sensor: Sensor::new(Dice::new(seed, 2)),
            canvas: floor.pixels.clone(),
            lens,
            floor,
            mice,
            look,
            tracks: None,
            clutter: Clutter::default(),
            frame: 0,
            frame_s: 1.0 / fps.clamp(5.0, 120.0) as f32,
        }
    }

    /// Four mice whose bodies' centres go where recorded `tracks` went, one row a frame at the tracks' 29.99 frames per
    /// second. After the last row they stay. A look without a lid suits tracks that were recorded without one.
    pub fn follow(seed: u64, look: Look, tracks: &Tracks) -> Self {
        let mut arena = Self::with(seed, look, 29.99, &[0, 1, 2, 3]);
        for (index, row) in tracks.row(0).iter().enumerate() {
            arena.mice.put(index, row.at, index as f32, Doing::Rest, 1.0);
        }
        arena.tracks = Some(tracks.clone());
        arena
    }

    /// Moves the mice on by one frame.
    pub fn step(&mut self) {
        self.frame += 1;
        let Some(tracks) = &self.tracks else {
            return self.mice.step(self.frame_s);
        };
        for (index, row) in tracks.row(self.frame).iter().enumerate() {
            self.mice.lead(index, row.at, self.frame_s);
        }
    }

    /// Where everything truly is now.
    pub fn truth(&self) -> Truth {
        let bodies: Vec<_> = self.mice.all.iter().map(|m| m.posture.body(&m.build, &self.lens)).collect();
        let mut animals = Vec::with_capacity(bodies.len());
        for (i, mouse) in self.mice.all.iter().enumerate() {
            let body = &bodies[i];
            let away = self.tracks.as_ref().is_some_and(|t| t.row(self.frame)[i].hidden);
            let mut points = [TruePoint { x: 0.0, y: 0.0, visibility: Visibility::Seen }; 9];
            for (k, point) in points.iter_mut().enumerate() {
                let p = body.points[k];
                let outside = p[0] < 0.0 || p[1] < 0.0 || p[0] > (WIDTH - 1) as f32 || p[1] > (HEIGHT - 1) as f32;
                let own = (k >= 7 && body.sits_on(p)) || (k == 6 && mouse.posture.upright > 0.8);
                let other = bodies.iter().enumerate().any(|(j, b)| j != i && self.above(j, i) && b.covers(p));
                let covered = self.clutter.hides(p)
                    || outside
                    || own
                    || other
                    || away
                    || self.look.layout.roofed(self.lens.arena_from_camera(p));
                let visibility = if covered { Visibility::Covered } else { Visibility::Seen };
                *point = TruePoint { x: p[0], y: p[1], visibility };
            }
            let hidden = points.iter().all(|p| p.visibility == Visibility::Covered);
            if hidden {
                for p in &mut points {
                    p.visibility = Visibility::Hidden;
                }
            }
            animals.push(TrueAnimal { identity: mouse.identity, hidden, points });
        }
        Truth { animals }
    }

    /// Leaves things lying on the floor for good.
    pub(super) fn litter(&mut self, dice: &mut Dice) {
        Clutter::under(&self.look, dice).lay(&mut self.floor.pixels);
    }

    /// Lays new things over the animals in place of those before, or only takes those away.
    pub(super) fn strew(&mut self, some: bool, dice: &mut Dice) {
        self.clutter = Clutter::default();
        if some {
            let near: Vec<_> = self.truth().animals.iter().flat_map(|a| a.points).map(|p| [p.x, p.y]).collect();
            self.clutter = Clutter::over(&self.look, &near, dice);
        }
    }

    /// Whether mouse `a` is drawn over mouse `b`.
    fn above(&self, a: usize, b: usize) -> bool {
        self.pile(a) > self.pile(b)
    }

    fn pile(&self, index: usize) -> (f32, usize) {
        let mouse = &self.mice.all[index];
        (mouse.height + 5.0 * mouse.posture.upright, index)
    }

    /// Renders the frame into `rgb`, rows of red, green, blue bytes; less than `WIDTH * HEIGHT * 3` bytes stay untouched.
    pub fn render(&mut self, rgb: &mut [u8]) {
        if rgb.len() < WIDTH * HEIGHT * 3 {
            return;
        }
        self.canvas.copy_from_slice(&self.floor.pixels);
        let mut order: Vec<usize> = (0..self.mice.all.len()).collect();
        order.sort_by(|&a, &b| self.pile(a).0.total_cmp(&self.pile(b).0).then(a.cmp(&b)));
        for index in order {
            if self.tracks.as_ref().is_some_and(|t| t.row(self.frame)[index].hidden) {
                continue;
            }
            let mouse = &self.mice.all[index];
            let body = mouse.posture.body(&mouse.build, &self.lens);
            let open_s = self.look.shutter * self.frame_s;
            let smear = self.lens.turned(mouse.velocity).map(|v| v * open_s);
            self.brush.mouse(&mut self.canvas, &self.floor, &self.look, &body, mouse.identity, smear);
        }
        self.clutter.lay(&mut self.canvas);
        self.sensor.expose(&self.canvas, &self.look, rgb);
    }
}
