//! The C interface of shim.h: the one file that speaks to TensorRT, and therefore one that may be `unsafe`.
#![allow(unsafe_code)]

mod input;
#[cfg(test)]
mod stand_in;

pub use input::GpuInput;
#[cfg(test)]
pub(super) use stand_in::{Memory, PITCH, SIZE, driver, egl};

use super::library::{About, BuildOptions, Fault, Library, Session, Step, Tensor};
use super::picture::Picture;
use crate::handover::{self, EglImage};
use crate::infer::{Lent, Values};
use input::{KERNEL, RawPicture, RawSurface, handle};
use std::ffi::{CStr, CString, c_char, c_void};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr;
use std::sync::{Arc, Mutex, PoisonError};

/// What is kept of an error's words.
const WORDS_MAX_BYTES: usize = 2000;

#[repr(C)]
struct RawAbout {
    version: i32,
    driver: i32,
    compute_major: i32,
    compute_minor: i32,
    dla_cores: i32,
    gpu: [u8; 256],
}

#[repr(C)]
struct RawOptions {
    fp16: i32,
    int8: i32,
    dla: i32,
    workspace_bytes: u64,
}

#[repr(C)]
struct RawTensor {
    name: *const c_char,
    input: i32,
    fp32: i32,
    rank: i32,
    dims: [i64; 8],
}

type RawLog = unsafe extern "C" fn(*mut c_void, i32, *const c_char);
type RawProgress = unsafe extern "C" fn(*mut c_void, *const c_char, i32, i32);
type RawBuild = unsafe extern "C" fn(
    *mut c_void,
    *const c_void,
    usize,
    *const RawOptions,
    RawProgress,
    *mut c_void,
    *mut *mut c_void,
    *mut *const u8,
    *mut usize,
) -> i32;

/// `ArenadTrtTable` of shim.h, field by field.
#[repr(C)]
pub(super) struct Table {
    major: i32,
    open: unsafe extern "C" fn(*const c_char, RawLog, *mut c_void, *mut *mut c_void, *mut RawAbout) -> i32,
    close: unsafe extern "C" fn(*mut c_void),
    build: RawBuild,
    free_blob: unsafe extern "C" fn(*mut c_void),
    load: unsafe extern "C" fn(*mut c_void, *const c_void, usize, i32, *mut *mut c_void) -> i32,
    tensors: unsafe extern "C" fn(*const c_void) -> i32,
    tensor: unsafe extern "C" fn(*const c_void, i32, *mut RawTensor) -> i32,
    start: unsafe extern "C" fn(*mut c_void) -> i32,
    put: unsafe extern "C" fn(*mut c_void, i32, *const f32, usize) -> i32,
    run: unsafe extern "C" fn(*mut c_void, *mut f32) -> i32,
    take: unsafe extern "C" fn(*mut c_void, i32, *mut f32, usize) -> i32,
    pictures: unsafe extern "C" fn(*mut c_void, *const c_char) -> i32,
    put_picture: unsafe extern "C" fn(*mut c_void, i32, *const RawPicture, *const RawSurface) -> i32,
    in_place: unsafe extern "C" fn(*const c_void) -> i32,
    forget: unsafe extern "C" fn(*mut c_void, *const c_void),
    peek: unsafe extern "C" fn(*mut c_void, i32, *mut f32, usize) -> i32,
    lend: unsafe extern "C" fn(*mut c_void, i32, usize) -> *const f32,
    unload: unsafe extern "C" fn(*mut c_void),
}

unsafe extern "C" {
    #[cfg(trt8)]
    fn arenad_trt_table_8() -> *const Table;
    #[cfg(trt10)]
    fn arenad_trt_table_10() -> *const Table;
    #[cfg(trt11)]
    fn arenad_trt_table_11() -> *const Table;
}

/// The majors that this program was built for, newest first.
fn tables() -> Vec<&'static Table> {
    let all: &[unsafe extern "C" fn() -> *const Table] = &[
        #[cfg(trt11)]
        arenad_trt_table_11,
        #[cfg(trt10)]
        arenad_trt_table_10,
        #[cfg(trt8)]
        arenad_trt_table_8,
    ];
    // SAFETY: each answers the address of a static table of shim.cpp, whose layout is that of `Table`.
    all.iter().filter_map(|table| unsafe { table().as_ref() }).collect()
}

