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
mod tests {
    use super::*;
    use crate::stamp::Stamp;

    /// Red, green and blue, 0 to 255, by the definition of ITU-R BT.601, BT.709 and BT.2020.
    fn reference(colour: Colour, y: u8, u: u8, v: u8) -> [f64; 3] {
        let (kr, kb) = match colour.matrix {
            Matrix::Bt601 => (0.299, 0.114),
            Matrix::Bt709 => (0.2126, 0.0722),
            Matrix::Bt2020 => (0.2627, 0.0593),
        };
        let (y, scale) =
            if colour.full_range { (f64::from(y), 127.5) } else { ((f64::from(y) - 16.0) * 255.0 / 219.0, 112.0) };
        let (u, v) = ((f64::from(u) - 128.0) / scale * 127.5, (f64::from(v) - 128.0) / scale * 127.5);
        let (r, b) = (y + 2.0 * (1.0 - kr) * v, y + 2.0 * (1.0 - kb) * u);
        let g = (y - kr * r - kb * b) / (1.0 - kr - kb);
        [r, g, b].map(|value| value.clamp(0.0, 255.0))
    }

    #[test]
    fn every_format_is_within_one_step_of_the_definition() {
        let size = PictureSize { width: 34, height: 18 };
        let contract = Contract::bundled().unwrap_or_else(|error| panic!("{error}"));
        let mut preprocessor = Preprocessor::new(&contract);
        (preprocessor.width, preprocessor.height) = (34, 18);
        for matrix in [Matrix::Bt601, Matrix::Bt709, Matrix::Bt2020] {
            for (full_range, format) in [
                (false, PixelFormat::I420),
                (true, PixelFormat::I420),
                (false, PixelFormat::Nv12),
                (true, PixelFormat::Nv12),
            ] {
                for (y, u, v) in
                    [(16, 128, 128), (235, 128, 128), (81, 90, 240), (145, 54, 34), (41, 240, 110), (180, 128, 140)]
                {
                    let colour = Colour { matrix, full_range };
                    let chroma = 17 * 9;
                    let mut bytes = vec![y; 34 * 18];
                    match format {
                        PixelFormat::I420 => bytes.extend([vec![u; chroma], vec![v; chroma]].concat()),
                        _ => bytes.extend([u, v].repeat(chroma)),
                    }
                    let frame = Frame::unpooled(format, size, colour, Stamp::default(), &bytes).expect("a frame");
                    let mut input = vec![0.0; 3 * 34 * 18];
                    preprocessor.fill(&frame, &mut input);
                    for (channel, expected) in reference(colour, y, u, v).into_iter().enumerate() {
                        let got = f64::from(input[channel * 34 * 18 + 77]) * 255.0;
                        assert!(
                            (got - expected).abs() <= 1.0,
                            "{format:?} {colour:?} {y},{u},{v}: {got} for {expected}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn rgb_and_grey_pass_unchanged_and_another_size_is_letterboxed() {
        let contract = Contract::bundled().unwrap_or_else(|error| panic!("{error}"));
        let mut preprocessor = Preprocessor::new(&contract);
        let mut input = vec![9.0; 3 * 640 * 480];
        let size = PictureSize { width: 320, height: 120 };
        let grey = vec![51; 320 * 120];
        let frame =
            Frame::unpooled(PixelFormat::Grey, size, Colour::default(), Stamp::default(), &grey).expect("a frame");
        let letterbox = preprocessor.fill(&frame, &mut input);
        assert_eq!((letterbox.scale, letterbox.left, letterbox.top), (2.0, 0.0, 120.0));
        let at = |x: usize, y: usize| input[y * 640 + x] * 255.0;
        assert_eq!(
            (at(5, 0).round(), at(5, 119).round(), at(5, 120).round(), at(639, 359).round(), at(0, 360).round()),
            (0.0, 0.0, 51.0, 51.0, 0.0)
        );
    }

    /// A frame of any format whose samples differ from pixel to pixel.
    fn busy(format: PixelFormat, size: PictureSize) -> Frame {
        let (width, height) = (size.width as usize, size.height as usize);
        let chroma = width.div_ceil(2) * height.div_ceil(2);
        let length = match format {
            PixelFormat::I420 | PixelFormat::Nv12 => width * height + 2 * chroma,
            PixelFormat::Rgb => 3 * width * height,
            PixelFormat::Grey => width * height,
        };
        let bytes: Vec<u8> = (0..length as u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        Frame::unpooled(format, size, Colour::default(), Stamp::default(), &bytes).expect("a frame")
    }

    #[test]
    fn a_window_at_one_to_one_shows_the_pixels_of_the_picture() {
        let contract = Contract::bundled().unwrap_or_else(|error| panic!("{error}"));
        let picture = PictureSize { width: 81, height: 61 };
        for format in [PixelFormat::I420, PixelFormat::Nv12, PixelFormat::Rgb, PixelFormat::Grey] {
            let frame = busy(format, picture);
            let mut rgb = vec![0; 81 * 61 * 3];
            rgb_from_frame(&frame, &mut rgb);
            for (x, y) in [(0, 0), (13, 6), (49, 30), (49, 0), (12, 7)] {
                let mut preprocessor = Preprocessor::new(&contract);
                (preprocessor.width, preprocessor.height) = (32, 31);
                let mut input = vec![0.0; 3 * 32 * 31];
                let window = Window { x, y, width: 32, height: 31 };
                let map = preprocessor.fill_window(&frame, window, &mut input);
                assert_eq!((map.scale, map.left, map.top), (1.0, -(x as f32), -(y as f32)));
                for (index, got) in input.iter().enumerate() {
                    let (channel, row, column) = (index / (32 * 31), index / 32 % 31, index % 32);
                    let wanted = rgb[3 * ((y as usize + row) * 81 + x as usize + column) + channel];
                    assert_eq!((got * 255.0).round() as u8, wanted, "{format:?} {x},{y} at {column},{row}");
                }
            }
        }
    }

    #[test]
    fn a_window_that_leaves_the_picture_means_the_whole() {
        let contract = Contract::bundled().unwrap_or_else(|error| panic!("{error}"));
        let frame = busy(PixelFormat::I420, PictureSize { width: 320, height: 240 });
        let (mut whole, mut other) = (vec![0.0; 3 * 640 * 480], vec![0.0; 3 * 640 * 480]);
        let map = Preprocessor::new(&contract).fill(&frame, &mut whole);
        for (x, y, width, height) in
            [(0, 0, 321, 240), (300, 0, 21, 240), (u32::MAX, 0, 2, 2), (0, 230, 20, 20), (0, 0, 0, 0)]
        {
            let window = Window { x, y, width, height };
            assert_eq!(Preprocessor::new(&contract).fill_window(&frame, window, &mut other), map);
            assert!(whole == other, "{window:?}");
        }
    }

    #[test]
    fn an_input_of_another_length_is_left_alone() {
        let contract = Contract::bundled().unwrap_or_else(|error| panic!("{error}"));
        let mut preprocessor = Preprocessor::new(&contract);
        let frame = Frame::unpooled(
            PixelFormat::Rgb,
            PictureSize { width: 2, height: 1 },
            Colour::default(),
            Stamp::default(),
            &[1; 6],
        );
        let mut input = vec![7.0; 10];
        preprocessor.fill(&frame.expect("a frame"), &mut input);
        assert_eq!(input, [7.0; 10]);
    }
}
