//! `arenad rehearse`: a rendered arena with ground truth, as a film or as labelled stills.

use super::progress::Progress;
use super::{Failure, configuration, fatal};
use arenad::handover::PictureSize;
use arenad::rehearsal::encode::{EncodeSettings, Encoder, FrameRate, Rate};
use arenad::rehearsal::labels::TruthCsv;
use arenad::rehearsal::video::Mp4Writer;
use arenad::rehearsal::{Arena, HEIGHT, Look, Tracks, WIDTH, i420_from_rgb, write_stills};
use std::path::PathBuf;

/// Writes OUT/video.mp4 and OUT/truth.csv (DeepLabCut's multi-animal layout: likelihood 1 where a keypoint is in view, 0 where it is
/// covered, empty where its animal is hidden). The same seed gives the same bytes.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Folder to write; made if it is not there.
    #[arg(short = 'o', long = "out", value_name = "DIR")]
    out: PathBuf,
    /// What everything random is drawn from.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Length of the film.
    #[arg(long, default_value_t = 1.0, value_parser = minutes)]
    minutes: f64,
    /// Frames a second.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(5..=60))]
    fps: u32,
    /// Bit rate of the film, kbit/s; without it, constant quality (about 900 kbit/s).
    #[arg(long, value_parser = clap::value_parser!(u32).range(100..=20_000))]
    kbps: Option<u32>,
    /// Lets the mice follow recorded trajectories (columns frame, R_x, R_y, R_zone, R_hidden, …) at their own rate.
    #[arg(long, value_name = "CSV")]
    tracks: Option<PathBuf>,
    /// Writes this many labelled stills of many arenas, cameras and bit rates instead, as a DeepLabCut folder for training:
    /// the painted mice R, G, B, Y and mice without paint, unmarked1 to unmarked4.
    #[arg(long, value_name = "N", conflicts_with_all = ["minutes", "tracks", "fps", "kbps"])]
    stills: Option<usize>,
}

/// The recorded trajectories' own rate.
const TRACKS_RATE: FrameRate = FrameRate { frames: 2999, seconds: 100 };

fn minutes(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(minutes) if (0.001..=1440.0).contains(&minutes) => Ok(minutes),
        _ => Err("allowed: 0.001 to 1440".to_owned()),
    }
}

pub(super) fn run(args: Args) -> Result<(), Failure> {
    std::fs::create_dir_all(&args.out).map_err(|error| {
        configuration(format!("{}: {error}; give -o a folder that can be written", args.out.display()))
    })?;
    match args.stills {
        Some(count) => {
            let mut progress = Progress::new("stills", "stills", Some(count as u64));
            write_stills(&args.out, args.seed, count, &mut |done| progress.at(done as u64)).map_err(fatal)?;
            progress.done();
            println!("{count} stills in {}", args.out.display());
            Ok(())
        }
        None => film(&args),
    }
}

fn film(args: &Args) -> Result<(), Failure> {
    let fps = f64::from(args.fps);
    let mut frames = (args.minutes * 60.0 * fps).round().max(1.0) as u64;
    let mut arena = match &args.tracks {
        Some(path) => {
            let tracks = Tracks::read(path).map_err(configuration)?;
            frames = frames.min(tracks.frames() as u64);
            Arena::follow(args.seed, Look::typical(), &tracks)
        }
        None => Arena::new(args.seed, Look::typical(), fps),
    };
    let rate = if args.tracks.is_some() { TRACKS_RATE } else { FrameRate { frames: args.fps, seconds: 1 } };
    let size = PictureSize { width: WIDTH as u32, height: HEIGHT as u32 };
    let bits = args.kbps.map_or(EncodeSettings::default().rate, |kbps| Rate::BitsPerSecond(kbps * 1000));
    let settings = EncodeSettings { rate: bits, key_every: args.fps };
    let mut encoder = Encoder::new(size, rate, settings).map_err(fatal)?;
    let mut video = Mp4Writer::create(&args.out.join("video.mp4"), size, rate).map_err(fatal)?;
    let mut truth = TruthCsv::create(&args.out.join("truth.csv")).map_err(fatal)?;
    let mut rgb = vec![0; WIDTH * HEIGHT * 3];
    let mut i420 = vec![0; WIDTH * HEIGHT * 3 / 2];
    let mut progress = Progress::new("rehearse", "frames", Some(frames));
    for frame in 0..frames {
        arena.render(&mut rgb);
        i420_from_rgb(&rgb, WIDTH, HEIGHT, &mut i420);
        let coded = encoder.encode(&i420, false).map_err(fatal)?;
        video.write(&coded.annexb, coded.key, rate.ticks_90k(frame)).map_err(fatal)?;
        truth.write(frame, &arena.truth()).map_err(fatal)?;
        arena.step();
        progress.at(frame + 1);
    }
    video.finish().map_err(fatal)?;
    truth.finish().map_err(fatal)?;
    progress.done();
    println!("{frames} frames in {}", args.out.display());
    Ok(())
}
