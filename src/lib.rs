//! arenad: live pose and identity tracking beside the arena. `ARCHITECTURE.md` tells the words, the line and the rooms.
#![deny(unsafe_code)]
#![warn(missing_docs)]

pub mod rehearsal;
