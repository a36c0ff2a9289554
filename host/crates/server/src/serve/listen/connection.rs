//! One connection, from its handshake to its end.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::extract::{ConnectInfo, Request};
use axum::response::Response;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use kinora_engine::limits::HttpLimits;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_io_timeout::TimeoutStream;
use tokio_util::sync::CancellationToken;
use tower_service::Service;

use super::activity::{Activity, Answer, UnderWay};
use super::connections::Place;
use super::pace::Paced;
use super::tls::{Protocol, Tls};

/// Bytes of a request's head: addresses have filters in them.
const HEAD_BYTES: usize = 128 << 10;

/// Requests at once on a connection of HTTP/2.
const STREAMS: u32 = 128;

/// How long a connection may go on with what it is at once it has to go.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Said to whom there is no place for, as well as it can be without reading what they ask.
const FULL: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\nretry-after: 1\r\ncontent-length: 0\r\n\r\n";

pub fn turn_away(stream: &TcpStream) {
    tracing::debug!("a connection was turned away: all are at work");
    let _ = stream.try_write(FULL);
}

pub async fn serve<S, F>(
    stream: TcpStream,
    peer: SocketAddr,
    tls: Option<Arc<Tls>>,
    service: S,
    limits: HttpLimits,
    place: Place,
    stop: CancellationToken,
) where
    S: Service<Request, Response = Response, Error = Infallible, Future = F> + Clone + Send + 'static,
    F: Future<Output = Result<Response, Infallible>> + Send + 'static,
{
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(Duration::from_secs(limits.send_seconds)));
    let close = place.activity.close.clone();
    let service = OfConnection { service, peer, limits, activity: Arc::clone(&place.activity) };
    let stream = Box::pin(stream);
    match tls {
        None => speak_http1(stream, service, close, stop).await,
        Some(tls) => {
            let shaken = tokio::select! {
                () = close.cancelled() => return,
                shaken = tls.accept(stream) => shaken,
            };
            match shaken {
                Ok((stream, Protocol::Http1)) => speak_http1(stream, service, close, stop).await,
                Ok((stream, Protocol::Http2)) => speak_http2(stream, service, close, stop).await,
                Err(cause) => tracing::debug!(%peer, %cause, "no handshake"),
            }
        }
    }
}

async fn speak_http1<I, S, F>(io: I, service: OfConnection<S>, close: CancellationToken, stop: CancellationToken)
where
    I: AsyncRead + AsyncWrite + Unpin,
    S: Service<Request, Response = Response, Error = Infallible, Future = F> + Clone,
    F: Future<Output = Result<Response, Infallible>> + Send + 'static,
{
    let mut builder = http1::Builder::new();
    // Deadlines are watched from outside: hyper has one for heads and for being idle alike.
    builder.timer(TokioTimer::new()).header_read_timeout(None).max_header_size(HEAD_BYTES).max_buf_size(HEAD_BYTES);
    let connection = builder.serve_connection(TokioIo::new(io), service);
    spoken(connection, |connection| connection.graceful_shutdown(), close, stop).await;
}

async fn speak_http2<I, S, F>(io: I, service: OfConnection<S>, close: CancellationToken, stop: CancellationToken)
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    S: Service<Request, Response = Response, Error = Infallible, Future = F> + Clone,
    F: Future<Output = Result<Response, Infallible>> + Send + 'static,
{
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder.timer(TokioTimer::new()).max_concurrent_streams(STREAMS);
    builder.max_header_list_size(u32::try_from(HEAD_BYTES).unwrap_or(u32::MAX));
    let connection = builder.serve_connection(TokioIo::new(io), service);
    spoken(connection, |connection| connection.graceful_shutdown(), close, stop).await;
}

/// A connection to its end: its own, that of the host, or soon after it has to go. `close` is set with `stop`, too.
async fn spoken<C: Future>(
    connection: C,
    shut_down: impl Fn(Pin<&mut C>),
    close: CancellationToken,
    stop: CancellationToken,
) {
    let mut connection = pin!(connection);
    tokio::select! {
        biased;
        _ = connection.as_mut() => return,
        () = close.cancelled() => {}
    }
    shut_down(connection.as_mut());
    if stop.is_cancelled() {
        let _ = connection.await;
    } else {
        let _ = tokio::time::timeout(LAST_WORDS, connection).await;
    }
}

/// The service, for one connection.
struct OfConnection<S> {
    service: S,
    peer: SocketAddr,
    limits: HttpLimits,
    activity: Arc<Activity>,
}

impl<S, F> hyper::service::Service<hyper::Request<Incoming>> for OfConnection<S>
where
    S: Service<Request, Response = Response, Error = Infallible, Future = F> + Clone,
    F: Future<Output = Result<Response, Infallible>> + Send + 'static,
{
    type Response = hyper::Response<Answer>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn call(&self, request: hyper::Request<Incoming>) -> Self::Future {
        let under_way = UnderWay::begin(&self.activity);
        let limits = self.limits;
        let mut request = request.map(|body| match body.is_end_stream() {
            true => Body::empty(),
            false => Body::new(Paced::new(body, limits)),
        });
        request.extensions_mut().insert(ConnectInfo(self.peer));
        // Ready at any time: a clone is one that nobody else waits for.
        let answer = self.service.clone().call(request);
        Box::pin(async move {
            let response = answer.await?;
            Ok(response.map(|body| Answer { body, _under_way: under_way }))
        })
    }
}
