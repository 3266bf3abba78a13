//! One RTSP connection: reads requests, sends pictures, reports and goodbyes, and ends when told to.

use super::Faults;
use super::rtp::Sender;
use super::studio::{Order, Shot, Studio};
use super::transport::Datagrams;
use rand_core::Rng;
use rand_pcg::Pcg32;
use rtsp_types::{Message, ParseError, Request};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, Interval, sleep_until, timeout};

/// Longest request, bytes; an interleaved packet has at most 65 539.
const INBOX_MAX: usize = 70_000;
/// How long a goodbye may take.
const GOODBYE: Duration = Duration::from_millis(300);

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
pub enum Ended {
    #[error("the client closed it")]
    Closed,
    #[error("the client tore it down")]
    TornDown,
    #[error("the client was silent for longer than the session's timeout")]
    Silent,
    #[error("the client sent what is not RTSP")]
    NotRtsp,
    #[error("{0}")]
    Io(#[from] std::io::Error),
}

/// How RTP reaches the client of a session.
#[derive(Debug)]
pub enum Path {
    /// Channels of RTP and RTCP in the RTSP connection.
    Interleaved(u8, u8),
    /// Sockets of its own.
    Datagrams(Datagrams),
}

/// What `SETUP` made.
#[derive(Debug)]
pub struct Session {
    pub id: String,
    pub path: Path,
    pub sender: Sender,
    /// Pictures to send; `None` unless playing.
    pub pictures: Option<mpsc::Receiver<Shot>>,
    /// A sender report has gone out since `PLAY`.
    pub reported: bool,
    pub ticker: Interval,
    pub dice: Pcg32,
}

/// One RTSP connection.
#[derive(Debug)]
pub struct Connection {
    pub studio: Arc<Studio>,
    pub number: u64,
    pub local: IpAddr,
    pub peer: IpAddr,
    pub session: Option<Session>,
    stream: TcpStream,
    inbox: Vec<u8>,
    heard: Instant,
    /// A write has begun and not ended: nothing else may be written.
    midway: bool,
}

enum Happened {
    Picture(Shot),
    ReportDue,
    Heard,
    Silent,
}

/// Serves one client until it leaves, is cut off or the camera stops.
pub async fn serve(stream: TcpStream, peer: SocketAddr, studio: Arc<Studio>, number: u64) {
    let mut orders = studio.orders.subscribe();
    let begun = *orders.borrow_and_update();
    let Ok(local) = stream.local_addr() else { return };
    // Small answers and the ends of pictures must not wait for more.
    let _ = stream.set_nodelay(true);
    let mut connection = Connection {
        studio,
        number,
        local: local.ip(),
        peer: peer.ip(),
        session: None,
        stream,
        inbox: Vec::new(),
        heard: Instant::now(),
        midway: false,
    };
    let stop = tokio::select! {
        ended = connection.run() => {
            let why = ended.err().unwrap_or(Ended::Closed);
            tracing::debug!("rehearsal camera: connection {number} from {peer} ended: {why}");
            return;
        }
        stop = told_to_end(&mut orders, begun) => stop,
    };
    if stop && !connection.midway {
        let _ = timeout(GOODBYE, connection.goodbye()).await;
    }
}

/// Waits for an order to end; true when the camera stops, false when only the connections are cut.
async fn told_to_end(orders: &mut watch::Receiver<Order>, begun: Order) -> bool {
    loop {
        let order = *orders.borrow_and_update();
        match order {
            Order::Stop => return true,
            Order::Serve { .. } if order != begun => return false,
            Order::Serve { .. } => {}
        }
        if orders.changed().await.is_err() {
            return true;
        }
    }
}

impl Connection {
    async fn run(&mut self) -> Result<(), Ended> {
        loop {
            while let Some(request) = self.next_request().await? {
                self.answer(request).await?;
            }
            self.inbox.reserve(4096);
            let happened = tokio::select! {
                read = self.stream.read_buf(&mut self.inbox) => {
                    if read? == 0 {
                        return Err(Ended::Closed);
                    }
                    self.heard = Instant::now();
                    continue;
                }
                happened = happens(self.session.as_mut(), self.heard + self.studio.options.session_timeout) => happened,
            };
            match happened {
                Happened::Picture(shot) => self.deliver(&shot).await?,
                Happened::ReportDue => self.report().await?,
                Happened::Heard => self.heard = Instant::now(),
                Happened::Silent => return Err(Ended::Silent),
            }
        }
    }

    /// The next whole request in the inbox. Interleaved data (receiver reports) is thrown away.
    async fn next_request(&mut self) -> Result<Option<Request<Vec<u8>>>, Ended> {
        loop {
            let blank = self.inbox.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
            self.inbox.drain(..blank);
            if self.inbox.is_empty() {
                return Ok(None);
            }
            match Message::<Vec<u8>>::parse(&self.inbox) {
                Ok((message, used)) => {
                    self.inbox.drain(..used);
                    if let Message::Request(request) = message {
                        return Ok(Some(request));
                    }
                }
                Err(ParseError::Incomplete(_)) if self.inbox.len() < INBOX_MAX => return Ok(None),
                Err(_) => {
                    self.send(b"RTSP/1.0 400 Bad Request\r\n\r\n").await?;
                    return Err(Ended::NotRtsp);
                }
            }
        }
    }

