//! A running host: a data folder, a socket, and an orderly end.

use std::future::IntoFuture;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::ServiceExt;
use axum::extract::Request;
use tokio::net::TcpListener;
use tokio::signal;
use tokio_util::sync::CancellationToken;

use crate::router::service;
use kinora_engine::backup::Backups;
use kinora_engine::limits::Limits;
use kinora_log as log;
use kinora_log::Log;
use kinora_projection as projection;
use kinora_projection::Projections;
use kinora_sandbox as sandbox;
use kinora_sandbox::Modules;
use kinora_storage::Storage;

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
    #[error("the data folder {} cannot be made: {cause}", path.display())]
    Data { path: PathBuf, cause: io::Error },
    #[error("{} is not empty and not a data folder of Kinora: choose another one", .0.display())]
    Foreign(PathBuf),
    #[error("cannot listen on {address}: {cause}; choose another address with --listen")]
    Listen { address: SocketAddr, cause: io::Error },
    #[error(transparent)]
    Log(#[from] log::Error),
    #[error("the secret key at {}: {cause}", path.display())]
    Secret { path: PathBuf, cause: io::Error },
    #[error("this program does not know where it is: {0}")]
    Program(io::Error),
    #[error(transparent)]
    Modules(#[from] sandbox::Error),
    #[error(transparent)]
    Projections(#[from] projection::Error),
    #[error("the server failed: {0}")]
    Server(io::Error),
}

/// Serves until the process is told to stop (SIGINT or SIGTERM); then answers what is under way and closes the log.
pub async fn serve(options: Options) -> Result<(), Error> {
    let folder = options.data.join("log");
    claim(&options.data, &folder)?;
    let listener =
        TcpListener::bind(options.listen).await.map_err(|cause| Error::Listen { address: options.listen, cause })?;
    let storage = Storage::default();
    let log = Log::open(&storage, &folder, options.log.clone())?;
    let projections = projections(&options, log.clone(), storage)?;
    let backups = options.backups.clone().map(|dir| Arc::new(Backups::new(dir, options.data.clone(), log.clone())));
    // Whoever reads that the host serves may stop it at once.
    let told = told_to_stop();
    let address = listener.local_addr().map_err(Error::Server)?;
    tracing::info!(%address, data = %options.data.display(), events = log.progress().0, "serving");
    let stop = CancellationToken::new();
    let server = axum::serve(
        listener,
        ServiceExt::<Request>::into_make_service_with_connect_info::<SocketAddr>(service(
            log,
            Arc::clone(&projections),
            backups,
            options.limits,
        )),
    )
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
    let stopped = tokio::task::spawn_blocking(move || projections.stop()).await;
    stopped.map_err(|cause| Error::Server(io::Error::other(cause)))?;
    tracing::info!("stopped");
    Ok(())
}

/// Opens what stands beside the log in the data folder.
fn projections(options: &Options, log: Log, storage: Storage) -> Result<Arc<Projections>, Error> {
    let Options { data, limits, .. } = options;
    let path = data.join("secret.key");
    let secret = kinora_files::secret(&path).map_err(|cause| Error::Secret { path, cause })?;
    let compiler = std::env::current_exe().map_err(Error::Program)?;
    let modules = Modules::open(&data.join("modules"), compiler, secret, limits.sandbox.clone())?;
    let (catalog, read_models) = (data.join("projections.json"), data.join("read-models"));
    Ok(Projections::open(log, storage, modules, &catalog, read_models, limits.queries, limits.projections)?)
}

/// Refuses a folder with other people's files in it, before anything is written there.
fn claim(data: &Path, log: &Path) -> Result<(), Error> {
    let failed = |cause| Error::Data { path: data.to_owned(), cause };
    std::fs::create_dir_all(data).map_err(failed)?;
    let empty = std::fs::read_dir(data).map_err(failed)?.next().is_none();
    if empty || log.is_dir() { Ok(()) } else { Err(Error::Foreign(data.to_owned())) }
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
