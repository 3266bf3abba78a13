//! Promise: the same film gives the same bytes, and so does the same seed.

mod program;

use program::{Account, arenad, csv_numbers, files, line};

#[test]
fn one_seed_is_one_film_and_one_film_is_one_replay() {
    let root = tempfile::tempdir().expect("a folder");
    let path = |name: &str| root.path().join(name);
    for (name, seed) in [("film", "3"), ("again", "3"), ("other", "4")] {
        arenad(line(&format!("rehearse -o {{}} --minutes 0.01 --fps 20 --seed {seed}"), &[&path(name)])).well();
    }
    let film = files(&path("film"));
    assert_eq!(film.keys().map(|name| name.to_string_lossy()).collect::<Vec<_>>(), ["truth.csv", "video.mp4"]);
    assert!(film == files(&path("again")), "one seed gave two films");
    let other = files(&path("other"));
    assert!(film.iter().all(|(name, bytes)| other[name] != *bytes), "two seeds gave one film");

    for (out, more) in [("first", ""), ("second", ""), ("live", " --live")] {
        let command = format!("replay {{}} -o {{}} --engine built-in{more}");
        let said = arenad(line(&command, &[&path("film/video.mp4"), &path(out)])).well();
        assert!(said.starts_with("12 access units: 12 scenes, 0 corrupt, 0 without reference"), "{said}");
    }
    let first = files(&path("first"));
    assert_eq!(first.len(), 2, "{:?}", first.keys());
    assert!(first == files(&path("second")), "one film gave two replays");
    let live = files(&path("live"));
    let differ: Vec<_> = first.iter().filter(|(name, bytes)| live[*name] != **bytes).map(|(name, _)| name).collect();
    assert!(differ.iter().all(|name| name.ends_with("poses.csv")), "{differ:?}");
    assert_eq!(csv_numbers(&path("live/poses.csv")), (0..12).collect::<Vec<_>>());
    assert_eq!(csv_numbers(&path("first/poses.csv")), (0..12).collect::<Vec<_>>());
    assert_eq!(Account::of(&path("first")).whole(), 12);
}
