//! One mouse: its measures, what it is doing, and how rear and tail follow the trunk.

use super::body::{Build, Posture, TAIL, wrap};
use super::dice::Dice;
use super::floor::{Point, SHELTER};
use super::layout::{Layout, Piece};
use super::look::Look;

/// A place with a roof.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Den {
    /// The nest under the grey ramp, one door.
    Nest,
    /// The shelter at the lower right, a door at its left and one at its top.
    Shelter,
}

impl Den {
    /// Where a mouse goes to be inside, arena pixels.
    pub fn inside(self) -> Point {
        match self {
            Self::Nest => [281.0, 44.0],
            Self::Shelter => [483.0, 394.0],
        }
    }

    /// The place before door `which`.
    pub fn door(self, which: usize) -> Point {
        match (self, which % 2) {
            (Self::Nest, _) => [282.0, 120.0],
            (Self::Shelter, 0) => [415.0, 394.0],
            (Self::Shelter, _) => [483.0, 326.0],
        }
    }
}

/// What one mouse is doing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Doing {
    /// Sits still.
    Rest,
    /// Goes to its target.
    Walk,
    /// Goes to its target fast.
    Run,
    /// Stands up.
    Rear,
    /// Sits curled and washes.
    Groom,
    /// Runs after another (its index).
    Chase(usize),
    /// Runs from another.
    Flee(usize),
    /// Lies against another.
    Huddle(usize),
    /// Goes through a door into a den; true once past the door.
    Enter(Den, usize, bool),
    /// Is in a den.
    Inside(Den),
    /// Comes out by a door.
    Leave(Den, usize),
}

/// One mouse.
#[derive(Clone, Debug)]
pub struct Mouse {
    /// Index into the individuals.
    pub identity: usize,
    /// Its measures.
    pub build: Build,
    /// Its posture now.
    pub posture: Posture,
    /// What it does.
    pub doing: Doing,
    /// Height in the pile: the higher is drawn over the lower.
    pub height: f32,
    /// Arena pixels a second, as a vector.
    pub velocity: Point,
    /// Seconds until it does something else.
    pub(super) left_s: f32,
    /// Where it is going, arena pixels.
    pub(super) target: Point,
    /// How fast it wants to go, arena pixels a second.
    pub(super) speed: f32,
    /// How far it strays from its way, in about radians.
    pub(super) wander: f32,
    /// Its own time, for sway and stride.
    pub(super) clock_s: f32,
    /// The uprightness that the posture tends to.
    pub(super) goal_upright: f32,
    /// The stretch that the posture tends to.
    pub(super) goal_stretch: f32,
    /// How far it turns its head round while it sits, radians.
    pub(super) curl: f32,
    /// For how long it has not come forward.
    pub(super) stuck_s: f32,
    /// Whether it passes close to others.
    pub(super) bold: bool,
}

impl Mouse {
    /// A mouse that rests at `at`.
    pub fn new(identity: usize, at: Point, heading: f32, look: &Look, dice: &mut Dice) -> Self {
        let size = look.size * dice.between(0.92, 1.08);
        let mut build = Build {
            length: 63.0 * size * dice.between(0.95, 1.06),
            width: 10.8 * size * dice.between(0.9, 1.12),
            tail: 62.0 * size * dice.between(0.85, 1.1),
            ear: 3.1 * size * dice.between(0.75, 1.2),
            waist: dice.between(-0.2, 1.2),
        };
        if look.spread > 0.0 {
            let mut other = |v: &mut f32| *v *= 1.0 + look.spread * dice.between(-1.0, 1.0);
            other(&mut build.length);
            other(&mut build.width);
            other(&mut build.tail);
            other(&mut build.ear);
        }
        let posture = Posture {
            centre: at,
            head: heading,
            trunk: heading,
            rear: heading,
            stretch: 1.0,
            upright: 0.0,
            stride: 0.0,
            tail: [at; TAIL],
        };
        let mut mouse = Self {
            identity,
            build,
            posture,
            doing: Doing::Rest,
            height: identity as f32,
            velocity: [0.0; 2],
            left_s: 0.2,
            target: at,
            speed: 0.0,
            wander: 0.0,
            clock_s: dice.between(0.0, 9.0),
            goal_upright: 0.0,
            goal_stretch: 1.0,
            curl: 0.0,
            stuck_s: 0.0,
            bold: false,
        };
        mouse.lay_tail(dice.between(-0.12, 0.12));
        mouse
    }