    /// Writes all of `bytes` to the RTSP connection.
    pub async fn send(&mut self, bytes: &[u8]) -> Result<(), Ended> {
        self.midway = true;
        self.stream.write_all(bytes).await?;
        self.midway = false;
        Ok(())
    }

    /// Sends one picture, a sender report before the first.
    async fn deliver(&mut self, Shot { picture, faults }: &Shot) -> Result<(), Ended> {
        if self.session.as_ref().is_some_and(|session| !session.reported) {
            self.report().await?;
        }
        let Some(session) = self.session.as_mut() else { return Ok(()) };
        let packets = session.sender.packets(&picture.annexb, picture.captured);
        let packets = session.spoilt(packets, *faults, &self.studio);
        self.studio.counts.packets.fetch_add(packets.len() as u64, Relaxed);
        match &session.path {
            Path::Datagrams(datagrams) => {
                for packet in &packets {
                    datagrams.send_rtp(packet).await;
                }
                Ok(())
            }
            Path::Interleaved(channel, _) => {
                let mut out = Vec::with_capacity(picture.annexb.len() + 20 * packets.len());
                for packet in &packets {
                    interleave(*channel, packet, &mut out);
                }
                self.send(&out).await
            }
        }
    }

    /// Sends a sender report, unless the faults forbid it or there is no clock yet.
    async fn report(&mut self) -> Result<(), Ended> {
        let (studio, Some(session)) = (&self.studio, self.session.as_mut()) else { return Ok(()) };
        let Some(now) = studio.capture_now().filter(|_| studio.faults().sender_reports && !studio.stalled()) else {
            return Ok(());
        };
        session.reported = true;
        let report = session.sender.report(now, studio.options.clock_error_ns);
        studio.counts.reports.fetch_add(1, Relaxed);
        self.send_rtcp(&report).await
    }

    /// Tells a playing client that the stream ends.
    pub async fn goodbye(&mut self) -> Result<(), Ended> {
        let playing = self.session.as_ref().filter(|session| session.pictures.is_some());
        let Some(goodbye) = playing.map(|session| session.sender.goodbye()) else { return Ok(()) };
        self.send_rtcp(&goodbye).await
    }

    async fn send_rtcp(&mut self, packet: &[u8]) -> Result<(), Ended> {
        match self.session.as_ref().map(|session| &session.path) {
            None => Ok(()),
            Some(Path::Datagrams(datagrams)) => {
                datagrams.send_rtcp(packet).await;
                Ok(())
            }
            Some(Path::Interleaved(_, channel)) => {
                let mut out = Vec::with_capacity(packet.len() + 4);
                interleave(*channel, packet, &mut out);
                self.send(&out).await
            }
        }
    }
}

impl Session {
    /// The packets after the camera's faults: some are missing, some have a byte changed.
    fn spoilt(&mut self, mut packets: Vec<Vec<u8>>, faults: Faults, studio: &Studio) -> Vec<Vec<u8>> {
        let dice = &mut self.dice;
        let hit = |dice: &mut Pcg32, one_in: u32| one_in > 0 && dice.next_u32().is_multiple_of(one_in);
        let before = packets.len();
        packets.retain(|_| !hit(dice, faults.drop_one_in));
        studio.counts.packets_dropped.fetch_add((before - packets.len()) as u64, Relaxed);
        for packet in &mut packets {
            if hit(dice, faults.corrupt_one_in) {
                // Behind the RTP and the FU header, so that only the picture is damaged.
                let place = 14 + dice.next_u32() as usize % packet.len().saturating_sub(14).max(1);
                if let Some(byte) = packet.get_mut(place) {
                    *byte ^= 1 << (dice.next_u32() % 8);
                    studio.counts.packets_corrupted.fetch_add(1, Relaxed);
                }
            }
        }
        packets
    }
}

/// Waits for what concerns the session; for ever without one. Safe to cancel.
async fn happens(session: Option<&mut Session>, silent_at: Instant) -> Happened {
    let Some(session) = session else { return std::future::pending().await };
    let Session { path, pictures, reported, ticker, .. } = session;
    let picture = async {
        match pictures {
            Some(pictures) => pictures.recv().await,
            None => None,
        }
    };
    let datagrams = matches!(path, Path::Datagrams(_));
    let heard = async {
        match path {
            Path::Datagrams(datagrams) => datagrams.heard().await,
            Path::Interleaved(..) => std::future::pending().await,
        }
    };
    tokio::select! {
        Some(picture) = picture => Happened::Picture(picture),
        _ = ticker.tick(), if *reported => Happened::ReportDue,
        () = heard => Happened::Heard,
        // An interleaved session lives as long as its connection.
        () = sleep_until(silent_at), if datagrams => Happened::Silent,
        else => std::future::pending().await,
    }
}

/// Appends one packet as interleaved binary data (RFC 2326, 10.12).
fn interleave(channel: u8, packet: &[u8], out: &mut Vec<u8>) {
    let Ok(length) = u16::try_from(packet.len()) else { return };
    out.extend_from_slice(&[b'$', channel]);
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(packet);
}
