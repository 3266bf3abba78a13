//! DeepLabCut's multi-animal CSV: four header rows, then one row a frame.

use crate::handover::{Animal, Keypoint, MAX_ANIMALS, Scene, State, TrackId};
use std::io::{self, Write};

/// The name in the `scorer` row of everything that arenad writes.
pub const SCORER: &str = "arenad";

/// Writes poses in DeepLabCut's multi-animal layout.
///
/// Header rows are `scorer`, `individuals`, `bodyparts` and `coords`; then comes one row a frame, its first cell the frame number, with
/// x and y in camera pixels (two decimals) and the likelihood 0 to 1 (three decimals) of each keypoint of each identity.
///
/// A cell is empty where nothing was seen: a keypoint that is missing, an animal that is hidden, unseen or only *predicted* (the
/// motion model's places are no observations), a frame that is missing. A missing keypoint that is predicted on a seen animal is
/// written with its likelihood, which is at most half of what it was when seen. Animals whose name is withheld have no column and are
/// left out. Where the model knows no identities at all, the individuals are `animal1` to `animal8`: a new track takes the first one
/// that no track has, and keeps it as long as it lasts. After the first row frame numbers have no hole: a missing frame is an empty row.
///
/// One cell is different: where the first row is wholly empty, its first cell is `NaN`. Of several header rows pandas, and with it
/// DeepLabCut, takes a wholly empty row after them as the index's name, and the first frame would be lost.
pub struct PosesCsv<W: Write> {
    out: W,
    keypoints: usize,
    /// Keypoints of all individuals.
    columns: usize,
    /// Which track has which individual, where the model knows no identities.
    nameless: Option<[Option<TrackId>; MAX_ANIMALS]>,
    /// The frame number that the next row should have; `None` before the first row.
    next: Option<u64>,
    /// Individual by individual; kept so that no row allocates.
    points: Vec<Option<Keypoint>>,
    line: Vec<u8>,
}

impl<W: Write> PosesCsv<W> {
    /// Writes the header. `keypoints` and `identities` are named in the model's order. Give a buffered `out`.
    ///
    /// # Errors
    /// What `out` says.
    pub fn new(mut out: W, scorer: &str, keypoints: &[String], identities: &[String]) -> io::Result<Self> {
        let nameless: Vec<String> = (1..=MAX_ANIMALS).map(|number| format!("animal{number}")).collect();
        let individuals = if identities.is_empty() { &nameless } else { identities };
        let mut rows = ["scorer", "individuals", "bodyparts", "coords"].map(|name| name.as_bytes().to_vec());
        for individual in individuals {
            for keypoint in keypoints {
                for coord in ["x", "y", "likelihood"] {
                    for (row, name) in rows.iter_mut().zip([scorer, individual, keypoint, coord]) {
                        row.push(b',');
                        push_name(row, name);
                    }
                }
            }
        }
        for row in &mut rows {
            row.push(b'\n');
            out.write_all(row)?;
        }
        let columns = keypoints.len() * individuals.len();
        let nameless = identities.is_empty().then_some([None; MAX_ANIMALS]);
        let (points, line) = (vec![None; columns], Vec::with_capacity(4096));
        Ok(Self { out, keypoints: keypoints.len(), columns, nameless, next: None, points, line })
    }

    /// Which individual's columns an animal's keypoints go to.
    fn individual(&mut self, animal: &Animal) -> Option<usize> {
        match &mut self.nameless {
            None => animal.identity.map(|identity| usize::from(identity.0)),
            Some(holders) => {
                let track = animal.track?;
                let place = holders
                    .iter()
                    .position(|holder| *holder == Some(track))
                    .or_else(|| holders.iter().position(Option::is_none))?;
                holders[place] = Some(track);
                Some(place)
            }
        }
    }

    /// Writes one scene, and before it an empty row for each frame that its gaps name or that its number skips.
    ///
    /// # Errors
    /// What `out` says; [`io::ErrorKind::InvalidInput`] when the frame number does not rise.
    pub fn write_scene(&mut self, scene: &Scene) -> io::Result<()> {
        let frame = scene.stamp.frame;
        for gap in scene.gaps.iter() {
            for missing in gap.first.max(self.next.unwrap_or(0))..gap.last.saturating_add(1).min(frame) {
                self.write_missing(missing)?;
            }
        }
        let mut points = std::mem::take(&mut self.points);
        points.fill(None);
        if let Some(holders) = &mut self.nameless {
            let lasts = |track: TrackId| scene.animals.iter().any(|animal| animal.track == Some(track));
            holders.iter_mut().for_each(|holder| *holder = holder.filter(|track| lasts(*track)));
        }
        for animal in scene.animals.iter().filter(|animal| animal.state == State::Seen) {
            let Some(individual) = self.individual(animal) else { continue };
            let own = points.chunks_exact_mut(self.keypoints.max(1)).nth(individual);
            for (cell, keypoint) in own.into_iter().flatten().zip(&animal.keypoints) {
                *cell = *keypoint;
            }
        }
        let written = self.write_points(frame, &points);
        self.points = points;
        written
    }

