//! Fills the model's input from pictures on GPU 0, without TensorRT, and holds it against the CPU's: difference and time of each size.
//!
//! `cargo run --release --features tensorrt --example picture [-- --runs N]`. It needs NVIDIA's driver alone. Exit code 1: no GPU, or an
//! element is more than 1/255 off.

use arenad::handover::{Colour, Frame, FramePool, Matrix, PictureSize, PixelFormat};
use arenad::infer::tensorrt::GpuInput;
use arenad::infer::tensorrt::picture::Pictures;
use arenad::model::Contract;
use arenad::preprocess::Preprocessor;
use arenad::space::Window;
use arenad::stamp::Stamp;
use std::error::Error;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Largest difference, in steps of 255; and what 640x480 may take, from the frame to the input, launch and wait included.
const STEPS_MAX: f32 = 1.0;
const BAR: &str = "0.1 ms at 640x480";

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let runs = runs(std::env::args().skip(1))?;
    let contract = Contract::bundled()?;
    let (pictures, mut preprocessor) = (Pictures::new(&contract), Preprocessor::new(&contract));
    let (mut here, mut there) = (vec![0.0; contract.input_len()], vec![0.0; contract.input_len()]);
    let began = Instant::now();
    let mut input = match GpuInput::open(contract.input_len()) {
        Ok(input) => input,
        Err(fault) => {
            eprintln!("no GPU to try: {fault}; it needs an NVIDIA GPU and its driver");
            return Ok(ExitCode::FAILURE);
        }
    };
    println!(
        "{}, open after {:.0} ms; {runs} runs each; bars: {STEPS_MAX}/255, {BAR}",
        input.gpu(),
        ms(began.elapsed())
    );
    println!(
        "{:<12}{:<7}{:<16}{:>10}{:>14}{:>12}{:>12}{:>12}",
        "size", "format", "colour", "most /255", "median ms", "p99 ms", "on GPU ms", "CPU ms"
    );
    let mut good = true;
    for (width, height) in [(640, 480), (1280, 720), (1920, 1080), (1921, 1079)] {
        for (format, colour) in KINDS {
            let frame = noise(format, (width, height), colour).ok_or("no frame")?;
            let window = Window::whole((width, height));
            let (picture, _) = pictures.of(&frame, window).ok_or("the frame is not YUV")?;
            let (mut times, mut on_gpu) = (Vec::new(), 0.0);
            for _ in 0..runs {
                let began = Instant::now();
                on_gpu = input.fill(&picture)?;
                times.push(began.elapsed());
            }
            times.sort_unstable();
            input.take(&mut there)?;
            let began = Instant::now();
            preprocessor.fill_window(&frame, window, &mut here);
            let on_cpu = began.elapsed();
            let most = apart(&contract, &here, &there);
            good &= most <= STEPS_MAX;
            println!(
                "{:<12}{:<7}{:<16}{most:>10.2}{:>14.3}{:>12.3}{on_gpu:>12.3}{:>12.3}",
                format!("{width}x{height}"),
                format!("{format:?}"),
                format!("{:?} {}", colour.matrix, if colour.full_range { "full" } else { "limited" }),
                ms(times[times.len() / 2]),
                ms(times[(times.len() * 99 / 100).min(times.len() - 1)]),
                ms(on_cpu),
            );
        }
    }
    println!("{}", if good { "ok" } else { "FAILED: more than 1/255 off" });
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

const KINDS: [(PixelFormat, Colour); 3] = [
    (PixelFormat::Nv12, Colour { matrix: Matrix::Bt601, full_range: false }),
    (PixelFormat::Nv12, Colour { matrix: Matrix::Bt709, full_range: true }),
    (PixelFormat::I420, Colour { matrix: Matrix::Bt709, full_range: false }),
];

fn runs(mut arguments: impl Iterator<Item = String>) -> Result<usize, String> {
    let wrong = |got: String| format!("{got}; allowed: --runs N, N from 1 to 100000");
    match (arguments.next().as_deref(), arguments.next()) {
        (None, _) => Ok(1000),
        (Some("--runs"), Some(count)) => {
            count.parse().ok().filter(|count| (1..=100_000).contains(count)).ok_or_else(|| wrong(count))
        }
        (Some(other), _) => Err(wrong(other.to_owned())),
    }
}

/// A frame whose samples take all values.
fn noise(format: PixelFormat, (width, height): (u32, u32), colour: Colour) -> Option<Frame> {
    let mut state = 1u32;
    let mut next = move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    let write = |_: usize, out: &mut [u8], _: usize| out.iter_mut().for_each(|byte| *byte = next());
    FramePool::new(1).fill(format, PictureSize { width, height }, colour, Stamp::default(), write)
}

/// The largest difference in steps of 255; NaN where one is none.
fn apart(contract: &Contract, here: &[f32], there: &[f32]) -> f32 {
    let plane = (here.len() / 3).max(1);
    let scales = contract.written.input.scale;
    let steps = here.iter().zip(there).enumerate().map(|(at, (here, there))| (here - there).abs() * scales[at / plane]);
    steps.max_by(f32::total_cmp).unwrap_or(f32::NAN)
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
