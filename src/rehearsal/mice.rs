//! How the mice behave together: what each one does next, where it steers, and who makes way for whom.

use super::body::{Posture, wrap};
use super::dice::Dice;
use super::floor::{Barrier, NEST, Point, segment_nearest};
use super::layout::{Layout, Piece};
use super::look::Look;
use super::mouse::{Den, Doing, Mouse};
use super::paths::{Paths, cross};

/// All mice of an arena and the dice that move them.
#[derive(Clone, Debug)]
pub struct Mice {
    /// The mice, by identity.
    pub all: Vec<Mouse>,
    dice: Dice,
    paths: Paths,
    layout: Layout,
}

fn distance(a: Point, b: Point) -> f32 {
    (a[0] - b[0]).hypot(a[1] - b[1])
}

impl Mice {
    /// Mice of the given identities at random places.
    pub fn new(identities: &[usize], look: &Look, mut dice: Dice) -> Self {
        let mut all: Vec<Mouse> = Vec::with_capacity(identities.len());
        for &identity in identities {
            let mut at = free_place(&look.layout, &mut dice);
            for _ in 0..20 {
                if all.iter().all(|m| distance(m.posture.centre, at) > 60.0) {
                    break;
                }
                at = free_place(&look.layout, &mut dice);
            }
            let heading = dice.heading();
            all.push(Mouse::new(identity, at, heading, look, &mut dice));
        }
        Self { all, dice, paths: Paths::new(look.layout.barriers()), layout: look.layout.clone() }
    }

    /// The plan of their arena.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// A random place on the open floor.
    pub fn somewhere(&self, dice: &mut Dice) -> Point {
        free_place(&self.layout, dice)
    }

    /// Puts one mouse somewhere, doing something for `for_s` seconds.
    pub fn put(&mut self, index: usize, at: Point, heading: f32, doing: Doing, for_s: f32) {
        let target = self.dice_target(at);
        let bend = self.dice.between(-0.15, 0.15);
        let lag = self.dice.normal() * 0.35;
        let Some(mouse) = self.all.get_mut(index) else { return };
        mouse.posture.centre = at;
        mouse.posture.trunk = heading;
        mouse.posture.head = heading + lag;
        mouse.posture.rear = heading - lag * 0.8;
        mouse.target = target;
        mouse.stuck_s = 0.0;
        mouse.lay_tail(bend);
        self.begin(index, doing, for_s);
        if matches!(doing, Doing::Rear | Doing::Groom) {
            let mouse = &mut self.all[index];
            mouse.posture.upright = mouse.goal_upright;
            mouse.posture.stretch = mouse.goal_stretch;
        }
    }

    fn dice_target(&mut self, from: Point) -> Point {
        for _ in 0..10 {
            // Mice keep to the walls.
            let mut p = free_place(&self.layout, &mut self.dice);
            if self.dice.chance(0.55) {
                let [l, t, r, b] = self.layout.bounds;
                match self.dice.below(4) {
                    0 => p[0] = l + 6.0,
                    1 => p[1] = t + 6.0,
                    2 => p[0] = r - 6.0,
                    _ => p[1] = b - 6.0,
                }
                if !self.layout.is_free(p) {
                    continue;
                }
            }
            if distance(p, from) > 60.0 {
                return p;
            }
        }
        free_place(&self.layout, &mut self.dice)
    }

