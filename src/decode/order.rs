//! The display order of H.264 pictures, with as little waiting as the stream allows.
//!
//! Pictures come decoded with their picture order count (POC); the smallest is shown first. How long one must wait for an earlier
//! one depends on what the stream says:
//! - display order is decoding order (POC types 1 and 2, baseline profile): nobody waits;
//! - the stream states how many may wait (`max_num_reorder_frames`): at most so many wait, and a picture that follows the last one
//!   shown without a hole, in steps seen often enough, does not wait at all. If a picture comes too late nevertheless, one more may
//!   wait from then on, which is what libavcodec does;
//! - the stream says nothing: a picture waits only while the count has a hole before it, and no longer than until a picture after
//!   it arrives, because B-frames follow directly on the picture that they precede. A stream without B-frames has no holes and so
//!   no delay; one that counts in unusual steps loses its delay after two pictures.
//!
//! A B-frame that comes after its turn is handed back as late; any other picture with a smaller count starts a new period (an
//! encoder that resets its count).

use super::sps::Reorder;
use heapless::Vec;

/// Most pictures that may wait: the largest decoded picture buffer of H.264.
const MOST: usize = 16;
/// How many steps must have been seen before the stream's step is believed.
const SURE: u32 = 8;
/// POC counts fields: frames are two apart in most streams.
const USUAL_STEP: i32 = 2;

/// One picture that waits for its turn.
#[derive(Debug)]
struct Waiting<P> {
    poc: i32,
    picture: P,
}

/// The next thing to do with a picture.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Turn<P> {
    /// Show it.
    Now(P),
    /// Its turn is over: a later one was shown.
    Late(P),
}

/// Puts pictures into display order.
#[derive(Debug)]
pub(super) struct DisplayOrder<P> {
    /// What the sequence parameter set says, and what holds: a stated depth grows where it was too small.
    stated: Reorder,
    rule: Reorder,
    /// In display order.
    waiting: Vec<Waiting<P>, { MOST + 1 }>,
    shown: Option<i32>,
    /// Smallest step between pictures shown one after the other, and how many were seen.
    step: Option<i32>,
    steps_seen: u32,
    /// A picture came before one that was decoded earlier: the stream has B-frames.
    reordered: bool,
    /// Steps misled once: they are not trusted in this stream any more.
    misled: bool,
}

impl<P> DisplayOrder<P> {
    pub(super) fn new() -> Self {
        Self {
            stated: Reorder::Unstated,
            rule: Reorder::Unstated,
            waiting: Vec::new(),
            shown: None,
            step: None,
            steps_seen: 0,
            reordered: false,
            misled: false,
        }
    }

    /// Another sequence parameter set holds from the next `begin` on.
    pub(super) fn set_rule(&mut self, rule: Reorder) {
        if self.stated != rule {
            (self.stated, self.rule) = (rule, rule);
            (self.step, self.steps_seen, self.reordered, self.misled) = (None, 0, false, false);
        }
    }

    /// Counts start anew: everything that waits is shown before what follows.
    pub(super) fn begin(&mut self, out: &mut dyn FnMut(Turn<P>)) {
        while !self.waiting.is_empty() {
            out(Turn::Now(self.waiting.remove(0).picture));
        }
        self.shown = None;
    }

    /// A picture was decoded.
    pub(super) fn push(&mut self, poc: i32, b_frame: bool, picture: P, out: &mut dyn FnMut(Turn<P>)) {
        if self.rule == Reorder::None {
            return out(Turn::Now(picture));
        }
        if self.shown.is_some_and(|shown| poc <= shown) {
            if b_frame {
                self.learn_from_late();
                return out(Turn::Late(picture));
            }
            self.begin(out);
        }
        let at = self.waiting.iter().position(|other| other.poc > poc).unwrap_or(self.waiting.len());
        self.reordered |= at < self.waiting.len();
        if at > 0 && self.rule == Reorder::Unstated {
            // Nothing more will come before a picture that a later one has followed.
            self.give_up_hole(out);
        }
        let at = self.waiting.iter().position(|other| other.poc > poc).unwrap_or(self.waiting.len());
        if let Err(refused) = self.waiting.insert(at, Waiting { poc, picture }) {
            // Cannot be: `MOST` wait at most.
            return out(Turn::Late(refused.picture));
        }
        while self.first_is_due() {
            self.show_first(out);
        }
    }

