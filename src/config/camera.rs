//! The section `[camera]`: where pictures come from, over the network or from a device of this machine.

use super::section::Section;
use super::written::{Secrets, read_login};
use super::{Login, camera};
use std::path::PathBuf;
use std::time::Duration;

/// Where pictures come from.
#[derive(Clone, Debug, PartialEq)]
pub struct Camera {
    /// Where it is and what it is asked for.
    pub at: CameraAt,
    /// How long it is waited for.
    pub patience: Patience,
}

impl Camera {
    /// A camera on the network as it is without further settings.
    pub fn on_network(url: url::Url) -> Self {
        let network = NetworkCamera { url, login: None, transport: Transport::Auto };
        Self { at: CameraAt::Network(network), patience: Patience::default() }
    }
}

/// Where a camera is.
#[derive(Clone, Debug, PartialEq)]
pub enum CameraAt {
    /// On the network: RTSP.
    Network(NetworkCamera),
    /// A video device of this machine: USB or CSI.
    Device(DeviceCamera),
}

/// How long a camera is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// A connection that brings no picture for this long is given up.
    pub stall: Duration,
    /// Longest pause between two attempts to connect.
    pub backoff_max: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { stall: Duration::from_millis(2500), backoff_max: Duration::from_secs(5) }
    }
}

/// A camera on the network.
#[derive(Clone, Debug, PartialEq)]
pub struct NetworkCamera {
    /// `rtsp://host[:port]/path`, without user and password.
    pub url: url::Url,
    /// User name and password, read from files.
    pub login: Option<Login>,
    /// How RTP travels; `Auto` asks for TCP and takes UDP where the camera refuses.
    pub transport: Transport,
}

/// How RTP travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// TCP first, UDP where the camera refuses it.
    Auto,
    /// Interleaved in the RTSP connection.
    Tcp,
    /// Datagrams.
    Udp,
}

/// A video device of this machine and what is set in it each time that it is opened.
#[derive(Clone, Debug, PartialEq)]
pub struct DeviceCamera {
    /// `/dev/video0`, or a link to it that names the camera itself.
    pub path: PathBuf,
    /// How its pixels come.
    pub pixels: PixelsChoice,
    /// Width and height, pixels.
    pub size: (u32, u32),
    /// Frames a second that the camera must give; `None` takes 30 or what comes nearest to it.
    pub rate_hz: Option<f32>,
    /// Exposure time, microseconds.
    pub exposure_us: Setting,
    /// Gain, in the camera's own steps.
    pub gain: Setting,
}

impl DeviceCamera {
    /// A device as it is without further settings.
    pub fn new(path: PathBuf) -> Self {
        let (exposure_us, gain) = (Setting::AsItIs, Setting::AsItIs);
        Self { path, pixels: PixelsChoice::Auto, size: (640, 480), rate_hz: None, exposure_us, gain }
    }
}

/// How the pixels of a video device come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PixelsChoice {
    /// What the camera has at this size and rate, without compression where it can.
    Auto,
    /// JPEG pictures.
    Mjpeg,
    /// YUV 4:2:2, packed.
    Yuyv,
    /// YUV 4:2:0 in two planes.
    Nv12,
    /// Brightness alone.
    Grey,
}

/// What is done about a control of the camera.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setting {
    /// It stays as the camera has it.
    AsItIs,
    /// The camera chooses.
    Automatic,
    /// This value.
    Fixed(u32),
}

/// Shortest and longest side of a picture, pixels, as the decoders take it.
const SIDES: std::ops::RangeInclusive<u64> = 16..=4096;

pub(super) fn read(mut section: Section<'_>, secrets: &Secrets) -> Option<Camera> {
    let url = section.text("url");
    let device = section.path("device");
    let at = match (url, device) {
        (Some(_), Some(_)) => {
            section.complain("device", "stands beside url; keep one of them");
            return None;
        }
        (None, None) => {
            section.complain(
                "url",
                "is missing; write for example url = \"rtsp://10.0.0.20/stream\", or device = \"/dev/video0\"",
            );
            return None;
        }
        (Some(url), None) => read_network(&mut section, &url, secrets).map(CameraAt::Network),
        (None, Some(path)) => read_device(&mut section, path).map(CameraAt::Device),
    };
    let usual = Patience::default();
    let stall = section.millis("stall_ms", usual.stall.as_millis() as u64, 200..=60_000);
    let backoff_max = section.millis("backoff_max_ms", usual.backoff_max.as_millis() as u64, 100..=600_000);
    section.finish();
    Some(Camera { at: at?, patience: Patience { stall, backoff_max } })
}

fn read_network(section: &mut Section<'_>, url: &str, secrets: &Secrets) -> Option<NetworkCamera> {
    let url = camera::url(section, url);
    let login = read_login(section, secrets);
    let transport = section.choice(
        "transport",
        Transport::Auto,
        &[("auto", Transport::Auto), ("tcp", Transport::Tcp), ("udp", Transport::Udp)],
    );
    Some(NetworkCamera { url: url?, login, transport })
}

