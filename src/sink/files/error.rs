//! What can go wrong with rolling files, each with what to do about it.

use crate::sink::disk::advice;
use std::io::Error;
use std::path::{Path, PathBuf};

/// Why files could not be written.
#[derive(Debug, thiserror::Error)]
pub enum FilesError {
    /// The folder cannot be made, or nothing can be written into it.
    #[error("files.folder: {} cannot be written: {source}; allowed: a folder that arenad may write; {}", .folder.display(), advice(.source))]
    Folder {
        /// Which.
        folder: PathBuf,
        /// The system's words.
        source: Error,
    },
    /// Rows could not be written to the open file. They are kept, or told as a gap of reason `disk` later.
    #[error("files: {} cannot be written: {source}; {}", .file.display(), advice(.source))]
    Write {
        /// Which.
        file: PathBuf,
        /// The system's words.
        source: Error,
    },
    /// Somebody removed a file that was not finished.
    #[error("files: {} was removed before it was finished; rows go to a new file from here on; stop the daemon before removing its files", .file.display())]
    Removed {
        /// Which.
        file: PathBuf,
    },
    /// A finished stream could not be turned into Parquet. The stream stays, and is tried again.
    #[error("files: {} cannot be made from its stream: {what}; the stream is kept and tried again", .file.display())]
    Finish {
        /// The Parquet file wanted.
        file: PathBuf,
        /// What went wrong.
        what: String,
    },
    /// Rows could not be laid out. Nothing that the line makes can cause it.
    #[error("files: rows could not be laid out: {0}; report this as a fault of arenad")]
    Rows(String),
    /// The thread could not be made.
    #[error("thread files: {0}; free some memory or raise the limit of threads")]
    Thread(Error),
}

impl FilesError {
    pub(super) fn write(file: &Path, source: Error) -> Self {
        Self::Write { file: file.to_owned(), source }
    }

    pub(super) fn finish(file: &Path, what: impl std::fmt::Display) -> Self {
        Self::Finish { file: file.to_owned(), what: what.to_string() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(number: i32) -> Error {
        Error::from_raw_os_error(number)
    }

    #[test]
    fn errors_say_where_what_and_what_to_do() {
        let full = FilesError::write(Path::new("d/a1/2026-11-21/063300.123.arrows"), code(28));
        assert_eq!(
            full.to_string(),
            "files: d/a1/2026-11-21/063300.123.arrows cannot be written: No space left on device (os error 28); free some space"
        );
        let read_only = FilesError::Folder { folder: "d/a1".into(), source: code(30) };
        assert_eq!(
            read_only.to_string(),
            "files.folder: d/a1 cannot be written: Read-only file system (os error 30); \
             allowed: a folder that arenad may write; mount it writable"
        );
        let denied = FilesError::Folder { folder: "d/a1".into(), source: code(13) };
        assert_eq!(
            denied.to_string(),
            "files.folder: d/a1 cannot be written: Permission denied (os error 13); \
             allowed: a folder that arenad may write; change its owner or its rights"
        );
    }
}
