//! Where wrong names come from: drifts onto a touching animal, and names after coming out of a shelter.

use super::film::Film;
use super::names::{Mistake, Verdict, seconds, share};
use super::setting::{Doing, Exit};

/// A drift begins at most this long after the two animals touched, seconds.
const AFTER_TOUCH_S: f64 = 0.5;
/// A name is asked for so long after an exit, seconds.
pub(super) const NAMED_WITHIN_S: f64 = 0.5;

/// Whether the mistake is a drift: an identity slid onto an animal that its own touches, or touched half a second before, and that
/// animal's name was not taken in exchange.
pub(super) fn is_drift(film: &Film, mistake: &Mistake, verdicts: &[Vec<Verdict>], doings: &[Vec<Doing>]) -> bool {
    let owner = usize::from(mistake.name);
    if owner >= film.animals {
        return false;
    }
    let touched = (0..=mistake.first)
        .rev()
        .take_while(|index| seconds(film, *index, mistake.first) <= AFTER_TOUCH_S)
        .any(|index| {
            doings
                .get(index)
                .and_then(|doing| doing.get(mistake.animal))
                .is_some_and(|doing| doing.touches >> owner & 1 == 1)
        });
    let exchanged = verdicts.iter().take(mistake.last + 1).skip(mistake.first).any(
        |verdicts| matches!(verdicts.get(owner), Some(Verdict::Wrong(name)) if usize::from(*name) == mistake.animal),
    );
    touched && !exchanged
}

/// Names of animals that come out of hiding.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize)]
pub struct Exits {
    /// Exits that are asked: out of sight for a second or more, then in view until the name was right or for half a second.
    pub exits: u64,
    /// Exits after which the animal hid again sooner, without its right name: not asked.
    pub brief: u64,
    /// The right name was given within half a second.
    pub right_within: u64,
    /// Share of `right_within`, 0 to 1.
    pub right_share: Option<f64>,
    /// The last name given within half a second was right, wrong, or there was none.
    pub right_at_end: u64,
    /// See `right_at_end`.
    pub wrong_at_end: u64,
    /// See `right_at_end`.
    pub none_at_end: u64,
}

/// Judges all exits.
pub(super) fn judge_exits(film: &Film, exits: &[Exit], verdicts: &[Vec<Verdict>]) -> Exits {
    let mut figures = Exits::default();
    for exit in exits {
        let (mut right, mut last, mut in_view_to) = (false, None, exit.frame);
        let mut index = exit.frame;
        while index < film.frames.len() && seconds(film, exit.frame, index) <= NAMED_WITHIN_S {
            match verdicts.get(index).and_then(|verdicts| verdicts.get(exit.animal)) {
                Some(Verdict::Right) => (right, last) = (true, Some(true)),
                Some(Verdict::Wrong(_)) => last = Some(false),
                _ => {}
            }
            if film.frames[index].truth.get(exit.animal).is_some_and(|animal| animal.seen() > 0) {
                in_view_to = index;
            }
            index += 1;
        }
        // The film may end, or the animal hide, before half a second is over.
        if !right && seconds(film, exit.frame, in_view_to) + 1.5 / film.fps < NAMED_WITHIN_S {
            figures.brief += 1;
            continue;
        }
        figures.exits += 1;
        figures.right_within += u64::from(right);
        figures.right_at_end += u64::from(last == Some(true));
        figures.wrong_at_end += u64::from(last == Some(false));
        figures.none_at_end += u64::from(last.is_none());
    }
    figures.right_share = share(figures.right_within, figures.exits);
    figures
}

#[cfg(test)]
mod tests {
    use super::super::made;
    use super::super::names::mistakes;
    use super::*;

    /// Whether the first mistake is a drift, where A and B touch in the frames marked `x`.
    fn drift(words: &[&str], touches: &str) -> bool {
        let (film, verdicts) = made::verdicts(words);
        let doing =
            |touch| [2, 1].map(|other| Doing { touches: if touch == b'x' { other } else { 0 }, ..Doing::default() });
        let doings: Vec<Vec<Doing>> = touches.bytes().map(|touch| doing(touch).to_vec()).collect();
        is_drift(&film, &mistakes(&film, &verdicts)[0], &verdicts, &doings)
    }

    #[test]
    fn a_name_that_slides_over_in_a_contact_is_a_drift() {
        assert!(drift(&["++-----", "++aaaaa"], ".xx...."));
        assert!(drift(&["++--????", "++--aaaa"], "x......."));
    }

    #[test]
    fn an_exchange_and_a_mistake_far_from_a_contact_are_none() {
        assert!(!drift(&["++bbbbb", "++aaaaa"], ".xx...."));
        assert!(!drift(&["++-----", "++aaaaa"], "......."));
        assert!(!drift(&["+++++++++----", "+++++++++aaaa"], "xx..........."));
    }

    fn out(words: &str) -> Exits {
        let (film, verdicts) = made::verdicts(&[words]);
        let exits = super::super::setting::exits(&film);
        judge_exits(&film, &exits, &verdicts)
    }

    #[test]
    fn a_name_within_half_a_second_is_in_time() {
        let told = |words| {
            let Exits { exits, right_within, right_at_end, wrong_at_end, none_at_end, .. } = out(words);
            (exits, right_within, [right_at_end, wrong_at_end, none_at_end])
        };
        assert_eq!(told("..........--b--+++"), (1, 1, [1, 0, 0]));
        assert_eq!(told("..........------+++"), (1, 0, [0, 0, 1]));
        assert_eq!(told("..........+bbbbb+++"), (1, 1, [0, 1, 0]));
    }

    #[test]
    fn who_hides_again_at_once_is_not_asked() {
        let brief = out("..........--.......");
        assert_eq!((brief.exits, brief.brief, brief.right_share), (0, 1, None));
        assert_eq!(out("..........+........").right_share, Some(1.0));
    }
}
