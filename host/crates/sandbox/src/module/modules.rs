//! Modules of a host: uploaded bytes, their component, their machine code and their manifest, by digest.
//!
//! On disk, one folder a module, `modules/DIGEST/`:
//!
//! - `source.wasm`: what was uploaded;
//! - `component.wasm`: the component made of it;
//! - `code`: a MAC, then machine code. It is only a cache: wasmtime trusts what it loads, so a file that this host
//!   did not write, or that another version of the engine wrote, is compiled anew and never loaded;
//! - `module.json`: kind, manifest, figures. It is written last, so a folder without it is an unfinished upload,
//!   which is taken up again when the host starts.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, RwLock};
use std::time::Instant;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use tokio::sync::{Semaphore, watch};
use wasmtime::Engine;
use wasmtime::component::Component;

use crate::engine::{engine, fingerprint, settings};
use crate::error::Error;
use crate::limits::Limits;
use crate::module::component::componentize;
use crate::module::manifest::{Kind, Manifest};
use crate::module::typed::{Module, ProjectorModule, UpcasterModule};
use crate::module::{compile, describe};
use crate::run::access::NoRows;
use crate::run::instance::{ProjectorPre, UpcasterPre};
use kinora_files::SECRET_BYTES;
use kinora_types::Digest;

/// Bytes of a SHA-256 MAC.
const MAC_BYTES: usize = 32;

/// Where a module stands.
#[derive(Clone)]
pub enum ModuleState {
    Compiling { since: Instant },
    Ready { compile_ms: u64, module: Module },
    Refused(Error),
}

/// What is known about a module.
#[derive(Clone)]
pub struct Status {
    pub digest: Digest,
    pub kind: Kind,
    pub bytes: u64,
    pub state: ModuleState,
}

impl Status {
    pub fn manifest(&self) -> Option<Manifest> {
        match &self.state {
            ModuleState::Ready { module, .. } => Some(module.manifest()),
            _ => None,
        }
    }
}

/// What is known of a module, beside its code.
const RECORD: &str = "module.json";

/// What [`RECORD`] holds.
#[derive(serde::Serialize, serde::Deserialize)]
struct Record {
    kind: Kind,
    bytes: u64,
    compile_ms: u64,
    manifest: Manifest,
}

fn record(dir: &Path) -> Result<Record, Error> {
    let path = dir.join(RECORD);
    let text = std::fs::read(&path).map_err(|cause| store_error(&path, cause))?;
    serde_json::from_slice(&text).map_err(|cause| store_error(&path, cause))
}

/// All modules of a host.
pub struct Modules {
    dir: PathBuf,
    compiler: PathBuf,
    limits: Arc<Limits>,
    engine: Engine,
    settings: Digest,
    secret: [u8; SECRET_BYTES],
    /// A std lock: it is never held across an await, and never while anything slow happens.
    entries: RwLock<BTreeMap<Digest, Status>>,
    /// Compiling takes a core and gigabytes at worst, so one module at a time.
    one_compiler: Semaphore,
    changes: watch::Sender<u64>,
}

