//! The rehearsal camera's H.264: constrained baseline, no B-frames, one access unit for each picture, no delay.

mod nal;

pub use nal::{PPS, SPS, kind, units};

use crate::handover::PictureSize;
use bytes::Bytes;
use rusty_h264_common::YuvPlanes;
use rusty_h264_encoder::EncoderConfig;

/// Frames in so many seconds: 30/1, 30000/1001, 25/1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameRate {
    /// How many frames, at least 1.
    pub frames: u32,
    /// In how many seconds, at least 1.
    pub seconds: u32,
}

impl FrameRate {
    /// 30 frames a second.
    pub const THIRTY: Self = Self { frames: 30, seconds: 1 };

    /// The rate nearest to `hz`: 29.97 and its kin as n·1000/1001, everything else to a thousandth of a frame a second.
    /// `None` below 1 and above 240.
    pub fn from_hz(hz: f64) -> Option<Self> {
        if !(1.0..=240.0).contains(&hz) {
            return None;
        }
        let film = (hz * 1.001).round();
        if (film * 1000.0 / 1001.0 - hz).abs() < 0.005 && (hz - hz.round()).abs() > 0.005 {
            return Some(Self { frames: film as u32 * 1000, seconds: 1001 });
        }
        let thousandths = (hz * 1000.0).round() as u32;
        let common = gcd(thousandths, 1000);
        Some(Self { frames: thousandths / common, seconds: 1000 / common })
    }

    /// Frames a second.
    pub fn hz(self) -> f64 {
        f64::from(self.frames) / f64::from(self.seconds)
    }

    /// When frame `index` is, units of 1/90000 s from frame 0, to the nearest unit.
    pub fn ticks_90k(self, index: u64) -> i64 {
        self.scaled(index, 90_000)
    }

    /// When frame `index` is, nanoseconds from frame 0, to the nearest.
    pub fn nanos(self, index: u64) -> i64 {
        self.scaled(index, 1_000_000_000)
    }

    fn scaled(self, index: u64, units: u128) -> i64 {
        let frames = u128::from(self.frames.max(1));
        let exact = u128::from(index) * units * u128::from(self.seconds) + frames / 2;
        i64::try_from(exact / frames).unwrap_or(i64::MAX)
    }
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// How many bits a picture may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rate {
    /// The same quality always: the quantiser, 10 (best) to 51. Costs least time.
    Quality(u8),
    /// So many bits a second on average, 50 000 to 50 000 000. Costs four times the time of `Quality`.
    BitsPerSecond(u32),
}

/// How the camera encodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EncodeSettings {
    /// Bits against quality.
    pub rate: Rate,
    /// A key picture at least every so many pictures, 1 to 1000.
    pub key_every: u32,
}

impl Default for EncodeSettings {
    /// What a network camera does in a dark arena: a key picture a second, about 0.8 Mbit/s at 640x480 and 30 frames a second.
    fn default() -> Self {
        Self { rate: Rate::Quality(22), key_every: 30 }
    }
}

/// Why there are no coded pictures.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// The picture size cannot be coded.
    #[error("encoder: picture size {width}x{height}; allowed is even, 16x16 to 4096x2304; choose another size")]
    Size {
        /// Columns asked for.
        width: u32,
        /// Rows asked for.
        height: u32,
    },
    /// A setting is out of range.
    #[error("encoder: {what} {got}; allowed is {allowed}; change it")]
    Setting {
        /// Which setting.
        what: &'static str,
        /// Its value.
        got: u64,
        /// Its range.
        allowed: &'static str,
    },
    /// A picture does not have the size that the encoder was made for.
    #[error("encoder: a picture of {got} bytes; {expected} bytes are I420 at {width}x{height}; give whole pictures")]
    Picture {
        /// Bytes given.
        got: usize,
        /// Bytes needed.
        expected: usize,
        /// Columns.
        width: u32,
        /// Rows.
        height: u32,
    },
    /// The library refused.
    #[error("encoder: {0}; nothing can be coded with these settings")]
    Library(String),
}

/// One coded picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Coded {
    /// Annex B; sequence and picture parameter set stand before the slice of each key picture.
    pub annexb: Bytes,
    /// Decoding can start here.
    pub key: bool,
}

