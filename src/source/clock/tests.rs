//! Cameras with all sorts of clocks, against the moment at which they really captured.

use super::*;

const RATE: u32 = 90_000;
const START_WALL: i64 = 1_795_243_980 * SECOND;

/// A camera and a network, simulated in nanoseconds since the connection began.
struct Camera {
    times: CaptureTimes,
    /// Added to the true wall clock in sender reports.
    clock_error: i64,
    /// RTP ticks at the start.
    first_tick: i64,
    /// The receiver's wall clock against the truth.
    wall_error: i64,
}

impl Camera {
    fn new() -> Self {
        let times = CaptureTimes::new(NonZeroU32::new(RATE).unwrap());
        Self { times, clock_error: 0, first_tick: 4_294_900_000, wall_error: 0 }
    }

    fn ticks(&self, at: i64) -> i64 {
        self.first_tick + at * i64::from(RATE) / SECOND
    }

    fn arrival(&self, at: i64) -> Arrival {
        Arrival { at: Monotonic(at.unsigned_abs() + 77), wall: WallTime(START_WALL + at + self.wall_error) }
    }

    /// Sends a report at `at` that travels for `delay`.
    fn report(&mut self, at: i64, delay: i64) {
        let ntp = ntp_from_nanos(START_WALL + at + self.clock_error);
        self.times.report(ntp, self.ticks(at), self.arrival(at + delay));
    }

    /// A picture captured at `at` that arrives `delay` later; how far off the estimate is, and the estimate.
    fn picture(&mut self, at: i64, delay: i64) -> (i64, Captured) {
        let captured = self.times.captured(self.ticks(at), self.arrival(at + delay));
        (captured.at.0 - (START_WALL + at + self.wall_error), captured)
    }
}

fn ntp_from_nanos(unix: i64) -> u64 {
    let seconds = unix.div_euclid(SECOND).wrapping_add(2_208_988_800) as u32;
    let fraction = (unix.rem_euclid(SECOND) as u64) << 32;
    (u64::from(seconds) << 32) | (fraction / SECOND as u64)
}

#[test]
fn before_the_first_report_the_fastest_arrival_counts() {
    let mut camera = Camera::new();
    camera.picture(0, 30 * MS);
    camera.picture(33 * MS, 10 * MS);
    let (off, captured) = camera.picture(66 * MS, 40 * MS);
    assert_eq!(captured.clock, CaptureClock::Arrival);
    assert!((off - 10 * MS).abs() < MS, "{off}");
}

#[test]
fn a_report_brings_the_cameras_own_clock() {
    let mut camera = Camera::new();
    camera.picture(0, 50 * MS);
    camera.report(SECOND, MS);
    let (off, captured) = camera.picture(SECOND + 33 * MS, 50 * MS);
    assert_eq!(captured.clock, CaptureClock::SenderReport);
    assert!(off.abs() < MS / 10, "{off}");
    assert!(captured.error_ns < 12 * MS as u64);
}

#[test]
fn the_error_shrinks_with_reports_and_grows_with_their_age() {
    let mut camera = Camera::new();
    camera.report(0, MS);
    let first = camera.picture(33 * MS, 20 * MS).1.error_ns;
    for n in 1..20 {
        camera.report(n * 5 * SECOND, MS);
    }
    let settled = camera.picture(95 * SECOND + 33 * MS, 20 * MS).1.error_ns;
    let aged = camera.picture(155 * SECOND, 20 * MS).1.error_ns;
    assert!(settled < first / 3, "{settled} {first}");
    assert!(aged >= settled + 2 * MS as u64, "{aged} {settled}");
}

#[test]
fn a_clock_that_was_never_set_is_laid_on_ours() {
    for clock_error in
        [-START_WALL, -START_WALL - 2_208_988_000 * SECOND, 300 * 86_400 * SECOND, -3600 * SECOND, 400 * MS]
    {
        let mut camera = Camera::new();
        camera.clock_error = clock_error;
        camera.report(0, 2 * MS);
        camera.report(5 * SECOND, MS);
        let (off, captured) = camera.picture(5 * SECOND + 33 * MS, 60 * MS);
        assert_eq!(captured.clock, CaptureClock::SenderReport, "{clock_error}");
        assert!(off.abs() <= 3 * MS, "{clock_error}: {off}");
    }
}

#[test]
fn a_report_without_wall_clock_is_passed_over() {
    let mut camera = Camera::new();
    let arrival = camera.arrival(0);
    camera.times.report(0, camera.first_tick, arrival);
    assert_eq!(camera.picture(33 * MS, 10 * MS).1.clock, CaptureClock::Arrival);
}

#[test]
fn no_picture_is_captured_after_it_arrived() {
    let mut camera = Camera::new();
    camera.clock_error = 8 * MS;
    camera.report(0, 0);
    let (off, captured) = camera.picture(33 * MS, 2 * MS);
    assert!(off <= 2 * MS, "{off}");
    assert!(captured.error_ns >= 8 * MS as u64);
}

#[test]
fn one_late_report_changes_nothing() {
    let mut camera = Camera::new();
    camera.clock_error = -7 * 3600 * SECOND;
    camera.report(0, MS);
    camera.report(5 * SECOND, 4 * SECOND);
    let (off, _) = camera.picture(9 * SECOND + 33 * MS, 20 * MS);
    assert!(off.abs() <= 3 * MS, "{off}");
}

