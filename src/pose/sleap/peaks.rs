//! Peaks of confidence maps: the highest of a map, or all of them; refined by the mean place around them.

use heapless::Vec;

/// Peaks that one map may have; of more, the highest stay.
pub(super) const PEAKS_MAX: usize = 16;

/// One channel of a head.
#[derive(Clone, Copy)]
pub(super) struct Map<'a> {
    pub(super) values: &'a [f32],
    pub(super) rows: usize,
    pub(super) columns: usize,
}

/// A peak, in cells: cell 0 is centred on 0.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Peak {
    pub(super) x: f32,
    pub(super) y: f32,
    pub(super) score: f32,
}

/// The cells around one, row by row: four that come before it in reading order, then four after.
const AROUND: [(isize, isize); 8] = [(-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1)];

impl Map<'_> {
    /// A cell's value; `outside` beyond the rim.
    fn get(&self, row: isize, column: isize, outside: f32) -> f32 {
        let inside = (0..self.rows as isize).contains(&row) && (0..self.columns as isize).contains(&column);
        let index = row.wrapping_mul(self.columns as isize).wrapping_add(column);
        if inside { self.values.get(index as usize).copied().unwrap_or(outside) } else { outside }
    }

    /// The value of the cell that is nearest to a place in cells; halves go to the even cell. 0 for no place at all.
    pub(super) fn nearest(&self, x: f32, y: f32) -> f32 {
        if self.rows == 0 || self.columns == 0 || !x.is_finite() || !y.is_finite() {
            return 0.0;
        }
        let cell = |place: f32, most: usize| place.round_ties_even().clamp(0.0, (most - 1) as f32) as isize;
        self.get(cell(y, self.rows), cell(x, self.columns), 0.0)
    }

    /// The highest place, unless it is below `score_min`: the first row and the first column that reach the height.
    pub(super) fn highest(&self, score_min: f32, patch: u32) -> Option<Peak> {
        let (mut score, mut row, mut column) = (f32::NEG_INFINITY, 0, 0);
        for (index, line) in self.values.chunks_exact(self.columns.max(1)).enumerate() {
            let most = highest_of(line);
            if most < score || most == f32::NEG_INFINITY {
                continue;
            }
            let first = line.iter().position(|value| *value == most).unwrap_or(0);
            (row, column) = if most > score { (index, first) } else { (row, first.min(column)) };
            score = most;
        }
        let found = score >= score_min && score > f32::NEG_INFINITY;
        found.then(|| self.refined(row as isize, column as isize, score, patch))
    }

    /// All peaks above `score_min` in reading order, at most `PEAKS_MAX` of them.
    ///
    /// A cell is a peak when it is higher than its neighbours. Equal cells are one peak, in their middle, when they fit
    /// in a 2x2 block that nothing around reaches; wider ones are none.
    pub(super) fn peaks(&self, score_min: f32, patch: u32) -> Vec<Peak, PEAKS_MAX> {
        let mut found: Vec<Peak, PEAKS_MAX> = Vec::new();
        let lines = self.values.chunks_exact(self.columns.max(1)).enumerate();
        for (row, line) in lines.filter(|(_, line)| highest_of(line) > score_min) {
            for (column, score) in line.iter().enumerate().filter(|(_, score)| **score > score_min) {
                let (row, column) = (row as isize, column as isize);
                let Some((x, y)) = self.top(row, column, *score) else { continue };
                let peak = if patch == 0 {
                    Peak { x: column as f32 + x, y: row as f32 + y, score: *score }
                } else {
                    self.refined(row + y.floor() as isize, column + x.floor() as isize, *score, patch)
                };
                keep(&mut found, peak);
            }
        }
        found
    }

    /// Whether a cell is the first of a peak, and how far from it the peak's middle is.
    fn top(&self, row: isize, column: isize, score: f32) -> Option<(f32, f32)> {
        let reaches = |(r, c): (isize, isize)| self.get(row + r, column + c, f32::NEG_INFINITY);
        let [before, after] = [&AROUND[..4], &AROUND[4..]];
        if before.iter().any(|cell| reaches(*cell) >= score) || after.iter().any(|cell| reaches(*cell) > score) {
            return None;
        }
        let equal = |cell: &(isize, isize)| reaches(*cell) == score;
        let tied: Vec<(isize, isize), 4> = after.iter().filter(|cell| equal(cell)).copied().collect();
        if tied.is_empty() {
            return Some((0.0, 0.0));
        }
        let blocks: [&[(isize, isize)]; 2] = [&[(0, 1), (1, 0), (1, 1)], &[(1, -1), (1, 0)]];
        if !blocks.iter().any(|block| tied.iter().all(|cell| block.contains(cell))) {
            return None;
        }
        let own = |cell: &(isize, isize)| *cell == (0, 0) || tied.contains(cell);
        let rim = tied.iter().flat_map(|(r, c)| AROUND.map(|(dr, dc)| (r + dr, c + dc)));
        if rim.into_iter().any(|cell| !own(&cell) && reaches(cell) >= score) {
            return None;
        }
        let count = tied.len() as f32 + 1.0;
        let (y, x) = tied.iter().fold((0.0, 0.0), |(y, x), (r, c)| (y + *r as f32, x + *c as f32));
        Some((x / count, y / count))
    }

    /// The mean place of the `patch` x `patch` cells around one, each weighted by its value; what lies outside counts
    /// nothing.
    fn refined(&self, row: isize, column: isize, score: f32, patch: u32) -> Peak {
        let mut peak = Peak { x: column as f32, y: row as f32, score };
        if patch > 0 {
            let half = (patch / 2) as isize;
            let (mut total, mut x, mut y) = (0.0f32, 0.0f32, 0.0f32);
            for r in -half..=half {
                for c in -half..=half {
                    let value = self.get(row + r, column + c, 0.0);
                    total += value;
                    x += c as f32 * value;
                    y += r as f32 * value;
                }
            }
            (peak.x, peak.y) = (peak.x + x / total, peak.y + y / total);
        }
        peak
    }
}

/// The highest of some values, NaN left out; looked at in lanes, which is several times faster than one by one.
fn highest_of(values: &[f32]) -> f32 {
    let mut lanes = [f32::NEG_INFINITY; 16];
    let (whole, rest) = values.as_chunks::<16>();
    for chunk in whole {
        for (lane, value) in lanes.iter_mut().zip(chunk) {
            *lane = if *value > *lane { *value } else { *lane };
        }
    }
    lanes.iter().chain(rest).copied().fold(f32::NEG_INFINITY, f32::max)
}

/// Adds a peak at the end; when there is no room the lowest leaves.
fn keep(found: &mut Vec<Peak, PEAKS_MAX>, peak: Peak) {
    if let Err(peak) = found.push(peak) {
        let lowest = |best: (usize, f32), (index, one): (usize, &Peak)| {
            if one.score < best.1 { (index, one.score) } else { best }
        };
        let (index, score) = found.iter().enumerate().fold((0, f32::INFINITY), lowest);
        if score < peak.score {
            found.remove(index);
            // One has just left.
            let _ = found.push(peak);
        }
    }
}
