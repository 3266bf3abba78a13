//! What can be wrong with a video device, in words for the operator.

use crate::source::Fate;

/// Why a video device gives no pictures. `camera` is its path as configured.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeviceError {
    /// The program was built without it.
    #[error(
        "camera {camera}: is a video device, and this arenad was built without the feature v4l2; build it with cargo build \
         --release --features v4l2, or give the url of a camera on the network"
    )]
    NotBuilt {
        /// As configured.
        camera: String,
    },
    /// Not plugged in, or another name.
    #[error(
        "camera {camera}: is not there; there: {}; plug it in, or correct camera.device (v4l2-ctl --list-devices tells the cameras \
         apart)",
        listed(.there)
    )]
    Absent {
        /// As configured.
        camera: String,
        /// Video devices that are there.
        there: Vec<String>,
    },
    /// Something else than a camera.
    #[error("camera {camera}: {what}; a device that gives video is needed; there: {}; correct camera.device", listed(.there))]
    NotACamera {
        /// As configured.
        camera: String,
        /// What it is.
        what: String,
        /// Video devices that are there.
        there: Vec<String>,
    },
    /// The device is not this user's to open.
    #[error(
        "camera {camera}: permission denied; a user of the group that owns the device (usually video) may open it; usermod -aG video \
         USER and log in anew, or use the service, which is in the group video"
    )]
    Forbidden {
        /// As configured.
        camera: String,
    },
    /// Another program streams from it.
    #[error(
        "camera {camera}: is in use by another program; a camera has one user at a time; stop that program (fuser -v {camera})"
    )]
    Busy {
        /// As configured.
        camera: String,
    },
    /// None of the pixel formats that are wanted.
    #[error(
        "camera {camera}: gives no {wanted}; it offers {offered}; set camera.pixels to one of mjpeg, yuyv, nv12, grey that it offers"
    )]
    Pixels {
        /// As configured.
        camera: String,
        /// What was asked for.
        wanted: String,
        /// The formats that it has.
        offered: String,
    },
    /// A device that another program feeds, and that is not fed yet.
    #[error(
        "camera {camera}: offers no format at all; a camera offers at least one; start what feeds it, or plug it in anew"
    )]
    Unfed {
        /// As configured.
        camera: String,
    },
    /// Not this size.
    #[error(
        "camera {camera}: gives no {wanted}; it offers {offered}; set camera.size_px (zones are in its pixels) or camera.pixels"
    )]
    Size {
        /// As configured.
        camera: String,
        /// What was asked for.
        wanted: String,
        /// The sizes that it has, by format.
        offered: String,
    },
    /// Not this rate.
    #[error(
        "camera {camera}: gives no {wanted}; it offers {offered}; set camera.rate_hz to one of these, or camera.pixels or camera.size_px"
    )]
    Rate {
        /// As configured.
        camera: String,
        /// What was asked for.
        wanted: String,
        /// The rates that it has at this size, by format.
        offered: String,
    },
    /// Fields instead of pictures.
    #[error(
        "camera {camera}: gives interlaced video; progressive video is needed; choose another input or mode of the camera"
    )]
    Interlaced {
        /// As configured.
        camera: String,
    },
    /// A control that is not there, or not for this value.
    #[error("camera {camera}: {key} = {got}: {what}; {remedy}")]
    Control {
        /// As configured.
        camera: String,
        /// The key of the configuration.
        key: &'static str,
        /// The value that was asked for.
        got: String,
        /// Why it cannot be, and what can.
        what: String,
        /// What to do.
        remedy: &'static str,
    },
    /// It was pulled out, or its driver gave it up.
    #[error(
        "camera {camera}: the device is gone; it must stay; check the plug, the cable and its power (dmesg tells more)"
    )]
    Gone {
        /// As configured.
        camera: String,
    },
    /// Opening it took too long.
    #[error(
        "camera {camera}: no answer while it was opened; allowed are {seconds} s; plug it in anew (dmesg tells more)"
    )]
    NoAnswer {
        /// As configured.
        camera: String,
        /// How long was waited.
        seconds: u64,
    },
    /// Any other error of the system.
    #[error("camera {camera}: {step}: {cause}; it must work; plug it in anew, and see dmesg")]
    System {
        /// As configured.
        camera: String,
        /// What was under way.
        step: &'static str,
        /// The system's words.
        cause: String,
    },
}

fn listed(there: &[String]) -> String {
    if there.is_empty() { "no video device".to_owned() } else { there.join(", ") }
}

impl DeviceError {
    /// What follows from this error.
    pub(in crate::source) fn fate(&self) -> Fate {
        match self {
            Self::NotBuilt { .. }
            | Self::NotACamera { .. }
            | Self::Forbidden { .. }
            | Self::Pixels { .. }
            | Self::Size { .. }
            | Self::Rate { .. }
            | Self::Interlaced { .. }
            | Self::Control { .. } => Fate::Configuration,
            Self::Absent { .. }
            | Self::Busy { .. }
            | Self::Unfed { .. }
            | Self::Gone { .. }
            | Self::NoAnswer { .. }
            | Self::System { .. } => Fate::Passing,
        }
    }
}
