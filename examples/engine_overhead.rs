//! Times the TensorRT engine's run alone, with the bundled model, on libraries in FOLDER: `engine_overhead FOLDER CACHE FRAMES` prints the
//! median in microseconds. `.ci/interop/tensorrt.sh` sets it beside the bare loop of the same calls.

use arenad::infer::Engine;
use arenad::infer::tensorrt::{Pace, Settings, TensorRt};
use arenad::model::{Contract, Precision};
use std::error::Error;
use std::path::PathBuf;
use std::time::Instant;

fn main() -> Result<(), Box<dyn Error>> {
    let mut words = std::env::args().skip(1);
    let (Some(folder), Some(cache), Some(frames)) = (words.next(), words.next(), words.next()) else {
        return Err("usage: engine_overhead FOLDER CACHE FRAMES".into());
    };
    let (folder, cache, frames) = (PathBuf::from(folder), PathBuf::from(cache), frames.parse::<usize>()?);
    let contract = Contract::bundled()?;
    let weights = contract.weights(Precision::Int8).ok_or("the bundled model has no INT8 file")?;
    let settings = Settings { folder: Some(&folder), cache: &cache, fp16: true, dla: None, pace: Pace::default() };
    let mut engine = TensorRt::open(&contract, weights, settings, &|_| ())?;
    let input = vec![0.0; contract.input_len()];
    let mut times = Vec::with_capacity(frames);
    for _ in 0..frames {
        let began = Instant::now();
        engine.run(&input)?;
        times.push(began.elapsed());
    }
    times.sort_unstable();
    println!("{:.2}", times.get(frames / 2).map_or(0.0, |time| time.as_secs_f64() * 1e6));
    Ok(())
}
