//! `coats.toml`: the animals of an arena by the colour of their coats; `arenad enrol` writes it.

use super::{Followed, ModelError, WrittenIdentity, verify};
use crate::handover::MAX_ANIMALS;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// No such file is larger, bytes.
const COATS_MAX_BYTES: u64 = 1 << 20;
/// Tints are differences over brightness, and logarithms of brightness: none lies beyond this.
const TINT_MAX: f32 = 10.0;

/// A coats file that was read and checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Coats {
    /// Where it was read from.
    pub file: PathBuf,
    /// Names and display colours, in the order of `coats`.
    pub identities: Vec<WrittenIdentity>,
    /// One for each animal, at most `MAX_ANIMALS`.
    pub coats: Vec<WrittenCoat>,
    /// What became of them before this start, in their order, where that is known.
    pub followed: Vec<Option<Followed>>,
}

/// `coats.toml` as it is written; nothing in it has a default.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WrittenCoats {
    /// Version of this file: 1.
    pub coats: u32,
    /// What the colours were measured from.
    pub made_of: String,
    /// The animals.
    #[serde(rename = "coat")]
    pub list: Vec<WrittenCoat>,
    /// How often two coats were taken for each other when each picture was named by the others.
    #[serde(rename = "pair", default, skip_serializing_if = "Vec::is_empty")]
    pub pairs: Vec<WrittenPair>,
}

/// One animal's coat.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WrittenCoat {
    /// The animal's name on the wire.
    pub name: String,
    /// How it is drawn: `#rrggbb`.
    pub colour: String,
    /// Pictures that it was measured on.
    pub pictures: u32,
    /// Blueness, redness and logarithm of brightness of its painted part, as `paint::Tint`: the mean over pictures.
    pub tint: [f32; 3],
    /// Their covariance, row by row.
    pub spread: [[f32; 3]; 3],
}

/// Two coats.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WrittenPair {
    /// Their names.
    pub names: [String; 2],
    /// Share of their pictures that were taken for the other, 0 to 1.
    pub confused: f32,
    /// How far apart they are, in standard deviations of a picture.
    pub apart: f32,
}

impl Coats {
    /// Reads and checks a file.
    pub fn read(file: &Path) -> Result<Self, ModelError> {
        let bytes = super::read(file, COATS_MAX_BYTES).map_err(|error| match error {
            ModelError::Read { file, source } => {
                let what = format!("{source}; give a file that arenad enrol wrote");
                ModelError::Syntax { file, what }
            }
            other => other,
        })?;
        let text = String::from_utf8(bytes).map_err(|error| ModelError::Syntax {
            file: file.to_owned(),
            what: format!("{error}; allowed: UTF-8 text"),
        })?;
        Self::parse(file, &text)
    }

    /// The same from its text; `file` is named in complaints.
    pub fn parse(file: &Path, text: &str) -> Result<Self, ModelError> {
        let written: WrittenCoats = toml::from_str(text)
            .map_err(|error| ModelError::Syntax { file: file.to_owned(), what: error.to_string().trim().to_owned() })?;
        if let Some((field, what)) = complaint(&written) {
            return Err(ModelError::Field { file: file.to_owned(), field, what });
        }
        let identities =
            written.list.iter().map(|coat| WrittenIdentity { name: coat.name.clone(), colour: coat.colour.clone() });
        Ok(Self { file: file.to_owned(), identities: identities.collect(), coats: written.list, followed: Vec::new() })
    }
}

impl WrittenCoats {
    /// The file's text.
    pub fn text(&self) -> Result<String, toml::ser::Error> {
        let head = "# The coats of an arena, written by arenad enrol. Blueness, redness and logarithm of brightness; see README.md.\n";
        Ok(format!("{head}{}", toml::to_string(self)?))
    }
}

/// What is wrong with an animal's name, if anything: it goes into topics, files and the live page.
pub fn odd_name(name: &str) -> Option<String> {
    let fine =
        (1..=32).contains(&name.len()) && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
    (!fine).then(|| format!("got the name {name:?}; allowed: 1 to 32 letters, digits, - and _"))
}

fn complaint(written: &WrittenCoats) -> Option<(String, String)> {
    let say = |field: &str, what: String| Some((field.to_owned(), what));
    if written.coats != 1 {
        return say("coats", format!("got {}; allowed: 1; enrol the coats again", written.coats));
    }
    if !(1..=MAX_ANIMALS).contains(&written.list.len()) {
        return say("coat", format!("got {} of them; allowed: 1 to {MAX_ANIMALS}", written.list.len()));
    }
    for (index, coat) in written.list.iter().enumerate() {
        if let Some(odd) = odd_name(&coat.name) {
            return say("coat.name", odd);
        }
        if written.list[..index].iter().any(|other| other.name == coat.name) {
            return say("coat.name", format!("{:?} stands twice; allowed: each name once", coat.name));
        }
        if !verify::is_colour(&coat.colour) {
            return say("coat.colour", format!("got the colour {:?}; allowed: #rrggbb", coat.colour));
        }
        if !is_tint(&coat.tint) {
            return say(
                "coat.tint",
                format!("got {:?}; allowed: three numbers from -{TINT_MAX} to {TINT_MAX}", coat.tint),
            );
        }
        if !is_covariance(&coat.spread) {
            let what = "allowed: a covariance: symmetric, positive definite, at most 10; enrol the coats again";
            return say("coat.spread", format!("got {:?}; {what}", coat.spread));
        }
    }
    None
}

/// Three numbers that a tint can have.
pub(super) fn is_tint(tint: &[f32; 3]) -> bool {
    tint.iter().all(|value| value.abs() <= TINT_MAX)
}

/// Symmetric, positive definite (Sylvester's criterion) and finite.
pub(super) fn is_covariance(m: &[[f32; 3]; 3]) -> bool {
    let sane = m.iter().flatten().all(|value| value.abs() <= TINT_MAX);
    let symmetric = (0..3).all(|i| (0..i).all(|j| (m[i][j] - m[j][i]).abs() <= 1e-6));
    let m = m.map(|row| row.map(f64::from));
    let second = m[0][0] * m[1][1] - m[0][1] * m[1][0];
    let third = m[0][0] * (m[1][1] * m[2][2] - m[1][2] * m[2][1]) - m[0][1] * (m[1][0] * m[2][2] - m[1][2] * m[2][0])
        + m[0][2] * (m[1][0] * m[2][1] - m[1][1] * m[2][0]);
    sane && symmetric && m[0][0] > 0.0 && second > 0.0 && third > 0.0
}
