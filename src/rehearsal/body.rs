//! The shape of one mouse in one posture: spine, widths, tail, ears, paws, and where its keypoints are.

use super::floor::Point;
use super::lens::Lens;

/// Nodes along the spine, nose first, tail base last.
pub const SPINE: usize = 13;
/// Nodes along the tail, its base first.
pub const TAIL: usize = 10;
/// Half width of the body along the spine against the widest place.
const PROFILE: [f32; SPINE] = [0.13, 0.36, 0.53, 0.60, 0.66, 0.75, 0.85, 0.95, 1.0, 0.97, 0.84, 0.60, 0.27];

/// What a drawn-in waist takes from the profile.
const WAIST: [f32; SPINE] = [0.0, 0.0, 0.0, 0.02, 0.06, 0.13, 0.17, 0.1, 0.0, -0.03, -0.02, 0.05, 0.03];

/// What does not change about one animal.
#[derive(Clone, Debug)]
pub struct Build {
    /// Nose to tail base, arena pixels.
    pub length: f32,
    /// Half width at the haunches, arena pixels.
    pub width: f32,
    /// Tail length, arena pixels.
    pub tail: f32,
    /// Ear radius, arena pixels.
    pub ear: f32,
    /// How much the waist is drawn in, 0 none to 1.
    pub waist: f32,
}

/// What changes from frame to frame, arena pixels and radians.
#[derive(Clone, Debug)]
pub struct Posture {
    /// Body centre.
    pub centre: Point,
    /// Directions of head, trunk and rear; 0 points right, a quarter turn points down the picture.
    pub head: f32,
    /// See `head`.
    pub trunk: f32,
    /// See `head`.
    pub rear: f32,
    /// Length against the relaxed one.
    pub stretch: f32,
    /// 0 on four paws, 1 upright on the hind legs.
    pub upright: f32,
    /// Spread of the paws while walking, -1 to 1.
    pub stride: f32,
    /// Tail nodes, arena pixels.
    pub tail: [Point; TAIL],
}

/// A mouse laid out in camera pixels.
#[derive(Clone, Debug)]
pub struct Body {
    /// Spine nodes.
    pub spine: [Point; SPINE],
    /// Half width at each spine node.
    pub radius: [f32; SPINE],
    /// Tail nodes.
    pub tail: [Point; TAIL],
    /// Half width at each tail node.
    pub tail_radius: [f32; TAIL],
    /// Ear centres, left then right.
    pub ears: [Point; 2],
    /// Ear radius.
    pub ear: f32,
    /// Paw centres: front left, front right, hind left, hind right.
    pub paws: [Point; 4],
    /// The nine keypoints.
    pub points: [Point; 9],
    /// Left, top, right, bottom of everything.
    pub bounds: [f32; 4],
    /// Nose to tail base along the spine.
    pub length: f32,
    /// Share of uprightness, for the shading.
    pub upright: f32,
}

/// Where a picture point lies on a body.
#[derive(Clone, Copy, Debug)]
pub struct Spot {
    /// Signed distance to the outline, negative inside.
    pub distance: f32,
    /// Along the spine, 0 nose to 1 tail base.
    pub along: f32,
    /// Across, -1 the left outline to 1 the right one.
    pub across: f32,
}

/// The unit vector to the left of `heading` as the mouse itself has it. The picture's y points down, so a mouse that
/// faces up the picture has its left at the picture's left.
pub fn leftwards(heading: f32) -> Point {
    [heading.sin(), -heading.cos()]
}

/// `angle` brought into -π to π.
pub fn wrap(angle: f32) -> f32 {
    let turns = (angle / std::f32::consts::TAU).round();
    angle - turns * std::f32::consts::TAU
}

impl Posture {
    /// Direction of the spine (towards the nose) at a share of the body.
    fn heading(&self, along: f32) -> f32 {
        if along < 0.5 {
            let t = ((0.5 - along) / 0.32).clamp(0.0, 1.0);
            self.trunk + wrap(self.head - self.trunk) * t
        } else {
            let t = ((along - 0.5) / 0.45).clamp(0.0, 1.0);
            self.trunk + wrap(self.rear - self.trunk) * t
        }
    }

