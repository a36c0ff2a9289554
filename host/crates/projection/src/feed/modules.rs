//! The modules of one version: a projector, and the upcasters that bring old events to what it handles.

use std::sync::Arc;

use kinora_sandbox::{Error, Module, Modules, Needs, Partition, UpcasterManifest};
use kinora_types::Digest;

use crate::feed::routes::Routes;
use crate::feed::upcasting::Chain;

/// What a version is made of, once its modules are compiled.
#[derive(Clone)]
pub struct VersionModules {
    pub projector: Arc<Module>,
    pub upcasters: Vec<Arc<Module>>,
}

impl VersionModules {
    /// The modules of these digests, if they are ready.
    ///
    /// # Errors
    /// Those of [`Modules::ready`].
    pub fn ready(modules: &Modules, projector: Digest, upcasters: &[Digest]) -> Result<Self, Error> {
        let projector = modules.ready(projector)?;
        let upcasters = upcasters.iter().map(|digest| modules.ready(*digest)).collect::<Result<_, _>>()?;
        Ok(Self { projector, upcasters })
    }

    /// The modules of these digests, once they have been compiled.
    ///
    /// # Errors
    /// Those of [`Modules::settled`].
    pub async fn settled(modules: &Modules, projector: Digest, upcasters: &[Digest]) -> Result<Self, Error> {
        let projector = modules.settled(projector).await?;
        let mut settled = Vec::new();
        for digest in upcasters {
            settled.push(modules.settled(*digest).await?);
        }
        Ok(Self { projector, upcasters: settled })
    }

    /// The columns that any of them needs.
    pub fn needs(&self) -> Needs {
        let modules = std::iter::once(&self.projector).chain(&self.upcasters);
        modules.fold(Needs::default(), |needs, module| match &**module {
            Module::Upcaster { manifest, .. } => needs.union(manifest.needs),
            // Without the tags there would be nothing to tell the partitions by, also where one instance sees all of them.
            Module::Projector { manifest, .. } => {
                let tags = matches!(manifest.partition, Some(Partition::Tag(_)));
                needs.union(manifest.needs).union(Needs { tags, ..Needs::default() })
            }
        })
    }

    /// Joins the projector with its upcasters.
    ///
    /// # Errors
    /// A sentence, see [`Routes::new`].
    pub fn routes(&self) -> Result<Routes, String> {
        let Module::Projector { manifest, .. } = &*self.projector else {
            return Err("the module is not a projector".into());
        };
        let taken = |module: &Arc<Module>| -> Result<UpcasterManifest, String> {
            match &**module {
                Module::Upcaster { manifest, .. } => Ok(manifest.clone()),
                Module::Projector { digest, .. } => Err(format!("module {digest} is a projector, not an upcaster")),
            }
        };
        let upcasters = self.upcasters.iter().map(taken).collect::<Result<Vec<_>, _>>()?;
        Routes::new(manifest, &upcasters.iter().collect::<Vec<_>>())
    }

    /// Its upcasters, with instances of their own.
    pub fn chain(&self) -> Chain {
        Chain::new(self.upcasters.clone())
    }
}