    /// Writes an empty row for a frame that never became a scene.
    ///
    /// # Errors
    /// As [`Self::write_scene`].
    pub fn write_missing(&mut self, frame: u64) -> io::Result<()> {
        self.write_points(frame, &[])
    }

    /// Writes one row of points, all keypoints of the first identity, then all of the second, and so on; those beyond the end of
    /// `points` are missing. Frames that its number skips become empty rows before it.
    ///
    /// # Errors
    /// As [`Self::write_scene`].
    pub fn write_points(&mut self, frame: u64, points: &[Option<Keypoint>]) -> io::Result<()> {
        let next = self.next.unwrap_or(frame);
        if frame < next {
            let got = format!("poses: frame {frame} after frame {}; frame numbers must rise", next - 1);
            return Err(io::Error::new(io::ErrorKind::InvalidInput, got));
        }
        for missing in next..frame {
            self.row(missing, &[])?;
        }
        self.row(frame, points)?;
        self.next = Some(frame.saturating_add(1));
        Ok(())
    }

    /// Writes out what is buffered and gives the destination back.
    ///
    /// # Errors
    /// What `out` says.
    pub fn finish(mut self) -> io::Result<W> {
        self.out.flush()?;
        Ok(self.out)
    }

    fn row(&mut self, frame: u64, points: &[Option<Keypoint>]) -> io::Result<()> {
        let nothing = !points.iter().take(self.columns).flatten().any(is_finite);
        let eaten_by_pandas = nothing && self.next.is_none();
        let line = &mut self.line;
        line.clear();
        write!(line, "{frame}")?;
        for index in 0..self.columns {
            match points.get(index).copied().flatten().filter(is_finite) {
                None if index == 0 && eaten_by_pandas => line.extend_from_slice(b",NaN,,"),
                None => line.extend_from_slice(b",,,"),
                Some(Keypoint { at, score }) => {
                    for (value, scale) in [(at.x, 100), (at.y, 100), (score, 1000)] {
                        line.push(b',');
                        push_fixed(line, value, scale)?;
                    }
                }
            }
        }
        line.push(b'\n');
        self.out.write_all(line)
    }
}

fn is_finite(keypoint: &Keypoint) -> bool {
    keypoint.at.x.is_finite() && keypoint.at.y.is_finite() && keypoint.score.is_finite()
}

/// Appends `value` with as many decimals as `scale`, 100 or 1000, has zeros. Never "-0.00".
fn push_fixed(line: &mut Vec<u8>, value: f32, scale: u64) -> io::Result<()> {
    let scaled = (f64::from(value) * scale as f64).round();
    if scaled < 0.0 {
        line.push(b'-');
    }
    let scaled = scaled.abs() as u64;
    let (whole, part) = (scaled / scale, scaled % scale);
    if scale == 100 { write!(line, "{whole}.{part:02}") } else { write!(line, "{whole}.{part:03}") }
}

