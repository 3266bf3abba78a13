//! Which row goes with which column so that the sum is the greatest: the Hungarian method on tables of any size.

/// A table of values, row by row.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Table {
    rows: usize,
    columns: usize,
    values: Vec<f64>,
}

impl Table {
    /// All zero.
    pub(super) fn new(rows: usize, columns: usize) -> Self {
        Self { rows, columns, values: vec![0.0; rows * columns] }
    }

    /// 0 outside.
    pub(super) fn get(&self, row: usize, column: usize) -> f64 {
        if column >= self.columns { 0.0 } else { self.values.get(row * self.columns + column).copied().unwrap_or(0.0) }
    }

    /// The place of a value; nothing outside.
    pub(super) fn set(&mut self, row: usize, column: usize, value: f64) {
        if column < self.columns
            && let Some(cell) = self.values.get_mut(row * self.columns + column)
        {
            *cell = value;
        }
    }

    pub(super) fn add(&mut self, row: usize, column: usize, value: f64) {
        self.set(row, column, self.get(row, column) + value);
    }
}

/// The column of each row in the pairing with the greatest sum. As many pairs as the shorter side has are made, pairs worth 0 too;
/// values must be finite. Equal sums are decided by the order of rows and columns.
pub(super) fn pair(table: &Table) -> Vec<Option<usize>> {
    let (rows, columns) = (table.rows, table.columns);
    if rows <= columns {
        let row_of = place(rows, columns, &|row, column| -table.get(row, column));
        let mut pairs = vec![None; rows];
        for (column, row) in row_of.into_iter().enumerate() {
            if let Some(pair) = row.and_then(|row| pairs.get_mut(row)) {
                *pair = Some(column);
            }
        }
        pairs
    } else {
        place(columns, rows, &|column, row| -table.get(row, column))
    }
}

/// Places every row (no more than columns) at the least cost; gives the row of each column.
fn place(rows: usize, columns: usize, cost: &dyn Fn(usize, usize) -> f64) -> Vec<Option<usize>> {
    // Counted from 1: column 0 stands for the row that is being placed.
    let mut row_price = vec![0.0; rows + 1];
    let mut column_price = vec![0.0; columns + 1];
    let mut row_of = vec![0; columns + 1];
    let mut before = vec![0; columns + 1];
    for row in 1..=rows {
        row_of[0] = row;
        let mut least = vec![f64::INFINITY; columns + 1];
        let mut done = vec![false; columns + 1];
        let mut here = 0;
        while row_of[here] != 0 {
            done[here] = true;
            let from = row_of[here];
            let (mut step, mut next) = (f64::INFINITY, here);
            for column in (1..=columns).filter(|column| !done[*column]) {
                let reduced = cost(from - 1, column - 1) - row_price[from] - column_price[column];
                if reduced < least[column] {
                    (least[column], before[column]) = (reduced, here);
                }
                if least[column] < step {
                    (step, next) = (least[column], column);
                }
            }
            if next == here {
                // Only values that are not finite lead here: the row stays alone.
                return (1..=columns).map(|column| row_of[column].checked_sub(1)).collect();
            }
            for column in 0..=columns {
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
    (1..=columns).map(|column| row_of[column].checked_sub(1)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(rows: &[&[f64]]) -> Table {
        let values: Vec<f64> = rows.iter().flat_map(|row| row.iter().copied()).collect();
        Table { rows: rows.len(), columns: values.len() / rows.len().max(1), values }
    }

    #[test]
    fn the_greatest_pair_gives_way_to_the_greatest_sum() {
        assert_eq!(pair(&table(&[&[9.0, 8.0], &[8.0, 1.0]])), [Some(1), Some(0)]);
    }

    #[test]
    fn of_the_longer_side_some_stay_alone() {
        assert_eq!(pair(&table(&[&[1.0, 5.0, 2.0]])), [Some(1)]);
        assert_eq!(pair(&table(&[&[1.0], &[5.0], &[2.0]])), [None, Some(0), None]);
        assert_eq!(pair(&Table::new(0, 3)), []);
        assert_eq!(pair(&Table::new(2, 0)), [None, None]);
    }

    #[test]
    fn what_is_not_finite_ends() {
        assert_eq!(pair(&table(&[&[f64::NAN, f64::NAN], &[1.0, 2.0]])).len(), 2);
    }
}
