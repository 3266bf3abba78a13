//! Rooms that give scenes to the outside: broker, disk, page. A sink never changes a scene.

pub mod feed;
pub mod files;
pub mod mqtt;
pub mod net;
pub mod web;
pub mod wire;
