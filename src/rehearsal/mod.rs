//! Everything a camera is: renders an arena with known truth and serves it over RTSP. Never imported by the line.

pub mod camera;
pub mod encode;
pub mod video;
