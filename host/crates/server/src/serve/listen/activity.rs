//! Activity of a connection: whether a request is under way, or since when none is.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Instant;

use axum::body::{Body, Bytes, HttpBody};
use http_body::{Frame, SizeHint};
use tokio_util::sync::CancellationToken;

pub struct Activity {
    begun: Instant,
    /// Requests that are being answered.
    requests: AtomicU32,
    /// Milliseconds from the beginning to when the last one ended.
    idle_since: AtomicU64,
    /// Set when the connection has to go.
    pub close: CancellationToken,
}

impl Activity {
    pub fn new(close: CancellationToken) -> Self {
        let (requests, idle_since) = (AtomicU32::new(0), AtomicU64::new(0));
        Self { begun: Instant::now(), requests, idle_since, close }
    }

    /// How long it has been idle, and whether it has ever had a request; `None`, if it is at work.
    pub fn idle(&self) -> Option<Idle> {
        if self.requests.load(Ordering::Relaxed) > 0 {
            return None;
        }
        let since = self.idle_since.load(Ordering::Relaxed);
        let now = self.milliseconds();
        Some(Idle { milliseconds: now.saturating_sub(since), is_new: since == 0 })
    }

    fn milliseconds(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Idle {
    pub milliseconds: u64,
    /// Nobody has asked anything yet.
    pub is_new: bool,
}

/// A request under way, until its answer has been sent.
pub struct UnderWay(Arc<Activity>);

impl UnderWay {
    pub fn begin(activity: &Arc<Activity>) -> Self {
        activity.requests.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(activity))
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        // It is not new any more, however fast it was.
        self.0.idle_since.store(self.0.milliseconds().max(1), Ordering::Relaxed);
        self.0.requests.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The body of an answer, which is under way as long as it is there.
pub struct Answer {
    pub body: Body,
    pub _under_way: UnderWay,
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
