//! The kernel's video interface: its structures, its calls and the memory that it shares. The one file of this room with `unsafe`.
//!
//! Layouts and numbers are those of `linux/videodev2.h` on 64-bit machines.
#![allow(unsafe_code)]

use super::choice::{FourCc, Interval, Range};
use super::setup::{Driver, Set};
use crate::handover::{Colour, Matrix};
use std::fs::{File, OpenOptions};
use std::io;
use std::marker::PhantomData;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::ptr::NonNull;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// `V4L2_BUF_TYPE_VIDEO_CAPTURE`.
const CAPTURE: u32 = 1;
/// `V4L2_MEMORY_MMAP`.
const MMAP: u32 = 1;
/// `V4L2_FIELD_NONE`: progressive.
const PROGRESSIVE: u32 = 1;
/// `V4L2_CAP_TIMEPERFRAME`.
const HAS_INTERVAL: u32 = 0x1000;
/// `V4L2_CTRL_FLAG_DISABLED`, `V4L2_CTRL_FLAG_READ_ONLY`.
const NOT_SETTABLE: u32 = 0x0001 | 0x0004;
/// Lists of a driver that never end are cut off here.
const MOST_LISTED: u32 = 256;

/// A call and the structure that it takes, whose size is part of its number.
struct Request<T>(u32, PhantomData<T>);

impl<T> Request<T> {
    const fn new(direction: u32, number: u32) -> Self {
        Self((direction << 30) | ((size_of::<T>() as u32) << 16) | ((b'V' as u32) << 8) | number, PhantomData)
    }
    const fn write(number: u32) -> Self {
        Self::new(1, number)
    }
    const fn read(number: u32) -> Self {
        Self::new(2, number)
    }
    const fn both(number: u32) -> Self {
        Self::new(3, number)
    }
}

const QUERYCAP: Request<Capability> = Request::read(0);
const ENUM_FMT: Request<FormatName> = Request::both(2);
const S_FMT: Request<Format> = Request::both(5);
const REQBUFS: Request<BufferRequest> = Request::both(8);
const QUERYBUF: Request<RawBuffer> = Request::both(9);
const QBUF: Request<RawBuffer> = Request::both(15);
const DQBUF: Request<RawBuffer> = Request::both(17);
const STREAMON: Request<u32> = Request::write(18);
const STREAMOFF: Request<u32> = Request::write(19);
const G_PARM: Request<StreamParameters> = Request::both(21);
const S_PARM: Request<StreamParameters> = Request::both(22);
const G_CTRL: Request<Control> = Request::both(27);
const S_CTRL: Request<Control> = Request::both(28);
const QUERYCTRL: Request<ControlRange> = Request::both(36);
const ENUM_FRAMESIZES: Request<FrameSize> = Request::both(74);
const ENUM_FRAMEINTERVALS: Request<FrameInterval> = Request::both(75);

/// A structure of plain numbers, for which all bytes zero is a value.
trait Zeroed: Sized {
    fn zeroed() -> Self {
        // SAFETY: implemented below for structures of integers and arrays of integers alone.
        unsafe { std::mem::zeroed() }
    }
}

