//! What is needed of `<linux/videodev2.h>`, by hand: numbers, structs and calls of the V4L2 interface on 64-bit machines.

use std::ffi::{c_int, c_ulong};
use std::marker::PhantomData;

#[cfg(not(target_pointer_width = "64"))]
compile_error!("the structs of feature nvdec are those of 64-bit machines");

pub(super) const CAP_M2M: u32 = 0x8000;
pub(super) const CAP_M2M_MPLANE: u32 = 0x4000;
pub(super) const MEMORY_MMAP: u32 = 1;
pub(super) const FLAG_ERROR: u32 = 0x40;
pub(super) const FLAG_TIMESTAMP_COPY: u32 = 0x4000;
pub(super) const FLAG_LAST: u32 = 0x0010_0000;
pub(super) const EVENT_SOURCE_CHANGE: u32 = 5;
pub(super) const COMMAND_STOP: u32 = 1;
pub(super) const TARGET_COMPOSE: u32 = 0x0100;
pub(super) const CONTROL_RAW_BUFFERS: u32 = 0x0098_0927;
/// NVIDIA's: access units come in whole. Time stamps are carried in this mode alone.
pub(super) const CONTROL_NV_PIECES: u32 = 0x0099_0900 + 515;
/// NVIDIA's: no picture is held back; for streams whose pictures refer to one other at most.
pub(super) const CONTROL_NV_NO_DELAY: u32 = 0x0099_0900 + 516;

#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct Capability {
    pub(super) driver: [u8; 16],
    pub(super) card: [u8; 32],
    pub(super) bus: [u8; 32],
    pub(super) version: u32,
    pub(super) all: u32,
    pub(super) device: u32,
    pub(super) reserved: [u32; 3],
}

#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct FormatDescription {
    pub(super) index: u32,
    pub(super) kind: u32,
    pub(super) flags: u32,
    pub(super) description: [u8; 32],
    pub(super) fourcc: u32,
    pub(super) code: u32,
    pub(super) reserved: [u32; 3],
}

/// `v4l2_format`: the union as words, since both of its forms that are used consist of them.
#[repr(C, align(8))]
#[derive(Clone, Copy)]
pub(super) struct Format {
    pub(super) kind: u32,
    pub(super) gap: u32,
    pub(super) words: [u32; 50],
}

#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct Request {
    pub(super) count: u32,
    pub(super) kind: u32,
    pub(super) memory: u32,
    pub(super) capabilities: u32,
    pub(super) flags: u32,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct PlaneInfo {
    pub(super) used: u32,
    pub(super) length: u32,
    /// An offset, an address or a file: the offset lies in the first half.
    pub(super) memory: [u32; 2],
    pub(super) data_offset: u32,
    pub(super) reserved: [u32; 11],
}

#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct Buffer {
    pub(super) index: u32,
    pub(super) kind: u32,
    pub(super) used: u32,
    pub(super) flags: u32,
    pub(super) field: u32,
    pub(super) gap: u32,
    pub(super) seconds: i64,
    pub(super) micros: i64,
    pub(super) timecode: [u32; 4],
    pub(super) sequence: u32,
    pub(super) memory: u32,
    /// An offset, or where the planes are.
    pub(super) place: u64,
    pub(super) length: u32,
    pub(super) reserved: [u32; 3],
}

#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct Event {
    pub(super) kind: u32,
    pub(super) gap: u32,
    pub(super) content: [u64; 8],
    pub(super) pending: u32,
    pub(super) sequence: u32,
    pub(super) time: [i64; 2],
    pub(super) id: u32,
    pub(super) reserved: [u32; 9],
}

#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct Subscription {
    pub(super) kind: u32,
    pub(super) id: u32,
    pub(super) flags: u32,
    pub(super) reserved: [u32; 5],
}

#[repr(C, align(8))]
#[derive(Clone, Copy)]
pub(super) struct Command {
    pub(super) command: u32,
    pub(super) flags: u32,
    pub(super) content: [u32; 16],
}

#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct Selection {
    pub(super) kind: u32,
    pub(super) target: u32,
    pub(super) flags: u32,
    pub(super) rect: [i32; 4],
    pub(super) reserved: [u32; 9],
}

#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct Crop {
    pub(super) kind: u32,
    pub(super) rect: [i32; 4],
}

#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct Control {
    pub(super) id: u32,
    pub(super) value: i32,
}

/// `v4l2_ext_control`, which is packed.
#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct ExtendedControl {
    pub(super) id: u32,
    pub(super) size: u32,
    pub(super) reserved: u32,
    pub(super) value: [u32; 2],
}

#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct Export {
    pub(super) kind: u32,
    pub(super) index: u32,
    pub(super) plane: u32,
    pub(super) flags: u32,
    pub(super) file: i32,
    pub(super) reserved: [u32; 11],
}

