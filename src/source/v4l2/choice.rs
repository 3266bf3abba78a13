//! What a video device offers, and which of it is taken. Pure.

use super::error::DeviceError;
use crate::config::{DeviceCamera, PixelsChoice};

/// Four letters by which the kernel names a format.
pub(super) type FourCc = [u8; 4];

/// The formats that can be used, the best first: as it is before decompressed, colour before grey.
const KNOWN: [(PixelsChoice, &[FourCc]); 4] = [
    (PixelsChoice::Nv12, &[*b"NV12"]),
    (PixelsChoice::Yuyv, &[*b"YUYV"]),
    (PixelsChoice::Mjpeg, &[*b"MJPG", *b"JPEG"]),
    (PixelsChoice::Grey, &[*b"GREY"]),
];
/// What is asked for where the configuration names no rate, frames a second.
const USUAL_RATE: f64 = 30.0;
/// 29.97 is 30.
const SAME_RATE: f64 = 0.01;

/// One format of a device.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Offer {
    pub(super) fourcc: FourCc,
    /// Empty where the driver does not tell.
    pub(super) sizes: Vec<Range<(u32, u32)>>,
    /// At the size that is wanted; empty where the driver does not tell.
    pub(super) intervals: Vec<Range<Interval>>,
}

/// One value, or all from the first to the second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Range<T> {
    /// This one.
    One(T),
    /// From the least to the greatest, in steps of the driver's.
    FromTo(T, T),
}

/// Time between two pictures, seconds, as a fraction.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Interval {
    pub(super) numerator: u32,
    pub(super) denominator: u32,
}

impl Interval {
    /// Pictures a second; `None` where the fraction says nothing.
    pub(super) fn rate(self) -> Option<f64> {
        (self.numerator > 0 && self.denominator > 0).then(|| f64::from(self.denominator) / f64::from(self.numerator))
    }

    /// The interval of a rate, in thousandths where it is not whole.
    fn of(rate: f64) -> Self {
        let thousandths = (rate * 1000.0).round().clamp(1.0, f64::from(u32::MAX)) as u32;
        if thousandths.is_multiple_of(1000) {
            Self { numerator: 1, denominator: thousandths / 1000 }
        } else {
            Self { numerator: 1000, denominator: thousandths }
        }
    }
}

/// What to ask the driver for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Choice {
    pub(super) fourcc: FourCc,
    pub(super) interval: Interval,
}

/// The formats worth asking the driver about: those that are wanted and known, the best first.
pub(super) fn candidates(wanted: &DeviceCamera, offered: &[FourCc]) -> Result<Vec<FourCc>, DeviceError> {
    let fitting = KNOWN.iter().filter(|(pixels, _)| wanted.pixels == PixelsChoice::Auto || wanted.pixels == *pixels);
    let found: Vec<_> =
        fitting.flat_map(|(_, names)| names.iter()).filter(|name| offered.contains(name)).copied().collect();
    if offered.is_empty() {
        return Err(DeviceError::Unfed { camera: name(wanted) });
    }
    if found.is_empty() {
        let wanted_word = match wanted.pixels {
            PixelsChoice::Auto => "pictures as MJPEG, YUYV, NV12 or GREY".to_owned(),
            pixels => format!("pictures as {}", format!("{pixels:?}").to_uppercase()),
        };
        let offered = offered.iter().map(|fourcc| word(*fourcc)).collect::<Vec<_>>().join(", ");
        return Err(DeviceError::Pixels { camera: name(wanted), wanted: wanted_word, offered });
    }
    Ok(found)
}

/// Which of the offers is taken. All are candidates.
pub(super) fn choose(wanted: &DeviceCamera, offers: &[Offer]) -> Result<Choice, DeviceError> {
    let sized: Vec<&Offer> = offers.iter().filter(|offer| offer.has_size(wanted.size)).collect();
    if sized.is_empty() {
        let offered = offers.iter().map(Offer::size_words).collect::<Vec<_>>().join("; ");
        return Err(DeviceError::Size { camera: name(wanted), wanted: size_word(wanted.size), offered });
    }
    if let Some(rate) = wanted.rate_hz.map(f64::from) {
        let found = sized.iter().find_map(|offer| offer.interval_at(rate).map(|interval| (offer, interval)));
        let Some((offer, interval)) = found else {
            let offered = sized.iter().map(|offer| offer.rate_words()).collect::<Vec<_>>().join("; ");
            let wanted_word = format!("{} frames/s at {}", rate_word(rate), size_word(wanted.size));
            return Err(DeviceError::Rate { camera: name(wanted), wanted: wanted_word, offered });
        };
        return Ok(Choice { fourcc: offer.fourcc, interval });
    }
    let usual = |offer: &Offer| (offer.fourcc, offer.usual_interval());
    let mut best = usual(sized[0]);
    for (fourcc, interval) in sized[1..].iter().map(|offer| usual(offer)) {
        let (now, other) = (best.1.rate().unwrap_or(0.0), interval.rate().unwrap_or(0.0));
        // A worse format is taken only for a rate that the better one does not reach.
        if now < USUAL_RATE * (1.0 - SAME_RATE) && other > now * (1.0 + SAME_RATE) {
            best = (fourcc, interval);
        }
    }
    Ok(Choice { fourcc: best.0, interval: best.1 })
}

