//! One daemon an arena: two would mix their messages and files.

use super::{Failure, configuration};
use std::io::ErrorKind;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// The claim on an arena, for as long as this lives.
///
/// It is a name among the machine's abstract sockets: the kernel gives it back whatever way the process ends, and it needs no folder that
/// both the service and a user at a terminal may write to, as a lock file would.
#[derive(Debug)]
pub(super) struct Claim {
    _name: UnixDatagram,
}

impl Claim {
    /// Claims `arena` on this machine.
    pub(super) fn on(arena: &str) -> Result<Self, Failure> {
        let name = SocketAddr::from_abstract_name(format!("arenad/{arena}"));
        match name.and_then(|name| UnixDatagram::bind_addr(&name)) {
            Ok(name) => Ok(Self { _name: name }),
            Err(error) if error.kind() == ErrorKind::AddrInUse => Err(configuration(format!(
                "arena {arena}: another arenad on this machine runs it already; stop that one (systemctl list-units 'arenad@*', \
                 ss -xap | grep arenad/{arena}) or give this one another name"
            ))),
            Err(error) => Err(super::fatal(format!("arena {arena}: its name cannot be claimed: {error}"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arena_is_claimed_once_and_free_again_afterwards() {
        let name = format!("claim-test-{}", std::process::id());
        let first = Claim::on(&name).expect("free");
        let said = Claim::on(&name).expect_err("taken").to_string();
        assert!(said.starts_with(&format!("arena {name}: another arenad on this machine runs it already; ")), "{said}");
        assert!(Claim::on(&format!("{name}2")).is_ok());
        drop(first);
        assert!(Claim::on(&name).is_ok());
    }
}
