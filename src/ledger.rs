//! Counts everything that is received, made, dropped or lost, and how long each step took. Nothing is lost in silence.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

macro_rules! counters {
    ($($(#[doc = $doc:literal])+ $name:ident),+ $(,)?) => {
        /// Counters since the process's start. Each is raised where the thing happens and nowhere else.
        #[derive(Debug, Default)]
        pub struct Counters { $($(#[doc = $doc])+ pub $name: Counter,)+ }

        impl Counters {
            /// Every counter with its name, in a fixed order.
            pub fn all(&self) -> Vec<(&'static str, u64)> {
                vec![$((stringify!($name), self.$name.get())),+]
            }
        }
    };
}

counters! {
    /// Access units received.
    units_received,
    /// Bytes of access units received.
    bytes_received,
    /// Network packets known to be lost.
    packets_lost,
    /// Pictures that a video device's own count says were lost before they came here.
    pictures_lost,
    /// Errors of the stream that did not end the connection.
    stream_errors,
    /// Connections made.
    connections,
    /// Connections that ended or could not be made.
    connections_failed,
    /// Connections given up because nothing came for too long.
    stalls,
    /// Access units waiting for the decoder that were dropped because it was behind.
    units_dropped,
    /// Pictures decoded.
    frames_decoded,
    /// Access units that could not be decoded.
    frames_corrupt,
    /// Pictures not used because their references were lost.
    frames_without_reference,
    /// Frames replaced by a newer one before they could be tracked.
    frames_late,
    /// Pictures not kept because no frame buffer was free.
    frames_without_buffer,
    /// Frames that the model was shown whole.
    frames_whole,
    /// Frames of which the model was shown a window around the animals.
    frames_cropped,
    /// Frames that the GPU read where the hardware decoder had left them; all others are copied for it.
    frames_in_place,
    /// Frames on which the model could not run.
    inference_errors,
    /// Scenes made.
    scenes,
    /// Seen animals whose live scene named them; with `names_withheld` the live coverage.
    names_given,
    /// Seen animals whose live name was withheld as too unsure.
    names_withheld,
    /// Scenes settled.
    scenes_settled,
    /// Seen animals whose settled name was withheld.
    settled_withheld,
    /// Seen animals that went out under another live name than their settled one.
    names_revised,
    /// Events that told of such frames.
    revisions,
    /// Events that did not fit into their scene's list.
    events_dropped,
    /// Rules fired.
    triggers,
    /// Rules that fired on a scene too old for the closed loop; no pin was set.
    triggers_late,
    /// Sets that a pin refused.
    pin_errors,
    /// Messages handed to the broker connection.
    mqtt_published,
    /// Messages dropped because the broker was away or slow.
    mqtt_dropped,
    /// Connections to the broker made.
    mqtt_connections,
    /// Rows written to the open file.
    rows_written,
    /// Scenes that the files could not take, written as gaps when the disk is back.
    rows_dropped,
    /// Errors of the disk.
    disk_errors,
    /// Files finished.
    files_finished,
    /// Doubtful frames kept for labelling.
    harvest_kept,
    /// Kept frames that made way for others.
    harvest_replaced,
    /// Doubtful frames for which the bounds left no room.
    harvest_refused,
    /// Doubtful frames not looked at because the harvest was behind.
    harvest_dropped,
    /// Doubtful frames that the disk did not take.
    harvest_failed,
    /// Scenes not shown on the live page because it was behind.
    web_dropped,
}

/// One counter.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// One more.
    pub fn one(&self) {
        self.add(1);
    }
    /// `n` more.
    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Relaxed);
    }
    /// The count.
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// Buckets a factor of 2^(1/4) apart from 1 µs on: 120 of them reach 900 s.
const BUCKETS: usize = 120;

/// How long something took: a histogram with buckets 19 % wide. Recording is two atomic additions.
#[derive(Debug)]
pub struct Durations {
    buckets: [AtomicU64; BUCKETS],
    longest_ns: AtomicU64,
}

impl Default for Durations {
    fn default() -> Self {
        Self { buckets: [const { AtomicU64::new(0) }; BUCKETS], longest_ns: AtomicU64::new(0) }
    }
}

impl Durations {
    /// Records one duration.
    pub fn record(&self, nanos: u64) {
        let micros = nanos as f64 / 1000.0;
        let index = if micros <= 1.0 { 0 } else { (micros.log2() * 4.0).ceil() as usize };
        self.buckets[index.min(BUCKETS - 1)].fetch_add(1, Relaxed);
        self.longest_ns.fetch_max(nanos, Relaxed);
    }

    /// How many were recorded.
    pub fn count(&self) -> u64 {
        self.buckets.iter().map(|bucket| bucket.load(Relaxed)).sum()
    }

    /// The duration, milliseconds, that the share `quantile` (0 to 1) of all stayed under: an upper bound, at most 19 % too high.
    pub fn quantile_ms(&self, quantile: f64) -> f64 {
        let wanted = (self.count() as f64 * quantile).ceil().max(1.0) as u64;
        let mut below = 0;
        for (index, bucket) in self.buckets.iter().enumerate() {
            below += bucket.load(Relaxed);
            if below >= wanted {
                return ((index as f64 / 4.0).exp2() / 1000.0).min(self.longest_ms());
            }
        }
        0.0
    }

    /// The longest, milliseconds.
    pub fn longest_ms(&self) -> f64 {
        self.longest_ns.load(Relaxed) as f64 / 1e6
    }
}

macro_rules! latencies {
    ($($(#[doc = $doc:literal])+ $name:ident),+ $(,)?) => {
        /// How long each step takes, and how old scenes are at each sink.
        #[derive(Debug, Default)]
        pub struct Latencies { $($(#[doc = $doc])+ pub $name: Durations,)+ }

        impl Latencies {
            /// Every step with its name, in the order of the line.
            pub fn all(&self) -> Vec<(&'static str, &Durations)> {
                vec![$((stringify!($name), &self.$name)),+]
            }
        }
    };
}

latencies! {
    /// Capture (camera clock) to arrival of the access unit.
    network,
    /// Arrival to decoded picture.
    decode,
    /// Decoded picture waiting for the tracking thread.
    wait,
    /// Filling the model's input.
    preprocess,
    /// Running the model.
    infer,
    /// Heads to poses.
    pose,
    /// Poses to scene.
    track,
    /// Rules and pins.
    act,
    /// Settling the frames that were due, after the live scene went out.
    settle,
    /// Arrival to pins set.
    arrival_to_act,
    /// Capture to the hand-over to the broker connection.
    capture_to_mqtt,
    /// Capture to the hand-over of the settled scene to the broker connection.
    capture_to_settled,
    /// Capture to the row being in the open file.
    capture_to_files,
    /// Capture to the hand-over to the live page.
    capture_to_web,
}

/// The process's ledger, shared by every thread.
#[derive(Debug, Default)]
pub struct Ledger {
    /// How many.
    pub counters: Counters,
    /// How long.
    pub latencies: Latencies,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_within_a_bucket() {
        let durations = Durations::default();
        for ms in 1..=100u64 {
            durations.record(ms * 1_000_000);
        }
        let median = durations.quantile_ms(0.5);
        assert!((50.0..=60.0).contains(&median), "{median}");
        assert!((99.0..=100.0).contains(&durations.quantile_ms(0.99)));
        assert_eq!(durations.count(), 100);
    }
}
