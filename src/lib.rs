//! arenad: live pose and identity tracking beside the arena. `ARCHITECTURE.md` tells the words, the line and the rooms.
#![deny(unsafe_code)]
#![warn(missing_docs)]

pub mod act;
pub mod config;
pub mod crop;
pub mod decode;
pub mod eval;
pub mod export;
pub mod handover;
pub mod infer;
pub mod ledger;
pub mod model;
pub mod paint;
pub mod pipeline;
pub mod pose;
pub mod preprocess;
pub mod rehearsal;
pub mod sink;
pub mod source;
pub mod space;
pub mod stamp;
pub mod track;
pub mod transcript;
pub mod zones;
