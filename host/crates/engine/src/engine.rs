//! The engine: a whole host without HTTP, on a data folder of its own.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use kinora_decision as decision;
use kinora_decision::{Deciders, SnapshotStore};
use kinora_files::Probation;
use kinora_log as log;
use kinora_log::Log;
use kinora_projection as projection;
use kinora_projection::Projections;
use kinora_sandbox as sandbox;
use kinora_sandbox::Modules;
use kinora_storage::Storage;

use crate::backup::Backups;
use crate::data::DataFolder;
use crate::limits::Limits;

#[derive(Clone, Debug)]
pub struct Options {
    pub log: log::Options,
    /// Where backups go; `None`: none are made.
    pub backups: Option<PathBuf>,
    pub limits: Limits,
    /// No guest is run before somebody asks for it.
    pub paused: bool,
    /// The program that compiles modules in a process of its own, when it is called with [`sandbox::CHILD_COMMAND`].
    pub compiler: PathBuf,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Log(#[from] log::Error),
    #[error("the secret key at {}: {cause}", path.display())]
    Secret { path: PathBuf, cause: io::Error },
    #[error(transparent)]
    Modules(#[from] sandbox::Error),
    #[error(transparent)]
    Projections(#[from] projection::Error),
    #[error("the deciders: {0}")]
    Deciders(#[from] decision::Error),
}

/// A running host. It owns its data folder: a second one there is refused.
pub struct Engine {
    log: Log,
    projections: Arc<Projections>,
    deciders: Arc<Deciders>,
    backups: Option<Arc<Backups>>,
    limits: Limits,
}

impl Engine {
    /// Opens the log, then the modules, then the projections, whose versions go on from where they stopped. Versions
    /// whose modules are compiled answer queries when this returns. Needs a runtime to be there. Blocks.
    pub fn open(data: &DataFolder, options: Options) -> Result<Self, Error> {
        let Options { log, backups, limits, paused, compiler } = options;
        let storage = Storage::default();
        let log = Log::open(&storage, &data.log(), log)?;
        let path = data.secret();
        let secret = kinora_files::secret(&path).map_err(|cause| Error::Secret { path, cause })?;
        let probation = Probation::open(&data.probation());
        let modules = sandbox::Opening {
            compiler,
            secret,
            limits: limits.sandbox.clone(),
            probation: Arc::clone(&probation),
            paused,
        };
        let modules = Modules::open(&data.modules(), modules)?;
        let opening = projection::Opening {
            catalog: data.catalog(),
            dir: data.read_models(),
            query_limits: limits.queries,
            limits: limits.projections,
            probation: Arc::clone(&probation),
            paused,
        };
        let projections = Projections::open(log.clone(), storage.clone(), Arc::clone(&modules), opening)?;
        let opening = decision::Opening {
            projections: Arc::clone(&projections),
            snapshots: SnapshotStore::open(&storage, &data.snapshots()),
            limits: limits.deciders,
            memory_bytes: limits.sandbox.memory_bytes,
            probation,
            paused,
        };
        let deciders = Deciders::open(log.clone(), modules, opening)?;
        let backups = backups.map(|dir| Arc::new(Backups::new(dir, data.clone(), log.clone())));
        Ok(Self { log, projections, deciders, backups, limits })
    }

    pub fn log(&self) -> &Log {
        &self.log
    }

    pub fn projections(&self) -> &Arc<Projections> {
        &self.projections
    }

    pub fn deciders(&self) -> &Arc<Deciders> {
        &self.deciders
    }

    /// `None`: this host makes none.
    pub fn backups(&self) -> Option<&Arc<Backups>> {
        self.backups.as_ref()
    }

    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Ends the threads of all versions after a last commit. The log closes with the last handle to it. Blocks.
    pub fn stop(&self) {
        self.deciders.stop();
        self.projections.stop();
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use kinora_log::{AppendRequest, StreamAppend};
    use kinora_types::{EventType, ExpectedRevision, NewEvent};

    use super::*;

    fn options(compiler: PathBuf) -> Options {
        let limits = Limits::default();
        Options { log: limits.log.clone().into(), backups: None, limits, paused: false, compiler }
    }

    /// Runs a host until `work` is done, as a process does: nothing of it is left after that.
    fn run<T>(data: &DataFolder, work: impl AsyncFnOnce(&Engine) -> T) -> T {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let engine = Engine::open(data, options(std::env::current_exe().unwrap())).unwrap();
            let done = work(&engine).await;
            tokio::task::spawn_blocking(move || engine.stop()).await.unwrap();
            done
        })
    }

    fn event(kind: &str) -> NewEvent {
        let data = serde_json::from_str("{}").unwrap();
        NewEvent {
            id: uuid::Uuid::new_v4(),
            kind: EventType::new(kind, 1).unwrap(),
            data,
            metadata: None,
            tags: vec![],
        }
    }

    #[test]
    fn a_host_goes_on_where_it_was_stopped_and_its_folder_is_one_to_claim() {
        let dir = tempfile::tempdir().unwrap();
        let data = DataFolder::claim(dir.path()).unwrap();
        run(&data, async |engine| {
            let (stream, expected) = ("s-1".parse().unwrap(), ExpectedRevision::NoStream);
            let append = StreamAppend { stream, expected, events: vec![event("Opened")] };
            engine.log().append(AppendRequest::from(vec![append])).await.unwrap();
        });
        let data = DataFolder::claim(dir.path()).unwrap();
        let (events, projections) =
            run(&data, async |engine| (engine.log().progress().0, engine.projections().list().unwrap().len()));
        assert_eq!((events, projections), (1, 0));
    }

    #[tokio::test]
    async fn a_folder_has_one_host() {
        let dir = tempfile::tempdir().unwrap();
        let data = DataFolder::claim(dir.path()).unwrap();
        let program = std::env::current_exe().unwrap();
        let _first = Engine::open(&data, options(program.clone())).unwrap();
        assert!(matches!(Engine::open(&data, options(program)), Err(Error::Log(_))));
    }
}
