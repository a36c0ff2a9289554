//! A served host: an engine behind a socket, and an orderly end.

use std::future::IntoFuture;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::ServiceExt;
use axum::extract::Request;
use tokio::net::TcpListener;
use tokio::signal;
use tokio_util::sync::CancellationToken;

use kinora_engine as engine;
use kinora_engine::limits::Limits;
use kinora_engine::{DataFolder, Engine, data};
use kinora_log as log;

use crate::service as http;

/// Time for requests under way when the host is told to stop. A subscription never ends by itself.
const GRACE: Duration = Duration::from_secs(2);

#[derive(Clone, Debug)]
pub struct Options {
    /// The folder that holds everything; made if it is not there.
    pub data: PathBuf,
    pub listen: SocketAddr,
    pub log: log::Options,
    /// Where backups go; `None`: none are made.
    pub backups: Option<PathBuf>,
    pub limits: Limits,
}

#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    #[error(transparent)]
    Data(#[from] data::Error),
    #[error("cannot listen on {address}: {cause}; choose another address with --listen")]
    Listen { address: SocketAddr, cause: io::Error },
    #[error("this program does not know where it is: {0}")]
    Program(io::Error),
    #[error(transparent)]
    Engine(#[from] engine::Error),
    #[error("the server failed: {0}")]
    Server(io::Error),
}

/// Serves until the process is told to stop (SIGINT or SIGTERM); then answers what is under way and closes the log.
pub async fn serve(options: Options) -> Result<(), Error> {
    let Options { data, listen, log, backups, limits } = options;
    let data = DataFolder::claim(data)?;
    let listener = TcpListener::bind(listen).await.map_err(|cause| Error::Listen { address: listen, cause })?;
    let compiler = std::env::current_exe().map_err(Error::Program)?;
    let engine = Engine::open(&data, engine::Options { log, backups, limits, compiler })?;
    // Whoever reads that the host serves may stop it at once.
    let told = told_to_stop();
    let address = listener.local_addr().map_err(Error::Server)?;
    tracing::info!(%address, data = %data.path().display(), events = engine.log().progress().0, "serving");
    let stop = CancellationToken::new();
    let (log, projections) = (engine.log().clone(), Arc::clone(engine.projections()));
    let service = http::service(log, projections, engine.backups().cloned(), engine.limits().clone());
    let server =
        axum::serve(listener, ServiceExt::<Request>::into_make_service_with_connect_info::<SocketAddr>(service))
            .with_graceful_shutdown(stop.clone().cancelled_owned());
    let server = server.into_future();
    tokio::pin!(server);
    tokio::select! {
        ended = &mut server => return ended.map_err(Error::Server),
        () = told => stop.cancel(),
    }
    match tokio::time::timeout(GRACE, server).await {
        Ok(ended) => ended.map_err(Error::Server)?,
        Err(_) => tracing::info!("connections that were still open have been closed"),
    }
    let stopped = tokio::task::spawn_blocking(move || engine.stop()).await;
    stopped.map_err(|cause| Error::Server(io::Error::other(cause)))?;
    tracing::info!("stopped");
    Ok(())
}

/// Signals are listened for from here on; the future ends with the first of them.
fn told_to_stop() -> impl Future<Output = ()> {
    #[cfg(unix)]
    let signals =
        [signal::unix::SignalKind::terminate(), signal::unix::SignalKind::interrupt()].map(signal::unix::signal);
    async move {
        #[cfg(unix)]
        if let [Ok(mut terminate), Ok(mut interrupt)] = signals {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            return;
        }
        let _ = signal::ctrl_c().await;
    }
}
