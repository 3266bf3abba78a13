//! The answer to each RTSP request (RFC 2326).

use super::connection::{Connection, Ended, Path, Session};
use super::describe::{TRACK, sdp};
use super::rtp::Sender;
use super::transport::{Asked, Datagrams};
use rand_pcg::Pcg32;
use rtsp_types::headers::{
    AUTHORIZATION, CACHE_CONTROL, CONTENT_BASE, CONTENT_TYPE, CSEQ, PUBLIC, RANGE, RTP_INFO, SERVER, SESSION,
    TRANSPORT, WWW_AUTHENTICATE,
};
use rtsp_types::{HeaderName, Method, Request, Response, ResponseBuilder, StatusCode, Url, Version};
use std::time::Duration;
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};

/// How long `DESCRIBE` waits for the first key picture.
const FIRST_PICTURE: Duration = Duration::from_secs(5);
const METHODS: &str = "OPTIONS, DESCRIBE, SETUP, PLAY, PAUSE, GET_PARAMETER, SET_PARAMETER, TEARDOWN";

/// An answer without its `CSeq`: what to say, which headers to add, and the body.
struct Answer {
    status: StatusCode,
    headers: Vec<(HeaderName, String)>,
    body: Vec<u8>,
}

impl Answer {
    fn of(status: StatusCode) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new() }
    }

    fn with(mut self, name: HeaderName, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

impl Connection {
    /// Answers one request; an error when it was the last.
    pub async fn answer(&mut self, request: Request<Vec<u8>>) -> Result<(), Ended> {
        let last = request.method() == Method::Teardown;
        let answer = match self.refused(&request) {
            Some(refusal) => refusal,
            None => self.decide(&request).await,
        };
        let torn_down = last && answer.status == StatusCode::Ok;
        let mut builder: ResponseBuilder = Response::builder(Version::V1_0, answer.status).header(SERVER, "arenad");
        if answer.status == StatusCode::Ok {
            builder = builder.reason_phrase("OK"); // some clients compare the words
        }
        if let Some(number) = request.header(&CSEQ) {
            builder = builder.header(CSEQ, number.as_str());
        }
        for (name, value) in answer.headers {
            builder = builder.header(name, value);
        }
        let mut out = Vec::new();
        if builder.build(answer.body).write(&mut out).is_err() {
            return Err(Ended::NotRtsp);
        }
        self.send(&out).await?;
        if torn_down { Err(Ended::TornDown) } else { Ok(()) }
    }

    /// What is wrong with a request before its method is looked at.
    fn refused(&self, request: &Request<Vec<u8>>) -> Option<Answer> {
        let method = request.method();
        if request.version() != Version::V1_0 {
            return Some(Answer::of(StatusCode::RTSPVersionNotSupported));
        }
        if request.header(&CSEQ).is_none() {
            return Some(Answer::of(StatusCode::BadRequest));
        }
        if method == Method::Options {
            return None;
        }
        if let Some(auth) = &self.studio.options.auth {
            let nonce = &self.studio.nonce;
            let name: &str = method.into();
            let proof = request.header(&AUTHORIZATION).map_or("", |value| value.as_str());
            if !auth.accepts(proof, name, nonce) {
                let challenge = auth.challenge(nonce);
                return Some(Answer::of(StatusCode::Unauthorized).with(WWW_AUTHENTICATE, challenge));
            }
        }
        let path = request.request_uri().map_or("", Url::path).trim_end_matches('/');
        let own = self.studio.options.path.trim_end_matches('/');
        let track = path.strip_prefix(own).is_some_and(|rest| rest.is_empty() || rest.strip_prefix('/') == Some(TRACK));
        if !track && (request.request_uri().is_some() || method == Method::Describe) {
            return Some(Answer::of(StatusCode::NotFound));
        }
        let named = request.header(&SESSION).map(|value| value.as_str().split(';').next().unwrap_or("").trim());
        let known = self.session.as_ref().map(|session| session.id.as_str());
        let needs = [Method::Play, Method::Pause, Method::Teardown].contains(method);
        if (named.is_some() && named != known) || (needs && named.is_none()) {
            return Some(Answer::of(StatusCode::SessionNotFound));
        }
        None
    }

    async fn decide(&mut self, request: &Request<Vec<u8>>) -> Answer {
        match request.method() {
            Method::Options => self.in_session(Answer::of(StatusCode::Ok).with(PUBLIC, METHODS)),
            Method::Describe => self.describe(request).await,
            Method::Setup => self.setup(request).await,
            Method::Play => self.play(request),
            Method::Pause => {
                if let Some(session) = self.session.as_mut() {
                    session.pictures = None;
                }
                self.in_session(Answer::of(StatusCode::Ok))
            }
            Method::GetParameter | Method::SetParameter => self.in_session(Answer::of(StatusCode::Ok)),
            Method::Teardown => Answer::of(StatusCode::Ok),
            _ => Answer::of(StatusCode::NotImplemented).with(PUBLIC, METHODS),
        }
    }

    /// Names the session, where there is one.
    fn in_session(&self, answer: Answer) -> Answer {
        let Some(session) = &self.session else { return answer };
        let seconds = self.studio.options.session_timeout.as_secs().max(1);
        answer.with(SESSION, format!("{};timeout={seconds}", session.id))
    }

    async fn describe(&self, request: &Request<Vec<u8>>) -> Answer {
        let mut known = self.studio.sets.subscribe();
        let waited = timeout(FIRST_PICTURE, known.wait_for(Option::is_some)).await;
        let Ok(Ok(sets)) = waited else { return Answer::of(StatusCode::ServiceUnavailable) };
        let Some(sets) = sets.clone() else { return Answer::of(StatusCode::ServiceUnavailable) };
        let mut answer = Answer::of(StatusCode::Ok)
            .with(CONTENT_TYPE, "application/sdp")
            .with(CONTENT_BASE, self.base(request))
            .with(CACHE_CONTROL, "no-cache");
        answer.body = sdp(self.local, &sets, self.studio.options.rate).into_bytes();
        answer
    }

    /// The camera's address as the client wrote it, ending with a slash, without user and password.
    fn base(&self, request: &Request<Vec<u8>>) -> String {
        let host = request.request_uri().map_or("", |url| url.host_str().unwrap_or(""));
        let port = request.request_uri().and_then(Url::port).map(|port| format!(":{port}")).unwrap_or_default();
        format!("rtsp://{host}{port}{}/", self.studio.options.path.trim_end_matches('/'))
    }

    async fn setup(&mut self, request: &Request<Vec<u8>>) -> Answer {
        if self.session.as_ref().is_some_and(|session| session.pictures.is_some()) {
            return Answer::of(StatusCode::MethodNotValidInThisState);
        }
        let options = &self.studio.options;
        if self.studio.clients() >= options.clients_max {
            return Answer::of(StatusCode::NotEnoughBandwidth);
        }
        let header = request.header(&TRANSPORT).map_or("", |value| value.as_str());
        let Some(asked) = Asked::first(header, options.tcp, options.udp) else {
            return Answer::of(StatusCode::UnsupportedTransport);
        };
        let seed = options.seed.wrapping_add(self.number);
        let sender = Sender::new(seed.wrapping_add(1));
        let ssrc = sender.ssrc;
        let (path, transport) = match asked {
            Asked::Interleaved(rtp, rtcp) => (
                Path::Interleaved(rtp, rtcp),
                format!("RTP/AVP/TCP;unicast;interleaved={rtp}-{rtcp};ssrc={ssrc:08X};mode=\"PLAY\""),
            ),
            Asked::Datagrams(rtp, rtcp) => {
                let Ok(datagrams) = Datagrams::open(self.local, self.peer, (rtp, rtcp)).await else {
                    return Answer::of(StatusCode::InternalServerError);
                };
                let (own_rtp, own_rtcp) = datagrams.ports();
                let text = format!(
                    "RTP/AVP;unicast;client_port={rtp}-{rtcp};server_port={own_rtp}-{own_rtcp};ssrc={ssrc:08X};mode=\"PLAY\""
                );
                (Path::Datagrams(datagrams), text)
            }
        };
        let every = options.report_every.max(Duration::from_millis(10));
        let mut ticker = interval_at(Instant::now() + every, every);
        ticker.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let id = self.session.take().map_or_else(|| format!("{ssrc:08X}{:04X}", self.number), |old| old.id);
        let dice = Pcg32::new(seed, 0x0fa1);
        self.session = Some(Session { id, path, sender, pictures: None, reported: false, ticker, dice });
        self.in_session(Answer::of(StatusCode::Ok)).with(TRANSPORT, transport)
    }

    fn play(&mut self, request: &Request<Vec<u8>>) -> Answer {
        let base = self.base(request);
        let newest = self.studio.newest();
        let Some(session) = self.session.as_mut() else { return Answer::of(StatusCode::SessionNotFound) };
        if session.pictures.is_none() {
            session.pictures = Some(self.studio.watch());
            session.reported = false;
        }
        // The next picture's time is not known yet; the newest one's lies before it, so that no client sees time run back.
        let time = newest.map(|time| format!(";rtptime={}", session.sender.timestamp(time))).unwrap_or_default();
        let info = format!("url={base}{TRACK};seq={}{time}", session.sender.sequence);
        self.in_session(Answer::of(StatusCode::Ok)).with(RANGE, "npt=0.000-").with(RTP_INFO, info)
    }
}
