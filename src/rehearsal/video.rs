//! Writes `video.mp4`: exact times, the same bytes for the same pictures, readable even when the process is killed.
//!
//! While it grows, the file is fragmented: what is written can be played, at most the last second is missing. When it is
//! finished, an ordinary index is appended and the fragments become plain media data, so that every player, and tools
//! that ask for a frame count, take it for an ordinary file.

mod boxes;

use super::encode::{FrameRate, PPS, SPS, kind, units};
use crate::handover::PictureSize;
use boxes::{Chunk, TIMESCALE, Track};
use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// Why there is no video.
#[derive(Debug, thiserror::Error)]
pub enum VideoError {
    /// The disk refused.
    #[error("{path}: {source}; allowed is a writable folder on a disk with room; choose another or make room")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A picture's time is not later than the one before it, or more than 13 hours later.
    #[error(
        "{path}: picture {picture} at {got} of 1/90000 s after one at {before}; times must rise, by less than 13 hours; give pictures in order"
    )]
    Time {
        /// The file.
        path: PathBuf,
        /// Number of the picture, from 0.
        picture: usize,
        /// Its time.
        got: i64,
        /// The time of the one before.
        before: i64,
    },
    /// The first picture is no key picture, or parameter sets are missing or change on the way.
    #[error(
        "{path}: picture {picture}: {got}; allowed is one H.264 stream that begins with parameter sets and a key picture; encode anew"
    )]
    Stream {
        /// The file.
        path: PathBuf,
        /// Number of the picture, from 0.
        picture: usize,
        /// What is wrong.
        got: &'static str,
    },
}

/// One picture in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Sample {
    bytes: u32,
    /// How long it is shown.
    ticks: u32,
    key: bool,
}

/// Writes one H.264 track. After an error of the disk it is of no more use; what was written before stays readable.
#[derive(Debug)]
pub struct Mp4Writer {
    path: PathBuf,
    file: File,
    size: PictureSize,
    frame_ticks: u32,
    track: Option<Track>,
    /// Bytes written so far.
    length: u64,
    /// All samples whose duration is known.
    samples: Vec<Sample>,
    chunks: Vec<Chunk>,
    /// Media of the fragment that is being gathered, and where its samples begin.
    media: Vec<u8>,
    first: usize,
    first_time: u64,
    /// The newest picture: its duration is known when the next one comes.
    waiting: Option<(i64, Sample)>,
    start: i64,
}

impl Mp4Writer {
    /// Creates or empties the file at `path` for pictures of `size` at `rate` (the last picture is shown for one frame).
    pub fn create(path: &Path, size: PictureSize, rate: FrameRate) -> Result<Self, VideoError> {
        let failed = |source| VideoError::File { path: path.to_owned(), source };
        let mut file = File::create(path).map_err(failed)?;
        let head = [boxes::ftyp(), boxes::free()].concat();
        file.write_all(&head).map_err(failed)?;
        Ok(Self {
            path: path.to_owned(),
            file,
            size,
            frame_ticks: u32::try_from(rate.ticks_90k(1)).unwrap_or(TIMESCALE).max(1),
            track: None,
            length: head.len() as u64,
            samples: Vec::new(),
            chunks: Vec::new(),
            media: Vec::new(),
            first: 0,
            first_time: 0,
            waiting: None,
            start: 0,
        })
    }

    /// Adds one picture: Annex B, decodable alone or not, shown from `pts_90k` on (1/90000 s from any start). Times in the
    /// file count from the first picture.
    pub fn write(&mut self, annexb: &[u8], key: bool, pts_90k: i64) -> Result<(), VideoError> {
        self.describe(annexb, key)?;
        if let Some((before, mut sample)) = self.waiting.take() {
            let ticks = pts_90k.checked_sub(before).and_then(|ticks| u32::try_from(ticks).ok()).filter(|t| *t > 0);
            let Some(ticks) = ticks else {
                let picture = self.samples.len() + 1;
                self.waiting = Some((before, sample));
                return Err(VideoError::Time { path: self.path.clone(), picture, got: pts_90k, before });
            };
            sample.ticks = ticks;
            self.samples.push(sample);
        } else {
            self.start = pts_90k;
        }
        let now = u64::try_from(pts_90k.saturating_sub(self.start)).unwrap_or(0);
        if key || now.saturating_sub(self.first_time) >= u64::from(TIMESCALE) {
            self.flush(now)?;
        }
        let before = self.media.len();
        for unit in units(annexb).filter(|unit| ![SPS, PPS, 9].contains(&kind(unit))) {
            self.media.extend_from_slice(&(unit.len() as u32).to_be_bytes());
            self.media.extend_from_slice(unit);
        }
        let bytes = (self.media.len() - before) as u32;
        self.waiting = Some((pts_90k, Sample { bytes, ticks: self.frame_ticks, key }));
        Ok(())
    }

