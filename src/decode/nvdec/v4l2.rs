//! A real V4L2 decoder as the state machine's device: single-planar or multi-planar, by the kernel or through libv4l2.
//!
//! NVIDIA's pictures lie in blocks (`surfaces`). Its side was read in NVIDIA's headers and samples and has run on no board.

use super::device::{Device, Done, Fault, Pixels, Queue, Raw, Rect, Taken, characters, readable};
use super::surfaces::Surfaces;
use super::system::{Exported, File, Mapping, PLANES, zeroed};
use super::uapi::*;
use crate::handover::PixelFormat;
use std::io;
use std::time::Duration;

/// Formats that are listed at most.
const FORMATS_MAX: u32 = 64;
const MICROS: u64 = 1_000_000;

/// Kinds of queues (`v4l2_buf_type`), single-planar and multi-planar.
const fn kind(queue: Queue, planar: bool) -> u32 {
    match (queue, planar) {
        (Queue::Raw, false) => 1,
        (Queue::Coded, false) => 2,
        (Queue::Raw, true) => 9,
        (Queue::Coded, true) => 10,
    }
}

/// A buffer's memory planes.
struct Memory {
    planes: Vec<Mapping>,
    /// The first as a file, where libraries ask for it.
    exported: Option<Exported>,
}

/// A device and its buffers.
pub(super) struct V4l2 {
    // Before `file`: mappings go before the device is closed.
    coded: Vec<Memory>,
    raw: Vec<Memory>,
    format: Raw,
    /// NVIDIA's pictures, which lie in blocks, and what is to be shown of them.
    surfaces: Option<(Surfaces, Rect)>,
    file: File,
    name: String,
    planar: bool,
}

/// The words of a field that ends with 0 or is full.
fn words(field: &[u8]) -> String {
    let end = field.iter().position(|byte| *byte == 0).unwrap_or(field.len());
    String::from_utf8_lossy(&field[..end]).into_owned()
}

impl V4l2 {
    /// The decoder behind an open file. NVIDIA's lends at most `lend` pictures at once.
    pub(super) fn new(file: File, path: &str, lend: usize) -> Result<Self, Fault> {
        let mut about: Capability = zeroed();
        file.call(&QUERYCAP, &mut about).map_err(|error| Fault::Missing {
            what: format!("{path} does not answer as a V4L2 device: {error}"),
            remedy: "name a V4L2 memory-to-memory decoder; on a Jetson NVIDIA's plugin of libv4l2 must be there (nvidia-l4t-multimedia)",
        })?;
        let able = if about.device == 0 { about.all } else { about.device };
        let planar = able & CAP_M2M_MPLANE != 0;
        let name = format!("{path} ({}, {})", words(&about.driver), words(&about.card));
        if !planar && able & CAP_M2M == 0 {
            let allowed = "a V4L2 memory-to-memory decoder (v4l2-ctl --list-devices)".to_owned();
            return Err(Fault::Unfit { got: name, allowed });
        }
        let surfaces = if file.by_library() { Some((Surfaces::open(lend)?, Rect::default())) } else { None };
        Ok(Self { coded: Vec::new(), raw: Vec::new(), format: Raw::default(), surfaces, file, name, planar })
    }

    fn call<T: Plain>(&self, call: &Call<T>, argument: &mut T) -> Result<(), Fault> {
        self.file.call(call, argument).map_err(|error| Fault::Call { call: call.name, what: error.to_string() })
    }

    fn kind(&self, queue: Queue) -> u32 {
        kind(queue, self.planar)
    }

    /// Memory planes of a queue's buffers.
    fn planes(&self, queue: Queue) -> usize {
        match queue {
            Queue::Coded => 1,
            Queue::Raw => readable(self.format.fourcc).map_or(1, |(_, planes)| planes),
        }
    }

    fn formats(&self, queue: Queue) -> Vec<u32> {
        let one = |index| {
            let mut format = FormatDescription { index, kind: self.kind(queue), ..zeroed() };
            self.file.call(&ENUM_FMT, &mut format).ok().map(|()| format.fourcc)
        };
        (0..FORMATS_MAX).map_while(one).collect()
    }

    fn format(&self, queue: Queue) -> Result<Format, Fault> {
        let mut format = Format { kind: self.kind(queue), ..zeroed() };
        self.call(&G_FMT, &mut format)?;
        Ok(format)
    }

