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
    /// By TrackEval's rule: a pair of the frame before goes before all others.
    #[serde(flatten)]
    pub clear: Clear,
    /// By py-motmetrics' rule: the last pair of an animal goes before all others, however long ago it was.
    pub carried: Clear,
    /// Higher order tracking accuracy, 0 to 1, and its two sides.
    pub hota: f64,
    /// Detection accuracy.
    pub det_a: f64,
    /// Association accuracy.
    pub ass_a: f64,
}

/// CLEAR MOT.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize)]
pub struct Clear {
    /// At most 1.
    pub mota: Option<f64>,
    /// Poses that are no animal.
    pub false_positives: u64,
    /// Animals without a pose.
    pub misses: u64,
    /// An animal's pose has another identity than its pose before.
    pub switches: u64,
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

    pub(super) fn figures(&self) -> Tracking {
        let counts = self.counts();
        let mut figures = self.hota(&counts);
        (figures.clear, figures.carried) = (self.clear(false), self.clear(true));
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

    /// Frame by frame. A pair that goes on has precedence: with `carried` one of any frame before, else of the last frame alone.
    fn clear(&self, carried: bool) -> Clear {
        let mut figures = Clear::default();
        let mut last: Vec<Option<usize>> = vec![None; self.animals];
        let mut before: Vec<Option<usize>> = vec![None; self.animals];
        let (mut matched, mut truth) = (0, 0);
        for frame in &self.frames {
            let (animals, ids) = (frame.animals.len() as u64, frame.ids.len() as u64);
            truth += animals;
            if animals == 0 || ids == 0 {
                figures.false_positives += ids;
                figures.misses += animals;
                continue;
            }
            let worth = if carried { worth_carried(frame, &last) } else { worth(frame, &before) };
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
            figures.misses += animals - pairs;
            figures.false_positives += ids - pairs;
        }
        let right = matched as f64 - figures.false_positives as f64 - figures.switches as f64;
        Clear { mota: ratio(right, truth as f64), ..figures }
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

/// What each pair is worth to TrackEval: a pair of the frame before most, then the greatest sum of similarities.
fn worth(frame: &Frame, before: &[Option<usize>]) -> Table {
    let mut worth = Table::new(frame.animals.len(), frame.ids.len());
    for (row, animal) in frame.animals.iter().enumerate() {
        for (column, id) in frame.ids.iter().enumerate() {
            let similarity = frame.similarity.get(row, column);
            if similarity >= SAME - f64::EPSILON {
                worth.set(row, column, similarity + if before[*animal] == Some(*id) { 1000.0 } else { 0.0 });
            }
        }
    }
    worth
}

/// The same to py-motmetrics: last pairs stay, animal by animal; of the rest as many pairs as can be, then their similarity.
fn worth_carried(frame: &Frame, last: &[Option<usize>]) -> Table {
    let mut worth = Table::new(frame.animals.len(), frame.ids.len());
    let same = |row: usize, column: usize| frame.similarity.get(row, column) >= SAME;
    let (mut rows, mut columns) = (vec![false; frame.animals.len()], vec![false; frame.ids.len()]);
    for (row, animal) in frame.animals.iter().enumerate() {
        let column = frame.ids.iter().position(|id| last[*animal] == Some(*id));
        if let Some(column) = column.filter(|column| !columns[*column] && same(row, *column)) {
            (rows[row], columns[column]) = (true, true);
            worth.set(row, column, 1.0);
        }
    }
    for row in (0..rows.len()).filter(|row| !rows[*row]) {
        for column in (0..columns.len()).filter(|column| !columns[*column] && same(row, *column)) {
            worth.set(row, column, 1000.0 + frame.similarity.get(row, column));
        }
    }
    worth
}

fn alpha(step: usize) -> f64 {
    0.05 * (step + 1) as f64
}

fn ratio(part: f64, whole: f64) -> Option<f64> {
    (whole > 0.0).then(|| part / whole)
}

#[cfg(test)]
mod tests {
    use super::super::film::GivenPose;
    use super::super::fit::fit;
    use super::super::made::{animal, film, hidden, pose};
    use super::*;

    /// A at 0 and B at 100 in each frame.
    fn figures(poses: &[Vec<GivenPose>]) -> Tracking {
        let frames = poses.iter().map(|poses| (vec![animal(0, 0.0), animal(1, 100.0)], poses.clone()));
        of(&film(2, frames.collect()))
    }

    fn of(film: &Film) -> Tracking {
        let mut following = Following::new(film, 0);
        film.frames.iter().for_each(|frame| following.add(frame, &fit(frame, 10.0)));
        following.figures()
    }

    fn both(a: u16, b: u16) -> Vec<GivenPose> {
        vec![pose(Some(a), 0.0), pose(Some(b), 100.0)]
    }

    #[test]
    fn all_right_is_one() {
        let got = figures(&[both(0, 1), both(0, 1)]);
        assert_eq!((got.idf1, got.clear.mota, got.clear.switches), (Some(1.0), Some(1.0), 0));
        assert!((got.hota - 1.0).abs() < 1e-12 && (got.det_a - 1.0).abs() < 1e-12, "{got:?}");
    }

    #[test]
    fn names_that_swap_halfway_are_half_right() {
        let got = figures(&[both(0, 1), both(0, 1), both(1, 0), both(1, 0)]);
        assert_eq!((got.idf1, got.clear.switches, got.clear.mota), (Some(0.5), 2, Some(0.75)));
        // Each animal shares half its frames with each name: 2 of 4 + 4 - 2.
        assert!((got.ass_a - 1.0 / 3.0).abs() < 1e-12 && (got.det_a - 1.0).abs() < 1e-12, "{got:?}");
    }

    #[test]
    fn what_is_missing_and_what_is_too_much_is_told_apart() {
        let got = figures(&[both(0, 1), vec![pose(Some(0), 0.0)], [both(0, 1), vec![pose(Some(2), 300.0)]].concat()]);
        assert_eq!((got.clear.misses, got.clear.false_positives, got.clear.switches), (1, 1, 0));
        assert_eq!((got.idr, got.idp, got.clear.mota), (Some(5.0 / 6.0), Some(5.0 / 6.0), Some(4.0 / 6.0)));
    }

    #[test]
    fn without_a_name_the_track_is_followed() {
        let tracked = |track| GivenPose { track, ..pose(None, 0.0) };
        let one = |track| (vec![animal(0, 0.0)], vec![tracked(track)]);
        assert_eq!(of(&film(1, vec![one(Some(7)), one(Some(7))])).idf1, Some(1.0));
        let got = of(&film(1, vec![one(None), one(None)]));
        assert_eq!((got.idf1, got.clear.switches), (Some(0.5), 1));
    }

    #[test]
    fn of_two_with_the_same_name_the_second_is_somebody_else() {
        assert_eq!(figures(&[both(0, 0), both(0, 1)]).idf1, Some(0.75));
    }

    #[test]
    fn a_pair_is_carried_over_a_gap_by_one_rule_and_not_by_the_other() {
        // A's own pose goes missing for a frame and comes back further off than another's.
        let frame = |poses: &[GivenPose]| (vec![animal(0, 0.0)], poses.to_vec());
        let (own, off, other) = (pose(Some(0), 0.0), pose(Some(0), 3.0), pose(Some(1), 1.0));
        let got = of(&film(1, vec![frame(&[own]), frame(&[pose(Some(0), 99.0)]), frame(&[off, other])]));
        assert_eq!((got.clear.switches, got.carried.switches), (1, 0));
    }

    #[test]
    fn nobody_and_nothing_is_no_figure() {
        let got = of(&film(1, vec![(vec![hidden(0)], vec![])]));
        assert_eq!((got.idf1, got.clear.mota, got.hota), (None, None, 0.0));
    }
}
