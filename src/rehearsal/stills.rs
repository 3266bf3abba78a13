//! Writes labelled stills for training, as a DeepLabCut multi-animal labeled-data folder, biased to hard scenes.

use std::fmt::Write as _;
use std::path::Path;

use super::encode::Rate;
use super::film::Film;
use super::layout::Piece;
use super::scenes::stage;
use super::{Arena, Dice, HEIGHT, IDENTITIES, INDIVIDUALS, KEYPOINTS, Look, RehearsalError, Truth, Visibility, WIDTH};

const GROUP: usize = 12;
const SCORER: &str = "arenad";

/// Writes `count` stills with truth under `dir/labeled-data/<group>/`: `img0000.jpg` and on, `CollectedData_arenad.csv` in
/// DeepLabCut's multi-animal layout (empty cells where an animal is hidden or absent; a column set for each of
/// [`INDIVIDUALS`]), and `Visibility_arenad.csv` of the
/// same rows and bodyparts with one coordinate `v`: 1 in view, 0 covered. `progress` is told how many are written.
pub fn write_stills(
    dir: &Path,
    seed: u64,
    count: usize,
    progress: &mut dyn FnMut(usize),
) -> Result<(), RehearsalError> {
    let mut done = 0;
    let mut group = 0;
    while done < count {
        let size = GROUP.min(count - done);
        write_group(dir, seed, group, size)?;
        done += size;
        group += 1;
        progress(done);
    }
    Ok(())
}

fn write_group(dir: &Path, seed: u64, group: u64, size: usize) -> Result<(), RehearsalError> {
    let name = format!("s{seed}_g{group:04}");
    let folder = dir.join("labeled-data").join(&name);
    let failed = |path: &Path| {
        let path = path.to_path_buf();
        move |source| RehearsalError::File { path, source }
    };
    std::fs::create_dir_all(&folder).map_err(failed(&folder))?;
    let mut dice = Dice::new(seed, 1000 + group);
    let look = if dice.chance(0.06) { Look::typical() } else { Look::random(&mut dice) };
    let present = residents(look.layout.nest == Piece::Missing, &mut dice);
    let mut arena = Arena::with(seed ^ (group << 20), look, 30.0, &present);
    let strewn = dice.chance(0.65);
    if strewn {
        arena.litter(&mut dice);
    }
    let mut shot = vec![0u8; WIDTH * HEIGHT * 3];
    let refused = |reason: String| RehearsalError::Picture { path: folder.clone(), reason };
    let mut recorder = Recorder::new(Dice::new(seed, 0x5EED_0000 + group)).map_err(refused)?;
    let (mut labels, mut seen) = (header(&["x", "y"]), header(&["v"]));
    for still in 0..size {
        if still % 2 == 0 {
            stage(&mut arena, &mut dice);
            let some = strewn && dice.chance(0.7);
            arena.strew(some, &mut dice);
        }
        let bytes = recorder.still(&mut arena, 4 + dice.below(20), &mut shot).map_err(refused)?;
        let file = folder.join(format!("img{still:04}.jpg"));
        std::fs::write(&file, bytes).map_err(failed(&file))?;
        let index = format!("labeled-data/{name}/img{still:04}.jpg");
        append(&index, &arena.truth(), &mut labels, &mut seen);
    }
    for (file, text) in [("CollectedData_arenad.csv", labels), ("Visibility_arenad.csv", seen)] {
        let path = folder.join(file);
        std::fs::write(&path, text).map_err(failed(&path))?;
    }
    Ok(())
}

/// Who lives in an arena: mostly the four painted ones, in some also animals without paint, in few only those.
fn residents(bare: bool, dice: &mut Dice) -> Vec<usize> {
    let painted = IDENTITIES.len();
    let plain: Vec<usize> = (painted..INDIVIDUALS.len()).take(1 + dice.below(INDIVIDUALS.len() - painted)).collect();
    if dice.chance(if bare { 0.16 } else { 0.02 }) {
        return plain;
    }
    let mut present: Vec<usize> = (0..painted).collect();
    let absent = dice.pick(&[0.72, 0.14, 0.08, 0.06]);
    for _ in 0..absent {
        let gone = dice.below(present.len());
        present.remove(gone);
    }
    if dice.chance(0.2) {
        present.extend(plain);
    }
    present
}

/// How one group of stills was recorded: as video at a camera's bit rates, or as single pictures.
struct Recorder {
    film: Option<Film>,
    dice: Dice,
}

impl Recorder {
    fn new(mut dice: Dice) -> Result<Self, String> {
        let film = if dice.chance(0.75) {
            // Even in the logarithm: half of the groups lie below 1.4 Mbit/s.
            let bits = 500_000.0 * 8f32.powf(dice.unit());
            let key_every = 15 + dice.below(100) as u32;
            Some(Film::new(Rate::BitsPerSecond(bits as u32), key_every).map_err(|error| error.to_string())?)
        } else {
            None
        };
        Ok(Self { film, dice })
    }

