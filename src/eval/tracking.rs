//! IDF1, MOTA and HOTA: how well predicted identities follow the animals, by the definitions of their papers and to the digit of
//! TrackEval (Luiten and others 2020, HOTA; Ristani and others 2016, IDF1; Bernardin and Stiefelhagen 2008, CLEAR MOT).

use super::film::{Film, FilmFrame};
use super::fit::{Fitted, SAME};
use super::pairing::{Table, pair};
use std::collections::BTreeMap;

/// Similarities that HOTA is the mean over: 0.05, 0.10, … 0.95.
const ALPHAS: usize = 19;

/// Figures of tracking.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize)]
pub struct Tracking {
    /// Identity F1, precision and recall, 0 to 1.
    pub idf1: Option<f64>,
    /// See `idf1`.
    pub idp: Option<f64>,
    /// See `idf1`.
    pub idr: Option<f64>,
    /// At most 1.
    pub mota: Option<f64>,
    /// Poses that are no animal.
    pub false_positives: u64,
    /// Animals without a pose.
    pub misses: u64,
    /// An animal's pose has another identity than its pose before.
    pub switches: u64,
    /// Higher order tracking accuracy, 0 to 1, and its two sides.
    pub hota: f64,
    /// Detection accuracy.
    pub det_a: f64,
    /// Association accuracy.
    pub ass_a: f64,
}

/// One frame: animals that count, predicted identities, how well they fit.
struct Frame {
    animals: Vec<usize>,
    ids: Vec<usize>,
    similarity: Table,
}

/// Gathers the frames of one kind of name.
pub(super) struct Following {
    kind: usize,
    animals: usize,
    known: BTreeMap<Id, usize>,
    /// How many identities were predicted.
    ids: usize,
    frames: Vec<Frame>,
}

/// Who a pose is said to be: its name, or where there is none its track.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Id {
    Name(u16),
    Track(u32),
}

impl Following {
    pub(super) fn new(film: &Film, kind: usize) -> Self {
        Self { kind, animals: film.animals, known: BTreeMap::new(), ids: 0, frames: Vec::new() }
    }

    pub(super) fn add(&mut self, frame: &FilmFrame, fitted: &Fitted) {
        let mut ids = Vec::with_capacity(fitted.poses.len());
        for pose in fitted.poses.iter().filter_map(|pose| frame.poses.get(*pose)) {
            let name = pose.names.get(self.kind).copied().flatten().map(|name| Id::Name(name.who));
            let known = name.or(pose.track.map(Id::Track)).map(|id| {
                *self.known.entry(id).or_insert_with(|| {
                    self.ids += 1;
                    self.ids - 1
                })
            });
            // Neither name nor track, or one that the frame has already: somebody else each time.
            ids.push(known.filter(|id| !ids.contains(id)).unwrap_or_else(|| {
                self.ids += 1;
                self.ids - 1
            }));
        }
        let (animals, similarity) = (fitted.animals.clone(), fitted.similarity.clone());
        self.frames.push(Frame { animals, ids, similarity });
    }

    /// One line a frame and pair, for a check by others: frame, animal, identity, similarity; -1 for nobody.
    pub(super) fn similarities(&self) -> String {
        use std::fmt::Write as _;
        let mut text = String::from("frame,animal,id,similarity\n");
        for (number, frame) in self.frames.iter().enumerate() {
            for (row, animal) in frame.animals.iter().enumerate() {
                for (column, id) in frame.ids.iter().enumerate() {
                    // Writing to a string cannot fail.
                    let _ = writeln!(text, "{number},{animal},{id},{}", frame.similarity.get(row, column));
                }
                if frame.ids.is_empty() {
                    let _ = writeln!(text, "{number},{animal},-1,0");
                }
            }
            for id in frame.ids.iter().filter(|_| frame.animals.is_empty()) {
                let _ = writeln!(text, "{number},-1,{id},0");
            }
        }
        text
    }

    pub(super) fn figures(&self) -> Tracking {
        let counts = self.counts();
        let mut figures = self.hota(&counts);
        self.clear(&mut figures);
        self.identity(&counts, &mut figures);
        figures
    }

    fn counts(&self) -> Counts {
        let mut counts = Counts { animals: vec![0.0; self.animals], ids: vec![0.0; self.ids] };
        for frame in &self.frames {
            frame.animals.iter().for_each(|animal| counts.animals[*animal] += 1.0);
            frame.ids.iter().for_each(|id| counts.ids[*id] += 1.0);
        }
        counts
    }

    /// One identity for each animal, over the whole film, so that the most pairs of similarity [`SAME`] or more are theirs.
    fn identity(&self, counts: &Counts, figures: &mut Tracking) {
        let mut together = Table::new(self.animals, self.ids);
        self.each_pair(|animal, id, similarity| {
            if similarity >= SAME {
                together.add(animal, id, 1.0);
            }
        });
        let pairs = pair(&together).into_iter().enumerate();
        let right: f64 = pairs.filter_map(|(animal, id)| Some(together.get(animal, id?))).sum();
        let (truth, predicted): (f64, f64) = (counts.animals.iter().sum(), counts.ids.iter().sum());
        figures.idr = ratio(right, truth);
        figures.idp = ratio(right, predicted);
        figures.idf1 = ratio(right, (truth + predicted) / 2.0);
    }

