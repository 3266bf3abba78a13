//! What is told of a build while it lasts, and for how long a build that does not get on is given more time.

use super::library::Step;
use std::time::Duration;

/// How often a build is spoken of, and after how many such times without a step no more time is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Between two words.
    pub tick: Duration,
    /// So many ticks without a step are too many.
    pub still_ticks: u32,
}

impl Default for Pace {
    /// A single step of a large network takes two or three minutes on the smallest board.
    fn default() -> Self {
        Self { tick: Duration::from_secs(10), still_ticks: 60 }
    }
}

/// The state of one build.
pub(super) struct Progress {
    model: String,
    pace: Pace,
    last: Option<Step>,
    still: u32,
}

/// What to do with a tick.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Tick {
    /// Tell it on: whoever hears it gives more time.
    Tell(String),
    /// It has stood still too long: a warning, once, and no more time.
    Warn(String),
    /// Nothing new.
    Nothing,
}

impl Progress {
    pub(super) fn new(model: &str, pace: Pace) -> Self {
        Self { model: model.to_owned(), pace, last: None, still: 0 }
    }

    /// The words for a step where it is worth them: another phase, or another tenth of it.
    pub(super) fn step(&mut self, step: Step) -> Option<String> {
        self.still = 0;
        let worth = self.last.as_ref().is_none_or(|last| last.phase != step.phase || tenth(last) != tenth(&step));
        self.last = Some(step);
        worth.then(|| self.words())
    }

    /// A tick without a step.
    pub(super) fn tick(&mut self) -> Tick {
        self.still = self.still.saturating_add(1);
        if self.still < self.pace.still_ticks {
            return Tick::Tell(self.words());
        }
        if self.still == self.pace.still_ticks {
            let seconds = self.pace.tick.as_secs() * u64::from(self.still);
            return Tick::Warn(format!("{}: no step for {seconds} s; no more time is asked for", self.words()));
        }
        Tick::Nothing
    }

    fn words(&self) -> String {
        match &self.last {
            None => format!("building the engine of {}; this takes minutes, once", self.model),
            Some(Step { phase, of: ..=0, .. }) => format!("building the engine of {}: {phase}", self.model),
            Some(step @ Step { phase, .. }) => {
                format!("building the engine of {}: {phase}, {} %", self.model, share(step, 100))
            }
        }
    }
}

fn tenth(step: &Step) -> i64 {
    share(step, 10)
}

/// How many of `whole` parts are done.
fn share(step: &Step, whole: i64) -> i64 {
    i64::from(step.done) * whole / i64::from(step.of.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(phase: &str, done: i32) -> Step {
        Step { phase: phase.to_owned(), done, of: 100 }
    }

    #[test]
    fn a_step_is_told_when_the_phase_or_the_tenth_is_another() {
        let mut progress = Progress::new("socialbox", Pace::default());
        assert_eq!(
            progress.step(step("tactics", 0)).as_deref(),
            Some("building the engine of socialbox: tactics, 0 %")
        );
        assert_eq!(progress.step(step("tactics", 9)), None);
        assert_eq!(
            progress.step(step("tactics", 10)).as_deref(),
            Some("building the engine of socialbox: tactics, 10 %")
        );
        assert_eq!(
            progress.step(step("layers", 10)).as_deref(),
            Some("building the engine of socialbox: layers, 10 %")
        );
        let unknown = Step { phase: "building".to_owned(), done: 0, of: 0 };
        assert_eq!(progress.step(unknown).as_deref(), Some("building the engine of socialbox: building"));
    }

    #[test]
    fn a_build_that_stands_still_is_given_time_until_the_limit_and_warned_of_once() {
        let pace = Pace { tick: Duration::from_secs(10), still_ticks: 3 };
        let mut progress = Progress::new("socialbox", pace);
        let words = "building the engine of socialbox; this takes minutes, once";
        assert_eq!(progress.tick(), Tick::Tell(words.to_owned()));
        assert_eq!(progress.tick(), Tick::Tell(words.to_owned()));
        assert_eq!(progress.tick(), Tick::Warn(format!("{words}: no step for 30 s; no more time is asked for")));
        assert_eq!(progress.tick(), Tick::Nothing);
        progress.step(step("layers", 1));
        assert!(matches!(progress.tick(), Tick::Tell(_)));
    }
}