    /// Words of a format: code, and per memory plane bytes in all and bytes a row.
    fn sizes(&self, format: &Format) -> [(u32, u32); PLANES] {
        let words = &format.words;
        if self.planar {
            [(words[5], words[6]), (words[10], words[11]), (words[15], words[16])]
        } else {
            [(words[5], words[4]), (0, 0), (0, 0)]
        }
    }

    fn understood(&self, format: &Format) -> Raw {
        let [width, height, fourcc] = [format.words[0], format.words[1], format.words[2]];
        let mut strides = self.sizes(format).map(|(_, stride)| stride);
        let used = readable(fourcc).map_or(1, |(_, planes)| planes);
        strides[used..].fill(0);
        if strides[0] == 0 {
            strides[0] = width;
        }
        let visible = self.visible(width, height);
        if self.surfaces.is_some() {
            // What comes out of them is the visible part alone.
            let Rect { width, height, .. } = visible;
            return Raw { fourcc, height, strides: [width, width, 0], visible };
        }
        Raw { fourcc, height, strides, visible }
    }

    /// What is to be shown of pictures of this size.
    fn visible(&self, width: u32, height: u32) -> Rect {
        let kind = self.kind(Queue::Raw);
        let mut selection = Selection { kind, target: TARGET_COMPOSE, ..zeroed() };
        let mut crop = Crop { kind, ..zeroed() };
        let rect = match self.file.call(&G_SELECTION, &mut selection) {
            Ok(()) => Some(selection.rect),
            // NVIDIA's knows the older call.
            Err(_) => self.file.call(&G_CROP, &mut crop).ok().map(|()| crop.rect),
        };
        let rect = rect.map(|rect| rect.map(|side| u32::try_from(side).unwrap_or(u32::MAX)));
        match rect {
            Some([left, top, width, height]) if width > 0 && height > 0 => Rect { left, top, width, height },
            _ => Rect { left: 0, top: 0, width, height },
        }
    }

    /// Makes a buffer's memory ours to read and write.
    fn memory(&self, queue: Queue, index: u32) -> Result<Memory, Fault> {
        let call = QUERYBUF.name;
        let failed = |error: io::Error| Fault::Call { call, what: error.to_string() };
        let mut buffer = Buffer { index, kind: self.kind(queue), memory: MEMORY_MMAP, ..zeroed() };
        let mut infos = [zeroed::<PlaneInfo>(); PLANES];
        let asked = self.planar.then_some(&mut infos[..self.planes(queue)]);
        self.file.call_buffer(&QUERYBUF, &mut buffer, asked).map_err(failed)?;
        let single = [(buffer.length as usize, buffer.place as u32)];
        let planes: Vec<(usize, u32)> = if self.planar {
            let count = (buffer.length as usize).min(PLANES);
            infos[..count].iter().map(|info| (info.length as usize, info.memory[0])).collect()
        } else {
            single.to_vec()
        };
        let mut memory = Memory { planes: Vec::new(), exported: None };
        if self.surfaces.is_some() {
            memory.exported = Some(self.export(queue, index, 0)?);
        }
        if self.surfaces.is_none() || queue == Queue::Coded {
            let failed = |error: io::Error| Fault::Call { call: "mmap", what: error.to_string() };
            let map = |(length, offset)| self.file.map(memory.exported.as_ref(), length, offset).map_err(failed);
            memory.planes = planes.into_iter().map(map).collect::<Result<_, _>>()?;
        }
        Ok(memory)
    }

    /// A buffer as a file: by it NVIDIA's are mapped, and known to its other libraries.
    fn export(&self, queue: Queue, index: u32, plane: u32) -> Result<Exported, Fault> {
        let flags = (libc::O_CLOEXEC | libc::O_RDWR) as u32;
        let mut export = Export { kind: self.kind(queue), index, plane, flags, ..zeroed() };
        self.call(&EXPBUF, &mut export)?;
        Ok(Exported::new(export.file))
    }

    fn buffers(&mut self, queue: Queue) -> &mut Vec<Memory> {
        match queue {
            Queue::Coded => &mut self.coded,
            Queue::Raw => &mut self.raw,
        }
    }

