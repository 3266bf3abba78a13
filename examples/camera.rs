//! Serves a moving test pattern over RTSP, for trying clients: `cargo run --example camera [PORT] [SECONDS] [basic|digest]`.
//!
//! It prints the address and then, each second, what was sent.

use arenad::handover::PictureSize;
use arenad::rehearsal::camera::{CameraAuth, CameraOptions, Picture, RehearsalCamera, Scheme};
use arenad::rehearsal::encode::{EncodeSettings, Encoder, FrameRate};
use arenad::stamp::WallTime;
use std::time::{Duration, Instant, SystemTime};

const SIZE: PictureSize = PictureSize { width: 640, height: 480 };

/// A dark, noisy floor with a bright square that circles and a dark bar that tells the frame number apart.
fn pattern(index: u64, i420: &mut [u8]) {
    let (width, height) = (SIZE.width as usize, SIZE.height as usize);
    let mut noise = index as u32 ^ 0x9e37_79b9;
    let angle = index as f32 * 0.05;
    let (left, top) = ((300.0 + 220.0 * angle.cos()) as usize, (220.0 + 160.0 * angle.sin()) as usize);
    let (luma, chroma) = i420.split_at_mut(width * height);
    for (at, pixel) in luma.iter_mut().enumerate() {
        noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let (x, y) = (at % width, at / width);
        let square = (left..left + 40).contains(&x) && (top..top + 40).contains(&y);
        let bar = y < 8 && x < (index % 640) as usize;
        *pixel = (noise >> 30) as u8 + if square || bar { 180 } else { 30 };
    }
    chroma.fill(128);
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let port: u16 = arguments.next().map_or(Ok(8554), |text| text.parse())?;
    let seconds: u64 = arguments.next().map_or(Ok(u64::MAX / 60), |text| text.parse())?;
    let scheme = match arguments.next().as_deref() {
        Some("basic") => Some(Scheme::Basic),
        Some("digest") => Some(Scheme::Digest),
        _ => None,
    };
    let auth = scheme.map(|scheme| CameraAuth { user: "lab".into(), password: "mice".into(), scheme });
    let listen = ([127, 0, 0, 1], port).into();
    let camera = RehearsalCamera::start(CameraOptions { listen, auth, ..CameraOptions::default() })?;
    println!("{}", camera.url());
    let rate = FrameRate::THIRTY;
    let mut encoder = Encoder::new(SIZE, rate, EncodeSettings::default())?;
    let mut i420 = vec![0; 640 * 480 * 3 / 2];
    let (start, begun) = (Instant::now(), WallTime::from_system(SystemTime::now()));
    for index in 0..seconds.saturating_mul(30) {
        let due = start + Duration::from_nanos(rate.nanos(index) as u64);
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        // On the sensor's own beat, as a camera does it, not when this thread happened to wake up.
        let captured = WallTime(begun.0 + rate.nanos(index));
        pattern(index, &mut i420);
        let coded = encoder.encode(&i420, camera.wants_key())?;
        camera.push(Picture { annexb: coded.annexb, key: coded.key, captured });
        if index % 30 == 29 {
            println!("{} clients, {:?}", camera.clients(), camera.counts());
        }
    }
    camera.stop();
    Ok(())
}
