//! Modules of a host: uploaded bytes, their component, their machine code and their manifest, by digest.
//!
//! On disk, one folder a module, `modules/DIGEST/`:
//!
//! - `kind`: `projector` or `upcaster`, as soon as that is known;
//! - `source.wasm`: what was uploaded;
//! - `code`: a MAC, then machine code. It is only a cache: wasmtime trusts what it loads, so a file that this host
//!   did not write, or that another version of the engine wrote, is compiled anew and never loaded;
//! - `module.json`: kind, manifest, figures. It is written last, so a folder without it is an unfinished upload,
//!   which is taken up again when the host starts.
//!
//! What is compiled, and then asked for the first time what it is, is on probation meanwhile. What has ended the host
//! twice is not tried again before somebody uploads it again.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Instant;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use wasmtime::Engine;
use wasmtime::component::Component;

use crate::engine::{engine, fingerprint, settings};
use crate::error::Error;
use crate::limits::Limits;
use crate::module::manifest::{Kind, Manifest};
use crate::module::schemas::DeciderSchemas;
use crate::module::symbols::Symbols;
use crate::module::typed::{DeciderModule, Module, ProjectorModule, UpcasterModule};
use crate::module::{compile, describe, emitted};
use crate::run::access::NoRows;
use crate::run::decider::DeciderPre;
use crate::run::instance::{ProjectorPre, Surroundings, UpcasterPre};
use kinora_files::{Probation, SECRET_BYTES};
use kinora_types::{Budget, Digest};

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

/// What a module is, and what was uploaded.
const KIND: &str = "kind";
const SOURCE: &str = "source.wasm";

/// Uploads that are looked at at once: that takes less than compiling, but a process each.
const CHECKED_AT_ONCE: usize = 2;

/// Bytes of a module that is compiled in seconds: one without an interpreter, or with a small one.
const SMALL_BYTES: u64 = 4 << 20;

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
    kinora_files::unseal(&text).map_err(|cause| store_error(&path, cause))
}

fn kind(dir: &Path) -> Option<Kind> {
    let said = match std::fs::read(dir.join(KIND)) {
        Ok(found) => Kind::ALL.into_iter().find(|kind| kind.as_str().as_bytes() == found),
        Err(_) => None,
    };
    said.or_else(|| record(dir).ok().map(|record| record.kind))
}

/// What modules are opened with.
pub struct Opening {
    /// The program that knows [`super::CHILD_COMMAND`].
    pub compiler: PathBuf,
    /// The key that code is signed with.
    pub secret: [u8; SECRET_BYTES],
    pub limits: Limits,
    pub probation: Arc<Probation>,
    /// No guest is asked what it is before somebody uploads it again.
    pub paused: bool,
}

/// All modules of a host.
pub struct Modules {
    dir: PathBuf,
    compiler: PathBuf,
    engine: Engine,
    limits: Arc<Limits>,
    settings: Digest,
    secret: [u8; SECRET_BYTES],
    probation: Arc<Probation>,
    paused: bool,
    /// A std lock: it is never held across an await, and never while anything slow happens.
    entries: RwLock<BTreeMap<Digest, Status>>,
    /// Those that are uploaded and not compiled yet, each with its bytes in memory at worst.
    line: Arc<Semaphore>,
    checks: Semaphore,
    /// Compiling takes a core and gigabytes at worst, so one small module and one large one at a time: a small one does
    /// not wait the minute that an interpreter may take.
    small_compiler: Semaphore,
    large_compiler: Semaphore,
    changes: watch::Sender<u64>,
}

impl Modules {
    /// Opens the folder and loads what is in it; modules whose code does not fit this engine start compiling, those
    /// last that may have ended the host.
    pub fn open(dir: &Path, opening: Opening) -> Result<Arc<Self>, Error> {
        let Opening { compiler, secret, limits, probation, paused } = opening;
        std::fs::create_dir_all(dir).map_err(|cause| store_error(dir, cause))?;
        let engine = engine(&limits)?;
        let modules = Arc::new(Self {
            dir: dir.to_owned(),
            compiler,
            settings: settings(&limits),
            line: Arc::new(Semaphore::new(limits.compiles_waiting.saturating_add(1))),
            checks: Semaphore::new(CHECKED_AT_ONCE),
            engine,
            limits: Arc::new(limits),
            secret,
            probation,
            paused,
            entries: RwLock::default(),
            small_compiler: Semaphore::new(1),
            large_compiler: Semaphore::new(1),
            changes: watch::Sender::new(0),
        });
        let mut digests = Vec::new();
        for entry in std::fs::read_dir(dir).map_err(|cause| store_error(dir, cause))? {
            let entry = entry.map_err(|cause| store_error(dir, cause))?;
            match entry.file_name().to_str().and_then(|name| name.parse::<Digest>().ok()) {
                Some(digest) => digests.push(digest),
                None => tracing::warn!(path = %entry.path().display(), "not a module: left alone"),
            }
        }
        digests.sort_by_key(|digest| modules.probation.ends(&note(*digest)));
        digests.into_iter().try_for_each(|digest| modules.restore(digest))?;
        Ok(modules)
    }