/// One rate is as good as the other.
pub(super) fn same_rate(a: f64, b: f64) -> bool {
    (a - b).abs() <= b * SAME_RATE
}

impl Offer {
    fn has_size(&self, (width, height): (u32, u32)) -> bool {
        let holds = |size: &Range<(u32, u32)>| match *size {
            Range::One(size) => size == (width, height),
            Range::FromTo(least, most) => (least.0..=most.0).contains(&width) && (least.1..=most.1).contains(&height),
        };
        self.sizes.is_empty() || self.sizes.iter().any(holds)
    }

    /// The interval for this rate, where it is offered or the driver does not tell.
    fn interval_at(&self, rate: f64) -> Option<Interval> {
        if self.intervals.is_empty() {
            return Some(Interval::of(rate));
        }
        self.intervals.iter().find_map(|range| match *range {
            Range::One(interval) => interval.rate().filter(|offered| same_rate(*offered, rate)).map(|_| interval),
            Range::FromTo(shortest, longest) => {
                let (fastest, slowest) = (shortest.rate()?, longest.rate()?);
                let slack = rate * SAME_RATE;
                (slowest - slack..=fastest + slack).contains(&rate).then(|| Interval::of(rate))
            }
        })
    }

    /// The usual rate, or the fastest below it, or the slowest.
    fn usual_interval(&self) -> Interval {
        if let Some(interval) = self.interval_at(USUAL_RATE) {
            return interval;
        }
        let each = self.intervals.iter().flat_map(|range| match *range {
            Range::One(interval) => [interval; 2],
            Range::FromTo(shortest, longest) => [shortest, longest],
        });
        let mut rated: Vec<_> = each.filter_map(|interval| Some((interval.rate()?, interval))).collect();
        rated.sort_by(|a, b| a.0.total_cmp(&b.0));
        let below = rated.iter().rev().find(|(rate, _)| *rate < USUAL_RATE);
        below.or(rated.first()).map_or(Interval::of(USUAL_RATE), |(_, interval)| *interval)
    }

    fn size_words(&self) -> String {
        let size = |range: &Range<(u32, u32)>| match *range {
            Range::One(size) => size_word(size),
            Range::FromTo(least, most) => format!("{} to {}", size_word(least), size_word(most)),
        };
        format!("{} {}", word(self.fourcc), joined(self.sizes.iter().map(size).collect()))
    }

    fn rate_words(&self) -> String {
        let rate = |interval: Interval| rate_word(interval.rate().unwrap_or(0.0));
        let words = |range: &Range<Interval>| match *range {
            Range::One(interval) => rate(interval),
            Range::FromTo(shortest, longest) => format!("{} to {}", rate(longest), rate(shortest)),
        };
        format!("{} {}", word(self.fourcc), joined(self.intervals.iter().map(words).collect()))
    }
}

/// Not more than a line can bear.
fn joined(mut words: Vec<String>) -> String {
    const MOST: usize = 16;
    let more = words.len().saturating_sub(MOST);
    words.truncate(MOST);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{more}", words.join(", "))
}

/// The camera's name for messages.
pub(super) fn name(wanted: &DeviceCamera) -> String {
    wanted.path.display().to_string()
}

pub(super) fn size_word((width, height): (u32, u32)) -> String {
    format!("{width}x{height}")
}

