//! Fills the model's input from a frame: colour, letterbox, normalisation. Nothing is allocated after the first frame of a size.

use crate::handover::{Colour, Frame, Matrix, PictureSize, PixelFormat};
use crate::model::Contract;
use crate::space::{Letterbox, Window};
use yuv::{YuvBiPlanarImage, YuvPlanarImage, YuvRange, YuvStandardMatrix};

/// What becomes of a value from 0 to 255, by channel: times `factor`, plus `shift`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Normalisation {
    /// One over the contract's scale.
    pub factor: [f32; 3],
    /// Less its mean, scaled.
    pub shift: [f32; 3],
    /// What stands beside the picture, before both.
    pub padding: u8,
}

impl Normalisation {
    /// As the contract has it.
    pub fn new(contract: &Contract) -> Self {
        let input = &contract.written.input;
        let factor = input.scale.map(|scale| 1.0 / scale);
        let shift = std::array::from_fn(|channel| -input.mean[channel] * factor[channel]);
        Self { factor, shift, padding: input.padding }
    }
}

/// Where a window of a picture lies in the model's input, and how finely it is looked at: what the CPU and a GPU both go by.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Placement {
    /// The part of the picture, inside it.
    pub window: Window,
    /// The map from the window's own pixels.
    pub inner: Letterbox,
    /// Samples a model pixel along each side: as many as pixels of the window fall into one.
    pub taps: usize,
}

impl Placement {
    /// Of a picture (width, height) in an input (width, height). A window that leaves the picture means the whole.
    pub fn new(picture: (u32, u32), window: Window, model: (u32, u32)) -> Self {
        let window = if window.lies_in(picture) { window } else { Window::whole(picture) };
        let inner = Letterbox::fit((window.width.max(1), window.height.max(1)), model);
        Self { window, inner, taps: ((1.0 / inner.scale).ceil() as usize).clamp(1, 8) }
    }

    /// The map from camera pixels.
    pub fn letterbox(&self, model: (u32, u32)) -> Letterbox {
        Letterbox::fit_window(
            Window { width: self.window.width.max(1), height: self.window.height.max(1), ..self.window },
            model,
        )
    }
}

/// Turns frames into the model's input: RGB, planar, `(value - mean) / scale`.
pub struct Preprocessor {
    width: usize,
    height: usize,
    norm: Normalisation,
    /// The frame's rows that are looked at, as interleaved RGB.
    rgb: Vec<u8>,
    /// The same, letterboxed to the model's size.
    boxed: Vec<u8>,
}

impl Preprocessor {
    /// Made for one model.
    pub fn new(contract: &Contract) -> Self {
        let input = &contract.written.input;
        let (width, height) = (input.width as usize, input.height as usize);
        Self { width, height, norm: Normalisation::new(contract), rgb: Vec::new(), boxed: Vec::new() }
    }

    /// Fills `input` (row-major NCHW, three channels) and says where the picture lies in it. An input of another length stays as it is.
    pub fn fill(&mut self, frame: &Frame, input: &mut [f32]) -> Letterbox {
        let PictureSize { width, height } = frame.size();
        self.fill_window(frame, Window::whole((width, height)), input)
    }

    /// The same for a part of the frame; nothing beside it is seen. A window that leaves the frame means the whole.
    pub fn fill_window(&mut self, frame: &Frame, window: Window, input: &mut [f32]) -> Letterbox {
        let PictureSize { width, height } = frame.size();
        let model = (self.width as u32, self.height as u32);
        let placement = Placement::new((width, height), window, model);
        let Placement { window, inner, .. } = placement;
        // Colour has one sample for two rows, so rows are taken from an even one on.
        let above = window.y % 2;
        self.rgb.resize(width as usize * (above + window.height) as usize * 3, 0);
        rgb_from_rows(frame, (window.y - above, above + window.height), &mut self.rgb);
        let rgb = self.rgb.get(3 * (above * width + window.x) as usize..).unwrap_or(&[]);
        let pixels = if inner.is_identity() && window.width == width {
            rgb
        } else {
            self.boxed.resize(self.width * self.height * 3, 0);
            let from = Interleaved {
                pixels: rgb,
                row: width as usize,
                width: window.width as usize,
                height: window.height as usize,
            };
            if inner.is_identity() {
                from.copied(&mut self.boxed);
            } else {
                letterboxed(&from, &placement, self.width, self.norm.padding, &mut self.boxed);
            }
            &self.boxed
        };
        let size = self.width * self.height;
        if input.len() == 3 * size && pixels.len() == 3 * size {
            let (red, rest) = input.split_at_mut(size);
            let (green, blue) = rest.split_at_mut(size);
            let Normalisation { factor: [fr, fg, fb], shift: [sr, sg, sb], .. } = self.norm;
            for (((pixel, r), g), b) in pixels.as_chunks::<3>().0.iter().zip(red).zip(green).zip(blue) {
                *r = f32::from(pixel[0]) * fr + sr;
                *g = f32::from(pixel[1]) * fg + sg;
                *b = f32::from(pixel[2]) * fb + sb;
            }
        }
        placement.letterbox(model)
    }
}

/// Interleaved RGB bytes from any frame. Planes that do not fit the size leave `rgb` as it was.
pub fn rgb_from_frame(frame: &Frame, rgb: &mut [u8]) {
    rgb_from_rows(frame, (0, frame.size().height), rgb);
}

