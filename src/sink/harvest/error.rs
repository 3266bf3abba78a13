//! What can go wrong with the harvest, each with what to do about it.

use crate::sink::disk::advice;
use std::io::Error;
use std::path::PathBuf;

/// Why frames could not be kept.
#[derive(Debug, thiserror::Error)]
pub enum HarvestError {
    /// The folder cannot be made, read or written.
    #[error("harvest.folder: {} cannot be written: {source}; allowed: a folder that arenad may write; {}", .folder.display(), advice(.source))]
    Folder {
        /// Which.
        folder: PathBuf,
        /// The system's words.
        source: Error,
    },
    /// A picture or a table could not be written, or a frame that made way could not be removed.
    #[error("harvest: {} cannot be written: {source}; {}", .file.display(), advice(.source))]
    Write {
        /// Which.
        file: PathBuf,
        /// The system's words.
        source: Error,
    },
    /// The picture could not be coded.
    #[error(
        "harvest: frame {frame} cannot be written as PNG: {what}; allowed: pictures that fit in memory; lower the camera's resolution"
    )]
    Picture {
        /// Which.
        frame: u64,
        /// The encoder's words.
        what: String,
    },
    /// The thread could not be made.
    #[error("thread harvest: {0}; free some memory or raise the limit of threads")]
    Thread(Error),
}
