//! Reads a film's poses or truth in DeepLabCut's multi-animal layout, row by row.

use super::EvalError;
use crate::handover::{Keypoint, MAX_KEYPOINTS};
use crate::space::InCamera;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Lines};
use std::path::{Path, PathBuf};

/// Most individuals of one table.
const INDIVIDUALS_MAX: usize = 64;

/// An open table, its header read.
pub(super) struct Layout {
    path: PathBuf,
    lines: Lines<BufReader<File>>,
    line: u64,
    individuals: Vec<String>,
    keypoints: Vec<String>,
    /// For each triple of columns: individual times keypoints plus keypoint.
    places: Vec<usize>,
    last: Option<u64>,
    /// A row without a number, which can only be the first: it has the number before the next one's.
    unnumbered: Option<Points>,
    held: Option<(u64, Points)>,
}

/// Individual by individual, keypoint by keypoint; the score is the likelihood. `None` is an empty cell.
pub(super) type Points = Vec<Option<Keypoint>>;

impl Layout {
    pub(super) fn open(path: &Path) -> Result<Self, EvalError> {
        let failed = |source| EvalError::Read { path: path.to_owned(), source };
        let mut lines = BufReader::with_capacity(1 << 18, File::open(path).map_err(failed)?).lines();
        let mut heads = Vec::new();
        for _ in 0..4 {
            heads.push(lines.next().unwrap_or_else(|| Ok(String::new())).map_err(failed)?);
        }
        let wrong = |what| EvalError::Content { path: path.to_owned(), what };
        let (individuals, keypoints, places) = header(&heads).map_err(wrong)?;
        Ok(Self {
            path: path.to_owned(),
            lines,
            line: 4,
            individuals,
            keypoints,
            places,
            last: None,
            unnumbered: None,
            held: None,
        })
    }

    pub(super) fn individuals(&self) -> &[String] {
        &self.individuals
    }

    pub(super) fn keypoints(&self) -> &[String] {
        &self.keypoints
    }

    /// The next row: its frame number and its points; `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<(u64, Points)>, EvalError> {
        if let Some(held) = self.held.take() {
            return Ok(Some(held));
        }
        loop {
            let Some(line) = self.lines.next() else {
                return Ok(self.unnumbered.take().map(|points| (0, points)));
            };
            let line = line.map_err(|source| EvalError::Read { path: self.path.clone(), source })?;
            self.line += 1;
            if line.trim().is_empty() {
                continue;
            }
            let (number, points) = self.row(&line).map_err(|what| self.wrong(what))?;
            let Some(frame) = number else {
                if self.last.is_some() || self.unnumbered.is_some() {
                    return Err(self.wrong("got a row without a frame number; only the first may have none".to_owned()));
                }
                self.unnumbered = Some(points);
                continue;
            };
            if let Some(last) = self.last.filter(|last| frame <= *last) {
                return Err(self.wrong(format!("got frame {frame} after frame {last}; frame numbers must rise")));
            }
            self.last = Some(frame);
            let Some(first) = self.unnumbered.take() else { return Ok(Some((frame, points))) };
            let Some(before) = frame.checked_sub(1) else {
                return Err(self.wrong("got a row before frame 0; frame numbers begin at 0".to_owned()));
            };
            self.held = Some((frame, points));
            return Ok(Some((before, first)));
        }
    }

    fn wrong(&self, what: String) -> EvalError {
        EvalError::Content { path: self.path.clone(), what: format!("line {}: {what}", self.line) }
    }

    fn row(&self, line: &str) -> Result<(Option<u64>, Points), String> {
        let mut cells = line.split(',');
        let number = match cells.next().map(str::trim).unwrap_or_default() {
            "" | "NaN" | "nan" => None,
            text => Some(text.parse().map_err(|_| format!("got {text:?}; allowed: the frame's number"))?),
        };
        let mut points = vec![None; self.individuals.len() * self.keypoints.len()];
        for place in &self.places {
            let [x, y, score] = [cells.next(), cells.next(), cells.next()];
            let Some(score) = score else {
                return Err(format!("has too few cells; allowed: {}, as in the header", 1 + 3 * self.places.len()));
            };
            let (Some(x), Some(y)) = (value(x.unwrap_or_default())?, value(y.unwrap_or_default())?) else { continue };
            let score = value(score)?.unwrap_or(1.0);
            if let Some(point) = points.get_mut(*place) {
                *point = Some(Keypoint { at: InCamera { x, y }, score });
            }
        }
        match cells.next() {
            Some(_) => Err(format!("has too many cells; allowed: {}, as in the header", 1 + 3 * self.places.len())),
            None => Ok((number, points)),
        }
    }
}

/// An empty cell and what is no number of the plane are nothing.
fn value(cell: &str) -> Result<Option<f32>, String> {
    let cell = cell.trim();
    if cell.is_empty() {
        return Ok(None);
    }
    let value: f32 = cell.parse().map_err(|_| format!("got {cell:?}; allowed: a number, or an empty cell"))?;
    Ok(value.is_finite().then_some(value))
}

type Header = (Vec<String>, Vec<String>, Vec<usize>);

