//! The decoder against a stand-in device: each way in which a device may behave.

use super::device::fourcc;
use super::head::Unread;
use super::stand_in::{CODING, DAMAGED, PICTURE, SWALLOWED, StandIn, State};
use super::*;
use crate::decode::Decode;
use crate::handover::{EglImage, Lent, PixelFormat, Surface};
use crate::ledger::Ledger;
use crate::stamp::{Clock, Stamp};
use std::fmt::Write;
use std::sync::Arc;

/// A decoder on a stand-in, what it told, and the number of the next access unit.
struct Bench {
    device: StandIn,
    decoder: Nvdec,
    told: String,
    number: u64,
}

/// One access unit: its kind, size in units of 16 pixels, and when it is shown.
#[derive(Clone, Copy)]
struct Unit {
    kind: u8,
    size: (u8, u8),
    key: bool,
    shown: u8,
    /// Its presentation time says that it is shown in the order of decoding.
    lies: bool,
    lost: u32,
}

const KEY: Unit = Unit { kind: PICTURE, size: (4, 3), key: true, shown: 0, lies: false, lost: 0 };
const NEXT: Unit = Unit { key: false, ..KEY };

impl Bench {
    fn new(change: impl FnOnce(&mut State)) -> Self {
        let device = StandIn::default();
        device.set(change);
        let opens = device.clone();
        let open: Open = Box::new(move || Ok(opens.opened()));
        let decoder = Nvdec::on("test", vec![CODING], Box::new(Unread), open);
        Self { device, decoder, told: String::new(), number: 0 }
    }

    /// Decodes access units; what was told: `3` a picture of unit 3, `3x` lost, `3?` lost for want of what it refers to, `3!` an error.
    fn run(&mut self, units: impl IntoIterator<Item = Unit>) -> String {
        for unit in units {
            let data = vec![unit.kind, unit.size.0, unit.size.1, unit.shown];
            let unit = AccessUnit {
                data: data.into(),
                codec: Codec::H264,
                key: unit.key,
                packets_lost: unit.lost,
                restart: false,
                presentation: if unit.shown == 0 || unit.lies { self.number as i64 } else { unit.shown.into() },
                stamp: Stamp { frame: self.number, ..Stamp::default() },
            };
            self.number += 1;
            let told = &mut self.told;
            if self.decoder.decode(&unit, unit.packets_lost, &mut |outcome| tell(told, &outcome)).is_err() {
                write!(told, "{}! ", unit.stamp.frame).expect("written");
            }
        }
        std::mem::take(&mut self.told).trim_end().to_owned()
    }

    fn flush(&mut self) -> String {
        let mut told = String::new();
        self.decoder.flush(&mut |outcome| tell(&mut told, &outcome));
        told.trim_end().to_owned()
    }

    fn error(&mut self, unit: Unit) -> String {
        let unit = AccessUnit {
            data: vec![unit.kind, unit.size.0, unit.size.1, 0].into(),
            codec: Codec::H264,
            key: unit.key,
            packets_lost: 0,
            restart: false,
            presentation: 0,
            stamp: Stamp { frame: self.number, ..Stamp::default() },
        };
        self.number += 1;
        self.decoder.decode(&unit, 0, &mut |_| ()).expect_err("refused").to_string()
    }

    fn calls(&self) -> Vec<String> {
        std::mem::take(&mut self.device.state().calls)
    }
}

fn tell(told: &mut String, outcome: &Outcome<'_>) {
    match outcome {
        Outcome::Shown(picture) => write!(told, "{} ", picture.unit),
        Outcome::Lost { unit, reason: GapReason::NoReference } => write!(told, "{unit}? "),
        Outcome::Lost { unit, .. } => write!(told, "{unit}x "),
    }
    .expect("written");
}

#[test]
fn each_picture_comes_with_its_own_access_unit_and_without_delay() {
    let mut bench = Bench::new(|_| ());
    assert_eq!(bench.run([KEY, NEXT, NEXT, KEY, NEXT]), "0 1 2 3 4");
    // The first picture waits for its buffers.
    assert!(bench.device.state().waited <= Duration::from_millis(10));
    assert_eq!(bench.flush(), "");
}

#[test]
fn what_comes_before_a_key_picture_is_not_decoded() {
    let mut bench = Bench::new(|_| ());
    assert_eq!(bench.run([NEXT, NEXT, KEY, NEXT]), "0? 1? 2 3");
}

#[test]
fn pictures_that_are_held_back_come_with_the_drain() {
    let mut bench = Bench::new(|state| state.holds = 2);
    assert_eq!(bench.run([KEY, NEXT, NEXT, NEXT]), "0 1");
    assert_eq!(bench.flush(), "2 3");
    assert_eq!(bench.run([NEXT, KEY, NEXT, NEXT]), "4? 5", "after a drain it begins anew");
}

