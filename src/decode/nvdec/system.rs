//! The calls themselves: a device file by the kernel or through libv4l2, its memory, and waiting for it.
#![allow(unsafe_code)]

use super::uapi::{Buffer, Call, ExtendedControl, ExtendedControls, Plain, PlaneInfo, S_EXT_CTRLS};
use std::ffi::{CStr, CString, c_char, c_int, c_ulong, c_void};
use std::io;
use std::ptr::{self, NonNull};
use std::time::{Duration, Instant};

/// Memory planes of a picture at most.
pub(super) const PLANES: usize = 3;

/// A struct of the interface, all zeros.
pub(super) fn zeroed<T: Plain>() -> T {
    // SAFETY: a `Plain` consists of integers and raw pointers, for which zeros are valid.
    unsafe { std::mem::zeroed() }
}

/// A library opened at run time. It stays open: what it started may run on.
pub(super) struct Library(NonNull<c_void>);

// SAFETY: the loader may be called from any thread.
unsafe impl Send for Library {}

impl Library {
    /// Opens the first of `names` that is there; the loader's words for the last.
    pub(super) fn open(names: &[&CStr]) -> Result<Self, String> {
        let mut words = String::new();
        for name in names {
            // SAFETY: `name` ends with 0; what a system library does when it is loaded is the system's matter.
            if let Some(handle) = NonNull::new(unsafe { libc::dlopen(name.as_ptr(), libc::RTLD_NOW) }) {
                return Ok(Self(handle));
            }
            // SAFETY: dlerror answers null or a string that is valid until the thread's next call of the loader.
            words = unsafe { libc::dlerror().as_ref().map(|text| CStr::from_ptr(text).to_string_lossy().into_owned()) }
                .unwrap_or_default();
        }
        Err(words)
    }

    /// The address of a function.
    ///
    /// # Safety
    /// `F` is a function pointer of the type that the library gives to `name`.
    pub(super) unsafe fn function<F: Copy>(&self, name: &CStr) -> Result<F, String> {
        const { assert!(size_of::<F>() == size_of::<*mut c_void>()) };
        // SAFETY: the handle is open, `name` ends with 0.
        let address = unsafe { libc::dlsym(self.0.as_ptr(), name.as_ptr()) };
        if address.is_null() {
            return Err(format!("{} is missing in it", name.to_string_lossy()));
        }
        // SAFETY: the caller's promise; the sizes are equal.
        Ok(unsafe { std::mem::transmute_copy(&address) })
    }
}

type OpenCall = unsafe extern "C" fn(*const c_char, c_int, ...) -> c_int;
type CloseCall = unsafe extern "C" fn(c_int) -> c_int;
type ControlCall = unsafe extern "C" fn(c_int, c_ulong, ...) -> c_int;

/// By what a device is called.
#[derive(Clone, Copy)]
struct Way {
    close: CloseCall,
    control: ControlCall,
    /// Through libv4l2: there is nothing to poll.
    library: bool,
}

/// An open device file.
pub(super) struct File {
    file: c_int,
    way: Way,
}

impl File {
    /// Opens a device whose calls the kernel answers.
    pub(super) fn open(path: &CStr) -> io::Result<Self> {
        Self::opened(path, libc::open, Way { close: libc::close, control: libc::ioctl as ControlCall, library: false })
    }

    /// Opens a device whose calls libv4l2 answers.
    pub(super) fn open_by(library: &Library, path: &CStr) -> Result<io::Result<Self>, String> {
        // SAFETY: these are the types of <libv4l2.h>.
        let (open, close, control) = unsafe {
            (
                library.function::<OpenCall>(c"v4l2_open")?,
                library.function::<CloseCall>(c"v4l2_close")?,
                library.function::<ControlCall>(c"v4l2_ioctl")?,
            )
        };
        Ok(Self::opened(path, open, Way { close, control, library: true }))
    }

    fn opened(path: &CStr, open: OpenCall, way: Way) -> io::Result<Self> {
        // SAFETY: `path` ends with 0.
        let file = unsafe { open(path.as_ptr(), libc::O_RDWR | libc::O_NONBLOCK | libc::O_CLOEXEC) };
        if file < 0 { Err(io::Error::last_os_error()) } else { Ok(Self { file, way }) }
    }

    /// Whether libv4l2 answers its calls.
    pub(super) fn by_library(&self) -> bool {
        self.way.library
    }

