//! Rooms that give scenes to the outside: broker, disk, page. A sink never changes a scene.

pub mod board;
mod disk;
pub mod feed;
pub mod files;
pub mod harvest;
pub mod mqtt;
pub mod net;
pub mod web;
pub mod wire;