/// Opens the newest TensorRT that is there and that this program was built for.
pub(super) fn open(folder: Option<&Path>) -> Result<Opened, Fault> {
    let tables = tables();
    if tables.is_empty() {
        return Err(Fault::Library(
            "this program was built without TensorRT's headers (set TENSORRT_INCLUDE_DIR and build again)".to_owned(),
        ));
    }
    let mut missing = Vec::new();
    for table in tables {
        match Opened::on(table, folder) {
            Err(Fault::Library(what)) => missing.push(what),
            other => return other,
        }
    }
    Err(Fault::Library(missing.join("; ")))
}

/// What the log's callback writes to; it lasts as long as the process, since TensorRT never lets go of a logger.
#[derive(Default)]
struct Heard(Mutex<String>);

impl Heard {
    fn take(&self) -> String {
        let said = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        if said.is_empty() { "no reason was given".to_owned() } else { said }
    }
}

/// The words of a C string on one line.
///
/// # Safety
/// `text` is null or points to a string that ends with 0.
unsafe fn words(text: *const c_char) -> String {
    if text.is_null() {
        return String::new();
    }
    // SAFETY: the caller's promise.
    let text = unsafe { CStr::from_ptr(text) }.to_string_lossy();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// # Safety
/// `user` is the `Heard` given to `open`; `text` is null or ends with 0.
unsafe extern "C" fn log(user: *mut c_void, severity: i32, text: *const c_char) {
    // SAFETY: the promise above.
    let (heard, text) = unsafe { (&*user.cast::<Heard>(), words(text)) };
    match severity {
        ..=1 => {
            tracing::debug!("TensorRT: {text}");
            let mut said = heard.0.lock().unwrap_or_else(PoisonError::into_inner);
            if said.len() + text.len() < WORDS_MAX_BYTES {
                let between = if said.is_empty() { "" } else { "; " };
                said.push_str(between);
                said.push_str(&text);
            }
        }
        2 => tracing::debug!("TensorRT warns: {text}"),
        _ => tracing::trace!("TensorRT: {text}"),
    }
}

/// # Safety
/// `user` is the `&dyn Fn` given to `build`, which lasts; `phase` is null or ends with 0.
unsafe extern "C" fn hear(user: *mut c_void, phase: *const c_char, done: i32, of: i32) {
    // SAFETY: the promise above.
    let (told, phase) = unsafe { (&*user.cast::<&(dyn Fn(Step) + Sync)>(), words(phase)) };
    told(Step { phase, done, of });
}

fn fault(code: i32, said: String) -> Fault {
    match code {
        1 => Fault::Library(said),
        2 => Fault::Version(said),
        3 => Fault::Device(said),
        4 => Fault::Model(said),
        5 => Fault::Plan(said),
        _ => Fault::Run(said),
    }
}

/// A library's handle; closed when the last session is gone.
struct Handle {
    table: &'static Table,
    raw: *mut c_void,
    heard: &'static Heard,
}

// SAFETY: TensorRT's runtime, builder and logger may be used from any thread, also at once; `Heard` is behind a mutex.
unsafe impl Send for Handle {}
// SAFETY: as above.
unsafe impl Sync for Handle {}

impl Drop for Handle {
    fn drop(&mut self) {
        // SAFETY: `raw` came from this table's `open`, and this is its last use.
        unsafe { (self.table.close)(self.raw) }
    }
}

impl Handle {
    fn checked(&self, code: i32) -> Result<(), Fault> {
        if code == 0 { Ok(()) } else { Err(fault(code, self.heard.take())) }
    }
}

/// An open TensorRT.
pub(super) struct Opened {
    handle: Arc<Handle>,
    about: About,
}

impl Opened {
    fn on(table: &'static Table, folder: Option<&Path>) -> Result<Self, Fault> {
        let folder = folder.map(|folder| CString::new(folder.as_os_str().as_bytes()));
        let folder = folder.transpose().map_err(|_| Fault::Library("a folder's name must not hold a 0".to_owned()))?;
        let heard: &'static Heard = Box::leak(Box::default());
        let user = ptr::from_ref(heard).cast_mut().cast();
        let mut raw = ptr::null_mut();
        let mut about =
            RawAbout { version: 0, driver: 0, compute_major: 0, compute_minor: 0, dla_cores: 0, gpu: [0; 256] };
        let named = folder.as_ref().map_or(ptr::null(), |folder| folder.as_ptr());
        // SAFETY: all pointers are to live values of the types of shim.h; `heard` lasts for ever.
        let code = unsafe { (table.open)(named, log, user, &raw mut raw, &raw mut about) };
        if code != 0 {
            return Err(fault(code, heard.take()));
        }
        let gpu = about.gpu.iter().copied().take_while(|byte| *byte != 0).collect::<Vec<_>>();
        let about = About {
            version: about.version,
            driver: about.driver,
            gpu: String::from_utf8_lossy(&gpu).into_owned(),
            compute: (about.compute_major, about.compute_minor),
            dla_cores: u32::try_from(about.dla_cores).unwrap_or(0),
        };
        tracing::debug!("TensorRT's part for major version {}", table.major);
        Ok(Self { handle: Arc::new(Handle { table, raw, heard }), about })
    }
}

impl Library for Opened {
    fn about(&self) -> &About {
        &self.about
    }

    fn build(&self, onnx: &[u8], options: BuildOptions, told: &(dyn Fn(Step) + Sync)) -> Result<Vec<u8>, Fault> {
        let table = self.handle.table;
        let options = RawOptions {
            fp16: options.fp16.into(),
            int8: options.int8.into(),
            dla: core(options.dla),
            workspace_bytes: options.workspace_bytes,
        };
        let user = ptr::from_ref(&told).cast_mut().cast();
        let (mut blob, mut bytes, mut len) = (ptr::null_mut(), ptr::null(), 0);
        // SAFETY: all pointers are to live values of the types of shim.h; `told` lasts longer than the call, which alone uses it.
        let code = unsafe {
            (table.build)(
                self.handle.raw,
                onnx.as_ptr().cast(),
                onnx.len(),
                &raw const options,
                hear,
                user,
                &raw mut blob,
                &raw mut bytes,
                &raw mut len,
            )
        };
        self.handle.checked(code)?;
        // SAFETY: after a good answer `bytes` holds `len` bytes until `free_blob`, which is called once.
        let plan = unsafe {
            let plan = std::slice::from_raw_parts(bytes, len).to_vec();
            (table.free_blob)(blob);
            plan
        };
        Ok(plan)
    }

    fn load(&self, plan: &[u8], dla: Option<u32>) -> Result<Box<dyn Session>, Fault> {
        let mut session = ptr::null_mut();
        // SAFETY: the handle is open; `plan` is only read, and copied by TensorRT.
        let code = unsafe {
            (self.handle.table.load)(self.handle.raw, plan.as_ptr().cast(), plan.len(), core(dla), &raw mut session)
        };
        self.handle.checked(code)?;
        let handle = Arc::clone(&self.handle);
        let raw = Arc::new(Raw { handle: Arc::clone(&handle), session });
        let mut loaded = Loaded { handle, raw, tensors: Vec::new() };
        loaded.tensors = loaded.read_tensors()?;
        Ok(Box::new(loaded))
    }
}

/// A DLA core as the C interface counts.
fn core(dla: Option<u32>) -> i32 {
    dla.and_then(|core| i32::try_from(core).ok()).unwrap_or(-1)
}

/// A session's handle; unloaded when neither the session nor a lent buffer needs it.
struct Raw {
    handle: Arc<Handle>,
    session: *mut c_void,
}

// SAFETY: the shim makes the GPU's context current in each call, so that a session may move between threads.
unsafe impl Send for Raw {}
// SAFETY: calls are made by `Loaded` alone, which has one owner; whoever else shares it only keeps it alive.
unsafe impl Sync for Raw {}

impl Drop for Raw {
    fn drop(&mut self) {
        // SAFETY: `session` came from this table's `load`, and this is its last use; the library is still open.
        unsafe { (self.handle.table.unload)(self.session) }
    }
}

/// An output's pinned buffer.
struct Pinned {
    _raw: Arc<Raw>,
    at: *const f32,
    count: usize,
}

// SAFETY: it is only read, and the memory lasts as long as `_raw`.
unsafe impl Send for Pinned {}
// SAFETY: as above.
unsafe impl Sync for Pinned {}

impl Lent for Pinned {
    fn numbers(&self) -> &[f32] {
        // SAFETY: `count` numbers stand there as long as the session lives, which `_raw` keeps. They change within `run` alone, whose
        // caller has the engine, and with it the heads that hold this, for itself.
        unsafe { std::slice::from_raw_parts(self.at, self.count) }
    }
}

/// A session.
struct Loaded {
    handle: Arc<Handle>,
    raw: Arc<Raw>,
    tensors: Vec<Tensor>,
}

impl Loaded {
    fn read_tensors(&self) -> Result<Vec<Tensor>, Fault> {
        let table = self.handle.table;
        // SAFETY: the session is loaded.
        let count = unsafe { (table.tensors)(self.raw.session) };
        let one = |index| {
            let mut raw = RawTensor { name: ptr::null(), input: 0, fp32: 0, rank: 0, dims: [0; 8] };
            // SAFETY: the session is loaded, `raw` is of the type of shim.h.
            self.handle.checked(unsafe { (table.tensor)(self.raw.session, index, &raw mut raw) })?;
            let shape = raw.dims.iter().copied().take(usize::try_from(raw.rank).unwrap_or(0)).collect();
            // SAFETY: the name lives as long as the session and ends with 0.
            let name = unsafe { words(raw.name) };
            Ok(Tensor { name, input: raw.input != 0, fp32: raw.fp32 != 0, shape })
        };
        (0..count).map(one).collect()
    }
}

/// The C interface counts in `i32`; a session has a handful of tensors.
fn index(tensor: usize) -> i32 {
    i32::try_from(tensor).unwrap_or(-1)
}

impl Session for Loaded {
    fn tensors(&self) -> &[Tensor] {
        &self.tensors
    }

    fn start(&mut self) -> Result<(), Fault> {
        // SAFETY: the session is loaded.
        self.handle.checked(unsafe { (self.handle.table.start)(self.raw.session) })
    }

    fn put(&mut self, tensor: usize, values: &[f32]) -> Result<(), Fault> {
        // SAFETY: the session is loaded; `values` holds `len` numbers, and another count than the tensor's is refused.
        let code = unsafe { (self.handle.table.put)(self.raw.session, index(tensor), values.as_ptr(), values.len()) };
        self.handle.checked(code)
    }

    fn run(&mut self) -> Result<f32, Fault> {
        let mut gpu_ms = 0.0;
        // SAFETY: the session is loaded; one that was not started is refused.
        let code = unsafe { (self.handle.table.run)(self.raw.session, &raw mut gpu_ms) };
        self.handle.checked(code).map(|()| gpu_ms)
    }

    fn take(&mut self, tensor: usize, values: &mut [f32]) -> Result<(), Fault> {
        // SAFETY: the session is loaded; `values` holds `len` numbers, and another count than the tensor's is refused.
        let code =
            unsafe { (self.handle.table.take)(self.raw.session, index(tensor), values.as_mut_ptr(), values.len()) };
        self.handle.checked(code)
    }

    fn lend(&mut self, tensor: usize, count: usize) -> Option<Values> {
        // SAFETY: the session is loaded.
        let at = unsafe { (self.handle.table.lend)(self.raw.session, index(tensor), count) };
        (!at.is_null()).then(|| Values::lent(Pinned { _raw: Arc::clone(&self.raw), at, count }))
    }

    fn open_pictures(&mut self) -> Result<(), Fault> {
        // SAFETY: the session is loaded; the kernel's text ends with 0.
        self.handle.checked(unsafe { (self.handle.table.pictures)(self.raw.session, KERNEL.as_ptr()) })
    }

    fn put_picture(&mut self, tensor: usize, picture: &Picture<'_>) -> Result<(), Fault> {
        let (raw, copied) = (RawPicture::new(picture), ptr::null());
        // SAFETY: the session is loaded; the planes live as long as the call, which copies them, and have the bytes that `Picture` promises.
        let code = unsafe { (self.handle.table.put_picture)(self.raw.session, index(tensor), &raw const raw, copied) };
        self.handle.checked(code)
    }

    fn reads_in_place(&self) -> bool {
        // SAFETY: the session is loaded.
        unsafe { (self.handle.table.in_place)(self.raw.session) == 1 }
    }

    fn put_in_place(&mut self, tensor: usize, picture: &Picture<'_>, lent: &handover::Lent) -> Result<(), Fault> {
        let (raw, surface) = (RawPicture::new(picture), RawSurface::new(picture, lent)?);
        // SAFETY: the session is loaded; the surface holds the picture at these places, and its owner keeps it as `Session` says.
        let code = unsafe {
            (self.handle.table.put_picture)(self.raw.session, index(tensor), &raw const raw, &raw const surface)
        };
        self.handle.checked(code)
    }

    fn forget(&mut self, image: EglImage) {
        // SAFETY: the session is loaded; a handle that it does not know is passed over.
        unsafe { (self.handle.table.forget)(self.raw.session, handle(image)) }
    }

    fn peek(&mut self, tensor: usize, values: &mut [f32]) -> Result<(), Fault> {
        // SAFETY: the session is loaded; `values` holds `len` numbers, and another count than the tensor's is refused.
        let code =
            unsafe { (self.handle.table.peek)(self.raw.session, index(tensor), values.as_mut_ptr(), values.len()) };
        self.handle.checked(code)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    unsafe extern "C" {
        fn arenad_trt_table_stand_in() -> *const Table;
    }

    pub fn stand_in(folder: &str) -> Result<Opened, Fault> {
        // SAFETY: stand_in.c answers the address of a static table.
        let table = unsafe { &*arenad_trt_table_stand_in() };
        Opened::on(table, Some(Path::new(folder)))
    }

    const OPTIONS: BuildOptions = BuildOptions { fp16: true, int8: true, dla: None, workspace_bytes: 1 << 20 };

    #[test]
    fn what_is_missing_is_told_apart_in_the_librarys_words() {
        for (folder, expected) in [
            ("/missing", Fault::Library("libnvinfer.so.10: cannot open shared object file".to_owned())),
            ("/other", Fault::Version("libnvinfer says version 110400".to_owned())),
            ("/no-gpu", Fault::Device("cuInit: CUDA error 100, no device".to_owned())),
        ] {
            assert_eq!(stand_in(folder).err(), Some(expected));
        }
    }

    #[test]
    fn an_engine_is_built_with_progress_read_and_run() {
        let library = stand_in("/").unwrap();
        let about = library.about();
        assert_eq!(
            (about.version_text().as_str(), about.compute, about.gpu.as_str()),
            ("10.3.0", (8, 7), "Orin (stand-in)")
        );
        let steps = Mutex::new(Vec::new());
        let plan = library.build(b"onnx", OPTIONS, &|step| steps.lock().unwrap().push(step.done)).unwrap();
        assert_eq!(*steps.lock().unwrap(), [0, 1, 2, 3]);
        let mut session = library.load(&plan, None).unwrap();
        drop(library);
        let names: Vec<_> =
            session.tensors().iter().map(|one| (one.name.as_str(), one.input, one.shape.clone())).collect();
        assert_eq!(names, [("image", true, vec![1, 3, 2, 2]), ("heat", false, vec![1, 6, 1, 1])]);
        session.start().unwrap();
        session.put(0, &[1.0; 12]).unwrap();
        assert_eq!(session.run(), Ok(1.5));
        let mut out = [0.0; 6];
        session.take(1, &mut out).unwrap();
        assert_eq!(out, [2.0; 6]);
        let lent = session.lend(1, 6).unwrap();
        assert!(session.lend(0, 12).is_none() && session.lend(1, 5).is_none());
        session.put(0, &[4.0; 12]).unwrap();
        session.run().unwrap();
        drop(session);
        assert_eq!(lent[..], [8.0; 6]);
    }

    #[test]
    fn each_refusal_has_its_kind_and_its_words() {
        let library = stand_in("/").unwrap();
        let unheard = |_: Step| {};
        assert_eq!(library.build(b"", OPTIONS, &unheard), Err(Fault::Model("ONNX: the file is empty".to_owned())));
        let foreign = library.load(b"another GPU's", None).err();
        assert_eq!(foreign, Some(Fault::Plan("the magic tag does not match".to_owned())));
        let plan = library.build(b"onnx", OPTIONS, &unheard).unwrap();
        let mut session = library.load(&plan, None).unwrap();
        assert_eq!(session.run(), Err(Fault::Run("the session was not started".to_owned())));
        session.start().unwrap();
        assert_eq!(session.put(0, &[1.0; 11]), Err(Fault::Run("put: not the input".to_owned())));
        assert_eq!(session.take(7, &mut [0.0; 6]), Err(Fault::Run("take: not the output".to_owned())));
        session.put(0, &[-1.0; 12]).unwrap();
        assert_eq!(session.run(), Err(Fault::Run("the run: CUDA error 700, illegal address".to_owned())));
    }

    #[test]
    fn without_headers_or_libraries_the_words_say_so() {
        let Err(Fault::Library(what)) = open(Some(Path::new("/nonexistent"))) else { panic!("no library fault") };
        let expected = if tables().is_empty() { "TENSORRT_INCLUDE_DIR" } else { "/nonexistent/libnvinfer.so." };
        assert!(what.contains(expected), "{what}");
    }
}
