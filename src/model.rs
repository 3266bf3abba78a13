//! The model's contract: what `model.toml` says, checked; nothing in it has a default.

mod bundled;
mod coats;
mod followed;
pub mod onnx;
mod verify;
mod weights;
mod written;

pub use bundled::BUNDLED;
pub use coats::{Coats, WrittenCoat, WrittenCoats, WrittenPair, odd_name};
pub use followed::{Followed, FollowedCoats};
pub use weights::{Precision, Weights};
pub use written::{
    Written, WrittenDecoder, WrittenFile, WrittenIdentity, WrittenInput, WrittenOutput, WrittenPartAffinity,
    WrittenTraining,
};

use crate::handover::Identity;
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A model folder that was read and checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Contract {
    /// The folder; `(bundled)/<name>` for one in the program.
    pub folder: PathBuf,
    /// The file's content.
    pub written: Written,
    /// The weights, one for each of `written.files` and in their order; exactly one is FP32.
    pub weights: Vec<Weights>,
    /// What the arena's animals look like, where that is known.
    pub coats: Option<Coats>,
}

/// What is wrong with a model folder.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// A file could not be read.
    #[error("model {file}: {source}; give a folder that holds model.toml and model.onnx", file = file.display())]
    Read {
        /// Which file.
        file: PathBuf,
        /// The system's words.
        source: std::io::Error,
    },
    /// `model.toml` is not TOML, or a field is missing, unknown or of the wrong type.
    #[error("model {file}: {what}", file = file.display())]
    Syntax {
        /// Which file.
        file: PathBuf,
        /// Where and what, in the reader's words.
        what: String,
    },
    /// A field is wrong.
    #[error("model {file}: {field}: {what}", file = file.display())]
    Field {
        /// Which file.
        file: PathBuf,
        /// Which field.
        field: String,
        /// What was got, what is allowed, what to do.
        what: String,
    },
}

/// All weights of a model together; more is refused before it is read: a pose network for one arena is a few megabytes.
const WEIGHTS_MAX_BYTES: u64 = 256 << 20;

impl Contract {
    /// The model that `folder` means: the one in that folder, else the bundled one of that name; `None` is the first bundled one.
    pub fn find(folder: Option<&Path>) -> Result<Self, ModelError> {
        let Some(folder) = folder else { return Self::bundled() };
        let bundled = || BUNDLED.iter().find(|model| Path::new(model.name) == folder);
        match bundled() {
            Some(model) if !folder.exists() => model.contract(),
            _ => Self::read(folder),
        }
    }

    /// Reads and checks `folder/model.toml` and the files of weights that it names.
    pub fn read(folder: &Path) -> Result<Self, ModelError> {
        let file = folder.join("model.toml");
        let text = read(&file, 1 << 20)?;
        let text = String::from_utf8(text).map_err(|error| ModelError::Syntax {
            file: file.clone(),
            what: format!("{error}; allowed: UTF-8 text"),
        })?;
        let mut left = WEIGHTS_MAX_BYTES;
        let contract = Self::checked(folder, &text, |written| {
            let bytes = read(&folder.join(&written.name), left)?;
            left -= bytes.len() as u64;
            Ok(bytes.into())
        })?;
        let coats = folder.join("coats.toml");
        contract.with_coats(coats.exists().then_some(coats.as_path()))
    }

    /// The model that is taken where no folder is named.
    pub fn bundled() -> Result<Self, ModelError> {
        BUNDLED[0].contract()
    }

    /// The contract `text` with the weights that `bytes` gives for each of its files.
    fn checked(
        folder: &Path,
        text: &str,
        mut bytes: impl FnMut(&WrittenFile) -> Result<Arc<[u8]>, ModelError>,
    ) -> Result<Self, ModelError> {
        let file = folder.join("model.toml");
        let written = parse(&file, text)?;
        let mut weights = Vec::new();
        for one in &written.files {
            let WrittenFile { name, precision, loss_max, sha256 } = one;
            let bytes = bytes(one)?;
            let hash: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
            if hash != *sha256 {
                let what = format!(
                    "{name} has the hash {hash}; allowed: {sha256}; the file is damaged or from another export: export the model again"
                );
                return Err(ModelError::Field { file, field: "files.sha256".to_owned(), what });
            }
            weights.push(Weights { name: name.clone(), precision: *precision, loss_max: *loss_max, bytes });
        }
        Ok(Self { folder: folder.to_owned(), written, weights, coats: None })
    }

