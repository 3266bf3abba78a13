//! Reads recorded tracks: where each of four mice was, frame by frame, with single jumps smoothed away.

use std::path::Path;

use super::floor::Point;
use super::{IDENTITIES, RehearsalError};

/// One mouse in one recorded frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Row {
    /// Centre of the body, arena pixels.
    pub at: Point,
    /// Out of view.
    pub hidden: bool,
}

/// Recorded trajectories of R, G, B and Y.
#[derive(Clone, Debug)]
pub struct Tracks {
    rows: Vec<[Row; 4]>,
}

/// A step longer than this, in pixels a frame, is a tracking error: the fastest chase makes about 15.
const JUMP: f32 = 30.0;

impl Tracks {
    /// Reads a CSV with the columns `frame`, then `X_x`, `X_y` (pixels) and `X_hidden` (0 or 1) for X in R, G, B, Y.
    /// Further columns are passed over.
    pub fn read(path: &Path) -> Result<Self, RehearsalError> {
        let text =
            std::fs::read_to_string(path).map_err(|source| RehearsalError::File { path: path.into(), source })?;
        Self::parse(&text, path)
    }

    /// As [`Tracks::read`], from the text itself; `path` is only for the messages.
    pub fn parse(text: &str, path: &Path) -> Result<Self, RehearsalError> {
        let error = |line: usize, column: &str, got: String, allowed: &str| RehearsalError::Track {
            path: path.into(),
            line,
            column: column.into(),
            got,
            allowed: allowed.into(),
        };
        let mut lines = text.lines().enumerate();
        let header: Vec<&str> = lines.next().map(|(_, l)| l.split(',').map(str::trim).collect()).unwrap_or_default();
        let mut places = [[0usize; 3]; 4];
        for (i, id) in IDENTITIES.iter().enumerate() {
            for (k, what) in ["x", "y", "hidden"].iter().enumerate() {
                let name = format!("{id}_{what}");
                places[i][k] = header.iter().position(|h| *h == name).ok_or_else(|| {
                    error(
                        1,
                        &name,
                        "no such column".into(),
                        "the header must name X_x, X_y and X_hidden for X in R, G, B, Y",
                    )
                })?;
            }
        }
        let mut rows: Vec<[Row; 4]> = Vec::new();
        for (number, line) in lines.filter(|(_, l)| !l.trim().is_empty()) {
            let cells: Vec<&str> = line.split(',').map(str::trim).collect();
            let mut row = [Row { at: [0.0; 2], hidden: false }; 4];
            for i in 0..4 {
                let mut values = [0f32; 3];
                for k in 0..3 {
                    let column = header[places[i][k]];
                    let cell = cells.get(places[i][k]).copied().unwrap_or("");
                    let allowed =
                        if k == 2 { "0 or 1 is allowed" } else { "a number of pixels from -100 to 10000 is allowed" };
                    let wrong = || {
                        error(
                            number + 1,
                            column,
                            format!("got \"{}\"", cell.chars().take(40).collect::<String>()),
                            allowed,
                        )
                    };
                    let value: f32 = cell.parse().map_err(|_| wrong())?;
                    let fine = if k == 2 { value == 0.0 || value == 1.0 } else { (-100.0..=10000.0).contains(&value) };
                    if !fine {
                        return Err(wrong());
                    }
                    values[k] = value;
                }
                row[i] = Row { at: [values[0], values[1]], hidden: values[2] == 1.0 };
            }
            rows.push(row);
        }
        if rows.is_empty() {
            return Err(error(2, "frame", "no rows".into(), "at least one row is needed"));
        }
        for i in 0..4 {
            smooth(&mut rows, i);
        }
        Ok(Self { rows })
    }

    /// How many frames were recorded.
    pub fn frames(&self) -> usize {
        self.rows.len()
    }

    /// All four mice at `frame`; beyond the end, the last frame.
    pub(super) fn row(&self, frame: usize) -> &[Row; 4] {
        &self.rows[frame.min(self.rows.len() - 1)]
    }
}

/// Takes out jumps (median of five, then bridges what still jumps) and the tracker's trembling (a short triangle).
fn smooth(rows: &mut [[Row; 4]], i: usize) {
    let raw: Vec<Point> = rows.iter().map(|r| r[i].at).collect();
    let n = raw.len();
    let median: Vec<Point> = (0..n)
        .map(|f| {
            let (from, to) = (f.saturating_sub(2), (f + 3).min(n));
            std::array::from_fn(|c| {
                let mut window: Vec<f32> = raw[from..to].iter().map(|p| p[c]).collect();
                window.sort_by(f32::total_cmp);
                window[window.len() / 2]
            })
        })
        .collect();
    // What still jumps is walked, as fast as a mouse runs.
    let mut walked = median.clone();
    for f in 1..n {
        let (a, b) = (walked[f - 1], median[f]);
        let far = (b[0] - a[0]).hypot(b[1] - a[1]);
        if far > JUMP {
            let t = JUMP / far;
            walked[f] = [a[0] + (b[0] - a[0]) * t, a[1] + (b[1] - a[1]) * t];
        }
    }
    const REACH: usize = 4;
    for (f, row) in rows.iter_mut().enumerate() {
        let (mut sum, mut weight) = ([0.0f32; 2], 0.0f32);
        let from = f.saturating_sub(REACH);
        for (g, place) in walked.iter().enumerate().take((f + REACH + 1).min(n)).skip(from) {
            let w = (REACH + 1 - f.abs_diff(g)) as f32;
            sum = [sum[0] + place[0] * w, sum[1] + place[1] * w];
            weight += w;
        }
        row[i].at = [sum[0] / weight, sum[1] / weight];
    }
}
