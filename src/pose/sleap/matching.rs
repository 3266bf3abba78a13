//! What pairs of peaks would cost, and the pairs that cost the least in all.

use super::peaks::PEAKS_MAX;
use crate::pose::pairing::pairs;
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

    /// A cost for the method: forbidden pairs are dearer than any allowed ones together.
    fn dear(&self, row: usize, column: usize) -> f64 {
        let cost = self.get(row, column);
        if cost.is_finite() { f64::from(cost).clamp(-1e6, 1e6) } else { 1e9 }
    }
}

/// The pairs with the least sum in the order of rows: as many as the shorter side has, less the forbidden ones.
pub(super) fn match_least(costs: &Costs) -> Vec<(usize, usize), PEAKS_MAX> {
    let column_of: [_; PEAKS_MAX] = pairs(costs.rows, costs.columns, |row, column| costs.dear(row, column));
    let made = column_of.iter().enumerate().filter_map(|(row, column)| Some((row, (*column)?)));
    made.filter(|(row, column)| costs.get(*row, *column).is_finite()).collect()
}