    /// Writes the rest and the index. Without a picture the file stays without an index.
    pub fn finish(mut self) -> Result<(), VideoError> {
        if let Some((_, sample)) = self.waiting.take() {
            self.samples.push(sample);
        }
        self.flush(0)?;
        let Some(track) = self.track.take() else { return Ok(()) };
        let index = boxes::moov_whole(&track, &self.samples, &self.chunks);
        let media = self.length - boxes::ftyp().len() as u64;
        let place = boxes::ftyp().len() as u64;
        self.append(&index)?;
        // First the index, safely, and only then the head that makes it count: a power cut leaves one of the two.
        let path = self.path;
        let mut file = self.file;
        let turn = |file: &mut File| {
            file.sync_data()?;
            file.seek(SeekFrom::Start(place))?;
            file.write_all(&boxes::mdat_head(media))?;
            file.sync_all()
        };
        turn(&mut file).map_err(|source| VideoError::File { path, source })
    }

    /// Takes the parameter sets of the first picture and holds later ones to them.
    fn describe(&mut self, annexb: &[u8], key: bool) -> Result<(), VideoError> {
        let find = |wanted| units(annexb).find(|unit| kind(unit) == wanted);
        let (sequence, picture) = (find(SPS), find(PPS));
        let wrong = match &self.track {
            None if !key => Some("not a key picture"),
            None => match (sequence, picture) {
                (Some(sequence), Some(picture)) if sequence.len() >= 4 => {
                    let (sequence, picture) = (sequence.to_vec(), picture.to_vec());
                    let track = Track { size: self.size, sequence, picture };
                    self.append(&boxes::moov_open(&track))?;
                    self.track = Some(track);
                    None
                }
                _ => Some("no parameter sets"),
            },
            Some(track) => {
                let same =
                    sequence.is_none_or(|set| set == track.sequence) && picture.is_none_or(|set| set == track.picture);
                (!same).then_some("other parameter sets than the first")
            }
        };
        let number = self.samples.len() + usize::from(self.waiting.is_some());
        match wrong {
            Some(got) => Err(VideoError::Stream { path: self.path.clone(), picture: number, got }),
            None => Ok(()),
        }
    }

    /// Writes what has been gathered as one fragment; the next one begins at `next_time` ticks.
    fn flush(&mut self, next_time: u64) -> Result<(), VideoError> {
        let samples = &self.samples[self.first..];
        if !samples.is_empty() {
            let head = boxes::fragment_head(self.chunks.len() as u32 + 1, self.first_time, samples);
            let chunk = Chunk { offset: self.length + head.len() as u64, samples: samples.len() as u32 };
            let mut fragment = head;
            fragment.append(&mut self.media);
            self.append(&fragment)?;
            self.chunks.push(chunk);
            self.first = self.samples.len();
        }
        self.first_time = next_time;
        Ok(())
    }

