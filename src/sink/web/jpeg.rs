//! A frame as JPEG for the live page. JPEG is full-range BT.601: planes go in without a detour over RGB.

use crate::handover::{Colour, Frame, Matrix, PixelFormat};
use jpeg_encoder::{ChromaSubsamplingMethod, Encoder, ImageBuffer, JpegColorType, SamplingFactor, rgb_to_ycbcr};

/// Good enough to judge by eye; about 40 KB for 640x480.
const QUALITY: u8 = 75;

/// Writes `frame` behind what is in `out`. False, with `out` as it was, when the picture is larger than JPEG allows.
pub fn encode(frame: &Frame, out: &mut Vec<u8>) -> bool {
    let size = frame.size();
    let (Ok(width), Ok(height)) = (u16::try_from(size.width), u16::try_from(size.height)) else { return false };
    let start = out.len();
    let mut encoder = Encoder::new(&mut *out, QUALITY);
    // The camera's colours come at half size: rows are widened to what the encoder wants, and it picks them out again.
    encoder.set_sampling_factor(SamplingFactor::R_4_2_0);
    encoder.set_chroma_subsampling_method(ChromaSubsamplingMethod::Nearest);
    let picture = Picture { frame, width, height, levels: Levels::new(frame.colour()) };
    if encoder.encode_image(picture).is_err() {
        out.truncate(start);
        return false;
    }
    true
}

struct Picture<'a> {
    frame: &'a Frame,
    width: u16,
    height: u16,
    levels: Levels,
}

impl ImageBuffer for Picture<'_> {
    fn get_jpeg_color_type(&self) -> JpegColorType {
        match self.frame.format() {
            PixelFormat::Grey => JpegColorType::Luma,
            PixelFormat::I420 | PixelFormat::Nv12 | PixelFormat::Rgb => JpegColorType::Ycbcr,
        }
    }
    fn width(&self) -> u16 {
        self.width
    }
    fn height(&self) -> u16 {
        self.height
    }
    fn fill_buffers(&self, y: u16, buffers: &mut [Vec<u8>; 4]) {
        let (row, width) = (usize::from(y), usize::from(self.width));
        let [luma, blue, red, _] = buffers;
        match self.frame.format() {
            PixelFormat::Grey => luma.extend_from_slice(line(self.frame, 0, row, width)),
            PixelFormat::Rgb => {
                for pixel in line(self.frame, 0, row, width * 3).chunks_exact(3) {
                    let (y, cb, cr) = rgb_to_ycbcr(pixel[0], pixel[1], pixel[2]);
                    luma.push(y);
                    blue.push(cb);
                    red.push(cr);
                }
            }
            PixelFormat::I420 => {
                let half = width.div_ceil(2);
                let cb = line(self.frame, 1, row / 2, half).iter();
                let cr = line(self.frame, 2, row / 2, half).iter();
                self.levels.convert(line(self.frame, 0, row, width), cb.zip(cr), (luma, blue, red));
            }
            PixelFormat::Nv12 => {
                let pairs = line(self.frame, 1, row / 2, width.div_ceil(2) * 2).chunks_exact(2);
                let pairs = pairs.map(|pair| (&pair[0], &pair[1]));
                self.levels.convert(line(self.frame, 0, row, width), pairs, (luma, blue, red));
            }
        }
    }
}

/// One row of a plane, without padding.
fn line(frame: &Frame, plane: usize, row: usize, bytes: usize) -> &[u8] {
    let (data, stride) = frame.plane(plane);
    data.get(row * stride..row * stride + bytes).unwrap_or(&[])
}

/// How the camera's Y, Cb, Cr become those of JPEG: `y' = scale y + a cb + b cr` and so on, in 1/1024, Cb and Cr around 0.
struct Levels {
    luma: [u8; 256],
    luma_from_cb: i32,
    luma_from_cr: i32,
    chroma: [[i32; 2]; 2],
}

