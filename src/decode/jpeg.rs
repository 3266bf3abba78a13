//! JPEG by `zune-jpeg`: MJPEG cameras and folders of stills. Colour comes out as RGB, because the library upsamples chroma itself.

mod tables;

use super::{DecodeError, Decoder, Outcome, Picture, Planes, check_size, guarded};
use crate::handover::{AccessUnit, Colour, Matrix, PictureSize, PixelFormat};
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

const NAME: &str = "jpeg";
/// JPEG's own colours (JFIF).
const COLOUR: Colour = Colour { matrix: Matrix::Bt601, full_range: true };

/// The JPEG decoder.
pub(super) struct Jpeg {
    /// The last picture, kept for its memory.
    pixels: Vec<u8>,
}

impl Jpeg {
    pub(super) fn new() -> Self {
        Self { pixels: Vec::new() }
    }

    /// Decodes into `pixels`.
    fn run(&mut self, data: &[u8]) -> Result<(PixelFormat, PictureSize), DecodeError> {
        let damaged = |error: zune_jpeg::errors::DecodeErrors| DecodeError::corrupt(NAME, error.to_string());
        // Strict: a truncated picture is an error, not a grey rest.
        let data = tables::with_tables(data);
        let options = DecoderOptions::default().set_strict_mode(true);
        let mut decoder = JpegDecoder::new_with_options(ZCursor::new(&data[..]), options);
        decoder.decode_headers().map_err(damaged)?;
        let (width, height) = decoder.dimensions().unwrap_or_default();
        let size = check_size(NAME, width as u64, height as u64)?;
        let grey = decoder.input_colorspace() == Some(ColorSpace::Luma);
        let (format, space) =
            if grey { (PixelFormat::Grey, ColorSpace::Luma) } else { (PixelFormat::Rgb, ColorSpace::RGB) };
        decoder.set_options(options.jpeg_set_out_colorspace(space));
        self.pixels.resize(width * height * space.num_components(), 0);
        decoder.decode_into(&mut self.pixels).map_err(damaged)?;
        Ok((format, size))
    }
}

impl Decoder for Jpeg {
    fn name(&self) -> &'static str {
        "zune-jpeg"
    }

    fn decode(&mut self, unit: &AccessUnit, _lost: u32, out: &mut dyn FnMut(Outcome<'_>)) -> Result<(), DecodeError> {
        let gave_up = || Err(DecodeError::corrupt(NAME, "the decoder gave up on it"));
        let (format, size) = guarded(|| self.run(&unit.data)).unwrap_or_else(gave_up)?;
        let stride = self.pixels.len() / size.height as usize;
        let planes = Planes::Bytes([(&self.pixels, stride), (&[], 0), (&[], 0)]);
        out(Outcome::Shown(&Picture { unit: unit.stamp.frame, format, size, colour: COLOUR, planes }));
        Ok(())
    }

    fn flush(&mut self, _out: &mut dyn FnMut(Outcome<'_>)) {}
}
