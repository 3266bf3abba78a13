//! A camera that follows a script: each connection answers RTSP requests as the test says and then plays given packets.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Streams as real cameras describe them, 64x48 pixels.
pub(super) const H264: &str = "m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n\
    a=fmtp:96 packetization-mode=1; sprop-parameter-sets=Z0LACtkEewEQAAADABAAAAMBQPEiZIA=,aMuDyyA=\r\n";
pub(super) const H265: &str = "m=video 0 RTP/AVP 96\r\na=rtpmap:96 H265/90000\r\n\
    a=fmtp:96 sprop-vps=QAEMAf//AWAAAAMAkAAAAwAAAwAelZgJ; \
    sprop-sps=QgEBAWAAAAMAkAAAAwAAAwAeoCCDFllZrkyvAWgIAAADAAgAAAMAUEA=; sprop-pps=RAHBc9CJ\r\n";

/// What one connection does.
#[derive(Clone, Debug, Default)]
pub(super) struct Script {
    /// Status of every answer to a request whose text contains the word; 200 for all others.
    pub(super) refuse: Option<(&'static str, &'static str)>,
    /// Media part of the description.
    pub(super) media: &'static str,
    /// Requests whose text contains this word get no answer.
    pub(super) silent_at: Option<&'static str>,
    /// What follows the answer to PLAY.
    pub(super) bytes: Vec<u8>,
    /// Close the connection after that; otherwise it stays open and silent.
    pub(super) close: bool,
}

/// A camera on loopback.
pub(super) struct Camera {
    pub(super) address: SocketAddr,
    /// Every request of every connection.
    pub(super) requests: Rc<RefCell<Vec<String>>>,
}

impl Camera {
    /// Serves one script a connection, the last one for ever. Runs on the current `LocalSet`.
    pub(super) async fn start(scripts: Vec<Script>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Rc::new(RefCell::new(Vec::new()));
        let log = Rc::clone(&requests);
        tokio::task::spawn_local(async move {
            let mut next = 0;
            while let Ok((stream, _)) = listener.accept().await {
                let script = scripts[next.min(scripts.len() - 1)].clone();
                next += 1;
                tokio::task::spawn_local(serve(stream, script, address, Rc::clone(&log)));
            }
        });
        Self { address, requests }
    }
}

/// An end of the connection that the test did not ask for is not the script's business: the test then fails by itself.
async fn serve(
    mut stream: TcpStream,
    script: Script,
    address: SocketAddr,
    log: Rc<RefCell<Vec<String>>>,
) -> Option<()> {
    let mut pending = Vec::new();
    loop {
        let request = read_request(&mut stream, &mut pending).await?;
        log.borrow_mut().push(request.clone());
        if script.silent_at.is_some_and(|word| request.contains(word)) {
            std::future::pending::<()>().await;
        }
        let cseq = request.lines().find_map(|line| line.strip_prefix("CSeq: "))?;
        let status = match script.refuse {
            Some((word, status)) if request.contains(word) => status,
            _ => "200 OK",
        };
        let head = format!("RTSP/1.0 {status}\r\nCSeq: {cseq}\r\n");
        let rest = if status.starts_with("401") {
            "WWW-Authenticate: Digest realm=\"r\", nonce=\"n\"\r\n\r\n".to_owned()
        } else if request.starts_with("DESCRIBE") {
            let sdp = format!("v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=x\r\nt=0 0\r\n{}", script.media);
            let length = sdp.len();
            format!(
                "Content-Type: application/sdp\r\nContent-Base: rtsp://{address}/\r\nContent-Length: {length}\r\n\r\n{sdp}"
            )
        } else if request.starts_with("SETUP") {
            let transport = request.lines().find(|line| line.starts_with("Transport: "))?;
            format!("Session: 1\r\n{transport};server_port=40000-40001\r\n\r\n")
        } else {
            "Session: 1\r\n\r\n".to_owned()
        };
        stream.write_all((head + &rest).as_bytes()).await.ok()?;
        if request.starts_with("PLAY") && status == "200 OK" {
            stream.write_all(&script.bytes).await.ok()?;
            if script.close {
                stream.shutdown().await.ok()?;
            }
        }
    }
}

async fn read_request(stream: &mut TcpStream, pending: &mut Vec<u8>) -> Option<String> {
    loop {
        if let Some(end) = pending.windows(4).position(|four| four == b"\r\n\r\n") {
            let request = pending.drain(..end + 4).collect();
            return String::from_utf8(request).ok();
        }
        if stream.read_buf(pending).await.ok()? == 0 {
            return None;
        }
    }
}

/// One RTP packet, interleaved on channel 0.
pub(super) fn rtp(sequence: u16, ticks: u32, mark: bool, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x80, if mark { 0xe0 } else { 0x60 }];
    packet.extend(sequence.to_be_bytes());
    packet.extend(ticks.to_be_bytes());
    packet.extend([0, 0, 0, 7]);
    packet.extend(payload);
    interleaved(0, &packet)
}

/// One RTCP sender report, interleaved on channel 1.
pub(super) fn sender_report(ntp: u64, ticks: u32) -> Vec<u8> {
    let mut packet = vec![0x80, 200, 0, 6, 0, 0, 0, 7];
    packet.extend(ntp.to_be_bytes());
    packet.extend(ticks.to_be_bytes());
    packet.extend([0; 8]);
    interleaved(1, &packet)
}

fn interleaved(channel: u8, packet: &[u8]) -> Vec<u8> {
    let length = u16::try_from(packet.len()).unwrap().to_be_bytes();
    [&[b'$', channel, length[0], length[1]], packet].concat()
}