macro_rules! structures {
    ($($(#[doc = $doc:literal])+ $name:ident of $size:literal bytes { $($field:ident: $kind:ty),+ $(,)? })+) => {$(
        $(#[doc = $doc])+
        #[repr(C)]
        #[allow(dead_code)]
        struct $name { $($field: $kind),+ }
        const _: () = assert!(size_of::<$name>() == $size, "the kernel's layout on 64-bit machines");
        impl Zeroed for $name {}
    )+};
}

structures! {
    /// `v4l2_capability`.
    Capability of 104 bytes {
        driver: [u8; 16], card: [u8; 32], bus: [u8; 32], version: u32, capabilities: u32, of_device: u32, reserved: [u32; 3],
    }
    /// `v4l2_fmtdesc`.
    FormatName of 64 bytes {
        index: u32, kind: u32, flags: u32, description: [u8; 32], fourcc: u32, bus_code: u32, reserved: [u32; 3],
    }
    /// `v4l2_format` with `v4l2_pix_format`.
    Format of 208 bytes {
        kind: u32, padding: u32, width: u32, height: u32, fourcc: u32, field: u32, bytes_per_line: u32, image_bytes: u32,
        colour_space: u32, private: u32, flags: u32, encoding: u32, quantization: u32, transfer: u32, rest: [u32; 38],
    }
    /// `v4l2_requestbuffers`.
    BufferRequest of 20 bytes { count: u32, kind: u32, memory: u32, capabilities: u32, flags: u32 }
    /// `v4l2_buffer`.
    RawBuffer of 88 bytes {
        index: u32, kind: u32, used: u32, flags: u32, field: u32, padding: u32, seconds: i64, micros: i64, timecode: [u32; 4],
        sequence: u32, memory: u32, offset: u64, length: u32, reserved: u32, request: i32, end: u32,
    }
    /// `v4l2_streamparm` with `v4l2_captureparm`.
    StreamParameters of 204 bytes {
        kind: u32, capability: u32, mode: u32, numerator: u32, denominator: u32, rest: [u32; 46],
    }
    /// `v4l2_control`.
    Control of 8 bytes { id: u32, value: i32 }
    /// `v4l2_queryctrl`.
    ControlRange of 68 bytes {
        id: u32, kind: u32, name: [u8; 32], least: i32, most: i32, step: i32, usual: i32, flags: u32, reserved: [u32; 2],
    }
    /// `v4l2_frmsizeenum`.
    FrameSize of 44 bytes { index: u32, fourcc: u32, kind: u32, values: [u32; 6], reserved: [u32; 2] }
    /// `v4l2_frmivalenum`.
    FrameInterval of 52 bytes {
        index: u32, fourcc: u32, width: u32, height: u32, kind: u32, values: [u32; 6], reserved: [u32; 2],
    }
}

/// An open video device that never makes a caller wait for a picture.
#[derive(Debug)]
pub(super) struct Handle {
    file: File,
}

impl AsRawFd for Handle {
    fn as_raw_fd(&self) -> RawFd {
        self.file.as_raw_fd()
    }
}

/// What kind of device it is.
pub(super) struct About {
    /// Its own name, without what could upset a log.
    pub(super) card: String,
    /// It gives pictures in one plane of memory each, through shared memory.
    pub(super) captures: bool,
    /// It gives pictures in more than one.
    pub(super) many_planes: bool,
}

impl Handle {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().read(true).write(true).custom_flags(libc::O_NONBLOCK).open(path)?;
        Ok(Self { file })
    }

    /// The device as something that a runtime can wait for.
    pub(super) fn watch(self: &Arc<Self>) -> io::Result<AsyncFd<Arc<Self>>> {
        let interest = Interest::READABLE | Interest::ERROR;
        // SAFETY: what is registered holds the file open for as long as it is registered, and the file is never exchanged.
        Ok(unsafe { AsyncFd::register_with_interest(Arc::clone(self), interest) }?)
    }

    /// One call; one that a signal broke off is made again.
    fn call<T>(&self, request: &Request<T>, argument: &mut T) -> io::Result<()> {
        loop {
            // SAFETY: the number is made of the size of `T`, so the kernel reads and writes no byte beyond `argument`, which lives
            // and is borrowed for the whole call. No structure here holds an address.
            let done = unsafe { libc::ioctl(self.file.as_raw_fd(), request.0 as _, std::ptr::from_mut(argument)) };
            if done >= 0 {
                return Ok(());
            }
            let error = io::Error::last_os_error();
            if error.kind() != io::ErrorKind::Interrupted {
                return Err(error);
            }
        }
    }

    pub(super) fn about(&self) -> io::Result<About> {
        const CAPTURE_ONE_PLANE: u32 = 0x1;
        const CAPTURE_MANY_PLANES: u32 = 0x1000;
        const STREAMING: u32 = 0x0400_0000;
        const OF_DEVICE: u32 = 0x8000_0000;
        let mut told = Capability::zeroed();
        self.call(&QUERYCAP, &mut told)?;
        let has = if told.capabilities & OF_DEVICE != 0 { told.of_device } else { told.capabilities };
        let name = told.card.split(|byte| *byte == 0).next().unwrap_or_default();
        Ok(About {
            card: String::from_utf8_lossy(name).chars().filter(|c| !c.is_control()).collect(),
            captures: has & CAPTURE_ONE_PLANE != 0 && has & STREAMING != 0,
            many_planes: has & CAPTURE_MANY_PLANES != 0,
        })
    }

    /// Asks for `count` buffers; how many there are, and each with its memory.
    pub(super) fn buffers(&self, count: u32) -> io::Result<Vec<Mapping>> {
        let mut request = BufferRequest { count, kind: CAPTURE, memory: MMAP, ..Zeroed::zeroed() };
        self.call(&REQBUFS, &mut request)?;
        (0..request.count.min(MOST_LISTED)).map(|index| self.map(index)).collect()
    }

    fn map(&self, index: u32) -> io::Result<Mapping> {
        let mut buffer = RawBuffer { index, kind: CAPTURE, memory: MMAP, ..Zeroed::zeroed() };
        self.call(&QUERYBUF, &mut buffer)?;
        let (length, offset) = (buffer.length as usize, libc::off_t::from(buffer.offset as u32));
        // SAFETY: no address is asked for, so the kernel chooses one that nothing of ours lies at; it refuses what it cannot map.
        let at = unsafe {
            let (protection, fd) = (libc::PROT_READ, self.file.as_raw_fd());
            libc::mmap(std::ptr::null_mut(), length, protection, libc::MAP_SHARED, fd, offset)
        };
        match NonNull::new(at.cast::<u8>()) {
            Some(at) if at.as_ptr().cast() != libc::MAP_FAILED => Ok(Mapping { at, length }),
            _ => Err(io::Error::last_os_error()),
        }
    }

    /// Gives a buffer to the driver to fill.
    pub(super) fn queue(&self, index: u32) -> io::Result<()> {
        self.call(&QBUF, &mut RawBuffer { index, kind: CAPTURE, memory: MMAP, ..Zeroed::zeroed() })
    }

    /// A buffer that the driver has filled, if there is one. It is not written again before it is queued.
    pub(super) fn dequeue(&self) -> io::Result<Option<Filled>> {
        /// Flags of a buffer: what it holds may be wrong; which clock its time is of; that clock's being the monotonic one.
        const ERROR: u32 = 0x40;
        const CLOCKS: u32 = 0xe000;
        const MONOTONIC: u32 = 0x2000;
        let mut buffer = RawBuffer { kind: CAPTURE, memory: MMAP, ..Zeroed::zeroed() };
        match self.call(&DQBUF, &mut buffer) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
            other => other?,
        }
        let at = u64::try_from(buffer.seconds).ok().zip(u32::try_from(buffer.micros).ok());
        let at = at
            .map(|(seconds, micros)| Duration::from_secs(seconds).saturating_add(Duration::from_micros(micros.into())));
        Ok(Some(Filled {
            index: buffer.index,
            used: buffer.used as usize,
            sequence: buffer.sequence,
            damaged: buffer.flags & ERROR != 0,
            at: at.filter(|_| buffer.flags & CLOCKS == MONOTONIC),
        }))
    }

    pub(super) fn start(&self) -> io::Result<()> {
        self.call(&STREAMON, &mut { CAPTURE })
    }

    pub(super) fn stop(&self) -> io::Result<()> {
        self.call(&STREAMOFF, &mut { CAPTURE })
    }

    /// What the list's calls give until the driver says that there is no more.
    fn list<T>(&self, mut one: impl FnMut(&Self, u32) -> io::Result<T>) -> io::Result<Vec<T>> {
        let mut all = Vec::new();
        for index in 0..MOST_LISTED {
            match one(self, index) {
                Ok(item) => all.push(item),
                Err(error) if ends_list(&error) => break,
                Err(error) => return Err(error),
            }
        }
        Ok(all)
    }
}