    /// With the coats of this file, where one is named; else those that came with the model stay.
    pub fn with_coats(self, file: Option<&Path>) -> Result<Self, ModelError> {
        let Some(file) = file else { return Ok(self) };
        Ok(Self { coats: Some(Coats::read(file)?), ..self })
    }

    /// Who the arena's animals may be: those of the coats, else those of the model. Scenes, files and messages count by these.
    pub fn animals(&self) -> &[WrittenIdentity] {
        self.coats.as_ref().map_or(&self.written.identities, |coats| &coats.identities)
    }

    /// The weights of this precision, if the model has such a file.
    pub fn weights(&self, precision: Precision) -> Option<&Weights> {
        self.weights.iter().find(|weights| weights.precision == precision)
    }

    /// Reads the graph of one file as [`onnx::check`] does; every engine asks this before it takes the file.
    pub fn check_graph(&self, weights: &Weights) -> Result<(), ModelError> {
        onnx::check(&weights.bytes, &self.written).map_err(|onnx::Fault { field, what }| {
            let file = self.folder.join(&weights.name);
            ModelError::Field { file, field, what }
        })
    }

    /// How many values the input tensor holds.
    pub fn input_len(&self) -> usize {
        3 * self.written.input.width as usize * self.written.input.height as usize
    }

    /// Index of the keypoint `name`.
    pub fn keypoint(&self, name: &str) -> Option<usize> {
        self.written.keypoints.iter().position(|keypoint| keypoint == name)
    }

    /// The skeleton's pairs, by the indexes of their keypoints.
    pub fn skeleton(&self) -> Vec<[usize; 2]> {
        links(&self.written.keypoints, &self.written.skeleton)
    }

    /// The animal `name`.
    pub fn identity(&self, name: &str) -> Option<Identity> {
        let index = self.animals().iter().position(|identity| identity.name == name)?;
        u8::try_from(index).ok().map(Identity)
    }

    /// The output whose meaning is `meaning`, with its index among the outputs.
    pub fn output(&self, meaning: &str) -> Option<(usize, &WrittenOutput)> {
        self.written.outputs.iter().enumerate().find(|(_, output)| output.meaning == meaning)
    }
}

/// Pairs of names as pairs of indexes; those with a name that is not among `keypoints` are left out.
pub fn links(keypoints: &[String], skeleton: &[[String; 2]]) -> Vec<[usize; 2]> {
    let index = |name: &String| keypoints.iter().position(|keypoint| keypoint == name);
    skeleton.iter().filter_map(|[a, b]| Some([index(a)?, index(b)?])).collect()
}

fn parse(file: &Path, text: &str) -> Result<Written, ModelError> {
    let written: Written = toml::from_str(text)
        .map_err(|error| ModelError::Syntax { file: file.to_owned(), what: error.to_string().trim().to_owned() })?;
    match verify::complaint(&written) {
        Some((field, what)) => Err(ModelError::Field { file: file.to_owned(), field, what }),
        None => Ok(written),
    }
}

