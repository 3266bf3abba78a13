//! A video device of this machine as a stream: opened, set up, its buffers lent out and taken back.

use super::choice::name;
use super::error::DeviceError;
use super::kernel::{Filled, Handle, Mapping, monotonic};
use super::setup::{Mode, set_up, system};
use super::{Buffer, Port, Stream};
use crate::config::DeviceCamera;
use bytes::Bytes;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Buffers that the driver is asked for.
const BUFFERS: u32 = 6;
/// So many stay with the driver: pictures beyond are copied, so that a slow line never stops the camera.
const KEPT: usize = 3;
/// Without a word from the kernel a buffer is looked for again after this: v4l2loopback's `poll` says nothing more to an epoll that
/// was added while a picture lay ready.
const LOOK_AGAIN: Duration = Duration::from_millis(10);
/// Opening may take this long; some cameras answer slowly after they were plugged in.
const OPEN_LIMIT: Duration = Duration::from_secs(10);

/// The kernel's video devices.
pub(super) struct Kernel;

impl Port for Kernel {
    type Stream = Streaming;

    async fn open(&self, wanted: &DeviceCamera) -> Result<Streaming, DeviceError> {
        let (camera, asked) = (name(wanted), wanted.clone());
        // A driver may hang in any of these calls; the thread that it hangs in is then left alone.
        let work = tokio::task::spawn_blocking(move || Started::open(&asked));
        let started = match tokio::time::timeout(OPEN_LIMIT, work).await {
            Ok(Ok(started)) => started?,
            _ => return Err(DeviceError::NoAnswer { camera, seconds: OPEN_LIMIT.as_secs() }),
        };
        let fd = started.handle.watch().map_err(|error| system(wanted, "waiting for pictures", &error))?;
        Ok(Streaming { fd, started, wanted: wanted.clone() })
    }
}

/// A device that fills buffers.
struct Started {
    handle: Arc<Handle>,
    buffers: Vec<Arc<Mapping>>,
    /// Buffers that are not with the driver.
    lent: Arc<AtomicUsize>,
    mode: Mode,
}

impl Started {
    fn open(wanted: &DeviceCamera) -> Result<Self, DeviceError> {
        let mut handle = Handle::open(&wanted.path).map_err(|error| refusal(wanted, &error))?;
        let camera = || name(wanted);
        let about = handle.about().map_err(|error| refusal(wanted, &error))?;
        if !about.captures {
            let what = match about.many_planes {
                true => format!("{} gives pictures in many planes of memory alone", about.card),
                false => format!("{} gives no pictures here (a camera's other device?)", about.card),
            };
            return Err(DeviceError::NotACamera { camera: camera(), what, there: there() });
        }
        let mode = set_up(&mut handle, wanted, &about.card)?;
        let failed = |step| move |error: io::Error| system(wanted, step, &error);
        let buffers: Vec<_> = handle.buffers(BUFFERS).map_err(failed("buffers"))?.into_iter().map(Arc::new).collect();
        for index in 0..buffers.len() {
            handle.queue(index as u32).map_err(failed("buffers"))?;
        }
        handle.start().map_err(failed("start"))?;
        Ok(Self { handle: Arc::new(handle), buffers, lent: Arc::default(), mode })
    }

    /// The buffer as it goes down the line: lent, or copied where too few would stay with the driver.
    fn take(&self, filled: &Filled) -> io::Result<Buffer> {
        let taken = Instant::now();
        let age = filled.at.and_then(|at| monotonic().checked_sub(at));
        let no_such = || io::Error::other("the driver names a buffer that it does not have");
        let mapping = self.buffers.get(filled.index as usize).ok_or_else(no_such)?;
        let lent = self.lent.fetch_add(1, Ordering::Relaxed) + 1;
        let loan = Loan {
            handle: Arc::clone(&self.handle),
            mapping: Arc::clone(mapping),
            used: filled.used.min(mapping.bytes().len()),
            index: filled.index,
            lent: Arc::clone(&self.lent),
        };
        let data = if lent + KEPT > self.buffers.len() {
            Bytes::copy_from_slice(loan.as_ref())
        } else {
            Bytes::from_owner(loan)
        };
        let stamped = age.and_then(|age| taken.checked_sub(age));
        Ok(Buffer { data, sequence: filled.sequence, damaged: filled.damaged, stamped, taken })
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        // A device that is gone has stopped by itself.
        let _ = self.handle.stop();
    }
}

/// A buffer out of the driver's hands; it goes back when this is dropped.
struct Loan {
    handle: Arc<Handle>,
    mapping: Arc<Mapping>,
    used: usize,
    index: u32,
    lent: Arc<AtomicUsize>,
}

impl AsRef<[u8]> for Loan {
    fn as_ref(&self) -> &[u8] {
        self.mapping.bytes().get(..self.used).unwrap_or_default()
    }
}

impl Drop for Loan {
    fn drop(&mut self) {
        // Refused by a device that is gone, and by one that was stopped meanwhile: both need no buffer.
        let _ = self.handle.queue(self.index);
        self.lent.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A device that streams.
pub(super) struct Streaming {
    fd: AsyncFd<Arc<Handle>>,
    started: Started,
    wanted: DeviceCamera,
}

impl Stream for Streaming {
    fn mode(&self) -> &Mode {
        &self.started.mode
    }

    async fn next(&mut self) -> Result<Buffer, DeviceError> {
        let failed = |error: io::Error| system(&self.wanted, "taking a picture", &error);
        let mut ended = false;
        loop {
            if let Some(filled) = self.started.handle.dequeue().map_err(failed)? {
                return self.started.take(&filled).map_err(failed);
            }
            // Nothing there, and the kernel says that nothing will come.
            if ended {
                return Err(DeviceError::Gone { camera: name(&self.wanted) });
            }
            let word = self.fd.ready(Interest::READABLE | Interest::ERROR);
            if let Ok(word) = tokio::time::timeout(LOOK_AGAIN, word).await {
                let mut ready = word.map_err(failed)?;
                ended = ready.ready().is_read_closed() || ready.ready().is_error();
                ready.clear_ready();
            }
        }
    }
}

/// Why a device could not be opened.
fn refusal(wanted: &DeviceCamera, error: &io::Error) -> DeviceError {
    let camera = name(wanted);
    match (error.raw_os_error(), error.kind()) {
        (Some(libc::ENODEV | libc::ENXIO), _) | (_, io::ErrorKind::NotFound) => {
            DeviceError::Absent { camera, there: there() }
        }
        (_, io::ErrorKind::PermissionDenied) => DeviceError::Forbidden { camera },
        (Some(libc::ENOTTY | libc::EINVAL), _) | (_, io::ErrorKind::IsADirectory) => {
            DeviceError::NotACamera { camera, what: "is no video device".to_owned(), there: there() }
        }
        _ => system(wanted, "open", error),
    }
}

/// Video devices that are there: by the names that stay, or else by number.
fn there() -> Vec<String> {
    let listed = |folder: &str, start: &str| {
        let entries = std::fs::read_dir(Path::new(folder)).into_iter().flatten().flatten();
        let named = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(start));
        let mut paths: Vec<_> = named.map(|entry| entry.path().display().to_string()).collect();
        paths.sort();
        paths.truncate(16);
        paths
    };
    let mut there = listed("/dev/v4l/by-id", "");
    if there.is_empty() {
        there = listed("/dev", "video");
    }
    there
}
