//! What can go wrong between the daemon and its broker, in words that say what to do.

use std::path::PathBuf;

/// What is wrong with the broker connection. All but `File` pass: the connection is tried again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MqttError {
    /// A certificate or key cannot be used.
    #[error("mqtt {file}: {what}; give a PEM file", file = file.display())]
    File {
        /// Which file.
        file: PathBuf,
        /// What was got.
        what: String,
    },
    /// No connection.
    #[error("mqtt broker {broker}: cannot connect: {what}; start the broker or correct host and port in [mqtt]")]
    Unreachable {
        /// Host and port.
        broker: String,
        /// The system's words.
        what: String,
    },
    /// Connected, but no answer in time.
    #[error(
        "mqtt broker {broker}: no answer within {seconds} s; check that an MQTT broker listens there and that TLS is set on both sides or on neither"
    )]
    NoAnswer {
        /// Host and port.
        broker: String,
        /// How long was waited.
        seconds: u64,
    },
    /// The certificate or the TLS handshake was not accepted.
    #[error(
        "mqtt broker {broker}: the TLS handshake failed: {what}; give the authority that signed the broker's certificate as ca_file in [mqtt.tls], and the client certificate where the broker asks for one"
    )]
    Tls {
        /// Host and port.
        broker: String,
        /// The library's words.
        what: String,
    },
    /// Wrong user name or password, or no right to connect.
    #[error("mqtt broker {broker}: refused {who}; correct the user name and the password file in [mqtt]")]
    Login {
        /// Host and port.
        broker: String,
        /// Who asked, without the password.
        who: String,
    },
    /// The broker does not speak the configured version.
    #[error("mqtt broker {broker}: does not speak {version}; set the other version in [mqtt] (\"5\" or \"3.1.1\")")]
    Version {
        /// Host and port.
        broker: String,
        /// What was asked for.
        version: &'static str,
    },
    /// Refused for another reason.
    #[error("mqtt broker {broker}: refused the connection: {what}; look into the broker's log")]
    Refused {
        /// Host and port.
        broker: String,
        /// The broker's reason.
        what: String,
    },
    /// Nothing came from the broker although it had to acknowledge.
    #[error("mqtt broker {broker}: silent for {seconds} s; the connection was given up")]
    Silent {
        /// Host and port.
        broker: String,
        /// How long.
        seconds: u64,
    },
    /// The broker gave the arena's name to another client.
    #[error(
        "mqtt broker {broker}: another client took the name {client}; run one daemon an arena, each with its own arena name"
    )]
    TakenOver {
        /// Host and port.
        broker: String,
        /// The client's name.
        client: String,
    },
    /// An established connection ended.
    #[error("mqtt broker {broker}: the connection broke: {what}")]
    Broken {
        /// Host and port.
        broker: String,
        /// The system's or the broker's words.
        what: String,
    },
}

impl MqttError {
    /// Two errors of one kind are one state of the connection, logged once.
    pub(super) fn same_kind(&self, other: &Self) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other)
    }
}
