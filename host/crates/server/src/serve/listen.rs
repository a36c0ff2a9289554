//! Connections: who is let onto the line, for how long, and who has to go when there is no room.
//!
//! hyper speaks HTTP on each of them. What it has no deadline for is watched from here: a connection that has sent no
//! whole request, that is idle, that does not take what is sent to it.

mod activity;
mod connection;
mod connections;
mod pace;
pub mod tls;

use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::Request;
use axum::response::Response;
use kinora_engine::limits::HttpLimits;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tower_service::Service;

use connections::Connections;
pub use pace::TooSlow;
use tls::Tls;

/// How often deadlines are looked at.
const LOOK: Duration = Duration::from_millis(250);

/// What to wait for when there are no more descriptors: connections close meanwhile.
const NO_DESCRIPTORS: Duration = Duration::from_millis(100);

/// A place where connections come in.
pub struct Door {
    pub listener: TcpListener,
    pub tls: Option<Arc<Tls>>,
    /// As they are now: a connection has those of its beginning.
    pub limits: watch::Receiver<HttpLimits>,
    /// Connections at once, whatever the limits say.
    pub most: Option<usize>,
}

impl Door {
    /// Serves connections until told to stop, then until those that are open have ended what they are at.
    pub async fn serve<S, F>(self, service: S, stop: CancellationToken)
    where
        S: Service<Request, Response = Response, Error = Infallible, Future = F> + Clone + Send + 'static,
        F: Future<Output = Result<Response, Infallible>> + Send + 'static,
    {
        let Self { listener, tls, limits, most } = self;
        let connections = Connections::new(limits.clone(), most, stop.clone());
        let mut open = JoinSet::new();
        let mut look = tokio::time::interval(LOOK);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                _ = look.tick() => connections.close_overdue(),
                Some(_) = open.join_next() => {}
                accepted = listener.accept() => match accepted {
                    Ok((stream, peer)) => {
                        let _ = stream.set_nodelay(true);
                        match connections.admit(peer.ip()) {
                            Some(place) => {
                                let (service, tls, stop) = (service.clone(), tls.clone(), stop.clone());
                                let limits = *limits.borrow();
                                open.spawn(connection::serve(stream, peer, tls, service, limits, place, stop));
                            }
                            None => connection::turn_away(&stream),
                        }
                    }
                    Err(cause) if is_of_connection(&cause) => {}
                    Err(cause) => {
                        tracing::error!(%cause, "no connection can be taken: is the limit of open files too low?");
                        tokio::time::sleep(NO_DESCRIPTORS).await;
                    }
                },
            }
        }
        drop(listener);
        while open.join_next().await.is_some() {}
    }
}

/// A client that went away before it was taken.
fn is_of_connection(cause: &std::io::Error) -> bool {
    use std::io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(cause.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}
