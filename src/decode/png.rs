//! PNG by `image`: folders of stills.

use super::{DecodeError, Decoder, Outcome, Picture, Planes, check_size};
use crate::handover::{AccessUnit, Colour, PixelFormat};
use image::{DynamicImage, ImageDecoder};
use std::io::Cursor;

const NAME: &str = "png";

/// The PNG decoder.
pub(super) struct Png;

impl Png {
    pub(super) fn new() -> Self {
        Self
    }
}

impl Decoder for Png {
    fn name(&self) -> &'static str {
        "image"
    }

    fn decode(&mut self, unit: &AccessUnit, _lost: u32, out: &mut dyn FnMut(Outcome<'_>)) -> Result<(), DecodeError> {
        let damaged = |error: image::ImageError| DecodeError::corrupt(NAME, error.to_string());
        let decoder = image::codecs::png::PngDecoder::new(Cursor::new(&unit.data)).map_err(damaged)?;
        let (width, height) = decoder.dimensions();
        let size = check_size(NAME, width.into(), height.into())?;
        let grey = !decoder.color_type().has_color();
        let still = DynamicImage::from_decoder(decoder).map_err(damaged)?;
        let (format, bytes, channels) = if grey {
            (PixelFormat::Grey, still.into_luma8().into_raw(), 1)
        } else {
            (PixelFormat::Rgb, still.into_rgb8().into_raw(), 3)
        };
        let planes = Planes::Bytes([(&bytes, width as usize * channels), (&[], 0), (&[], 0)]);
        out(Outcome::Shown(&Picture { unit: unit.stamp.frame, format, size, colour: Colour::default(), planes }));
        Ok(())
    }

    fn flush(&mut self, _out: &mut dyn FnMut(Outcome<'_>)) {}
}
