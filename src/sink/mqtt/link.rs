//! One connection to the broker, MQTT 5 or 3.1.1, over rumqttc's two clients.
//!
//! Each connection is a fresh client with a clean session: what has to survive it is kept by us (`kept`), because rumqttc forgets
//! messages in flight when the broker does not know the session any more.

use super::{MqttError, tls};
use crate::config::{Login, Mqtt, MqttVersion};
use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use rumqttc_v4 as v4;
use rumqttc_v5 as v5;
use std::net::Ipv6Addr;
use std::time::Duration;

/// Largest message, both ways: eight animals with 24 keypoints need 10 KB, the statistics 5 KB.
const PACKET_BYTES: u32 = 1 << 20;
/// Requests that wait for the socket; beyond it scenes are dropped.
pub(super) const REQUESTS: usize = 64;
/// A broker that has not let us in by then is given up.
pub(super) const CONNECT_LIMIT: Duration = Duration::from_secs(5);
/// When nothing at all is sent the client pings this often; the broker gives us up after one and a half times as long.
const KEEP_ALIVE_S: u16 = 5;

/// What a broker does that expects TLS and gets none, or the other way round.
const CLOSED: &str = "it closed the connection without a word, as brokers do when TLS is set on one side only";

/// How one message is delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Care {
    /// QoS 0.
    Once,
    /// QoS 1.
    Acknowledged,
    /// QoS 1, kept by the broker for whoever comes later.
    Retained,
}

/// Where and as whom to connect.
#[derive(Clone)]
pub(super) struct Dial {
    host: String,
    port: u16,
    version: MqttVersion,
    client: String,
    login: Option<Login>,
    tls: Option<v5::TlsConfiguration>,
    will: Option<(String, Bytes)>,
}

/// Sends messages into one connection. Never waits.
pub(super) enum Publisher {
    V5(v5::AsyncClient),
    V311(v4::AsyncClient),
}

/// Drives one connection.
pub(super) enum Driver {
    V5(Box<v5::EventLoop>, Dial),
    V311(Box<v4::EventLoop>, Dial),
}

/// What the connection brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// The broker let us in.
    Welcome,
    /// The broker sent anything else.
    Something,
    /// We sent something.
    Nothing,
    /// The connection ended as we asked.
    Farewell,
}

/// Resolves when the broker has acknowledged a message, or will not.
pub(super) type Acknowledgement = BoxFuture<'static, Result<(), String>>;

impl Dial {
    /// Reads the certificates. `will` is the topic and payload that the broker publishes, retained, when we go without a word.
    pub fn new(config: &Mqtt, client: String, will: Option<(String, Bytes)>) -> Result<Self, MqttError> {
        let tls = config.tls.as_ref().map(tls::configuration).transpose()?;
        let (host, port, version) = (config.host.clone(), config.port, config.version);
        Ok(Self { host, port, version, client, login: config.login.clone(), tls, will })
    }

