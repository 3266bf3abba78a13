//! truth.csv: where every keypoint truly is, in the layout of `poses.csv`.

use super::{IDENTITIES, KEYPOINTS, RehearsalError, Truth, Visibility};
use crate::export::{PosesCsv, SCORER};
use crate::handover::Keypoint;
use crate::space::InCamera;
use std::fs::File;
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};

/// Writes ground truth in DeepLabCut's multi-animal layout: likelihood 1 where the camera sees a keypoint, 0 where it is covered
/// (its place is still given), empty cells where the animal is hidden or not in the arena. Camera pixels.
pub struct TruthCsv {
    path: PathBuf,
    csv: PosesCsv<BufWriter<File>>,
}

impl TruthCsv {
    /// Makes the file, or empties it, and writes the header.
    ///
    /// # Errors
    /// [`RehearsalError::File`] when it cannot be written.
    pub fn create(path: &Path) -> Result<Self, RehearsalError> {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let csv = File::create(path)
            .and_then(|file| PosesCsv::new(BufWriter::new(file), SCORER, &names(&KEYPOINTS), &names(&IDENTITIES)))
            .map_err(|source| failed(path, source))?;
        Ok(Self { path: path.to_owned(), csv })
    }

    /// Writes one frame; frame numbers rise.
    ///
    /// # Errors
    /// [`RehearsalError::File`] when it cannot be written.
    pub fn write(&mut self, frame: u64, truth: &Truth) -> Result<(), RehearsalError> {
        let mut points = [None; KEYPOINTS.len() * IDENTITIES.len()];
        for animal in truth.animals.iter().filter(|animal| !animal.hidden) {
            for (cell, point) in points.iter_mut().skip(animal.identity * KEYPOINTS.len()).zip(&animal.points) {
                let score = match point.visibility {
                    Visibility::Seen => 1.0,
                    Visibility::Covered => 0.0,
                    Visibility::Hidden => continue,
                };
                *cell = Some(Keypoint { at: InCamera { x: point.x, y: point.y }, score });
            }
        }
        self.csv.write_points(frame, &points).map_err(|source| failed(&self.path, source))
    }

    /// Writes out what is buffered.
    ///
    /// # Errors
    /// [`RehearsalError::File`] when it cannot be written.
    pub fn finish(self) -> Result<(), RehearsalError> {
        let Self { path, csv } = self;
        csv.finish().map(drop).map_err(|source| failed(&path, source))
    }
}

fn failed(path: &Path, source: io::Error) -> RehearsalError {
    RehearsalError::File { path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::super::{TrueAnimal, TruePoint};
    use super::*;

    fn animal(identity: usize, hidden: bool, visibility: Visibility) -> TrueAnimal {
        TrueAnimal { identity, hidden, points: [TruePoint { x: 1.0, y: 2.5, visibility }; 9] }
    }

    #[test]
    fn likelihood_says_whether_a_keypoint_is_in_view() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("truth.csv");
        let mut csv = TruthCsv::create(&path).unwrap();
        let truth = Truth {
            animals: vec![
                animal(0, false, Visibility::Seen),
                animal(1, true, Visibility::Hidden),
                animal(3, false, Visibility::Covered),
            ],
        };
        csv.write(0, &truth).unwrap();
        csv.finish().unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let seen = ",1.00,2.50,1.000".repeat(9);
        let covered = ",1.00,2.50,0.000".repeat(9);
        let empty = ",".repeat(2 * 27);
        assert_eq!(text.lines().nth(4).unwrap(), format!("0{seen}{empty}{covered}"));
        assert_eq!(text.lines().map(|line| line.matches(',').count()).collect::<Vec<_>>(), [108; 5]);
    }

    #[test]
    fn a_path_that_cannot_be_written_is_named() {
        let error = TruthCsv::create(Path::new("nowhere/at/all/truth.csv")).err().unwrap().to_string();
        assert!(error.starts_with("nowhere/at/all/truth.csv: "), "{error}");
    }
}
