//! Times the TensorRT engine's run alone, with the bundled model, on libraries in FOLDER: `engine_overhead FOLDER CACHE FRAMES [pictures]`
//! prints the median in microseconds; with `pictures` the engine takes NV12 frames instead of numbers. `.ci/interop/tensorrt_line.sh` sets
//! it beside the bare loop of the same calls.

use arenad::handover::{Colour, Frame, PictureSize, PixelFormat};
use arenad::infer::Engine;
use arenad::infer::tensorrt::{Pace, Settings, TensorRt};
use arenad::model::{Contract, Precision};
use arenad::space::Window;
use arenad::stamp::Stamp;
use std::error::Error;
use std::path::PathBuf;
use std::time::Instant;

fn main() -> Result<(), Box<dyn Error>> {
    let mut words = std::env::args().skip(1);
    let (Some(folder), Some(cache), Some(frames)) = (words.next(), words.next(), words.next()) else {
        return Err("usage: engine_overhead FOLDER CACHE FRAMES [pictures]".into());
    };
    let pictures = words.next().is_some_and(|word| word == "pictures");
    let (folder, cache, frames) = (PathBuf::from(folder), PathBuf::from(cache), frames.parse::<usize>()?);
    let contract = Contract::bundled()?;
    let weights = contract.weights(Precision::Int8).ok_or("the bundled model has no INT8 file")?;
    let settings =
        Settings { folder: Some(&folder), cache: &cache, fp16: true, pictures, dla: None, pace: Pace::default() };
    let mut engine = TensorRt::open(&contract, weights, settings, &|_| ())?;
    // No zeros: their pages would all be the kernel's one page of zeros.
    let input = vec![0.5; contract.input_len()];
    let size = PictureSize { width: 640, height: 480 };
    let bytes = vec![100; 640 * 480 * 3 / 2];
    let frame =
        Frame::unpooled(PixelFormat::Nv12, size, Colour::default(), Stamp::default(), &bytes).ok_or("no frame")?;
    let mut times = Vec::with_capacity(frames);
    for _ in 0..frames {
        let began = Instant::now();
        if pictures {
            engine.see(&frame, Window::whole((640, 480)))?.ok_or("the engine took no frame")?;
            engine.run_seen()?;
        } else {
            engine.run(&input)?;
        }
        times.push(began.elapsed());
    }
    times.sort_unstable();
    println!("{:.2}", times.get(frames / 2).map_or(0.0, |time| time.as_secs_f64() * 1e6));
    Ok(())
}
