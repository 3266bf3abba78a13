//! Pictures in: access units from a camera's RTSP stream or from a file, numbered and stamped. Never decodes.

pub mod annexb;
mod clock;
mod connection;
mod error;
mod fault;
mod file;
mod images;
mod mp4;
mod raw;
mod rtsp;

pub use error::{Fate, SourceError};
pub use file::FileSource;
pub use rtsp::{SourceState, run};
