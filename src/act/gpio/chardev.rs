//! The kernel's GPIO character device as a chip.

use super::{Chip, GpioError, Line, LineState};
use gpiocdev::line::Value;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

/// An open chip.
pub(super) struct Device {
    chip: gpiocdev::chip::Chip,
    name: String,
    lines: u32,
}

impl Device {
    /// Opens the device, which may be a link to it.
    pub(super) fn open(path: &Path) -> Result<Self, GpioError> {
        let chip = gpiocdev::chip::Chip::from_path(path).map_err(|error| refusal(path, error))?;
        let info = chip.info().map_err(|error| refusal(path, error))?;
        Ok(Self { chip, name: format!("{} [{}]", info.name, info.label), lines: info.num_lines })
    }
}

impl Chip for Device {
    fn name(&self) -> &str {
        &self.name
    }

    fn lines(&self) -> u32 {
        self.lines
    }

    fn line(&self, number: u32) -> Result<LineState, io::Error> {
        let info = self.chip.line_info(number).map_err(system)?;
        let by = if info.consumer.is_empty() { "the kernel".to_owned() } else { info.consumer };
        Ok(LineState { name: info.name, held_by: info.used.then_some(by) })
    }

    fn hold(&self, number: u32, active_low: bool, holder: &str) -> Result<Box<dyn Line>, io::Error> {
        let mut request = gpiocdev::Request::builder();
        request.on_chip(self.chip.path()).with_consumer(holder).with_line(number).as_output(Value::Inactive);
        if active_low {
            request.as_active_low();
        }
        Ok(Box::new(Held(request.request().map_err(system)?)))
    }
}

/// The request for one line; the kernel takes the line back when it is closed.
struct Held(gpiocdev::Request);

impl Line for Held {
    fn set(&mut self, active: bool) -> Result<(), io::Error> {
        self.0.set_lone_value(active.into()).map_err(system)
    }
}

/// The system's error where there is one, so that its kind is known.
fn system(error: gpiocdev::Error) -> io::Error {
    use gpiocdev::Error;
    match error {
        Error::Os(errno) | Error::Uapi(_, gpiocdev_uapi::Error::Os(errno)) => io::Error::from_raw_os_error(errno.0),
        other => io::Error::other(other.to_string()),
    }
}

fn refusal(path: &Path, error: gpiocdev::Error) -> GpioError {
    let chip = path.display().to_string();
    let foreign = matches!(error, gpiocdev::Error::GpioChip(..));
    let source = system(error);
    let what = match source.kind() {
        io::ErrorKind::PermissionDenied => return GpioError::Forbidden { remedy: remedy(path), chip },
        io::ErrorKind::NotFound => "is not there",
        _ if foreign || !is_device(path) => "is no GPIO chip",
        _ => return GpioError::System { what: format!("chip {chip}"), source },
    };
    let there = gpiocdev::chip::chips().unwrap_or_default();
    GpioError::NoChip { chip, what, there: there.iter().map(|path| path.display().to_string()).collect() }
}

fn is_device(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|found| found.file_type().is_char_device())
}

/// Which group opens the device, and how to come into it.
fn remedy(path: &Path) -> String {
    let Ok(found) = std::fs::metadata(path) else {
        return "its folder cannot be searched; see its permissions (namei -l)".to_owned();
    };
    let groups = std::fs::read_to_string("/etc/group").unwrap_or_default();
    by_group(found.gid(), found.mode(), &groups)
}

/// The group's name stands in `/etc/group` as `name:password:number:members`.
fn by_group(gid: u32, mode: u32, groups: &str) -> String {
    let named = |line: &str| {
        let mut fields = line.split(':');
        let name = fields.next()?.to_owned();
        (fields.nth(1)?.parse() == Ok(gid)).then_some(name)
    };
    let group = groups.lines().find_map(named).unwrap_or_else(|| gid.to_string());
    // Reading is all that the character device asks for.
    if gid != 0 && mode & 0o040 != 0 {
        return format!(
            "the group {group} may open it; usermod -aG {group} USER and log in anew, or use the service, which is in the group gpio"
        );
    }
    "root alone may open it; install 99-arenad.rules (the package has it), which gives it to the group gpio, and run udevadm \
     trigger --subsystem-match=gpio"
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(path: &str) -> String {
        match Device::open(Path::new(path)) {
            Err(error) => error.to_string(),
            Ok(device) => panic!("{} opened", device.name),
        }
    }

    #[test]
    fn what_is_no_chip_is_told_with_what_is_there() {
        let said = told("/dev/gpiochip-that-is-not");
        assert!(said.starts_with("gpio: chip /dev/gpiochip-that-is-not is not there; there: "), "{said}");
        let said = told("/dev/null");
        assert!(said.starts_with("gpio: chip /dev/null is no GPIO chip; there: "), "{said}");
        let said = told("/");
        assert!(said.starts_with("gpio: chip / is no GPIO chip; there: "), "{said}");
    }

    #[test]
    fn who_may_open_it_is_told_by_the_groups_name() {
        let groups = "root:x:0:\ngpio:x:997:arenad\nbroken\n";
        assert_eq!(
            by_group(997, 0o020_660, groups),
            "the group gpio may open it; usermod -aG gpio USER and log in anew, or use the service, which is in the group gpio"
        );
        assert!(by_group(123, 0o020_640, groups).starts_with("the group 123 may open it; "));
        for (gid, mode) in [(0, 0o020_600), (0, 0o020_660), (997, 0o020_600)] {
            assert!(by_group(gid, mode, groups).starts_with("root alone may open it; install 99-arenad.rules"));
        }
    }
}
