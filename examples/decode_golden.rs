//! Decodes the test clips by an engine and says how many pictures are libavcodec's, bit for bit; on a board:
//! `cargo run --release --features nvdec --example decode_golden -- nvdec [DEVICE]`, anywhere: `… -- built-in`.

#[path = "../tests/clips/mod.rs"]
mod clips;

use arenad::config::{DecodeEngine, Decoding};
use arenad::decode::{Decode, DecodeError};
use arenad::handover::{Frame, PixelFormat};
use arenad::ledger::Ledger;
use arenad::stamp::Clock;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

fn main() -> ExitCode {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let wanted = match args.as_slice() {
        ["built-in"] => Decoding::default(),
        ["nvdec"] => Decoding { engine: DecodeEngine::Nvdec, device: None },
        ["nvdec", device] => Decoding { engine: DecodeEngine::Nvdec, device: Some(device.into()) },
        _ => {
            eprintln!("give an engine: built-in, or nvdec and its device where it is not a Jetson's");
            return 2.into();
        }
    };
    println!("clip                     pictures  equal  held  median ms   p99 ms");
    let compared = clips::H264.iter().chain(&clips::H265).map(|name| compare(name, &wanted));
    match compared.collect::<Result<Vec<bool>, _>>() {
        Ok(equal) if equal.iter().all(|equal| *equal) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            2.into()
        }
    }
}

/// One clip's row; whether every picture is there, in order and equal.
fn compare(name: &str, wanted: &Decoding) -> Result<bool, DecodeError> {
    let golden = clips::golden(name);
    let mut front = Decode::new(2, Arc::new(Ledger::default()), Clock::new()).by(wanted)?;
    let (mut digests, mut held, mut times) = (Vec::new(), 0, Vec::new());
    for (number, unit) in clips::units(name).iter().enumerate() {
        let start = Instant::now();
        let mut hashing = Duration::ZERO;
        let result = front.decode(unit, &mut |frame| {
            let start = Instant::now();
            digests.push(digest(&frame));
            hashing += start.elapsed();
        });
        times.push(start.elapsed() - hashing);
        held = held.max(number + 1 - digests.len().min(number + 1));
        if let Err(error) = result {
            eprintln!("{name}: access unit {number}: {error}");
        }
    }
    front.flush(&mut |frame| digests.push(digest(&frame)));
    let equal = digests.iter().zip(&golden).filter(|(digest, (golden, _))| *digest == golden).count();
    times.sort();
    let at = |share: usize| times[(times.len() - 1) * share / 100].as_secs_f64() * 1e3;
    println!("{name:<24} {:>8} {equal:>6} {held:>5} {:>10.2} {:>8.2}", golden.len(), at(50), at(99));
    Ok(equal == golden.len() && digests.len() == golden.len())
}

/// The digest of a frame's pixels as three planes, whatever their format.
fn digest(frame: &Frame) -> String {
    if frame.format() != PixelFormat::Nv12 {
        return clips::md5(frame);
    }
    let mut md5 = rusty_h265::md5::Md5::new();
    md5.update(frame.plane(0).0);
    for part in 0..2 {
        let chroma: Vec<u8> = frame.plane(1).0.iter().skip(part).step_by(2).copied().collect();
        md5.update(&chroma);
    }
    md5.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}