    /// Frame by frame, where a pair of the frame before goes before all others.
    fn clear(&self, figures: &mut Tracking) {
        let mut last: Vec<Option<usize>> = vec![None; self.animals];
        let mut before: Vec<Option<usize>> = vec![None; self.animals];
        let (mut matched, mut truth) = (0, 0);
        for frame in &self.frames {
            let (animals, ids) = (frame.animals.len(), frame.ids.len());
            truth += animals as u64;
            if animals == 0 || ids == 0 {
                figures.false_positives += ids as u64;
                figures.misses += animals as u64;
                continue;
            }
            let mut worth = Table::new(animals, ids);
            for (row, animal) in frame.animals.iter().enumerate() {
                for (column, id) in frame.ids.iter().enumerate() {
                    let similarity = frame.similarity.get(row, column);
                    if similarity >= SAME - f64::EPSILON {
                        let kept = if before[*animal] == Some(*id) { 1000.0 } else { 0.0 };
                        worth.set(row, column, kept + similarity);
                    }
                }
            }
            before.fill(None);
            let mut pairs = 0;
            for (row, column) in pair(&worth).into_iter().enumerate() {
                let Some(column) = column.filter(|column| worth.get(row, *column) > f64::EPSILON) else { continue };
                let (animal, id) = (frame.animals[row], frame.ids[column]);
                pairs += 1;
                figures.switches += u64::from(last[animal].is_some_and(|last| last != id));
                (last[animal], before[animal]) = (Some(id), Some(id));
            }
            matched += pairs;
            figures.misses += animals as u64 - pairs;
            figures.false_positives += ids as u64 - pairs;
        }
        let right = matched as f64 - figures.false_positives as f64 - figures.switches as f64;
        figures.mota = ratio(right, truth as f64);
    }

    /// Pairs by similarity and by how often animal and identity go together in the whole film; then accuracy of detection and of
    /// association at each threshold.
    fn hota(&self, counts: &Counts) -> Tracking {
        let mut together = Table::new(self.animals, self.ids);
        for frame in &self.frames {
            let (rows, columns) = (frame.animals.len(), frame.ids.len());
            let of_row: Vec<f64> =
                (0..rows).map(|row| (0..columns).map(|column| frame.similarity.get(row, column)).sum()).collect();
            for (column, id) in frame.ids.iter().enumerate() {
                let of_column: f64 = (0..rows).map(|row| frame.similarity.get(row, column)).sum();
                for (row, animal) in frame.animals.iter().enumerate() {
                    let similarity = frame.similarity.get(row, column);
                    let all = of_column + of_row[row] - similarity;
                    if all > f64::EPSILON {
                        together.add(*animal, *id, similarity / all);
                    }
                }
            }
        }
        let aligned = |animal: usize, id: usize| {
            together.get(animal, id) / (counts.animals[animal] + counts.ids[id] - together.get(animal, id))
        };
        let mut right = [0.0; ALPHAS];
        let mut matches: Vec<Table> = (0..ALPHAS).map(|_| Table::new(self.animals, self.ids)).collect();
        for frame in &self.frames {
            let mut worth = Table::new(frame.animals.len(), frame.ids.len());
            for (row, animal) in frame.animals.iter().enumerate() {
                for (column, id) in frame.ids.iter().enumerate() {
                    worth.set(row, column, aligned(*animal, *id) * frame.similarity.get(row, column));
                }
            }
            for (row, column) in pair(&worth).into_iter().enumerate() {
                let Some(column) = column else { continue };
                let similarity = frame.similarity.get(row, column);
                for (step, (right, matches)) in right.iter_mut().zip(&mut matches).enumerate() {
                    if similarity >= alpha(step) - f64::EPSILON {
                        *right += 1.0;
                        matches.add(frame.animals[row], frame.ids[column], 1.0);
                    }
                }
            }
        }
        self.hota_of(counts, &right, &matches)
    }

    fn hota_of(&self, counts: &Counts, right: &[f64; ALPHAS], matches: &[Table]) -> Tracking {
        let (truth, predicted): (f64, f64) = (counts.animals.iter().sum(), counts.ids.iter().sum());
        let mut figures = Tracking::default();
        for (right, matches) in right.iter().zip(matches) {
            let mut associated = 0.0;
            for (animal, of_animal) in counts.animals.iter().enumerate() {
                for (id, of_id) in counts.ids.iter().enumerate() {
                    let both = matches.get(animal, id);
                    associated += both * both / f64::max(1.0, of_animal + of_id - both);
                }
            }
            let ass_a = associated / right.max(1.0);
            // Right, missed and too many together.
            let det_a = right / f64::max(1.0, truth + predicted - right);
            figures.ass_a += ass_a / ALPHAS as f64;
            figures.det_a += det_a / ALPHAS as f64;
            figures.hota += (ass_a * det_a).sqrt() / ALPHAS as f64;
        }
        figures
    }

    fn each_pair(&self, mut each: impl FnMut(usize, usize, f64)) {
        for frame in &self.frames {
            for (row, animal) in frame.animals.iter().enumerate() {
                for (column, id) in frame.ids.iter().enumerate() {
                    each(*animal, *id, frame.similarity.get(row, column));
                }
            }
        }
    }
}

/// Frames of each animal and of each predicted identity.
struct Counts {
    animals: Vec<f64>,
    ids: Vec<f64>,
}

fn alpha(step: usize) -> f64 {
    0.05 * (step + 1) as f64
}

fn ratio(part: f64, whole: f64) -> Option<f64> {
    (whole > 0.0).then(|| part / whole)
}