    /// Spine nodes in arena pixels, and the length of one step.
    fn spine(&self, build: &Build) -> ([Point; SPINE], f32) {
        let step = build.length * self.stretch * (1.0 - 0.42 * self.upright) / (SPINE - 1) as f32;
        let mut spine = [self.centre; SPINE];
        let middle = SPINE / 2;
        for i in (0..middle).rev() {
            let h = self.heading((i as f32 + 0.5) / (SPINE - 1) as f32);
            spine[i] = [spine[i + 1][0] + h.cos() * step, spine[i + 1][1] + h.sin() * step];
        }
        for i in middle + 1..SPINE {
            let h = self.heading((i as f32 - 0.5) / (SPINE - 1) as f32);
            spine[i] = [spine[i - 1][0] - h.cos() * step, spine[i - 1][1] - h.sin() * step];
        }
        (spine, step)
    }

    /// Where the tail begins and the direction in which it leaves the body, arena space.
    pub fn tail_root(&self, build: &Build) -> (Point, f32) {
        let (spine, _) = self.spine(build);
        (spine[SPINE - 1], self.rear + std::f32::consts::PI)
    }

    /// Lays the mouse out in camera pixels.
    pub fn body(&self, build: &Build, lens: &Lens) -> Body {
        let (spine, step) = self.spine(build);
        let scale = lens.scale();
        let place = |p: Point| lens.camera_from_arena(p);
        // A shortened body is a wider one, and an upright one brings head and shoulders nearer to the camera.
        let full = build.width / self.stretch.clamp(0.6, 1.2).sqrt();
        let radius = std::array::from_fn(|i| {
            let front = 1.0 - i as f32 / (SPINE - 1) as f32;
            (PROFILE[i] - build.waist * WAIST[i]) * full * scale * (1.0 + self.upright * (0.5 * front - 0.05))
        });
        let beside = |along: f32, side: f32| {
            let at = along * (SPINE - 1) as f32;
            let i = (at as usize).min(SPINE - 2);
            let t = at - i as f32;
            let left = leftwards(self.heading(along));
            [
                spine[i][0] + (spine[i + 1][0] - spine[i][0]) * t + left[0] * side,
                spine[i][1] + (spine[i + 1][1] - spine[i][1]) * t + left[1] * side,
            ]
        };
        let grown = 1.0 + 0.3 * self.upright;
        let ear_out = full * 0.52 * grown;
        let ears = [place(beside(0.235, ear_out)), place(beside(0.235, -ear_out))];
        let flank = full * 0.82;
        let flanks = [place(beside(0.68, flank)), place(beside(0.68, -flank))];
        let s = self.stride * 0.04;
        let front = full * 0.78;
        let hind = full * 0.98;
        let paws = [
            place(beside(0.36 + s, front)),
            place(beside(0.36 - s, -front)),
            place(beside(0.82 - s, hind)),
            place(beside(0.82 + s, -hind)),
        ];
        let tail = self.tail.map(place);
        let tail_radius =
            std::array::from_fn(|i| (1.95 - 1.35 * i as f32 / (TAIL - 1) as f32) * scale * build.width / 11.0);
        let nodes = spine.map(place);
        let middle = TAIL / 2;
        let points = [
            nodes[0],
            ears[0],
            ears[1],
            flanks[0],
            flanks[1],
            nodes[SPINE / 2],
            nodes[SPINE - 1],
            tail[middle],
            tail[TAIL - 1],
        ];
        let mut bounds = [f32::MAX, f32::MAX, f32::MIN, f32::MIN];
        for p in nodes.iter().chain(&tail) {
            bounds = [bounds[0].min(p[0]), bounds[1].min(p[1]), bounds[2].max(p[0]), bounds[3].max(p[1])];
        }
        let margin = full * 1.6 * scale + 4.0;
        let bounds = [bounds[0] - margin, bounds[1] - margin, bounds[2] + margin, bounds[3] + margin];
        Body {
            spine: nodes,
            radius,
            tail,
            tail_radius,
            ears,
            ear: build.ear * scale * grown,
            paws,
            points,
            bounds,
            length: step * (SPINE - 1) as f32 * scale,
            upright: self.upright,
        }
    }
}

