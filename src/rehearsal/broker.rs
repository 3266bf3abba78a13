//! The embedded broker of `arenad demo` and the tests: rumqttd on loopback, MQTT 5 and 3.1.1 on one port.
//!
//! rumqttd serves each protocol on its own port, and it has no shutdown: its threads live until the process ends. So a small front
//! owns the public port, looks at the version in each CONNECT and passes the bytes on; dropping the front closes the port and cuts
//! every connection.

use rumqttd::{Config, ConnectionSettings, RouterConfig, ServerSettings};
use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// A client that does not say CONNECT by then is sent away.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);
/// rumqttd opens its ports within milliseconds.
const START_LIMIT: Duration = Duration::from_secs(5);

/// Why the broker could not be started.
#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    /// Another program listens there.
    #[error(
        "broker 127.0.0.1:{port}: the port is in use; end the program that uses it, or choose another port with --mqtt-port (0 takes a free one)"
    )]
    InUse {
        /// Which port.
        port: u16,
    },
    /// The port cannot be used.
    #[error(
        "broker 127.0.0.1:{port}: cannot listen: {source}; choose another port with --mqtt-port (0 takes a free one)"
    )]
    Listen {
        /// Which port.
        port: u16,
        /// The system's words.
        source: io::Error,
    },
    /// rumqttd did not come up.
    #[error("broker: the embedded broker did not start: {0}; use another broker with `arenad run`")]
    Start(String),
}

/// A running broker. Dropping it closes its port and cuts its clients; rumqttd's own threads stay until the process ends.
#[derive(Debug)]
pub struct Broker {
    addr: SocketAddr,
    closing: watch::Sender<bool>,
    front: Option<JoinHandle<()>>,
}

/// Where rumqttd listens, by protocol.
#[derive(Clone, Copy, Debug)]
struct Behind {
    v4: SocketAddr,
    v5: SocketAddr,
}

impl Broker {
    /// Starts a broker on 127.0.0.1; port 0 takes a free one. Returns once clients can connect.
    pub fn start(port: u16) -> Result<Self, BrokerError> {
        let wrong = |source: io::Error| match source.kind() {
            io::ErrorKind::AddrInUse => BrokerError::InUse { port },
            _ => BrokerError::Listen { port, source },
        };
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map_err(wrong)?;
        listener.set_nonblocking(true).map_err(wrong)?;
        let addr = listener.local_addr().map_err(wrong)?;
        let behind = start_rumqttd()?;
        let (closing, closed) = watch::channel(false);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| BrokerError::Start(error.to_string()))?;
        let front = std::thread::Builder::new()
            .name("broker".into())
            .spawn(move || runtime.block_on(front(listener, behind, closed)))
            .map_err(|error| BrokerError::Start(error.to_string()))?;
        Ok(Self { addr, closing, front: Some(front) })
    }

    /// Where clients connect.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.closing.send_replace(true);
        if let Some(front) = self.front.take() {
            // The front only copies bytes; should it have failed, its port is closed all the same.
            let _ = front.join();
        }
    }
}

/// Starts rumqttd and waits until both its ports are open.
fn start_rumqttd() -> Result<Behind, BrokerError> {
    let start = |what: String| BrokerError::Start(what);
    let behind = Behind {
        v4: free_port().map_err(|error| start(error.to_string()))?,
        v5: free_port().map_err(|error| start(error.to_string()))?,
    };
    let config = Config {
        router: RouterConfig {
            max_connections: 1000,
            max_outgoing_packet_count: 200,
            max_segment_size: 1 << 20,
            max_segment_count: 10,
            ..RouterConfig::default()
        },
        v4: Some(HashMap::from([("v4".to_owned(), server("v4", behind.v4))])),
        v5: Some(HashMap::from([("v5".to_owned(), server("v5", behind.v5))])),
        ..Config::default()
    };
    let mut broker = rumqttd::Broker::new(config);
    let run = move || {
        if let Err(error) = broker.start() {
            tracing::error!("broker: rumqttd ended: {error}");
        }
    };
    std::thread::Builder::new().name("rumqttd".into()).spawn(run).map_err(|error| start(error.to_string()))?;
    for addr in [behind.v4, behind.v5] {
        wait_open(addr).map_err(|error| start(error.to_string()))?;
    }
    Ok(behind)
}