    /// Lets mouse `index` begin `doing`.
    pub fn begin(&mut self, index: usize, doing: Doing, for_s: f32) {
        let speed = match doing {
            Doing::Walk => self.dice.between(45.0, 180.0),
            Doing::Run | Doing::Chase(_) => self.dice.between(190.0, 380.0),
            Doing::Flee(_) => self.dice.between(200.0, 390.0),
            Doing::Huddle(_) => self.dice.between(40.0, 90.0),
            Doing::Enter(..) | Doing::Leave(..) => self.dice.between(60.0, 150.0),
            Doing::Inside(_) => 25.0,
            Doing::Rest | Doing::Rear | Doing::Groom => 0.0,
        };
        let (upright, stretch, curl) = match doing {
            Doing::Rear => (self.dice.between(0.4, 1.0), 1.0, 0.0),
            Doing::Groom => (0.15, self.dice.between(0.66, 0.82), self.dice.between(-1.3, 1.3)),
            Doing::Rest => (0.0, self.dice.between(0.8, 1.0), self.dice.between(-0.8, 0.8)),
            Doing::Huddle(_) => (0.0, self.dice.between(0.72, 0.95), self.dice.between(-1.0, 1.0)),
            Doing::Inside(_) => (0.0, 0.68, self.dice.between(-1.2, 1.2)),
            Doing::Run | Doing::Chase(_) | Doing::Flee(_) => (0.0, self.dice.between(1.02, 1.14), 0.0),
            _ => (0.0, self.dice.between(0.92, 1.06), 0.0),
        };
        if let Doing::Chase(prey) = doing
            && let Some(other) = self.all.get_mut(prey)
            && !matches!(other.doing, Doing::Inside(_) | Doing::Enter(..) | Doing::Leave(..))
        {
            other.doing = Doing::Flee(index);
            other.left_s = for_s;
            other.speed = speed * 1.02;
            other.goal_upright = 0.0;
            other.goal_stretch = 1.08;
            other.curl = 0.0;
        }
        let Some(mouse) = self.all.get_mut(index) else { return };
        mouse.doing = doing;
        mouse.left_s = for_s;
        mouse.speed = speed;
        mouse.goal_upright = upright;
        mouse.goal_stretch = stretch;
        mouse.curl = curl;
    }

    /// What mouse `index` does next.
    fn choose(&mut self, index: usize) {
        let others = self.all.len() - 1;
        let other = if others > 0 { (index + 1 + self.dice.below(others)) % self.all.len() } else { index };
        let social = if others > 0 { 1.0 } else { 0.0 };
        let den = if self.dice.chance(0.5) { Den::Nest } else { Den::Shelter };
        let door = self.dice.below(2);
        match self.all[index].doing {
            Doing::Inside(den) => {
                let for_s = 5.0;
                return self.begin(index, Doing::Leave(den, door), for_s);
            }
            Doing::Enter(den, _, true) => {
                let for_s = self.dice.between(2.0, 9.0);
                return self.begin(index, Doing::Inside(den), for_s);
            }
            _ => {}
        }
        let at = self.all[index].posture.centre;
        self.all[index].target = self.dice_target(at);
        self.all[index].bold = self.dice.chance(0.2);
        let crowded = self.all.iter().enumerate().any(|(j, m)| j != index && distance(m.posture.centre, at) < 50.0);
        // Sitting down beside another is a huddle; otherwise a mouse moves on first.
        let still = if crowded { 0.2 } else { 1.0 };
        let weights = [0.14 * still, 0.46, 0.11, 0.1 * still, 0.06 * still, 0.05 * social, 0.02 * social, 0.06];
        let (doing, for_s) = match self.dice.pick(&weights) {
            0 => (Doing::Rest, self.dice.between(0.4, 3.5)),
            1 => (Doing::Walk, self.dice.between(1.5, 6.0)),
            2 => (Doing::Run, self.dice.between(0.6, 2.0)),
            3 => (Doing::Rear, self.dice.between(0.5, 2.0)),
            4 => (Doing::Groom, self.dice.between(1.5, 6.0)),
            5 => (Doing::Chase(other), self.dice.between(1.2, 3.0)),
            6 => (Doing::Huddle(other), self.dice.between(2.0, 8.0)),
            _ if self.layout.piece(den) == Piece::Missing => (Doing::Walk, 3.0),
            _ => (Doing::Enter(den, door, false), 8.0),
        };
        self.begin(index, doing, for_s);
    }