/// The whole file, unless it is larger than `most` bytes.
fn read(file: &Path, most: u64) -> Result<Vec<u8>, ModelError> {
    use std::io::Read as _;
    let failed = |source| ModelError::Read { file: file.to_owned(), source };
    let mut bytes = Vec::new();
    std::fs::File::open(file).map_err(failed)?.take(most + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > most {
        return Err(ModelError::Syntax {
            file: file.to_owned(),
            what: format!("is larger than {most} bytes; allowed: at most that"),
        });
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = include_str!("../models/socialbox/model.toml");

    #[test]
    fn the_bundled_model_keeps_its_contract() {
        let contract = Contract::bundled().unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(contract.keypoint("T_end"), Some(8));
        assert_eq!(contract.identity("Y"), Some(Identity(3)));
        assert_eq!(contract.output("centre").map(|(index, _)| index), Some(1));
    }

    /// The error of the bundled contract with `from` replaced by `to`.
    fn error(from: &str, to: &str) -> String {
        assert!(GOOD.contains(from), "the bundled contract has no {from}");
        parse(Path::new("m/model.toml"), &GOOD.replacen(from, to, 1)).expect_err("refused").to_string()
    }

    #[test]
    fn each_wrong_field_is_named_with_what_is_allowed() {
        for (from, to, expected) in [
            ("contract = 1", "contract = 2", "model m/model.toml: contract: got 2; allowed: 1; export the model again"),
            (
                "\"L_ear\", \"R_ear\", \"L_flnk\"",
                "\"nose\", \"R_ear\", \"L_flnk\"",
                "model m/model.toml: keypoints: \"nose\" stands twice; allowed: each name once",
            ),
            (
                "[\"nose\", \"L_ear\"]",
                "[\"nose\", \"ear\"]",
                "model m/model.toml: skeleton: got \"ear\"; allowed: a name among keypoints",
            ),
            ("#e2333d", "red", "model m/model.toml: identities: got the colour \"red\"; allowed: #rrggbb"),
            (
                "layout = \"nchw\"",
                "layout = \"nhwc\"",
                "model m/model.toml: input.layout: got \"nhwc\"; allowed: \"nchw\"",
            ),
            ("width = 640", "width = 64000", "model m/model.toml: input.width: got 64000; allowed: 32 to 4096"),
            (
                "scale = [255.0",
                "scale = [0.0",
                "model m/model.toml: input.scale: got [0.0, 255.0, 255.0]; allowed: finite numbers other than 0",
            ),
            (
                "parents = [\"R_ear\"",
                "parents = [\"ear\"",
                "model m/model.toml: decoder.parents: got \"ear\"; allowed: a name among keypoints",
            ),
            (
                "parents = [\"R_ear\"",
                "parents = [\"cntr\", \"R_ear\"",
                "model m/model.toml: decoder.parents: got 10 names; allowed: one for each of the 9 keypoints",
            ),
            (
                "\"R_flnk\", \"T_base\", \"T_mid\"]\n\n[training]",
                "\"T_end\", \"T_base\", \"T_mid\"]\n\n[training]",
                "model m/model.toml: decoder.parents: \"T_base\" is among its own parents; allowed: a tree whose root is its own parent",
            ),
            ("reach_px = 24.0", "reach_px = -1.0", "model m/model.toml: decoder.reach_px: got -1; allowed: 0 to 1000"),
            (
                "shape = [1, 9, 120, 160]",
                "shape = [1, 8, 120, 160]",
                "model m/model.toml: outputs.keypoints: got the shape [1, 8, 120, 160]; allowed: [1, 9, 120, 160] at stride 4",
            ),
            (
                "meaning = \"identity\"",
                "meaning = \"what\"",
                "model m/model.toml: outputs.identity: got the meaning \"what\"; allowed: keypoints, centre, offsets, parents, identity",
            ),
        ] {
            assert_eq!(error(from, to), expected);
        }
    }

    #[test]
    fn a_missing_field_and_an_unknown_one_are_named() {
        assert!(error("padding = 0\n", "").contains("missing field `padding`"));
        assert!(error("padding = 0", "padding = 0\ngamma = 2").contains("unknown field `gamma`"));
        assert!(error("separation_px = 12.0\n", "").contains("missing field `separation_px`"));
        assert!(error("separation_px", "apart_px").contains("unknown field `apart_px`"));
        assert!(error("centre-offsets", "heat").contains("unknown variant `heat`, expected one of"));
    }

    #[test]
    fn weights_with_another_hash_are_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("model.toml"), GOOD).expect("written");
        std::fs::write(folder.path().join("model.onnx"), b"not it").expect("written");
        let error = Contract::read(folder.path()).expect_err("refused").to_string();
        assert!(error.contains("files.sha256: model.onnx has the hash "), "{error}");
        assert!(error.ends_with("the file is damaged or from another export: export the model again"), "{error}");
    }

    #[test]
    fn a_folder_without_a_contract_says_what_to_give() {
        let error = Contract::read(Path::new("/nonexistent")).expect_err("refused").to_string();
        assert_eq!(
            error,
            "model /nonexistent/model.toml: No such file or directory (os error 2); give a folder that holds model.toml and model.onnx"
        );
    }
}
