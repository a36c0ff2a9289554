//! A served host: an engine behind a socket, and an orderly end.

pub(crate) mod console;
pub(crate) mod listen;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::signal;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::gate::Gate;
use crate::router::{Front, service};
use crate::serve::console::Shown;
use crate::serve::listen::Door;
use crate::serve::listen::tls::{self, Tls};
use kinora_access as access;
use kinora_access::Access;
use kinora_api::settings::Settings;
use kinora_docs::Documents;
use kinora_engine as engine;
use kinora_engine::doctor::LEAST_DESCRIPTORS;
use kinora_engine::limits::{HttpLimits, Limits};
use kinora_engine::{DataFolder, Engine, data, descriptors};
use kinora_log as log;

/// Time for requests under way when the host is told to stop. A subscription never ends by itself.
const GRACE: Duration = Duration::from_secs(2);

/// How often files of keys and certificates are looked at.
const REFRESH: Duration = Duration::from_secs(1);

/// Connections of operators at their own address.
const OPERATORS: usize = 64;

#[derive(Clone, Debug)]
pub struct Options {
    /// The folder that holds everything; made if it is not there.
    pub data: PathBuf,
    pub listen: SocketAddr,
    pub log: log::Options,
    /// Where backups go; `None`: none are made.
    pub backups: Option<PathBuf>,
    pub limits: Limits,
    /// Whether the process ends once a write to the log has failed, for whoever starts it again.
    pub exit_when_poisoned: bool,
    /// No guest is run before somebody asks for it.
    pub paused: bool,
    /// The program that compiles modules in processes of its own: one that passes `kinora_sandbox::CHILD_COMMAND` to
    /// `kinora_sandbox::compile_child`.
    pub compiler: PathBuf,
    pub doors: Doors,
    /// What it is told here, for those who ask.
    pub settings: Settings,
    /// What the console shows about the program.
    pub documents: Documents,
}

/// Who may come in, and how.
#[derive(Clone, Debug, Default)]
pub struct Doors {
    /// Who is known. If nobody is, everybody may do everything.
    pub access: access::Options,
    pub tls: Option<tls::Files>,
    /// An address for operators, with room of its own: whatever happens at the other one.
    pub operators: Option<SocketAddr>,
    /// Names by which the host is asked for, besides addresses, where it knows nobody.
    pub names: Vec<String>,
    /// Everybody who reaches the host may do everything, from other machines, too.
    pub insecure: bool,
    /// Something in front of the host encrypts what is said to it.
    pub plain_http: bool,
}

/// A host that is open and has its address. Nobody is answered before [`Serving::until`].
pub struct Serving {
    listener: TcpListener,
    operators: Option<TcpListener>,
    address: SocketAddr,
    engine: Engine,
    access: Arc<Access>,
    tls: Option<Arc<Tls>>,
    names: Vec<String>,
    settings: Settings,
    documents: Documents,
    /// The limits of connections, as they are now.
    http: watch::Receiver<HttpLimits>,
}

#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    #[error(transparent)]
    Data(#[from] data::Error),
    #[error("cannot listen on {address}: {cause}; choose another address with --listen")]
    Listen { address: SocketAddr, cause: io::Error },
    #[error(
        "{0} is reached from other machines, and whoever reaches this host may do everything: make a key with \
         `kinora keys create`, or say --insecure"
    )]
    OpenToAll(SocketAddr),
    #[error(
        "{0} is reached from other machines, and keys would go there for everybody to read: name a certificate with \
         --tls-certificate and --tls-key, or say --plain-http if something in front of this host encrypts"
    )]
    Readable(SocketAddr),
    #[error("nobody has a key for this host: make one with `kinora keys create`")]
    NoKeys,
    #[error(transparent)]
    Access(#[from] access::Error),
    #[error(transparent)]
    Tls(#[from] tls::Error),
    #[error(transparent)]
    Engine(#[from] engine::Error),
    #[error(
        "this process may open {limit} files at once, and a host needs {LEAST_DESCRIPTORS}: raise the limit \
         (ulimit -n, LimitNOFILE)"
    )]
    Descriptors { limit: u64 },
    #[error("a write to the log has failed: {0}; nothing acknowledged is lost, and the host can be started again")]
    Poisoned(Arc<str>),
    #[error("the server failed: {0}")]
    Server(io::Error),
}

