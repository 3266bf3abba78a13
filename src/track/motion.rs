//! Where an animal is and will be: a Kalman filter whose velocity dies away, as a mouse's does.
//!
//! Each axis is an Ornstein-Uhlenbeck velocity: without news it tends to zero within `DAMPING_S`, and its spread tends to
//! `SPEED` whatever the gap. So a prediction never runs off, and after a long gap the spread says how far the animal may be.

use crate::space::InCamera;

/// How long a mouse keeps its velocity, seconds: the autocorrelation of recorded trajectories falls to 1/e in this time.
const DAMPING_S: f64 = 0.35;
/// Spread of the velocity on each axis, body sizes a second. Chases reach three times this.
const SPEED: f64 = 6.0;
/// Error of a pose's centre, body sizes, at full score and what lack of score adds.
const NOISE: f64 = 0.14;
const NOISE_WITHOUT_SCORE: f64 = 0.35;

/// Position and velocity with their spread, camera pixels and pixels a second.
#[derive(Clone, Debug)]
pub struct Motion {
    at: [f64; 2],
    velocity: [f64; 2],
    /// Variance of the position, covariance, variance of the velocity: the same on both axes.
    spread: [f64; 3],
}

/// Variance of a pose's centre, square pixels, for a body `size` in pixels and a score from 0 to 1.
pub fn noise(size: f32, score: f32) -> f64 {
    let deviation = f64::from(size) * (NOISE + NOISE_WITHOUT_SCORE * (1.0 - f64::from(score)));
    deviation * deviation
}

impl Motion {
    /// A first sight, at rest as far as is known.
    pub fn new(at: InCamera, noise: f64, size: f32) -> Self {
        let speed = SPEED * f64::from(size);
        Self { at: [f64::from(at.x), f64::from(at.y)], velocity: [0.0; 2], spread: [noise, 0.0, speed * speed] }
    }

    /// Goes `seconds` on, for a body `size` in pixels.
    pub fn predict(&mut self, seconds: f64, size: f32) {
        let keeps = (-seconds / DAMPING_S).exp();
        let lost = 1.0 - keeps;
        let travel = DAMPING_S * lost;
        let speed = SPEED * f64::from(size);
        let speed2 = speed * speed;
        for axis in 0..2 {
            self.at[axis] += travel * self.velocity[axis];
            self.velocity[axis] *= keeps;
        }
        let [place, both, velocity] = self.spread;
        // The exact integrals of white acceleration through the damping.
        let damped = seconds / DAMPING_S;
        let added_place = speed2 * DAMPING_S * DAMPING_S * (2.0 * damped - 2.0 * lost - lost * lost).max(0.0);
        let added_both = speed2 * DAMPING_S * lost * lost;
        self.spread = [
            place + 2.0 * travel * both + travel * travel * velocity + added_place,
            keeps * (both + travel * velocity) + added_both,
            keeps * keeps * velocity + speed2 * (1.0 - keeps * keeps),
        ];
    }

    /// How unlikely a pose there is: the square of its distance in standard deviations, and the variance (square pixels) that
    /// was expected of it on each axis.
    pub fn surprise(&self, at: InCamera, noise: f64) -> (f64, f64) {
        let variance = self.spread[0] + noise;
        let (dx, dy) = (f64::from(at.x) - self.at[0], f64::from(at.y) - self.at[1]);
        ((dx * dx + dy * dy) / variance, variance)
    }

    /// Takes a pose's centre in.
    pub fn update(&mut self, at: InCamera, noise: f64) {
        let [place, both, velocity] = self.spread;
        let variance = place + noise;
        let (gain_place, gain_velocity) = (place / variance, both / variance);
        for (axis, seen) in [f64::from(at.x), f64::from(at.y)].into_iter().enumerate() {
            let miss = seen - self.at[axis];
            self.at[axis] += gain_place * miss;
            self.velocity[axis] += gain_velocity * miss;
        }
        self.spread =
            [place * (1.0 - gain_place), both * (1.0 - gain_place), (velocity - gain_velocity * both).max(0.0)];
    }

    /// Goes with another, within `apart` pixels of it.
    pub fn go_with(&mut self, other: &Self, apart: f64) {
        let Self { at, velocity, spread } = other;
        (self.at, self.velocity) = (*at, *velocity);
        self.spread = [self.spread[0].min(spread[0] + apart * apart), 0.0, spread[2]];
    }

    /// Where the animal is thought to be, camera pixels.
    pub fn at(&self) -> InCamera {
        InCamera { x: self.at[0] as f32, y: self.at[1] as f32 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn followed(steps: usize) -> Motion {
        let mut motion = Motion::new(InCamera { x: 0.0, y: 0.0 }, noise(20.0, 1.0), 20.0);
        for n in 1..=steps {
            motion.predict(1.0 / 30.0, 20.0);
            motion.update(InCamera { x: 4.0 * n as f32, y: 0.0 }, noise(20.0, 1.0));
        }
        motion
    }

    #[test]
    fn a_steady_walk_is_foreseen() {
        let mut motion = followed(30);
        motion.predict(1.0 / 30.0, 20.0);
        assert!(motion.at().distance(InCamera { x: 124.0, y: 0.0 }) < 1.5, "{motion:?}");
    }

    #[test]
    fn a_prediction_stops_within_the_damping() {
        let mut motion = followed(30);
        motion.predict(3600.0, 20.0);
        assert!((120.0..170.0).contains(&motion.at().x), "{motion:?}");
    }

    #[test]
    fn two_steps_are_one_step_of_their_sum() {
        let (mut twice, mut once) = (followed(5), followed(5));
        twice.predict(0.1, 20.0);
        twice.predict(0.3, 20.0);
        once.predict(0.4, 20.0);
        for (a, b) in twice.spread.iter().zip(once.spread) {
            assert!((a - b).abs() < 1e-6 * b.abs(), "{twice:?} {once:?}");
        }
        assert!(twice.at().distance(once.at()) < 1e-3);
    }
}
