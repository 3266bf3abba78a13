//! When a picture was captured: the camera's RTP timestamps laid on this machine's wall clock. Pure; reads no clock.
//!
//! Three time lines meet here: RTP ticks (rising with the picture), the camera's NTP clock (in its RTCP sender reports,
//! which pair it with RTP ticks) and our own clock (at which packets arrive). A report arrives a little after it is sent,
//! so the fastest report gives the best view of how the camera's clock lies on ours. A camera whose clock agrees with ours
//! within what a network may take is believed as it is; any other clock (never set, in 1900, in another time zone) is laid
//! on ours by its fastest report. Without reports, the fastest pictures do the same for the RTP ticks alone.

use crate::stamp::{CaptureClock, Monotonic, WallTime};
use std::num::NonZeroU32;

const MS: i64 = 1_000_000;
const SECOND: i64 = 1_000_000_000;
/// Two crystals drift apart by less than this many parts in a million.
const DRIFT_PPM: i64 = 100;
/// A report's age adds to the error at this many parts in a million: what a cheap crystal drifts.
const AGE_PPM: i64 = 50;
/// What is assumed of the jitter before anything was measured.
const JITTER_PRIOR: i64 = 10 * MS;
/// A camera's clock that is ahead of ours by at most this, or behind by at most [`AGREES_BEHIND`], is believed.
const AGREES_AHEAD: i64 = 10 * MS;
/// See [`AGREES_AHEAD`]. Delay on the network looks the same, so it is allowed too.
const AGREES_BEHIND: i64 = 250 * MS;
/// A picture older than this on arrival has a timestamp that means nothing: the RTP ticks have jumped.
const OLDEST: i64 = 10 * SECOND;
/// A picture from the future by more than this contradicts its sender report.
const FUTURE: i64 = 100 * MS;
/// Later than the fastest by more than this for [`PATIENCE`]: the time line has jumped, not the network become slow.
const JUMP: i64 = 500 * MS;
/// See [`JUMP`].
const PATIENCE: i64 = 10 * SECOND;
/// A report is not used for longer than this.
const REPORT_LIFE: i64 = 120 * SECOND;

/// When something reached this machine, on both of its clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// Monotonic.
    pub at: Monotonic,
    /// The wall clock at the same moment.
    pub wall: WallTime,
}

impl Arrival {
    /// Monotonic time as a signed number, for differences.
    fn nanos(self) -> i64 {
        i64::try_from(self.at.0).unwrap_or(i64::MAX)
    }

    /// How far the wall clock stands ahead of the monotonic one.
    fn wall_offset(self) -> i64 {
        self.wall.0.saturating_sub(self.nanos())
    }
}

/// When a picture was captured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Captured {
    /// On this machine's wall clock.
    pub at: WallTime,
    /// Estimated half width of the error, nanoseconds. A delay of the network that never varies cannot be seen and is not in it.
    pub error_ns: u64,
    /// What the estimate rests on.
    pub clock: CaptureClock,
}

/// The time line of one connection. Start a new one with each connection: RTP ticks start anywhere.
#[derive(Clone, Debug)]
pub struct CaptureTimes {
    ticks_per_second: i64,
    pictures: Floor,
    reports: Floor,
    report: Option<Report>,
    /// How far the RTP times of pictures have stood ahead of their arrival: servers that play a film with B-frames stamp a picture
    /// with the time at which it is to be shown.
    lead: i64,
}

/// The sender report in use.
#[derive(Clone, Copy, Debug)]
struct Report {
    /// The camera's clock, nanoseconds since 1970.
    camera: i64,
    /// The same moment in RTP ticks, as nanoseconds.
    rtp: i64,
    /// When it arrived, monotonic.
    arrived: i64,
}

impl CaptureTimes {
    /// A time line whose RTP clock runs at `ticks_per_second`.
    pub fn new(ticks_per_second: NonZeroU32) -> Self {
        Self {
            ticks_per_second: i64::from(ticks_per_second.get()),
            pictures: Floor::default(),
            reports: Floor::default(),
            report: None,
            lead: 0,
        }
    }

    /// Takes a sender report: `ntp` in NTP's 32.32 format (of any era), `rtp` in ticks without wrap-around.
    ///
    /// A report without wall clock (`ntp` of 0, as RFC 3550 asks of cameras that have none) is passed over.
    pub fn report(&mut self, ntp: u64, rtp: i64, arrival: Arrival) {
        if ntp == 0 {
            return;
        }
        let camera = nanos_from_ntp(ntp, arrival.wall);
        let kept = self.reports.offer(arrival.nanos().saturating_sub(camera), arrival.nanos());
        if kept != Kept::Suspect {
            self.report = Some(Report { camera, rtp: self.nanos_from_ticks(rtp), arrived: arrival.nanos() });
        }
    }