/// Appends a name, quoted where CSV asks for it.
fn push_name(row: &mut Vec<u8>, name: &str) {
    if name.contains([',', '"', '\n', '\r']) {
        row.push(b'"');
        row.extend_from_slice(name.replace('"', "\"\"").as_bytes());
        row.push(b'"');
    } else {
        row.extend_from_slice(name.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::handover::{Gap, GapReason, Identity, MAX_KEYPOINTS};
    use crate::space::InCamera;

    const HEADER: &str = "scorer,arenad,arenad,arenad,arenad,arenad,arenad\nindividuals,R,R,R,G,G,G\n\
                          bodyparts,nose,nose,nose,nose,nose,nose\ncoords,x,y,likelihood,x,y,likelihood\n";

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn writer() -> PosesCsv<Vec<u8>> {
        PosesCsv::new(Vec::new(), SCORER, &names(&["nose"]), &names(&["R", "G"])).unwrap()
    }

    fn body(csv: PosesCsv<Vec<u8>>) -> String {
        let text = String::from_utf8(csv.finish().unwrap()).unwrap();
        text.strip_prefix(HEADER).unwrap_or_else(|| panic!("{text}")).to_owned()
    }

    fn keypoint(x: f32, y: f32, score: f32) -> Option<Keypoint> {
        Some(Keypoint { at: InCamera { x, y }, score })
    }

    fn scene(frame: u64, animals: &[(Option<u8>, State)]) -> Scene {
        let mut scene = Scene::default();
        scene.stamp.frame = frame;
        for (identity, state) in animals {
            let mut keypoints = [None; MAX_KEYPOINTS];
            keypoints[0] = keypoint(12.345, 6.0, 0.97);
            let animal = Animal {
                identity: identity.map(Identity),
                p: 1.0,
                track: None,
                state: *state,
                centre: None,
                zone: None,
                keypoints,
                predicted: Default::default(),
                vanished: None,
            };
            scene.animals.push(animal).unwrap();
        }
        scene
    }

    #[test]
    fn only_seen_points_of_named_animals_are_written() {
        let mut csv = writer();
        csv.write_scene(&scene(7, &[(Some(0), State::Predicted), (Some(1), State::Seen), (None, State::Seen)]))
            .unwrap();
        assert_eq!(body(csv), "7,,,,12.35,6.00,0.970\n");
    }

    #[test]
    fn without_identities_a_track_keeps_its_columns_as_long_as_it_lasts() {
        let shown = |frame, tracks: &[u32]| {
            let mut scene = scene(frame, &vec![(None, State::Seen); tracks.len()]);
            scene.animals.iter_mut().zip(tracks).for_each(|(animal, track)| animal.track = Some(TrackId(*track)));
            scene
        };
        let mut csv = PosesCsv::new(Vec::new(), SCORER, &names(&["nose"]), &[]).unwrap();
        for (frame, tracks) in [(0, &[5, 9][..]), (1, &[9, 12][..]), (2, &[9][..])] {
            csv.write_scene(&shown(frame, tracks)).unwrap();
        }
        let text = String::from_utf8(csv.finish().unwrap()).unwrap();
        let rows: Vec<Vec<bool>> =
            text.lines().skip(4).map(|row| row.split(',').skip(1).map(|c| !c.is_empty()).collect()).collect();
        let filled = |row: &[bool]| row.chunks(3).map(|animal| animal[0]).take(3).collect::<Vec<_>>();
        let rows: Vec<_> = rows.iter().map(|row| filled(row)).collect();
        assert_eq!(rows, [[true, true, false], [true, true, false], [false, true, false]]);
        assert!(text.contains("individuals,animal1,animal1,animal1,animal2,"), "{text}");
    }

    #[test]
    fn gaps_and_skipped_numbers_become_empty_rows() {
        let mut csv = writer();
        let mut first = scene(2, &[]);
        first.gaps.note(Gap { first: 1, last: 1, reason: GapReason::Corrupt });
        csv.write_scene(&first).unwrap();
        csv.write_scene(&scene(4, &[])).unwrap();
        csv.write_missing(5).unwrap();
        assert_eq!(body(csv), "1,NaN,,,,,\n2,,,,,,\n3,,,,,,\n4,,,,,,\n5,,,,,,\n");
    }

    #[test]
    fn a_gap_that_was_written_already_is_not_written_again() {
        let mut csv = writer();
        csv.write_missing(0).unwrap();
        let mut scene = scene(2, &[]);
        scene.gaps.note(Gap { first: 0, last: u64::MAX, reason: GapReason::Late });
        csv.write_scene(&scene).unwrap();
        assert_eq!(body(csv), "0,NaN,,,,,\n1,,,,,,\n2,,,,,,\n");
    }

    #[test]
    fn a_frame_number_that_does_not_rise_is_refused() {
        let mut csv = writer();
        csv.write_missing(9).unwrap();
        let error = csv.write_missing(9).unwrap_err();
        assert_eq!(error.to_string(), "poses: frame 9 after frame 9; frame numbers must rise");
    }

    #[test]
    fn numbers_are_short_and_what_is_no_number_is_missing() {
        let mut csv = writer();
        csv.write_points(0, &[keypoint(-0.001, -12.5, 1.0), keypoint(f32::NAN, 1.0, 1.0)]).unwrap();
        csv.write_points(1, &[None, keypoint(639.999, 0.004, 0.0004)]).unwrap();
        assert_eq!(body(csv), "0,0.00,-12.50,1.000,,,\n1,,,,640.00,0.00,0.000\n");
    }

    #[test]
    fn a_first_row_without_points_is_not_wholly_empty() {
        let mut csv = writer();
        csv.write_points(4, &[keypoint(f32::NAN, 0.0, 0.0)]).unwrap();
        csv.write_missing(5).unwrap();
        assert_eq!(body(csv), "4,NaN,,,,,\n5,,,,,,\n");
        let mut csv = writer();
        csv.write_points(4, &[None, keypoint(1.0, 2.0, 0.5)]).unwrap();
        assert_eq!(body(csv), "4,,,,1.00,2.00,0.500\n");
    }

    #[test]
    fn names_with_commas_are_quoted() {
        let csv = PosesCsv::new(Vec::new(), "a", &names(&["tail, \"end\""]), &names(&["R"])).unwrap();
        let text = String::from_utf8(csv.finish().unwrap()).unwrap();
        assert_eq!(text.lines().nth(2).unwrap().matches("\"tail, \"\"end\"\"\"").count(), 3);
    }
}