/// Serves until the process is told to stop (SIGINT or SIGTERM); then answers what is under way and closes the log.
/// `http`: the limits of connections, which may change meanwhile.
pub async fn serve(options: Options, http: watch::Receiver<HttpLimits>) -> Result<(), Error> {
    let (data, exits) = (options.data.clone(), options.exit_when_poisoned);
    claim_descriptors()?;
    let serving = Serving { http, ..Serving::open(options).await? };
    // Whoever reads that the host serves may stop it at once.
    let told = told_to_stop();
    let (address, events) = (serving.address, serving.engine.log().progress().0);
    if let Some(address) = serving.operators() {
        tracing::info!(%address, "serving operators");
    }
    tracing::info!(%address, data = %data.display(), events, "serving");
    let log = serving.engine.log().clone();
    let poisoned = async { if exits { log.until_poisoned().await } else { std::future::pending().await } };
    let mut cause = None;
    let ends = async {
        tokio::select! {
            () = told => {}
            poisoned = poisoned => cause = Some(poisoned),
        }
    };
    serving.until(ends).await?;
    tracing::info!("stopped");
    cause.map_or(Ok(()), |cause| Err(Error::Poisoned(cause)))
}

/// Lets the process open as many files as the system allows, and refuses to go on with too few: a log that has no more
/// in the middle of a flush is in trouble.
fn claim_descriptors() -> Result<(), Error> {
    let limit = descriptors::raise().unwrap_or_else(|cause| {
        tracing::warn!(%cause, "the limit on open files could not be raised");
        descriptors::limit()
    });
    match limit {
        Some(limit) if limit < LEAST_DESCRIPTORS => Err(Error::Descriptors { limit }),
        _ => Ok(()),
    }
}

impl Serving {
    /// Opens what is in the data folder, and listens.
    pub async fn open(options: Options) -> Result<Self, Error> {
        let Options { data, listen, log, backups, limits, paused, compiler, doors, settings, documents, .. } = options;
        let Doors { access, tls, operators, names, insecure, plain_http } = doors;
        let access = Arc::new(Access::open(access)?);
        for address in std::iter::once(listen).chain(operators).filter(|at| !insecure && !at.ip().is_loopback()) {
            match () {
                () if !access.is_on() => return Err(Error::OpenToAll(address)),
                () if tls.is_none() && !plain_http => return Err(Error::Readable(address)),
                () => {}
            }
        }
        if access.is_on() && !access.knows_anybody() {
            return Err(Error::NoKeys);
        }
        let tls = tls.map(Tls::open).transpose()?.map(Arc::new);
        let data = DataFolder::claim(data)?;
        let listener = bind(listen).await?;
        let operators = match operators {
            Some(address) => Some(bind(address).await?),
            None => None,
        };
        let http = watch::channel(limits.http).1;
        let engine = Engine::open(&data, engine::Options { log, backups, limits, paused, compiler })?;
        let address = listener.local_addr().map_err(Error::Server)?;
        Ok(Self { listener, operators, address, engine, access, tls, names, settings, documents, http })
    }

    /// Where operators are answered; `None`, if they have no address of their own.
    pub fn operators(&self) -> Option<SocketAddr> {
        self.operators.as_ref().and_then(|listener| listener.local_addr().ok())
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until it is told to stop; then answers what is under way and stops the engine.
    pub async fn until(self, told: impl Future<Output = ()>) -> Result<(), Error> {
        let Self { listener, operators, engine, access, tls, names, settings, documents, http, .. } = self;
        let admission = Arc::clone(engine.projections().admission());
        let shown = Shown { documents, is_encrypted: tls.is_some() };
        let gate = Gate::new(Arc::clone(&access), names);
        let service = service(&engine, Front { gate, http: http.clone(), settings, shown });
        let stop = CancellationToken::new();
        let mut doors = JoinSet::new();
        if let Some(listener) = operators {
            let door = Door { listener, tls: tls.clone(), limits: http.clone(), most: Some(OPERATORS) };
            doors.spawn(door.serve(service.clone(), stop.clone()));
        }
        doors.spawn(Door { listener, tls: tls.clone(), limits: http, most: None }.serve(service, stop.clone()));
        let refresh = tokio::spawn(refresh(access, tls));
        told.await;
        stop.cancel();
        // What goes on for long would not end by itself.
        admission.end();
        let ended = async { while doors.join_next().await.is_some() {} };
        if tokio::time::timeout(GRACE, ended).await.is_err() {
            tracing::info!("connections that were still open have been closed");
        }
        // What is left of them ends with its task.
        doors.shutdown().await;
        admission.end_all();
        refresh.abort();
        let stopped = tokio::task::spawn_blocking(move || engine.stop()).await;
        stopped.map_err(|cause| Error::Server(io::Error::other(cause)))
    }
}

async fn bind(address: SocketAddr) -> Result<TcpListener, Error> {
    TcpListener::bind(address).await.map_err(|cause| Error::Listen { address, cause })
}

/// Looks whether keys and certificates have changed, as long as the host runs.
async fn refresh(access: Arc<Access>, tls: Option<Arc<Tls>>) {
    loop {
        tokio::time::sleep(REFRESH).await;
        let (access, tls) = (Arc::clone(&access), tls.clone());
        let looked = tokio::task::spawn_blocking(move || {
            access.refresh();
            tls.inspect(|tls| tls.refresh());
        });
        if let Err(cause) = looked.await {
            tracing::error!(%cause, "keys and certificates were not looked at");
        }
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
