//! Holds the names of live scenes against the truth of the rendered pictures.

use arenad::handover::{Identity, Scene, State};
use arenad::rehearsal::{IDENTITIES, Truth, Visibility};
use arenad::stamp::WallTime;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

/// Truths kept for scenes on their way: ten seconds.
const KEPT: usize = 300;
/// A scene belongs to the picture captured at most this long before or after it says.
const SAME_PICTURE_NS: u64 = 8_000_000;
/// A name stands for the animal whose body centre is at most this far away.
const NEAR_PX: f32 = 25.0;
/// Index of the body centre among the rehearsal's keypoints.
const CENTRE: usize = 5;

#[derive(Debug, Default)]
struct Bench {
    truths: VecDeque<(WallTime, Truth)>,
    right: u64,
    wrong: u64,
    unnamed: u64,
    unmatched: u64,
}

/// Shared by the stage, which knows the truth, and the tracking thread, which must not wait long.
#[derive(Clone, Debug, Default)]
pub(super) struct Judge(Arc<Mutex<Bench>>);

impl Judge {
    /// The truth of the picture captured at `captured`.
    pub(super) fn learn(&self, captured: WallTime, truth: Truth) {
        let mut bench = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if bench.truths.len() == KEPT {
            bench.truths.pop_front();
        }
        bench.truths.push_back((captured, truth));
    }

    /// Compares one scene with its picture's truth.
    pub(super) fn hear(&self, scene: &Scene) {
        let mut bench = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = scene.stamp.captured;
        let found = bench.truths.iter().position(|(time, _)| time.nanos_since(at).unsigned_abs() < SAME_PICTURE_NS);
        let Some((_, truth)) = found.and_then(|index| bench.truths.get(index).cloned()) else {
            bench.unmatched += 1;
            return;
        };
        for animal in &truth.animals {
            let centre = animal.points[CENTRE];
            if animal.hidden || centre.visibility != Visibility::Seen {
                continue;
            }
            match name_near(scene, centre.x, centre.y) {
                Some(identity) if usize::from(identity.0) == animal.identity => bench.right += 1,
                Some(_) => bench.wrong += 1,
                None => bench.unnamed += 1,
            }
        }
    }

    /// One line for people.
    pub(super) fn verdict(&self) -> String {
        let bench = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let all = bench.right + bench.wrong + bench.unnamed;
        if all == 0 {
            return format!("no scene could be held against the truth ({} without a picture)", bench.unmatched);
        }
        let share = |count: u64| 100.0 * count as f64 / all as f64;
        format!(
            "of {all} visible animals ({} identities) {:.2} % were named right, {:.2} % wrong, {:.2} % not at all",
            IDENTITIES.len(),
            share(bench.right),
            share(bench.wrong),
            share(bench.unnamed),
        )
    }
}

/// The name given to the nearest animal of the scene, if one is near.
fn name_near(scene: &Scene, x: f32, y: f32) -> Option<Identity> {
    let away = |animal: &arenad::handover::Animal| {
        let centre = animal.centre?;
        matches!(animal.state, State::Seen | State::Predicted).then(|| (centre.x - x).hypot(centre.y - y))
    };
    let nearest = scene.animals.iter().filter_map(|animal| Some((away(animal)?, animal.identity)));
    nearest.filter(|(distance, _)| *distance <= NEAR_PX).min_by(|a, b| a.0.total_cmp(&b.0)).and_then(|(_, name)| name)
}
