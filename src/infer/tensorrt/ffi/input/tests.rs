//! Promise: the kernel's arithmetic gives what preprocess.rs gives, within one step of 255, for every picture, window and colour.

use super::*;
use crate::handover::{Colour, Frame, FramePool, Matrix, PictureSize, PixelFormat};
use crate::infer::tensorrt::picture::Pictures;
use crate::model::Contract;
use crate::preprocess::Preprocessor;
use crate::space::Window;
use crate::stamp::Stamp;
use proptest::prelude::*;

unsafe extern "C" {
    fn arenad_stand_in_lookup(name: *const c_char) -> *mut c_void;
    fn arenad_stand_in_driver(shares_memory: i32, refuses_kernels: i32) -> i32;
}

/// The stand-in driver of this thread; how often it was asked for memory so far.
pub(in super::super) fn driver(shares_memory: bool, refuses_kernels: bool) -> i32 {
    // SAFETY: it sets numbers of this thread.
    unsafe { arenad_stand_in_driver(shares_memory.into(), refuses_kernels.into()) }
}

fn stand_in(count: usize) -> Result<GpuInput, Fault> {
    GpuInput::through(Some(arenad_stand_in_lookup), count)
}

/// The bundled model's contract with another input.
fn contract(width: u32, height: u32) -> Contract {
    let mut contract = Contract::bundled().unwrap_or_else(|error| panic!("{error}"));
    let input = &mut contract.written.input;
    (input.width, input.height) = (width, height);
    (input.mean, input.scale, input.padding) = ([10.0, 20.0, 30.0], [255.0, 128.0, 64.0], 114);
    contract
}

/// A frame of noise.
fn frame(format: PixelFormat, (width, height): (u32, u32), colour: Colour, seed: u32) -> Frame {
    let mut state = seed | 1;
    let mut next = move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    let write = |_: usize, out: &mut [u8], _: usize| out.iter_mut().for_each(|byte| *byte = next());
    let size = PictureSize { width, height };
    FramePool::new(1).fill(format, size, colour, Stamp::default(), write).expect("a frame")
}

/// The largest difference between the GPU's input and the CPU's, in steps of 255, and whether both say the same letterbox.
fn apart(contract: &Contract, frame: &Frame, window: Window) -> (f32, bool) {
    let (mut ours, mut theirs) = (vec![-9.0; contract.input_len()], vec![9.0; contract.input_len()]);
    let reference = Preprocessor::new(contract).fill_window(frame, window, &mut theirs);
    let pictures = Pictures::new(contract);
    let (picture, letterbox) = pictures.of(frame, window).expect("a YUV frame");
    let mut input = stand_in(contract.input_len()).expect("a stand-in");
    input.fill(&picture).expect("filled");
    input.take(&mut ours).expect("taken");
    let plane = contract.input_len() / 3;
    let steps = |(index, (ours, theirs)): (usize, (&f32, &f32))| {
        (ours - theirs).abs() * contract.written.input.scale[index / plane]
    };
    (ours.iter().zip(&theirs).enumerate().map(steps).fold(0.0, f32::max), reference == letterbox)
}

const COLOURS: [Matrix; 3] = [Matrix::Bt601, Matrix::Bt709, Matrix::Bt2020];
const FORMATS: [PixelFormat; 2] = [PixelFormat::Nv12, PixelFormat::I420];

#[test]
fn every_colour_is_the_cpus() {
    let contract = contract(256, 64);
    for (matrix, full_range, format) in COLOURS
        .into_iter()
        .flat_map(|matrix| [true, false].map(|full| (matrix, full)))
        .flat_map(|(matrix, full)| FORMATS.map(|format| (matrix, full, format)))
    {
        for seed in 0..20 {
            let frame = frame(format, (256, 64), Colour { matrix, full_range }, seed * 7919);
            let found = apart(&contract, &frame, Window::whole((256, 64)));
            assert_eq!(found, (0.0, true), "{matrix:?} full range {full_range} {format:?}");
        }
    }
}