    /// Host and port as the operator wrote them.
    pub fn broker(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// A new connection, made when the driver is first driven.
    pub fn open(&self) -> (Publisher, Driver) {
        match self.version {
            MqttVersion::V5 => {
                let (client, driver) = v5::AsyncClient::builder(self.options_v5()).capacity(REQUESTS).build();
                (Publisher::V5(client), Driver::V5(Box::new(driver), self.clone()))
            }
            MqttVersion::V311 => {
                let (client, mut driver) = v4::AsyncClient::builder(self.options_v4()).capacity(REQUESTS).build();
                driver.set_network_options(network());
                (Publisher::V311(client), Driver::V311(Box::new(driver), self.clone()))
            }
        }
    }

    /// The host as the resolver wants it beside a port; certificates are checked against the bare address.
    fn host(&self) -> String {
        match self.host.parse::<Ipv6Addr>() {
            Ok(address) if self.tls.is_none() => format!("[{address}]"),
            _ => self.host.clone(),
        }
    }

    fn options_v5(&self) -> v5::MqttOptions {
        let mut options = v5::MqttOptions::new(self.client.clone(), (self.host(), self.port));
        options.set_keep_alive(KEEP_ALIVE_S).set_clean_start(true).set_connect_timeout(CONNECT_LIMIT);
        options.set_max_packet_size(Some(PACKET_BYTES));
        options.set_network_options(network());
        if let Some(login) = &self.login {
            options.set_credentials(login.user.clone(), login.password.clone());
        }
        if let Some(tls) = &self.tls {
            options.set_transport(v5::Transport::Tls(tls.clone()));
        }
        if let Some((topic, payload)) = &self.will {
            options.set_last_will(v5::LastWill::new(topic.clone(), payload.to_vec(), v5::QoS::AtLeastOnce, true, None));
        }
        options
    }

    fn options_v4(&self) -> v4::MqttOptions {
        let mut options = v4::MqttOptions::new(self.client.clone(), (self.host(), self.port));
        options.set_keep_alive(KEEP_ALIVE_S).set_clean_session(true);
        options.set_max_packet_size(PACKET_BYTES as usize, PACKET_BYTES as usize);
        if let Some(login) = &self.login {
            options.set_credentials(login.user.clone(), login.password.clone());
        }
        if let Some(tls) = &self.tls {
            options.set_transport(v4::Transport::Tls(tls.clone()));
        }
        if let Some((topic, payload)) = &self.will {
            options.set_last_will(v4::LastWill::new(topic.clone(), payload.to_vec(), v4::QoS::AtLeastOnce, true));
        }
        options
    }

    /// A v5 refusal in our words.
    fn refused_v5(&self, code: v5::ConnectReturnCode) -> MqttError {
        use v5::ConnectReturnCode as Code;
        match code {
            Code::BadUserNamePassword | Code::NotAuthorized | Code::Banned | Code::BadAuthenticationMethod => {
                self.not_let_in()
            }
            Code::RefusedProtocolVersion | Code::UnsupportedProtocolVersion => self.wrong_version(),
            other => MqttError::Refused { broker: self.broker(), what: format!("{other:?}") },
        }
    }

    /// A v3.1.1 refusal in our words.
    fn refused_v4(&self, code: v4::ConnectReturnCode) -> MqttError {
        use v4::ConnectReturnCode as Code;
        match code {
            Code::BadUserNamePassword | Code::NotAuthorized => self.not_let_in(),
            Code::RefusedProtocolVersion => self.wrong_version(),
            other => MqttError::Refused { broker: self.broker(), what: format!("{other:?}") },
        }
    }

    fn not_let_in(&self) -> MqttError {
        let who = match &self.login {
            Some(login) => format!("user {:?} with this password", login.user),
            None => "a connection without user name and password".to_owned(),
        };
        MqttError::Login { broker: self.broker(), who }
    }

    fn wrong_version(&self) -> MqttError {
        let version = match self.version {
            MqttVersion::V5 => "MQTT 5",
            MqttVersion::V311 => "MQTT 3.1.1",
        };
        MqttError::Version { broker: self.broker(), version }
    }

    fn no_answer(&self) -> MqttError {
        MqttError::NoAnswer { broker: self.broker(), seconds: CONNECT_LIMIT.as_secs() }
    }

    /// An error of the socket or of TLS inside it.
    fn io(&self, error: &std::io::Error, welcomed: bool) -> MqttError {
        use std::io::ErrorKind as Kind;
        let (broker, what) = (self.broker(), error.to_string());
        match (welcomed, error.kind()) {
            // rustls hands its errors on as invalid data.
            (_, Kind::InvalidData) if self.tls.is_some() => MqttError::Tls { broker, what },
            (true, _) => MqttError::Broken { broker, what },
            (false, Kind::TimedOut) => self.no_answer(),
            (false, Kind::ConnectionReset | Kind::BrokenPipe | Kind::UnexpectedEof) => self.closed(false),
            (false, _) => MqttError::Unreachable { broker, what },
        }
    }

    /// The other side closed the socket.
    fn closed(&self, welcomed: bool) -> MqttError {
        let broker = self.broker();
        if welcomed {
            MqttError::Broken { broker, what: "the broker closed it".to_owned() }
        } else {
            MqttError::Refused { broker, what: CLOSED.to_owned() }
        }
    }
}

fn network() -> v5::NetworkOptions {
    let mut network = v5::NetworkOptions::new();
    // A scene is one small packet: waiting for more to send with it would only age it.
    network.set_tcp_nodelay(true);
    network.set_connection_timeout(CONNECT_LIMIT.as_secs());
    network
}

impl Publisher {
    /// Hands one message to the connection; false when it has no room (or is gone).
    pub fn publish(&self, topic: &str, payload: Bytes, care: Care) -> bool {
        match self {
            Self::V5(client) => client.try_publish(topic, payload, options_v5(care)).is_ok(),
            Self::V311(client) => client.try_publish(topic, payload, options_v4(care)).is_ok(),
        }
    }