/// The same for so many rows from an even one on, which the frame has.
fn rgb_from_rows(frame: &Frame, (first, height): (u32, u32), rgb: &mut [u8]) {
    let width = frame.size().width;
    // Those rows of a plane with a row for each `per` rows of the picture, and no byte more.
    let rows = |index: usize, per: usize| {
        let (bytes, stride) = frame.plane(index);
        let (first, count) = (first as usize / per, (height as usize).div_ceil(per));
        (bytes.get(first * stride..(first + count) * stride).unwrap_or(&[]), stride)
    };
    let Colour { matrix, full_range } = frame.colour();
    let range = if full_range { YuvRange::Full } else { YuvRange::Limited };
    let matrix = match matrix {
        Matrix::Bt601 => YuvStandardMatrix::Bt601,
        Matrix::Bt709 => YuvStandardMatrix::Bt709,
        Matrix::Bt2020 => YuvStandardMatrix::Bt2020,
    };
    let (y_plane, y_stride) = rows(0, 1);
    let stride = |bytes: usize| u32::try_from(bytes).unwrap_or(0);
    let converted = match frame.format() {
        PixelFormat::I420 => {
            let ((u_plane, u_stride), (v_plane, v_stride)) = (rows(1, 2), rows(2, 2));
            let image = YuvPlanarImage {
                y_plane,
                y_stride: stride(y_stride),
                u_plane,
                u_stride: stride(u_stride),
                v_plane,
                v_stride: stride(v_stride),
                width,
                height,
            };
            yuv::yuv420_to_rgb(&image, rgb, width * 3, range, matrix).is_ok()
        }
        PixelFormat::Nv12 => {
            let (uv_plane, uv_stride) = rows(1, 2);
            let image = YuvBiPlanarImage {
                y_plane,
                y_stride: stride(y_stride),
                uv_plane,
                uv_stride: stride(uv_stride),
                width,
                height,
            };
            yuv::yuv_nv12_to_rgb(&image, rgb, width * 3, range, matrix, yuv::YuvConversionMode::Balanced).is_ok()
        }
        PixelFormat::Rgb => {
            let row = width as usize * 3;
            for (to, from) in rgb.chunks_exact_mut(row.max(1)).zip(y_plane.chunks_exact(y_stride.max(1))) {
                to.copy_from_slice(&from[..row]);
            }
            true
        }
        PixelFormat::Grey => {
            let row = width as usize;
            for (to, from) in rgb.chunks_exact_mut((row * 3).max(1)).zip(y_plane.chunks_exact(y_stride.max(1))) {
                to.as_chunks_mut::<3>().0.iter_mut().zip(from).for_each(|(to, grey)| *to = [*grey; 3]);
            }
            true
        }
    };
    debug_assert!(converted, "the pool lays planes out so that they fit");
}

/// Interleaved RGB of a window.
struct Interleaved<'a> {
    /// From its first pixel on.
    pixels: &'a [u8],
    /// Pixels from one of its rows to the next.
    row: usize,
    width: usize,
    height: usize,
}

impl Interleaved<'_> {
    /// The pixel nearest to (x, y) inside the picture.
    fn at(&self, x: i64, y: i64) -> [f32; 3] {
        let x = x.clamp(0, self.width as i64 - 1) as usize;
        let y = y.clamp(0, self.height as i64 - 1) as usize;
        let at = (y * self.row + x) * 3;
        self.pixels.get(at..at + 3).map_or([0.0; 3], |p| [f32::from(p[0]), f32::from(p[1]), f32::from(p[2])])
    }

    /// Its pixels alone, row after row.
    fn copied(&self, out: &mut [u8]) {
        let rows = self.pixels.chunks((3 * self.row).max(1)).take(self.height);
        for (to, from) in out.chunks_exact_mut((3 * self.width).max(1)).zip(rows) {
            if let Some(from) = from.get(..to.len()) {
                to.copy_from_slice(from);
            }
        }
    }

    /// Bilinear between pixel centres.
    fn between(&self, x: f32, y: f32) -> [f32; 3] {
        let (x0, y0) = (x.floor(), y.floor());
        let (fx, fy) = (x - x0, y - y0);
        let (x0, y0) = (x0 as i64, y0 as i64);
        let (a, b) = (self.at(x0, y0), self.at(x0 + 1, y0));
        let (c, d) = (self.at(x0, y0 + 1), self.at(x0 + 1, y0 + 1));
        std::array::from_fn(|channel| {
            let top = a[channel] + (b[channel] - a[channel]) * fx;
            let bottom = c[channel] + (d[channel] - c[channel]) * fx;
            top + (bottom - top) * fy
        })
    }
}

/// The picture scaled into `out`, rows of `width` pixels. Shrinking averages as many samples as pixels fall into one.
fn letterboxed(from: &Interleaved<'_>, placement: &Placement, width: usize, padding: u8, out: &mut [u8]) {
    let Placement { inner: map, taps, .. } = placement;
    let taps = *taps;
    let step = 1.0 / taps as f32;
    let limit = (from.width as f32 - 0.5, from.height as f32 - 0.5);
    for (index, pixel) in out.as_chunks_mut::<3>().0.iter_mut().enumerate() {
        let (x, y) = ((index % width.max(1)) as f32, (index / width.max(1)) as f32);
        let centre = map.camera_from_model(crate::space::InModel { x, y });
        if centre.x < -0.5 || centre.y < -0.5 || centre.x > limit.0 || centre.y > limit.1 {
            *pixel = [padding; 3];
            continue;
        }
        let mut sum = [0.0f32; 3];
        for tap in 0..taps * taps {
            let dx = ((tap % taps) as f32 + 0.5) * step - 0.5;
            let dy = ((tap / taps) as f32 + 0.5) * step - 0.5;
            let p = map.camera_from_model(crate::space::InModel { x: x + dx, y: y + dy });
            let sample = from.between(p.x, p.y);
            sum.iter_mut().zip(sample).for_each(|(sum, value)| *sum += value);
        }
        *pixel = sum.map(|sum| (sum / (taps * taps) as f32).round() as u8);
    }
}

#[cfg(test)]
mod tests;
