//! Which row goes with which column at the least cost in all: shortest augmenting paths on fixed arrays.
//!
//! The method of Crouse 2016, doi:10.1109/TAES.2016.140952. Equal sums are decided as SciPy decides them, because the networks
//! whose keypoints are paired here were judged with it.

/// The column of each row; `None` where there are fewer columns than rows. Both at most `N`; costs are finite.
pub(super) fn pairs<const N: usize>(
    rows: usize,
    columns: usize,
    cost: impl Fn(usize, usize) -> f64,
) -> [Option<usize>; N] {
    let (rows, columns) = (rows.min(N), columns.min(N));
    if rows > columns {
        // Each of the fewer must find its place, so they are the rows.
        return assign(columns, rows, |row, column| cost(column, row));
    }
    let row_of: [Option<usize>; N] = assign(rows, columns, cost);
    let mut column_of = [None; N];
    for (column, row) in row_of.iter().enumerate() {
        row.iter().for_each(|row| column_of[*row] = Some(column));
    }
    column_of
}

/// The row of each column at the least cost, no more rows than columns.
fn assign<const N: usize>(rows: usize, columns: usize, cost: impl Fn(usize, usize) -> f64) -> [Option<usize>; N] {
    let mut row_price = [0.0; N];
    let mut column_price = [0.0; N];
    let mut column_of = [None; N];
    let mut row_of: [Option<usize>; N] = [None; N];
    for row in 0..rows {
        let mut path = Path::new();
        let Some(end) =
            path.search(row, columns, &row_of, |row, column| cost(row, column) - row_price[row] - column_price[column])
        else {
            continue;
        };
        row_price[row] += path.least;
        for other in (0..rows).filter(|other| *other != row && path.rows_seen[*other]) {
            let column: Option<usize> = column_of[other];
            row_price[other] += path.least - column.map_or(0.0, |column| path.shortest[column]);
        }
        for column in (0..columns).filter(|column| path.columns_seen[*column]) {
            column_price[column] -= path.least - path.shortest[column];
        }
        let mut column = end;
        loop {
            let from = path.from[column];
            row_of[column] = Some(from);
            let before = column_of[from].replace(column);
            match before {
                Some(before) if from != row => column = before,
                _ => break,
            }
        }
    }
    row_of
}

/// One search for a free column.
struct Path<const N: usize> {
    /// Cost of the path to the column where it ended.
    least: f64,
    rows_seen: [bool; N],
    columns_seen: [bool; N],
    /// Cost of the shortest path to each column.
    shortest: [f64; N],
    /// The row before each column on that path.
    from: [usize; N],
}

impl<const N: usize> Path<N> {
    fn new() -> Self {
        Self { least: 0.0, rows_seen: [false; N], columns_seen: [false; N], shortest: [f64::INFINITY; N], from: [0; N] }
    }

    fn search(
        &mut self,
        start: usize,
        columns: usize,
        row_of: &[Option<usize>; N],
        reduced: impl Fn(usize, usize) -> f64,
    ) -> Option<usize> {
        // The last column first, as SciPy does: this decides among equals.
        let mut open: heapless::Vec<usize, N> = (0..columns).rev().collect();
        let mut row = start;
        loop {
            self.rows_seen[row] = true;
            let mut nearest: Option<usize> = None;
            let mut lowest = f64::INFINITY;
            for (place, column) in open.iter().copied().enumerate() {
                let through = self.least + reduced(row, column);
                if through < self.shortest[column] {
                    (self.shortest[column], self.from[column]) = (through, row);
                }
                let here = self.shortest[column];
                if here < lowest || (here == lowest && row_of[column].is_none()) {
                    (lowest, nearest) = (here, Some(place));
                }
            }
            let column = open.swap_remove(nearest?);
            self.least = lowest;
            self.columns_seen[column] = true;
            match row_of[column] {
                Some(next) => row = next,
                None => return Some(column),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Worth = [[f32; 6]; 6];

    fn largest(worth: &Worth, rows: usize, columns: usize) -> [Option<usize>; 6] {
        pairs(rows, columns, |row, column| -f64::from(worth[row][column]))
    }

    /// The largest sum, by trying all.
    fn best(worth: &Worth, rows: usize, columns: usize, row: usize, used: u32) -> f32 {
        if row == rows {
            return 0.0;
        }
        let alone = if rows > columns { best(worth, rows, columns, row + 1, used) } else { f32::MIN };
        (0..columns)
            .filter(|column| used & (1 << column) == 0)
            .map(|column| worth[row][column] + best(worth, rows, columns, row + 1, used | (1 << column)))
            .fold(alone, f32::max)
    }

    #[test]
    fn the_sum_is_the_largest_of_all() {
        let mut seed = 7u32;
        for round in 0..300 {
            let (rows, columns) = (1 + round % 6, 1 + round / 6 % 6);
            let mut worth: Worth = Default::default();
            worth.iter_mut().flatten().for_each(|value| {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                *value = (seed >> 24) as f32 / 16.0;
            });
            let pairs = largest(&worth, rows, columns);
            let sum: f32 = pairs.iter().enumerate().filter_map(|(r, c)| c.map(|c| worth[r][c])).sum();
            assert_eq!(pairs.iter().flatten().count(), rows.min(columns));
            assert!((sum - best(&worth, rows, columns, 0, 0)).abs() < 1e-3, "{rows}x{columns}: {sum}");
        }
    }

    #[test]
    fn among_equals_it_decides_as_scipy_does() {
        // scipy.optimize.linear_sum_assignment(numpy.zeros((2, 3)), maximize=True) gives the columns 0 and 1.
        let worth: Worth = Default::default();
        assert_eq!(largest(&worth, 2, 3)[..2], [Some(0), Some(1)]);
    }
}
