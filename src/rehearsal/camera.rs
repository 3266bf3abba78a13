//! The rehearsal's camera: a real RTSP 1.0 server for one H.264 stream, with the faults that real cameras have.
//!
//! Whoever renders and encodes calls [`RehearsalCamera::push`] at the camera's pace; everything else happens on a thread
//! of its own, named `camera`.

mod answer;
mod auth;
mod connection;
mod describe;
mod rtp;
mod studio;
mod transport;

pub use auth::{CameraAuth, Scheme};

use super::encode::FrameRate;
use crate::stamp::WallTime;
use bytes::Bytes;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::Duration;
use studio::{Order, Studio};
use tokio::task::JoinSet;

/// Most RTSP connections at a time; further ones are closed at once.
const CONNECTIONS_MAX: usize = 64;
/// How long stopping waits for goodbyes.
const STOP: Duration = Duration::from_secs(1);

/// One coded picture on its way to the clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// Annex B; parameter sets before each key picture.
    pub annexb: Bytes,
    /// Decoding can start here.
    pub key: bool,
    /// When it was captured, by the clock that the sender reports show.
    pub captured: WallTime,
}

/// What goes wrong on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Faults {
    /// One of so many RTP packets, chosen by the seeded generator, is not sent; 0 is never.
    pub drop_one_in: u32,
    /// One bit is changed in one of so many RTP packets, in the picture's bytes; 0 is never.
    pub corrupt_one_in: u32,
    /// Sender reports are sent.
    pub sender_reports: bool,
}

impl Default for Faults {
    /// None.
    fn default() -> Self {
        Self { drop_one_in: 0, corrupt_one_in: 0, sender_reports: true }
    }
}

/// How the camera serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CameraOptions {
    /// Address and port; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Path of the stream, starting with `/`.
    pub path: String,
    /// User and password, if any.
    pub auth: Option<CameraAuth>,
    /// The frame rate that the description names.
    pub rate: FrameRate,
    /// Serves RTP in the RTSP connection; else answers 461.
    pub tcp: bool,
    /// Serves RTP in datagrams; else answers 461.
    pub udp: bool,
    /// Sessions over datagrams whose client says nothing for so long are closed.
    pub session_timeout: Duration,
    /// Pause between sender reports; the first one goes before the first picture.
    pub report_every: Duration,
    /// Pictures that wait for a slow client; beyond it, it misses all up to the next key picture.
    pub queue: usize,
    /// Clients that may play at a time; further ones get 453.
    pub clients_max: usize,
    /// How far the camera's own clock, as sender reports show it, is ahead of the capture times, nanoseconds.
    pub clock_error_ns: i64,
    /// Seed of the beginnings of streams and of faults.
    pub seed: u64,
    /// Faults in force from the start.
    pub faults: Faults,
}

impl Default for CameraOptions {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            path: "/live".to_owned(),
            auth: None,
            rate: FrameRate::THIRTY,
            tcp: true,
            udp: true,
            session_timeout: Duration::from_secs(60),
            report_every: Duration::from_secs(1),
            queue: 32,
            clients_max: 16,
            clock_error_ns: 0,
            seed: 0,
            faults: Faults::default(),
        }
    }
}

/// How often things happened since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CameraCounts {
    /// RTSP connections accepted.
    pub connections: u64,
    /// Pictures pushed.
    pub pictures: u64,
    /// RTP packets sent, to all clients together.
    pub packets: u64,
    /// RTP packets that [`Faults::drop_one_in`] took away.
    pub packets_dropped: u64,
    /// RTP packets that [`Faults::corrupt_one_in`] changed.
    pub packets_corrupted: u64,
    /// Pictures that a playing client missed, being slow or because of a stall.
    pub pictures_skipped: u64,
    /// Sender reports sent.
    pub reports: u64,
}

/// Why there is no camera.
#[derive(Debug, thiserror::Error)]
pub enum CameraError {
    /// The path is not one.
    #[error(
        "rehearsal camera: path \"{0}\"; allowed is \"/\" and then letters, digits, \"-\", \"_\", \".\" and \"/\"; change it"
    )]
    Path(String),
    /// The address cannot be listened on.
    #[error(
        "rehearsal camera: {address}: {source}; allowed is a free port of this machine; choose another, 0 takes any"
    )]
    Listen {
        /// The address asked for.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// No thread could be started.
    #[error("rehearsal camera: no thread: {0}; end other processes or raise the limit")]
    Thread(std::io::Error),
}

