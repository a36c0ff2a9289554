//! The host itself: limits, settings, health, backups.

use kinora_api::backups::{Backup, Backups, CreateBackup};
use kinora_api::health::{Health, Readiness};
use kinora_api::limits::Limits;
use kinora_api::settings::Settings;

use crate::answer::Answer;
use crate::client::Client;
use crate::error::Error;

impl Client {
    /// The limits in force.
    pub async fn limits(&self) -> Result<Answer<Limits>, Error> {
        self.get(self.url(&["v1", "limits"])?).await
    }

    /// What the host was started with.
    pub async fn settings(&self) -> Result<Answer<Settings>, Error> {
        self.get(self.url(&["v1", "settings"])?).await
    }

    /// Whether the host is there.
    pub async fn health(&self) -> Result<Answer<Health>, Error> {
        self.get(self.url(&["healthz"])?).await
    }

    /// Whether every live version runs; [`Error::Failed`] if not.
    pub async fn readiness(&self) -> Result<Answer<Readiness>, Error> {
        self.get(self.url(&["readyz"])?).await
    }

    /// Makes a backup while everything goes on.
    pub async fn create_backup(&self, create: &CreateBackup) -> Result<Answer<Backup>, Error> {
        self.post_json(self.url(&["v1", "backups"])?, create).await
    }

    pub async fn backups(&self) -> Result<Answer<Backups>, Error> {
        self.get(self.url(&["v1", "backups"])?).await
    }
}