impl Body {
    /// Where `p` (camera pixels) lies on the trunk and head.
    pub fn spot(&self, p: Point) -> Spot {
        let mut best = Spot::NOWHERE;
        for i in 0..SPINE - 1 {
            self.spine_part(i).nearer(p, &mut best);
        }
        best
    }

    /// The stretch of trunk between spine nodes `i` and `i + 1`.
    pub fn spine_part(&self, i: usize) -> Part {
        Part::new(i, SPINE, &self.spine, &self.radius)
    }

    /// The stretch of tail between tail nodes `i` and `i + 1`.
    pub fn tail_part(&self, i: usize) -> Part {
        Part::new(i, TAIL, &self.tail, &self.tail_radius)
    }

    fn tail_spot(&self, p: Point) -> Spot {
        let mut best = Spot::NOWHERE;
        for i in 0..TAIL - 1 {
            self.tail_part(i).nearer(p, &mut best);
        }
        best
    }

    /// Whether this body, drawn above, hides what lies at `p`.
    pub fn covers(&self, p: Point) -> bool {
        let [l, t, r, b] = self.bounds;
        if p[0] < l || p[0] > r || p[1] < t || p[1] > b {
            return false;
        }
        self.spot(p).distance < -0.3
            || self.tail_spot(p).distance < -0.3
            || self.ears.iter().any(|e| (e[0] - p[0]).hypot(e[1] - p[1]) < self.ear - 0.5)
    }

    /// Whether the animal's own trunk hides its tail at `p`.
    pub fn sits_on(&self, p: Point) -> bool {
        self.spot(p).distance < -2.0
    }
}

impl Spot {
    /// Far from every body.
    pub const NOWHERE: Self = Self { distance: f32::MAX, along: 0.0, across: 0.0 };
}

/// A stretch between two nodes whose width changes evenly.
pub struct Part {
    from: Point,
    step: Point,
    inverse: f32,
    radius: f32,
    widens: f32,
    along: f32,
    share: f32,
}

impl Part {
    fn new(i: usize, nodes: usize, places: &[Point], radii: &[f32]) -> Self {
        let (a, b) = (places[i], places[i + 1]);
        let step = [b[0] - a[0], b[1] - a[1]];
        let share = 1.0 / (nodes - 1) as f32;
        Self {
            from: a,
            step,
            inverse: 1.0 / (step[0] * step[0] + step[1] * step[1]).max(1e-6),
            radius: radii[i],
            widens: radii[i + 1] - radii[i],
            along: i as f32 * share,
            share,
        }
    }

    /// Left, top, right, bottom of the points that are within `reach` of the outline.
    pub fn bounds(&self, reach: f32) -> [f32; 4] {
        let m = self.radius + self.widens.max(0.0) + reach;
        let (a, s) = (self.from, self.step);
        [a[0] + s[0].min(0.0) - m, a[1] + s[1].min(0.0) - m, a[0] + s[0].max(0.0) + m, a[1] + s[1].max(0.0) + m]
    }

    /// Replaces `best` if `p` is nearer to this part's outline.
    #[inline]
    pub fn nearer(&self, p: Point, best: &mut Spot) {
        let (px, py) = (p[0] - self.from[0], p[1] - self.from[1]);
        let t = ((px * self.step[0] + py * self.step[1]) * self.inverse).clamp(0.0, 1.0);
        let (ex, ey) = (px - t * self.step[0], py - t * self.step[1]);
        let far = (ex * ex + ey * ey).sqrt();
        let radius = self.radius + self.widens * t;
        if far - radius < best.distance {
            // The steps go backwards, from nose to tail, and y points down: what is left of the mouse has a positive
            // cross product here, and gets a negative `across`.
            let side = if self.step[0] * py - self.step[1] * px > 0.0 { -1.0 } else { 1.0 };
            *best = Spot {
                distance: far - radius,
                along: self.along + self.share * t,
                across: side * (far / radius.max(0.1)).min(1.5),
            };
        }
    }
}
