//! Modules and upcasters.

use kinora_api::modules::{Module, Modules, Uses};
use kinora_api::upcasters::{AskDryRun, DryRun, Follow, FollowOutcomes};

use crate::answer::Answer;
use crate::client::Client;
use crate::error::Error;

impl Client {
    /// Uploads a core module or a component. It compiles in the background: ask for it until its state is another.
    pub async fn upload(&self, wasm: Vec<u8>) -> Result<Answer<Module>, Error> {
        self.post_module(self.url(&["v1", "modules"])?, wasm).await
    }

    pub async fn modules(&self) -> Result<Answer<Modules>, Error> {
        self.get(self.url(&["v1", "modules"])?).await
    }

    /// Where a module stands.
    pub async fn module(&self, digest: &str) -> Result<Answer<Module>, Error> {
        self.get(self.url(&["v1", "modules", digest])?).await
    }

    /// The versions that a module is part of.
    pub async fn module_uses(&self, digest: &str) -> Result<Answer<Uses>, Error> {
        self.get(self.url(&["v1", "modules", digest, "uses"])?).await
    }

    /// Deletes a module that no version uses.
    pub async fn delete_module(&self, digest: &str) -> Result<(), Error> {
        self.delete(self.url(&["v1", "modules", digest])?).await
    }

    /// What upcasters would make of the events in the log.
    pub async fn dry_run_upcasters(&self, ask: &AskDryRun) -> Result<Answer<DryRun>, Error> {
        self.post_json(self.url(&["v1", "upcasters", "dry-run"])?, ask).await
    }

    /// A new version of every projection that works with an upcaster, with another in its place.
    pub async fn follow_upcaster(&self, follow: &Follow) -> Result<Answer<FollowOutcomes>, Error> {
        self.post_json(self.url(&["v1", "upcasters", "follow"])?, follow).await
    }
}