fn url(section: &mut Section<'_>, text: &str) -> Option<url::Url> {
    let shown = text.split_once('@').map_or(text.to_owned(), |(_, host)| format!("rtsp://…@{host}"));
    let url = match url::Url::parse(text) {
        Ok(url) if url.scheme() == "rtsp" && url.host().is_some() => url,
        _ => {
            section.complain("url", format!("got {shown:?}; allowed: rtsp://host[:port]/path"));
            return None;
        }
    };
    if !url.username().is_empty() || url.password().is_some() {
        section.complain("url", "holds a user name or password; write user = \"…\" and password_file = \"…\" instead");
        return None;
    }
    Some(url)
}

fn read_device(section: &mut Section<'_>, path: PathBuf) -> Option<DeviceCamera> {
    let fine = path.is_absolute();
    if !fine {
        let allowed = "a path such as \"/dev/video0\", or a link under /dev/v4l/by-id";
        section.complain("device", format!("got {path:?}; allowed: {allowed}"));
    }
    let usual = DeviceCamera::new(path);
    let pixels = section.choice(
        "pixels",
        usual.pixels,
        &[
            ("auto", PixelsChoice::Auto),
            ("mjpeg", PixelsChoice::Mjpeg),
            ("yuyv", PixelsChoice::Yuyv),
            ("nv12", PixelsChoice::Nv12),
            ("grey", PixelsChoice::Grey),
        ],
    );
    let size = section.pair("size_px", usual.size, SIDES);
    // Below the range, and so nothing that could have been written.
    let rate = section.decimal("rate_hz", 0.0, 1.0..=1000.0);
    let exposure_us = section.setting("exposure_us", 1..=1_000_000);
    let gain = section.setting("gain", 0..=1_000_000);
    fine.then_some(DeviceCamera { pixels, size, rate_hz: (rate > 0.0).then_some(rate), exposure_us, gain, ..usual })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn read(camera: &str) -> Result<Camera, String> {
        let text = format!("arena = \"a1\"\n[camera]\n{camera}");
        Config::read(&text, &Secrets::default()).map(|config| config.camera).map_err(|error| error.to_string())
    }

    #[test]
    fn a_device_is_enough() {
        let camera = read("device = \"/dev/v4l/by-id/usb-cam\"\n").expect("valid");
        let device = DeviceCamera {
            path: "/dev/v4l/by-id/usb-cam".into(),
            pixels: PixelsChoice::Auto,
            size: (640, 480),
            rate_hz: None,
            exposure_us: Setting::AsItIs,
            gain: Setting::AsItIs,
        };
        assert_eq!(camera, Camera { at: CameraAt::Device(device), patience: Patience::default() });
    }

    #[test]
    fn a_device_has_pixels_a_size_a_rate_and_controls() {
        let camera = read(
            "device = \"/dev/video0\"\npixels = \"nv12\"\nsize_px = [1280, 720]\nrate_hz = 29.97\nexposure_us = 8000\n\
             gain = \"auto\"\nstall_ms = 900\n",
        )
        .expect("valid");
        let device = DeviceCamera {
            path: "/dev/video0".into(),
            pixels: PixelsChoice::Nv12,
            size: (1280, 720),
            rate_hz: Some(29.97),
            exposure_us: Setting::Fixed(8000),
            gain: Setting::Automatic,
        };
        assert_eq!((camera.at, camera.patience.stall), (CameraAt::Device(device), Duration::from_millis(900)));
    }

    #[test]
    fn each_bad_value_is_named_with_what_is_allowed() {
        const DEVICE: &str = "device = \"/dev/video0\"\n";
        let keys = "url, device, pixels, size_px, rate_hz, exposure_us, gain, stall_ms, backoff_max_ms";
        for (written, expected) in [
            (
                String::new(),
                "camera.url: is missing; write for example url = \"rtsp://10.0.0.20/stream\", or device = \"/dev/video0\"",
            ),
            (format!("{DEVICE}url = \"rtsp://10.0.0.20/s\"\n"), "camera.device: stands beside url; keep one of them"),
            (
                "device = \"video0\"\n".to_owned(),
                "camera.device: got \"video0\"; allowed: a path such as \"/dev/video0\", or a link under /dev/v4l/by-id",
            ),
            (
                format!("{DEVICE}pixels = \"rgb\"\n"),
                "camera.pixels: got \"rgb\"; allowed: \"auto\", \"mjpeg\", \"yuyv\", \"nv12\", \"grey\"",
            ),
            (
                format!("{DEVICE}size_px = [640]\n"),
                "camera.size_px: got a list of 1; allowed: [width, height], each a whole number from 16 to 4096",
            ),
            (
                format!("{DEVICE}size_px = [640, 5000]\n"),
                "camera.size_px: got a list of 2; allowed: [width, height], each a whole number from 16 to 4096",
            ),
            (format!("{DEVICE}rate_hz = 0\n"), "camera.rate_hz: got 0; allowed: 1 to 1000"),
            (
                format!("{DEVICE}exposure_us = 0\n"),
                "camera.exposure_us: got 0; allowed: a whole number from 1 to 1000000, or \"auto\"",
            ),
            (
                format!("{DEVICE}gain = \"high\"\n"),
                "camera.gain: got \"high\"; allowed: a whole number from 0 to 1000000, or \"auto\"",
            ),
            (
                format!("{DEVICE}transport = \"tcp\"\n"),
                &format!("camera.transport: is not a key here; allowed: {keys}"),
            ),
        ] {
            let said = read(&written).expect_err(&written);
            assert_eq!(said, format!("configuration: 1 thing(s) to mend\n  {expected}"), "{written}");
        }
    }
}
