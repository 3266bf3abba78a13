//! Fills the model's input from a frame: YUV to RGB, letterbox where the sizes differ, then planes of normalised floats.

use crate::handover::{Colour, Frame, Matrix, PictureSize, PixelFormat};
use crate::model::Contract;
use crate::space::{InModel, Letterbox};
use yuv::{YuvBiPlanarImage, YuvConversionMode, YuvPlanarImage, YuvRange, YuvStandardMatrix};

/// Turns frames into the model's input. Allocates when a picture's size is new, and never between.
#[derive(Debug)]
pub struct Preprocessor {
    width: usize,
    height: usize,
    /// What each 0-to-255 value becomes, by channel.
    tables: [[f32; 256]; 3],
    padding: [f32; 3],
    /// The frame as packed RGB, where it is not RGB already.
    rgb: Vec<u8>,
    /// Where the columns and rows of the input come from.
    columns: Vec<Tap>,
    rows: Vec<Tap>,
    /// The picture's size for which they were made.
    made_for: PictureSize,
}

/// Two neighbours in the picture and the share of the second; `None` is padding.
type Tap = Option<(usize, usize, f32)>;

impl Preprocessor {
    /// A preprocessor for the contract's input.
    pub fn new(contract: &Contract) -> Self {
        let input = &contract.written.input;
        let normal = |channel: usize, value: f32| (value - input.mean[channel]) / input.scale[channel];
        Self {
            width: input.width as usize,
            height: input.height as usize,
            tables: std::array::from_fn(|channel| std::array::from_fn(|value| normal(channel, value as f32))),
            padding: std::array::from_fn(|channel| normal(channel, f32::from(input.padding))),
            rgb: Vec::new(),
            columns: Vec::new(),
            rows: Vec::new(),
            made_for: PictureSize::default(),
        }
    }

    /// Fills `out` (three planes R, G, B, each the input's rows × columns) and says how camera and model pixels map.
    ///
    /// An `out` of another length is left as it is, and the engine refuses it. A picture without pixels becomes padding.
    pub fn fill(&mut self, frame: &Frame, out: &mut [f32]) -> Letterbox {
        let (size, model) = (frame.size(), (self.width as u32, self.height as u32));
        let plane = self.width * self.height;
        if out.len() != 3 * plane || size.width == 0 || size.height == 0 {
            for (to, padding) in out.chunks_mut(plane.max(1)).zip(self.padding) {
                to.fill(padding);
            }
            return Letterbox::fit(model, model);
        }
        let letterbox = Letterbox::fit((size.width, size.height), model);
        let mut packed = std::mem::take(&mut self.rgb);
        let pixels: &[u8] = match frame.format() {
            PixelFormat::Rgb | PixelFormat::Grey => frame.plane(0).0,
            PixelFormat::I420 | PixelFormat::Nv12 => {
                packed.resize(size.width as usize * size.height as usize * 3, 0);
                rgb_from_yuv(frame, &mut packed);
                &packed
            }
        };
        let (red, rest) = out.split_at_mut(plane);
        let (green, blue) = rest.split_at_mut(plane);
        let grey = frame.format() == PixelFormat::Grey;
        match (letterbox.is_identity(), grey) {
            (true, false) => self.copy(pixels, [red, green, blue]),
            (true, true) => {
                for (to, table) in [red, green, blue].into_iter().zip(&self.tables) {
                    to.iter_mut().zip(pixels).for_each(|(to, value)| *to = table[usize::from(*value)]);
                }
            }
            (false, _) => self.scale(size, &letterbox, pixels, if grey { 1 } else { 3 }, [red, green, blue]),
        }
        self.rgb = packed;
        letterbox
    }

    /// Packed RGB of the input's own size to planes.
    fn copy(&self, pixels: &[u8], [red, green, blue]: [&mut [f32]; 3]) {
        let [reds, greens, blues] = &self.tables;
        let (pixels, _) = pixels.as_chunks::<3>();
        for (((pixel, red), green), blue) in pixels.iter().zip(red).zip(green).zip(blue) {
            *red = reds[usize::from(pixel[0])];
            *green = greens[usize::from(pixel[1])];
            *blue = blues[usize::from(pixel[2])];
        }
    }

