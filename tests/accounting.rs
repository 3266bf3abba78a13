//! Promise: every access unit of a damaged film is a scene or in a gap, in the Parquet file and in the CSV.

mod program;

use arenad::handover::PictureSize;
use arenad::rehearsal::encode::{EncodeSettings, Encoder, FrameRate, Rate};
use arenad::rehearsal::{Arena, HEIGHT, Look, WIDTH, i420_from_rgb};
use program::{Account, arenad, csv_numbers, line};

/// The access units of a rendered film, a key picture every six.
fn film(count: usize) -> Vec<Vec<u8>> {
    let size = PictureSize { width: WIDTH as u32, height: HEIGHT as u32 };
    let settings = EncodeSettings { rate: Rate::Quality(30), key_every: 6 };
    let mut encoder = Encoder::new(size, FrameRate::THIRTY, settings).expect("settings in range");
    let mut arena = Arena::new(5, Look::typical(), 30.0);
    let (mut rgb, mut i420) = (vec![0; WIDTH * HEIGHT * 3], vec![0; WIDTH * HEIGHT * 3 / 2]);
    let mut picture = |_| {
        arena.render(&mut rgb);
        i420_from_rgb(&rgb, WIDTH, HEIGHT, &mut i420);
        arena.step();
        encoder.encode(&i420, false).expect("a whole picture").annexb.to_vec()
    };
    (0..count).map(&mut picture).collect()
}

#[test]
fn every_access_unit_of_a_damaged_film_is_accounted_for() {
    let mut units = film(18);
    // Bytes of one picture are changed, of another half is missing, a third is missing altogether, the last is cut off.
    let middle = units[3].len() / 2;
    units[3][middle..middle + 40].iter_mut().for_each(|byte| *byte ^= 0x5a);
    let half = units[8].len() / 2;
    units[8].truncate(half);
    units[17].truncate(12);
    units.remove(14);
    let root = tempfile::tempdir().expect("a folder");
    let (film, out) = (root.path().join("film.h264"), root.path().join("out"));
    std::fs::write(&film, units.concat()).expect("written");
    let said = arenad(line("replay {} -o {} --engine built-in", &[&film, &out])).well();
    let account = Account::of(&out);
    assert!(said.starts_with(&format!("17 access units: {} scenes", account.scenes.len())), "{said}");
    assert_eq!(account.whole(), 17, "{said}");
    assert!(account.scenes.contains(&6) && !account.gaps.is_empty(), "{account:?}");
    assert_eq!(csv_numbers(&out.join("poses.csv")), (0..17).collect::<Vec<_>>());
}
