//! Suspects: versions that were started and had not proved well yet when the host ended without order, once or again.
//! They are started last and one at a time, so that it shows which of them it is. What has ended the host twice in the
//! same place is not started any more before somebody asks for it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use kinora_files::{OnProbation, Probation};
use kinora_sandbox::{Category, Failure};

use crate::registry::version::Version;

/// How long a suspect waits for the others to prove well: a replay may take hours.
const PATIENCE: Duration = Duration::from_secs(30);

/// How often it looks whether they have.
const LOOK: Duration = Duration::from_millis(50);

/// What is known of versions that may have ended the host.
pub struct Suspects {
    probation: Arc<Probation>,
    line: mpsc::UnboundedSender<Arc<Version>>,
}

/// Suspects on their way to be started again.
pub struct Line {
    probation: Arc<Probation>,
    versions: mpsc::UnboundedReceiver<Arc<Version>>,
}

/// What becomes of a suspect whose rows are open.
pub enum Judgement {
    /// It is started as soon as nobody else is on probation.
    Waits,
    /// It is not started before somebody asks for it.
    Quarantined(Failure),
}

fn note(version: &Version) -> String {
    format!("version-{}-{}", version.projection, version.number)
}

impl Suspects {
    pub fn new(probation: Arc<Probation>) -> (Self, Line) {
        let (line, versions) = mpsc::unbounded_channel();
        let waiting = Line { probation: Arc::clone(&probation), versions };
        (Self { probation, line }, waiting)
    }

    /// Whether a version was on probation when the host ended without order.
    pub fn has(&self, version: &Version) -> bool {
        self.probation.ends(&note(version)) > 0
    }

    /// Notes that a version is started, from where its rows stand.
    pub fn begin(&self, version: &Version) -> OnProbation {
        let begun = self.probation.begin(&note(version), version.checkpoint().0);
        if let Some(cause) = &begun.unnoted {
            let (projection, number) = (version.projection.as_str(), version.number);
            tracing::warn!(projection, version = number, %cause, "there is no note that a version is started");
        }
        begun
    }

    /// Has the note of a version that was started outlive the machine. Blocks.
    pub fn sync(&self, version: &Version) {
        self.probation.sync(&note(version));
    }

    /// Decides what becomes of a suspect.
    pub fn judge(&self, version: &Arc<Version>) -> Judgement {
        self.probation.stands_at(&note(version), version.checkpoint().0);
        let ends = self.probation.ends(&note(version));
        let (projection, number) = (version.projection.as_str(), version.number);
        if !self.probation.is_to_blame(&note(version)) {
            tracing::warn!(projection, version = number, "it may have ended the host, and is started last");
            // Without anybody who takes it the host is about to end.
            let _ = self.line.send(Arc::clone(version));
            return Judgement::Waits;
        }
        if let Err(cause) = self.probation.spare(&note(version)) {
            tracing::warn!(projection, version = number, %cause, "a note of a version cannot be written");
        }
        let message = format!(
            "the host ended {ends} times after it had started this version, and before that got any further, so it \
             does not start it again by itself"
        );
        Judgement::Quarantined(Failure::new(Category::Quarantined, message))
    }

    /// The host ends in order.
    pub fn rest(&self) {
        self.probation.rest();
    }
}

impl Line {
    /// The next suspect, once nobody else is on probation, or that takes too long. `None`: there will be no more.
    pub async fn next(&mut self) -> Option<Arc<Version>> {
        let version = self.versions.recv().await?;
        let began = Instant::now();
        while self.probation.under_way() > 0 && began.elapsed() < PATIENCE {
            tokio::time::sleep(LOOK).await;
        }
        Some(version)
    }
}