    /// Bilinear, pixel centres on whole numbers; `step` bytes a pixel.
    fn scale(&mut self, size: PictureSize, map: &Letterbox, pixels: &[u8], step: usize, out: [&mut [f32]; 3]) {
        if self.made_for != size {
            let at = |x: f32, y: f32| map.camera_from_model(InModel { x, y });
            self.columns.clear();
            self.columns.extend((0..self.width).map(|x| tap(at(x as f32, 0.0).x, size.width)));
            self.rows.clear();
            self.rows.extend((0..self.height).map(|y| tap(at(0.0, y as f32).y, size.height)));
            self.made_for = size;
        }
        let stride = size.width as usize * step;
        for (channel, plane) in out.into_iter().enumerate() {
            let (table, padding) = (&self.tables[channel], self.padding[channel]);
            let offset = channel.min(step - 1);
            for (row, to) in self.rows.iter().zip(plane.chunks_exact_mut(self.width)) {
                let lines = row.and_then(|(above, below, share)| {
                    Some((pixels.get(above * stride..)?, pixels.get(below * stride..)?, share))
                });
                let Some((above, below, down)) = lines else {
                    to.fill(padding);
                    continue;
                };
                for (column, to) in self.columns.iter().zip(to) {
                    let Some((left, right, across)) = *column else {
                        *to = padding;
                        continue;
                    };
                    let value =
                        |line: &[u8], x: usize| table[usize::from(line.get(x * step + offset).copied().unwrap_or(0))];
                    let top = value(above, left) * (1.0 - across) + value(above, right) * across;
                    let bottom = value(below, left) * (1.0 - across) + value(below, right) * across;
                    *to = top * (1.0 - down) + bottom * down;
                }
            }
        }
    }
}

/// The neighbours of a place on one axis; a place outside the picture's pixels is padding.
fn tap(place: f32, size: u32) -> Tap {
    let last = size as usize - 1;
    if place < -0.5 || place >= last as f32 + 0.5 {
        return None;
    }
    let place = place.clamp(0.0, last as f32);
    let before = place.floor() as usize;
    Some((before, (before + 1).min(last), place - before as f32))
}

/// The whole frame as packed RGB. `rgb` holds three bytes a pixel.
fn rgb_from_yuv(frame: &Frame, rgb: &mut [u8]) {
    let PictureSize { width, height } = frame.size();
    let (range, matrix) = described(frame.colour());
    let (y_plane, y_stride) = frame.plane(0);
    let (second, second_stride) = frame.plane(1);
    let y_stride = y_stride as u32;
    let done = if frame.format() == PixelFormat::Nv12 {
        let uv_stride = second_stride as u32;
        let image = YuvBiPlanarImage { y_plane, y_stride, uv_plane: second, uv_stride, width, height };
        yuv::yuv_nv12_to_rgb(&image, rgb, width * 3, range, matrix, YuvConversionMode::Balanced)
    } else {
        let (v_plane, v_stride) = frame.plane(2);
        let (u_stride, v_stride) = (second_stride as u32, v_stride as u32);
        let image = YuvPlanarImage { y_plane, y_stride, u_plane: second, u_stride, v_plane, v_stride, width, height };
        yuv::yuv420_to_rgb(&image, rgb, width * 3, range, matrix)
    };
    // A pool's planes always fit their size; were they ever not to, the picture would be black rather than the last one.
    if done.is_err() {
        rgb.fill(0);
    }
}

