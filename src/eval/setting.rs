//! What each animal is doing, from the truth alone: the hard minutes in which names are lost.

use super::TrueAnimal;
use super::film::Film;
use super::fit::body;

/// Body parts nearer than this touch, body lengths.
const TOUCH: f64 = 0.25;
/// A huddle has another's centre within this, body lengths.
const HUDDLE: f64 = 1.0;
/// A chase has another's centre within this, body lengths.
const CHASE: f64 = 2.0;
/// Slower than this is slow, body lengths a second.
const SLOW: f64 = 1.0;
/// Faster than this is fast, body lengths a second.
const FAST: f64 = 2.0;
/// Speed is measured from this long before to this long after, seconds.
const SPEED_S: f64 = 0.25;
/// Out of sight for so long, then in view, is coming out of a shelter, seconds.
pub(super) const AWAY_S: f64 = 1.0;
/// So long after coming out counts as a shelter exit, seconds.
const EXIT_S: f64 = 2.0;

/// What an animal is doing in one frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Doing {
    /// Touches these animals, one bit each.
    pub touches: u64,
    /// Another within a body length, both slow.
    pub huddle: bool,
    /// Another within two, both fast.
    pub chase: bool,
    /// It came out of hiding within the last two seconds.
    pub exit: bool,
}

/// An animal that was out of sight and comes into view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exit {
    /// Which animal.
    pub animal: usize,
    /// The first frame in which enough of it is in view: index into the film's frames.
    pub frame: usize,
}

/// By frame and animal.
pub(super) fn doings(film: &Film, body_length_px: f64, exits: &[Exit]) -> Vec<Vec<Doing>> {
    let body = body(film);
    let centres: Vec<Vec<Option<[f64; 2]>>> =
        film.frames.iter().map(|frame| frame.truth.iter().map(|animal| centre(animal, &body)).collect()).collect();
    let mut doings: Vec<Vec<Doing>> = Vec::with_capacity(film.frames.len());
    let reach = (SPEED_S * film.fps).round().max(1.0) as usize;
    for (index, frame) in film.frames.iter().enumerate() {
        let (from, to) = (index.saturating_sub(reach), (index + reach).min(film.frames.len() - 1));
        let speed = |animal: usize| {
            let place = |index: usize| centres.get(index)?.get(animal).copied().flatten();
            let seconds = super::names::seconds(film, from, to);
            (seconds > 0.0).then_some(apart(place(from)?, place(to)?) / body_length_px / seconds)
        };
        let speeds: Vec<Option<f64>> = (0..frame.truth.len()).map(speed).collect();
        let mut doing = vec![Doing::default(); frame.truth.len()];
        for one in 0..frame.truth.len() {
            for other in one + 1..frame.truth.len() {
                let (Some(a), Some(b)) = (centres[index][one], centres[index][other]) else { continue };
                let away = apart(a, b) / body_length_px;
                let both = |test: fn(f64) -> bool| [one, other].iter().all(|animal| speeds[*animal].is_some_and(test));
                let (huddle, chase) = (away <= HUDDLE && both(|v| v < SLOW), away <= CHASE && both(|v| v > FAST));
                let touch = away <= 2.0 * CHASE && touch(&frame.truth[one], &frame.truth[other], &body, body_length_px);
                for (animal, with) in [(one, other), (other, one)] {
                    doing[animal].huddle |= huddle;
                    doing[animal].chase |= chase;
                    doing[animal].touches |= u64::from(touch) << with;
                }
            }
        }
        doings.push(doing);
    }
    for exit in exits {
        for (index, doing) in doings.iter_mut().enumerate().skip(exit.frame) {
            if super::names::seconds(film, exit.frame, index) > EXIT_S {
                break;
            }
            if let Some(doing) = doing.get_mut(exit.animal) {
                doing.exit = true;
            }
        }
    }
    doings
}

/// By animal, then by time: each first frame with more than half of an animal in view after [`AWAY_S`] or more in which nothing of it was.
/// A tail in the door, however long it lies there, has not left.
pub(super) fn exits(film: &Film) -> Vec<Exit> {
    let mut exits = Vec::new();
    for animal in 0..film.animals {
        let mut away: Option<usize> = None;
        // Long enough away, not yet out.
        let mut due = false;
        for (index, frame) in film.frames.iter().enumerate() {
            let Some(truth) = frame.truth.get(animal) else { continue };
            if truth.seen() == 0 {
                let since = *away.get_or_insert(index);
                due |= super::names::seconds(film, since, index) + 1.0 / film.fps >= AWAY_S - 0.5 / film.fps;
            } else {
                away = None;
                if due && is_out(truth) {
                    exits.push(Exit { animal, frame: index });
                    due = false;
                }
            }
        }
    }
    exits
}