#[test]
fn a_step_of_the_cameras_clock_is_followed() {
    for step in [3600 * SECOND, -3600 * SECOND, -2 * SECOND, 2 * SECOND] {
        let mut camera = Camera::new();
        for n in 0..4 {
            camera.report(n * 5 * SECOND, MS);
        }
        camera.clock_error = step;
        let mut worst = 0;
        for n in 4..12 {
            camera.report(n * 5 * SECOND, MS);
            worst = worst.max(camera.picture(n * 5 * SECOND + 33 * MS, 20 * MS).0.abs());
        }
        assert!(worst <= 25 * MS, "{step}: {worst}");
    }
}

#[test]
fn a_step_of_our_own_clock_is_followed_at_once() {
    let mut camera = Camera::new();
    camera.report(0, MS);
    camera.wall_error = 30 * 86_400 * SECOND;
    let (off, captured) = camera.picture(33 * MS, 20 * MS);
    assert_eq!(captured.clock, CaptureClock::SenderReport);
    assert!(off.abs() <= 2 * MS, "{off}");
}

#[test]
fn a_jump_of_the_rtp_ticks_falls_back_to_arrival_until_the_next_report() {
    for jump in [1 << 31, -(1 << 31), 90_000 * 60, -90_000 * 60] {
        let mut camera = Camera::new();
        camera.report(0, MS);
        camera.picture(33 * MS, 20 * MS);
        camera.first_tick += jump;
        let (off, captured) = camera.picture(66 * MS, 20 * MS);
        assert_eq!(captured.clock, CaptureClock::Arrival, "{jump}");
        assert!(off.abs() <= 21 * MS, "{jump}: {off}");
        camera.report(SECOND, MS);
        let (off, captured) = camera.picture(SECOND + 33 * MS, 20 * MS);
        assert_eq!(captured.clock, CaptureClock::SenderReport, "{jump}");
        assert!(off.abs() <= 2 * MS, "{jump}: {off}");
    }
}

#[test]
fn reports_that_stop_are_forgotten() {
    let mut camera = Camera::new();
    camera.report(0, MS);
    camera.picture(SECOND, 10 * MS);
    assert_eq!(camera.picture(119 * SECOND, 10 * MS).1.clock, CaptureClock::SenderReport);
    assert_eq!(camera.picture(121 * SECOND, 10 * MS).1.clock, CaptureClock::Arrival);
}

#[test]
fn a_drifting_camera_stays_within_its_error() {
    let mut camera = Camera::new();
    camera.clock_error = -3600 * SECOND;
    for n in 0..3600i64 {
        // 80 parts in a million slow: its clock and its ticks fall behind together.
        let lag = n * SECOND / 1_000_000 * 80;
        camera.clock_error = -3600 * SECOND - lag;
        camera.first_tick = 1000 - lag * i64::from(RATE) / SECOND;
        if n % 5 == 0 {
            camera.report(n * SECOND, MS + (n % 7) * MS / 2);
        }
        let (off, captured) = camera.picture(n * SECOND + 1, 20 * MS);
        if n > 20 {
            assert!(off.abs() <= captured.error_ns as i64 + 2 * MS, "{n}: {off} {captured:?}");
        }
    }
}

#[test]
fn pictures_out_of_display_order_keep_their_own_times() {
    let mut camera = Camera::new();
    camera.report(0, MS);
    for (at, arrives) in [(0, 80), (120, 125), (40, 130), (80, 135), (240, 245)] {
        let (off, _) = camera.picture(at * MS, (arrives - at) * MS);
        assert!(off.abs() < MS, "{at}: {off}");
    }
}

#[test]
fn pictures_stamped_with_when_they_are_shown_keep_their_order() {
    let mut camera = Camera::new();
    camera.report(0, MS);
    // Decoding order of a film with B-frames: each picture is shown up to two pictures after it was sent.
    let shown = [(66, -66), (166, -100), (100, -33), (133, -33), (266, -100), (200, -33)];
    let mut captured: Vec<_> =
        shown.iter().map(|(at, delay)| (*at, camera.picture(at * MS, delay * MS).1.at)).collect();
    captured.drain(..2); // The longest lead is known from the second picture on.
    captured.sort_unstable();
    assert!(captured.windows(2).all(|pair| pair[0].1 < pair[1].1), "{captured:?}");
}

proptest::proptest! {
    #[test]
    fn nothing_that_a_camera_sends_panics_or_comes_from_the_future(
        steps in proptest::collection::vec((proptest::prelude::any::<u64>(), proptest::prelude::any::<i64>(), proptest::prelude::any::<i64>(), proptest::prelude::any::<u64>(), proptest::prelude::any::<bool>()), 1..40),
        rate in 1u32..,
    ) {
        let mut times = CaptureTimes::new(NonZeroU32::new(rate).unwrap());
        for (ntp, rtp, wall, at, is_report) in steps {
            let arrival = Arrival { at: Monotonic(at), wall: WallTime(wall) };
            if is_report {
                times.report(ntp, rtp, arrival);
            } else {
                proptest::prop_assert!(times.captured(rtp, arrival).at <= arrival.wall);
            }
        }
    }
}