    /// The same, and says when the broker has it.
    pub fn publish_acknowledged(&self, topic: &str, payload: Bytes, care: Care) -> Option<Acknowledgement> {
        match self {
            Self::V5(client) => {
                let notice = client.try_publish_tracked(topic, payload, options_v5(care)).ok()?;
                Some(notice.wait_completion_async().map(|result| result.map_err(|error| error.to_string())).boxed())
            }
            Self::V311(client) => {
                let notice = client.try_publish_tracked(topic, payload, options_v4(care)).ok()?;
                Some(notice.wait_completion_async().map(|result| result.map_err(|error| error.to_string())).boxed())
            }
        }
    }

    /// Asks for the end of the connection once everything sent is acknowledged, at the latest after `limit`.
    pub fn disconnect(&self, limit: Duration) -> bool {
        match self {
            Self::V5(client) => client.try_disconnect_with_timeout(limit).is_ok(),
            Self::V311(client) => client.try_disconnect_with_timeout(limit).is_ok(),
        }
    }
}

fn options_v5(care: Care) -> v5::PublishOptions {
    match care {
        Care::Once => v5::PublishOptions::at_most_once(),
        Care::Acknowledged => v5::PublishOptions::at_least_once(),
        Care::Retained => v5::PublishOptions::at_least_once().retained(),
    }
}

fn options_v4(care: Care) -> v4::PublishOptions {
    match care {
        Care::Once => v4::PublishOptions::at_most_once(),
        Care::Acknowledged => v4::PublishOptions::at_least_once(),
        Care::Retained => v4::PublishOptions::at_least_once().retained(),
    }
}

impl Driver {
    /// Works until the connection brings something. After an error the driver must be dropped: it would connect again by itself.
    pub async fn poll(&mut self, welcomed: bool) -> Result<Heard, MqttError> {
        match self {
            Self::V5(driver, dial) => match driver.poll().await {
                Ok(v5::Event::Incoming(v5::Packet::ConnAck(_))) => Ok(Heard::Welcome),
                Ok(v5::Event::Incoming(_)) => Ok(Heard::Something),
                Ok(v5::Event::Outgoing(v5::Outgoing::Disconnect)) => Ok(Heard::Farewell),
                Ok(_) => Ok(Heard::Nothing),
                Err(v5::ConnectionError::RequestsDone) => Ok(Heard::Farewell),
                Err(error) => Err(dial.error_v5(error, welcomed)),
            },
            Self::V311(driver, dial) => match driver.poll().await {
                Ok(v4::Event::Incoming(v4::Packet::ConnAck(_))) => Ok(Heard::Welcome),
                Ok(v4::Event::Incoming(_)) => Ok(Heard::Something),
                Ok(v4::Event::Outgoing(v4::Outgoing::Disconnect)) => Ok(Heard::Farewell),
                Ok(_) => Ok(Heard::Nothing),
                Err(v4::ConnectionError::RequestsDone) => Ok(Heard::Farewell),
                Err(error) => Err(dial.error_v4(error, welcomed)),
            },
        }
    }
}

impl Dial {
    fn error_v5(&self, error: v5::ConnectionError, welcomed: bool) -> MqttError {
        use v5::{ConnectionError as E, StateError as S};
        let broker = self.broker();
        match error {
            E::Io(error)
            | E::MqttState(S::Io(error) | S::Deserialization(v5::Error::Io(error)))
            | E::Tls(v5::TlsError::Io(error)) => self.io(&error, welcomed),
            E::Tls(error) => MqttError::Tls { broker, what: error.to_string() },
            E::Timeout(_) => self.no_answer(),
            E::ConnectionRefused(code) | E::MqttState(S::ConnFail { reason: code }) => self.refused_v5(code),
            E::MqttState(S::ConnectionAborted) => self.closed(welcomed),
            E::MqttState(S::ServerDisconnect { reason_code: v5::DisconnectReasonCode::SessionTakenOver, .. }) => {
                MqttError::TakenOver { broker, client: self.client.clone() }
            }
            other => MqttError::Broken { broker, what: other.to_string() },
        }
    }

    fn error_v4(&self, error: v4::ConnectionError, welcomed: bool) -> MqttError {
        use v4::{ConnectionError as E, StateError as S};
        let broker = self.broker();
        match error {
            E::Io(error)
            | E::MqttState(S::Io(error) | S::Deserialization(v4::Error::Io(error)))
            | E::Tls(v4::TlsError::Io(error)) => self.io(&error, welcomed),
            E::Tls(error) => MqttError::Tls { broker, what: error.to_string() },
            E::NetworkTimeout | E::FlushTimeout => self.no_answer(),
            E::ConnectionRefused(code) => self.refused_v4(code),
            E::MqttState(S::ConnectionAborted) => self.closed(welcomed),
            other => MqttError::Broken { broker, what: other.to_string() },
        }
    }
}