    fn append(&mut self, bytes: &[u8]) -> Result<(), VideoError> {
        self.file.write_all(bytes).map_err(|source| VideoError::File { path: self.path.clone(), source })?;
        self.length += bytes.len() as u64;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::encode::{EncodeSettings, Encoder, Rate};
    use super::*;

    const SIZE: PictureSize = PictureSize { width: 64, height: 48 };

    /// Coded pictures with a key picture every ten.
    fn pictures(count: u64) -> Vec<(Vec<u8>, bool)> {
        let settings = EncodeSettings { rate: Rate::Quality(30), key_every: 10 };
        let mut encoder = Encoder::new(SIZE, FrameRate::THIRTY, settings).expect("settings in range");
        let picture =
            |index: u64| -> Vec<u8> { (0..4608u64).map(|at| (40 + (at * 7 + index * 13) % 90) as u8).collect() };
        (0..count)
            .map(|index| encoder.encode(&picture(index), false).expect("a whole picture"))
            .map(|coded| (coded.annexb.to_vec(), coded.key))
            .collect()
    }

    fn written(path: &Path, rate: FrameRate, pictures: &[(Vec<u8>, bool)]) -> Mp4Writer {
        let mut writer = Mp4Writer::create(path, SIZE, rate).expect("a writable file");
        for (index, (annexb, key)) in pictures.iter().enumerate() {
            writer.write(annexb, *key, 1000 + rate.ticks_90k(index as u64)).expect("written");
        }
        writer
    }

    /// Times, key marks and bytes of all samples as a reader finds them.
    fn read(path: &Path) -> Vec<(u64, bool, Vec<u8>)> {
        let bytes = std::fs::read(path).expect("the file");
        let movie = re_mp4::Mp4::read_bytes(&bytes).expect("an mp4");
        let (_, track) = movie.tracks().iter().next().expect("a track");
        assert_eq!((track.width, track.height, track.timescale), (64, 48, 90_000));
        let sample = |s: &re_mp4::Sample| {
            let (at, length) = (s.offset as usize, s.size as usize);
            (s.composition_timestamp as u64, s.is_sync, bytes[at..at + length].to_vec())
        };
        track.samples.iter().map(sample).collect()
    }

    /// The samples that the pictures should have become.
    fn expected(rate: FrameRate, pictures: &[(Vec<u8>, bool)]) -> Vec<(u64, bool, Vec<u8>)> {
        let sample = |(index, (annexb, key)): (usize, &(Vec<u8>, bool))| {
            let slices = units(annexb).filter(|unit| kind(unit) < SPS);
            let bytes = slices.flat_map(|unit| [&(unit.len() as u32).to_be_bytes()[..], unit].concat()).collect();
            (rate.ticks_90k(index as u64) as u64, *key, bytes)
        };
        pictures.iter().enumerate().map(sample).collect()
    }

    #[test]
    fn a_finished_file_holds_every_picture_at_its_exact_time() {
        let folder = tempfile::tempdir().expect("a folder");
        let pictures = pictures(65);
        for (frames, seconds) in [(30, 1), (30000, 1001), (25, 1)] {
            let (path, rate) = (folder.path().join("video.mp4"), FrameRate { frames, seconds });
            written(&path, rate, &pictures).finish().expect("finished");
            assert_eq!(read(&path), expected(rate, &pictures));
        }
    }

    #[test]
    fn a_file_that_was_never_finished_holds_all_but_the_last_second() {
        let folder = tempfile::tempdir().expect("a folder");
        let (path, pictures) = (folder.path().join("video.mp4"), pictures(65));
        drop(written(&path, FrameRate::THIRTY, &pictures));
        assert_eq!(read(&path), expected(FrameRate::THIRTY, &pictures[..60]));
    }

    #[test]
    fn a_file_whose_new_index_does_not_count_yet_is_still_read() {
        let folder = tempfile::tempdir().expect("a folder");
        let (path, pictures) = (folder.path().join("video.mp4"), pictures(65));
        written(&path, FrameRate::THIRTY, &pictures).finish().expect("finished");
        let mut bytes = std::fs::read(&path).expect("the file");
        let place = boxes::ftyp().len();
        bytes[place..place + 16].copy_from_slice(&boxes::free());
        std::fs::write(&path, bytes).expect("written");
        let found = read(&path);
        assert_eq!(found[found.len() - 65..], expected(FrameRate::THIRTY, &pictures));
    }

    #[test]
    fn the_same_pictures_give_the_same_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let pictures = pictures(25);
        let bytes = ["a.mp4", "b.mp4"].map(|name| {
            let path = folder.path().join(name);
            written(&path, FrameRate::THIRTY, &pictures).finish().expect("finished");
            std::fs::read(path).expect("the file")
        });
        assert_eq!(bytes[0], bytes[1]);
    }

    #[test]
    fn pictures_that_do_not_fit_are_refused_and_the_file_goes_on() {
        let folder = tempfile::tempdir().expect("a folder");
        let (path, pictures) = (folder.path().join("v.mp4"), pictures(12));
        let mut writer = Mp4Writer::create(&path, SIZE, FrameRate::THIRTY).expect("a writable file");
        let name = path.display().to_string();
        let says = |result: Result<(), VideoError>| result.err().map(|e| e.to_string().replace(&name, "v.mp4"));
        let stream = "allowed is one H.264 stream that begins with parameter sets and a key picture; encode anew";
        let refusal = says(writer.write(&pictures[1].0, false, 0));
        assert_eq!(refusal, Some(format!("v.mp4: picture 0: not a key picture; {stream}")));
        writer.write(&pictures[0].0, true, 0).expect("written");
        writer.write(&pictures[1].0, false, 3000).expect("written");
        let refusal = says(writer.write(&pictures[2].0, false, 3000));
        let times = "times must rise, by less than 13 hours; give pictures in order";
        assert_eq!(refusal, Some(format!("v.mp4: picture 2 at 3000 of 1/90000 s after one at 3000; {times}")));
        let mut other = pictures[10].0.clone();
        other[6] ^= 1;
        let refusal = says(writer.write(&other, true, 6000));
        assert_eq!(refusal, Some(format!("v.mp4: picture 2: other parameter sets than the first; {stream}")));
        writer.write(&pictures[2].0, false, 6000).expect("written");
        writer.finish().expect("finished");
        assert_eq!(read(&path), expected(FrameRate::THIRTY, &pictures[..3]));
    }

    #[test]
    fn a_disk_that_refuses_is_named() {
        let says =
            |path: &str| Mp4Writer::create(Path::new(path), SIZE, FrameRate::THIRTY).err().map(|e| e.to_string());
        let end = "; allowed is a writable folder on a disk with room; choose another or make room";
        assert_eq!(says("/no/video.mp4"), Some(format!("/no/video.mp4: No such file or directory (os error 2){end}")));
        assert_eq!(says("/dev/full"), Some(format!("/dev/full: No space left on device (os error 28){end}")));
    }
}