/// Turns pictures into access units, one for one. The same pictures and settings give the same bytes.
#[derive(Debug)]
pub struct Encoder {
    inner: rusty_h264_encoder::Encoder,
    size: PictureSize,
    rate: FrameRate,
}

impl Encoder {
    /// An encoder for pictures of `size` at `rate`.
    pub fn new(size: PictureSize, rate: FrameRate, settings: EncodeSettings) -> Result<Self, EncodeError> {
        let PictureSize { width, height } = size;
        let even = width % 2 == 0 && height % 2 == 0;
        if !even || !(16..=4096).contains(&width) || !(16..=2304).contains(&height) {
            return Err(EncodeError::Size { width, height });
        }
        check("key picture interval", settings.key_every, 1..=1000, "1 to 1000 pictures")?;
        check("frame rate (frames)", rate.frames, 1..=1_000_000, "1 to 1000000")?;
        check("frame rate (seconds)", rate.seconds, 1..=1_000_000, "1 to 1000000")?;
        let mut config = EncoderConfig::baseline(width as usize, height as usize);
        match settings.rate {
            Rate::Quality(quantiser) => {
                check("quantiser", quantiser.into(), 10..=51, "10 to 51")?;
                config.qp = quantiser;
            }
            Rate::BitsPerSecond(bits) => {
                check("bit rate", bits, 50_000..=50_000_000, "50000 to 50000000 bit/s")?;
                config.bitrate = bits;
                config.qp = 28;
            }
        }
        config.gop_size = settings.key_every;
        config.min_keyint = 1;
        config.framerate = rate.hz() as f32;
        config.weightp = false;
        // One quantiser a picture: the adaptive one rests on logarithms, whose last bit differs from machine to machine.
        config.aq_strength = 0.0;
        let inner = rusty_h264_encoder::Encoder::new(config).map_err(|e| EncodeError::Library(e.to_string()))?;
        Ok(Self { inner, size, rate })
    }

    /// Codes one picture: I420, limited range, planes Y, U, V one after the other without padding.
    /// `force_key` makes it a key picture; the first one is always.
    pub fn encode(&mut self, i420: &[u8], force_key: bool) -> Result<Coded, EncodeError> {
        let PictureSize { width, height } = self.size;
        let (columns, rows) = (width as usize, height as usize);
        let (luma, chroma) = (columns * rows, columns * rows / 4);
        let expected = luma + 2 * chroma;
        let wrong = || EncodeError::Picture { got: i420.len(), expected, width, height };
        if i420.len() != expected {
            return Err(wrong());
        }
        let (y, uv) = i420.split_at(luma);
        let (u, v) = uv.split_at(chroma);
        let planes = YuvPlanes::tight(columns, rows, y, u, v).ok_or_else(wrong)?;
        if force_key {
            self.inner.request_keyframe();
        }
        let coded = self.inner.encode_planes(&planes).map_err(|e| EncodeError::Library(e.to_string()))?;
        Ok(self.described(&coded))
    }

    /// Adds to the sequence parameter set what the library does not write.
    fn described(&self, coded: &[u8]) -> Coded {
        let key = units(coded).any(|unit| kind(unit) == 5);
        if !key {
            return Coded { annexb: Bytes::copy_from_slice(coded), key };
        }
        let mut annexb = Vec::with_capacity(coded.len() + 64);
        for unit in units(coded) {
            annexb.extend_from_slice(&[0, 0, 0, 1]);
            if kind(unit) == SPS {
                annexb.extend_from_slice(&nal::with_usability(unit, self.rate));
            } else {
                annexb.extend_from_slice(unit);
            }
        }
        Coded { annexb: Bytes::from(annexb), key }
    }
}

