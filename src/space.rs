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

/// A part of the camera's picture, whole pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// First column.
    pub x: u32,
    /// First row.
    pub y: u32,
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
}

impl Window {
    /// The whole of a picture (width, height).
    pub fn whole(picture: (u32, u32)) -> Self {
        Self { x: 0, y: 0, width: picture.0, height: picture.1 }
    }

    /// It has pixels, all of them in a picture (width, height).
    pub fn lies_in(&self, picture: (u32, u32)) -> bool {
        let inside =
            |from: u32, size: u32, most: u32| size > 0 && from.checked_add(size).is_some_and(|end| end <= most);
        inside(self.x, self.width, picture.0) && inside(self.y, self.height, picture.1)
    }
}

/// The picture, or a window of it, scaled by one factor to fit the model's input and centred on it; the rest is padding.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Letterbox {
    /// Model pixels per camera pixel.
    pub scale: f32,
    /// Model pixels of padding on the left, less what of the picture lies left of the window.
    pub left: f32,
    /// Model pixels of padding at the top, less what of the picture lies above the window.
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

    /// The same for a window of the picture: camera pixels still count from the picture's corner.
    pub fn fit_window(window: Window, model: (u32, u32)) -> Self {
        let fit = Self::fit((window.width, window.height), model);
        let shift = |padding: f32, start: u32| padding - start as f32 * fit.scale;
        Self { scale: fit.scale, left: shift(fit.left, window.x), top: shift(fit.top, window.y) }
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
    fn a_window_of_the_whole_picture_is_the_picture() {
        for camera in [(640, 480), (1280, 720), (1921, 1079), (33, 4000)] {
            assert_eq!(Letterbox::fit_window(Window::whole(camera), (640, 480)), Letterbox::fit(camera, (640, 480)));
        }
    }

    #[test]
    fn a_window_at_one_to_one_is_only_moved() {
        let map = Letterbox::fit_window(Window { x: 1200, y: 34, width: 640, height: 480 }, (640, 480));
        assert_eq!(map.model_from_camera(InCamera { x: 1200.0, y: 34.0 }), InModel { x: 0.0, y: 0.0 });
        assert_eq!(map.camera_from_model(InModel { x: 639.25, y: 479.5 }), InCamera { x: 1839.25, y: 513.5 });
    }

    proptest::proptest! {
        #[test]
        fn a_point_in_a_window_comes_back(
            (x, y, width, height) in (0u32..3000, 0u32..3000, 1u32..3000, 1u32..3000),
            (across, down) in (0.0f32..1.0, 0.0f32..1.0),
            model in (32u32..4096, 32u32..4096),
        ) {
            let map = Letterbox::fit_window(Window { x, y, width, height }, model);
            let p = InCamera { x: x as f32 + across * width as f32 - 0.5, y: y as f32 + down * height as f32 - 0.5 };
            let there = map.model_from_camera(p);
            // In the input, up to what a float32 of these sizes can tell.
            proptest::prop_assert!(there.x > -0.6 - 2e-3 * map.scale && there.x < model.0 as f32 - 0.4 + 2e-3 * map.scale);
            proptest::prop_assert!(there.y > -0.6 - 2e-3 * map.scale && there.y < model.1 as f32 - 0.4 + 2e-3 * map.scale);
            proptest::prop_assert!(p.distance(map.camera_from_model(there)) < 4e-3, "{:?}", map.camera_from_model(there));
        }
    }

    #[test]
    fn equal_sizes_need_no_scaling() {
        assert!(Letterbox::fit((640, 480), (640, 480)).is_identity());
    }
}