    /// Lays the tail out anew, bending by `bend` radians a node.
    pub fn lay_tail(&mut self, bend: f32) {
        let (root, mut direction) = self.posture.tail_root(&self.build);
        let step = self.build.tail / (TAIL - 1) as f32;
        self.posture.tail[0] = root;
        for i in 1..TAIL {
            let last = self.posture.tail[i - 1];
            self.posture.tail[i] = [last[0] + direction.cos() * step, last[1] + direction.sin() * step];
            direction += bend;
        }
    }

    /// The tail is dragged: each node stays one step behind the last and bends only so far.
    fn drag_tail(&mut self, dt: f32, layout: &Layout) {
        let (root, mut direction) = self.posture.tail_root(&self.build);
        let step = self.build.tail / (TAIL - 1) as f32;
        let jumped = (root[0] - self.posture.tail[0][0]).hypot(root[1] - self.posture.tail[0][1]) > 40.0;
        if jumped {
            return self.lay_tail(0.05);
        }
        self.posture.tail[0] = root;
        let sway = (self.clock_s * 2.3).sin() * 0.25 + (self.clock_s * 0.9).cos() * 0.2;
        for i in 1..TAIL {
            let (last, old) = (self.posture.tail[i - 1], self.posture.tail[i]);
            let dragged = (old[1] - last[1]).atan2(old[0] - last[0]);
            let most = if i == 1 { 0.4 } else { 0.22 };
            let mut bend = wrap(dragged - direction).clamp(-most, most);
            bend += (sway * 0.35 - bend * 0.6) * dt * if i < 4 { 1.6 } else { 0.7 };
            direction += bend;
            self.posture.tail[i] = [last[0] + direction.cos() * step, last[1] + direction.sin() * step];
        }
        if let Doing::Inside(den) = self.doing
            && layout.piece(den) == Piece::Built
        {
            // Indoors the tail lies along the walls.
            let [l, t, r, b] = room(den);
            for p in &mut self.posture.tail {
                *p = [p[0].clamp(l, r), p[1].clamp(t, b)];
            }
        }
    }

    /// Rear, stretch and tail follow the trunk.
    pub fn hold_shape(&mut self, dt: f32, layout: &Layout) {
        let pace = self.velocity[0].hypot(self.velocity[1]);
        let ease = (6.0 * dt).min(1.0);
        let posture = &mut self.posture;
        let follow = ((1.5 + pace / 14.0) * dt).min(1.0);
        let bent = if pace < 20.0 { -self.curl * 0.8 } else { 0.0 };
        posture.rear += wrap(posture.trunk + bent - posture.rear) * follow;
        let lag = wrap(posture.rear - posture.trunk);
        posture.rear = posture.trunk + lag.clamp(-1.1, 1.1);
        let ahead = wrap(posture.head - posture.trunk);
        posture.head = posture.trunk + ahead.clamp(-1.35, 1.35);
        posture.upright += (self.goal_upright - posture.upright) * ease;
        posture.stretch += (self.goal_stretch - posture.stretch) * ease;
        posture.stride = (self.clock_s * (4.0 + pace / 9.0)).sin() * (pace / 60.0).min(1.0);
        self.drag_tail(dt, layout);
    }
}

/// Left, top, right, bottom of a den's floor.
fn room(den: Den) -> [f32; 4] {
    let polygon = match den {
        Den::Nest => return [248.0, -4.0, 313.0, 78.0],
        Den::Shelter => SHELTER,
    };
    [polygon[0][0] + 4.0, polygon[0][1] + 4.0, polygon[2][0] - 4.0, polygon[2][1] - 4.0]
}