    /// Moves everything on by `dt` seconds.
    pub fn step(&mut self, dt: f32) {
        for index in 0..self.all.len() {
            let mouse = &mut self.all[index];
            mouse.left_s -= dt;
            mouse.clock_s += dt;
            let arrived = distance(mouse.posture.centre, mouse.target) < 14.0;
            let done = match mouse.doing {
                Doing::Walk | Doing::Run => arrived || mouse.left_s < 0.0,
                _ => mouse.left_s < 0.0,
            };
            if done || mouse.stuck_s > 0.6 {
                self.all[index].stuck_s = 0.0;
                self.choose(index);
            }
            self.steer(index, dt);
        }
        self.separate(dt);
        for mouse in &mut self.all {
            mouse.hold_shape(dt, &self.layout);
        }
        self.restack();
    }

    /// Where mouse `index` wants to be now, and how fast.
    fn goal(&mut self, index: usize) -> (Point, f32) {
        let mouse = &self.all[index];
        let at = mouse.posture.centre;
        match mouse.doing {
            Doing::Rest | Doing::Rear | Doing::Groom => (at, 0.0),
            Doing::Walk | Doing::Run => (mouse.target, mouse.speed),
            Doing::Chase(prey) => {
                let prey = &self.all[prey.min(self.all.len() - 1)];
                let (root, _) = prey.posture.tail_root(&prey.build);
                (root, mouse.speed)
            }
            Doing::Flee(hunter) => {
                let from = self.all[hunter.min(self.all.len() - 1)].posture.centre;
                let (dx, dy) = (at[0] - from[0], at[1] - from[1]);
                let far = dx.hypot(dy).max(1.0);
                let side = mouse.wander * 60.0;
                ([at[0] + dx / far * 80.0 - dy / far * side, at[1] + dy / far * 80.0 + dx / far * side], mouse.speed)
            }
            Doing::Huddle(other) => {
                let to = self.all[other.min(self.all.len() - 1)].posture.centre;
                (to, if distance(at, to) > 24.0 { mouse.speed } else { 0.0 })
            }
            Doing::Enter(den, _, true) | Doing::Inside(den) => {
                let to = self.layout.den(den, den.inside());
                (to, mouse.speed.min(distance(at, to) * 3.0))
            }
            Doing::Enter(den, door, false) => {
                let to = self.layout.den(den, den.door(door));
                if distance(at, to) < 22.0 {
                    self.all[index].doing = Doing::Enter(den, door, true);
                    self.all[index].left_s = 2.5;
                }
                (to, self.all[index].speed)
            }
            Doing::Leave(den, door) => {
                let to = self.layout.den(den, den.door(door));
                if distance(at, to) < 16.0 {
                    self.all[index].left_s = -1.0;
                }
                (to, self.all[index].speed)
            }
        }
    }

