//! Pairs rows with columns at the least cost in all: the Hungarian method on fixed arrays.

use super::peaks::PEAKS_MAX;
use heapless::Vec;

/// What each pair would cost. A cost that is not finite forbids the pair.
pub(super) struct Costs {
    rows: usize,
    columns: usize,
    at: [[f32; PEAKS_MAX]; PEAKS_MAX],
}

impl Costs {
    /// All pairs forbidden. Rows and columns beyond `PEAKS_MAX` are left out.
    pub(super) fn new(rows: usize, columns: usize) -> Self {
        let at = [[f32::INFINITY; PEAKS_MAX]; PEAKS_MAX];
        Self { rows: rows.min(PEAKS_MAX), columns: columns.min(PEAKS_MAX), at }
    }

    pub(super) fn set(&mut self, row: usize, column: usize, cost: f32) {
        if row < self.rows && column < self.columns {
            self.at[row][column] = cost;
        }
    }

    pub(super) fn get(&self, row: usize, column: usize) -> f32 {
        if row < self.rows && column < self.columns { self.at[row][column] } else { f32::INFINITY }
    }

    /// A cost for the method, the shorter side first; forbidden pairs are dearer than any allowed ones together.
    fn dear(&self, turned: bool, row: usize, column: usize) -> f64 {
        let cost = if turned { self.get(column, row) } else { self.get(row, column) };
        if cost.is_finite() { f64::from(cost).clamp(-1e6, 1e6) } else { 1e9 }
    }
}

/// The pairs with the least sum in the order of rows: as many as the shorter side has, less the forbidden ones.
pub(super) fn match_least(costs: &Costs) -> Vec<(usize, usize), PEAKS_MAX> {
    let turned = costs.rows > costs.columns;
    let (short, long) = if turned { (costs.columns, costs.rows) } else { (costs.rows, costs.columns) };
    let of_column = columns_taken(short, long, |row, column| costs.dear(turned, row, column));
    let mut pairs: Vec<(usize, usize), PEAKS_MAX> = Vec::new();
    for row in 0..costs.rows {
        let column = if turned {
            of_column.get(row + 1).and_then(|taken| taken.checked_sub(1))
        } else {
            (0..costs.columns).find(|column| of_column.get(column + 1) == Some(&(row + 1)))
        };
        if let Some(column) = column.filter(|column| costs.get(row, *column).is_finite()) {
            // No more pairs than rows.
            let _ = pairs.push((row, column));
        }
    }
    pairs
}

/// For each of `long` columns, counted from 1, the row (from 1) that takes it; 0 for none. `short` rows, at most
/// `long`.
fn columns_taken(short: usize, long: usize, cost: impl Fn(usize, usize) -> f64) -> [usize; PEAKS_MAX + 1] {
    // Column 0 stands for "the row being placed".
    let mut row_price = [0.0f64; PEAKS_MAX + 1];
    let mut column_price = [0.0f64; PEAKS_MAX + 1];
    let mut row_of = [0usize; PEAKS_MAX + 1];
    for row in 1..=short {
        row_of[0] = row;
        let mut least = [f64::INFINITY; PEAKS_MAX + 1];
        let mut before = [0usize; PEAKS_MAX + 1];
        let mut done = [false; PEAKS_MAX + 1];
        let mut here = 0;
        while row_of[here] != 0 {
            done[here] = true;
            let from = row_of[here];
            let (mut step, mut next) = (f64::INFINITY, 0);
            for column in (1..=long).filter(|column| !done[*column]) {
                let reduced = cost(from - 1, column - 1) - row_price[from] - column_price[column];
                if reduced < least[column] {
                    (least[column], before[column]) = (reduced, here);
                }
                if least[column] < step {
                    (step, next) = (least[column], column);
                }
            }
            for column in 0..=long {
                if done[column] {
                    row_price[row_of[column]] += step;
                    column_price[column] -= step;
                } else {
                    least[column] -= step;
                }
            }
            here = next;
        }
        while here != 0 {
            row_of[here] = row_of[before[here]];
            here = before[here];
        }
    }
    row_of
}