    /// Hands a buffer over, its first plane filled with so many bytes.
    fn put(&mut self, queue: Queue, index: u32, bytes: u32, stamp: u64) -> Result<(), Fault> {
        let mut buffer = Buffer {
            index,
            kind: self.kind(queue),
            memory: MEMORY_MMAP,
            used: bytes,
            flags: FLAG_TIMESTAMP_COPY,
            seconds: (stamp / MICROS) as i64,
            micros: (stamp % MICROS) as i64,
            ..zeroed()
        };
        let mut infos = [zeroed::<PlaneInfo>(); PLANES];
        infos[0].used = bytes;
        let planes = self.planar.then_some(&mut infos[..self.planes(queue)]);
        let failed = |error: io::Error| Fault::Call { call: QBUF.name, what: error.to_string() };
        self.file.call_buffer(&QBUF, &mut buffer, planes).map_err(failed)
    }
}

impl Device for V4l2 {
    fn name(&self) -> &str {
        &self.name
    }

    fn codings(&mut self) -> Vec<u32> {
        self.formats(Queue::Coded)
    }

    fn set_coding(&mut self, coding: u32, bytes: u32, one_reference: bool) -> Result<u32, Fault> {
        let mut wish = Subscription { kind: EVENT_SOURCE_CHANGE, ..zeroed() };
        self.call(&SUBSCRIBE_EVENT, &mut wish)?;
        let mut format = Format { kind: self.kind(Queue::Coded), ..zeroed() };
        let words = &mut format.words;
        // The size is a hint from which some drivers reckon the largest access unit.
        (words[0], words[1], words[2], words[5]) = (1920, 1088, coding, bytes);
        if self.file.by_library() {
            (words[0], words[1]) = (0, 0);
        }
        if self.planar {
            words[45] = u32::from_ne_bytes([1, 0, 0, 0]);
        }
        self.call(&S_FMT, &mut format)?;
        if format.words[2] != coding {
            let got = format!("{} for {}", characters(format.words[2]), characters(coding));
            return Err(Fault::Unfit { got, allowed: "a device that decodes it".to_owned() });
        }
        if self.file.by_library() {
            // Without it NVIDIA's carries no time stamps.
            self.file
                .set_control(CONTROL_NV_PIECES, 0)
                .map_err(|error| Fault::Call { call: S_EXT_CTRLS.name, what: error.to_string() })?;
            if one_reference && let Err(error) = self.file.set_control(CONTROL_NV_NO_DELAY, 1) {
                tracing::warn!("{}: pictures may come late: {error}", self.name);
            }
        }
        Ok(self.sizes(&format)[0].0)
    }

    fn raw_formats(&mut self) -> Vec<u32> {
        self.formats(Queue::Raw)
    }

    fn raw(&mut self) -> Result<Raw, Fault> {
        let raw = self.understood(&self.format(Queue::Raw)?);
        // The part that is cut out of a surface begins at its corner.
        let visible = if self.surfaces.is_some() { Rect { left: 0, top: 0, ..raw.visible } } else { raw.visible };
        Ok(Raw { visible, ..raw })
    }

    fn set_raw(&mut self, fourcc: u32) -> Result<Raw, Fault> {
        let mut format = self.format(Queue::Raw)?;
        format.words[2] = fourcc;
        if self.planar {
            let [_, rest @ ..] = format.words[45].to_ne_bytes();
            let planes = readable(fourcc).map_or(1, |(_, planes)| planes as u8);
            format.words[45] = u32::from_ne_bytes([planes, rest[0], rest[1], rest[2]]);
        }
        self.call(&S_FMT, &mut format)?;
        self.format = self.understood(&format);
        if let Some((_, visible)) = &mut self.surfaces {
            *visible = self.format.visible;
            (self.format.visible.left, self.format.visible.top) = (0, 0);
        }
        Ok(self.format)
    }

    fn raw_buffers(&mut self) -> Option<u32> {
        let mut control = Control { id: CONTROL_RAW_BUFFERS, ..zeroed() };
        self.file.call(&G_CTRL, &mut control).ok()?;
        u32::try_from(control.value).ok()
    }

    fn request(&mut self, queue: Queue, count: u32) -> Result<u32, Fault> {
        self.buffers(queue).clear();
        let mut request = Request { count, kind: self.kind(queue), memory: MEMORY_MMAP, ..zeroed() };
        self.call(&REQBUFS, &mut request)?;
        // Fewer than there are would be used all the same.
        let count = if count == 0 { 0 } else { request.count };
        let memory = (0..count).map(|index| self.memory(queue, index)).collect::<Result<Vec<_>, _>>()?;
        *self.buffers(queue) = memory;
        Ok(count)
    }

    fn stream(&mut self, queue: Queue, on: bool) -> Result<(), Fault> {
        let mut kind = self.kind(queue) as i32;
        self.call(if on { &STREAMON } else { &STREAMOFF }, &mut kind)
    }

