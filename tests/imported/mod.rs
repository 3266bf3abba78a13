//! Heads of other frameworks' networks, and what those frameworks read from them, as `models/convert` wrote them.

use arenad::infer::{Head, Heads};
use arenad::model::Contract;
use std::path::{Path, PathBuf};

/// The folders `tests/data/import/<framework>-*`, in the order of their names.
pub fn folders(framework: &str) -> Vec<PathBuf> {
    let all = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/import");
    let folders = std::fs::read_dir(&all).expect("tests/data/import").map(|entry| entry.expect("an entry").path());
    let ours = |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(framework));
    let mut folders: Vec<_> = folders.filter(ours).collect();
    folders.sort();
    folders
}

/// The folder's contract; its weights are a stand-in, as only the heads are read.
pub fn contract(folder: &Path) -> Contract {
    Contract::read(folder).unwrap_or_else(|error| panic!("{error}"))
}

/// The heads: `<output>.i8` in hundredths, or `<output>.f32`.
pub fn heads(folder: &Path, contract: &Contract) -> Heads {
    let head = |output: &arenad::model::WrittenOutput| {
        let file = |kind: &str| std::fs::read(folder.join(format!("{}.{kind}", output.name))).ok();
        let hundredths = |bytes: Vec<u8>| bytes.iter().map(|byte| f32::from(byte.cast_signed()) / 100.0).collect();
        let floats = |bytes: Vec<u8>| bytes.as_chunks().0.iter().map(|four| f32::from_le_bytes(*four)).collect();
        let values: Vec<f32> =
            file("i8").map(hundredths).or_else(|| file("f32").map(floats)).unwrap_or_else(|| panic!("{folder:?}"));
        assert_eq!(values.len(), output.shape.iter().product::<usize>(), "{folder:?}: {}", output.name);
        Head { name: output.name.clone(), shape: output.shape, values: values.into() }
    };
    Heads(contract.written.outputs.iter().map(head).collect())
}
