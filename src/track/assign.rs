//! Which row goes with which column at the least cost in all: the Hungarian method on fixed arrays.

use crate::handover::MAX_ANIMALS;

/// Rows with their own place to stay unpaired.
const COLUMNS: usize = 2 * MAX_ANIMALS;

/// What each pair would cost. A cost that is not finite forbids the pair.
#[derive(Clone, Debug)]
pub struct Costs {
    rows: usize,
    columns: usize,
    at: [[f32; MAX_ANIMALS]; MAX_ANIMALS],
}

impl Costs {
    /// All pairs forbidden. Rows and columns beyond `MAX_ANIMALS` are left out.
    pub fn new(rows: usize, columns: usize) -> Self {
        let at = [[f32::INFINITY; MAX_ANIMALS]; MAX_ANIMALS];
        Self { rows: rows.min(MAX_ANIMALS), columns: columns.min(MAX_ANIMALS), at }
    }

    /// Says what a pair costs.
    pub fn set(&mut self, row: usize, column: usize, cost: f32) {
        self.at[row][column] = cost;
    }

    /// What a pair costs.
    pub fn get(&self, row: usize, column: usize) -> f32 {
        self.at[row][column]
    }
}

/// The column of each row.
pub type Pairs = [Option<usize>; MAX_ANIMALS];

/// The pairs with the least sum, where each row left alone costs `unpaired` (finite) and each column left alone costs nothing.
///
/// A pair that costs more than `unpaired` is therefore never made. Equal sums are decided by the order of rows and columns, so
/// the same costs always give the same pairs. About 0.2 µs for 4 × 4.
pub fn assign(costs: &Costs, unpaired: f32) -> Pairs {
    // A row that stays alone goes with a column of its own making, so that a full pairing of the rows always exists.
    let columns = costs.columns + costs.rows;
    let dear = unpaired.abs().mul_add(2.0, 1.0);
    let cost = |row: usize, column: usize| -> f32 {
        if column >= costs.columns {
            unpaired
        } else if costs.at[row][column] <= unpaired {
            costs.at[row][column].max(-1e6)
        } else {
            dear
        }
    };
    // Rows and columns count from 1 here: column 0 stands for "the row being placed".
    let mut row_price = [0.0f32; MAX_ANIMALS + 1];
    let mut column_price = [0.0f32; COLUMNS + 1];
    let mut row_of = [0usize; COLUMNS + 1];
    for row in 1..=costs.rows {
        row_of[0] = row;
        let mut least = [f32::INFINITY; COLUMNS + 1];
        let mut before = [0usize; COLUMNS + 1];
        let mut done = [false; COLUMNS + 1];
        let mut here = 0;
        while row_of[here] != 0 {
            done[here] = true;
            let from = row_of[here];
            let mut step = f32::INFINITY;
            let mut next = 0;
            for column in 1..=columns {
                if done[column] {
                    continue;
                }
                let reduced = cost(from - 1, column - 1) - row_price[from] - column_price[column];
                if reduced < least[column] {
                    least[column] = reduced;
                    before[column] = here;
                }
                if least[column] < step {
                    step = least[column];
                    next = column;
                }
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
    let mut pairs = [None; MAX_ANIMALS];
    for (column, row) in row_of[1..=costs.columns].iter().enumerate() {
        if let Some(row) = row.checked_sub(1)
            && costs.at[row][column] <= unpaired
        {
            pairs[row] = Some(column);
        }
    }
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sum(costs: &Costs, pairs: &Pairs, unpaired: f32) -> f32 {
        (0..costs.rows).map(|row| pairs[row].map_or(unpaired, |column| costs.get(row, column))).sum()
    }

    fn least_sum(costs: &Costs, row: usize, taken: u32, unpaired: f32) -> f32 {
        if row == costs.rows {
            return 0.0;
        }
        let mut best = unpaired + least_sum(costs, row + 1, taken, unpaired);
        for column in (0..costs.columns).filter(|column| taken & (1 << column) == 0) {
            if costs.get(row, column).is_finite() {
                let rest = least_sum(costs, row + 1, taken | (1 << column), unpaired);
                best = best.min(costs.get(row, column) + rest);
            }
        }
        best
    }

    fn any_costs() -> impl Strategy<Value = Costs> {
        let cost = prop_oneof![4 => -3.0f32..20.0, 1 => Just(f32::INFINITY), 1 => Just(f32::NAN)];
        (0usize..=6, 0usize..=6, proptest::collection::vec(cost, 36)).prop_map(|(rows, columns, values)| {
            let mut costs = Costs::new(rows, columns);
            for row in 0..rows {
                for column in 0..columns {
                    costs.set(row, column, values[row * 6 + column]);
                }
            }
            costs
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(400))]
        #[test]
        fn the_sum_is_the_least_that_trying_everything_finds(costs in any_costs(), unpaired in 0.5f32..25.0) {
            let pairs = assign(&costs, unpaired);
            let (found, least) = (sum(&costs, &pairs, unpaired), least_sum(&costs, 0, 0, unpaired));
            prop_assert!((found - least).abs() < 1e-3, "{found} against {least}: {pairs:?}");
        }

        #[test]
        fn no_column_is_given_twice_and_no_forbidden_pair_is_made(costs in any_costs()) {
            let pairs = assign(&costs, 10.0);
            let mut columns: std::vec::Vec<_> = pairs.iter().flatten().collect();
            columns.sort();
            columns.dedup();
            prop_assert_eq!(columns.len(), pairs.iter().flatten().count());
            for (row, column) in pairs.iter().enumerate().filter_map(|(row, column)| Some((row, (*column)?))) {
                prop_assert!(costs.get(row, column).is_finite());
            }
        }
    }

    #[test]
    fn the_nearest_pair_gives_way_to_the_least_sum() {
        let mut costs = Costs::new(2, 2);
        for (row, column, cost) in [(0, 0, 1.0), (0, 1, 2.0), (1, 0, 1.5), (1, 1, 9.0)] {
            costs.set(row, column, cost);
        }
        assert_eq!(assign(&costs, 20.0)[..2], [Some(1), Some(0)]);
    }
}