    fn steer(&mut self, index: usize, dt: f32) {
        let (to, speed) = self.goal(index);
        let drift = self.dice.normal();
        let to = if speed > 1.0 { self.paths.next(self.all[index].posture.centre, to) } else { to };
        let shy = self.shy(index);
        let mouse = &mut self.all[index];
        mouse.wander += -mouse.wander * 1.2 * dt + drift * dt.sqrt();
        let at = mouse.posture.centre;
        let mut wish = [to[0] - at[0], to[1] - at[1]];
        let far = wish[0].hypot(wish[1]).max(1e-3);
        wish = [wish[0] / far + shy[0], wish[1] / far + shy[1]];
        let indoors = matches!(mouse.doing, Doing::Inside(_) | Doing::Leave(..) | Doing::Enter(_, _, true));
        let nose = [at[0] + mouse.posture.trunk.cos() * 26.0, at[1] + mouse.posture.trunk.sin() * 26.0];
        for barrier in self.paths.barriers() {
            let near = segment_nearest(barrier[0], barrier[1], nose);
            let gap = distance(near, nose).max(1.0);
            if gap < 14.0 && !indoors {
                let push = 1.2 * (1.0 - gap / 14.0);
                let back = segment_nearest(barrier[0], barrier[1], at);
                let d = distance(back, at).max(1.0);
                wish[0] += (at[0] - back[0]) / d * push;
                wish[1] += (at[1] - back[1]) / d * push;
            }
        }
        if !indoors {
            let [l, t, r, b] = self.layout.bounds;
            let lean = |gap: f32| (1.0 - gap / 16.0).clamp(0.0, 1.5) * 1.2;
            wish[0] += lean(nose[0] - l) - lean(r - nose[0]);
            wish[1] += lean(nose[1] - t) - lean(b - nose[1]);
        }
        let aim = wish[1].atan2(wish[0]) + mouse.wander * 0.5;
        let current = mouse.velocity[0].hypot(mouse.velocity[1]);
        let posture = &mut mouse.posture;
        if speed > 1.0 {
            let turn = wrap(aim - posture.trunk);
            let most = (3.5 + current / 50.0) * dt;
            posture.trunk += turn.clamp(-most, most);
            let lead = turn.clamp(-0.75, 0.75);
            posture.head += wrap(posture.trunk + lead + mouse.wander * 0.3 - posture.head) * (9.0 * dt).min(1.0);
            // Sharp turns are made slowly.
            let pace = speed * (1.0 - 0.92 * (turn.abs() / 1.6).min(1.0));
            let now = current + (pace - current).clamp(-900.0 * dt, 600.0 * dt);
            mouse.velocity = [posture.trunk.cos() * now, posture.trunk.sin() * now];
        } else {
            let nod = (mouse.clock_s * 7.0).sin() * if mouse.doing == Doing::Groom { 0.12 } else { 0.0 };
            let look_to = posture.trunk + mouse.curl + mouse.wander * 0.8 + nod;
            posture.head += wrap(look_to - posture.head) * (3.0 * dt).min(1.0);
            posture.trunk += mouse.wander * 0.25 * dt;
            let stop = (1.0 - 12.0 * dt).max(0.0);
            mouse.velocity = [mouse.velocity[0] * stop, mouse.velocity[1] * stop];
        }
        let moved = [at[0] + mouse.velocity[0] * dt, at[1] + mouse.velocity[1] * dt];
        posture.centre = moved;
        keep_out(posture, &self.layout, self.paths.barriers(), indoors);
        let gone = distance(posture.centre, at) / dt;
        if speed > 30.0 && gone < speed * 0.15 {
            mouse.stuck_s += dt;
        } else {
            mouse.stuck_s = (mouse.stuck_s - dt).max(0.0);
        }
    }

    /// Most mice on their way give others a wide berth; who goes with, after or away from another does not.
    fn shy(&self, index: usize) -> Point {
        let mouse = &self.all[index];
        let mut away = [0.0; 2];
        if !matches!(mouse.doing, Doing::Walk | Doing::Run) || mouse.bold {
            return away;
        }
        let at = mouse.posture.centre;
        for (j, other) in self.all.iter().enumerate() {
            let far = distance(other.posture.centre, at).max(1.0);
            if j != index && far < 70.0 {
                let push = 1.3 * (1.0 - far / 70.0);
                let from = other.posture.centre;
                away = [away[0] + (at[0] - from[0]) / far * push, away[1] + (at[1] - from[1]) / far * push];
            }
        }
        away
    }

    /// Mice push each other apart a little, so that they pile up and cross but do not become one.
    fn separate(&mut self, dt: f32) {
        for i in 0..self.all.len() {
            for j in i + 1..self.all.len() {
                let (a, b) = (self.all[i].posture.centre, self.all[j].posture.centre);
                let far = distance(a, b).max(0.5);
                if far < 19.0 {
                    let push = (19.0 - far) * 3.0 * dt;
                    let (ux, uy) = ((b[0] - a[0]) / far, (b[1] - a[1]) / far);
                    let (p, q) = (&mut self.all[i].posture.centre, 0.5);
                    *p = [p[0] - ux * push * q, p[1] - uy * push * q];
                    let p = &mut self.all[j].posture.centre;
                    *p = [p[0] + ux * push * q, p[1] + uy * push * q];
                }
            }
        }
        for mouse in &mut self.all {
            let indoors = matches!(mouse.doing, Doing::Inside(_) | Doing::Leave(..) | Doing::Enter(_, _, true));
            keep_out(&mut mouse.posture, &self.layout, self.paths.barriers(), indoors);
        }
    }

