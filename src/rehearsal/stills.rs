//! Writes labelled stills for training, as a DeepLabCut multi-animal labeled-data folder, biased to hard scenes.

use std::fmt::Write as _;
use std::path::Path;

use super::mice::free_place;
use super::mouse::{Den, Doing};
use super::{Arena, Dice, HEIGHT, IDENTITIES, KEYPOINTS, Look, RehearsalError, Truth, Visibility, WIDTH};

const GROUP: usize = 12;
const SCORER: &str = "arenad";

/// Writes `count` stills with truth under `dir/labeled-data/<group>/`: `img0000.jpg` and on, `CollectedData_arenad.csv` in
/// DeepLabCut's multi-animal layout (empty cells where an animal is hidden or absent), and `Visibility_arenad.csv` of the
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
    let mut present: Vec<usize> = (0..4).collect();
    let absent = dice.pick(&[0.72, 0.14, 0.08, 0.06]);
    for _ in 0..absent {
        let gone = dice.below(present.len());
        present.remove(gone);
    }
    let mut arena = Arena::with(seed ^ (group << 20), look, 30.0, &present);
    let mut rgb = vec![0u8; WIDTH * HEIGHT * 3];
    let (mut labels, mut seen) = (header(&["x", "y"]), header(&["v"]));
    for still in 0..size {
        if still % 2 == 0 {
            stage(&mut arena, &mut dice);
        }
        for _ in 0..4 + dice.below(20) {
            arena.step();
        }
        arena.render(&mut rgb);
        let file = folder.join(format!("img{still:04}.jpg"));
        let bytes = jpeg(&rgb, &mut dice).map_err(|reason| RehearsalError::Picture { path: file.clone(), reason })?;
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

fn jpeg(rgb: &[u8], dice: &mut Dice) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let mut encoder = jpeg_encoder::Encoder::new(&mut bytes, dice.between(55.0, 97.0) as u8);
    // Video carries half the chroma each way.
    encoder.set_sampling_factor(jpeg_encoder::SamplingFactor::F_2_2);
    encoder
        .encode(rgb, WIDTH as u16, HEIGHT as u16, jpeg_encoder::ColorType::Rgb)
        .map_err(|error| error.to_string())?;
    Ok(bytes)
}

fn header(coords: &[&str]) -> String {
    let mut rows = ["scorer", "individuals", "bodyparts", "coords"].map(String::from);
    for id in IDENTITIES {
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
    for identity in 0..4 {
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

/// Sets up a scene that is hard for a network or a tracker.
fn stage(arena: &mut Arena, dice: &mut Dice) {
    let n = arena.mice.all.len();
    let at = free_place(dice);
    let heading = dice.heading();
    for index in 0..n {
        let heading = dice.heading();
        let doing = [Doing::Walk, Doing::Rest, Doing::Rear, Doing::Groom, Doing::Run]
            [dice.pick(&[0.45, 0.15, 0.15, 0.12, 0.13])];
        let place = free_place(dice);
        arena.mice.put(index, place, heading, doing, 2.0);
    }
    arena.mice.shuffle_heights();
    let first = dice.below(n);
    let near = |dice: &mut Dice, reach: f32| {
        let (angle, far) = (dice.heading(), dice.between(0.35 * reach, reach));
        [at[0] + angle.cos() * far, at[1] + angle.sin() * far]
    };
    match dice.pick(&[0.18, 0.24, 0.14, 0.12, 0.1, 0.1, 0.12]) {
        0 => {} // apart
        1 => {
            // A pile of two to four.
            let many = (2 + dice.below(3)).min(n);
            for k in 0..many {
                let place = near(dice, 34.0);
                let turn = dice.heading();
                let doing = if dice.chance(0.6) { Doing::Huddle((first + k + 1) % n) } else { Doing::Rest };
                arena.mice.put((first + k) % n, place, turn, doing, 4.0);
            }
        }
        2 if n > 1 => {
            // One after the other, at speed.
            let behind = [at[0] - heading.cos() * 60.0, at[1] - heading.sin() * 60.0];
            arena.mice.put((first + 1) % n, at, heading, Doing::Run, 2.0);
            arena.mice.put(first, behind, heading, Doing::Chase((first + 1) % n), 2.0);
        }
        3 if n > 1 => {
            // Two that cross.
            for k in 0..2 {
                let place = near(dice, 50.0);
                let to = (at[1] - place[1]).atan2(at[0] - place[0]);
                arena.mice.put((first + k) % n, place, to, Doing::Huddle((first + 1 - k) % n), 1.0);
            }
        }
        4 => {
            let den = if dice.chance(0.5) { Den::Nest } else { Den::Shelter };
            for k in 0..(1 + dice.below(2)).min(n) {
                let jitter = [dice.between(-26.0, 26.0), dice.between(-26.0, 26.0)];
                let (place, doing) = match den {
                    Den::Nest => ([282.0 + jitter[0] * 0.7, 86.0 + jitter[1]], Doing::Enter(den, 0, true)),
                    Den::Shelter => ([448.0 + jitter[0], 392.0 + jitter[1] * 0.5], Doing::Enter(den, 0, true)),
                };
                let turn = dice.heading();
                arena.mice.put((first + k) % n, place, turn, doing, 1.5);
            }
        }
        5 => {
            // Along a border or on a ramp.
            for k in 0..(1 + dice.below(3)).min(n) {
                let along = dice.between(60.0, 420.0);
                let place = match dice.below(5) {
                    0 => [136.0, along],
                    1 => [504.0, along],
                    2 => [134.0 + along * 0.8, 420.0],
                    3 => [150.0 + dice.between(-14.0, 20.0), 334.0],
                    _ => [480.0 + dice.between(-20.0, 20.0), 192.0],
                };
                let turn = dice.heading();
                arena.mice.put((first + k) % n, place, turn, Doing::Walk, 2.0);
            }
        }
        _ => {
            for k in 0..(1 + dice.below(2)).min(n) {
                let place = near(dice, 40.0);
                let doing = if dice.chance(0.6) { Doing::Rear } else { Doing::Groom };
                arena.mice.put((first + k) % n, place, heading, doing, 2.0);
            }
        }
    }
}
