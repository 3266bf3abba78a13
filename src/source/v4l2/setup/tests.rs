//! Setting a device up, against a driver that keeps what it is told, or does not.

use super::*;
use crate::config::PixelsChoice;
use crate::handover::Matrix;

/// A driver as a list of answers.
struct Fake {
    formats: Vec<FourCc>,
    sizes: Vec<Range<(u32, u32)>>,
    intervals: Vec<Range<Interval>>,
    /// What it makes of format and size.
    set: fn(FourCc, (u32, u32)) -> Set,
    /// What it makes of an interval.
    interval: fn(Interval) -> Option<Interval>,
    /// Controls with their range.
    controls: Vec<(u32, (i32, i32))>,
    /// Values that are refused.
    refuses: Vec<(u32, i32)>,
    /// What was set, in order.
    told: Vec<(u32, i32)>,
}

fn obeyed(fourcc: FourCc, size: (u32, u32)) -> Set {
    let colour = Colour { matrix: Matrix::Bt709, full_range: true };
    Set { fourcc, size, stride: 2 * size.0, progressive: true, colour }
}

impl Fake {
    fn new() -> Self {
        Self {
            formats: vec![*b"YUYV", *b"MJPG"],
            sizes: vec![Range::One((640, 480))],
            intervals: [5, 25, 30].map(|rate| Range::One(Interval { numerator: 1, denominator: rate })).to_vec(),
            set: obeyed,
            interval: Some,
            controls: vec![
                (EXPOSURE_AUTO, (0, 3)),
                (EXPOSURE_ABSOLUTE, (3, 2047)),
                (EXPOSURE_AUTO_PRIORITY, (0, 1)),
                (AUTOGAIN, (0, 1)),
                (GAIN, (0, 100)),
            ],
            refuses: vec![],
            told: vec![],
        }
    }
}

impl Driver for Fake {
    fn formats(&mut self) -> io::Result<Vec<FourCc>> {
        Ok(self.formats.clone())
    }
    fn sizes(&mut self, _: FourCc) -> io::Result<Vec<Range<(u32, u32)>>> {
        Ok(self.sizes.clone())
    }
    fn intervals(&mut self, _: FourCc, _: (u32, u32)) -> io::Result<Vec<Range<Interval>>> {
        Ok(self.intervals.clone())
    }
    fn set_format(&mut self, fourcc: FourCc, size: (u32, u32)) -> io::Result<Set> {
        Ok((self.set)(fourcc, size))
    }
    fn set_interval(&mut self, interval: Interval) -> io::Result<Option<Interval>> {
        Ok((self.interval)(interval))
    }
    fn control(&mut self, id: u32) -> io::Result<Option<(i32, i32)>> {
        Ok(self.controls.iter().find(|(known, _)| *known == id).map(|(_, range)| *range))
    }
    fn set_control(&mut self, id: u32, value: i32) -> io::Result<i32> {
        if self.refuses.contains(&(id, value)) || self.control(id)?.is_none() {
            return Err(io::Error::from_raw_os_error(22));
        }
        self.told.push((id, value));
        Ok(value)
    }
}

fn wanted() -> DeviceCamera {
    DeviceCamera::new("/dev/video0".into())
}

fn said(driver: &mut Fake, wanted: &DeviceCamera) -> String {
    set_up(driver, wanted, "Fake").expect_err("refused").to_string()
}

#[test]
fn what_is_set_is_what_the_driver_says() {
    let ntsc = |_| Some(Interval { numerator: 1001, denominator: 30_000 });
    let mode = set_up(&mut Fake { interval: ntsc, ..Fake::new() }, &wanted(), "Fake").expect("set");
    let size = PictureSize { width: 640, height: 480 };
    let colour = Colour { matrix: Matrix::Bt709, full_range: true };
    assert_eq!(mode.codec, Codec::Raw(RawPicture { pixels: RawPixels::Yuyv, size, stride: 1280, colour }));
    assert_eq!((mode.size, mode.words()), (size, "29.97 frames/s (Fake)".to_owned()));
    assert_eq!(mode.interval(), Some(Duration::from_nanos(33_366_667)));
    let mjpeg = DeviceCamera { pixels: PixelsChoice::Mjpeg, ..wanted() };
    let mode = set_up(&mut Fake { interval: |_| None, ..Fake::new() }, &mjpeg, "Fake").expect("set");
    assert_eq!((mode.codec, mode.words(), mode.interval()), (Codec::Jpeg, "rate unknown (Fake)".to_owned(), None));
}

