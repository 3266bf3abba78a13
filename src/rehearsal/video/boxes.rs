//! The boxes of an ISO base media file (ISO 14496-12, 14496-15) with one H.264 track. All times in 1/90000 s.

use super::Sample;
use crate::handover::PictureSize;

/// Ticks a second of everything in the file.
pub const TIMESCALE: u32 = 90_000;
/// Flags of a sample that can be decoded alone, and of one that cannot.
const SYNC: u32 = 0x0200_0000;
const NOT_SYNC: u32 = 0x0101_0000;

/// Appends a box of `kind` whose content `fill` writes.
fn boxed(out: &mut Vec<u8>, kind: &[u8; 4], fill: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(kind);
    fill(out);
    let length = ((out.len() - start) as u32).to_be_bytes();
    out[start..start + 4].copy_from_slice(&length);
}

/// A box with version and flags.
fn full(out: &mut Vec<u8>, kind: &[u8; 4], version: u8, flags: u32, fill: impl FnOnce(&mut Vec<u8>)) {
    boxed(out, kind, |out| {
        put(out, u32::from(version) << 24 | flags);
        fill(out);
    });
}

fn put(out: &mut Vec<u8>, word: u32) {
    out.extend_from_slice(&word.to_be_bytes());
}

fn put_long(out: &mut Vec<u8>, word: u64) {
    out.extend_from_slice(&word.to_be_bytes());
}

fn put_all(out: &mut Vec<u8>, words: &[u32]) {
    words.iter().for_each(|word| put(out, *word));
}

/// What the track shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Track {
    /// Picture size.
    pub size: PictureSize,
    /// Sequence parameter set.
    pub sequence: Vec<u8>,
    /// Picture parameter set.
    pub picture: Vec<u8>,
}

/// Where samples lie in the finished file: one chunk for each fragment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// Offset of its first byte.
    pub offset: u64,
    /// How many samples.
    pub samples: u32,
}

/// File type.
pub fn ftyp() -> Vec<u8> {
    let mut out = Vec::new();
    boxed(&mut out, b"ftyp", |out| {
        out.extend_from_slice(b"isom");
        put(out, 512);
        out.extend_from_slice(b"isomiso5iso6avc1mp41");
    });
    out
}

/// Sixteen bytes that a finished file turns into the head of its media data.
pub fn free() -> Vec<u8> {
    let mut out = Vec::new();
    boxed(&mut out, b"free", |out| put_long(out, 0));
    out
}

/// The head of media data `length` bytes long, head included, in the place of [`free`].
pub fn mdat_head(length: u64) -> Vec<u8> {
    let mut out = vec![0, 0, 0, 1];
    out.extend_from_slice(b"mdat");
    put_long(&mut out, length);
    out
}

/// The index of a file that is still growing: no samples, fragments follow.
pub fn moov_open(track: &Track) -> Vec<u8> {
    moov(track, &[], &[], true)
}

/// The index of a finished file.
pub fn moov_whole(track: &Track, samples: &[Sample], chunks: &[Chunk]) -> Vec<u8> {
    moov(track, samples, chunks, false)
}

fn moov(track: &Track, samples: &[Sample], chunks: &[Chunk], open: bool) -> Vec<u8> {
    let duration = samples.iter().map(|sample| u64::from(sample.ticks)).sum();
    let mut out = Vec::new();
    boxed(&mut out, b"moov", |out| {
        full(out, b"mvhd", 1, 0, |out| {
            put_all(out, &[0, 0, 0, 0, TIMESCALE]);
            put_long(out, duration);
            put_all(out, &[0x0001_0000, 0x0100_0000, 0, 0]);
            matrix(out);
            put_all(out, &[0, 0, 0, 0, 0, 0, 2]);
        });
        boxed(out, b"trak", |out| {
            // Enabled, in the movie, in the preview.
            full(out, b"tkhd", 1, 7, |out| {
                put_all(out, &[0, 0, 0, 0, 1, 0]);
                put_long(out, duration);
                put_all(out, &[0, 0, 0, 0]);
                matrix(out);
                put_all(out, &[track.size.width << 16, track.size.height << 16]);
            });
            boxed(out, b"mdia", |out| media(out, track, samples, chunks, duration));
        });
        if open {
            boxed(out, b"mvex", |out| full(out, b"trex", 0, 0, |out| put_all(out, &[1, 1, 0, 0, NOT_SYNC])));
        }
    });
    out
}

/// No turning, no scaling.
fn matrix(out: &mut Vec<u8>) {
    put_all(out, &[0x0001_0000, 0, 0, 0, 0x0001_0000, 0, 0, 0, 0x4000_0000]);
}