    /// When the picture with RTP time `rtp` (ticks without wrap-around), whose last packet came at `arrival`, was captured.
    pub fn captured(&mut self, rtp: i64, arrival: Arrival) -> Captured {
        let rtp = self.nanos_from_ticks(rtp);
        self.pictures.offer(arrival.nanos().saturating_sub(rtp), arrival.nanos());
        if let Some(captured) = self.by_report(rtp, arrival) {
            return captured;
        }
        let delay = arrival.nanos().saturating_sub(rtp).saturating_sub(self.pictures.value).max(0);
        Captured {
            at: WallTime(arrival.wall.0.saturating_sub(delay)),
            error_ns: self.pictures.jitter().unsigned_abs(),
            clock: CaptureClock::Arrival,
        }
    }

    /// By the camera's own clock; `None` without a report that can be believed.
    fn by_report(&mut self, rtp: i64, arrival: Arrival) -> Option<Captured> {
        let report = self.report?;
        let age = arrival.nanos().saturating_sub(report.arrived);
        let camera = report.camera.saturating_add(rtp.saturating_sub(report.rtp));
        // How far the camera's clock seems behind ours at the fastest report, on the wall clock.
        let behind = self.reports.value.saturating_add(arrival.wall_offset());
        let agrees = (-AGREES_AHEAD..=AGREES_BEHIND).contains(&behind);
        let (wall, doubt) = if agrees { (camera, behind.saturating_abs()) } else { (camera.saturating_add(behind), 0) };
        let delay = arrival.wall.0.saturating_sub(wall);
        if age > REPORT_LIFE || !(-FUTURE..=OLDEST).contains(&delay) {
            self.report = None;
            self.reports = Floor::default();
            self.lead = 0;
            return None;
        }
        // No picture arrives before it is captured. All are moved by the longest lead, so that they keep their order.
        self.lead = self.lead.max(-delay);
        let drift = age.max(0) / 1_000_000 * AGE_PPM;
        let error = self.reports.jitter().saturating_add(doubt).saturating_add(self.lead).saturating_add(drift);
        Some(Captured {
            at: WallTime(wall.saturating_sub(self.lead)),
            error_ns: error.unsigned_abs(),
            clock: CaptureClock::SenderReport,
        })
    }

    /// Saturates far outside of what a connection can last.
    fn nanos_from_ticks(&self, ticks: i64) -> i64 {
        let nanos = i128::from(ticks) * i128::from(SECOND) / i128::from(self.ticks_per_second);
        i64::try_from(nanos).unwrap_or(if nanos < 0 { i64::MIN } else { i64::MAX })
    }
}

/// What became of a sample offered to a [`Floor`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kept {
    /// It fits.
    Fits,
    /// So far above the floor that it is either very late or the first of a new time line.
    Suspect,
    /// The time line has jumped: the floor starts anew from this sample.
    Anew,
}

/// The smallest of many delays, with an unknown constant in all of them. It leaks upwards as fast as two crystals can
/// drift apart, so it needs no window.
#[derive(Clone, Debug, Default)]
struct Floor {
    value: i64,
    /// When the last sample came; `None` before the first.
    at: Option<i64>,
    /// Running mean of how far the samples lie above the floor.
    spread: i64,
    samples: i64,
    /// Since when, and with which least value, all samples were suspect.
    suspects: Option<(i64, i64)>,
}

impl Floor {
    /// Takes the delay `sample`, seen at `now`.
    fn offer(&mut self, sample: i64, now: i64) -> Kept {
        let Some(last) = self.at.replace(now) else {
            self.value = sample;
            self.samples = 1;
            return Kept::Anew;
        };
        let passed = now.saturating_sub(last).max(0);
        self.value = self.value.saturating_add(passed / 1_000_000 * DRIFT_PPM).min(sample);
        let above = sample.saturating_sub(self.value);
        if above > JUMP {
            let (since, least) = self.suspects.map_or((now, sample), |(since, least)| (since, least.min(sample)));
            if above > OLDEST || now.saturating_sub(since) > PATIENCE {
                *self = Self { value: least, at: Some(now), samples: 1, ..Self::default() };
                return Kept::Anew;
            }
            self.suspects = Some((since, least));
            return Kept::Suspect;
        }
        self.suspects = None;
        self.samples = (self.samples + 1).min(64);
        self.spread += (above - self.spread) / self.samples;
        Kept::Fits
    }

    /// How far a sample typically lies above the floor; wide until enough was seen.
    fn jitter(&self) -> i64 {
        self.spread + JITTER_PRIOR / self.samples.max(1)
    }
}

/// NTP's 32.32 format as nanoseconds since 1970, in the era that brings it nearest to `near` (NTP wraps in 2036).
fn nanos_from_ntp(ntp: u64, near: WallTime) -> i64 {
    /// Seconds from 1900 to 1970.
    const UNIX_IN_NTP: i64 = 2_208_988_800;
    let near_seconds = near.0.div_euclid(SECOND);
    let near_ntp = near_seconds.wrapping_add(UNIX_IN_NTP) as u32;
    let seconds_away = ((ntp >> 32) as u32).wrapping_sub(near_ntp) as i32;
    let fraction = ((ntp & 0xffff_ffff) * 1_000_000_000) >> 32;
    near_seconds
        .saturating_add(i64::from(seconds_away))
        .saturating_mul(SECOND)
        .saturating_add(i64::try_from(fraction).unwrap_or(0))
}

#[cfg(test)]
mod tests;
