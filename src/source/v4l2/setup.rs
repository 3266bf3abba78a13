//! Sets a video device as the configuration says and reads back what the driver made of it.

use super::choice::{self, FourCc, Interval, Offer, Range};
use super::error::DeviceError;
use crate::config::{DeviceCamera, Setting};
use crate::handover::{Codec, Colour, PictureSize, RawPicture, RawPixels};
use std::io;
use std::time::Duration;

/// Exposure: who chooses it. Values: 0 automatic, 1 manual, 2 manual time, 3 automatic time.
pub(super) const EXPOSURE_AUTO: u32 = 0x009a_0901;
/// Exposure time in steps of 100 microseconds.
pub(super) const EXPOSURE_ABSOLUTE: u32 = 0x009a_0902;
/// The camera may lower its rate for a longer exposure.
pub(super) const EXPOSURE_AUTO_PRIORITY: u32 = 0x009a_0903;
/// The camera chooses its gain.
pub(super) const AUTOGAIN: u32 = 0x0098_0912;
/// Gain in the camera's own steps.
pub(super) const GAIN: u32 = 0x0098_0913;
/// Gain before the converter: what sensors on CSI have.
pub(super) const ANALOGUE_GAIN: u32 = 0x009e_0903;
/// Microseconds of a step of `EXPOSURE_ABSOLUTE`.
const EXPOSURE_STEP_US: u32 = 100;

/// What the kernel knows of a device, as far as it is asked.
pub(super) trait Driver {
    /// The formats in which it gives pictures.
    fn formats(&mut self) -> io::Result<Vec<FourCc>>;
    /// The sizes of a format; empty where the driver does not tell.
    fn sizes(&mut self, fourcc: FourCc) -> io::Result<Vec<Range<(u32, u32)>>>;
    /// The intervals of a format at a size; empty where the driver does not tell.
    fn intervals(&mut self, fourcc: FourCc, size: (u32, u32)) -> io::Result<Vec<Range<Interval>>>;
    /// Asks for progressive pictures of this format and size; what was set.
    fn set_format(&mut self, fourcc: FourCc, size: (u32, u32)) -> io::Result<Set>;
    /// Asks for this interval; what was set, `None` where the driver has no say in it.
    fn set_interval(&mut self, interval: Interval) -> io::Result<Option<Interval>>;
    /// The range of a control that can be set now or later; `None` where there is none.
    fn control(&mut self, id: u32) -> io::Result<Option<(i32, i32)>>;
    /// Sets a control; the value that it has then.
    fn set_control(&mut self, id: u32, value: i32) -> io::Result<i32>;
}

/// What a driver set.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Set {
    pub(super) fourcc: FourCc,
    pub(super) size: (u32, u32),
    pub(super) stride: u32,
    pub(super) progressive: bool,
    pub(super) colour: Colour,
}

/// What a device is set to.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Mode {
    /// The camera's own name.
    pub(super) card: String,
    pub(super) codec: Codec,
    pub(super) size: PictureSize,
    /// Frames a second; `None` where the driver does not tell.
    pub(super) rate: Option<f64>,
    /// Exposure time in microseconds and gain, where they were set to a value: as the camera has them.
    pub(super) exposure_us: Option<u32>,
    pub(super) gain: Option<i32>,
}

impl Mode {
    /// Time between two pictures, where the driver tells.
    pub(super) fn interval(&self) -> Option<Duration> {
        self.rate.and_then(|rate| Duration::try_from_secs_f64(1.0 / rate).ok())
    }

    /// For the status and the log.
    pub(super) fn words(&self) -> String {
        let rate = self.rate.map_or("rate unknown".to_owned(), |rate| format!("{} frames/s", choice::rate_word(rate)));
        let exposure = self.exposure_us.map(|us| format!(", exposure {us} us")).unwrap_or_default();
        let gain = self.gain.map(|gain| format!(", gain {gain}")).unwrap_or_default();
        format!("{rate}{exposure}{gain} ({})", self.card)
    }
}

