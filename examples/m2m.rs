//! Decodes FWHT by the kernel's test decoder (vicodec) through the line's own hardware decoder; a tool for `.ci/interop/nvdec.sh`.
//!
//! `m2m pattern OUT WIDTH HEIGHT FRAMES` writes a moving pattern as YU12 frames.
//! `m2m decode DEVICE FWHT OUT [lose=N] [break=N] [restart=N] [stand=N] [place] [hold=N]` writes the decoded frames without padding: at access unit
//! N packets are said to be lost, its content is broken, a new connection begins, or the program stands still until it is killed. `place`: frames stay
//! where the device put them where it can lend them, and the model's input is filled from there by the driver's GPU, and by the CPU to compare
//! (with the feature `tensorrt`). `hold`: the last N frames are held.
//! `m2m probe DEVICE` says whether H.264 or H.265 could be decoded there.

use arenad::config::{DecodeEngine, Decoding};
use arenad::decode::Decode;
use arenad::handover::{AccessUnit, Codec, Frame, PixelFormat};
use arenad::ledger::Ledger;
use arenad::stamp::{Clock, Stamp, WallTime};
use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Bytes of an FWHT frame's header, and where in it flags and the size of the rest stand.
const HEADER: usize = 44;
const FLAGS: usize = 20;
const SIZE: usize = 40;
const KEY: u32 = 1 << 10;
/// Of so many frames one is held against the CPU's answer, which takes long in a virtual machine.
#[cfg(feature = "tensorrt")]
const COMPARED: u64 = 4;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args.as_slice() {
        ["pattern", out, width, height, frames] => pattern(out, width.parse()?, height.parse()?, frames.parse()?),
        ["decode", device, film, out, faults @ ..] => decode(Path::new(device), film, out, faults),
        ["probe", device] => {
            let wanted = Decoding { engine: DecodeEngine::Nvdec, device: Some(device.into()) };
            match front(&Arc::default()).by(&wanted) {
                Ok(_) => println!("it decodes"),
                Err(error) => println!("{error}"),
            }
            Ok(())
        }
        _ => Err("usage: see the top of examples/m2m.rs".into()),
    }
}

fn front(ledger: &Arc<Ledger>) -> Decode {
    Decode::new(2, Arc::clone(ledger), Clock::new())
}

fn pattern(out: &str, width: usize, height: usize, frames: usize) -> Result<(), Box<dyn std::error::Error>> {
    let mut out = BufWriter::new(File::create(out)?);
    for frame in 0..frames {
        let planes = [(width, height, 1), (width / 2, height / 2, 2), (width / 2, height / 2, 3)];
        for (width, height, step) in planes {
            for row in 0..height {
                let line: Vec<u8> = (0..width).map(|column| (column * step + row + frame * 5) as u8).collect();
                out.write_all(&line)?;
            }
        }
    }
    Ok(out.flush()?)
}

/// The frames of an FWHT film, and whether each is a key picture.
fn units(film: &[u8]) -> Vec<(&[u8], bool)> {
    let word = |at: usize| film.get(at..at + 4).map(|word| u32::from_be_bytes([word[0], word[1], word[2], word[3]]));
    let mut units = Vec::new();
    let mut at = 0;
    while let (Some(flags), Some(size)) = (word(at + FLAGS), word(at + SIZE)) {
        let end = at + HEADER + size as usize;
        let Some(unit) = film.get(at..end) else { break };
        units.push((unit, flags & KEY != 0));
        at = end;
    }
    units
}

fn decode(device: &Path, film: &str, out: &str, faults: &[&str]) -> Result<(), Box<dyn std::error::Error>> {
    let fault = |name: &str, unit: usize| faults.contains(&format!("{name}={unit}").as_str());
    let film = std::fs::read(film)?;
    let ledger = Arc::new(Ledger::default());
    let mut front = front(&ledger).in_place(faults.contains(&"place")).try_coding(device, b"FWHT");
    let mut out = BufWriter::new(File::create(out)?);
    let hold = faults.iter().find_map(|fault| fault.strip_prefix("hold=")?.parse().ok()).unwrap_or(0);
    let mut told = Told { hold, ..Told::default() };
    let (began, mut longest) = (Instant::now(), Duration::ZERO);
    for (number, (unit, key)) in units(&film).into_iter().enumerate() {
        if fault("stand", number) {
            println!("standing");
            loop {
                std::thread::park();
            }
        }
        let mut data = unit.to_vec();
        if fault("break", number) {
            data[..8].fill(0);
        }
        let stamp = Stamp { frame: number as u64, captured: WallTime(number as i64), ..Stamp::default() };
        let unit = AccessUnit {
            data: data.into(),
            codec: Codec::H264,
            key,
            packets_lost: u32::from(fault("lose", number)),
            restart: fault("restart", number),
            presentation: number as i64,
            stamp,
        };
        told.handed_over = number as u64;
        let start = Instant::now();
        let result = front.decode(&unit, &mut |frame| told.take(&frame, &mut out));
        longest = longest.max(start.elapsed());
        if let Err(error) = result {
            println!("unit {number}: {error}");
        }
    }
    front.flush(&mut |frame| told.take(&frame, &mut out));
    out.flush()?;
    for gap in front.take_gaps().iter() {
        told.gaps.push(format!("{}-{} {:?}", gap.first, gap.last, gap.reason));
    }
    println!("frames {}", told.frames.join(" "));
    println!("gaps {}", told.gaps.join(", "));
    let (pictures, late) = (told.frames.len(), told.late);
    let (all, longest) = (began.elapsed().as_millis(), longest.as_millis());
    println!("{pictures} pictures in {all} ms, {longest} ms at most; {late} came after their own access unit's turn");
    let Told { lent, same, compared, .. } = told;
    println!("{lent} of them were lent; the GPU's input was the CPU's for {same} of {compared}");
    Ok(())
}

