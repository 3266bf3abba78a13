//! When a frame was: its number, its capture time and its arrival. Made once in `source`, carried unchanged to the last sink.

use std::time::{Duration, Instant, SystemTime};

/// Wall-clock time, nanoseconds since 1970-01-01T00:00:00Z (UTC, no leap seconds). Before 1970 is negative.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct WallTime(pub i64);

impl WallTime {
    /// The time of `SystemTime`, saturating at the ends of the representable range (years 1677 to 2262).
    pub fn from_system(time: SystemTime) -> Self {
        match time.duration_since(SystemTime::UNIX_EPOCH) {
            Ok(after) => Self(i64::try_from(after.as_nanos()).unwrap_or(i64::MAX)),
            Err(before) => Self(i64::try_from(before.duration().as_nanos()).map_or(i64::MIN, |n| -n)),
        }
    }

    /// The same time as `SystemTime`, for printing.
    pub fn to_system(self) -> SystemTime {
        let size = Duration::from_nanos(self.0.unsigned_abs());
        let moved = if self.0 >= 0 {
            SystemTime::UNIX_EPOCH.checked_add(size)
        } else {
            SystemTime::UNIX_EPOCH.checked_sub(size)
        };
        moved.unwrap_or(SystemTime::UNIX_EPOCH)
    }

    /// Nanoseconds from `earlier` to this time; negative when `earlier` is later.
    pub fn nanos_since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }

    /// RFC 3339 in UTC with microseconds, as the wire has it. Years before 1970 print as 1970.
    pub fn rfc3339(self) -> impl std::fmt::Display {
        let time = self.to_system();
        humantime::format_rfc3339_micros(time.max(SystemTime::UNIX_EPOCH))
    }
}

/// Monotonic time, nanoseconds since the process's own start of counting. Never jumps; means nothing to another process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Monotonic(pub u64);

impl Monotonic {
    /// Nanoseconds from `earlier` to this time, zero when `earlier` is later.
    pub fn nanos_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// The process's clocks. Rooms that must not read a clock are not given one.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: Instant,
}

impl Clock {
    /// A clock whose monotonic time starts now.
    #[allow(clippy::new_without_default)]
    pub fn new() -> Self {
        Self { start: Instant::now() }
    }

    /// Monotonic time now.
    pub fn monotonic(&self) -> Monotonic {
        Monotonic(u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX))
    }

    /// Monotonic time of an `Instant`, zero for one before this clock's start.
    pub fn monotonic_at(&self, at: Instant) -> Monotonic {
        let since = at.saturating_duration_since(self.start);
        Monotonic(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
    }

    /// Wall-clock time now.
    pub fn wall(&self) -> WallTime {
        WallTime::from_system(SystemTime::now())
    }
}

/// Where a capture time comes from, from the best to the weakest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum CaptureClock {
    /// The camera's own clock through RTCP sender reports.
    SenderReport,
    /// This machine's kernel, which stamps each picture of a video device as its transfer begins or ends.
    Kernel,
    /// RTP timestamps laid on the wall-clock time of arrival: the camera sent no sender report (yet).
    Arrival,
    /// A recording: its own timestamps counted from a start that the file or the caller gave.
    #[default]
    Recording,
}

/// Which frame, when captured, when arrived. Carried unchanged from `source` to the last sink.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Stamp {
    /// Frame number, rising by one for each access unit received or known to be lost in the camera, across reconnections, from 0 at
    /// the daemon's start.
    pub frame: u64,
    /// When the picture was captured, camera clock mapped to wall clock.
    pub captured: WallTime,
    /// Estimated error of `captured`, nanoseconds (half width).
    pub captured_error_ns: u64,
    /// What `captured` rests on.
    pub capture_clock: CaptureClock,
    /// When the last byte of the access unit had arrived here.
    pub arrived: Monotonic,
}

/// What a step counts as when the clock stood still or went back, nanoseconds: one frame at 30 frames/s.
const UNKNOWN_STEP_NS: u64 = 33_333_333;

/// Time that only rises, counted from capture times whose clock may stand still or jump back. Reads no clock itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Elapsed {
    last: Option<WallTime>,
    total_ns: u64,
}

impl Elapsed {
    /// Goes on to `captured` and gives the seconds since the capture time before it: 0 at the first, one frame at 30 frames/s
    /// where the clock stood still or went back.
    pub fn advance(&mut self, captured: WallTime) -> f64 {
        let step = match self.last.replace(captured) {
            None => 0,
            Some(last) => {
                u64::try_from(captured.nanos_since(last)).ok().filter(|step| *step > 0).unwrap_or(UNKNOWN_STEP_NS)
            }
        };
        self.total_ns = self.total_ns.saturating_add(step);
        step as f64 / 1e9
    }

    /// Time since the first capture time.
    pub fn total(&self) -> Duration {
        Duration::from_nanos(self.total_ns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wall_time_prints_as_rfc3339_with_microseconds() {
        assert_eq!(WallTime(1_795_243_980_123_456_789).rfc3339().to_string(), "2026-11-21T06:53:00.123456Z");
    }

    #[test]
    fn wall_time_survives_the_round_trip_through_system_time() {
        for nanos in [0, 1, -1, 1_795_243_980_123_456_789, -5_000_000_000] {
            assert_eq!(WallTime::from_system(WallTime(nanos).to_system()), WallTime(nanos));
        }
    }

    #[test]
    fn elapsed_time_rises_when_the_clock_goes_back() {
        let mut elapsed = Elapsed::default();
        let steps = [5_000_000_000, 6_000_000_000, 1_000_000_000, 1_000_000_000, 3_000_000_000]
            .map(|captured| elapsed.advance(WallTime(captured)));
        assert_eq!(steps, [0.0, 1.0, 0.033333333, 0.033333333, 2.0]);
        assert_eq!(elapsed.total(), Duration::from_nanos(3_066_666_666));
    }

    #[test]
    fn elapsed_time_survives_the_ends_of_the_clock() {
        let mut elapsed = Elapsed::default();
        for captured in [i64::MIN, i64::MAX, i64::MIN, i64::MAX] {
            elapsed.advance(WallTime(captured));
        }
        assert!(elapsed.total() >= Duration::from_secs(292 * 365 * 86_400));
    }
}
