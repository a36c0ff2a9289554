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

use crate::router::service;
use kinora_engine as engine;
use kinora_engine::limits::Limits;
use kinora_engine::{DataFolder, Engine, data};
use kinora_log as log;

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
    /// The program that compiles modules in processes of its own: one that passes `kinora_sandbox::CHILD_COMMAND` to
    /// `kinora_sandbox::compile_child`.
    pub compiler: PathBuf,
}

/// A host that is open and has its address. Nobody is answered before [`Serving::until`].
pub struct Serving {
    listener: TcpListener,
    address: SocketAddr,
    engine: Engine,
}

#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    #[error(transparent)]
    Data(#[from] data::Error),
    #[error("cannot listen on {address}: {cause}; choose another address with --listen")]
    Listen { address: SocketAddr, cause: io::Error },
    #[error(transparent)]
    Engine(#[from] engine::Error),
    #[error("the server failed: {0}")]
    Server(io::Error),
}

/// Serves until the process is told to stop (SIGINT or SIGTERM); then answers what is under way and closes the log.
pub async fn serve(options: Options) -> Result<(), Error> {
    let data = options.data.clone();
    let serving = Serving::open(options).await?;
    // Whoever reads that the host serves may stop it at once.
    let told = told_to_stop();
    let (address, events) = (serving.address, serving.engine.log().progress().0);
    tracing::info!(%address, data = %data.display(), events, "serving");
    serving.until(told).await?;
    tracing::info!("stopped");
    Ok(())
}

impl Serving {
    /// Opens what is in the data folder, and listens.
    pub async fn open(options: Options) -> Result<Self, Error> {
        let Options { data, listen, log, backups, limits, compiler } = options;
        let data = DataFolder::claim(data)?;
        let listener = TcpListener::bind(listen).await.map_err(|cause| Error::Listen { address: listen, cause })?;
        let engine = Engine::open(&data, engine::Options { log, backups, limits, compiler })?;
        let address = listener.local_addr().map_err(Error::Server)?;
        Ok(Self { listener, address, engine })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until it is told to stop; then answers what is under way and stops the engine.
    pub async fn until(self, told: impl Future<Output = ()>) -> Result<(), Error> {
        let Self { listener, engine, .. } = self;
        let (log, projections) = (engine.log().clone(), Arc::clone(engine.projections()));
        let service = service(log, projections, engine.backups().cloned(), engine.limits().clone());
        let service = ServiceExt::<Request>::into_make_service_with_connect_info::<SocketAddr>(service);
        let stop = CancellationToken::new();
        let server =
            axum::serve(listener, service).with_graceful_shutdown(stop.clone().cancelled_owned()).into_future();
        tokio::pin!(server, told);
        tokio::select! {
            ended = &mut server => return ended.map_err(Error::Server),
            () = told => stop.cancel(),
        }
        match tokio::time::timeout(GRACE, server).await {
            Ok(ended) => ended.map_err(Error::Server)?,
            Err(_) => tracing::info!("connections that were still open have been closed"),
        }
        let stopped = tokio::task::spawn_blocking(move || engine.stop()).await;
        stopped.map_err(|cause| Error::Server(io::Error::other(cause)))
    }
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
