//! The broker sink: scenes, events, statistics and a retained status, over connections that come and go.
//!
//! Scenes are worth something while they are fresh: while the broker is away they are dropped and counted. Events are kept until the
//! broker has acknowledged them, across connections, up to `queue` of them.

mod error;
mod kept;
mod link;
mod session;
mod tls;

pub use error::MqttError;
pub use session::MqttSink;

use crate::config::Mqtt;
use link::{CONNECT_LIMIT, Dial, Heard};

/// Connects once and disconnects again: what `arenad check` asks. Needs its own thread without a tokio runtime; takes at most 6 s.
pub fn probe(config: &Mqtt) -> Result<(), MqttError> {
    let dial = Dial::new(config, format!("arenad-check-{}", std::process::id()), None)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| MqttError::Unreachable { broker: dial.broker(), what: error.to_string() })?;
    runtime.block_on(async {
        let (publisher, mut driver) = dial.open();
        let welcome = async {
            while driver.poll(false).await? != Heard::Welcome {}
            publisher.disconnect(CONNECT_LIMIT / 10);
            // The broker has let us in: whether it also hears the farewell does not matter.
            while driver.poll(true).await.unwrap_or(Heard::Farewell) != Heard::Farewell {}
            Ok(())
        };
        let limit = CONNECT_LIMIT + CONNECT_LIMIT / 5;
        tokio::time::timeout(limit, welcome)
            .await
            .unwrap_or_else(|_| Err(MqttError::NoAnswer { broker: dial.broker(), seconds: CONNECT_LIMIT.as_secs() }))
    })
}
