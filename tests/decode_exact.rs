//! Pictures are libavcodec's, bit for bit, in display order, numbered without gaps, and no later than the stream demands.

mod clips;

use arenad::decode::{Decode, DecodeError};
use arenad::handover::{Codec, Colour, Matrix, PictureSize, PixelFormat};
use arenad::ledger::Ledger;
use arenad::stamp::{Clock, WallTime};
use std::sync::Arc;

#[test]
fn every_clip_is_exact_and_in_display_order() {
    for name in clips::H264.into_iter().chain(clips::H265) {
        let units = clips::units(name);
        let outcome = clips::decode(&units);
        assert_eq!(outcome.errors, [], "{name}");
        let shown: Vec<_> = outcome.frames.iter().map(|(frame, _)| clips::md5(frame)).collect();
        let golden: Vec<_> = clips::golden(name).into_iter().map(|(md5, _)| md5).collect();
        assert_eq!(shown, golden, "{name}");
        outcome.assert_accounts_for(units.len() as u64 - 1, name);
    }
}

#[test]
fn capture_times_belong_to_the_pictures_shown() {
    for name in clips::H264.into_iter().chain(clips::H265) {
        let units = clips::units(name);
        let outcome = clips::decode(&units);
        for ((frame, _), (_, place)) in outcome.frames.iter().zip(clips::golden(name)) {
            assert_eq!(frame.stamp.captured, units[place].stamp.captured, "{name}: frame {}", frame.stamp.frame);
            assert_eq!(frame.stamp.arrived, units[place].stamp.arrived, "{name}: frame {}", frame.stamp.frame);
        }
    }
}

#[test]
fn capture_times_rise_even_when_the_source_gives_them_in_decoding_order() {
    for name in ["pyramid.h264", "open_gop.h265"] {
        let mut units = clips::units(name);
        for (place, unit) in units.iter_mut().enumerate() {
            unit.presentation = place as i64 * 3600;
            unit.stamp.captured = WallTime(place as i64 * 40_000_000);
        }
        let outcome = clips::decode(&units);
        for (place, (frame, _)) in outcome.frames.iter().enumerate() {
            assert_eq!(frame.stamp.captured, units[place].stamp.captured, "{name}");
        }
        outcome.assert_accounts_for(units.len() as u64 - 1, name);
    }
}

#[test]
fn streams_without_b_frames_have_no_delay() {
    for name in ["baseline.h264", "p_refs4.h264", "p_type0_unstated.h264", "slices.h264", "refresh.h264", "p.h265"] {
        let outcome = clips::decode(&clips::units(name));
        for (place, (_, after)) in outcome.frames.iter().enumerate() {
            assert_eq!(*after, place, "{name}");
        }
    }
}

#[test]
fn b_frames_delay_no_more_than_the_stream_demands() {
    for (name, most) in [("b.h264", 1), ("b_unstated.h264", 1), ("pyramid.h264", 2), ("pyramid_unstated.h264", 2)] {
        let outcome = clips::decode(&clips::units(name));
        let held = outcome.frames.iter().enumerate().map(|(place, (_, after))| after - place).max();
        assert_eq!(held, Some(most), "{name}");
    }
}

#[test]
fn rows_and_columns_outside_the_picture_are_cropped() {
    let size = |name| clips::decode(&clips::units(name)).frames[0].0.size();
    assert_eq!(size("slices.h264"), PictureSize { width: 176, height: 136 });
    assert_eq!(size("crop.h265"), PictureSize { width: 150, height: 118 });
}

#[test]
fn small_pictures_of_streams_that_say_nothing_are_bt601() {
    for name in ["baseline.h264", "p.h265"] {
        let outcome = clips::decode(&clips::units(name));
        let (frame, _) = &outcome.frames[0];
        assert_eq!(frame.colour(), Colour { matrix: Matrix::Bt601, full_range: false }, "{name}");
        assert_eq!(frame.format(), PixelFormat::I420, "{name}");
    }
}

/// Largest and mean difference of a JPEG's only frame from libavcodec's pixels.
fn jpeg_difference(name: &str, golden: &str, format: PixelFormat) -> (u8, f64) {
    let outcome = clips::decode(&[clips::unit(Codec::Jpeg, clips::read(name), 0, 0)]);
    assert_eq!(outcome.errors, [], "{name}");
    let (frame, _) = &outcome.frames[0];
    assert_eq!((frame.format(), frame.size()), (format, PictureSize { width: 64, height: 48 }), "{name}");
    let golden = clips::read(golden);
    assert_eq!(frame.plane(0).0.len(), golden.len(), "{name}");
    let differences = || frame.plane(0).0.iter().zip(&golden).map(|(a, b)| a.abs_diff(*b));
    let sum: u64 = differences().map(u64::from).sum();
    (differences().max().unwrap_or(0), sum as f64 / golden.len() as f64)
}