fn header(heads: &[String]) -> Result<Header, String> {
    let rows: Vec<Vec<&str>> = heads.iter().map(|line| line.split(',').map(str::trim).collect()).collect();
    let named = |name: &str| rows.iter().find(|row| row.first() == Some(&name));
    let all = (named("individuals"), named("bodyparts"), named("coords"));
    let (Some(individuals), Some(parts), Some(coords)) = all else {
        let got: Vec<_> = rows.iter().filter_map(|row| row.first().copied()).collect();
        return Err(format!(
            "got the header rows {}; allowed: scorer, individuals, bodyparts, coords (DeepLabCut, several animals)",
            got.join(", ")
        ));
    };
    let triples = coords.get(1..).unwrap_or_default().chunks(3);
    if coords.len() < 4 || triples.clone().any(|triple| triple != ["x", "y", "likelihood"]) {
        return Err("the header row coords is not x,y,likelihood,x,y,likelihood,…; give poses, not labels".to_owned());
    }
    if individuals.len() != coords.len() || parts.len() != coords.len() {
        return Err(
            "the header rows are of different lengths; each column needs an individual and a body part".to_owned()
        );
    }
    let (mut who, mut what, mut pairs) = (Vec::new(), Vec::new(), Vec::new());
    for column in (1..coords.len()).step_by(3) {
        pairs.push((index(&mut who, individuals[column]), index(&mut what, parts[column])));
    }
    let places: Vec<usize> = pairs.iter().map(|(who, part)| who * what.len() + part).collect();
    if who.len() > INDIVIDUALS_MAX || what.len() > MAX_KEYPOINTS {
        return Err(format!(
            "got {} individuals and {} body parts; allowed: at most {INDIVIDUALS_MAX} and {MAX_KEYPOINTS}",
            who.len(),
            what.len()
        ));
    }
    let mut seen = vec![false; who.len() * what.len()];
    for ((individual, part), place) in pairs.iter().zip(&places) {
        if std::mem::replace(&mut seen[*place], true) {
            return Err(format!("has {} of {} twice; each stands once", what[*part], who[*individual]));
        }
    }
    Ok((who, what, places))
}

fn index(names: &mut Vec<String>, name: &str) -> usize {
    names.iter().position(|known| known == name).unwrap_or_else(|| {
        names.push(name.to_owned());
        names.len() - 1
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "scorer,s,s,s\nindividuals,R,R,R\nbodyparts,nose,nose,nose\ncoords,x,y,likelihood\n";

    fn read(text: &str) -> Result<Vec<(u64, Points)>, String> {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("t.csv");
        std::fs::write(&path, text).expect("written");
        let told = |error: EvalError| error.to_string().replace(&format!("{}: ", path.display()), "");
        let mut layout = Layout::open(&path).map_err(told)?;
        let mut rows = Vec::new();
        while let Some(row) = layout.next().map_err(told)? {
            rows.push(row);
        }
        Ok(rows)
    }

    fn nose(x: f32, y: f32, score: f32) -> Points {
        vec![Some(Keypoint { at: InCamera { x, y }, score })]
    }

    #[test]
    fn rows_have_their_numbers_and_empty_cells_are_nothing() {
        let rows = read(&format!("{HEAD}7,1.5,2,0.9\n8,,,\n9,1,NaN,1\n12,1,2,\n")).expect("read");
        assert_eq!(rows, [(7, nose(1.5, 2.0, 0.9)), (8, vec![None]), (9, vec![None]), (12, nose(1.0, 2.0, 1.0))]);
    }

    #[test]
    fn a_first_row_without_a_number_is_the_one_before_the_second() {
        assert_eq!(read(&format!("{HEAD}NaN,,,\n8,1,2,1\n")).expect("read")[0], (7, vec![None]));
        assert_eq!(read(&format!("{HEAD}NaN,,,\n")).expect("read"), [(0, vec![None])]);
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        for (text, expected) in [
            (
                String::new(),
                "got the header rows , , , ; allowed: scorer, individuals, bodyparts, coords (DeepLabCut, several animals)",
            ),
            (
                HEAD.replace("likelihood", "p"),
                "the header row coords is not x,y,likelihood,x,y,likelihood,…; give poses, not labels",
            ),
            (
                HEAD.replace("R,R,R", "R,R"),
                "the header rows are of different lengths; each column needs an individual and a body part",
            ),
            (
                "scorer,s,s,s,s,s,s\nindividuals,R,R,R,R,R,R\nbodyparts,n,n,n,n,n,n\ncoords,x,y,likelihood,x,y,likelihood\n".to_owned(),
                "has n of R twice; each stands once",
            ),
            (format!("{HEAD}0,1,2\n"), "line 5: has too few cells; allowed: 4, as in the header"),
            (format!("{HEAD}0,1,2,1,5\n"), "line 5: has too many cells; allowed: 4, as in the header"),
            (format!("{HEAD}0,1,up,1\n"), "line 5: got \"up\"; allowed: a number, or an empty cell"),
            (format!("{HEAD}img7.png,1,2,1\n"), "line 5: got \"img7.png\"; allowed: the frame's number"),
            (format!("{HEAD}3,1,2,1\n3,1,2,1\n"), "line 6: got frame 3 after frame 3; frame numbers must rise"),
            (
                format!("{HEAD}3,1,2,1\n,1,2,1\n"),
                "line 6: got a row without a frame number; only the first may have none",
            ),
            (format!("{HEAD}NaN,,,\n0,1,2,1\n"), "line 6: got a row before frame 0; frame numbers begin at 0"),
        ] {
            assert_eq!(read(&text), Err(expected.to_owned()), "{text}");
        }
    }
}
