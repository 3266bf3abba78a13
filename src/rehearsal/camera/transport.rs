//! How RTP reaches one client: interleaved in its RTSP connection, or by datagrams.

use std::io;
use std::net::{IpAddr, SocketAddr};
use tokio::net::UdpSocket;

/// What a client asked for in a `Transport` header and what the camera can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// Interleaved: channels of RTP and RTCP.
    Interleaved(u8, u8),
    /// Datagrams: the client's ports of RTP and RTCP.
    Datagrams(u16, u16),
}

impl Asked {
    /// The first of the alternatives in `header` that is allowed; `None` is "461 unsupported transport".
    pub fn first(header: &str, tcp: bool, udp: bool) -> Option<Self> {
        header.split(',').find_map(|one| Self::parse(one.trim(), tcp, udp))
    }

    fn parse(one: &str, tcp: bool, udp: bool) -> Option<Self> {
        let mut parts = one.split(';').map(str::trim);
        let profile = parts.next()?.to_ascii_uppercase();
        let rest: Vec<&str> = parts.collect();
        if rest.contains(&"multicast") {
            return None;
        }
        let pair = |name: &str| {
            let value = rest.iter().find_map(|part| part.strip_prefix(name)?.strip_prefix('='))?;
            let (first, second) = value.split_once('-').unwrap_or((value, ""));
            let first: u16 = first.parse().ok()?;
            Some((first, second.parse().ok().or_else(|| first.checked_add(1))?))
        };
        match profile.as_str() {
            "RTP/AVP/TCP" if tcp => {
                let (rtp, rtcp) = pair("interleaved").unwrap_or((0, 1));
                Some(Self::Interleaved(u8::try_from(rtp).ok()?, u8::try_from(rtcp).ok()?))
            }
            "RTP/AVP" | "RTP/AVP/UDP" if udp => pair("client_port").map(|(rtp, rtcp)| Self::Datagrams(rtp, rtcp)),
            _ => None,
        }
    }
}

/// Two sockets on neighbouring ports, the even one for RTP, and where the client listens.
#[derive(Debug)]
pub struct Datagrams {
    rtp: UdpSocket,
    rtcp: UdpSocket,
    to_rtp: SocketAddr,
    to_rtcp: SocketAddr,
}

impl Datagrams {
    /// Binds a pair on `local` for the client `peer` with its ports.
    pub async fn open(local: IpAddr, peer: IpAddr, (rtp_port, rtcp_port): (u16, u16)) -> io::Result<Self> {
        let (rtp, rtcp) = bind_pair(local).await?;
        let (to_rtp, to_rtcp) = (SocketAddr::new(peer, rtp_port), SocketAddr::new(peer, rtcp_port));
        Ok(Self { rtp, rtcp, to_rtp, to_rtcp })
    }

    /// The camera's ports of RTP and RTCP.
    pub fn ports(&self) -> (u16, u16) {
        let port = |socket: &UdpSocket| socket.local_addr().map_or(0, |address| address.port());
        (port(&self.rtp), port(&self.rtcp))
    }

    /// Sends one RTP packet. A client that has closed its port is no error: RTSP tells when it is gone.
    pub async fn send_rtp(&self, packet: &[u8]) {
        let sent = self.rtp.send_to(packet, self.to_rtp).await;
        sent.map_or_else(|error| tracing::trace!("rehearsal camera: rtp to {}: {error}", self.to_rtp), |_| ());
    }

    /// Sends one RTCP packet, as [`Self::send_rtp`].
    pub async fn send_rtcp(&self, packet: &[u8]) {
        let sent = self.rtcp.send_to(packet, self.to_rtcp).await;
        sent.map_or_else(|error| tracing::trace!("rehearsal camera: rtcp to {}: {error}", self.to_rtcp), |_| ());
    }

    /// Waits for a sign of life on either port; what it says is ignored. Safe to cancel.
    pub async fn heard(&self) {
        let (mut a, mut b) = ([0; 64], [0; 64]);
        loop {
            let from = tokio::select! {
                got = self.rtcp.recv_from(&mut a) => got,
                got = self.rtp.recv_from(&mut b) => got,
            };
            match from {
                Ok((_, address)) if address.ip() == self.to_rtp.ip() => return,
                // A closed client port comes back as an error here: no sign of life.
                _ => tokio::task::yield_now().await,
            }
        }
    }
}

/// RTP on an even port, RTCP on the next one.
async fn bind_pair(local: IpAddr) -> io::Result<(UdpSocket, UdpSocket)> {
    let mut last = io::Error::other("no two neighbouring ports are free");
    for _ in 0..32 {
        let first = UdpSocket::bind((local, 0)).await?;
        let port = first.local_addr()?.port();
        let (neighbour, first_is_even) = if port % 2 == 0 { (port | 1, true) } else { (port - 1, false) };
        match UdpSocket::bind((local, neighbour)).await {
            Ok(second) if first_is_even => return Ok((first, second)),
            Ok(second) => return Ok((second, first)),
            Err(error) => last = error,
        }
    }
    Err(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transports_are_read_as_clients_write_them() {
        let both = |header| Asked::first(header, true, true);
        assert_eq!(both("RTP/AVP/TCP;unicast;interleaved=2-3"), Some(Asked::Interleaved(2, 3)));
        assert_eq!(both("RTP/AVP/TCP;unicast"), Some(Asked::Interleaved(0, 1)));
        assert_eq!(both("RTP/AVP;unicast;client_port=5000-5001"), Some(Asked::Datagrams(5000, 5001)));
        assert_eq!(both("RTP/AVP/UDP;unicast;client_port=5000;mode=play"), Some(Asked::Datagrams(5000, 5001)));
        assert_eq!(both("RTP/AVP;multicast;client_port=5000-5001"), None);
        assert_eq!(both("RTP/SAVP;unicast;client_port=5000-5001"), None);
        assert_eq!(both("RTP/AVP/TCP;interleaved=300-301"), None);
        assert_eq!(both("RTP/AVP;client_port=65535"), None);
        assert_eq!(both(""), None);
    }

    #[test]
    fn the_first_allowed_alternative_is_taken() {
        let header = "RTP/AVP/TCP;unicast;interleaved=0-1,RTP/AVP;unicast;client_port=6000-6001";
        assert_eq!(Asked::first(header, false, true), Some(Asked::Datagrams(6000, 6001)));
        assert_eq!(Asked::first(header, true, false), Some(Asked::Interleaved(0, 1)));
        assert_eq!(Asked::first(header, false, false), None);
    }

    #[tokio::test]
    async fn rtp_gets_the_even_port() {
        let local = IpAddr::from([127, 0, 0, 1]);
        let pair = Datagrams::open(local, local, (6000, 6001)).await.expect("free ports");
        let (rtp, rtcp) = pair.ports();
        assert!(rtp % 2 == 0 && rtcp == rtp + 1, "{rtp} {rtcp}");
    }
}
