//! Rolling files to the formats that other programs read.

mod dlc;
mod found;
mod merge;
mod pieces;
mod rolling;

pub use dlc::{PosesCsv, SCORER};
pub use merge::{Summary, dlc_csv};
pub use rolling::Damage;

use std::io;
use std::path::{Path, PathBuf};

/// Why nothing was exported.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// A folder or file could not be read.
    #[error("{path}: {source}; give a folder or files that arenad wrote", path = path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// The system's words.
        source: io::Error,
    },
    /// There is nothing to export.
    #[error("{path}: no .parquet or .arrows file; give a folder that arenad wrote, such as <data>/<arena>", path = path.display())]
    Nothing {
        /// Where was looked.
        path: PathBuf,
    },
    /// Files that do not belong together.
    #[error(
        "{path}: its {what} is {got}, that of {before} is {expected}; all files must have the same; export them apart",
        path = path.display(),
        before = before.display()
    )]
    Different {
        /// The file that differs.
        path: PathBuf,
        /// The first file.
        before: PathBuf,
        /// What differs.
        what: &'static str,
        /// What the file says.
        got: String,
        /// What the first file says.
        expected: String,
    },
    /// The layout has one group of columns for each identity.
    #[error("{path}: its model tells no identities; dlc-csv needs at least one; read the file itself", path = path.display())]
    NoIdentities {
        /// The first file.
        path: PathBuf,
    },
    /// No file could be read.
    #[error("no file could be read: {0}")]
    AllDamaged(Damage),
    /// The output is there already.
    #[error("{path}: is there already; give another -o, or --force to replace it", path = path.display())]
    Exists {
        /// The output.
        path: PathBuf,
    },
    /// The output could not be written.
    #[error("{path}: {source}; give -o a place that can be written and has room", path = path.display())]
    Write {
        /// The output.
        path: PathBuf,
        /// The system's words.
        source: io::Error,
    },
}

fn read_error(path: &Path) -> impl FnOnce(io::Error) -> ExportError {
    let path = path.to_owned();
    |source| ExportError::Read { path, source }
}

fn write_error(path: &Path) -> impl FnOnce(io::Error) -> ExportError {
    let path = path.to_owned();
    |source| ExportError::Write { path, source }
}
