//! Rolling files to the formats that other programs read.

mod dlc;
mod found;
mod merge;
mod pieces;
mod recorded;
mod rolling;

pub use dlc::{PosesCsv, SCORER};
pub use merge::{Summary, dlc_csv};
pub use recorded::{Recorded, RecordedName, RecordedPose, RecordedRow, read_recorded};
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
    /// Files of several runs, where one is asked for.
    #[error(
        "{path}: frame {frame} stands after frame {before}; the rows of one run are allowed, in which frame numbers rise; \
         give the folder of a single run, not one that several wrote to",
        path = path.display()
    )]
    FrameOrder {
        /// The file whose row is out of order.
        path: PathBuf,
        /// Its frame.
        frame: u64,
        /// The last frame before it.
        before: u64,
    },
    /// A file that must be whole is not.
    #[error("{0}")]
    Damaged(Damage),
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
