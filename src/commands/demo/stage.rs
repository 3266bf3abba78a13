//! The demo's stage: renders the arena in real time and hands each picture to the rehearsal camera.

use super::judge::Judge;
use arenad::config::{Rule, ZoneArea};
use arenad::handover::PictureSize;
use arenad::rehearsal::camera::{Picture, RehearsalCamera};
use arenad::rehearsal::encode::{EncodeError, EncodeSettings, Encoder, FrameRate};
use arenad::rehearsal::{Arena, HEIGHT, Look, WIDTH, i420_from_rgb};
use arenad::stamp::{Clock, WallTime};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Frames a second.
const RATE: FrameRate = FrameRate::THIRTY;

/// The stage may lag this much before it leaves a picture out.
const LAG_MOST: Duration = Duration::from_millis(100);

/// What keeps the stage dark.
#[derive(Debug, thiserror::Error)]
pub(super) enum StageError {
    /// The encoder cannot be made.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// The thread cannot be made.
    #[error("thread stage: {0}; free some memory or raise the limit of threads")]
    Thread(#[from] std::io::Error),
}

/// The thread that renders. Dropping it ends it.
pub(super) struct Stage {
    ending: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Stage {
    /// Renders in real time from now on; the judge hears the truth of each picture.
    pub(super) fn start(
        seed: u64,
        clock: Clock,
        camera: Arc<RehearsalCamera>,
        judge: Judge,
    ) -> Result<Self, StageError> {
        let size = PictureSize { width: WIDTH as u32, height: HEIGHT as u32 };
        let encoder = Encoder::new(size, RATE, EncodeSettings::default())?;
        let ending = Arc::new(AtomicBool::new(false));
        let heard = Arc::clone(&ending);
        let play = move || play(Arena::new(seed, Look::typical(), RATE.hz()), encoder, clock, &camera, &judge, &heard);
        let thread = std::thread::Builder::new().name("stage".to_owned()).spawn(play)?;
        Ok(Self { ending, thread: Some(thread) })
    }

    /// Ends the play.
    pub(super) fn stop(&mut self) {
        self.ending.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("thread stage: ended by a fault; report this");
        }
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.stop();
    }
}

fn play(
    mut arena: Arena,
    mut encoder: Encoder,
    clock: Clock,
    camera: &RehearsalCamera,
    judge: &Judge,
    ending: &AtomicBool,
) {
    let mut rgb = vec![0; WIDTH * HEIGHT * 3];
    let mut i420 = vec![0; WIDTH * HEIGHT * 3 / 2];
    let (start, began) = (clock.wall(), Instant::now());
    let mut index = 0;
    while !ending.load(Ordering::Relaxed) {
        // A camera's pictures are evenly spaced, whenever its encoder gets to them.
        let captured = WallTime(start.0 + RATE.nanos(index));
        arena.render(&mut rgb);
        i420_from_rgb(&rgb, WIDTH, HEIGHT, &mut i420);
        judge.learn(captured, arena.truth());
        match encoder.encode(&i420, camera.wants_key()) {
            Ok(coded) => camera.push(Picture { annexb: coded.annexb, key: coded.key, captured }),
            Err(error) => {
                tracing::error!("stage: {error}");
                return;
            }
        }
        arena.step();
        index += 1;
        let due = Duration::from_nanos(u64::try_from(RATE.nanos(index)).unwrap_or(0));
        match due.checked_sub(began.elapsed()) {
            Some(rest) => std::thread::sleep(rest),
            // A machine that was held up leaves pictures out; a camera does not catch up either.
            None => index += u64::from(began.elapsed() > due + LAG_MOST),
        }
    }
}

/// The rendered arena's zones, camera pixels.
pub(in crate::commands) fn zones() -> Vec<ZoneArea> {
    let zone = |name: &str, sheltered, corners: &[(f32, f32)]| ZoneArea {
        name: name.to_owned(),
        sheltered,
        corners: corners.to_vec(),
    };
    vec![
        zone("Open", false, &[(118.0, 30.0), (520.0, 30.0), (520.0, 432.0), (118.0, 432.0)]),
        zone("Nest", true, &[(230.0, 0.0), (322.0, 0.0), (322.0, 92.0), (230.0, 92.0)]),
        zone("Shelter", true, &[(446.0, 358.0), (518.0, 358.0), (518.0, 428.0), (446.0, 428.0)]),
        zone("RampWest", false, &[(112.0, 300.0), (188.0, 300.0), (188.0, 362.0), (112.0, 362.0)]),
        zone("RampEast", false, &[(454.0, 160.0), (530.0, 160.0), (530.0, 224.0), (454.0, 224.0)]),
    ]
}

/// A pulse when a nose comes to the western ramp.
pub(in crate::commands) fn rule() -> Rule {
    Rule {
        name: "nose-at-west-ramp".to_owned(),
        identity: None,
        keypoint: "nose".to_owned(),
        zone: "RampWest".to_owned(),
        p_min: 0.9,
        score_min: 0.3,
        pulse: Duration::from_millis(50),
        rest: Duration::from_secs(1),
    }
}