    /// Moves the arena on by `steps` frames and gives the last one as a JPEG file. `rgb` is room for a picture.
    fn still(&mut self, arena: &mut Arena, steps: usize, rgb: &mut [u8]) -> Result<Vec<u8>, String> {
        // A frame rests on those before it, so some of them go through the encoder too.
        let lead = if self.film.is_some() { (1 + self.dice.below(3)).min(steps) } else { 0 };
        for step in 0..steps {
            if step + lead >= steps {
                self.record(arena, rgb)?;
            }
            arena.step();
        }
        self.record(arena, rgb)?;
        let (quality, sampling) = match self.film {
            Some(_) => (95, jpeg_encoder::SamplingFactor::F_1_1),
            // Single pictures of cameras carry half the chroma each way.
            None => (self.dice.between(55.0, 97.0) as u8, jpeg_encoder::SamplingFactor::F_2_2),
        };
        let mut bytes = Vec::new();
        let mut encoder = jpeg_encoder::Encoder::new(&mut bytes, quality);
        encoder.set_sampling_factor(sampling);
        encoder
            .encode(rgb, WIDTH as u16, HEIGHT as u16, jpeg_encoder::ColorType::Rgb)
            .map_err(|error| error.to_string())?;
        Ok(bytes)
    }

    fn record(&mut self, arena: &mut Arena, rgb: &mut [u8]) -> Result<(), String> {
        arena.render(rgb);
        match &mut self.film {
            Some(film) => film.pass(rgb).map_err(|error| error.to_string()),
            None => Ok(()),
        }
    }
}

fn header(coords: &[&str]) -> String {
    let mut rows = ["scorer", "individuals", "bodyparts", "coords"].map(String::from);
    for id in INDIVIDUALS {
        for part in KEYPOINTS {
            for coord in coords {
                for (row, cell) in rows.iter_mut().zip([SCORER, id, part, coord]) {
                    row.push(',');
                    row.push_str(cell);
                }
            }
        }
    }
    let mut text = rows.join("\n");
    text.push('\n');
    text
}

fn append(index: &str, truth: &Truth, labels: &mut String, seen: &mut String) {
    labels.push_str(index);
    seen.push_str(index);
    for identity in 0..INDIVIDUALS.len() {
        let animal = truth.animals.iter().find(|a| a.identity == identity && !a.hidden);
        let Some(animal) = animal else {
            labels.push_str(&",".repeat(2 * KEYPOINTS.len()));
            seen.push_str(&",".repeat(KEYPOINTS.len()));
            continue;
        };
        for p in &animal.points {
            // Writing to a String cannot fail.
            let _ = write!(labels, ",{:.2},{:.2}", p.x, p.y);
            seen.push_str(if p.visibility == Visibility::Seen { ",1" } else { ",0" });
        }
    }
    labels.push('\n');
    seen.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The truth and the JPEG files of a few stills.
    fn recorded(mut recorder: Recorder) -> (Vec<Truth>, Vec<Vec<u8>>) {
        let mut arena = Arena::new(4, Look::typical(), 30.0);
        let mut rgb = vec![0; WIDTH * HEIGHT * 3];
        let mut files = Vec::new();
        let mut truths = Vec::new();
        for steps in [3, 1, 9] {
            files.push(recorder.still(&mut arena, steps, &mut rgb).expect("whole pictures"));
            truths.push(arena.truth());
        }
        (truths, files)
    }

    #[test]
    fn video_changes_the_pictures_but_not_the_labels() {
        let recorder = |film| Recorder { film, dice: Dice::new(1, 2) };
        let film = Film::new(Rate::BitsPerSecond(500_000), 30).expect("a rate in range");
        let (filmed, single) = (recorded(recorder(Some(film))), recorded(recorder(None)));
        assert_eq!(filmed.0, single.0);
        assert!(filmed.1.iter().zip(&single.1).all(|(a, b)| a != b));
    }

    #[test]
    fn every_kind_of_company_comes_up() {
        let mut dice = Dice::new(3, 3);
        let all: Vec<Vec<usize>> = (0..400).map(|_| residents(true, &mut dice)).collect();
        let painted = |one: &Vec<usize>| one.iter().filter(|i| **i < IDENTITIES.len()).count();
        assert!(all.iter().all(|one| !one.is_empty() && one.is_sorted()));
        assert!(all.iter().any(|one| painted(one) == 0) && all.iter().any(|one| one.len() == INDIVIDUALS.len()));
        let mixed = all.iter().filter(|one| (1..one.len()).contains(&painted(one))).count();
        assert!((40..130).contains(&mixed), "{mixed} of 400");
    }
}