    /// One call.
    pub(super) fn call<T: Plain>(&self, call: &Call<T>, argument: &mut T) -> io::Result<()> {
        loop {
            // SAFETY: the call's number names the size of `T`, which is all that is read or written; the pointers that `T` holds
            // are set in this file alone, and to memory that outlives the call.
            if unsafe { (self.way.control)(self.file, call.number, ptr::from_mut(argument)) } >= 0 {
                return Ok(());
            }
            let error = io::Error::last_os_error();
            if error.kind() != io::ErrorKind::Interrupted {
                return Err(error);
            }
        }
    }

    /// A call about a buffer; with `planes`, a multi-planar one of so many.
    pub(super) fn call_buffer(
        &self,
        call: &Call<Buffer>,
        buffer: &mut Buffer,
        planes: Option<&mut [PlaneInfo]>,
    ) -> io::Result<()> {
        if let Some(planes) = planes {
            buffer.place = planes.as_mut_ptr() as u64;
            buffer.length = planes.len() as u32;
        }
        self.call(call, buffer)
    }

    /// Sets a control of NVIDIA's.
    pub(super) fn set_control(&self, id: u32, value: u32) -> io::Result<()> {
        let mut control = ExtendedControl { id, value: [value, 0], ..zeroed() };
        let mut controls = ExtendedControls { count: 1, controls: &raw mut control, ..zeroed() };
        self.call(&S_EXT_CTRLS, &mut controls)
    }

    /// Maps a buffer of this device, or of the file that it was exported as.
    pub(super) fn map(&self, exported: Option<&Exported>, length: usize, offset: u32) -> io::Result<Mapping> {
        let file = exported.map_or(self.file, |exported| exported.0);
        let (access, shared) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED);
        // SAFETY: a new mapping, wherever the kernel finds room.
        let address = unsafe { libc::mmap(ptr::null_mut(), length, access, shared, file, i64::from(offset)) };
        match NonNull::new(address.cast::<u8>()) {
            Some(start) if address != libc::MAP_FAILED => Ok(Mapping { start, length }),
            _ => Err(io::Error::last_os_error()),
        }
    }

    /// Waits until the device has something, at most `limit`; how long it took.
    pub(super) fn wait(&self, limit: Duration) -> io::Result<Duration> {
        /// Between two looks at a device that cannot be polled, or that says nothing but that it has nothing to do.
        const LOOK: Duration = Duration::from_millis(1);
        let began = Instant::now();
        let events = libc::POLLIN | libc::POLLOUT | libc::POLLPRI;
        let mut asked = libc::pollfd { fd: self.file, events, revents: 0 };
        let millis = c_int::try_from(limit.as_millis()).unwrap_or(c_int::MAX);
        // SAFETY: one `pollfd`, and the number says so.
        let answer = if self.way.library { 0 } else { unsafe { libc::poll(&raw mut asked, 1, millis) } };
        if answer < 0 && io::Error::last_os_error().kind() != io::ErrorKind::Interrupted {
            return Err(io::Error::last_os_error());
        }
        if self.way.library || asked.revents & events == 0 && asked.revents != 0 {
            std::thread::sleep(LOOK.min(limit));
        }
        Ok(began.elapsed())
    }
}

impl Drop for File {
    fn drop(&mut self) {
        // SAFETY: opened by the same way and closed here alone.
        unsafe { (self.way.close)(self.file) };
    }
}

/// A buffer of a device as a file of its own.
pub(super) struct Exported(c_int);

impl Exported {
    /// Takes over the file that the device has made.
    pub(super) fn new(file: c_int) -> Self {
        Self(file)
    }

    /// The file's number, for libraries that ask for it.
    pub(super) fn number(&self) -> c_int {
        self.0
    }
}

impl Drop for Exported {
    fn drop(&mut self) {
        // SAFETY: made for us and closed here alone.
        unsafe { libc::close(self.0) };
    }
}

/// A device's memory.
pub(super) struct Mapping {
    start: NonNull<u8>,
    length: usize,
}

// SAFETY: memory of the process, which any thread may use.
unsafe impl Send for Mapping {}

impl Mapping {
    /// To be read while the device does not have the buffer; were it to write nevertheless, bytes would be wrong and nothing else.
    pub(super) fn bytes(&self) -> &[u8] {
        // SAFETY: mapped for so many bytes until `drop`.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.length) }
    }

    /// To be written while the device does not have the buffer.
    pub(super) fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above, and this is the only way to write.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.length) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: mapped in `File::map` with this length.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.length) };
    }
}

/// The path as the calls take it.
pub(super) fn c_path(path: &std::path::Path) -> io::Result<CString> {
    use std::os::unix::ffi::OsStrExt;
    CString::new(path.as_os_str().as_bytes()).map_err(|_| io::ErrorKind::InvalidInput.into())
}