/// Up to two decimals, none that is not needed.
pub(super) fn rate_word(rate: f64) -> String {
    let words = format!("{rate:.2}");
    words.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// The letters of a format's name, without what could upset a log.
pub(super) fn word(fourcc: FourCc) -> String {
    let letter = |byte: u8| if byte.is_ascii_graphic() { char::from(byte) } else { '_' };
    fourcc.iter().map(|byte| letter(*byte)).collect::<String>().trim_end_matches('_').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(pixels: PixelsChoice, rate_hz: Option<f32>) -> DeviceCamera {
        DeviceCamera { pixels, rate_hz, ..DeviceCamera::new("/dev/video0".into()) }
    }

    fn at(denominator: u32) -> Range<Interval> {
        Range::One(Interval { numerator: 1, denominator })
    }

    fn offer(fourcc: &FourCc, rates: &[u32]) -> Offer {
        let sizes = vec![Range::One((320, 180)), Range::One((640, 480))];
        Offer { fourcc: *fourcc, sizes, intervals: rates.iter().map(|rate| at(*rate)).collect() }
    }

    fn chosen(rate_hz: Option<f32>, offers: &[Offer]) -> (String, f64) {
        let choice = choose(&wanted(PixelsChoice::Auto, rate_hz), offers).expect("a choice");
        (word(choice.fourcc), choice.interval.rate().expect("a rate"))
    }

    #[test]
    fn pixels_as_they_are_come_before_compressed_and_grey_ones() {
        let found = candidates(&wanted(PixelsChoice::Auto, None), &[*b"GREY", *b"MJPG", *b"RGB3", *b"YUYV", *b"NV12"]);
        assert_eq!(found, Ok(vec![*b"NV12", *b"YUYV", *b"MJPG", *b"GREY"]));
        let found = candidates(&wanted(PixelsChoice::Mjpeg, None), &[*b"YUYV", *b"JPEG"]);
        assert_eq!(found, Ok(vec![*b"JPEG"]));
    }

    #[test]
    fn a_rate_that_is_not_written_is_30_or_what_comes_nearest() {
        assert_eq!(chosen(None, &[offer(b"YUYV", &[5, 30, 60]), offer(b"MJPG", &[60])]), ("YUYV".to_owned(), 30.0));
        assert_eq!(chosen(None, &[offer(b"YUYV", &[5, 10]), offer(b"MJPG", &[25])]), ("MJPG".to_owned(), 25.0));
        assert_eq!(chosen(None, &[offer(b"YUYV", &[5, 10]), offer(b"MJPG", &[10])]), ("YUYV".to_owned(), 10.0));
        assert_eq!(chosen(None, &[offer(b"YUYV", &[60, 120])]), ("YUYV".to_owned(), 60.0));
        assert_eq!(chosen(None, &[offer(b"YUYV", &[])]), ("YUYV".to_owned(), 30.0));
        let ntsc = Interval { numerator: 1001, denominator: 30_000 };
        let offer = Offer { intervals: vec![Range::One(ntsc)], ..offer(b"YUYV", &[]) };
        assert_eq!(choose(&wanted(PixelsChoice::Auto, None), &[offer]).expect("a choice").interval, ntsc);
    }

    #[test]
    fn a_rate_that_is_written_chooses_the_format() {
        assert_eq!(chosen(Some(60.0), &[offer(b"YUYV", &[5, 30]), offer(b"MJPG", &[60])]), ("MJPG".to_owned(), 60.0));
        let (shortest, longest) =
            (Interval { numerator: 1, denominator: 50 }, Interval { numerator: 1, denominator: 1 });
        let any = Offer { intervals: vec![Range::FromTo(shortest, longest)], ..offer(b"GREY", &[]) };
        assert_eq!(chosen(Some(12.5), std::slice::from_ref(&any)), ("GREY".to_owned(), 12.5));
        let said = choose(&wanted(PixelsChoice::Auto, Some(90.0)), &[offer(b"YUYV", &[5, 30]), any]);
        assert_eq!(
            said.expect_err("refused").to_string(),
            "camera /dev/video0: gives no 90 frames/s at 640x480; it offers YUYV 5, 30; GREY 1 to 50; set camera.rate_hz to \
             one of these, or camera.pixels or camera.size_px"
        );
    }

    #[test]
    fn what_is_not_offered_is_told_with_what_is() {
        let said =
            candidates(&wanted(PixelsChoice::Auto, None), &[*b"RG10", *b"Y16 "]).expect_err("refused").to_string();
        assert_eq!(
            said,
            "camera /dev/video0: gives no pictures as MJPEG, YUYV, NV12 or GREY; it offers RG10, Y16; set camera.pixels to one \
             of mjpeg, yuyv, nv12, grey that it offers"
        );
        let said = candidates(&wanted(PixelsChoice::Grey, None), &[]).expect_err("refused").to_string();
        assert_eq!(
            said,
            "camera /dev/video0: offers no format at all; a camera offers at least one; start what feeds it, or plug it in anew"
        );
        let large = DeviceCamera { size: (800, 600), ..wanted(PixelsChoice::Auto, None) };
        let stepwise = Offer { sizes: vec![Range::FromTo((16, 16), (640, 480))], ..offer(b"NV12", &[]) };
        let said = choose(&large, &[offer(b"YUYV", &[30]), stepwise]).expect_err("refused").to_string();
        assert_eq!(
            said,
            "camera /dev/video0: gives no 800x600; it offers YUYV 320x180, 640x480; NV12 16x16 to 640x480; set camera.size_px \
             (zones are in its pixels) or camera.pixels"
        );
    }

    #[test]
    fn nonsense_of_a_driver_is_survived() {
        let nothing = Interval { numerator: 0, denominator: 0 };
        let odd =
            Offer { intervals: vec![Range::One(nothing), Range::FromTo(nothing, nothing)], ..offer(b"YUYV", &[]) };
        assert_eq!(chosen(None, std::slice::from_ref(&odd)), ("YUYV".to_owned(), 30.0));
        assert!(choose(&wanted(PixelsChoice::Auto, Some(25.0)), &[odd]).is_err());
        assert_eq!(word([0, 10, b'A', 200]), "__A");
        let many = Offer { sizes: (1..40).map(|n| Range::One((n, n))).collect(), ..offer(b"YUYV", &[]) };
        let said = choose(&wanted(PixelsChoice::Auto, None), &[many]).expect_err("refused").to_string();
        assert!(said.contains("15x15, 16x16 and 23 more; "), "{said}");
    }
}
