//! Ways round the walls: which point to make for now to reach another one.

use super::floor::{Barrier, Point};

/// Places from which the mice see round the furniture.
const WAYPOINTS: [Point; 20] = [
    [226.0, 212.0],
    [226.0, 330.0],
    [286.0, 214.0],
    [286.0, 268.0],
    [345.0, 330.0],
    [355.0, 276.0],
    [318.0, 206.0],
    [412.0, 208.0],
    [410.0, 330.0],
    [356.0, 336.0],
    [424.0, 336.0],
    [416.0, 394.0],
    [483.0, 394.0],
    [483.0, 330.0],
    [424.0, 416.0],
    [222.0, 106.0],
    [344.0, 106.0],
    [282.0, 118.0],
    [282.0, 48.0],
    [492.0, 340.0],
];

/// A map of one arena's ways.
#[derive(Clone, Debug)]
pub struct Paths {
    barriers: Vec<Barrier>,
    /// Shortest way between waypoints, pixels.
    far: [[f32; WAYPOINTS.len()]; WAYPOINTS.len()],
}

impl Paths {
    /// The map of an arena with these barriers.
    pub fn new(barriers: Vec<Barrier>) -> Self {
        const N: usize = WAYPOINTS.len();
        let mut far = [[f32::INFINITY; N]; N];
        for (i, &a) in WAYPOINTS.iter().enumerate() {
            for (j, &b) in WAYPOINTS.iter().enumerate() {
                if clear(&barriers, a, b) {
                    far[i][j] = distance(a, b);
                }
            }
        }
        for k in 0..N {
            for i in 0..N {
                for j in 0..N {
                    far[i][j] = far[i][j].min(far[i][k] + far[k][j]);
                }
            }
        }
        Self { barriers, far }
    }

    /// Every wall that stands.
    pub fn barriers(&self) -> &[Barrier] {
        &self.barriers
    }

    /// Where to go now from `at` to come to `to`.
    pub fn next(&self, at: Point, to: Point) -> Point {
        if clear(&self.barriers, at, to) {
            return to;
        }
        let mut ends = [f32::INFINITY; WAYPOINTS.len()];
        for (end, &w) in ends.iter_mut().zip(&WAYPOINTS) {
            if clear(&self.barriers, w, to) {
                *end = distance(w, to);
            }
        }
        let mut best = (f32::INFINITY, to);
        for (i, &w) in WAYPOINTS.iter().enumerate() {
            let here = distance(at, w);
            // A waypoint that has been reached is no longer one to go to.
            if here < 10.0 || !clear(&self.barriers, at, w) {
                continue;
            }
            for (j, end) in ends.iter().enumerate() {
                let whole = here + self.far[i][j] + end;
                if whole < best.0 {
                    best = (whole, w);
                }
            }
        }
        best.1
    }
}

fn distance(a: Point, b: Point) -> f32 {
    (a[0] - b[0]).hypot(a[1] - b[1])
}

/// Whether a mouse can go straight from `a` to `b`.
fn clear(barriers: &[Barrier], a: Point, b: Point) -> bool {
    barriers.iter().all(|barrier| !cross(a, b, barrier, 7.0))
}

/// Whether the way from `a` to `b` crosses a barrier, whose ends reach `wider` pixels further for the body's width.
pub fn cross(a: Point, b: Point, barrier: &Barrier, wider: f32) -> bool {
    let [c, d] = *barrier;
    let long = distance(c, d).max(1.0);
    let (ux, uy) = ((d[0] - c[0]) / long * wider, (d[1] - c[1]) / long * wider);
    let (c, d) = ([c[0] - ux, c[1] - uy], [d[0] + ux, d[1] + uy]);
    let side = |p: Point, q: Point, r: Point| (q[0] - p[0]) * (r[1] - p[1]) - (q[1] - p[1]) * (r[0] - p[0]);
    side(a, b, c) * side(a, b, d) < 0.0 && side(c, d, a) * side(c, d, b) < 0.0
}
