//! What the coats of an arena had become when the daemon ended: a small file, so that faded paint is known again after a restart.

use super::coats::{Coats, is_covariance, is_tint};
use super::{ModelError, WrittenCoat};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// No such file is larger, bytes.
const FOLLOWED_MAX_BYTES: u64 = 64 << 10;
/// An enrolled colour that differs by more is another enrolment's.
const SAME: f32 = 1e-4;

/// A coat as it is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Followed {
    /// Its middle.
    pub tint: [f32; 3],
    /// Covariance of its pictures.
    pub spread: [[f32; 3]; 3],
    /// For how long it was surely seen, seconds.
    pub seen_s: f64,
}

/// The file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FollowedCoats {
    followed: u32,
    #[serde(rename = "coat", default)]
    list: Vec<FollowedCoat>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FollowedCoat {
    name: String,
    /// Where it was enrolled: the file is of no use for coats enrolled anew.
    enrolled: [f32; 3],
    tint: [f32; 3],
    spread: [[f32; 3]; 3],
    seen_s: f64,
}

impl FollowedCoats {
    /// From the enrolled coats and what became of them, in one order.
    pub fn new(enrolled: &[WrittenCoat], followed: &[Followed]) -> Self {
        let list = enrolled.iter().zip(followed).map(|(coat, now)| FollowedCoat {
            name: coat.name.clone(),
            enrolled: coat.tint,
            tint: now.tint,
            spread: now.spread,
            seen_s: now.seen_s,
        });
        Self { followed: 1, list: list.collect() }
    }

    /// Reads the file; nothing where there is none.
    pub fn read(file: &Path) -> Result<Option<Self>, ModelError> {
        let bytes = match super::read(file, FOLLOWED_MAX_BYTES) {
            Err(ModelError::Read { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            other => other?,
        };
        let wrong = |what: String| ModelError::Syntax { file: file.to_owned(), what };
        let text = String::from_utf8(bytes).map_err(|error| wrong(error.to_string()))?;
        let read: Self = toml::from_str(&text).map_err(|error| wrong(error.to_string().trim().to_owned()))?;
        let sound = |coat: &FollowedCoat| {
            is_tint(&coat.tint) && is_covariance(&coat.spread) && coat.seen_s.is_finite() && coat.seen_s >= 0.0
        };
        match read.list.iter().find(|coat| !sound(coat)) {
            Some(coat) => Err(wrong(format!("the coat {:?} has impossible numbers; remove the file", coat.name))),
            None => Ok(Some(read)),
        }
    }

    /// Writes the file anew, whole or not at all.
    pub fn write(&self, file: &Path) -> std::io::Result<()> {
        let text = toml::to_string(self).map_err(std::io::Error::other)?;
        let beside = file.with_extension("toml.new");
        std::fs::write(&beside, text)?;
        std::fs::rename(&beside, file)
    }
}

impl Coats {
    /// Takes up what became of these coats, those that were enrolled as they are; says how many. Bounds are held by who follows.
    pub fn recall(&mut self, known: &FollowedCoats) -> usize {
        let near = |a: &[f32; 3], b: &[f32; 3]| a.iter().zip(b).all(|(a, b)| (a - b).abs() <= SAME);
        self.followed = self
            .coats
            .iter()
            .map(|coat| {
                let found = known.list.iter().find(|one| one.name == coat.name && near(&one.enrolled, &coat.tint))?;
                Some(Followed { tint: found.tint, spread: found.spread, seen_s: found.seen_s })
            })
            .collect();
        self.followed.iter().flatten().count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Contract;

    fn coats() -> Coats {
        Contract::bundled().ok().and_then(|contract| contract.coats).expect("coats")
    }

    fn became() -> Vec<Followed> {
        coats().coats.iter().map(|coat| Followed { tint: coat.tint, spread: coat.spread, seen_s: 12.5 }).collect()
    }

    #[test]
    fn what_was_followed_is_found_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("coats-followed.toml");
        assert_eq!(FollowedCoats::read(&file).expect("no fault"), None);
        FollowedCoats::new(&coats().coats, &became()).write(&file).expect("written");
        let read = FollowedCoats::read(&file).expect("read").expect("a file");
        let mut again = coats();
        assert_eq!(again.recall(&read), 4);
        assert_eq!(again.followed.iter().flatten().copied().collect::<Vec<_>>(), became());
    }

    #[test]
    fn coats_enrolled_anew_forget() {
        let known = FollowedCoats::new(&coats().coats, &became());
        let mut anew = coats();
        anew.coats[1].tint[0] += 0.01;
        anew.coats[2].name = "sky".to_owned();
        assert_eq!(anew.recall(&known), 2);
    }

    #[test]
    fn damage_is_said_and_taken_for_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("coats-followed.toml");
        let good = toml::to_string(&FollowedCoats::new(&coats().coats, &became())).expect("text");
        for (text, told) in [
            ("followed = 1\n[[coat]]\n".to_owned(), "missing field `name`"),
            (good.replace("seen_s = 12.5", "seen_s = nan"), "has impossible numbers; remove the file"),
            (good.replace("spread = [[", "spread = [[-"), "has impossible numbers; remove the file"),
            (good.replace("followed = 1", "followed = 1\nmore = 2"), "unknown field `more`"),
            ("x".repeat(70_000), "is larger than 65536 bytes"),
        ] {
            std::fs::write(&file, text).expect("written");
            let error = FollowedCoats::read(&file).expect_err("refused").to_string();
            assert!(error.contains(told), "{error}");
        }
    }
}
