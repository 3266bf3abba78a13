//! What can be wrong with a source of pictures, in words for the operator.

use super::v4l2::DeviceError;
use std::path::PathBuf;
use std::time::Duration;

/// What follows from an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Trying again cannot help: the configuration, the command or the camera's own settings must change (exit code 2).
    Configuration,
    /// It may be gone at the next attempt: retried, logged once per change of state, always counted.
    Passing,
}

/// What a camera or a recording can do wrong. Passwords never appear in it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// The address is not one of an RTSP camera.
    #[error(
        "camera {camera}: {got}; allowed is rtsp://host[:port]/path without user and password; correct the camera's address"
    )]
    Address {
        /// The address, without login.
        camera: String,
        /// What is wrong with it.
        got: String,
    },
    /// No TCP connection: refused, no route, name unknown.
    #[error(
        "camera {camera}: no connection: {cause}; an RTSP server must listen there; check the address, the cable and that the camera is on"
    )]
    Unreachable {
        /// The address, without login.
        camera: String,
        /// The system's words.
        cause: String,
    },
    /// One step of opening the stream took too long.
    #[error("camera {camera}: no answer to {step}; allowed are {} s; check the address, the cable and that the camera is on", limit.as_secs_f32())]
    NoAnswer {
        /// The address, without login.
        camera: String,
        /// `connect and DESCRIBE`, `SETUP` or `PLAY`.
        step: &'static str,
        /// How long was waited.
        limit: Duration,
    },
    /// 401 although a login was given.
    #[error(
        "camera {camera}: login refused (401) for user {user:?}; a user and password that the camera knows are needed; correct the camera's user or password file"
    )]
    LoginRefused {
        /// The address, without login.
        camera: String,
        /// The user name that was tried.
        user: String,
    },
    /// 401 and no login to try.
    #[error(
        "camera {camera}: asks for a login (401) and none is configured; a user and password that the camera knows are needed; add them to the camera's configuration"
    )]
    LoginMissing {
        /// The address, without login.
        camera: String,
    },
    /// 404: the server knows no such stream. Passing, because servers say so too before their own camera is up.
    #[error(
        "camera {camera}: no stream at this path (404); the path must be one that the camera serves; look it up in the camera's manual"
    )]
    NoSuchPath {
        /// The address, without login.
        camera: String,
    },
    /// 461 with a transport that the operator insists on, or with both.
    #[error("camera {camera}: refuses RTP over {refused} (461); one of TCP and UDP is needed; {advice}")]
    TransportRefused {
        /// The address, without login.
        camera: String,
        /// `TCP`, `UDP` or both.
        refused: &'static str,
        /// What to do.
        advice: &'static str,
    },
    /// Video in a codec that nothing here decodes.
    #[error(
        "camera {camera}: offers video as {offered}; allowed are H.264, H.265 and MJPEG; change the codec in the camera's own settings"
    )]
    UnsupportedCodec {
        /// The address, without login.
        camera: String,
        /// The encodings that the camera offers.
        offered: String,
    },
    /// No video at all.
    #[error(
        "camera {camera}: offers no video ({offered}); allowed are H.264, H.265 and MJPEG; check the path of the camera's address"
    )]
    NoVideo {
        /// The address, without login.
        camera: String,
        /// What it offers instead.
        offered: String,
    },
    /// Any other refusal of the server.
    #[error("camera {camera}: {said}; an answer that RTSP allows is needed; check the camera's address and its log")]
    Answer {
        /// The address, without login.
        camera: String,
        /// The answer, in the RTSP library's words.
        said: String,
    },
    /// The connection ended.
    #[error("camera {camera}: the stream ended: {cause}; it must not end; check the camera's log and the network")]
    Ended {
        /// The address, without login.
        camera: String,
        /// Why, where known.
        cause: String,
    },
    /// Nothing came for too long.
    #[error("camera {camera}: no picture for {} s; allowed are {} s; check the camera, its cable and the network", limit.as_secs_f32(), limit.as_secs_f32())]
    Stalled {
        /// The address, without login.
        camera: String,
        /// How long was waited.
        limit: Duration,
    },
    /// Nothing but errors came.
    #[error(
        "camera {camera}: {count} errors of the stream in a row, the last: {last}; fewer than {count} are allowed; check the network"
    )]
    Garbled {
        /// The address, without login.
        camera: String,
        /// How many.
        count: u32,
        /// The last one, in the RTSP library's words.
        last: String,
    },
    /// What a video device does wrong.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// A recording or a picture cannot be read.
    #[error("{}: {cause}; a readable file or folder is needed; check the path and its permissions", path.display())]
    Unreadable {
        /// The file or folder.
        path: PathBuf,
        /// The system's words.
        cause: String,
    },
    /// A recording or a picture is not what its name says, or is damaged.
    #[error("{}: {got}; allowed are {allowed}; give another file or make this one anew", path.display())]
    Recording {
        /// The file or folder.
        path: PathBuf,
        /// What was found.
        got: String,
        /// What would do.
        allowed: &'static str,
    },
}

impl SourceError {
    /// What follows from this error.
    pub fn fate(&self) -> Fate {
        match self {
            Self::Device(error) => error.fate(),
            Self::Address { .. }
            | Self::LoginRefused { .. }
            | Self::LoginMissing { .. }
            | Self::TransportRefused { .. }
            | Self::UnsupportedCodec { .. }
            | Self::NoVideo { .. }
            | Self::Unreadable { .. }
            | Self::Recording { .. } => Fate::Configuration,
            Self::Unreachable { .. }
            | Self::NoAnswer { .. }
            | Self::NoSuchPath { .. }
            | Self::Answer { .. }
            | Self::Ended { .. }
            | Self::Stalled { .. }
            | Self::Garbled { .. } => Fate::Passing,
        }
    }
}

/// A camera's address as it may be shown: without user, password and query, in which some cameras want a login.
pub(super) fn shown(url: &url::Url) -> String {
    let mut url = url.clone();
    // Refused for addresses that cannot hold a login, which then have nothing to hide.
    let _ = url.set_password(None);
    let _ = url.set_username("");
    url.set_query(None);
    url.set_fragment(None);
    url.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_shown_without_its_secrets() {
        let url = url::Url::parse("rtsp://cam:s3cret@10.0.0.7:8554/live?user=cam&pwd=s3cret").unwrap();
        assert_eq!(shown(&url), "rtsp://10.0.0.7:8554/live");
    }

    #[test]
    fn only_what_an_operator_must_change_is_a_configuration_error() {
        let camera = String::from("rtsp://c/");
        assert_eq!(SourceError::LoginMissing { camera: camera.clone() }.fate(), Fate::Configuration);
        assert_eq!(SourceError::NoSuchPath { camera: camera.clone() }.fate(), Fate::Passing);
        assert_eq!(SourceError::Stalled { camera, limit: Duration::from_secs(3) }.fate(), Fate::Passing);
    }
}
