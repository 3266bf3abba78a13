//! Boxes of an ISO media file: bounded reading of numbers and of boxes inside boxes. Nothing here can run out of its bytes.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};

/// An index larger than this is not one.
const LARGEST_INDEX: u64 = 256 << 20;

/// Why an `.mp4` cannot be read.
#[derive(Debug)]
pub(super) enum Fault {
    /// The system refuses.
    Read(std::io::Error),
    /// The file is not what it should be, in words that follow its name.
    Damaged(String),
}

/// The end of the bytes came too early.
pub(super) fn short(what: &str) -> Fault {
    Fault::Damaged(format!("is damaged: its {what} is too short"))
}

/// Bytes that are read from the front.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bytes<'a>(pub(super) &'a [u8]);

impl<'a> Bytes<'a> {
    pub(super) fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(head)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*head)
    }

    pub(super) fn skip(&mut self, count: usize) -> Option<()> {
        self.take(count).map(|_| ())
    }

    pub(super) fn u8(&mut self) -> Option<u8> {
        self.array().map(u8::from_be_bytes)
    }

    pub(super) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    pub(super) fn i32(&mut self) -> Option<i32> {
        self.array().map(i32::from_be_bytes)
    }

    pub(super) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_be_bytes)
    }

    /// A 32-bit number, or a 64-bit one in version 1 of a box.
    pub(super) fn sized(&mut self, version: u8) -> Option<u64> {
        if version == 1 { self.u64() } else { self.u32().map(u64::from) }
    }

    /// Version and flags of a full box.
    pub(super) fn version_and_flags(&mut self) -> Option<(u8, u32)> {
        let both = self.u32()?;
        Some(((both >> 24) as u8, both & 0x00ff_ffff))
    }

    /// The next box inside: its type and content. `None` at the end and at a box that is not whole.
    pub(super) fn next_box(&mut self) -> Option<([u8; 4], Bytes<'a>)> {
        let mut ahead = *self;
        let size = ahead.u32()?;
        let kind = ahead.array()?;
        let content = match size {
            0 => ahead.0.len(),
            1 => usize::try_from(ahead.u64()?.checked_sub(16)?).ok()?,
            _ => usize::try_from(size.checked_sub(8)?).ok()?,
        };
        let content = ahead.take(content)?;
        *self = ahead;
        Some((kind, Bytes(content)))
    }

    /// The first box of this type inside.
    pub(super) fn find(mut self, wanted: &[u8; 4]) -> Option<Bytes<'a>> {
        std::iter::from_fn(|| self.next_box()).find_map(|(kind, content)| (&kind == wanted).then_some(content))
    }

    /// The box at the end of a path of types.
    pub(super) fn find_path(self, path: &[&[u8; 4]]) -> Option<Bytes<'a>> {
        path.iter().try_fold(self, |inside, wanted| inside.find(wanted))
    }

    /// All boxes of this type inside.
    pub(super) fn all(mut self, wanted: &'static [u8; 4]) -> impl Iterator<Item = Bytes<'a>> {
        std::iter::from_fn(move || self.next_box())
            .filter_map(move |(kind, content)| (&kind == wanted).then_some(content))
    }
}

/// A box at the top of the file, with the place of its first byte.
pub(super) struct TopBox {
    pub(super) kind: [u8; 4],
    pub(super) start: u64,
    pub(super) content: Vec<u8>,
}

/// Calls `take` for each index box (`ftyp`, `moov`, `moof`) at the top of the file. Ends quietly at a box that is cut off.
pub(super) fn top_boxes(
    file: &mut File,
    length: u64,
    mut take: impl FnMut(TopBox) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let mut start = 0u64;
    while start + 8 <= length {
        file.seek(SeekFrom::Start(start)).map_err(Fault::Read)?;
        let mut head = [0; 16];
        let have = usize::try_from((length - start).min(16)).unwrap_or(16);
        file.read_exact(&mut head[..have]).map_err(Fault::Read)?;
        let mut bytes = Bytes(&head[..have]);
        let (Some(size), Some(kind)) = (bytes.u32(), bytes.array()) else { return Ok(()) };
        let (header, size) = match size {
            0 => (8, length - start),
            1 => (16, bytes.u64().unwrap_or(0)),
            _ => (8, u64::from(size)),
        };
        if size < header {
            return if start == 0 { Ok(()) } else { Err(short("chain of boxes")) };
        }
        let Some(end) = start.checked_add(size).filter(|end| *end <= length) else { return Ok(()) };
        if matches!(&kind, b"ftyp" | b"moov" | b"moof") {
            if size > LARGEST_INDEX {
                return Err(Fault::Damaged(format!("has an index of {size} bytes")));
            }
            let mut content = vec![0; usize::try_from(size - header).unwrap_or(0)];
            file.seek(SeekFrom::Start(start + header)).map_err(Fault::Read)?;
            file.read_exact(&mut content).map_err(Fault::Read)?;
            take(TopBox { kind, start, content })?;
        }
        start = end;
    }
    Ok(())
}
