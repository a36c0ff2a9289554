//! Modules that are ready to run: a projector, an upcaster or a decider, told apart once. Whoever works with one of
//! them takes its type, so nobody further on can be handed another.

use std::sync::Arc;

use crate::error::Error;
use crate::module::manifest::{DeciderManifest, Kind, Manifest, ProjectorManifest, UpcasterManifest};
use crate::module::schemas::DeciderSchemas;
use crate::run::decider::DeciderPre;
use crate::run::instance::{ProjectorPre, UpcasterPre};
use kinora_types::Digest;

/// A projector that is ready to run.
pub struct ProjectorModule {
    pub digest: Digest,
    pub manifest: ProjectorManifest,
    pub pre: ProjectorPre,
}

/// An upcaster that is ready to run.
pub struct UpcasterModule {
    pub digest: Digest,
    pub manifest: UpcasterManifest,
    pub pre: UpcasterPre,
}

/// A decider that is ready to run.
pub struct DeciderModule {
    pub digest: Digest,
    pub manifest: DeciderManifest,
    /// What the data of its commands and events has to be.
    pub schemas: DeciderSchemas,
    pub pre: DeciderPre,
}

/// A module that is ready to run. Cheap to clone.
#[derive(Clone)]
pub enum Module {
    Projector(Arc<ProjectorModule>),
    Upcaster(Arc<UpcasterModule>),
    Decider(Arc<DeciderModule>),
}

impl Module {
    pub fn digest(&self) -> Digest {
        match self {
            Self::Projector(projector) => projector.digest,
            Self::Upcaster(upcaster) => upcaster.digest,
            Self::Decider(decider) => decider.digest,
        }
    }

    pub fn kind(&self) -> Kind {
        match self {
            Self::Projector(_) => Kind::Projector,
            Self::Upcaster(_) => Kind::Upcaster,
            Self::Decider(_) => Kind::Decider,
        }
    }

    pub fn manifest(&self) -> Manifest {
        match self {
            Self::Projector(projector) => Manifest::Projector(projector.manifest.clone()),
            Self::Upcaster(upcaster) => Manifest::Upcaster(upcaster.manifest.clone()),
            Self::Decider(decider) => Manifest::Decider(decider.manifest.clone()),
        }
    }

    /// # Errors
    /// [`Error::WrongKind`], if it is no projector.
    pub fn into_projector(self) -> Result<Arc<ProjectorModule>, Error> {
        match self {
            Self::Projector(projector) => Ok(projector),
            other => Err(other.is_no(Kind::Projector)),
        }
    }

    /// # Errors
    /// [`Error::WrongKind`], if it is no upcaster.
    pub fn into_upcaster(self) -> Result<Arc<UpcasterModule>, Error> {
        match self {
            Self::Upcaster(upcaster) => Ok(upcaster),
            other => Err(other.is_no(Kind::Upcaster)),
        }
    }

    /// # Errors
    /// [`Error::WrongKind`], if it is no decider.
    pub fn into_decider(self) -> Result<Arc<DeciderModule>, Error> {
        match self {
            Self::Decider(decider) => Ok(decider),
            other => Err(other.is_no(Kind::Decider)),
        }
    }

    fn is_no(&self, wanted: Kind) -> Error {
        Error::WrongKind { digest: self.digest(), actual: self.kind().noun(), wanted: wanted.noun() }
    }
}