#[derive(Default)]
struct Told {
    frames: Vec<String>,
    gaps: Vec<String>,
    handed_over: u64,
    late: u32,
    lent: u32,
    /// Of these, those of which both made the model's input, and those of which both made the same.
    compared: u32,
    same: u32,
    hold: usize,
    held: VecDeque<Frame>,
    #[cfg(feature = "tensorrt")]
    gpu: Option<gpu::Gpu>,
}

impl Told {
    fn take(&mut self, frame: &Frame, out: &mut impl Write) {
        for gap in frame.gaps.iter() {
            self.gaps.push(format!("{}-{} {:?}", gap.first, gap.last, gap.reason));
        }
        self.late += u32::from(frame.stamp.frame < self.handed_over);
        // The capture time is that of its own access unit.
        let own = frame.stamp.captured == WallTime(frame.stamp.frame as i64);
        self.frames.push(format!("{}{}", frame.stamp.frame, if own { "" } else { "!" }));
        let (width, pairs) = (frame.size().width as usize, frame.size().width.div_ceil(2) as usize);
        let rows = if frame.format() == PixelFormat::Nv12 { [width, 2 * pairs, 0] } else { [width, pairs, pairs] };
        for (plane, row) in rows.into_iter().enumerate().filter(|(_, row)| *row > 0) {
            let (bytes, stride) = frame.plane(plane);
            for line in bytes.chunks(stride.max(1)) {
                if let Err(error) = out.write_all(&line[..row.min(line.len())]) {
                    println!("cannot write: {error}");
                }
            }
        }
        if frame.lent().is_some() {
            self.lent += 1;
            #[cfg(feature = "tensorrt")]
            if frame.stamp.frame.is_multiple_of(COMPARED) {
                self.compared += 1;
                match gpu::compare(&mut self.gpu, frame) {
                    Ok(same) => self.same += u32::from(same),
                    Err(error) => println!("on the GPU: {error}"),
                }
            }
        }
        self.held.push_back(frame.clone());
        while self.held.len() > self.hold {
            self.held.pop_front();
        }
    }
}

#[cfg(feature = "tensorrt")]
mod gpu {
    //! The model's input by the driver's GPU, held against the CPU's.

    use arenad::handover::Frame;
    use arenad::infer::tensorrt::GpuInput;
    use arenad::infer::tensorrt::picture::Pictures;
    use arenad::model::Contract;
    use arenad::preprocess::Preprocessor;
    use arenad::space::Window;

    pub struct Gpu {
        input: GpuInput,
        pictures: Pictures,
        preprocessor: Preprocessor,
        scale: [f32; 3],
        here: Vec<f32>,
        there: Vec<f32>,
    }

    impl Gpu {
        fn open() -> Result<Self, Box<dyn std::error::Error>> {
            let contract = Contract::bundled()?;
            let numbers = || vec![0.0; contract.input_len()];
            Ok(Self {
                input: GpuInput::open(contract.input_len())?,
                pictures: Pictures::new(&contract),
                preprocessor: Preprocessor::new(&contract),
                scale: contract.written.input.scale,
                here: numbers(),
                there: numbers(),
            })
        }
    }

    /// Whether both make the same of a frame that was lent, within 1/255.
    pub fn compare(gpu: &mut Option<Gpu>, frame: &Frame) -> Result<bool, Box<dyn std::error::Error>> {
        if gpu.is_none() {
            *gpu = Some(Gpu::open()?);
        }
        let (Some(gpu), Some(lent)) = (gpu, frame.lent()) else { return Ok(false) };
        let window = Window::whole((frame.size().width, frame.size().height));
        let (picture, _) = gpu.pictures.of(frame, window).ok_or("no picture")?;
        gpu.input.fill_in_place(&picture, lent)?;
        gpu.input.take(&mut gpu.there)?;
        gpu.preprocessor.fill_window(frame, window, &mut gpu.here);
        let plane = gpu.here.len() / 3;
        let numbers = gpu.here.iter().zip(&gpu.there).enumerate();
        Ok(numbers.into_iter().all(|(at, (here, there))| (here - there).abs() * gpu.scale[at / plane] <= 1.0))
    }
}
