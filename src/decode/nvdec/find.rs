//! Which device decodes, and by which way it is reached: the kernel answers its calls, or libv4l2 does.
//!
//! NVIDIA's device file answers no call by itself (on JetPack 6 it is another `/dev/null`): its decoder is a plugin of libv4l2.

use super::device::{Device, Fault};
use super::system::{File, Library, c_path};
use super::v4l2::V4l2;
use std::ffi::CStr;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

/// Where NVIDIA's decoder is, by release.
const USUAL: [&str; 2] = ["/dev/v4l2-nvdec", "/dev/nvhost-nvdec"];
/// The kernel's number for V4L2 devices.
const VIDEO_MAJOR: libc::c_uint = 81;

/// Opens the device at `path`, or a Jetson's where it usually is, which lends at most `lend` pictures at once.
pub(super) fn open(path: Option<&Path>, lend: usize) -> Result<Box<dyn Device>, Fault> {
    let usual = USUAL.iter().map(Path::new).find(|path| path.exists());
    let path = path.or(usual).ok_or_else(|| Fault::Missing {
        what: format!("there is none of {}", USUAL.join(", ")),
        remedy: "on a Jetson install nvidia-l4t-multimedia; elsewhere name a decoder with [decode] device (v4l2-ctl --list-devices)",
    })?;
    let shown = path.display();
    let no_device = |error: io::Error| Fault::Missing {
        what: format!("{shown}: {error}"),
        remedy: "name a V4L2 memory-to-memory decoder with [decode] device, and let the user into the group video",
    };
    let about = std::fs::metadata(path).map_err(no_device)?;
    if !about.file_type().is_char_device() {
        return Err(no_device(io::Error::other("is no device")));
    }
    let c_path = c_path(path).map_err(no_device)?;
    let by_kernel = libc::major(about.rdev()) == VIDEO_MAJOR;
    let file = if by_kernel { File::open(&c_path).map_err(no_device)? } else { by_library(&c_path)? };
    V4l2::new(file, &shown.to_string(), lend).map(|device| Box::new(device) as Box<dyn Device>)
}

fn by_library(path: &CStr) -> Result<File, Fault> {
    let missing = |what: String| Fault::Missing {
        what: format!("{} cannot be opened through libv4l2.so.0: {what}", path.to_string_lossy()),
        remedy: "a Jetson's decoder needs NVIDIA's plugin of it (install nvidia-l4t-multimedia) and the groups video and render",
    };
    let library = Library::open(&[c"libv4l2.so.0"]).map_err(missing)?;
    File::open_by(&library, path).map_err(missing)?.map_err(|error| missing(error.to_string()))
}
