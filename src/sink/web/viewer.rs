//! One open page: pictures as fast as it draws them and no faster, statistics each second.

use super::Studio;
use axum::extract::ws::{Message, Utf8Bytes, WebSocket};
use bytes::Bytes;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

/// Pictures on their way to a page that it has not drawn yet. Two keep it busy; more would only be older when drawn.
const UNDRAWN: usize = 2;
/// A page that takes nothing for this long is gone.
const SEND_LIMIT: Duration = Duration::from_secs(10);

/// One picture with its scene, made once for all pages.
#[derive(Clone, Debug, Default)]
pub(super) struct Shown {
    /// Counts pictures made, from 1.
    pub number: u64,
    /// When the camera captured it, nanoseconds of wall-clock time.
    pub captured: crate::stamp::WallTime,
    /// Header length (u32, little endian), header (JSON), JPEG.
    pub message: Bytes,
}

/// Counts itself as long as it lives.
struct Counted(Arc<AtomicUsize>);

impl Counted {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Relaxed);
        Self(Arc::clone(count))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

/// Serves one page until it goes.
pub(super) async fn serve(socket: WebSocket, studio: Arc<Studio>) {
    let _viewer = Counted::new(&studio.known.viewers);
    let (out, incoming) = socket.split();
    let mut page = Page { out, undrawn: VecDeque::with_capacity(UNDRAWN), last: studio.pictures.borrow().number };
    if page.text(super::text(&super::Hello::new(&studio.known))).await {
        page.run(incoming, &studio).await;
    }
    let _ = tokio::time::timeout(SEND_LIMIT, page.out.close()).await;
}

struct Page {
    out: SplitSink<WebSocket, Message>,
    /// Capture times of the pictures on their way.
    undrawn: VecDeque<crate::stamp::WallTime>,
    last: u64,
}

impl Page {
    async fn run(&mut self, mut incoming: SplitStream<WebSocket>, studio: &Studio) {
        let mut pictures = studio.pictures.subscribe();
        let mut news = studio.news.subscribe();
        news.mark_changed();
        let mut age_ms = None;
        loop {
            // Pictures are made only while some page waits for one.
            let ready = (self.undrawn.len() < UNDRAWN).then(|| Counted::new(&studio.door.ready));
            tokio::select! {
                message = incoming.next() => match message {
                    Some(Ok(Message::Text(_))) => {
                        if let Some(captured) = self.undrawn.pop_front() {
                            age_ms = Some(studio.known.clock.wall().nanos_since(captured) as f64 / 1e6);
                        }
                    }
                    Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                    Some(Ok(_)) => {}
                },
                changed = pictures.changed(), if ready.is_some() => {
                    if changed.is_err() {
                        return;
                    }
                    let shown = pictures.borrow_and_update().clone();
                    if !self.picture(shown, studio).await {
                        return;
                    }
                }
                changed = news.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    let text = news.borrow_and_update().clone();
                    let age = age_ms.map(|ms: f64| format!(r#"{{"kind":"shown","age_ms":{ms:.1}}}"#));
                    if !self.text(text).await || !self.text(age.unwrap_or_default().into()).await {
                        return;
                    }
                }
            }
        }
    }

    async fn picture(&mut self, shown: Shown, studio: &Studio) -> bool {
        let missed = shown.number.saturating_sub(self.last + 1);
        studio.known.ledger.counters.web_dropped.add(missed);
        self.last = shown.number;
        self.undrawn.push_back(shown.captured);
        let age = studio.known.clock.wall().nanos_since(shown.captured).max(0);
        studio.known.ledger.latencies.capture_to_web.record(age.unsigned_abs());
        self.send(Message::Binary(shown.message)).await
    }

    /// Sends text, if there is any.
    async fn text(&mut self, text: Utf8Bytes) -> bool {
        text.is_empty() || self.send(Message::Text(text)).await
    }

    async fn send(&mut self, message: Message) -> bool {
        matches!(tokio::time::timeout(SEND_LIMIT, self.out.send(message)).await, Ok(Ok(())))
    }
}