#[test]
fn an_empty_buffer_drains_a_device_that_knows_no_command() {
    let mut bench = Bench::new(|state| (state.holds, state.no_command) = (2, true));
    assert_eq!(bench.run([KEY, NEXT, NEXT, NEXT]), "0 1");
    assert_eq!(bench.flush(), "2 3");
    assert_eq!(bench.run([KEY, NEXT, NEXT]), "4");
}

#[test]
fn b_frames_come_in_the_devices_order() {
    let order = [1, 4, 2, 3, 7, 5, 6];
    let units = order.iter().enumerate().map(|(at, shown)| Unit { key: at == 0, shown: *shown, ..KEY });
    let mut bench = Bench::new(|state| (state.holds, state.reorders) = (2, true));
    assert_eq!(bench.run(units), "0 2 3 1 5");
    assert_eq!(bench.flush(), "6 4");
}

#[test]
fn the_delay_of_a_device_that_holds_pictures_back_is_learnt() {
    let mut bench = Bench::new(|state| state.holds = 1);
    bench.run(std::iter::once(KEY).chain([NEXT; 20]));
    let waited = bench.device.state().waited;
    assert!(waited <= Duration::from_millis(100), "{waited:?}");
}

#[test]
fn another_size_gets_other_buffers_and_loses_nothing() {
    let other = Unit { size: (6, 5), ..KEY };
    let mut bench = Bench::new(|state| state.holds = 1);
    let told = bench.run([KEY, NEXT, NEXT, other, Unit { key: false, ..other }, KEY]);
    assert_eq!(told, "0 1 2 3 4");
    let calls = bench.calls();
    let made = calls.iter().filter(|call| call.starts_with("request Raw 6")).count();
    let freed = calls.iter().filter(|call| *call == "request Raw 0").count();
    assert_eq!((made, freed), (3, 2), "{calls:?}");
    assert_eq!(bench.flush(), "5");
}

#[test]
fn a_change_without_a_mark_is_not_waited_for_long() {
    let other = Unit { size: (6, 5), ..KEY };
    let mut bench = Bench::new(|state| state.marks_no_last = true);
    assert_eq!(bench.run([KEY, NEXT, other, other, other, KEY, KEY, KEY]), "0 1 2 3 4 5 6 7");
    let waited = bench.device.state().waited;
    assert!(waited < Duration::from_millis(500), "{waited:?}");
}

#[test]
fn buffers_that_come_back_late_are_waited_for() {
    let mut bench = Bench::new(|state| state.lazy = 30);
    let told = bench.run(std::iter::once(KEY).chain([NEXT; 20]));
    let shown: Vec<u64> = told.split(' ').map(|word| word.parse().expect("nothing is lost")).collect();
    assert!(shown.is_sorted() && shown.len() > 10, "{shown:?}");
}

#[test]
fn after_a_loss_the_device_forgets_and_a_key_picture_is_waited_for() {
    let mut bench = Bench::new(|state| state.holds = 1);
    let lossy = Unit { lost: 1, ..NEXT };
    assert_eq!(bench.run([KEY, NEXT, NEXT]), "0 1");
    bench.calls();
    assert_eq!(bench.run([lossy, NEXT, KEY, NEXT]), "2 3? 4? 5", "what was there before the loss is shown");
    let calls = bench.calls();
    assert_eq!(calls, ["drain", "stop Coded", "stop Raw", "start Coded", "start Raw"]);
}

#[test]
fn an_access_unit_without_its_parameter_sets_ends_what_refers_to_it() {
    struct Unset(Unread);
    impl Reader for Unset {
        fn read(&mut self, data: &[u8], key: bool) -> Result<Option<Head>, DecodeError> {
            if data[0] == SWALLOWED { Ok(None) } else { self.0.read(data, key) }
        }
    }
    let mut bench = Bench::new(|_| ());
    bench.decoder.reader = Box::new(Unset(Unread));
    let unset = Unit { kind: SWALLOWED, ..NEXT };
    assert_eq!(bench.run([KEY, NEXT, unset, NEXT, KEY, NEXT]), "0 1 2? 3? 4 5");
}

#[test]
fn a_key_picture_after_a_loss_is_shown() {
    let mut bench = Bench::new(|_| ());
    assert_eq!(bench.run([KEY, NEXT, Unit { lost: 3, ..KEY }, NEXT]), "0 1 2 3");
}

