//! What a camera's H.264 does to a picture: frames go in as rendered and come out as a recorder would show them.

use super::encode::{EncodeError, EncodeSettings, Encoder, FrameRate, Rate};
use super::{HEIGHT, WIDTH, i420_from_rgb};
use crate::handover::PictureSize;
use yuv::{YuvPlanarImage, YuvRange, YuvStandardMatrix};

const SIZE: PictureSize = PictureSize { width: WIDTH as u32, height: HEIGHT as u32 };

/// Why a frame did not come out.
#[derive(Debug, thiserror::Error)]
pub enum FilmError {
    /// It could not be coded.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// It could not be decoded or converted again.
    #[error("decoder: {0}; a stream of the own encoder is always decodable, so report it")]
    Decode(String),
}

/// One H.264 stream, coded and decoded again. The same frames and bit rate give the same bytes.
pub struct Film {
    encoder: Encoder,
    decoder: rusty_h264_decoder::Decoder,
    i420: Vec<u8>,
}

impl Film {
    /// A stream of `WIDTH` by `HEIGHT` at 30 frames a second, a key picture every `key_every` frames.
    ///
    /// # Errors
    /// [`FilmError::Encode`] for a rate or an interval out of the encoder's range.
    pub fn new(rate: Rate, key_every: u32) -> Result<Self, FilmError> {
        let encoder = Encoder::new(SIZE, FrameRate::THIRTY, EncodeSettings { rate, key_every })?;
        Ok(Self { encoder, decoder: rusty_h264_decoder::Decoder::new(), i420: vec![0; WIDTH * HEIGHT * 3 / 2] })
    }

    /// Takes the next frame; `rgb` (rows of red, green, blue bytes) becomes what a viewer of the stream sees.
    ///
    /// # Errors
    /// [`FilmError`] when the frame is not a whole one, or one of the two libraries refuses.
    pub fn pass(&mut self, rgb: &mut [u8]) -> Result<(), FilmError> {
        i420_from_rgb(rgb, WIDTH, HEIGHT, &mut self.i420);
        let coded = self.encoder.encode(&self.i420, false)?;
        let decoded = self.decoder.decode(&coded.annexb).map_err(|error| FilmError::Decode(error.to_string()))?;
        let frame = decoded.ok_or_else(|| FilmError::Decode("no picture for an access unit".to_owned()))?;
        let planes = YuvPlanarImage {
            y_plane: &frame.y,
            y_stride: frame.width as u32,
            u_plane: &frame.u,
            u_stride: frame.width as u32 / 2,
            v_plane: &frame.v,
            v_stride: frame.width as u32 / 2,
            width: SIZE.width,
            height: SIZE.height,
        };
        yuv::yuv420_to_rgb(&planes, rgb, SIZE.width * 3, YuvRange::Limited, YuvStandardMatrix::Bt601)
            .map_err(|error| FilmError::Decode(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_comes_back_like_itself_and_a_poorer_rate_gives_a_poorer_one() {
        let source: Vec<u8> = (0..WIDTH * HEIGHT)
            .flat_map(|i| {
                let (x, y) = (i % WIDTH, i / WIDTH);
                let level = ((x / 9 + y / 7) % 5) as u8 * 30 + 40;
                [level, level / 2 + 20, 90]
            })
            .collect();
        let error = |rate| {
            let mut film = Film::new(rate, 30).expect("a rate in range");
            let mut rgb = source.clone();
            film.pass(&mut rgb).expect("a whole frame");
            let sum: u64 = rgb.iter().zip(&source).map(|(a, b)| u64::from(a.abs_diff(*b)).pow(2)).sum();
            (sum as f64 / rgb.len() as f64).sqrt()
        };
        let (good, poor) = (error(Rate::Quality(16)), error(Rate::Quality(44)));
        assert!(good < 14.0 && good < poor, "{good:.1} and {poor:.1} levels");
    }
}
