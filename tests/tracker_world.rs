//! Promise: names stay right through crossings, covering, hiding, misses, ghosts and an observer that errs.

mod world;

use arenad::config;
use arenad::handover::{Scene, State};
use arenad::track::Tracker;
use world::{Observer, Shown, World, no_gaps, zones};

/// How a run went. Counted over animals that had a pose in the frame.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    right: u32,
    wrong: u32,
    withheld: u32,
    /// No track stands where the pose was.
    unseen: u32,
    /// Runs of wrong names, and the longest of them, frames.
    swaps: u32,
    longest: u32,
    /// Ghosts and doubles that were given a name.
    named_ghosts: u32,
    nameless_ghosts: u32,
    running: [u32; 4],
}

impl Tally {
    fn add(&mut self, shown: &Shown, scene: &Scene) {
        for (pose, truth) in shown.poses.iter().zip(&shown.truth) {
            let animal = scene.animals.iter().find(|a| a.state == State::Seen && a.centre == Some(pose.centre));
            let Some(truth) = *truth else {
                let named = animal.is_some_and(|a| a.identity.is_some());
                self.named_ghosts += u32::from(named);
                self.nameless_ghosts += u32::from(!named);
                continue;
            };
            match animal.map(|a| a.identity.map(|i| usize::from(i.0))) {
                None => self.unseen += 1,
                Some(None) => self.withheld += 1,
                Some(Some(named)) if named == truth => {
                    self.right += 1;
                    self.running[truth] = 0;
                }
                Some(Some(_)) => {
                    self.wrong += 1;
                    self.swaps += u32::from(self.running[truth] == 0);
                    self.running[truth] += 1;
                    self.longest = self.longest.max(self.running[truth]);
                }
            }
        }
    }

    fn accuracy(&self) -> f32 {
        self.right as f32 / (self.right + self.wrong + self.withheld + self.unseen) as f32
    }

    /// Of the names given.
    fn named_right(&self) -> f32 {
        self.right as f32 / (self.right + self.wrong) as f32
    }
}

/// A run whose tracker names whatever is more likely than not.
fn run(observer: Observer, frames: usize) -> Tally {
    run_with(config::Tracker { name_min: 0.5, ..config::Tracker::default() }, observer, frames)
}

fn run_with(config: config::Tracker, observer: Observer, frames: usize) -> Tally {
    let mut tally = Tally::default();
    for seed in 0..6 {
        let mut world = World::new(seed, observer);
        let mut tracker = Tracker::new(config, 4, zones(), &[]);
        for _ in 0..frames {
            let shown = world.step();
            tally.add(&shown, &tracker.advance(&shown.poses, shown.stamp, &no_gaps()));
        }
        tally.running = [0; 4];
    }
    tally
}

#[test]
fn an_observer_that_is_right_nine_times_in_ten_gives_names_that_stay() {
    let tally = run(Observer::default(), 1800);
    assert!(tally.accuracy() > 0.99 && tally.longest <= 20, "{} {tally:?}", tally.accuracy());
}

#[test]
fn an_observer_that_is_right_seven_times_in_ten_still_gives_names() {
    let tally = run(Observer { right: 0.7, ..Observer::default() }, 1800);
    assert!(tally.accuracy() > 0.985 && tally.longest <= 24, "{} {tally:?}", tally.accuracy());
}

#[test]
fn names_that_are_withheld_when_unsure_are_seldom_wrong() {
    for (right, named_right, accuracy) in [(0.9, 0.998, 0.98), (0.7, 0.994, 0.96)] {
        let tally = run_with(config::Tracker::default(), Observer { right, ..Observer::default() }, 1800);
        let (sure, all) = (tally.named_right(), tally.accuracy());
        assert!(sure > named_right && all > accuracy, "{sure} {all} {tally:?}");
    }
}

#[test]
fn a_good_observer_is_followed_at_ten_frames_a_second() {
    let observer = Observer { right: 0.95, frames_hz: 10.0, error_frames: 1.0, ..Observer::default() };
    let tally = run(observer, 600);
    assert!(tally.accuracy() > 0.985 && tally.longest <= 8, "{} {tally:?}", tally.accuracy());
}

#[test]
fn walkers_that_always_seek_each_other_keep_their_names() {
    let tally = run(Observer { chases: 0.9, ..Observer::default() }, 1800);
    assert!(tally.accuracy() > 0.98 && tally.longest <= 24, "{} {tally:?}", tally.accuracy());
}

#[test]
fn ghosts_and_doubles_seldom_get_a_name() {
    let tally = run(Observer { ghosts: 0.1, doubles: 0.05, ..Observer::default() }, 1800);
    let share = tally.named_ghosts as f32 / (tally.named_ghosts + tally.nameless_ghosts) as f32;
    assert!(share < 0.06, "{share} {tally:?}");
}
