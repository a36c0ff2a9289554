//! A lease: what is sent to somebody ends when they are nobody any more. A follower shows at least every ten seconds
//! that it is alive, so it outlives its key by no more than that.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use axum::response::Response;
use http_body::{Frame, SizeHint};
use kinora_access::Principal;

pub fn until_gone(principal: Arc<Principal>, response: Response) -> Response {
    // What is there as a whole is sent at once.
    if response.body().size_hint().exact().is_some() {
        return response;
    }
    response.map(|body| Body::new(Leased { principal, body }))
}

struct Leased {
    principal: Arc<Principal>,
    body: Body,
}

impl HttpBody for Leased {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if self.principal.is_gone() {
            return Poll::Ready(Some(Err(axum::Error::new("the key was revoked, or has expired"))));
        }
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
