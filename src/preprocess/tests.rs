//! Promise: the model's input shows the frame's pixels, in every format, letterboxed or through a window.

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
                    assert!((got - expected).abs() <= 1.0, "{format:?} {colour:?} {y},{u},{v}: {got} for {expected}");
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
    let frame = Frame::unpooled(PixelFormat::Grey, size, Colour::default(), Stamp::default(), &grey).expect("a frame");
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
