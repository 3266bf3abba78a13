//! Labelled crops: a folder for each animal, pictures whose middle is its painted back.

use super::super::model::open;
use super::Pictures;
use arenad::handover::{Frame, PixelFormat};
use arenad::paint::{Eye, PLACES, Tint, median};
use arenad::space::InCamera;
use std::path::{Path, PathBuf};

/// A crop narrower or lower than this has too few pixels.
const SIDE_LEAST: u32 = 24;
/// The part of a crop, of half its width and height, that is looked at.
const MIDDLE: f32 = 0.6;
/// Places along each side of a square that holds the ellipse: at most `PLACES` lie in it.
const GRID: usize = 10;
/// A pixel that differs from the crop's rim by less is floor: parts of the tint.
const LIKE_RIM: Tint = [0.06, 0.06, 0.35];
/// Where fewer pixels than this share differ, the animal fills the crop to its rim.
const FILLED: f32 = 0.3;
/// More pictures of one animal teach nothing new.
const PICTURES_MOST: usize = 2000;

pub(super) fn read(folder: &Path) -> Result<Pictures, String> {
    let mut pictures = Pictures { made_of: format!("crops in {}", folder.display()), ..Pictures::default() };
    let folders = inside(folder)?.into_iter().filter(|path| path.is_dir()).collect::<Vec<_>>();
    if folders.is_empty() {
        return Err(format!(
            "enrol: {} holds no folder; give one with a folder of pictures for each animal",
            folder.display()
        ));
    }
    for animal in folders {
        let name = animal.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if let Some(odd) = arenad::model::odd_name(&name) {
            return Err(format!("enrol: folder {}: {odd}; rename it", animal.display()));
        }
        let files =
            inside(&animal)?.into_iter().filter(|path| is_picture(path)).take(PICTURES_MOST).collect::<Vec<_>>();
        if files.is_empty() {
            return Err(format!("enrol: {} holds no picture; allowed: .png or .jpg files", animal.display()));
        }
        let before = pictures.measured.len();
        for file in files {
            match open(&file)
                .and_then(|frame| tint(&frame).map_err(|what| format!("picture {}: {what}", file.display())))
            {
                Ok(tint) => pictures.add(&name, tint),
                Err(what) => pictures.left_out.push(what),
            }
        }
        if pictures.measured.len() == before {
            let why = pictures.left_out.last().cloned().unwrap_or_default();
            return Err(format!("enrol: no picture of {name} could be measured: {why}"));
        }
    }
    Ok(pictures)
}

/// What a folder holds, in name order.
fn inside(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let failed =
        |error: std::io::Error| format!("enrol: {}: {error}; give a folder that can be read", folder.display());
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        paths.push(entry.map_err(failed)?.path());
    }
    paths.sort();
    Ok(paths)
}

fn is_picture(path: &Path) -> bool {
    let ending = path.extension().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    ["png", "jpg", "jpeg"].contains(&ending.as_str())
}

/// The tint of a crop's middle, without what looks like its rim.
fn tint(frame: &Frame) -> Result<Tint, String> {
    let (width, height) = (frame.size().width, frame.size().height);
    if width < SIDE_LEAST || height < SIDE_LEAST {
        return Err(format!("is {width}x{height} pixels; allowed: at least {SIDE_LEAST}x{SIDE_LEAST}"));
    }
    let eye = Eye::new(frame).filter(|_| frame.format() != PixelFormat::Grey).ok_or("is grey; allowed: colour")?;
    // From the middle out: -1 to 1 along each side.
    let at = |x: f32, y: f32| InCamera {
        x: (width as f32 - 1.0) / 2.0 * (1.0 + x),
        y: (height as f32 - 1.0) / 2.0 * (1.0 + y),
    };
    let step = |n: usize| ((n as f32 + 0.5) / GRID as f32) * 2.0 - 1.0;
    let grid = || (0..GRID * GRID).map(|n| (step(n % GRID), step(n / GRID)));
    let rim = (0..4 * GRID).map(|n| match (n / GRID, step(n % GRID)) {
        (0, t) => at(t, -1.0),
        (1, t) => at(t, 1.0),
        (2, t) => at(-1.0, t),
        (_, t) => at(1.0, t),
    });
    let rim: Vec<Tint> = rim.filter_map(|place| eye.tint(place)).collect();
    let rim = median(&rim);
    let middle: Vec<Tint> = grid()
        .filter(|(x, y)| x * x + y * y <= 1.0)
        .filter_map(|(x, y)| eye.tint(at(MIDDLE * x, MIDDLE * y)))
        .take(PLACES)
        .collect();
    let differs = |tint: &&Tint| (0..3).any(|i| (tint[i] - rim[i]).abs() > LIKE_RIM[i]);
    let animal: Vec<Tint> = middle.iter().filter(differs).copied().collect();
    let chosen = if (animal.len() as f32) < FILLED * middle.len() as f32 { middle } else { animal };
    if chosen.is_empty() { Err("is burnt out; give one with less light".to_owned()) } else { Ok(median(&chosen)) }
}
