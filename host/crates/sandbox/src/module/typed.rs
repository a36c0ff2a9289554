//! Modules that are ready to run: a projector or an upcaster, told apart once. Whoever works with one of the two takes
//! its type, so nobody further on can be handed the other.

use std::sync::Arc;

use crate::error::Error;
use crate::module::manifest::{Kind, Manifest, ProjectorManifest, UpcasterManifest};
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

/// A module that is ready to run. Cheap to clone.
#[derive(Clone)]
pub enum Module {
    Projector(Arc<ProjectorModule>),
    Upcaster(Arc<UpcasterModule>),
}

impl Module {
    pub fn digest(&self) -> Digest {
        match self {
            Self::Projector(projector) => projector.digest,
            Self::Upcaster(upcaster) => upcaster.digest,
        }
    }

    pub fn kind(&self) -> Kind {
        match self {
            Self::Projector(_) => Kind::Projector,
            Self::Upcaster(_) => Kind::Upcaster,
        }
    }

    pub fn manifest(&self) -> Manifest {
        match self {
            Self::Projector(projector) => Manifest::Projector(projector.manifest.clone()),
            Self::Upcaster(upcaster) => Manifest::Upcaster(upcaster.manifest.clone()),
        }
    }

    /// # Errors
    /// [`Error::WrongKind`], if it is an upcaster.
    pub fn into_projector(self) -> Result<Arc<ProjectorModule>, Error> {
        match self {
            Self::Projector(projector) => Ok(projector),
            Self::Upcaster(upcaster) => {
                let (actual, wanted) = ("an upcaster", "a projector");
                Err(Error::WrongKind { digest: upcaster.digest, actual, wanted })
            }
        }
    }

    /// # Errors
    /// [`Error::WrongKind`], if it is a projector.
    pub fn into_upcaster(self) -> Result<Arc<UpcasterModule>, Error> {
        match self {
            Self::Upcaster(upcaster) => Ok(upcaster),
            Self::Projector(projector) => {
                let (actual, wanted) = ("a projector", "an upcaster");
                Err(Error::WrongKind { digest: projector.digest, actual, wanted })
            }
        }
    }
}