fn check(
    what: &'static str,
    got: u32,
    range: std::ops::RangeInclusive<u32>,
    allowed: &'static str,
) -> Result<(), EncodeError> {
    if range.contains(&got) { Ok(()) } else { Err(EncodeError::Setting { what, got: got.into(), allowed }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: PictureSize = PictureSize { width: 64, height: 48 };

    /// A bright square that moves over a dark, noisy floor.
    fn picture(index: usize) -> Vec<u8> {
        let mut noise = 1u32 + index as u32;
        let mut out = vec![0; 64 * 48 * 3 / 2];
        for (at, pixel) in out.iter_mut().enumerate() {
            noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let (x, y) = (at % 64, at / 64);
            let inside = at < 64 * 48 && (index % 40..index % 40 + 12).contains(&x) && (10..22).contains(&y);
            let level = if inside {
                150
            } else if at < 64 * 48 {
                40
            } else {
                128
            };
            *pixel = level + (noise >> 29) as u8;
        }
        out
    }

    fn encoder(rate: Rate) -> Encoder {
        Encoder::new(SIZE, FrameRate::THIRTY, EncodeSettings { rate, key_every: 10 }).expect("settings in range")
    }

    fn coded(rate: Rate, count: usize) -> Vec<Coded> {
        let mut encoder = encoder(rate);
        (0..count).map(|i| encoder.encode(&picture(i), false).expect("a whole picture")).collect()
    }

    #[test]
    fn the_same_pictures_give_the_same_bytes() {
        for rate in [Rate::Quality(24), Rate::BitsPerSecond(200_000)] {
            assert_eq!(coded(rate, 25), coded(rate, 25));
        }
    }

    #[test]
    fn every_picture_decodes_and_looks_like_its_source() {
        let mut decoder = rusty_h264_decoder::Decoder::new();
        for (index, unit) in coded(Rate::Quality(24), 25).iter().enumerate() {
            let out = decoder.decode(&unit.annexb).expect("decodable").expect("no delay");
            let source = picture(index);
            let error: f64 = out.y.iter().zip(&source).map(|(a, b)| f64::from(a.abs_diff(*b)).powi(2)).sum();
            let psnr = 10.0 * (65025.0 / (error / out.y.len() as f64)).log10();
            assert!(psnr > 36.0, "picture {index}: {psnr:.1} dB");
        }
    }

    #[test]
    fn key_pictures_come_on_time_and_on_demand_and_carry_their_parameter_sets() {
        let mut encoder = encoder(Rate::Quality(30));
        let keys: Vec<usize> = (0..25)
            .filter(|i| {
                let coded = encoder.encode(&picture(*i), *i == 4).expect("a whole picture");
                let kinds: Vec<u8> = units(&coded.annexb).map(kind).collect();
                assert_eq!(kinds, if coded.key { vec![SPS, PPS, 5] } else { vec![1] });
                coded.key
            })
            .collect();
        assert_eq!(keys, [0, 4, 14, 24]);
    }

    #[test]
    fn what_cannot_be_coded_is_said() {
        let odd = Encoder::new(PictureSize { width: 641, height: 480 }, FrameRate::THIRTY, EncodeSettings::default());
        let says = |result: Result<Encoder, EncodeError>| result.err().map(|e| e.to_string()).unwrap_or_default();
        assert_eq!(
            says(odd),
            "encoder: picture size 641x480; allowed is even, 16x16 to 4096x2304; choose another size"
        );
        let poor = EncodeSettings { rate: Rate::Quality(60), key_every: 30 };
        assert_eq!(
            says(Encoder::new(SIZE, FrameRate::THIRTY, poor)),
            "encoder: quantiser 60; allowed is 10 to 51; change it"
        );
        let short = encoder(Rate::Quality(30)).encode(&[0; 9], false).err().map(|e| e.to_string());
        assert_eq!(
            short.as_deref(),
            Some("encoder: a picture of 9 bytes; 4608 bytes are I420 at 64x48; give whole pictures")
        );
    }

    #[test]
    fn frame_times_are_exact() {
        let ntsc = FrameRate::from_hz(29.97).expect("in range");
        assert_eq!(ntsc, FrameRate { frames: 30000, seconds: 1001 });
        assert_eq!((ntsc.ticks_90k(1), ntsc.ticks_90k(30_000)), (3003, 90_090_000));
        assert_eq!(FrameRate::from_hz(25.0), Some(FrameRate { frames: 25, seconds: 1 }));
        assert_eq!(FrameRate::from_hz(29.99), Some(FrameRate { frames: 2999, seconds: 100 }));
        assert_eq!(FrameRate::THIRTY.nanos(1), 33_333_333);
        assert_eq!(FrameRate::from_hz(f64::NAN), None);
    }
}