#[test]
fn jpeg_is_close_to_libavcodec_and_libjpeg() {
    // The inverse transforms round differently, and chroma is upsampled differently at sharp edges.
    let cases = [
        ("grey.jpg", "grey.raw", PixelFormat::Grey, 1, 0.1),
        ("colour444.jpg", "colour444.rgb", PixelFormat::Rgb, 4, 0.6),
        ("colour422.jpg", "colour422.rgb", PixelFormat::Rgb, 4, 0.6),
        ("colour420.jpg", "colour420.rgb", PixelFormat::Rgb, 4, 0.6),
    ];
    for (name, golden, format, most, mean) in cases {
        let (largest, average) = jpeg_difference(name, golden, format);
        eprintln!("{name}: largest {largest}, mean {average:.3}");
        assert!(largest <= most && average <= mean, "{name}: largest {largest}, mean {average:.3}");
    }
}

#[test]
fn png_is_exact() {
    let (width, height) = (33, 20);
    let pixels: Vec<u8> = (0..width * height * 3).map(|n| (n * 7 % 251) as u8).collect();
    let mut png = std::io::Cursor::new(Vec::new());
    let still = image::RgbImage::from_raw(width, height, pixels.clone()).expect("sized");
    still.write_to(&mut png, image::ImageFormat::Png).expect("written");
    let outcome = clips::decode(&[clips::unit(Codec::Png, png.into_inner(), 0, 0)]);
    let (frame, _) = &outcome.frames[0];
    assert_eq!((frame.format(), frame.size()), (PixelFormat::Rgb, PictureSize { width, height }));
    assert_eq!(frame.plane(0), (&pixels[..], 99));
}

#[test]
fn a_stream_may_change_its_codec_and_goes_on_counting() {
    let mut units = clips::units("b.h264");
    let first = units.len() as u64;
    for (place, mut unit) in clips::units("open_gop.h265").into_iter().enumerate() {
        unit.stamp.frame = first + place as u64;
        unit.restart = place == 0;
        units.push(unit);
    }
    let outcome = clips::decode(&units);
    assert_eq!(outcome.frames.len(), units.len());
    outcome.assert_accounts_for(units.len() as u64 - 1, "two codecs");
}

#[test]
fn streams_that_are_not_decoded_say_what_to_set() {
    let cases = [
        ("ten_bit.h264", "h264: got 10-bit video; 8-bit video is decoded; set the camera's profile to main (8 bits)"),
        ("ten_bit.h265", "h265: got 10-bit video; 8-bit video is decoded; set the camera's profile to main (8 bits)"),
        (
            "chroma422.h264",
            "h264: got 4:2:2 chroma sampling; 4:2:0 is decoded; set the camera's profile to main (4:2:0)",
        ),
        (
            "chroma422.h265",
            "h265: got 4:2:2 chroma sampling; 4:2:0 is decoded; set the camera's profile to main (4:2:0)",
        ),
        (
            "interlaced.h264",
            "h264: got interlaced video; progressive video is decoded; set the camera's scan mode to progressive",
        ),
        (
            "huge.h264",
            "h264: got 4128x16 pixels; sides of 16 to 4096 and at most 4096x2304 pixels in all are decoded; \
             set a resolution in that range in the camera",
        ),
        (
            "huge.jpg",
            "jpeg: got 4112x16 pixels; sides of 16 to 4096 and at most 4096x2304 pixels in all are decoded; \
             set a resolution in that range in the camera",
        ),
    ];
    for (name, words) in cases {
        let codec = match name.rsplit_once('.') {
            Some((_, "h264")) => Codec::H264,
            Some((_, "h265")) => Codec::H265,
            _ => Codec::Jpeg,
        };
        let mut front = Decode::new(1, Arc::new(Ledger::default()), Clock::new());
        let error = front.decode(&clips::unit(codec, clips::read(name), 0, 0), &mut |_| {}).expect_err(name);
        assert!(matches!(error, DecodeError::Unsupported { .. }), "{name}");
        assert_eq!(error.to_string(), words);
    }
}