    fn put_coded(&mut self, index: u32, data: &[u8], stamp: u64) -> Result<(), Fault> {
        let room = self.coded.get_mut(index as usize).and_then(|memory| memory.planes.first_mut());
        let Some(to) = room.and_then(|memory| memory.bytes_mut().get_mut(..data.len())) else {
            let got = format!("an access unit of {} bytes", data.len());
            return Err(Fault::Unfit { got, allowed: "as many as the device's buffers hold".to_owned() });
        };
        to.copy_from_slice(data);
        self.put(Queue::Coded, index, data.len() as u32, stamp)
    }

    fn put_raw(&mut self, index: u32) -> Result<(), Fault> {
        self.put(Queue::Raw, index, 0, 0)
    }

    fn take(&mut self, queue: Queue) -> Result<Taken, Fault> {
        let mut buffer = Buffer { kind: self.kind(queue), memory: MEMORY_MMAP, ..zeroed() };
        let mut infos = [zeroed::<PlaneInfo>(); PLANES];
        let planes = self.planar.then_some(&mut infos[..self.planes(queue)]);
        if let Err(error) = self.file.call_buffer(&DQBUF, &mut buffer, planes) {
            return match error.raw_os_error() {
                Some(libc::EPIPE) => Ok(Taken::Ended),
                // NVIDIA's marks the end so.
                Some(libc::EAGAIN) if buffer.flags & FLAG_LAST != 0 => Ok(Taken::Ended),
                Some(libc::EAGAIN) => Ok(Taken::Nothing),
                _ => Err(Fault::Call { call: DQBUF.name, what: error.to_string() }),
            };
        }
        let stamp = u64::try_from(buffer.seconds).ok().zip(u64::try_from(buffer.micros).ok());
        let stamp = stamp.and_then(|(seconds, micros)| seconds.checked_mul(MICROS)?.checked_add(micros));
        let used = if self.planar { infos[0].used } else { buffer.used };
        Ok(Taken::Buffer(Done {
            index: buffer.index,
            stamp: stamp.unwrap_or(u64::MAX),
            filled: used > 0,
            damaged: buffer.flags & FLAG_ERROR != 0,
            last: buffer.flags & FLAG_LAST != 0,
        }))
    }

    fn picture(&mut self, index: u32) -> Result<Pixels<'_>, Fault> {
        if let Some((surfaces, visible)) = &mut self.surfaces {
            let buffer = self.raw.get(index as usize).and_then(|memory| memory.exported.as_ref());
            let nv12 = readable(self.format.fourcc).is_some_and(|(format, _)| format == PixelFormat::Nv12);
            let Some(buffer) = buffer.filter(|_| nv12) else {
                let got = format!("pictures as {}", characters(self.format.fourcc));
                return Err(Fault::Unfit { got, allowed: "NM12 from NVIDIA's decoder".to_owned() });
            };
            return surfaces.picture(buffer, *visible);
        }
        let mut planes: [&[u8]; PLANES] = [&[]; PLANES];
        let memory = self.raw.get(index as usize).map_or(&[][..], |memory| &memory.planes);
        planes.iter_mut().zip(memory).for_each(|(plane, memory)| *plane = memory.bytes());
        Ok(Pixels::Read(self.format.planes(planes)))
    }

    fn changed(&mut self) -> Result<bool, Fault> {
        let mut changed = false;
        // As many as the kernel keeps at most, several times over.
        for _ in 0..FORMATS_MAX {
            let mut event: Event = zeroed();
            if self.file.call(&DQEVENT, &mut event).is_err() {
                break;
            }
            changed |= event.kind == EVENT_SOURCE_CHANGE;
        }
        Ok(changed)
    }

    fn stop(&mut self, free: Option<u32>) -> Result<bool, Fault> {
        let mut command = Command { command: COMMAND_STOP, ..zeroed() };
        if !self.file.by_library() && self.file.call(&DECODER_CMD, &mut command).is_ok() {
            return Ok(true);
        }
        // Who does not know the command, and NVIDIA's, takes an empty buffer for the end.
        let Some(index) = free else { return Ok(false) };
        self.put(Queue::Coded, index, 0, u64::MAX / 2).map(|()| true)
    }

    fn wait(&mut self, limit: Duration) -> Result<Duration, Fault> {
        self.file.wait(limit).map_err(|error| Fault::Call { call: "poll", what: error.to_string() })
    }
}