#[test]
fn a_driver_that_sets_something_else_is_told_of() {
    let smaller = |fourcc, _| obeyed(fourcc, (320, 240));
    assert_eq!(
        said(&mut Fake { set: smaller, ..Fake::new() }, &wanted()),
        "camera /dev/video0: gives no 640x480; it offers 320x240 instead; set camera.size_px (zones are in its pixels) or \
         camera.pixels"
    );
    let other = |_, size| obeyed(*b"RGB3", size);
    let words = said(&mut Fake { set: other, ..Fake::new() }, &wanted());
    assert!(words.starts_with("camera /dev/video0: gives no YUYV; it offers RGB3 instead; "), "{words}");
    let fields = |fourcc, size| Set { progressive: false, ..obeyed(fourcc, size) };
    assert_eq!(
        said(&mut Fake { set: fields, ..Fake::new() }, &wanted()),
        "camera /dev/video0: gives interlaced video; progressive video is needed; choose another input or mode of the camera"
    );
    let slow = |_| Some(Interval { numerator: 1, denominator: 5 });
    let written = DeviceCamera { rate_hz: Some(25.0), ..wanted() };
    let words = said(&mut Fake { interval: slow, ..Fake::new() }, &written);
    assert!(words.starts_with("camera /dev/video0: gives no 25 frames/s; it offers 5 instead; "), "{words}");
    // A rate that nobody wrote is taken as it comes.
    let mode = set_up(&mut Fake { interval: slow, ..Fake::new() }, &wanted(), "Fake").expect("set");
    assert_eq!(mode.rate, Some(5.0));
}

#[test]
fn exposure_and_gain_are_set_by_hand_or_left_to_the_camera() {
    let told = |wanted: &DeviceCamera, refuses: &[(u32, i32)]| {
        let mut driver = Fake { refuses: refuses.to_vec(), ..Fake::new() };
        let mode = set_up(&mut driver, wanted, "Fake").expect("set");
        (driver.told, mode.words())
    };
    const KEEP_RATE: (u32, i32) = (EXPOSURE_AUTO_PRIORITY, 0);
    assert_eq!(told(&wanted(), &[]), (vec![KEEP_RATE], "30 frames/s (Fake)".to_owned()));
    let fixed = DeviceCamera { exposure_us: Setting::Fixed(8030), gain: Setting::Fixed(40), ..wanted() };
    let by_hand = |manual| vec![KEEP_RATE, (EXPOSURE_AUTO, manual), (EXPOSURE_ABSOLUTE, 81), (AUTOGAIN, 0), (GAIN, 40)];
    let words = "30 frames/s, exposure 8100 us, gain 40 (Fake)".to_owned();
    assert_eq!(told(&fixed, &[]), (by_hand(1), words.clone()));
    assert_eq!(told(&fixed, &[(EXPOSURE_AUTO, 1)]), (by_hand(2), words));
    let auto = DeviceCamera { exposure_us: Setting::Automatic, gain: Setting::Automatic, ..wanted() };
    let left = |mode| vec![KEEP_RATE, (EXPOSURE_AUTO, mode), (AUTOGAIN, 1)];
    assert_eq!(told(&auto, &[]).0, left(3));
    assert_eq!(told(&auto, &[(EXPOSURE_AUTO, 3)]).0, left(0));
}

#[test]
fn a_sensor_without_gain_has_its_analogue_gain_set() {
    let mut driver = Fake { controls: vec![(ANALOGUE_GAIN, (16, 255))], ..Fake::new() };
    let mode = set_up(&mut driver, &DeviceCamera { gain: Setting::Fixed(32), ..wanted() }, "Fake").expect("set");
    assert_eq!((driver.told, mode.gain), (vec![(ANALOGUE_GAIN, 32)], Some(32)));
}

#[test]
fn controls_that_are_not_there_or_not_for_this_value_are_told_by_their_key() {
    let fixed = |us| DeviceCamera { exposure_us: Setting::Fixed(us), ..wanted() };
    let gain = |gain| DeviceCamera { gain, ..wanted() };
    let bare = || Fake { controls: vec![], ..Fake::new() };
    let auto = DeviceCamera { exposure_us: Setting::Automatic, ..wanted() };
    const LEAVE: &str = "leave the key out, and see v4l2-ctl --list-ctrls for what it has";
    for (mut driver, wanted, words) in [
        (bare(), fixed(5000), format!("exposure_us = 5000: the camera has no control for the exposure time; {LEAVE}")),
        (bare(), auto, format!("exposure_us = auto: the camera has no control for automatic exposure; {LEAVE}")),
        (bare(), gain(Setting::Fixed(3)), format!("gain = 3: the camera has no control for the gain; {LEAVE}")),
        (
            bare(),
            gain(Setting::Automatic),
            format!("gain = auto: the camera has no control for automatic gain; {LEAVE}"),
        ),
        (
            Fake::new(),
            fixed(100),
            "exposure_us = 100: the camera has 300 to 204700; choose a value in that range".to_owned(),
        ),
        (
            Fake::new(),
            fixed(40_000),
            "exposure_us = 40000: a frame at 30 frames/s lasts 33333; give a shorter time or a lower camera.rate_hz"
                .to_owned(),
        ),
        (
            Fake::new(),
            gain(Setting::Fixed(101)),
            "gain = 101: the camera has 0 to 100; choose a value in that range".to_owned(),
        ),
    ] {
        assert_eq!(said(&mut driver, &wanted), format!("camera /dev/video0: {words}"));
    }
}

#[test]
fn a_device_that_goes_while_it_is_set_is_gone_and_one_in_use_is_busy() {
    let named = |number| system(&wanted(), "start", &io::Error::from_raw_os_error(number)).to_string();
    assert!(named(19).contains("the device is gone"), "{}", named(19));
    assert!(named(16).contains("is in use by another program"), "{}", named(16));
    let io = "camera /dev/video0: start: input/output error (os error 5); it must work; plug it in anew, and see dmesg";
    assert_eq!(named(5), io);
}
