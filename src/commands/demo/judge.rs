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
        let stands = names(scene, &truth);
        for (animal, name) in truth.animals.iter().zip(stands) {
            if animal.hidden || animal.points[CENTRE].visibility != Visibility::Seen {
                continue;
            }
            match name {
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

/// The name of each true animal. A pose stands for one true animal only, nearest pairs first: of two mice in one pose, one has no
/// name, it has not the other's. A place that is only predicted stands for none.
fn names(scene: &Scene, truth: &Truth) -> Vec<Option<Identity>> {
    let mut pairs = Vec::new();
    for (told, animal) in scene.animals.iter().enumerate() {
        let Some(centre) = animal.centre.filter(|_| animal.state == State::Seen) else {
            continue;
        };
        for (real, animal) in truth.animals.iter().enumerate().filter(|(_, animal)| !animal.hidden) {
            let away = (centre.x - animal.points[CENTRE].x).hypot(centre.y - animal.points[CENTRE].y);
            if away <= NEAR_PX {
                pairs.push((away, real, told));
            }
        }
    }
    pairs.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut stands: Vec<Option<usize>> = vec![None; truth.animals.len()];
    for (_, real, told) in pairs {
        if stands[real].is_none() && !stands.contains(&Some(told)) {
            stands[real] = Some(told);
        }
    }
    stands.into_iter().map(|told| scene.animals[told?].identity).collect()
}
