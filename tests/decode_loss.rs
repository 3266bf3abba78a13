//! After a loss nothing wrong is shown, the next key picture recovers, and every access unit is a frame or in a gap.

mod clips;

use arenad::handover::{AccessUnit, Codec, Gap, GapReason};
use bytes::Bytes;
use clips::Outcome;
use proptest::prelude::*;

/// Each frame shown is libavcodec's picture of the same capture time.
fn assert_exact(name: &str, outcome: &Outcome, what: &str) {
    let golden = clips::golden(name);
    for (frame, _) in &outcome.frames {
        // Capture times count display places in steps of 40 ms.
        let place = usize::try_from(frame.stamp.captured.0 / 40_000_000).expect("not negative");
        assert_eq!(clips::md5(frame), golden[place].0, "{name}: {what}: display place {place}");
    }
}

/// Display places of the frames shown.
fn shown_places(outcome: &Outcome) -> Vec<i64> {
    outcome.frames.iter().map(|(frame, _)| frame.stamp.captured.0 / 40_000_000).collect()
}

/// Numbers the access units as a source would that never saw the missing ones.
fn renumber(units: &mut [AccessUnit]) {
    for (place, unit) in units.iter_mut().enumerate() {
        unit.stamp.frame = place as u64;
    }
}

/// The clip without access unit `at`, which a source tells or not.
fn without(units: &[AccessUnit], at: usize, told: bool) -> Vec<AccessUnit> {
    let mut units = units.to_vec();
    units.remove(at);
    if let Some(next) = units.get_mut(at) {
        next.packets_lost = u32::from(told);
        next.restart = at == 0;
    }
    renumber(&mut units);
    units
}

fn all() -> impl Iterator<Item = &'static str> {
    clips::H264.into_iter().chain(clips::H265)
}

#[test]
fn a_lost_access_unit_never_shows_a_wrong_picture() {
    for name in all().filter(|name| !name.contains("unstated")) {
        let units = clips::units(name);
        for at in 0..units.len() {
            for told in [true, false] {
                let outcome = clips::decode(&without(&units, at, told));
                assert_exact(name, &outcome, &format!("without {at}, told {told}"));
                outcome.assert_accounts_for(units.len() as u64 - 2, name);
            }
        }
    }
}

#[test]
fn truncated_access_units_are_survived() {
    // Neither library sees each truncation of arithmetic-coded slices: such a picture may be shown, and nothing can tell.
    let seen = ["baseline.h264", "p.h265", "crop.h265"];
    for name in all() {
        let units = clips::units(name);
        for at in 0..units.len() {
            let mut units = units.clone();
            let keep = units[at].data.len() * 2 / 3;
            units[at].data = units[at].data.slice(..keep);
            let outcome = clips::decode(&units);
            outcome.assert_accounts_for(units.len() as u64 - 1, name);
            if seen.contains(&name) {
                assert_exact(name, &outcome, &format!("{at} truncated"));
                assert_eq!(outcome.missing(GapReason::Corrupt), 1, "{name}: {at} truncated");
            }
        }
    }
}

#[test]
fn a_truncated_jpeg_is_not_shown_and_the_next_is() {
    let whole = clips::read("colour420.jpg");
    let half = whole[..whole.len() / 2].to_vec();
    let units: Vec<_> = [whole.clone(), half, whole]
        .into_iter()
        .enumerate()
        .map(|(place, data)| clips::unit(Codec::Jpeg, data, place as u64, place as i64 * 3600))
        .collect();
    let outcome = clips::decode(&units);
    assert_eq!(outcome.gaps(), [Gap { first: 1, last: 1, reason: GapReason::Corrupt }]);
    outcome.assert_accounts_for(2, "jpeg");
}

#[test]
fn the_next_key_picture_recovers() {
    // Clip, lost access unit, first display place from which on every picture is shown again.
    let cases = [
        ("baseline.h264", 2, 8),
        ("p_refs4.h264", 5, 12),
        ("pyramid.h264", 1, 15),
        ("slices.h264", 3, 6),
        ("open_gop.h264", 4, 10),
        ("p.h265", 3, 8),
        ("open_gop.h265", 1, 12),
    ];
    for (name, at, from) in cases {
        let units = clips::units(name);
        let outcome = clips::decode(&without(&units, at, true));
        let places = shown_places(&outcome);
        let expected: Vec<i64> = (from..units.len() as i64).collect();
        assert!(places.ends_with(&expected), "{name}: {places:?}");
        assert!(places.len() < units.len() - 1, "{name}: nothing was held back");
    }
}

#[test]
fn a_gradual_refresh_recovers_without_a_key_picture() {
    let units = clips::units("refresh.h264");
    let outcome = clips::decode(&without(&units, 3, true));
    let places = shown_places(&outcome);
    let gap = places.windows(2).find(|pair| pair[1] - pair[0] > 1).expect("some are not shown");
    assert_eq!(gap[0], 2);
    assert!((10..=25).contains(&gap[1]), "{places:?}");
    assert_eq!(places.last(), Some(&35));
}

#[test]
fn a_lost_picture_that_nothing_refers_to_costs_itself_only() {
    // Decoding order of b.h264 is I P b b P b b …
    let units = clips::units("b.h264");
    for at in [2, 3, 5] {
        let outcome = clips::decode(&without(&units, at, true));
        assert_eq!(outcome.frames.len(), units.len() - 1, "without {at}");
    }
}