fn media(out: &mut Vec<u8>, track: &Track, samples: &[Sample], chunks: &[Chunk], duration: u64) {
    full(out, b"mdhd", 1, 0, |out| {
        put_all(out, &[0, 0, 0, 0, TIMESCALE]);
        put_long(out, duration);
        put(out, 0x55c4_0000); // language "und"
    });
    full(out, b"hdlr", 0, 0, |out| {
        put(out, 0);
        out.extend_from_slice(b"vide");
        put_all(out, &[0, 0, 0]);
        out.extend_from_slice(b"video\0");
    });
    boxed(out, b"minf", |out| {
        full(out, b"vmhd", 0, 1, |out| put_all(out, &[0, 0]));
        boxed(out, b"dinf", |out| {
            full(out, b"dref", 0, 0, |out| {
                put(out, 1);
                full(out, b"url ", 0, 1, |_| {});
            });
        });
        boxed(out, b"stbl", |out| {
            full(out, b"stsd", 0, 0, |out| {
                put(out, 1);
                boxed(out, b"avc1", |out| sample_entry(out, track));
            });
            tables(out, samples, chunks);
        });
    });
}

fn sample_entry(out: &mut Vec<u8>, track: &Track) {
    put_all(out, &[0, 1, 0, 0, 0, 0, track.size.width << 16 | track.size.height, 0x0048_0000, 0x0048_0000, 0]);
    out.extend_from_slice(&[0, 1]); // one picture a sample
    out.extend_from_slice(&[0; 32]); // no compressor's name
    out.extend_from_slice(&[0, 24, 0xff, 0xff]);
    boxed(out, b"avcC", |out| {
        out.push(1);
        out.extend(track.sequence.iter().skip(1).take(3));
        out.extend_from_slice(&[0xff, 0xe1]); // lengths of four bytes; one sequence parameter set
        out.extend_from_slice(&(track.sequence.len() as u16).to_be_bytes());
        out.extend_from_slice(&track.sequence);
        out.push(1);
        out.extend_from_slice(&(track.picture.len() as u16).to_be_bytes());
        out.extend_from_slice(&track.picture);
    });
    boxed(out, b"colr", |out| out.extend_from_slice(b"nclx\0\x06\0\x06\0\x06\0")); // BT.601, limited range
    boxed(out, b"pasp", |out| put_all(out, &[1, 1]));
}

/// Time, key pictures, sizes and places of all samples.
fn tables(out: &mut Vec<u8>, samples: &[Sample], chunks: &[Chunk]) {
    let mut runs: Vec<[u32; 2]> = Vec::new();
    for sample in samples {
        match runs.last_mut() {
            Some([count, ticks]) if *ticks == sample.ticks => *count += 1,
            _ => runs.push([1, sample.ticks]),
        }
    }
    full(out, b"stts", 0, 0, |out| {
        put(out, runs.len() as u32);
        runs.iter().for_each(|run| put_all(out, run));
    });
    if !samples.is_empty() {
        full(out, b"stss", 0, 0, |out| {
            let keys = (1u32..).zip(samples).filter(|(_, sample)| sample.key).map(|(number, _)| number);
            put(out, keys.clone().count() as u32);
            keys.for_each(|number| put(out, number));
        });
    }
    full(out, b"stsc", 0, 0, |out| {
        let mut changes: Vec<[u32; 3]> = Vec::new();
        for (number, chunk) in (1u32..).zip(chunks) {
            if changes.last().is_none_or(|[_, samples, _]| *samples != chunk.samples) {
                changes.push([number, chunk.samples, 1]);
            }
        }
        put(out, changes.len() as u32);
        changes.iter().for_each(|change| put_all(out, change));
    });
    full(out, b"stsz", 0, 0, |out| {
        put_all(out, &[0, samples.len() as u32]);
        samples.iter().for_each(|sample| put(out, sample.bytes));
    });
    if chunks.last().is_none_or(|chunk| u32::try_from(chunk.offset).is_ok()) {
        full(out, b"stco", 0, 0, |out| {
            put(out, chunks.len() as u32);
            chunks.iter().for_each(|chunk| put(out, chunk.offset as u32));
        });
    } else {
        full(out, b"co64", 0, 0, |out| {
            put(out, chunks.len() as u32);
            chunks.iter().for_each(|chunk| put_long(out, chunk.offset));
        });
    }
}

/// The head of fragment `number` (from 1) that begins at `time` ticks, up to the first byte of its `media`.
pub fn fragment_head(number: u32, time: u64, samples: &[Sample]) -> Vec<u8> {
    let head = |data_offset: u32| {
        let mut out = Vec::new();
        boxed(&mut out, b"moof", |out| {
            full(out, b"mfhd", 0, 0, |out| put(out, number));
            boxed(out, b"traf", |out| {
                // Offsets count from this box.
                full(out, b"tfhd", 0, 0x02_0000, |out| put(out, 1));
                full(out, b"tfdt", 1, 0, |out| put_long(out, time));
                // Data offset; duration, size and flags of each sample.
                full(out, b"trun", 0, 0x701, |out| {
                    put_all(out, &[samples.len() as u32, data_offset]);
                    for sample in samples {
                        put_all(out, &[sample.ticks, sample.bytes, if sample.key { SYNC } else { NOT_SYNC }]);
                    }
                });
            });
        });
        out
    };
    let media: u32 = samples.iter().map(|sample| sample.bytes).sum();
    let mut out = head(head(0).len() as u32 + 8);
    put(&mut out, media + 8);
    out.extend_from_slice(b"mdat");
    out
}