#[test]
fn a_damaged_picture_is_counted_and_ends_what_refers_to_it() {
    let damaged = Unit { kind: DAMAGED, ..NEXT };
    let mut bench = Bench::new(|_| ());
    assert_eq!(bench.run([KEY, NEXT, damaged, NEXT, KEY, NEXT]), "0 1 2x 3? 4 5");
}

#[test]
fn a_picture_that_never_comes_is_told_with_what_refers_to_it() {
    let swallowed = Unit { kind: SWALLOWED, ..NEXT };
    let mut bench = Bench::new(|_| ());
    assert_eq!(bench.run([KEY, swallowed, NEXT, NEXT, KEY, NEXT]), "0 1x 2? 3? 4 5");
}

#[test]
fn presentation_times_in_decoding_order_cost_one_run_of_pictures() {
    // Shown as 0 2 1, 3 5 4, ... but all stamped as if shown in the order of decoding: picture 1 seems to be missing when 2 comes.
    let order = [1, 3, 2, 4, 6, 5, 7, 9, 8, 10, 12, 11];
    let units = order.iter().enumerate().map(|(at, shown)| Unit { key: at % 3 == 0, shown: *shown, lies: true, ..KEY });
    let mut bench = Bench::new(|state| (state.holds, state.reorders) = (1, true));
    let told = bench.run(units);
    let later = told.split_once("6 ").expect("a second run").1;
    assert!(!later.contains(['x', '?']), "{told}");
}

#[test]
fn a_device_that_never_answers_is_given_up_within_bounds() {
    let mut bench = Bench::new(|state| state.dead = true);
    assert_eq!(bench.run([KEY, NEXT, NEXT, NEXT, NEXT, NEXT]), "");
    assert_eq!(bench.error(NEXT), "nvdec: it gave back none of its buffers for 2000 ms");
    let waited = bench.device.state().waited;
    assert!(waited < Duration::from_secs(4), "{waited:?}");
    bench.device.set(|state| state.dead = false);
    assert_eq!(bench.run([NEXT, KEY, NEXT]), "7? 8 9", "it is opened again at the next key picture");
}

#[test]
fn a_device_that_dies_in_a_drain_is_given_up_within_bounds() {
    let mut bench = Bench::new(|state| state.holds = 2);
    assert_eq!(bench.run([KEY, NEXT, NEXT]), "0");
    bench.device.set(|state| (state.dead, state.waited) = (true, Duration::ZERO));
    assert_eq!(bench.flush(), "1x 2x");
    let waited = bench.device.state().waited;
    assert!(waited <= Duration::from_millis(1010), "{waited:?}");
}

#[test]
fn a_call_that_fails_loses_what_is_in_flight_and_opens_the_device_again() {
    let mut bench = Bench::new(|state| state.holds = 2);
    assert_eq!(bench.run([KEY, NEXT]), "");
    bench.device.set(|state| state.fails = Some("take"));
    assert_eq!(bench.run([NEXT]), "0x 1x 2!");
    bench.device.set(|state| state.fails = None);
    bench.calls();
    assert_eq!(bench.run([KEY, NEXT, NEXT, NEXT]), "3 4");
    assert_eq!(bench.calls()[0], "open");
}

#[test]
fn each_way_to_be_unfit_has_its_words() {
    let mut bench = Bench::new(|state| state.offers = vec![fourcc(b"RGB3")]);
    assert_eq!(bench.error(KEY), "nvdec: got pictures as RGB3; allowed: NV12, NM12, YU12 or YM12");
    let mut bench = Bench::new(|_| ());
    assert_eq!(
        bench.error(Unit { size: (0, 3), ..KEY }),
        "nvdec: got pictures of 0x48 pixels; allowed: sides of 16 to 4096 and at most 4096x2304 pixels in all"
    );
    let mut bench = Bench::new(|state| state.fails = Some("stream"));
    assert_eq!(bench.error(KEY), "nvdec: VIDIOC_TEST failed: Input/output error (os error 5)");
    let mut bench = Bench::new(|_| ());
    bench.decoder.codings = vec![fourcc(b"H264")];
    assert_eq!(bench.error(KEY), "nvdec: got the stand-in, which decodes TEST; allowed: one that decodes H264");
}

#[test]
fn an_access_unit_that_does_not_fit_is_refused() {
    let mut bench = Bench::new(|_| ());
    bench.run([KEY]);
    let unit = AccessUnit {
        data: vec![0; 65].into(),
        codec: Codec::H264,
        key: true,
        packets_lost: 0,
        restart: false,
        presentation: 1,
        stamp: Stamp { frame: 1, ..Stamp::default() },
    };
    let error = bench.decoder.decode(&unit, 0, &mut |_| ()).expect_err("too large").to_string();
    assert_eq!(
        error,
        "test: a picture could not be decoded: it is larger than the device's buffers; it is counted and left out"
    );
}