/// The list is at its end, or the driver has none.
fn ends_list(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EINVAL | libc::ENOTTY))
}

/// A buffer that the driver has filled.
#[derive(Debug)]
pub(super) struct Filled {
    pub(super) index: u32,
    pub(super) used: usize,
    pub(super) sequence: u32,
    pub(super) damaged: bool,
    /// On the monotonic clock, since the machine's start.
    pub(super) at: Option<Duration>,
}

/// The monotonic clock of the kernel's stamps, since the machine's start.
pub(super) fn monotonic() -> Duration {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `now` is a whole `timespec` that the call fills; this clock is always there.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut now) };
    Duration::new(u64::try_from(now.tv_sec).unwrap_or(0), u32::try_from(now.tv_nsec).unwrap_or(0))
}

/// A buffer's memory, shared with the driver and read only here.
#[derive(Debug)]
pub(super) struct Mapping {
    at: NonNull<u8>,
    length: usize,
}

// SAFETY: the mapping belongs to the process, not to a thread, and nobody here writes to it.
unsafe impl Send for Mapping {}
// SAFETY: as above.
unsafe impl Sync for Mapping {}

impl Mapping {
    pub(super) fn bytes(&self) -> &[u8] {
        // SAFETY: the mapping has this length and stays until `self` is dropped, also when the device is gone. Its callers read it
        // only between taking the buffer from the driver and giving it back, when the driver does not write.
        unsafe { std::slice::from_raw_parts(self.at.as_ptr(), self.length) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: address and length are those that `mmap` gave; no slice of it outlives `self`.
        unsafe { libc::munmap(self.at.as_ptr().cast(), self.length) };
    }
}

impl Driver for Handle {
    fn formats(&mut self) -> io::Result<Vec<FourCc>> {
        self.list(|device, index| {
            let mut format = FormatName { index, kind: CAPTURE, ..Zeroed::zeroed() };
            device.call(&ENUM_FMT, &mut format).map(|()| format.fourcc.to_le_bytes())
        })
    }

