//! Which part of a large picture the model looks at: the whole, or a window around the animals of the last scene. Pure.
//!
//! A picture larger than the model's input is shrunk to it, and small body parts with it. Between whole frames the model can look
//! at the animals alone, at up to one model pixel a camera pixel. An animal that comes into view outside the window is found with
//! the next whole frame.

use crate::handover::{Animal, MAX_ANIMALS, Scene, State, TrackId};
use crate::space::{InCamera, Window};
use heapless::Vec;

/// Free room on each side of an animal, as a share of its longer side.
const MARGIN: f32 = 0.5;
/// Least free room on each side of an animal, camera pixels.
const MARGIN_PX: f32 = 16.0;
/// A window less than this much smaller than the picture is not worth its blind rest.
const GAIN_MIN: f32 = 1.15;

/// Chooses the window of each frame.
#[derive(Clone, Debug)]
pub struct Cropper {
    /// One frame in so many is looked at whole.
    every: u32,
    /// Width and height of the model's input.
    model: (u32, u32),
    /// Frames looked at since the last whole one, that one included; 0 when the next one must be whole.
    since: u32,
    /// The animals of the last scene.
    seen: Vec<Seen, MAX_ANIMALS>,
}

/// A track where it was, and where it is expected.
#[derive(Clone, Copy, Debug)]
struct Seen {
    track: TrackId,
    centre: InCamera,
    /// All its keypoints, there and where they will be at the same speed, with a margin.
    around: Sides,
}

/// A box with sides between camera pixels.
#[derive(Clone, Copy, Debug)]
struct Sides {
    left: f32,
    top: f32,
    right: f32,
    bottom: f32,
}

impl Cropper {
    /// For a model's input of this width and height; with `every` at 1 each frame is whole.
    pub fn new(every: u32, model: (u32, u32)) -> Self {
        Self { every: every.max(1), model, since: 0, seen: Vec::new() }
    }

    /// What to look at in the next frame of a picture (width, height); `None` is the whole. Call it once a frame.
    ///
    /// `missed`: frames are missing before this one, so nobody knows how far the animals went.
    pub fn next(&mut self, picture: (u32, u32), missed: bool) -> Option<Window> {
        let due = self.since == 0 || self.since >= self.every;
        let window = if due || missed { None } else { self.window(picture) };
        self.since = if window.is_some() { self.since + 1 } else { 1 };
        window
    }

    /// What was found. A track that was lost, or none at all, makes the next frame a whole one.
    pub fn found(&mut self, scene: &Scene) {
        if self.every == 1 {
            return;
        }
        let mut seen: Vec<Seen, MAX_ANIMALS> = Vec::new();
        for animal in scene.animals.iter().filter(|animal| animal.state == State::Seen) {
            if let Some(one) = self.seen(animal) {
                // A scene holds no more animals than this.
                let _ = seen.push(one);
            }
        }
        let lost = scene.animals.iter().any(|animal| animal.state == State::Predicted)
            || self.seen.iter().any(|before| seen.iter().all(|now| now.track != before.track));
        self.seen = seen;
        if lost || self.seen.is_empty() {
            self.since = 0;
        }
    }

    /// An animal with where it will be when it goes on as it came.
    fn seen(&self, animal: &Animal) -> Option<Seen> {
        let (track, centre) = (animal.track?, animal.centre?);
        let before = self.seen.iter().find(|before| before.track == track);
        let step = before.map_or((0.0, 0.0), |before| (centre.x - before.centre.x, centre.y - before.centre.y));
        let mut sides = Sides::at(centre);
        animal.keypoints.iter().flatten().for_each(|keypoint| sides.hold(keypoint.at));
        let margin = (MARGIN * (sides.right - sides.left).max(sides.bottom - sides.top)).max(MARGIN_PX);
        let around = Sides {
            left: sides.left - margin + step.0.min(0.0),
            top: sides.top - margin + step.1.min(0.0),
            right: sides.right + margin + step.0.max(0.0),
            bottom: sides.bottom + margin + step.1.max(0.0),
        };
        around.is_finite().then_some(Seen { track, centre, around })
    }

    /// The least window of the model's shape that holds all animals; `None` where it gains nothing.
    fn window(&self, picture: (u32, u32)) -> Option<Window> {
        let (wide, high) = (self.model.0 as f32, self.model.1 as f32);
        let mut all = self.seen.first()?.around;
        self.seen.iter().for_each(|seen| all.join(&seen.around));
        // Model pixels are never finer than the camera's: at least 1.
        let shrunk = ((all.right - all.left) / wide).max((all.bottom - all.top) / high).max(1.0);
        let whole = (picture.0 as f32 / wide).max(picture.1 as f32 / high);
        if whole < shrunk * GAIN_MIN {
            return None;
        }
        let side = |from: f32, to: f32, model: f32, most: u32| {
            let size = ((model * shrunk).ceil() as u32).clamp(1, most.max(1));
            let start = ((from + to) / 2.0 - size as f32 / 2.0).round().max(0.0) as u32;
            (start.min(most.saturating_sub(size)), size)
        };
        let (x, width) = side(all.left, all.right, wide, picture.0);
        let (y, height) = side(all.top, all.bottom, high, picture.1);
        Some(Window { x, y, width, height })
    }
}

impl Sides {
    fn at(p: InCamera) -> Self {
        Self { left: p.x, top: p.y, right: p.x, bottom: p.y }
    }

    /// Grows until it holds the point.
    fn hold(&mut self, p: InCamera) {
        self.join(&Self::at(p));
    }

    /// Grows until it holds the other.
    fn join(&mut self, other: &Self) {
        self.left = self.left.min(other.left);
        self.top = self.top.min(other.top);
        self.right = self.right.max(other.right);
        self.bottom = self.bottom.max(other.bottom);
    }

    fn is_finite(&self) -> bool {
        [self.left, self.top, self.right, self.bottom].iter().all(|side| side.is_finite())
    }
}

#[cfg(test)]
mod tests;