    /// See [`super::engine::settings`].
    pub fn settings(&self) -> &Digest {
        &self.settings
    }

    pub fn limits(&self) -> &Arc<Limits> {
        &self.limits
    }

    fn read(&self) -> RwLockReadGuard<'_, BTreeMap<Digest, Status>> {
        self.entries.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, BTreeMap<Digest, Status>> {
        self.entries.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes an upload: says at once whether it is a module, and compiles it in the background. `true` if it was not
    /// known before.
    pub async fn upload(self: &Arc<Self>, bytes: Vec<u8>) -> Result<(Status, bool), Error> {
        let this = Arc::clone(self);
        let (digest, bytes) = blocking(move || Ok((Digest::of(&bytes), bytes))).await?;
        let known = self.status(digest);
        if let Some(status) = known.filter(|status| !matches!(status.state, ModuleState::Refused(_))) {
            return Ok((status, false));
        }
        self.admit(digest, bytes.len())?;
        let place = self.place()?;
        let kind = {
            let _turn = self.checks.acquire().await.map_err(|cause| Error::Compile(cause.to_string()))?;
            compile::check(&self.compiler, bytes.clone(), self.limits()).await?
        };
        blocking(move || {
            this.fits(bytes.len() as u64)?;
            let dir = this.folder(digest);
            std::fs::create_dir_all(&dir).map_err(|cause| store_error(&dir, cause))?;
            write_durably(&dir.join(KIND), kind.as_str().as_bytes())?;
            write_durably(&dir.join(SOURCE), &bytes)?;
            Ok(this.start(digest, kind, bytes.len() as u64, Some(place)))
        })
        .await
    }

    /// Whether there is room for one more module, of so many bytes.
    fn admit(&self, digest: Digest, bytes: usize) -> Result<(), Error> {
        let limits = self.limits();
        if bytes > limits.module_bytes {
            return Err(Error::TooLarge { actual: bytes, limit: limits.module_bytes });
        }
        let entries = self.read();
        if entries.len() >= limits.modules && !entries.contains_key(&digest) {
            return Err(Error::TooMany { limit: "sandbox.modules", value: limits.modules as u64 });
        }
        Ok(())
    }

    /// Whether so many bytes more have room beside all that is there.
    fn fits(&self, bytes: u64) -> Result<(), Error> {
        let limit = self.limits().modules_bytes;
        let there = kinora_files::folder_bytes(&self.dir).map_err(|cause| store_error(&self.dir, cause))?;
        if there.saturating_add(bytes) > limit {
            return Err(Error::TooMany { limit: "sandbox.modules_bytes", value: limit });
        }
        Ok(())
    }

    /// A place in the line for the compiler.
    fn place(&self) -> Result<OwnedSemaphorePermit, Error> {
        let busy = Error::Busy { waiting: self.limits().compiles_waiting };
        Arc::clone(&self.line).try_acquire_owned().map_err(|_| busy)
    }

    /// The bytes that were uploaded.
    pub fn source(&self, digest: Digest) -> Result<Vec<u8>, Error> {
        let path = self.folder(digest).join(SOURCE);
        std::fs::read(&path).map_err(|cause| store_error(&path, cause))
    }

    pub fn status(&self, digest: Digest) -> Option<Status> {
        self.read().get(&digest).cloned()
    }

    pub fn list(&self) -> Vec<Status> {
        self.read().values().cloned().collect()
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

    /// The decider, if it is ready, and is one.
    pub fn decider(&self, digest: Digest) -> Result<Arc<DeciderModule>, Error> {
        self.ready(digest)?.into_decider()
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
            let mut entries = self.write();
            match entries.get(&digest) {
                None => return Err(Error::Unknown(digest)),
                Some(Status { state: ModuleState::Compiling { .. }, .. }) => return Err(Error::Compiling(digest)),
                Some(_) => entries.remove(&digest),
            };
        }
        self.probation.forget(&note(digest));
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
        let mut entries = self.write();
        entries.insert(status.digest, status);
        drop(entries);
        self.changes.send_modify(|count| *count += 1);
    }

    /// Loads a module from its folder, or starts to compile it again.
    fn restore(self: &Arc<Self>, digest: Digest) -> Result<(), Error> {
        let dir = self.folder(digest);
        let path = dir.join(SOURCE);
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
        let bytes = match std::fs::read(dir.join(SOURCE)) {
            Ok(source) if Digest::of(&source) == digest => source.len() as u64,
            _ => {
                tracing::warn!(%digest, path = %dir.display(), "removed: an upload that was never complete");
                return std::fs::remove_dir_all(dir).map_err(|cause| store_error(dir, cause));
            }
        };
        // Without either file it is known as soon as it is compiled.
        let kind = kind(dir).unwrap_or(Kind::Projector);
        let ends = self.probation.ends(&note(digest));
        let held = if self.probation.is_to_blame(&note(digest)) {
            // One more time for whoever uploads it again.
            if let Err(cause) = self.probation.spare(&note(digest)) {
                tracing::warn!(%digest, %cause, "a note of a module cannot be written");
            }
            Some(Error::Quarantined { ends })
        } else if self.paused && record(dir).is_err() {
            Some(Error::NotTried)
        } else {
            let limit = self.limits().module_bytes;
            let actual = usize::try_from(bytes).unwrap_or(usize::MAX);
            (actual > limit).then_some(Error::TooLarge { actual, limit })
        };
        match held {
            None => {
                tracing::info!(%digest, %why, "compiling the module again");
                self.start(digest, kind, bytes, None);
            }
            Some(error) if matches!(error, Error::TooLarge { .. }) && !dir.join(RECORD).exists() => {
                tracing::warn!(%digest, path = %dir.display(), %error, "removed: an upload that is refused now");
                return std::fs::remove_dir_all(dir).map_err(|cause| store_error(dir, cause));
            }
            Some(error) => {
                tracing::warn!(%digest, %error, "a module is not compiled again");
                self.set(Status { digest, kind, bytes, state: ModuleState::Refused(error) });
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
        let (component, surroundings) = (load_code(&self.engine, code)?, self.surroundings(digest));
        Ok(match manifest {
            Manifest::Projector(manifest) => {
                let pre = ProjectorPre::new(&surroundings, &component)?;
                Module::Projector(Arc::new(ProjectorModule { digest, manifest, pre }))
            }
            Manifest::Upcaster(manifest) => {
                let pre = UpcasterPre::new(&surroundings, &component)?;
                Module::Upcaster(Arc::new(UpcasterModule { digest, manifest, pre }))
            }
            Manifest::Decider(manifest) => {
                let pre = DeciderPre::new(&surroundings, &component)?;
                let schemas = DeciderSchemas::new(&manifest.commands, &manifest.emits).map_err(Error::Manifest)?;
                Module::Decider(Arc::new(DeciderModule { digest, manifest, schemas, pre }))
            }
        })
    }

    fn surroundings(&self, digest: Digest) -> Surroundings {
        let (compiler, source) = (self.compiler.clone(), self.folder(digest).join(SOURCE));
        let symbols = Arc::new(Symbols { compiler, source, limits: Arc::clone(&self.limits) });
        Surroundings { engine: self.engine.clone(), limits: Arc::clone(&self.limits), symbols }
    }

    /// Starts to compile, unless somebody else has done so since the caller looked. `true` if it did. Those that the
    /// host itself compiles again take no place in the line.
    fn start(
        self: &Arc<Self>,
        digest: Digest,
        kind: Kind,
        bytes: u64,
        place: Option<OwnedSemaphorePermit>,
    ) -> (Status, bool) {
        let status = Status { digest, kind, bytes, state: ModuleState::Compiling { since: Instant::now() } };
        {
            let mut entries = self.write();
            match entries.get(&digest) {
                Some(known) if !matches!(known.state, ModuleState::Refused(_)) => return (known.clone(), false),
                _ => drop(entries.insert(digest, status.clone())),
            }
        }
        self.changes.send_modify(|count| *count += 1);
        let this = Arc::clone(self);
        tokio::spawn(async move {
            let (kind, state) = match this.make(digest, bytes).await {
                Ok((compile_ms, module)) => {
                    tracing::info!(%digest, kind = module.kind().as_str(), compile_ms, "module ready");
                    (module.kind(), ModuleState::Ready { compile_ms, module })
                }
                Err(error) => {
                    tracing::warn!(%digest, kind = kind.as_str(), %error, "module refused");
                    let dir = this.folder(digest);
                    // One that was accepted before is what versions are made of: it is tried again at the next start.
                    if !dir.join(RECORD).exists() {
                        let _ = std::fs::remove_dir_all(dir);
                    }
                    (kind, ModuleState::Refused(error))
                }
            };
            this.set(Status { digest, kind, bytes, state });
            drop(place);
        });
        (status, true)
    }

    async fn make(self: &Arc<Self>, digest: Digest, bytes: u64) -> Result<(u64, Module), Error> {
        let compiler = if bytes > SMALL_BYTES { &self.large_compiler } else { &self.small_compiler };
        let _turn = compiler.acquire().await.map_err(|cause| Error::Compile(cause.to_string()))?;
        let trial = self.probation.begin(&note(digest), 0);
        if let Some(cause) = &trial.unnoted {
            tracing::warn!(%digest, %cause, "there is no note that a module is tried");
        }
        let started = Instant::now();
        let this = Arc::clone(self);
        let source = blocking(move || this.source(digest)).await?;
        let (kind, code) = compile::compile(&self.compiler, source, self.limits()).await?;
        let compile_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let this = Arc::clone(self);
        blocking(move || {
            emitted::check(&code)?;
            this.probation.sync(&note(digest));
            let dir = this.folder(digest);
            // What was asked once is not asked again: it may be that nobody wants guests to run now.
            let manifest = match record(&dir) {
                Ok(record) if record.manifest.kind() == kind => record.manifest,
                _ => {
                    let _here = trial.place.enter(0);
                    this.describe(digest, kind, &code)?
                }
            };
            let module = this.link(digest, manifest.clone(), &code)?;
            std::fs::create_dir_all(&dir).map_err(|cause| store_error(&dir, cause))?;
            let mut signed = this.mac(digest, &code).finalize().into_bytes().to_vec();
            signed.extend_from_slice(&code);
            write_durably(&dir.join("code"), &signed)?;
            let record = kinora_files::seal(&Record { kind, bytes, compile_ms, manifest })
                .map_err(|cause| store_error(&dir, cause))?;
            write_durably(&dir.join(RECORD), &record)?;
            trial.proved_well();
            Ok((compile_ms, module))
        })
        .await
    }

    /// Asks a module what it is. The first time that code of an upload runs, and already under all limits.
    fn describe(&self, digest: Digest, kind: Kind, code: &[u8]) -> Result<Manifest, Error> {
        let (component, surroundings) = (load_code(&self.engine, code)?, self.surroundings(digest));
        let budget = Budget::unlimited();
        let failed = |failure: crate::error::Failure| match failure.limit {
            Some(limit) => Error::Describe(format!("{}; {}", failure.message, limit.hint())),
            None => Error::Describe(failure.message),
        };
        match kind {
            Kind::Projector => {
                let pre = ProjectorPre::new(&surroundings, &component)?;
                let guest = pre.instantiate(Box::new(NoRows), &budget);
                let raw = guest.and_then(|mut guest| guest.describe()).map_err(failed)?;
                describe::projector(raw, self.limits()).map(Manifest::Projector)
            }
            Kind::Upcaster => {
                let pre = UpcasterPre::new(&surroundings, &component)?;
                let raw = pre.instantiate(&budget).and_then(|mut guest| guest.describe()).map_err(failed)?;
                describe::upcaster(raw, self.limits()).map(Manifest::Upcaster)
            }
            Kind::Decider => {
                let pre = DeciderPre::new(&surroundings, &component)?;
                let raw = pre.instantiate(&budget).and_then(|mut guest| guest.describe()).map_err(failed)?;
                describe::decider::decider(raw, self.limits()).map(Manifest::Decider)
            }
        }
    }
}

/// Loads machine code.
///
/// Contract: `code` comes from this host's compiler process and has passed [`emitted::check`], or from a file whose MAC
/// under this host's secret has been verified. Anything else could run arbitrary instructions.
#[allow(unsafe_code)]
fn load_code(engine: &Engine, code: &[u8]) -> Result<Component, Error> {
    // SAFETY: see the contract above; both callers obtain `code` in one of these two ways.
    unsafe { Component::deserialize(engine, code) }.map_err(|cause| Error::Compile(format!("{cause:#}")))
}

/// Under which name a module is on probation.
fn note(digest: Digest) -> String {
    format!("module-{digest}")
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