/// The colour description in the converter's words.
fn described(colour: Colour) -> (YuvRange, YuvStandardMatrix) {
    let range = if colour.full_range { YuvRange::Full } else { YuvRange::Limited };
    let matrix = match colour.matrix {
        Matrix::Bt601 => YuvStandardMatrix::Bt601,
        Matrix::Bt709 => YuvStandardMatrix::Bt709,
        Matrix::Bt2020 => YuvStandardMatrix::Bt2020,
    };
    (range, matrix)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::space::InCamera;
    use crate::stamp::Stamp;

    /// The bundled contract with an input of `width` x `height`.
    fn contract(width: u32, height: u32, mean: [f32; 3], scale: [f32; 3], padding: u8) -> Contract {
        let mut contract = Contract::bundled().expect("the bundled model");
        let input = &mut contract.written.input;
        (input.width, input.height, input.mean, input.scale, input.padding) = (width, height, mean, scale, padding);
        contract
    }

    /// Any bytes, the same each time.
    fn noise(count: usize) -> Vec<u8> {
        (0..count as u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
    }

    fn frame(format: PixelFormat, width: u32, height: u32, colour: Colour) -> (Frame, Vec<u8>) {
        let (w, h) = (width as usize, height as usize);
        let chroma = w.div_ceil(2) * h.div_ceil(2);
        let mut bytes = noise(match format {
            PixelFormat::I420 | PixelFormat::Nv12 => w * h + 2 * chroma,
            PixelFormat::Rgb => w * h * 3,
            PixelFormat::Grey => w * h,
        });
        if !colour.full_range {
            // Beyond these is headroom, which converters clip each in their own way.
            bytes.iter_mut().for_each(|byte| *byte = (*byte).clamp(16, 235));
        }
        let frame = Frame::unpooled(format, PictureSize { width, height }, colour, Stamp::default(), &bytes);
        (frame.expect("a frame"), bytes)
    }

    /// One pixel by the formulas of the recommendations, 0 to 255.
    fn naive(format: PixelFormat, bytes: &[u8], w: usize, h: usize, x: usize, y: usize, colour: Colour) -> [f32; 3] {
        let chroma = w.div_ceil(2) * h.div_ceil(2);
        let at = (y / 2) * w.div_ceil(2) + x / 2;
        let (u, v) = match format {
            PixelFormat::Rgb => return std::array::from_fn(|c| f32::from(bytes[(y * w + x) * 3 + c])),
            PixelFormat::Grey => return [f32::from(bytes[y * w + x]); 3],
            PixelFormat::I420 => (bytes[w * h + at], bytes[w * h + chroma + at]),
            PixelFormat::Nv12 => (bytes[w * h + 2 * at], bytes[w * h + 2 * at + 1]),
        };
        let (kr, kb) = match colour.matrix {
            Matrix::Bt601 => (0.299, 0.114),
            Matrix::Bt709 => (0.2126, 0.0722),
            Matrix::Bt2020 => (0.2627, 0.0593),
        };
        let (luma, spread) = if colour.full_range { (255.0, 255.0) } else { (219.0, 224.0) };
        let black = if colour.full_range { 0.0 } else { 16.0 };
        let l = (f32::from(bytes[y * w + x]) - black) / luma;
        let (u, v) = ((f32::from(u) - 128.0) / spread, (f32::from(v) - 128.0) / spread);
        let (r, b) = (l + 2.0 * (1.0 - kr) * v, l + 2.0 * (1.0 - kb) * u);
        let g = (l - kr * r - kb * b) / (1.0 - kr - kb);
        [r, g, b].map(|value| (value * 255.0).clamp(0.0, 255.0))
    }

    #[test]
    fn every_format_matrix_and_range_gives_the_values_of_the_formulas() {
        let (w, h) = (62, 34);
        for format in [PixelFormat::I420, PixelFormat::Nv12, PixelFormat::Rgb, PixelFormat::Grey] {
            for matrix in [Matrix::Bt601, Matrix::Bt709, Matrix::Bt2020] {
                for full_range in [false, true] {
                    let colour = Colour { matrix, full_range };
                    let (frame, bytes) = frame(format, w, h, colour);
                    let mut preprocessor = Preprocessor::new(&contract(w, h, [0.0; 3], [255.0; 3], 0));
                    let mut out = vec![0.0; 3 * (w * h) as usize];
                    assert!(preprocessor.fill(&frame, &mut out).is_identity());
                    for (y, x) in (0..h as usize).flat_map(|y| (0..w as usize).map(move |x| (y, x))) {
                        let wanted = naive(format, &bytes, w as usize, h as usize, x, y, colour);
                        for (c, wanted) in wanted.into_iter().enumerate() {
                            let got = (out[(c * h as usize + y) * w as usize + x] * 255.0).round();
                            assert!(
                                (got - wanted.round()).abs() <= 1.0,
                                "{format:?} {colour:?} ({x},{y}) {c}: {got} {wanted}"
                            );
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn other_sizes_are_scaled_bilinearly_and_padded() {
        let (mean, scale) = ([10.0, 20.0, 30.0], [50.0, 60.0, 70.0]);
        for (camera, model) in [((80u32, 60u32), (64u32, 48u32)), ((31, 47), (64, 48)), ((128, 48), (64, 48))] {
            let (frame, bytes) = frame(PixelFormat::Rgb, camera.0, camera.1, Colour::default());
            let mut preprocessor = Preprocessor::new(&contract(model.0, model.1, mean, scale, 100));
            let mut out = vec![0.0; (3 * model.0 * model.1) as usize];
            let map = preprocessor.fill(&frame, &mut out);
            for (y, x) in (0..model.1).flat_map(|y| (0..model.0).map(move |x| (y, x))) {
                let InCamera { x: cx, y: cy } = map.camera_from_model(InModel { x: x as f32, y: y as f32 });
                let inside = cx >= -0.5 && cy >= -0.5 && cx < camera.0 as f32 - 0.5 && cy < camera.1 as f32 - 0.5;
                for c in 0..3 {
                    let byte = |x: f32, y: f32| {
                        let (x, y) = (x.clamp(0.0, camera.0 as f32 - 1.0), y.clamp(0.0, camera.1 as f32 - 1.0));
                        f32::from(bytes[(y as usize * camera.0 as usize + x as usize) * 3 + c])
                    };
                    let (x0, y0) = (cx.clamp(0.0, camera.0 as f32 - 1.0), cy.clamp(0.0, camera.1 as f32 - 1.0));
                    let (fx, fy) = (x0 - x0.floor(), y0 - y0.floor());
                    let (x0, y0) = (x0.floor(), y0.floor());
                    let value = (byte(x0, y0) * (1.0 - fx) + byte(x0 + 1.0, y0) * fx) * (1.0 - fy)
                        + (byte(x0, y0 + 1.0) * (1.0 - fx) + byte(x0 + 1.0, y0 + 1.0) * fx) * fy;
                    let wanted = ((if inside { value } else { 100.0 }) - mean[c]) / scale[c];
                    let got = out[(c * model.1 as usize + y as usize) * model.0 as usize + x as usize];
                    assert!((got - wanted).abs() < 1e-3, "{camera:?} ({x},{y}) {c}: {got} {wanted}");
                }
            }
        }
    }

    #[test]
    fn a_new_picture_size_is_mapped_anew() {
        let mut preprocessor = Preprocessor::new(&contract(64, 48, [0.0; 3], [1.0; 3], 0));
        let mut out = vec![0.0; 3 * 64 * 48];
        for (width, height) in [(80, 60), (32, 48), (64, 48), (80, 60)] {
            let (frame, _) = frame(PixelFormat::Grey, width, height, Colour::default());
            assert_eq!(preprocessor.fill(&frame, &mut out), Letterbox::fit((width, height), (64, 48)));
            let alone = {
                let mut out = vec![0.0; 3 * 64 * 48];
                Preprocessor::new(&contract(64, 48, [0.0; 3], [1.0; 3], 0)).fill(&frame, &mut out);
                out
            };
            assert_eq!(out, alone);
        }
    }
}