    fn first_is_due(&self) -> bool {
        let Some(first) = self.waiting.first() else { return false };
        let follows = |step: i32| self.shown.is_none_or(|shown| first.poc.saturating_sub(shown) <= step);
        match self.rule {
            Reorder::None => true,
            Reorder::Stated(depth) => {
                let sure = self.step.filter(|_| self.steps_seen >= SURE && !self.misled);
                self.waiting.len() > depth.min(MOST) || sure.is_some_and(follows)
            }
            Reorder::Unstated => self.waiting.len() > MOST || follows(self.step.unwrap_or(USUAL_STEP)),
        }
    }

    fn show_first(&mut self, out: &mut dyn FnMut(Turn<P>)) {
        let first = self.waiting.remove(0);
        if let Some(shown) = self.shown {
            let step = first.poc.saturating_sub(shown);
            self.step = Some(self.step.map_or(step, |known| known.min(step)));
            self.steps_seen = self.steps_seen.saturating_add(1);
        }
        self.shown = Some(first.poc);
        out(Turn::Now(first.picture));
    }

    /// Shows the first although the count has a hole before it. Without B-frames the hole is the stream's step.
    fn give_up_hole(&mut self, out: &mut dyn FnMut(Turn<P>)) {
        let Some(hole) = self.waiting.first().zip(self.shown).map(|(first, shown)| first.poc.saturating_sub(shown))
        else {
            return;
        };
        let before = self.step.unwrap_or(USUAL_STEP);
        self.show_first(out);
        self.step = Some(if self.reordered || self.misled { before } else { hole });
    }

    fn learn_from_late(&mut self) {
        match &mut self.rule {
            Reorder::Stated(depth) => *depth = (*depth + 1).min(MOST),
            _ => self.step = Some(1),
        }
        self.misled = true;
        self.reordered = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pushes POCs and says which were shown after each push. Small letters of the type: `b` is a B-frame.
    fn run(rule: Reorder, pocs: &[(i32, bool)]) -> std::vec::Vec<std::vec::Vec<i32>> {
        let mut order = DisplayOrder::new();
        order.set_rule(rule);
        pocs.iter()
            .map(|(poc, b_frame)| {
                let mut shown = std::vec::Vec::new();
                order.push(*poc, *b_frame, *poc, &mut |turn| {
                    if let Turn::Now(poc) = turn {
                        shown.push(poc);
                    }
                });
                shown
            })
            .collect()
    }

    const PYRAMID: [(i32, bool); 5] = [(0, false), (8, false), (4, true), (2, true), (6, true)];

    #[test]
    fn a_stream_without_b_frames_has_no_delay_even_when_it_states_nothing() {
        for step in [1, 2] {
            let pocs: std::vec::Vec<_> = (0..20).map(|n| (n * step, false)).collect();
            let shown = run(Reorder::Unstated, &pocs);
            assert!(shown.iter().zip(&pocs).all(|(shown, (poc, _))| *shown == [*poc]), "{shown:?}");
        }
    }

    #[test]
    fn unusual_steps_delay_only_the_first_picture() {
        let pocs: std::vec::Vec<_> = (0..6).map(|n| (n * 4, false)).collect();
        let shown = run(Reorder::Unstated, &pocs);
        assert_eq!(shown, [vec![0], vec![], vec![4, 8], vec![12], vec![16], vec![20]]);
    }

    #[test]
    fn an_unstated_pyramid_comes_in_display_order() {
        let shown = run(Reorder::Unstated, &PYRAMID);
        assert_eq!(shown, [vec![0], vec![], vec![], vec![2, 4], vec![6, 8]]);
    }

    #[test]
    fn a_stated_depth_is_waited_for_until_the_steps_are_known() {
        let shown = run(Reorder::Stated(2), &PYRAMID);
        assert_eq!(shown, [vec![], vec![], vec![0], vec![2], vec![4]]);
        let pocs: std::vec::Vec<_> = (0..20).map(|n| (n * 2, false)).collect();
        let shown = run(Reorder::Stated(2), &pocs);
        assert_eq!(shown[1], [0; 0]);
        assert_eq!(shown[19], [38], "a stream that states more than it needs loses its delay");
    }

    #[test]
    fn a_depth_stated_too_small_grows() {
        let pocs = [(0, false), (4, false), (2, true), (8, false), (6, true), (10, false)];
        let shown = run(Reorder::Stated(0), &pocs);
        assert_eq!(shown, [vec![0], vec![4], vec![], vec![], vec![6], vec![8]], "only the first B-frame is lost");
    }

    #[test]
    fn a_count_that_restarts_is_followed() {
        let pocs = [(0, false), (2, false), (4, false), (0, false), (2, false)];
        let shown = run(Reorder::Stated(0), &pocs);
        assert_eq!(shown, [vec![0], vec![2], vec![4], vec![0], vec![2]]);
    }
}
