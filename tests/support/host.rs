//! A host in the process of the test: everything but a process of its own.

use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use kinora_engine::limits::Limits;
use kinora_log::Durability;
use kinora_server::serve::{Doors, Error, Options, Serving};
use tokio::sync::oneshot;

use crate::Api;
use crate::wait::PATIENCE;

/// What tokio has if nobody says anything.
const BLOCKING_THREADS: usize = 512;

pub struct Host {
    pub url: String,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Host {
    /// Starts a host on a folder; it serves once this returns.
    pub fn start(data: &Path) -> Self {
        Self::run(Self::options(data))
    }

    pub fn start_at(data: &Path, address: &str) -> Self {
        Self::run(Options { listen: address.parse().unwrap(), ..Self::options(data) })
    }

    /// With limits as the command line takes them, such as `sandbox.event_fuel=1000`.
    pub fn start_with_limits(data: &Path, limits: &[&str]) -> Self {
        let settings: Vec<_> = limits.iter().map(|setting| setting.parse().unwrap()).collect();
        let mut options = Self::options(data);
        options.limits = Limits::with(&settings).unwrap();
        options.log.limits = options.limits.log.clone();
        Self::run(options)
    }

    /// What the program has if nobody says anything, on a free port.
    pub fn options(data: &Path) -> Options {
        let limits = Limits::default();
        let log = kinora_log::Options {
            durability: Durability::Sync,
            keep_requests: Duration::from_secs(24 * 60 * 60),
            limits: limits.log.clone(),
        };
        let listen = "127.0.0.1:0".parse().unwrap();
        Options {
            data: data.to_owned(),
            listen,
            log,
            backups: None,
            limits,
            exit_when_poisoned: false,
            paused: false,
            compiler: compiler(),
            doors: Doors::default(),
            settings: Default::default(),
            documents: Default::default(),
        }
    }

    /// With so few threads for what may wait for a disk.
    pub fn start_with_blocking_threads(data: &Path, threads: usize) -> Self {
        Self::run_on(Self::options(data), threads).unwrap_or_else(|cause| panic!("the host did not start: {cause}"))
    }

    pub fn run(options: Options) -> Self {
        Self::try_run(options).unwrap_or_else(|cause| panic!("the host did not start: {cause}"))
    }

    pub fn try_run(options: Options) -> Result<Self, Error> {
        Self::run_on(options, BLOCKING_THREADS)
    }

    fn run_on(options: Options, blocking_threads: usize) -> Result<Self, Error> {
        let (tell, told) = mpsc::channel();
        let (stop, stopped) = oneshot::channel();
        // A runtime of its own: what it still does when it is told to stop ends with it, as with a process.
        let thread = thread::spawn(move || {
            let mut runtime = tokio::runtime::Builder::new_multi_thread();
            let runtime = runtime.enable_all().max_blocking_threads(blocking_threads).build().unwrap();
            match runtime.block_on(Serving::open(options)) {
                Ok(serving) => {
                    tell.send(Ok(serving.address())).unwrap();
                    let told_to_stop = async {
                        let _ = stopped.await;
                    };
                    runtime.block_on(serving.until(told_to_stop)).unwrap();
                }
                Err(error) => tell.send(Err(error)).unwrap(),
            }
            runtime.shutdown_timeout(PATIENCE);
        });
        let address = told.recv().unwrap()?;
        Ok(Self { url: format!("http://{address}"), stop: Some(stop), thread: Some(thread) })
    }

    /// Its HTTP interface.
    pub fn api(&self) -> Api {
        Api::of(&self.url)
    }

    /// The same address, for a host that comes back.
    pub fn address(&self) -> &str {
        self.url.trim_start_matches("http://")
    }

    pub fn events_of(&self, stream: &str) -> String {
        format!("{}/v1/streams/{stream}/events", self.url)
    }

    /// An orderly end: once this returns, another host can have the folder.
    pub fn stop(mut self) {
        self.end().unwrap();
    }

    fn end(&mut self) -> thread::Result<()> {
        drop(self.stop.take());
        self.thread.take().map_or(Ok(()), JoinHandle::join)
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // A test that fails says why at once, whatever its host is still at.
        if thread::panicking() {
            drop(self.stop.take());
        } else {
            let _ = self.end();
        }
    }
}

/// The program that compiles modules for hosts in this process, as Cargo has just built it: that of this package, or
/// Kinora itself for the tests of its package.
fn compiler() -> PathBuf {
    let built = ["CARGO_BIN_EXE_compiler", "CARGO_BIN_EXE_kinora"].into_iter().find_map(std::env::var_os);
    built.expect("run by cargo").into()
}