#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct ExtendedControls {
    pub(super) which: u32,
    pub(super) count: u32,
    pub(super) error: u32,
    pub(super) file: i32,
    pub(super) reserved: [u32; 2],
    pub(super) controls: *mut ExtendedControl,
}

/// A struct of the interface: nothing but integers and raw pointers, so that all zeros is a value of it.
pub(super) trait Plain: Copy {}

impl Plain for Capability {}
impl Plain for FormatDescription {}
impl Plain for Format {}
impl Plain for Request {}
impl Plain for PlaneInfo {}
impl Plain for Buffer {}
impl Plain for Event {}
impl Plain for Subscription {}
impl Plain for Command {}
impl Plain for Selection {}
impl Plain for Crop {}
impl Plain for Control {}
impl Plain for ExtendedControl {}
impl Plain for ExtendedControls {}
impl Plain for Export {}
impl Plain for c_int {}

/// One call: its number holds the size of its struct.
pub(super) struct Call<T> {
    pub(super) name: &'static str,
    pub(super) number: c_ulong,
    argument: PhantomData<T>,
}

const READ: c_ulong = 2;
const WRITE: c_ulong = 1;

impl<T: Plain> Call<T> {
    const fn new(name: &'static str, direction: c_ulong, number: c_ulong) -> Self {
        let number = direction << 30 | (size_of::<T>() as c_ulong) << 16 | (b'V' as c_ulong) << 8 | number;
        Self { name, number, argument: PhantomData }
    }
}

pub(super) const QUERYCAP: Call<Capability> = Call::new("VIDIOC_QUERYCAP", READ, 0);
pub(super) const ENUM_FMT: Call<FormatDescription> = Call::new("VIDIOC_ENUM_FMT", READ | WRITE, 2);
pub(super) const G_FMT: Call<Format> = Call::new("VIDIOC_G_FMT", READ | WRITE, 4);
pub(super) const S_FMT: Call<Format> = Call::new("VIDIOC_S_FMT", READ | WRITE, 5);
pub(super) const REQBUFS: Call<Request> = Call::new("VIDIOC_REQBUFS", READ | WRITE, 8);
pub(super) const QUERYBUF: Call<Buffer> = Call::new("VIDIOC_QUERYBUF", READ | WRITE, 9);
pub(super) const QBUF: Call<Buffer> = Call::new("VIDIOC_QBUF", READ | WRITE, 15);
pub(super) const EXPBUF: Call<Export> = Call::new("VIDIOC_EXPBUF", READ | WRITE, 16);
pub(super) const DQBUF: Call<Buffer> = Call::new("VIDIOC_DQBUF", READ | WRITE, 17);
pub(super) const STREAMON: Call<c_int> = Call::new("VIDIOC_STREAMON", WRITE, 18);
pub(super) const STREAMOFF: Call<c_int> = Call::new("VIDIOC_STREAMOFF", WRITE, 19);
pub(super) const G_CTRL: Call<Control> = Call::new("VIDIOC_G_CTRL", READ | WRITE, 27);
pub(super) const G_CROP: Call<Crop> = Call::new("VIDIOC_G_CROP", READ | WRITE, 59);
pub(super) const S_EXT_CTRLS: Call<ExtendedControls> = Call::new("VIDIOC_S_EXT_CTRLS", READ | WRITE, 72);
pub(super) const DQEVENT: Call<Event> = Call::new("VIDIOC_DQEVENT", READ, 89);
pub(super) const SUBSCRIBE_EVENT: Call<Subscription> = Call::new("VIDIOC_SUBSCRIBE_EVENT", WRITE, 90);
pub(super) const G_SELECTION: Call<Selection> = Call::new("VIDIOC_G_SELECTION", READ | WRITE, 94);
pub(super) const DECODER_CMD: Call<Command> = Call::new("VIDIOC_DECODER_CMD", READ | WRITE, 96);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn structs_have_the_sizes_of_the_kernel() {
        // As `sizeof` of <linux/videodev2.h> says on x86-64 and aarch64.
        let sizes = [
            size_of::<Capability>(),
            size_of::<FormatDescription>(),
            size_of::<Format>(),
            size_of::<Request>(),
            size_of::<PlaneInfo>(),
            size_of::<Buffer>(),
            size_of::<Event>(),
            size_of::<Subscription>(),
            size_of::<Command>(),
            size_of::<Selection>(),
            size_of::<Crop>(),
            size_of::<Control>(),
            size_of::<ExtendedControl>(),
            size_of::<ExtendedControls>(),
            size_of::<Export>(),
        ];
        assert_eq!(sizes, [104, 64, 208, 20, 64, 88, 136, 32, 72, 64, 20, 8, 20, 32, 64]);
    }
}
