//! Promise: the demo runs by itself on free ports and leaves files that account for every picture.

mod program;

use program::{Account, arenad, line};

/// An emulated processor needs longer for a first scene: what builds the tests for one says so.
const SECONDS: &str = match option_env!("ARENAD_DEMO_SECONDS") {
    Some(seconds) => seconds,
    None => "6",
};

/// The number before `word`.
fn count(said: &str, word: &str) -> u64 {
    let before = said.split(word).next().unwrap_or_else(|| panic!("no {word}: {said}")).trim_end();
    let number = before.rsplit([' ', '\n']).next().unwrap_or(before);
    number.parse().unwrap_or_else(|_| panic!("no number before {word}: {said}"))
}

#[test]
fn the_demo_ends_well_and_its_files_account_for_every_picture() {
    let root = tempfile::tempdir().expect("a folder");
    let command = format!("demo --seconds {SECONDS} --mqtt-port 0 --web-port 0 --engine built-in --data {{}}");
    let said = arenad(line(&command, &[root.path()])).well();
    for words in ["live page http://127.0.0.1:", "broker    mosquitto_sub -h 127.0.0.1 -p ", "were named right"] {
        assert!(said.contains(words), "{words}: {said}");
    }
    let account = Account::of(root.path());
    assert_eq!(account.identities, r#"["R","G","B","Y"]"#);
    assert!(!account.scenes.is_empty());
    assert_eq!(account.scenes.len() as u64, count(&said, " scenes,"));
    assert_eq!(account.whole(), count(&said, " access units,"));
    assert!(account.names.iter().all(|name| ["R", "G", "B", "Y"].contains(&name.as_str())), "{:?}", account.names);
}
