//! Suspects: versions that were started and had not proved well yet when the host ended without order, once or again.
//! They are started last and one at a time, so that it shows which of them it is. What has ended the host twice in the
//! same place is not started any more before somebody asks for it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use kinora_files::{OnProbation, Probation};
use kinora_sandbox::{Category, Failure};

use crate::feed::modules::VersionModules;
use crate::record::fault::Fault;
use crate::registry::version::Version;
use crate::supervisor::Supervisor;

/// How often a version may end the host before it is not started any more by itself.
const ENDS: u32 = 2;

/// How long a suspect waits for the others to prove well: a replay may take hours.
const PATIENCE: Duration = Duration::from_secs(30);

/// How often it looks whether they have.
const LOOK: Duration = Duration::from_millis(50);

/// Under which name a version is on probation.
pub fn note(version: &Version) -> String {
    format!("version-{}-{}", version.projection, version.number)
}

impl Supervisor {
    /// Notes that a version is started, from where its rows stand.
    pub(super) fn on_probation(&self, version: &Version) -> OnProbation {
        let begun = self.probation.begin(&note(version), version.checkpoint().0);
        if let Some(cause) = &begun.unnoted {
            let (projection, number) = (version.projection.as_str(), version.number);
            tracing::warn!(projection, version = number, %cause, "there is no note that a version is started");
        }
        begun
    }

    /// Starts a version when the host starts: at once, last, or not at all. Blocks.
    pub(super) fn start_again(&self, version: &Arc<Version>, modules: VersionModules) -> Result<(), Failure> {
        if self.probation.ends(&note(version)) == 0 {
            return self.start_thread(version, modules);
        }
        self.start_or_open(version, modules, false)?;
        let ends = self.probation.ends_at(&note(version), version.checkpoint().0);
        let (projection, number) = (version.projection.as_str(), version.number);
        if version.is_held() || version.fault().is_some() {
            return Ok(());
        }
        if ends >= ENDS {
            if let Err(cause) = self.probation.spare(&note(version)) {
                tracing::warn!(projection, version = number, %cause, "a note of a version cannot be written");
            }
            let failure = Failure::new(
                Category::Quarantined,
                format!(
                    "the host ended {ends} times after it had started this version, each time in the same place, so it \
                     does not start it again by itself"
                ),
            );
            let fault = Fault::new(&failure, None);
            tracing::error!(projection, version = number, ends, "a version is quarantined");
            version.set_fault(Some(fault.clone()));
            self.remember_fault(version, fault);
            return Ok(());
        }
        tracing::warn!(
            projection,
            version = number,
            "the host may have ended because of a version: it is started last"
        );
        // Without anybody who takes it the host is about to end.
        let _ = self.suspects.send(Arc::clone(version));
        Ok(())
    }

    /// Starts suspects, each once nobody else is on probation.
    pub(super) fn try_suspects(&self, mut suspects: mpsc::UnboundedReceiver<Arc<Version>>) {
        let (this, probation) = (self.this.clone(), Arc::clone(&self.probation));
        tokio::spawn(async move {
            while let Some(version) = suspects.recv().await {
                wait_until_alone(&probation).await;
                let Some(this) = this.upgrade() else { return };
                let tried = tokio::task::spawn_blocking(move || this.try_suspect(&version));
                if let Err(cause) = tried.await {
                    tracing::error!(%cause, "a version could not be started");
                }
            }
        });
    }

    fn try_suspect(&self, version: &Arc<Version>) {
        let (projection, number) = (version.projection.as_str(), version.number);
        let record = self.registry.read().record(projection, number).cloned();
        let Some(record) = record.filter(|record| !record.retired) else { return };
        tracing::info!(projection, version = number, "a version is started alone");
        let modules = VersionModules::ready(&self.modules, record.module, &record.upcasters).map_err(Failure::from);
        if let Err(failure) = modules.and_then(|modules| self.start_thread(version, modules)) {
            self.not_started(version, &failure);
        }
        self.registry.changed();
    }
}

async fn wait_until_alone(probation: &Probation) {
    let began = Instant::now();
    while probation.under_way() > 0 && began.elapsed() < PATIENCE {
        tokio::time::sleep(LOOK).await;
    }
}
