//! The two pixel spaces and the one map between them.

/// A point in camera pixels: origin at the centre of the top-left pixel, x to the right, y down.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub struct InCamera {
    /// Pixels to the right.
    pub x: f32,
    /// Pixels down.
    pub y: f32,
}

impl InCamera {
    /// Distance to another point, pixels.
    pub fn distance(self, other: Self) -> f32 {
        (self.x - other.x).hypot(self.y - other.y)
    }

    /// Neither coordinate is NaN or infinite.
    pub fn is_finite(self) -> bool {
        self.x.is_finite() && self.y.is_finite()
    }
}

/// A point in the model's input pixels: origin at the centre of the top-left pixel, x to the right, y down.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub struct InModel {
    /// Pixels to the right.
    pub x: f32,
    /// Pixels down.
    pub y: f32,
}

/// The picture scaled by one factor to fit the model's input and centred on it; the rest is padding.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Letterbox {
    /// Model pixels per camera pixel.
    pub scale: f32,
    /// Model pixels of padding on the left.
    pub left: f32,
    /// Model pixels of padding at the top.
    pub top: f32,
}

impl Letterbox {
    /// The largest centred fit of a camera picture into the model's input, sizes (width, height) in pixels, none of them 0.
    pub fn fit(camera: (u32, u32), model: (u32, u32)) -> Self {
        let scale = (model.0 as f32 / camera.0 as f32).min(model.1 as f32 / camera.1 as f32);
        let left = ((model.0 as f32 - camera.0 as f32 * scale) / 2.0).floor();
        let top = ((model.1 as f32 - camera.1 as f32 * scale) / 2.0).floor();
        Self { scale, left, top }
    }

    /// Model pixels from camera pixels. Pixel centres are whole numbers in both, hence the half pixels.
    pub fn model_from_camera(&self, p: InCamera) -> InModel {
        InModel { x: (p.x + 0.5) * self.scale + self.left - 0.5, y: (p.y + 0.5) * self.scale + self.top - 0.5 }
    }

    /// Camera pixels from model pixels.
    pub fn camera_from_model(&self, p: InModel) -> InCamera {
        InCamera { x: (p.x + 0.5 - self.left) / self.scale - 0.5, y: (p.y + 0.5 - self.top) / self.scale - 0.5 }
    }

    /// The map changes nothing: camera and model have one size.
    pub fn is_identity(&self) -> bool {
        self.scale == 1.0 && self.left == 0.0 && self.top == 0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letterbox_round_trip_returns_the_point() {
        for (camera, model) in [((640, 480), (640, 480)), ((1280, 720), (640, 480)), ((320, 480), (640, 480))] {
            let map = Letterbox::fit(camera, model);
            let p = InCamera { x: 17.25, y: 200.5 };
            let back = map.camera_from_model(map.model_from_camera(p));
            assert!(p.distance(back) < 1e-3, "{camera:?} {model:?}: {back:?}");
        }
    }

    #[test]
    fn equal_sizes_need_no_scaling() {
        assert!(Letterbox::fit((640, 480), (640, 480)).is_identity());
    }
}
