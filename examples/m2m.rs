//! Decodes FWHT by the kernel's test decoder (vicodec) through the line's own hardware decoder; a tool for `.ci/interop/nvdec.sh`.
//!
//! `m2m pattern OUT WIDTH HEIGHT FRAMES` writes a moving pattern as YU12 frames.
//! `m2m decode DEVICE FWHT OUT [lose=N] [break=N] [restart=N] [stand=N]` writes the decoded frames as they lie in the frame: at access unit N packets are
//! said to be lost, its content is broken, a new connection begins, or the program stands still until it is killed.
//! `m2m probe DEVICE` says whether H.264 or H.265 could be decoded there.

use arenad::config::{DecodeEngine, Decoding};
use arenad::decode::Decode;
use arenad::handover::{AccessUnit, Codec, Frame};
use arenad::ledger::Ledger;
use arenad::stamp::{Clock, Stamp, WallTime};
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
    let mut front = front(&ledger).try_coding(device, b"FWHT");
    let mut out = BufWriter::new(File::create(out)?);
    let mut told = Told::default();
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
    Ok(())
}

#[derive(Default)]
struct Told {
    frames: Vec<String>,
    gaps: Vec<String>,
    handed_over: u64,
    late: u32,
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
        for plane in 0..3 {
            let written = out.write_all(frame.plane(plane).0);
            if let Err(error) = written {
                println!("cannot write: {error}");
            }
        }
    }
}