#[test]
fn a_slice_lost_from_the_middle_of_a_picture_is_seen() {
    let mut units = clips::units("slices.h264");
    // The third of four slices of a picture in the first group.
    let data = units[2].data.clone();
    let starts: Vec<usize> = (0..data.len() - 3).filter(|at| data[*at..].starts_with(&[0, 0, 1])).collect();
    assert_eq!(starts.len(), 4);
    units[2].data = [&data[..starts[2]], &data[starts[3]..]].concat().into();
    units[2].packets_lost = 1;
    let outcome = clips::decode(&units);
    assert_exact("slices.h264", &outcome, "slice lost");
    assert_eq!(shown_places(&outcome), [0, 1, 6, 7, 8, 9, 10, 11]);
    outcome.assert_accounts_for(11, "slice lost");
}

#[test]
fn damage_to_a_picture_that_nothing_refers_to_is_a_gap_in_its_place() {
    let mut units = clips::units("b.h264");
    units[3].data = units[3].data.slice(..5);
    let outcome = clips::decode(&units);
    assert_eq!(outcome.gaps(), [Gap { first: 2, last: 2, reason: GapReason::Corrupt }]);
    assert_eq!(outcome.errors.len(), 1);
    assert_exact("b.h264", &outcome, "unit 3 damaged");
}

#[test]
fn access_units_dropped_before_the_decoder_are_a_gap_and_a_loss() {
    for name in ["p_refs4.h264", "pyramid.h264", "p.h265"] {
        let mut units = clips::units(name);
        let last = units.len() as u64 - 1;
        units.drain(1..3);
        let outcome = clips::decode(&units);
        assert_exact(name, &outcome, "units 1 and 2 dropped");
        outcome.assert_accounts_for(last, name);
        assert_eq!(outcome.missing(GapReason::Late), 2, "{name}");
        assert!(outcome.missing(GapReason::NoReference) > 0, "{name}");
    }
}

#[test]
fn joining_between_key_pictures_waits_for_the_next() {
    for (name, key) in [("baseline.h264", 8), ("open_gop.h264", 10), ("p.h265", 8), ("open_gop.h265", 12)] {
        let mut units = clips::units(name);
        units.drain(..2);
        units[0].restart = true;
        renumber(&mut units);
        let outcome = clips::decode(&units);
        assert_eq!(outcome.errors, [], "{name}");
        assert_exact(name, &outcome, "joined at 2");
        assert_eq!(shown_places(&outcome).first(), Some(&key), "{name}");
        outcome.assert_accounts_for(units.len() as u64 - 1, name);
    }
}

#[test]
fn a_new_connection_refers_to_nothing_before_it() {
    for name in ["pyramid.h264", "open_gop.h265"] {
        let mut units = clips::units(name);
        let length = units.len() as u64;
        units.truncate(10);
        let again = clips::units(name).into_iter().enumerate().skip(1);
        units.extend(again.map(|(place, mut unit)| {
            unit.restart = place == 1;
            unit
        }));
        renumber(&mut units);
        let outcome = clips::decode(&units);
        assert_exact(name, &outcome, "joined again at 1");
        outcome.assert_accounts_for(10 + length - 2, name);
    }
}

#[test]
fn pictures_without_a_free_buffer_are_counted() {
    let units = clips::units("pyramid.h264");
    let outcome = clips::decode_with(&units, 4);
    assert_eq!(outcome.frames.len(), 4);
    assert_eq!(outcome.missing(GapReason::NoBuffer), units.len() as u64 - 4);
    outcome.assert_accounts_for(units.len() as u64 - 1, "four buffers");
}

/// What happens to one access unit on its way.
#[derive(Clone, Debug)]
enum Mishap {
    Flip { at: usize, with: u8 },
    Truncate { keep: usize },
    Drop,
    Swap,
    Empty,
    Lost { packets: u32 },
    Restart,
}

fn mishap() -> impl Strategy<Value = Mishap> {
    prop_oneof![
        4 => (any::<usize>(), 1u8..).prop_map(|(at, with)| Mishap::Flip { at, with }),
        2 => any::<usize>().prop_map(|keep| Mishap::Truncate { keep }),
        1 => Just(Mishap::Drop),
        1 => Just(Mishap::Swap),
        1 => Just(Mishap::Empty),
        1 => (0u32..40).prop_map(|packets| Mishap::Lost { packets }),
        1 => Just(Mishap::Restart),
    ]
}

fn apply(units: &mut Vec<AccessUnit>, at: usize, mishap: &Mishap) {
    let count = units.len();
    let at = at % count;
    let unit = &mut units[at];
    match mishap {
        Mishap::Flip { at, with } if !unit.data.is_empty() => {
            let mut data = unit.data.to_vec();
            let at = at % data.len();
            data[at] ^= with;
            unit.data = data.into();
        }
        Mishap::Truncate { keep } => unit.data = unit.data.slice(..keep % (unit.data.len() + 1)),
        Mishap::Drop if count > 1 => drop(units.remove(at)),
        Mishap::Swap => {
            let other = (at + 1) % count;
            let data = units[other].data.clone();
            units[other].data = std::mem::replace(&mut units[at].data, data);
        }
        Mishap::Empty => unit.data = Bytes::new(),
        Mishap::Lost { packets } => unit.packets_lost = *packets,
        Mishap::Restart => unit.restart = true,
        Mishap::Flip { .. } | Mishap::Drop => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_damage_panics_or_escapes_the_count(
        clip in 0..clips::H264.len() + clips::H265.len(),
        mishaps in prop::collection::vec((any::<usize>(), mishap()), 1..8),
    ) {
        let name = all().nth(clip).expect("in range");
        let mut units = clips::units(name);
        for (at, mishap) in &mishaps {
            apply(&mut units, *at, mishap);
        }
        renumber(&mut units);
        let outcome = clips::decode(&units);
        outcome.assert_accounts_for(units.len() as u64 - 1, name);
    }
}