/// A running camera. Dropping it stops it.
#[derive(Debug)]
pub struct RehearsalCamera {
    studio: Arc<Studio>,
    address: SocketAddr,
    thread: Option<JoinHandle<()>>,
}

impl RehearsalCamera {
    /// Listens and serves. `DESCRIBE` is answered once a key picture has been pushed.
    pub fn start(options: CameraOptions) -> Result<Self, CameraError> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
        if !options.path.starts_with('/') || !options.path.chars().all(allowed) {
            return Err(CameraError::Path(options.path));
        }
        let address = options.listen;
        let refused = |source| CameraError::Listen { address, source };
        let listener = TcpListener::bind(address).map_err(refused)?;
        listener.set_nonblocking(true).map_err(refused)?;
        let address = listener.local_addr().map_err(refused)?;
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(CameraError::Thread)?;
        let started = WallTime::from_system(std::time::SystemTime::now()).0 as u64;
        let nonce = format!("{:016x}", (started ^ u64::from(address.port())).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let studio = Arc::new(Studio::new(options, nonce));
        let serving = Arc::clone(&studio);
        let thread = std::thread::Builder::new()
            .name("camera".to_owned())
            .spawn(move || runtime.block_on(accept(listener, serving)))
            .map_err(CameraError::Thread)?;
        Ok(Self { studio, address, thread: Some(thread) })
    }

    /// Where it serves, without user and password.
    pub fn url(&self) -> String {
        format!("rtsp://{}{}", self.address, self.studio.options.path)
    }

    /// The address it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Sends a picture to all clients that play. Never waits: a client that is too slow misses pictures.
    pub fn push(&self, picture: Picture) {
        self.studio.push(picture);
    }

    /// A client waits for a key picture to begin with: the next picture should be one.
    pub fn wants_key(&self) -> bool {
        self.studio.wants_key()
    }

    /// Clients that play now.
    pub fn clients(&self) -> usize {
        self.studio.clients()
    }

    /// Silence on or off: connections stay, requests are answered, but no packet is sent. What is pushed meanwhile is lost.
    pub fn stall(&self, on: bool) {
        self.studio.stall(on);
    }

    /// Cuts every connection without a word.
    pub fn kick(&self) {
        self.studio.orders.send_modify(|order| {
            if let Order::Serve { round } = order {
                *round += 1;
            }
        });
    }

    /// From the next picture on, other faults.
    pub fn set_faults(&self, faults: Faults) {
        self.studio.set_faults(faults);
    }

    /// How often things happened.
    pub fn counts(&self) -> CameraCounts {
        let counts = &self.studio.counts;
        let read = |counter: &AtomicU64| counter.load(Relaxed);
        CameraCounts {
            connections: read(&counts.connections),
            pictures: read(&counts.pictures),
            packets: read(&counts.packets),
            packets_dropped: read(&counts.packets_dropped),
            packets_corrupted: read(&counts.packets_corrupted),
            pictures_skipped: read(&counts.pictures_skipped),
            reports: read(&counts.reports),
        }
    }

    /// Says goodbye to every client (RTCP BYE) and stops.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        self.studio.orders.send_replace(Order::Stop);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("rehearsal camera: its thread panicked");
        }
    }
}

impl Drop for RehearsalCamera {
    fn drop(&mut self) {
        self.end();
    }
}

/// Accepts connections until the camera stops.
async fn accept(listener: TcpListener, studio: Arc<Studio>) {
    let mut orders = studio.orders.subscribe();
    let listener = match tokio::net::TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => return tracing::error!("rehearsal camera: cannot listen: {error}"),
    };
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) if connections.len() < CONNECTIONS_MAX => {
                    let number = studio.counts.connections.fetch_add(1, Relaxed);
                    tracing::debug!("rehearsal camera: connection {number} from {peer}");
                    connections.spawn(connection::serve(stream, peer, Arc::clone(&studio), number));
                }
                Ok((_, peer)) => tracing::warn!("rehearsal camera: too many connections, {peer} is turned away"),
                Err(error) => {
                    // Out of file handles, mostly: without a pause this would spin.
                    tracing::warn!("rehearsal camera: a connection could not be accepted: {error}");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            },
            Some(_) = connections.join_next() => {}
            stop = orders.wait_for(|order| *order == Order::Stop) => {
                let _ = stop;
                break;
            }
        }
    }
    drop(listener);
    let _ = tokio::time::timeout(STOP, async { while connections.join_next().await.is_some() {} }).await;
}