#[test]
fn nv12_is_chosen_where_the_device_prefers_another_format() {
    let mut bench = Bench::new(|state| state.offers = vec![fourcc(b"YU12"), fourcc(b"NV12")]);
    let mut formats = Vec::new();
    let unit = AccessUnit {
        data: vec![PICTURE, 4, 3, 0].into(),
        codec: Codec::H264,
        key: true,
        packets_lost: 0,
        restart: false,
        presentation: 0,
        stamp: Stamp::default(),
    };
    let see = &mut |outcome: Outcome<'_>| {
        if let Outcome::Shown(picture) = outcome {
            formats.push((picture.format, picture.size.width, picture.size.height));
        }
    };
    bench.decoder.decode(&unit, 0, see).expect("decoded");
    assert_eq!(formats, [(PixelFormat::Nv12, 64, 48)]);
}

/// Memory of the device: grey.
#[derive(Debug)]
struct Grey([u8; 64 * 72]);

impl Surface for Grey {
    fn planes(&self) -> [(&[u8], usize); 2] {
        let (luma, chroma) = self.0.split_at(64 * 48);
        [(luma, 64), (chroma, 64)]
    }

    fn image(&self) -> EglImage {
        EglImage::new(7)
    }
}

#[test]
fn a_picture_that_is_lent_is_a_frame_in_the_devices_memory_and_takes_no_buffer() {
    let lent = Arc::new(Lent::new(Arc::new(Grey([128; 64 * 72]))));
    let (mut device, ledger) = (StandIn::default(), Arc::new(Ledger::default()));
    device.1 = Some(Arc::clone(&lent));
    let open: Open = Box::new(move || Ok(device.opened()));
    let mut front = Decode::new(1, Arc::clone(&ledger), Clock::new());
    front.decoder = Some((Codec::H264, Box::new(Nvdec::on("test", vec![CODING], Box::new(Unread), open))));
    let mut frames = Vec::new();
    for number in 0..5 {
        let unit = AccessUnit {
            data: vec![PICTURE, 4, 3, 0].into(),
            codec: Codec::H264,
            key: number == 0,
            packets_lost: 0,
            restart: false,
            presentation: number as i64,
            stamp: Stamp { frame: number, ..Stamp::default() },
        };
        front.decode(&unit, &mut |frame| frames.push(frame)).expect("decoded");
    }
    front.flush(&mut |frame| frames.push(frame));
    let shown: Vec<_> = frames.iter().map(|frame| (frame.stamp.frame, frame.format(), frame.size().width)).collect();
    assert_eq!(shown, [0, 1, 2, 3, 4].map(|number| (number, PixelFormat::Nv12, 64)));
    assert!(frames.iter().all(|frame| frame.lent().is_some_and(|held| Arc::ptr_eq(held, &lent))));
    assert_eq!((frames[0].plane(1).0.len(), frames[0].plane(2).0.len()), (64 * 24, 0));
    assert_eq!(ledger.counters.frames_without_buffer.get(), 0);
    drop((frames, front));
    assert_eq!(Arc::strong_count(&lent), 1, "it goes back with its last frame");
}

#[test]
fn stills_are_refused_and_never_decoded_elsewhere() {
    let wanted = crate::config::Decoding { engine: crate::config::DecodeEngine::Nvdec, device: None };
    let said = super::super::open(Codec::Jpeg, &wanted, None, 0).err().map(|error| error.to_string());
    assert_eq!(
        said.as_deref(),
        Some(
            "nvdec: got Jpeg pictures; h264 and h265 are decoded by the device; set H.264 or H.265 in the camera, or [decode] \
             engine = \"built-in\""
        )
    );
}

#[cfg(not(feature = "nvdec"))]
#[test]
fn a_program_built_without_it_says_so() {
    let said = probe(None).expect_err("not built in").to_string();
    assert_eq!(
        said,
        "nvdec: this program was built without it; build it with --features nvdec, or set [decode] engine = \"built-in\""
    );
}

#[cfg(feature = "nvdec")]
#[test]
fn a_device_that_is_not_there_is_named() {
    let said = |path: &str| probe(Some(Path::new(path))).expect_err("no decoder").to_string();
    assert_eq!(
        said("/dev/no-such-decoder"),
        "nvdec: /dev/no-such-decoder: No such file or directory (os error 2); name a V4L2 memory-to-memory decoder with \
         [decode] device, and let the user into the group video"
    );
    assert!(
        said("/etc/hostname").starts_with("nvdec: /etc/hostname: is no device; name a V4L2"),
        "{}",
        said("/etc/hostname")
    );
}