/// A port of 127.0.0.1 that is free now. Another program could take it before rumqttd does; `wait_open` and the error then tell.
fn free_port() -> io::Result<SocketAddr> {
    std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}

fn server(name: &str, listen: SocketAddr) -> ServerSettings {
    ServerSettings {
        name: name.to_owned(),
        listen,
        tls: None,
        next_connection_delay_ms: 0,
        connections: ConnectionSettings {
            connection_timeout_ms: 5000,
            max_payload_size: 1 << 20,
            max_inflight_count: 100,
            auth: None,
            external_auth: None,
            dynamic_filters: true,
        },
    }
}

/// rumqttd gives no sign when it listens, so its ports are asked.
fn wait_open(addr: SocketAddr) -> io::Result<()> {
    let end = Instant::now() + START_LIMIT;
    loop {
        match std::net::TcpStream::connect_timeout(&addr, Duration::from_secs(1)) {
            Ok(_) => return Ok(()),
            Err(error) if Instant::now() > end => return Err(error),
            Err(_) => std::thread::sleep(Duration::from_millis(2)),
        }
    }
}

/// Accepts until told to close; every connection ends with it.
async fn front(listener: std::net::TcpListener, behind: Behind, mut closed: watch::Receiver<bool>) {
    let Ok(listener) = TcpListener::from_std(listener) else { return };
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = closed.wait_for(|closed| *closed) => return,
        };
        match accepted {
            Ok((client, _)) => {
                tokio::spawn(async move {
                    if let Err(error) = pass_on(client, behind).await {
                        tracing::debug!("broker: a client's connection ended: {error}");
                    }
                });
            }
            // Out of file descriptors: the next client may have more luck.
            Err(error) => {
                tracing::warn!("broker: cannot accept: {error}");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn pass_on(mut client: TcpStream, behind: Behind) -> io::Result<()> {
    client.set_nodelay(true)?;
    let mut start = [0u8; 16];
    let mut have = 0;
    let version = tokio::time::timeout(CONNECT_LIMIT, async {
        loop {
            if let Some(version) = protocol_level(&start[..have]) {
                return Ok::<u8, io::Error>(version);
            }
            match client.read(&mut start[have..]).await? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                n => have += n,
            }
        }
    })
    .await??;
    let mut broker = TcpStream::connect(if version == 5 { behind.v5 } else { behind.v4 }).await?;
    broker.set_nodelay(true)?;
    broker.write_all(&start[..have]).await?;
    tokio::io::copy_bidirectional(&mut client, &mut broker).await.map(drop)
}

/// The protocol level in a CONNECT packet: 4 is 3.1.1, 5 is 5. `None` while too little has come; 0 for anything else.
fn protocol_level(start: &[u8]) -> Option<u8> {
    let (&kind, rest) = start.split_first()?;
    // The remaining length takes one to four bytes, all but the last with the top bit set.
    let length_bytes = rest.iter().take(4).position(|byte| byte & 0x80 == 0);
    match length_bytes {
        _ if kind != 0x10 => Some(0),
        None if rest.len() >= 4 => Some(0),
        None => None,
        Some(last) => match rest.get(last + 1..) {
            Some([0, 4, b'M', b'Q', b'T', b'T', level, ..]) => Some(*level),
            Some([0, 6, ..]) => Some(3),
            Some(body) if body.len() >= 7 => Some(0),
            _ => None,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_protocol_level_is_read_from_the_first_bytes() {
        let v5 = [0x10, 0x90, 0x01, 0, 4, b'M', b'Q', b'T', b'T', 5, 2];
        assert_eq!(protocol_level(&v5), Some(5));
        for short in 0..9 {
            assert_eq!(protocol_level(&v5[..short]), None, "{short}");
        }
        assert_eq!(protocol_level(&[0x10, 12, 0, 4, b'M', b'Q', b'T', b'T', 4]), Some(4));
        assert_eq!(protocol_level(b"GET / HTTP/1.1"), Some(0));
        assert_eq!(protocol_level(&[0x10, 0xff, 0xff, 0xff, 0xff]), Some(0));
    }

    #[test]
    fn a_port_in_use_says_which_and_what_to_do() {
        let taken = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let port = taken.local_addr().expect("an address").port();
        assert_eq!(
            Broker::start(port).expect_err("refused").to_string(),
            format!(
                "broker 127.0.0.1:{port}: the port is in use; end the program that uses it, or choose another port with --mqtt-port (0 takes a free one)"
            )
        );
    }
}