/// Sets the device as `wanted`. Another size or a written rate that the driver does not keep is an error: zones are in pixels of
/// that size, and an experiment counts on its rate.
pub(super) fn set_up(driver: &mut dyn Driver, wanted: &DeviceCamera, card: &str) -> Result<Mode, DeviceError> {
    let failed = |step| move |error: io::Error| system(wanted, step, &error);
    let offered = driver.formats().map_err(failed("list of formats"))?;
    let mut offers = Vec::new();
    for fourcc in choice::candidates(wanted, &offered)? {
        let sizes = driver.sizes(fourcc).map_err(failed("list of sizes"))?;
        let intervals = driver.intervals(fourcc, wanted.size).map_err(failed("list of rates"))?;
        offers.push(Offer { fourcc, sizes, intervals });
    }
    let chosen = choice::choose(wanted, &offers)?;
    let set = driver.set_format(chosen.fourcc, wanted.size).map_err(failed("setting the format"))?;
    let camera = choice::name(wanted);
    if set.fourcc != chosen.fourcc {
        let (wanted, offered) = (choice::word(chosen.fourcc), choice::word(set.fourcc));
        return Err(DeviceError::Pixels { camera, wanted, offered: format!("{offered} instead") });
    }
    if set.size != wanted.size {
        let offered = format!("{} instead", choice::size_word(set.size));
        return Err(DeviceError::Size { camera, wanted: choice::size_word(wanted.size), offered });
    }
    if !set.progressive {
        return Err(DeviceError::Interlaced { camera });
    }
    let rate = driver.set_interval(chosen.interval).map_err(failed("setting the rate"))?.and_then(Interval::rate);
    if let (Some(asked), Some(rate)) = (wanted.rate_hz.map(f64::from), rate)
        && !choice::same_rate(rate, asked)
    {
        let wanted = format!("{} frames/s", choice::rate_word(asked));
        return Err(DeviceError::Rate { camera, wanted, offered: format!("{} instead", choice::rate_word(rate)) });
    }
    let exposure_us = set_exposure(driver, wanted, rate)?;
    let gain = set_gain(driver, wanted)?;
    let size = PictureSize { width: set.size.0, height: set.size.1 };
    Ok(Mode { card: card.to_owned(), codec: codec(&set, size), size, rate, exposure_us, gain })
}

fn codec(set: &Set, size: PictureSize) -> Codec {
    let raw = |pixels| Codec::Raw(RawPicture { pixels, size, stride: set.stride, colour: set.colour });
    match &set.fourcc {
        b"NV12" => raw(RawPixels::Nv12),
        b"YUYV" => raw(RawPixels::Yuyv),
        b"GREY" => raw(RawPixels::Grey),
        _ => Codec::Jpeg,
    }
}

/// Sets the exposure time; what the camera made of it, where it was set to a value.
fn set_exposure(driver: &mut dyn Driver, wanted: &DeviceCamera, rate: Option<f64>) -> Result<Option<u32>, DeviceError> {
    const KEY: &str = "exposure_us";
    let failed = |error: io::Error| system(wanted, "setting the exposure", &error);
    // In the dark some cameras halve their rate without a word. Not all have the control.
    if driver.control(EXPOSURE_AUTO_PRIORITY).map_err(failed)?.is_some() {
        let _ = driver.set_control(EXPOSURE_AUTO_PRIORITY, 0);
    }
    match wanted.exposure_us {
        Setting::AsItIs => Ok(None),
        Setting::Automatic => {
            if driver.control(EXPOSURE_AUTO).map_err(failed)?.is_none() {
                return Err(missing(wanted, KEY, "auto", "has no control for automatic exposure"));
            }
            first_taken(driver, EXPOSURE_AUTO, &[3, 0]).map_err(failed)?;
            Ok(None)
        }
        Setting::Fixed(us) => {
            let got = us.to_string();
            let Some((least, most)) = driver.control(EXPOSURE_ABSOLUTE).map_err(failed)? else {
                return Err(missing(wanted, KEY, &got, "has no control for the exposure time"));
            };
            if let Some(frame_us) = rate.map(|rate| 1e6 / rate)
                && f64::from(us) > frame_us
            {
                let what =
                    format!("a frame at {} frames/s lasts {frame_us:.0}", choice::rate_word(rate.unwrap_or(0.0)));
                let remedy = "give a shorter time or a lower camera.rate_hz";
                return Err(DeviceError::Control { camera: choice::name(wanted), key: KEY, got, what, remedy });
            }
            let steps = i32::try_from(us.div_ceil(EXPOSURE_STEP_US)).unwrap_or(i32::MAX);
            let in_us = |steps: i32| i64::from(steps) * i64::from(EXPOSURE_STEP_US);
            check_range(wanted, KEY, &got, steps, (least, most), in_us)?;
            if driver.control(EXPOSURE_AUTO).map_err(failed)?.is_some() {
                first_taken(driver, EXPOSURE_AUTO, &[1, 2]).map_err(failed)?;
            }
            let set = driver.set_control(EXPOSURE_ABSOLUTE, steps).map_err(failed)?;
            Ok(u32::try_from(in_us(set)).ok())
        }
    }
}