impl Modules {
    /// Opens the folder and loads what is in it; modules whose code does not fit this engine start compiling.
    ///
    /// `compiler` is the program that knows [`super::CHILD_COMMAND`], `secret` the key that code is signed with.
    pub fn open(dir: &Path, compiler: PathBuf, secret: [u8; SECRET_BYTES], limits: Limits) -> Result<Arc<Self>, Error> {
        std::fs::create_dir_all(dir).map_err(|cause| store_error(dir, cause))?;
        let modules = Arc::new(Self {
            dir: dir.to_owned(),
            compiler,
            engine: engine(&limits)?,
            settings: settings(&limits),
            limits: Arc::new(limits),
            secret,
            entries: RwLock::default(),
            one_compiler: Semaphore::new(1),
            changes: watch::Sender::new(0),
        });
        for entry in std::fs::read_dir(dir).map_err(|cause| store_error(dir, cause))? {
            let entry = entry.map_err(|cause| store_error(dir, cause))?;
            let Some(digest) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
                tracing::warn!(path = %entry.path().display(), "not a module: left alone");
                continue;
            };
            modules.restore(digest)?;
        }
        Ok(modules)
    }

    /// See [`super::engine::settings`].
    pub fn settings(&self) -> &Digest {
        &self.settings
    }

    pub fn limits(&self) -> &Arc<Limits> {
        &self.limits
    }

    /// Takes an upload: checks it at once, compiles it in the background. `true` if it was not known before.
    pub async fn upload(self: &Arc<Self>, bytes: Vec<u8>) -> Result<(Status, bool), Error> {
        let this = Arc::clone(self);
        blocking(move || {
            let digest = Digest::of(&bytes);
            if let Some(status) = this.status(digest)
                && !matches!(status.state, ModuleState::Refused(_))
            {
                return Ok((status, false));
            }
            let (component, kind) = componentize(&bytes, &this.limits)?;
            let dir = this.folder(digest);
            std::fs::create_dir_all(&dir).map_err(|cause| store_error(&dir, cause))?;
            write_durably(&dir.join("source.wasm"), &bytes)?;
            write_durably(&dir.join("component.wasm"), &component)?;
            Ok(this.start(digest, kind, bytes.len() as u64, component))
        })
        .await
    }

    /// The bytes that were uploaded.
    pub fn source(&self, digest: Digest) -> Result<Vec<u8>, Error> {
        let path = self.folder(digest).join("source.wasm");
        std::fs::read(&path).map_err(|cause| store_error(&path, cause))
    }

    pub fn status(&self, digest: Digest) -> Option<Status> {
        self.entries.read().unwrap_or_else(|poisoned| poisoned.into_inner()).get(&digest).cloned()
    }

    pub fn list(&self) -> Vec<Status> {
        self.entries.read().unwrap_or_else(|poisoned| poisoned.into_inner()).values().cloned().collect()
    }

    /// The module, if it is ready.
    pub fn ready(&self, digest: Digest) -> Result<Module, Error> {
        match self.status(digest).ok_or(Error::Unknown(digest))?.state {
            ModuleState::Ready { module, .. } => Ok(module),
            ModuleState::Compiling { .. } => Err(Error::Compiling(digest)),
            ModuleState::Refused(why) => Err(Error::Refused { digest, why: Box::new(why) }),
        }
    }

    /// The projector, if it is ready, and is one.
    pub fn projector(&self, digest: Digest) -> Result<Arc<ProjectorModule>, Error> {
        self.ready(digest)?.into_projector()
    }

    /// The upcaster, if it is ready, and is one.
    pub fn upcaster(&self, digest: Digest) -> Result<Arc<UpcasterModule>, Error> {
        self.ready(digest)?.into_upcaster()
    }

    /// The module, once it has been compiled.
    pub async fn settled(&self, digest: Digest) -> Result<Module, Error> {
        let mut changes = self.changes.subscribe();
        loop {
            match self.ready(digest) {
                Err(Error::Compiling(_)) => {}
                settled => return settled,
            }
            if changes.changed().await.is_err() {
                return Err(Error::Unknown(digest));
            }
        }
    }

    /// Forgets a module and removes its folder. The caller has made sure that no version uses it.
    pub fn remove(&self, digest: Digest) -> Result<(), Error> {
        {
            let mut entries = self.entries.write().unwrap_or_else(|poisoned| poisoned.into_inner());
            match entries.get(&digest) {
                None => return Err(Error::Unknown(digest)),
                Some(Status { state: ModuleState::Compiling { .. }, .. }) => return Err(Error::Compiling(digest)),
                Some(_) => entries.remove(&digest),
            };
        }
        let dir = self.folder(digest);
        match std::fs::remove_dir_all(&dir) {
            Err(cause) if cause.kind() != std::io::ErrorKind::NotFound => Err(store_error(&dir, cause)),
            _ => Ok(()),
        }
    }

    fn folder(&self, digest: Digest) -> PathBuf {
        self.dir.join(digest.to_string())
    }

    fn set(&self, status: Status) {
        let mut entries = self.entries.write().unwrap_or_else(|poisoned| poisoned.into_inner());
        entries.insert(status.digest, status);
        drop(entries);
        self.changes.send_modify(|count| *count += 1);
    }

    /// Loads a module from its folder, or starts to compile it again.
    fn restore(self: &Arc<Self>, digest: Digest) -> Result<(), Error> {
        let dir = self.folder(digest);
        let path = dir.join("source.wasm");
        let source = std::fs::metadata(&path).map_err(|cause| store_error(&path, cause));
        match source.and_then(|source| Ok((source.len(), self.load(digest, &dir)?))) {
            Ok((bytes, (kind, compile_ms, module))) => {
                self.set(Status { digest, kind, bytes, state: ModuleState::Ready { compile_ms, module } });
            }
            Err(why) => self.compile_again(digest, &dir, &why)?,
        }
        Ok(())
    }

    fn compile_again(self: &Arc<Self>, digest: Digest, dir: &Path, why: &Error) -> Result<(), Error> {
        let removed = || std::fs::remove_dir_all(dir).map_err(|cause| store_error(dir, cause));
        let source = match std::fs::read(dir.join("source.wasm")) {
            Ok(source) if Digest::of(&source) == digest => source,
            _ => {
                tracing::warn!(%digest, path = %dir.display(), "removed: an upload that was never complete");
                return removed();
            }
        };
        tracing::info!(%digest, %why, "compiling the module again");
        let bytes = source.len() as u64;
        let error = match componentize(&source, &self.limits) {
            Ok((component, kind)) => {
                self.start(digest, kind, bytes, component);
                return Ok(());
            }
            Err(error) => error,
        };
        // What is wrong with one module is no reason not to start. One that was accepted before is kept.
        match record(dir) {
            Ok(Record { kind, .. }) => {
                self.set(Status { digest, kind, bytes, state: ModuleState::Refused(error) });
            }
            Err(_) if dir.join(RECORD).exists() => {
                let path = dir.display();
                tracing::error!(%digest, %path, %error, "left alone: a module with a damaged record");
            }
            Err(_) => {
                tracing::warn!(%digest, path = %dir.display(), %error, "removed: an upload that is refused now");
                removed()?;
            }
        }
        Ok(())
    }

    /// Loads a module from its folder. Its code is signed together with the digest of its source, and was made only
    /// once that was there: so the source itself, which is as large, is not read.
    fn load(&self, digest: Digest, dir: &Path) -> Result<(Kind, u64, Module), Error> {
        let read = |name: &str| std::fs::read(dir.join(name)).map_err(|cause| store_error(&dir.join(name), cause));
        let record = record(dir)?;
        let signed = read("code")?;
        let (mac, code) = signed.split_at_checked(MAC_BYTES).ok_or_else(|| Error::Compile("no code is kept".into()))?;
        self.mac(digest, code)
            .verify_slice(mac)
            .map_err(|_| Error::Compile("the kept code is for another engine, or somebody changed it".into()))?;
        let module = self.link(digest, record.manifest.clone(), code)?;
        Ok((record.kind, record.compile_ms, module))
    }

    /// Signs code together with what it was made of and what it was made for.
    fn mac(&self, digest: Digest, code: &[u8]) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new(&self.secret.into());
        mac.update(&fingerprint(&self.engine));
        mac.update(digest.as_bytes());
        mac.update(code);
        mac
    }

    fn link(&self, digest: Digest, manifest: Manifest, code: &[u8]) -> Result<Module, Error> {
        let component = load_code(&self.engine, code)?;
        Ok(match manifest {
            Manifest::Projector(manifest) => {
                let pre = ProjectorPre::new(&self.engine, &component, &self.limits)?;
                Module::Projector(Arc::new(ProjectorModule { digest, manifest, pre }))
            }
            Manifest::Upcaster(manifest) => {
                let pre = UpcasterPre::new(&self.engine, &component, &self.limits)?;
                Module::Upcaster(Arc::new(UpcasterModule { digest, manifest, pre }))
            }
        })
    }

    /// Starts to compile, unless somebody else has done so since the caller looked. `true` if it did.
    fn start(self: &Arc<Self>, digest: Digest, kind: Kind, bytes: u64, component: Vec<u8>) -> (Status, bool) {
        let status = Status { digest, kind, bytes, state: ModuleState::Compiling { since: Instant::now() } };
        {
            let mut entries = self.entries.write().unwrap_or_else(|poisoned| poisoned.into_inner());
            match entries.get(&digest) {
                Some(known) if !matches!(known.state, ModuleState::Refused(_)) => return (known.clone(), false),
                _ => drop(entries.insert(digest, status.clone())),
            }
        }
        self.changes.send_modify(|count| *count += 1);
        let this = Arc::clone(self);
        tokio::spawn(async move {
            let state = match this.make(digest, kind, bytes, component).await {
                Ok((compile_ms, module)) => {
                    tracing::info!(%digest, kind = kind.as_str(), compile_ms, "module ready");
                    ModuleState::Ready { compile_ms, module }
                }
                Err(error) => {
                    tracing::warn!(%digest, kind = kind.as_str(), %error, "module refused");
                    let dir = this.folder(digest);
                    // One that was accepted before is what versions are made of: it is tried again at the next start.
                    if !dir.join(RECORD).exists() {
                        let _ = std::fs::remove_dir_all(dir);
                    }
                    ModuleState::Refused(error)
                }
            };
            this.set(Status { digest, kind, bytes, state });
        });
        (status, true)
    }

    async fn make(
        self: &Arc<Self>,
        digest: Digest,
        kind: Kind,
        bytes: u64,
        component: Vec<u8>,
    ) -> Result<(u64, Module), Error> {
        let _turn = self.one_compiler.acquire().await.map_err(|cause| Error::Compile(cause.to_string()))?;
        let started = Instant::now();
        let code = compile::compile(&self.compiler, component, &self.limits).await?;
        let compile_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let this = Arc::clone(self);
        blocking(move || {
            let manifest = this.describe(kind, &code)?;
            let module = this.link(digest, manifest.clone(), &code)?;
            let dir = this.folder(digest);
            std::fs::create_dir_all(&dir).map_err(|cause| store_error(&dir, cause))?;
            let mut signed = this.mac(digest, &code).finalize().into_bytes().to_vec();
            signed.extend_from_slice(&code);
            write_durably(&dir.join("code"), &signed)?;
            let record = serde_json::to_vec_pretty(&Record { kind, bytes, compile_ms, manifest })
                .map_err(|cause| store_error(&dir, cause))?;
            write_durably(&dir.join(RECORD), &record)?;
            Ok((compile_ms, module))
        })
        .await
    }

    /// Asks a module what it is. The first time that code of an upload runs, and already under all limits.
    fn describe(&self, kind: Kind, code: &[u8]) -> Result<Manifest, Error> {
        let component = load_code(&self.engine, code)?;
        let failed = |failure: crate::error::Failure| match failure.limit {
            Some(limit) => Error::Describe(format!("{}; {}", failure.message, limit.hint())),
            None => Error::Describe(failure.message),
        };
        match kind {
            Kind::Projector => {
                let pre = ProjectorPre::new(&self.engine, &component, &self.limits)?;
                let raw = pre.instantiate(Box::new(NoRows)).and_then(|mut guest| guest.describe()).map_err(failed)?;
                describe::projector(raw, &self.limits).map(Manifest::Projector)
            }
            Kind::Upcaster => {
                let pre = UpcasterPre::new(&self.engine, &component, &self.limits)?;
                let raw = pre.instantiate().and_then(|mut guest| guest.describe()).map_err(failed)?;
                describe::upcaster(raw, &self.limits).map(Manifest::Upcaster)
            }
        }
    }
}

/// Loads machine code.
///
/// Contract: `code` comes from this host's compiler process, or from a file whose MAC under this host's secret has
/// been verified. Anything else could run arbitrary instructions.
#[allow(unsafe_code)]
fn load_code(engine: &Engine, code: &[u8]) -> Result<Component, Error> {
    // SAFETY: see the contract above; both callers obtain `code` in one of these two ways.
    unsafe { Component::deserialize(engine, code) }.map_err(|cause| Error::Compile(format!("{cause:#}")))
}

fn store_error(path: &Path, cause: impl std::fmt::Display) -> Error {
    Error::Store { path: path.display().to_string(), cause: cause.to_string() }
}

fn write_durably(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    kinora_files::write_durably(path, bytes).map_err(|cause| store_error(path, cause))
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, Error> + Send + 'static) -> Result<T, Error> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|cause| Err(Error::Compile(cause.to_string())))
}