    /// Who lies over whom changes only while apart.
    fn restack(&mut self) {
        for i in 0..self.all.len() {
            let here = self.all[i].posture.centre;
            let alone = (0..self.all.len()).all(|j| j == i || distance(self.all[j].posture.centre, here) > 150.0);
            if alone && self.dice.chance(0.05) {
                self.all[i].height = self.dice.between(0.0, 4.0);
            }
        }
    }

    /// Draws the order of the pile anew; only for staging, as it would show in a film.
    pub fn shuffle_heights(&mut self) {
        for i in 0..self.all.len() {
            self.all[i].height = self.dice.between(0.0, 4.0);
        }
    }

    /// Moves one mouse as a recorded track tells: its body's centre goes to `at`.
    pub fn lead(&mut self, index: usize, at: Point, dt: f32) {
        let drift = self.dice.normal();
        let Some(mouse) = self.all.get_mut(index) else { return };
        mouse.clock_s += dt;
        mouse.wander += -mouse.wander * 1.2 * dt + drift * dt.sqrt();
        let from = mouse.posture.centre;
        let v = [(at[0] - from[0]) / dt, (at[1] - from[1]) / dt];
        let keep = (-6.0 * dt).exp();
        mouse.velocity = [v[0] + (mouse.velocity[0] - v[0]) * keep, v[1] + (mouse.velocity[1] - v[1]) * keep];
        mouse.posture.centre = at;
        let pace = mouse.velocity[0].hypot(mouse.velocity[1]);
        let posture = &mut mouse.posture;
        if pace > 12.0 {
            let aim = mouse.velocity[1].atan2(mouse.velocity[0]);
            let turn = wrap(aim - posture.trunk);
            let most = (1.5 + pace / 18.0) * dt;
            posture.trunk += turn.clamp(-most, most);
            posture.head += wrap(posture.trunk + turn.clamp(-0.6, 0.6) - posture.head) * (9.0 * dt).min(1.0);
            mouse.doing = Doing::Walk;
            mouse.goal_stretch = 1.0 + (pace / 1500.0).min(0.1);
        } else {
            posture.head += wrap(posture.trunk + mouse.wander * 0.9 - posture.head) * (3.0 * dt).min(1.0);
            mouse.doing = Doing::Rest;
            mouse.goal_stretch = 0.92;
        }
        mouse.goal_upright = 0.0;
        mouse.hold_shape(dt, &self.layout);
    }
}

/// Keeps a body's centre on the floor and out of the walls.
fn keep_out(posture: &mut Posture, layout: &Layout, barriers: &[Barrier], indoors: bool) {
    let at = &mut posture.centre;
    for barrier in barriers {
        let near = segment_nearest(barrier[0], barrier[1], *at);
        let gap = distance(near, *at);
        let room = if indoors { 6.0 } else { 10.0 };
        if gap < room && gap > 1e-3 {
            *at = [near[0] + (at[0] - near[0]) / gap * room, near[1] + (at[1] - near[1]) / gap * room];
        }
    }
    // The head does not go through a wall either: it pushes the body back.
    let nose = [at[0] + posture.head.cos() * 27.0, at[1] + posture.head.sin() * 27.0];
    for barrier in barriers {
        if !indoors && cross(*at, nose, barrier, 0.0) {
            let near = segment_nearest(barrier[0], barrier[1], nose);
            *at = [at[0] + (near[0] - nose[0]) * 0.3, at[1] + (near[1] - nose[1]) * 0.3];
        }
    }
    let [l, t, r, b] = layout.bounds;
    let nest = layout.nest == Piece::Built && layout.nest.distance(&NEST, *at) < 4.0;
    *at = [at[0].clamp(l, r), at[1].clamp(if nest { 26.0 } else { t }, b)];
}

/// A random place on the open floor.
fn free_place(layout: &Layout, dice: &mut Dice) -> Point {
    loop {
        let [l, t, r, b] = layout.bounds;
        let p = [dice.between(l, r), dice.between(t, b)];
        if layout.is_free(p) {
            return p;
        }
    }
}