fn is_out(animal: &TrueAnimal) -> bool {
    let known = animal.points.iter().filter(|point| point.place().is_some()).count();
    animal.seen() * 2 > known
}

fn centre(animal: &TrueAnimal, body: &[bool]) -> Option<[f64; 2]> {
    let places = animal.points.iter().zip(body).filter(|(_, body)| **body).filter_map(|(point, _)| point.place());
    let (sum, count) =
        places.fold(([0.0, 0.0], 0.0), |([x, y], count), at| ([x + f64::from(at.x), y + f64::from(at.y)], count + 1.0));
    (count > 0.0).then(|| sum.map(|sum| sum / count))
}

fn apart(a: [f64; 2], b: [f64; 2]) -> f64 {
    (a[0] - b[0]).hypot(a[1] - b[1])
}

fn touch(one: &TrueAnimal, other: &TrueAnimal, body: &[bool], body_length_px: f64) -> bool {
    let places = |animal: &TrueAnimal| -> Vec<_> {
        let of_body = animal.points.iter().zip(body).filter(|(_, body)| **body);
        of_body.filter_map(|(point, _)| point.place()).collect()
    };
    let others = places(other);
    places(one).iter().any(|a| others.iter().any(|b| f64::from(a.distance(*b)) <= TOUCH * body_length_px))
}

#[cfg(test)]
mod tests {
    use super::super::TruePoint;
    use super::super::film::FilmFrame;
    use super::super::made::{animal, covered, film, hidden, verdicts};
    use super::*;
    use crate::space::InCamera;

    /// Two animals, whose noses are at these places, frame by frame.
    fn two(places: impl Iterator<Item = (f32, f32)>) -> Film {
        film(2, places.map(|(a, b)| (vec![animal(0, a), animal(1, b)], vec![])).collect())
    }

    #[test]
    fn who_lies_close_and_still_is_in_a_huddle() {
        let doing = doings(&two((0..20).map(|_| (0.0, 9.0))), 10.0, &[])[10][0];
        assert!(doing.huddle && !doing.chase && doing.touches == 2, "{doing:?}");
        assert!(!doings(&two((0..20).map(|_| (0.0, 11.0))), 10.0, &[])[10][0].huddle);
    }

    #[test]
    fn who_runs_close_to_another_is_in_a_chase() {
        let run = |from: f32| move |frame: i32| from + 3.0 * frame as f32;
        let doing = doings(&two((0..20).map(|frame| (run(0.0)(frame), run(18.0)(frame)))), 10.0, &[])[10][1];
        assert!(doing.chase && !doing.huddle && doing.touches == 0, "{doing:?}");
        let alone = doings(&two((0..20).map(|frame| (run(0.0)(frame), 30.0))), 10.0, &[]);
        assert!(alone.iter().flatten().all(|doing| !doing.chase));
    }

    #[test]
    fn who_was_away_for_a_second_comes_out() {
        let found = |words| exits(&verdicts(&[words]).0).iter().map(|exit| exit.frame).collect::<Vec<_>>();
        assert_eq!(found("+++..........+++"), [13]);
        assert!(found("+++.........++++").is_empty());
    }

    #[test]
    fn an_exit_begins_when_most_of_the_animal_is_in_view_and_lasts_two_seconds() {
        let mut film = verdicts(&["..........++++++++++++++++++++++++++++++"]).0;
        let mut tail = covered(0, 0.0);
        tail.points[2] = TruePoint::Seen(InCamera { x: 10.0, y: 0.0 });
        let peeking = FilmFrame { truth: vec![tail], ..film.frames[10].clone() };
        film.frames[10] = peeking;
        let exits = exits(&film);
        assert_eq!(exits, [Exit { animal: 0, frame: 11 }]);
        let doings = doings(&film, 10.0, &exits);
        let marked: Vec<_> = (0..40).filter(|index| doings[*index][0].exit).collect();
        assert_eq!((marked.first(), marked.last()), (Some(&11), Some(&31)));
    }

    #[test]
    fn nobody_is_beside_who_is_hidden() {
        let film = film(2, vec![(vec![animal(0, 0.0), hidden(1)], vec![]); 5]);
        assert_eq!(doings(&film, 10.0, &[]), vec![vec![Doing::default(); 2]; 5]);
    }
}