impl Levels {
    fn new(colour: Colour) -> Self {
        let (black, luma_scale, chroma_scale) =
            if colour.full_range { (0.0, 1.0, 1.0) } else { (16.0, 255.0 / 219.0, 255.0 / 224.0) };
        let luma = std::array::from_fn(|y| ((y as f64 - black) * luma_scale).round().clamp(0.0, 255.0) as u8);
        // Through R-Y and B-Y with the source's weights, back with those of BT.601.
        let (kr, kb) = match colour.matrix {
            Matrix::Bt601 => (0.299, 0.114),
            Matrix::Bt709 => (0.2126, 0.0722),
            Matrix::Bt2020 => (0.2627, 0.0593),
        };
        let kg = 1.0 - kr - kb;
        let red = [0.0, 2.0 * (1.0 - kr)];
        let blue = [2.0 * (1.0 - kb), 0.0];
        let green = [-kb * blue[0] / kg, -kr * red[1] / kg];
        let y = [0, 1].map(|c| 0.299 * red[c] + 0.587 * green[c] + 0.114 * blue[c]);
        let fixed = |value: f64| (value * chroma_scale * 1024.0).round() as i32;
        Self {
            luma,
            luma_from_cb: fixed(y[0]),
            luma_from_cr: fixed(y[1]),
            chroma: [[0, 1].map(|c| fixed((blue[c] - y[c]) / 1.772)), [0, 1].map(|c| fixed((red[c] - y[c]) / 1.402))],
        }
    }

    /// One row: `luma_row` at full width, one chroma pair for each two pixels.
    fn convert<'a>(
        &self,
        luma_row: &[u8],
        chroma: impl Iterator<Item = (&'a u8, &'a u8)>,
        (luma, blue, red): (&mut Vec<u8>, &mut Vec<u8>, &mut Vec<u8>),
    ) {
        let byte = |value: i32| value.clamp(0, 255) as u8;
        for (pixels, (cb, cr)) in luma_row.chunks(2).zip(chroma) {
            let (cb, cr) = (i32::from(*cb) - 128, i32::from(*cr) - 128);
            let shift = (self.luma_from_cb * cb + self.luma_from_cr * cr + 512) >> 10;
            let cb_out = byte(((self.chroma[0][0] * cb + self.chroma[0][1] * cr + 512) >> 10) + 128);
            let cr_out = byte(((self.chroma[1][0] * cb + self.chroma[1][1] * cr + 512) >> 10) + 128);
            for pixel in pixels {
                luma.push(byte(i32::from(self.luma[usize::from(*pixel)]) + shift));
                blue.push(cb_out);
                red.push(cr_out);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::handover::PictureSize;
    use crate::stamp::Stamp;

    /// The mean colour of what a viewer sees.
    fn shown(format: PixelFormat, colour: Colour, bytes: &[u8]) -> [u8; 3] {
        let size = PictureSize { width: 18, height: 10 };
        let frame = Frame::unpooled(format, size, colour, Stamp::default(), bytes).expect("a frame");
        let mut jpeg = Vec::new();
        assert!(encode(&frame, &mut jpeg));
        let options = zune_jpeg::zune_core::options::DecoderOptions::default()
            .jpeg_set_out_colorspace(zune_jpeg::zune_core::colorspace::ColorSpace::RGB);
        let cursor = zune_jpeg::zune_core::bytestream::ZCursor::new(&jpeg);
        let pixels = zune_jpeg::JpegDecoder::new_with_options(cursor, options).decode().expect("decodes");
        assert_eq!(pixels.len(), 18 * 10 * 3);
        std::array::from_fn(|c| {
            let sum: usize = pixels.iter().skip(c).step_by(3).map(|value| usize::from(*value)).sum();
            u8::try_from(sum / 180).expect("a mean")
        })
    }

    fn near(got: [u8; 3], want: [u8; 3]) {
        assert!(got.iter().zip(want).all(|(a, b)| a.abs_diff(b) <= 4), "{got:?} is not {want:?}");
    }

    fn planar(y: u8, cb: u8, cr: u8) -> Vec<u8> {
        [vec![y; 180], vec![cb; 45], vec![cr; 45]].concat()
    }

    #[test]
    fn red_stays_red_whatever_the_camera_calls_it() {
        let red = [255, 0, 0];
        let full = Colour { matrix: Matrix::Bt601, full_range: true };
        near(shown(PixelFormat::I420, full, &planar(76, 85, 255)), [254, 0, 0]);
        near(shown(PixelFormat::I420, Colour::default(), &planar(81, 90, 240)), red);
        let hd = Colour { matrix: Matrix::Bt709, full_range: false };
        near(shown(PixelFormat::I420, hd, &planar(63, 102, 240)), red);
        let interleaved = [vec![81; 180], [90, 240].repeat(45)].concat();
        near(shown(PixelFormat::Nv12, Colour::default(), &interleaved), red);
        near(shown(PixelFormat::Rgb, Colour::default(), &red.repeat(180)), red);
        near(shown(PixelFormat::Grey, Colour::default(), &[90; 180]), [90; 3]);
    }
}