/// Sets the gain; what the camera made of it, where it was set to a value.
fn set_gain(driver: &mut dyn Driver, wanted: &DeviceCamera) -> Result<Option<i32>, DeviceError> {
    const KEY: &str = "gain";
    let failed = |error: io::Error| system(wanted, "setting the gain", &error);
    let automatic = driver.control(AUTOGAIN).map_err(failed)?.is_some();
    match wanted.gain {
        Setting::AsItIs => Ok(None),
        Setting::Automatic if !automatic => Err(missing(wanted, KEY, "auto", "has no control for automatic gain")),
        Setting::Automatic => driver.set_control(AUTOGAIN, 1).map_err(failed).map(|_| None),
        Setting::Fixed(value) => {
            let got = value.to_string();
            let mut found = None;
            for id in [GAIN, ANALOGUE_GAIN] {
                if found.is_none() {
                    found = driver.control(id).map_err(failed)?.map(|range| (id, range));
                }
            }
            let Some((id, range)) = found else {
                return Err(missing(wanted, KEY, &got, "has no control for the gain"));
            };
            let value = i32::try_from(value).unwrap_or(i32::MAX);
            check_range(wanted, KEY, &got, value, range, i64::from)?;
            if automatic {
                driver.set_control(AUTOGAIN, 0).map_err(failed)?;
            }
            driver.set_control(id, value).map_err(failed).map(Some)
        }
    }
}

/// The first of these values that the driver takes.
fn first_taken(driver: &mut dyn Driver, id: u32, values: &[i32]) -> io::Result<()> {
    let mut last = io::Error::from(io::ErrorKind::Unsupported);
    for value in values {
        match driver.set_control(id, *value) {
            Ok(_) => return Ok(()),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn check_range(
    wanted: &DeviceCamera,
    key: &'static str,
    got: &str,
    value: i32,
    (least, most): (i32, i32),
    shown: impl Fn(i32) -> i64,
) -> Result<(), DeviceError> {
    if (least..=most).contains(&value) {
        return Ok(());
    }
    let what = format!("the camera has {} to {}", shown(least), shown(most));
    let (camera, got, remedy) = (choice::name(wanted), got.to_owned(), "choose a value in that range");
    Err(DeviceError::Control { camera, key, got, what, remedy })
}

fn missing(wanted: &DeviceCamera, key: &'static str, got: &str, what: &str) -> DeviceError {
    DeviceError::Control {
        camera: choice::name(wanted),
        key,
        got: got.to_owned(),
        what: format!("the camera {what}"),
        remedy: "leave the key out, and see v4l2-ctl --list-ctrls for what it has",
    }
}

/// An error of a device that was open.
pub(super) fn system(wanted: &DeviceCamera, step: &'static str, error: &io::Error) -> DeviceError {
    const NO_SUCH_DEVICE: i32 = 19;
    let camera = choice::name(wanted);
    match (error.raw_os_error(), error.kind()) {
        (Some(NO_SUCH_DEVICE), _) => DeviceError::Gone { camera },
        (_, io::ErrorKind::ResourceBusy) => DeviceError::Busy { camera },
        _ => DeviceError::System { camera, step, cause: error.to_string().to_lowercase() },
    }
}

#[cfg(test)]
mod tests;
