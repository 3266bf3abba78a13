//! Which animals touch: an event when two bodies come together for a while, and one when they part. Pure.

use crate::config;
use crate::handover::{Animal, Event, Identity, MAX_ANIMALS, MAX_EVENTS, Scene, State};
use crate::stamp::Elapsed;
use heapless::Vec;

/// Bodies that touch part only this much further away than where they met.
const APART: f32 = 1.5;
/// Two animals of which one is out of sight are taken to be as they were for this long, seconds.
const UNSEEN_S: f64 = 1.0;

/// Watches each pair of identities. Allocates nothing.
#[derive(Clone, Debug)]
pub struct Contacts {
    near: f32,
    hold_s: f64,
    elapsed: Elapsed,
    pairs: [[Pair; MAX_ANIMALS]; MAX_ANIMALS],
}

#[derive(Clone, Copy, Debug, Default)]
struct Pair {
    touching: bool,
    /// For how long the pictures have said the opposite of `touching`, seconds.
    otherwise_s: f64,
    /// For how long not both were seen, seconds.
    unseen_s: f64,
}

impl Contacts {
    /// Nobody touches yet.
    pub fn new(config: &config::Tracker) -> Self {
        let hold_s = config.contact.as_secs_f64();
        Self { near: config.contact_size, hold_s, elapsed: Elapsed::default(), pairs: Default::default() }
    }

    /// Takes a scene in and adds who touches and who no longer does. `size` is the body size, pixels. What finds no room in
    /// `events` is told with the next scene.
    pub fn look(&mut self, scene: &Scene, size: f32, events: &mut Vec<Event, MAX_EVENTS>) {
        let step_s = self.elapsed.advance(scene.stamp.captured);
        let mut seen: [Option<&Animal>; MAX_ANIMALS] = [None; MAX_ANIMALS];
        for animal in scene.animals.iter().filter(|animal| animal.state == State::Seen) {
            if let Some(place) = animal.identity.and_then(|identity| seen.get_mut(usize::from(identity.0))) {
                *place = Some(animal);
            }
        }
        for a in 0..MAX_ANIMALS {
            for b in a + 1..MAX_ANIMALS {
                let pair = &mut self.pairs[a][b];
                let distance = seen[a].zip(seen[b]).map(|(a, b)| distance(a, b) / size.max(f32::MIN_POSITIVE));
                if pair.advance(distance, self.near, self.hold_s, step_s) && !events.is_full() {
                    let (a, b) = (Identity(a as u8), Identity(b as u8));
                    pair.turn();
                    let _ = events.push(match pair.touching {
                        true => Event::ContactBegan { a, b },
                        false => Event::ContactEnded { a, b },
                    });
                }
            }
        }
    }
}

impl Pair {
    /// True when it is to turn. `distance` in body sizes, `None` when not both are seen.
    fn advance(&mut self, distance: Option<f32>, near: f32, hold_s: f64, step_s: f64) -> bool {
        let Some(distance) = distance else {
            self.unseen_s += step_s;
            if !self.touching {
                self.otherwise_s = 0.0;
            }
            return self.touching && self.unseen_s > UNSEEN_S;
        };
        self.unseen_s = 0.0;
        let otherwise = if self.touching { distance > near * APART } else { distance < near };
        self.otherwise_s = if otherwise { self.otherwise_s + step_s } else { 0.0 };
        otherwise && self.otherwise_s >= hold_s
    }

    fn turn(&mut self) {
        *self = Self { touching: !self.touching, ..Self::default() };
    }
}

/// Between the nearest body parts, or, where one shows none, between the centres. Camera pixels.
fn distance(a: &Animal, b: &Animal) -> f32 {
    let ends =
        a.keypoints.iter().flatten().flat_map(|a| b.keypoints.iter().flatten().map(move |b| a.at.distance(b.at)));
    let parts = ends.fold(f32::INFINITY, f32::min);
    if parts.is_finite() {
        return parts;
    }
    match (a.centre, b.centre) {
        (Some(a), Some(b)) => a.distance(b),
        _ => f32::INFINITY,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::handover::TrackId;
    use crate::space::InCamera;
    use crate::stamp::{Stamp, WallTime};

    fn at(x: f32, identity: u8, state: State) -> Animal {
        Animal {
            identity: Some(Identity(identity)),
            p: 0.9,
            track: Some(TrackId(u32::from(identity) + 1)),
            state,
            centre: Some(InCamera { x, y: 0.0 }),
            zone: None,
            predicted: Default::default(),
            keypoints: Default::default(),
            vanished: None,
        }
    }

    /// What happens when the second animal is so far from the first in each tenth of a second; `None` is out of sight.
    fn told(distances: &[Option<f32>]) -> std::vec::Vec<(usize, Event)> {
        let mut contacts = Contacts::new(&config::Tracker::default());
        let mut told = vec![];
        for (frame, x) in distances.iter().enumerate() {
            let captured = WallTime(frame as i64 * 100_000_000);
            let mut scene =
                Scene { stamp: Stamp { frame: frame as u64, captured, ..Stamp::default() }, ..Scene::default() };
            let second = at(x.unwrap_or(0.0), 1, if x.is_some() { State::Seen } else { State::Hidden });
            scene.animals.extend([at(0.0, 0, State::Seen), second]);
            let mut events = Vec::new();
            contacts.look(&scene, 20.0, &mut events);
            told.extend(events.into_iter().map(|event| (frame, event)));
        }
        told
    }

    const A: Identity = Identity(0);
    const B: Identity = Identity(1);

    #[test]
    fn a_touch_that_lasts_is_told_once_and_so_is_its_end() {
        let mut distances = vec![Some(100.0); 5];
        distances.extend([Some(2.0); 10]);
        distances.extend([Some(100.0); 10]);
        let told = told(&distances);
        assert_eq!(told, [(6, Event::ContactBegan { a: A, b: B }), (16, Event::ContactEnded { a: A, b: B })]);
    }

    #[test]
    fn brushing_past_and_wavering_at_the_border_are_no_contact() {
        let mut distances = vec![Some(100.0), Some(2.0), Some(100.0), Some(2.0), Some(100.0)];
        assert_eq!(told(&distances), []);
        // Once they touch, a little further away is still touching.
        distances.extend([Some(2.0), Some(2.0), Some(2.0)]);
        distances.extend([Some(9.0); 20]);
        assert_eq!(told(&distances).len(), 1);
    }

    #[test]
    fn one_that_is_covered_still_touches_for_a_while() {
        let mut distances = vec![Some(2.0); 5];
        distances.extend([None; 8]);
        distances.extend([Some(2.0); 5]);
        assert_eq!(told(&distances).len(), 1);
        distances.extend([None; 12]);
        assert!(matches!(told(&distances)[..], [_, (_, Event::ContactEnded { .. })]));
    }
}
