//! The RTSP library's errors, which are mostly text, as ours.

use super::error::SourceError;

/// Which request was under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// TCP connection and DESCRIBE: one call of the library.
    Describe,
    /// SETUP.
    Setup,
    /// PLAY.
    Play,
}

impl Step {
    /// For the operator.
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Describe => "connect and DESCRIBE",
            Self::Setup => "SETUP",
            Self::Play => "PLAY",
        }
    }
}

/// What `error` means. `user` is the user name that was tried; `carrier` is how RTP was to travel.
pub(super) fn fault(camera: &str, user: Option<&str>, carrier: &'static str, error: &retina::Error) -> SourceError {
    let camera = camera.to_owned();
    let words = first_line(&error.to_string());
    match error.status_code() {
        Some(401) => match user {
            Some(user) => SourceError::LoginRefused { camera, user: user.to_owned() },
            None => SourceError::LoginMissing { camera },
        },
        Some(404) => SourceError::NoSuchPath { camera },
        Some(461) => {
            SourceError::TransportRefused { camera, refused: carrier, advice: "set the camera's transport to \"auto\"" }
        }
        Some(_) => SourceError::Answer { camera, said: words },
        None => {
            if let Some(cause) = words.strip_prefix("Unable to connect to RTSP server: ") {
                SourceError::Unreachable { camera, cause: cause.to_lowercase() }
            } else {
                SourceError::Ended { camera, cause: words }
            }
        }
    }
}

/// What is wrong with the camera's address, without a word of its secrets.
pub(super) fn check_address(camera: &str, url: &url::Url) -> Result<(), SourceError> {
    let got = if url.scheme() != "rtsp" {
        format!("the scheme is {}", url.scheme())
    } else if !url.has_host() {
        "it names no host".to_owned()
    } else if !url.username().is_empty() || url.password().is_some() {
        "it holds a user or a password".to_owned()
    } else {
        return Ok(());
    };
    Err(SourceError::Address { camera: camera.to_owned(), got })
}

/// The first line of the library's text, without what could upset a log: the rest describes sockets and bytes.
pub(super) fn first_line(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    line.chars().filter(|c| !c.is_control()).take(200).collect()
}
