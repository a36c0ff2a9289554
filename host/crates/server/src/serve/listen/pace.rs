//! The pace of a body: it has to come, if slowly. One that trickles would hold the memory that it was given for ever.

use std::error::Error;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Bytes, HttpBody};
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;
use kinora_engine::limits::HttpLimits;
use tokio::time::{Instant, Sleep};

/// A body that comes too slowly.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the body came more slowly than {bytes} bytes in {seconds} seconds")]
pub struct TooSlow {
    pub bytes: usize,
    pub seconds: u64,
}

impl TooSlow {
    /// Whether this is why something failed.
    pub fn in_causes_of<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a Self> {
        let mut cause = Some(error);
        while let Some(error) = cause {
            if let Some(slow) = error.downcast_ref() {
                return Some(slow);
            }
            cause = error.source();
        }
        None
    }
}

pub struct Paced {
    body: Incoming,
    limits: HttpLimits,
    /// Bytes since the deadline was set.
    bytes: usize,
    deadline: Instant,
    /// Only once there was something to wait for.
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Paced {
    pub fn new(body: Incoming, limits: HttpLimits) -> Self {
        let deadline = Instant::now() + Duration::from_secs(limits.body_seconds);
        Self { body, limits, bytes: 0, deadline, sleep: None }
    }

    fn received(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_add(bytes);
        if self.bytes >= self.limits.body_bytes {
            self.bytes = 0;
            self.deadline = Instant::now() + Duration::from_secs(self.limits.body_seconds);
            if let Some(sleep) = &mut self.sleep {
                sleep.as_mut().reset(self.deadline);
            }
        }
    }
}

impl HttpBody for Paced {
    type Data = Bytes;
    type Error = Box<dyn Error + Send + Sync>;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        match Pin::new(&mut self.body).poll_frame(context) {
            Poll::Ready(Some(Ok(frame))) => {
                self.received(frame.data_ref().map_or(0, Bytes::len));
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(ended) => Poll::Ready(ended.map(|frame| frame.map_err(Into::into))),
            Poll::Pending => {
                let deadline = self.deadline;
                let sleep = self.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
                if sleep.as_mut().poll(context).is_pending() {
                    return Poll::Pending;
                }
                let HttpLimits { body_bytes: bytes, body_seconds: seconds, .. } = self.limits;
                Poll::Ready(Some(Err(TooSlow { bytes, seconds }.into())))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
