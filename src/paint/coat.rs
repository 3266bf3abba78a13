//! What one coat looks like: where the tints of its pictures lie, and how likely another picture is one of them.

use super::colour::Tint;

/// A covariance of tints.
pub type Spread = [[f32; 3]; 3];

/// Degrees of freedom of Student's t: pictures lie further out than a Gaussian allows, by shadow, soil and reflections.
const FREEDOM: f32 = 4.0;

/// One coat's distribution of tints.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Coat {
    /// Its middle.
    pub tint: Tint,
    /// Inverse of its covariance.
    inverse: Spread,
    /// Half the logarithm of its covariance's determinant.
    half_log_size: f32,
}

impl Coat {
    /// Around `tint`; `spread` is symmetric and positive definite.
    pub fn new(tint: Tint, spread: &Spread) -> Self {
        let (inverse, size) = inverted(spread);
        Self { tint, inverse, half_log_size: 0.5 * size.max(1e-30).ln() as f32 }
    }

    /// Logarithm of how likely the coat shows this tint, less a constant that all coats share.
    pub fn log_likelihood(&self, tint: &Tint) -> f32 {
        let away = self.away(tint);
        -self.half_log_size - 0.5 * (FREEDOM + 3.0) * (away * away / FREEDOM).ln_1p()
    }

    /// How far a tint lies from the middle, in standard deviations.
    pub fn away(&self, tint: &Tint) -> f32 {
        length(&std::array::from_fn(|i| tint[i] - self.tint[i]), &self.inverse)
    }
}

/// How far apart two middles are, in standard deviations of the two coats' mean covariance.
pub fn apart((a, spread_a): (&Tint, &Spread), (b, spread_b): (&Tint, &Spread)) -> f32 {
    let mean = std::array::from_fn(|i| std::array::from_fn(|j| 0.5 * (spread_a[i][j] + spread_b[i][j])));
    length(&std::array::from_fn(|i| a[i] - b[i]), &inverted(&mean).0)
}

/// Length of a vector in the metric of an inverse covariance.
fn length(vector: &Tint, inverse: &Spread) -> f32 {
    let squared: f32 = (0..3).map(|i| (0..3).map(|j| vector[i] * inverse[i][j] * vector[j]).sum::<f32>()).sum();
    squared.max(0.0).sqrt()
}

/// Inverse and determinant.
fn inverted(m: &Spread) -> (Spread, f64) {
    let m = m.map(|row| row.map(f64::from));
    let minor = |i: usize, j: usize| {
        let (a, b, c, d) = ((i + 1) % 3, (i + 2) % 3, (j + 1) % 3, (j + 2) % 3);
        m[a][c] * m[b][d] - m[a][d] * m[b][c]
    };
    let size: f64 = (0..3).map(|j| m[0][j] * minor(0, j)).sum();
    let over = if size.abs() < 1e-30 { 1e-30 } else { size };
    (std::array::from_fn(|i| std::array::from_fn(|j| (minor(j, i) / over) as f32)), size)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPREAD: Spread = [[0.04, 0.01, 0.0], [0.01, 0.09, 0.02], [0.0, 0.02, 0.16]];

    #[test]
    fn the_inverse_undoes_the_covariance() {
        let (inverse, size) = inverted(&SPREAD);
        for (i, row) in SPREAD.iter().enumerate() {
            for j in [0, 1, 2] {
                let product: f32 = row.iter().zip(&inverse).map(|(value, other)| value * other[j]).sum();
                assert!((product - f32::from(u8::from(i == j))).abs() < 1e-4, "{i}{j}: {product}");
            }
        }
        assert!((size - 0.000544).abs() < 1e-6, "{size}");
    }

    #[test]
    fn the_middle_is_likelier_than_anything_else() {
        let coat = Coat::new([0.1, -0.2, 5.0], &SPREAD);
        let at_home = coat.log_likelihood(&[0.1, -0.2, 5.0]);
        for tint in [[0.2, -0.2, 5.0], [0.1, -0.3, 5.0], [0.1, -0.2, 4.8], [9.0, 9.0, 9.0]] {
            assert!(coat.log_likelihood(&tint) < at_home, "{tint:?}");
        }
        assert!((coat.away(&[0.3, -0.2, 5.0]) - 1.0).abs() < 0.1);
    }
}