#[test]
fn cameras_sizes_are_within_one_step() {
    let contract = contract(640, 480);
    for (size, window) in [
        ((640, 480), Window::whole((640, 480))),
        ((1280, 720), Window::whole((1280, 720))),
        ((1920, 1080), Window { x: 601, y: 77, width: 640, height: 480 }),
        ((320, 240), Window::whole((320, 240))),
    ] {
        let (steps, same) = apart(&contract, &frame(PixelFormat::Nv12, size, Colour::default(), 3), window);
        assert!(steps <= 1.0 && same, "{size:?} {window:?}: {steps} steps");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn any_window_of_any_picture_is_within_one_step(
        (width, height, model) in (2u32..160, 2u32..120, (32u32..96, 32u32..96)),
        (left, right, top, bottom) in (0.0f64..1.0, 0.0f64..1.0, 0.0f64..1.0, 0.0f64..1.0),
        (matrix, full_range, format, seed) in (0usize..3, any::<bool>(), 0usize..2, any::<u32>()),
    ) {
        let part = |size: u32, one: f64, other: f64| {
            let start = ((f64::from(size) - 1.0) * one.min(other)) as u32;
            (start, ((f64::from(size) * one.max(other)) as u32).clamp(start + 1, size) - start)
        };
        let ((x, across), (y, down)) = (part(width, left, right), part(height, top, bottom));
        let colour = Colour { matrix: COLOURS[matrix], full_range };
        let frame = frame(FORMATS[format], (width, height), colour, seed);
        let window = Window { x, y, width: across, height: down };
        let (steps, same) = apart(&contract(model.0, model.1), &frame, window);
        prop_assert!(steps <= 1.0, "{steps} steps at {window:?}");
        prop_assert!(same);
    }
}

#[test]
fn a_gpu_with_the_cpus_memory_reads_the_picture_where_it_is() {
    let contract = contract(64, 48);
    driver(true, false);
    let frame = frame(PixelFormat::I420, (100, 75), Colour::default(), 5);
    let found = apart(&contract, &frame, Window { x: 11, y: 7, width: 60, height: 41 });
    driver(false, false);
    assert!(found.0 <= 1.0 && found.1, "{found:?}");
}

#[test]
fn memory_is_asked_for_when_a_picture_grows_and_never_else() {
    let contract = contract(64, 48);
    let (pictures, mut input) = (Pictures::new(&contract), stand_in(contract.input_len()).unwrap());
    let mut asked = Vec::new();
    for (width, height) in [(64, 48), (64, 48), (32, 20), (64, 48), (80, 60), (80, 60), (64, 48)] {
        let before = driver(false, false);
        let frame = frame(PixelFormat::Nv12, (width, height), Colour::default(), 1);
        let (picture, _) = pictures.of(&frame, Window::whole((width, height))).unwrap();
        input.fill(&picture).unwrap();
        asked.push(driver(false, false) - before);
    }
    assert_eq!(asked, [2, 0, 0, 0, 2, 0, 0]);
}

#[test]
fn frames_that_are_not_yuv_are_left_to_the_cpu() {
    let pictures = Pictures::new(&contract(64, 48));
    for format in [PixelFormat::Rgb, PixelFormat::Grey] {
        let frame = frame(format, (64, 48), Colour::default(), 1);
        assert!(pictures.of(&frame, Window::whole((64, 48))).is_none());
    }
}

#[test]
fn each_refusal_has_its_words() {
    driver(false, true);
    let refused = stand_in(12).err();
    driver(false, false);
    let words = "the kernel for pictures: CUDA error 218, a PTX JIT compilation failed";
    assert_eq!(refused, Some(Fault::Device(words.to_owned())));
    let mut input = stand_in(12).unwrap();
    assert_eq!(input.gpu(), "stand-in GPU");
    let frame = frame(PixelFormat::Nv12, (64, 48), Colour::default(), 1);
    let pictures = Pictures::new(&contract(64, 48));
    let (picture, _) = pictures.of(&frame, Window::whole((64, 48))).unwrap();
    assert_eq!(input.fill(&picture), Err(Fault::Run("the picture is for another input".to_owned())));
    assert_eq!(input.take(&mut [0.0; 11]), Err(Fault::Run("the input has another size".to_owned())));
}