    fn sizes(&mut self, fourcc: FourCc) -> io::Result<Vec<Range<(u32, u32)>>> {
        let fourcc = u32::from_le_bytes(fourcc);
        let listed = self.list(|device, index| {
            let mut size = FrameSize { index, fourcc, ..Zeroed::zeroed() };
            device.call(&ENUM_FRAMESIZES, &mut size)?;
            let [width, most_width, _, height, most_height, _] = size.values;
            Ok(if size.kind == DISCRETE {
                Range::One((width, most_width))
            } else {
                Range::FromTo((width, height), (most_width, most_height))
            })
        })?;
        Ok(first_range_or_all(listed))
    }

    fn intervals(&mut self, fourcc: FourCc, (width, height): (u32, u32)) -> io::Result<Vec<Range<Interval>>> {
        let fourcc = u32::from_le_bytes(fourcc);
        let listed = self.list(|device, index| {
            let mut told = FrameInterval { index, fourcc, width, height, ..Zeroed::zeroed() };
            device.call(&ENUM_FRAMEINTERVALS, &mut told)?;
            let [numerator, denominator, longest_numerator, longest_denominator, ..] = told.values;
            let shortest = Interval { numerator, denominator };
            let longest = Interval { numerator: longest_numerator, denominator: longest_denominator };
            Ok(if told.kind == DISCRETE { Range::One(shortest) } else { Range::FromTo(shortest, longest) })
        })?;
        Ok(first_range_or_all(listed))
    }

    fn set_format(&mut self, fourcc: FourCc, (width, height): (u32, u32)) -> io::Result<Set> {
        let fourcc = u32::from_le_bytes(fourcc);
        let mut format = Format { kind: CAPTURE, width, height, fourcc, field: PROGRESSIVE, ..Zeroed::zeroed() };
        self.call(&S_FMT, &mut format)?;
        Ok(Set {
            fourcc: format.fourcc.to_le_bytes(),
            size: (format.width, format.height),
            stride: format.bytes_per_line,
            progressive: format.field == PROGRESSIVE,
            colour: colour(&format),
        })
    }

    fn set_interval(&mut self, interval: Interval) -> io::Result<Option<Interval>> {
        let Interval { numerator, denominator } = interval;
        let mut parameters = StreamParameters { kind: CAPTURE, ..Zeroed::zeroed() };
        match self.call(&G_PARM, &mut parameters) {
            Err(error) if ends_list(&error) => return Ok(None),
            other => other?,
        }
        if parameters.capability & HAS_INTERVAL == 0 {
            return Ok(None);
        }
        (parameters.numerator, parameters.denominator) = (numerator, denominator);
        self.call(&S_PARM, &mut parameters)?;
        let (numerator, denominator) = (parameters.numerator, parameters.denominator);
        Ok(Some(Interval { numerator, denominator }))
    }

    fn control(&mut self, id: u32) -> io::Result<Option<(i32, i32)>> {
        let mut range = ControlRange { id, ..Zeroed::zeroed() };
        match self.call(&QUERYCTRL, &mut range) {
            Ok(()) if range.flags & NOT_SETTABLE != 0 => Ok(None),
            Ok(()) => Ok(Some((range.least, range.most))),
            Err(error) if ends_list(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn set_control(&mut self, id: u32, value: i32) -> io::Result<i32> {
        let mut control = Control { id, value };
        self.call(&S_CTRL, &mut control)?;
        self.call(&G_CTRL, &mut control)?;
        Ok(control.value)
    }
}

/// `V4L2_FRMSIZE_TYPE_DISCRETE` and `V4L2_FRMIVAL_TYPE_DISCRETE`.
const DISCRETE: u32 = 1;

/// A range is listed alone; drivers may answer to every index with it.
fn first_range_or_all<T: Copy>(listed: Vec<Range<T>>) -> Vec<Range<T>> {
    match listed.iter().find(|range| matches!(range, Range::FromTo(..))) {
        Some(range) => vec![*range],
        None => listed,
    }
}

/// The colours as the driver tells them, with the kernel's own meaning of what it leaves open.
fn colour(format: &Format) -> Colour {
    /// `V4L2_COLORSPACE_REC709`, `_JPEG`, `_BT2020`, `_DCI_P3`.
    const REC709: u32 = 3;
    const JPEG: u32 = 7;
    const BT2020: u32 = 10;
    const DCI_P3: u32 = 12;
    let matrix = match (format.encoding, format.colour_space) {
        (2 | 4, _) | (0, REC709 | DCI_P3) => Matrix::Bt709,
        (6 | 7, _) | (0, BT2020) => Matrix::Bt2020,
        _ => Matrix::Bt601,
    };
    let full_range = match format.quantization {
        0 => format.colour_space == JPEG,
        quantization => quantization == 1,
    };
    Colour { matrix, full_range }
}
