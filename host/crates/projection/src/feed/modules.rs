//! The modules of one version: a projector, and the upcasters that bring old events to what it handles.

use std::sync::Arc;

use kinora_files::Place;
use kinora_sandbox::{Error, Modules, Needs, Partition, ProjectorModule, UpcasterModule};
use kinora_types::{Budget, Digest};

use crate::feed::routes::Routes;
use crate::feed::upcasting::Chain;

/// What a version is made of, once its modules are compiled.
#[derive(Clone)]
pub struct VersionModules {
    pub projector: Arc<ProjectorModule>,
    pub upcasters: Vec<Arc<UpcasterModule>>,
    /// That of whoever waits for what the guests do.
    pub budget: Budget,
    /// Where it is noted that they do something, while they are on probation.
    pub place: Place,
}

impl VersionModules {
    /// The modules of these digests, if they are ready.
    ///
    /// # Errors
    /// Those of [`Modules::projector`] and [`Modules::upcaster`].
    pub fn ready(modules: &Modules, projector: Digest, upcasters: &[Digest]) -> Result<Self, Error> {
        let projector = modules.projector(projector)?;
        let upcasters = upcasters.iter().map(|digest| modules.upcaster(*digest)).collect::<Result<_, _>>()?;
        Ok(Self::new(projector, upcasters))
    }

    /// The modules of these digests, once they have been compiled.
    ///
    /// # Errors
    /// Those of [`Modules::settled`], and [`Error::WrongKind`].
    pub async fn settled(modules: &Modules, projector: Digest, upcasters: &[Digest]) -> Result<Self, Error> {
        let projector = modules.settled(projector).await?;
        let mut settled = Vec::new();
        for digest in upcasters {
            settled.push(modules.settled(*digest).await?);
        }
        let upcasters = settled.into_iter().map(|module| module.into_upcaster()).collect::<Result<_, _>>()?;
        Ok(Self::new(projector.into_projector()?, upcasters))
    }

    pub fn new(projector: Arc<ProjectorModule>, upcasters: Vec<Arc<UpcasterModule>>) -> Self {
        Self { projector, upcasters, budget: Budget::unlimited(), place: Place::default() }
    }

    /// The same, for whoever has this budget: the calls of all instances end with it.
    pub fn within(self, budget: &Budget) -> Self {
        Self { budget: budget.clone(), ..self }
    }

    /// The columns that any of them needs.
    pub fn needs(&self) -> Needs {
        let projector = &self.projector.manifest;
        // Without the tags there would be nothing to tell the partitions by, also where one instance sees all of them.
        let tags = matches!(projector.partition, Some(Partition::Tag(_)));
        let needs = projector.needs.union(Needs { tags, ..Needs::default() });
        self.upcasters.iter().fold(needs, |needs, upcaster| needs.union(upcaster.manifest.needs))
    }

    /// Joins the projector with its upcasters.
    ///
    /// # Errors
    /// A sentence, see [`Routes::new`].
    pub fn routes(&self) -> Result<Routes, String> {
        let upcasters: Vec<_> = self.upcasters.iter().map(|upcaster| &upcaster.manifest).collect();
        Routes::new(&self.projector.manifest.handles, &self.projector.manifest.ignores, &upcasters)
    }

    /// Its upcasters, with instances of their own.
    pub fn chain(&self) -> Chain {
        Chain::new(self.upcasters.clone(), &self.budget)
    }
}
