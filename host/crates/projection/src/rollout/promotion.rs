//! Promotions: traffic moves through the gates, and back without them, each time in one atomic step.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;

use crate::ask::statuses::Statuses;
use crate::error::Error;
use crate::record::history::{By, What};
use crate::record::projection::ProjectionRecord;
use crate::record::request::{Done, Request};
use crate::record::status::{ProjectionStatus, last};
use crate::record::version::Promote;
use crate::registry::state::state_of;
use crate::registry::{Registry, Versions, find};
use crate::rollout::gates::Checklists;
use crate::rollout::lifecycle::Lifecycle;

/// How often a version that goes live by itself has its gates looked at: soon at first, then rarely, since a difference
/// costs something.
const FIRST_LOOK: Duration = Duration::from_millis(100);
const LAST_LOOK: Duration = Duration::from_secs(10);

/// What a promotion asks for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Promotion {
    /// Without a number: the newest version.
    pub version: Option<u32>,
    /// Whatever the gates say; that it can answer is asked all the same.
    pub force: bool,
}

/// Moves traffic from one version of a projection to another.
pub struct Promotions {
    pub(crate) registry: Arc<Registry>,
    pub(crate) statuses: Statuses,
    pub(crate) checklists: Arc<Checklists>,
    pub(crate) lifecycle: Arc<Lifecycle>,
}

impl Promotions {
    /// Moves queries to a version, in one step, if its gates are passed and the live version is still the one that it
    /// was compared with.
    pub async fn promote(
        self: &Arc<Self>,
        name: &str,
        promotion: Promotion,
        request: Request,
    ) -> Result<ProjectionStatus, Error> {
        self.registry.known(name)?;
        if let Some(outcome) = self.registry.before(name, &request)? {
            return self.statuses.as_answered(name, &outcome);
        }
        let status = self.statuses.of(name)?;
        let newest =
            status.versions.iter().rev().find(|version| !version.state.is_gone()).map(|version| version.version);
        let unknown = || Error::UnknownProjection { name: name.to_owned() };
        let number = promotion.version.or(newest).ok_or_else(unknown)?;
        let version = self.statuses.version(name, number)?;
        if !version.state.can_be_live() {
            return Err(Error::WrongState {
                name: name.into(),
                version: number,
                state: version.state,
                wanted: "made live",
            });
        }
        let mut expected = status.live;
        if !promotion.force {
            let checklist = self.checklists.of(name, number).await?;
            if !checklist.passed {
                return Err(Error::GatesClosed { name: name.to_owned(), version: number, gates: checklist.gates });
            }
            expected = checklist.live;
        }
        let (this, name, force) = (Arc::clone(self), name.to_owned(), promotion.force);
        let switched = tokio::task::spawn_blocking(move || {
            let done = this.switch(&name, number, expected, force, &request)?;
            this.lifecycle.retire_surplus(&name);
            this.statuses.after(&name, &done)
        });
        switched.await.map_err(|cause| Error::Thread(cause.to_string()))?
    }

    fn switch(
        &self,
        name: &str,
        number: u32,
        expected: Option<u32>,
        forced: bool,
        request: &Request,
    ) -> Result<Done<()>, Error> {
        let done = self.registry.change_for(name, request, |projection, versions| {
            if projection.live != expected {
                return Err(Error::OtherLive { expected, live: projection.live });
            }
            let from = projection.live;
            if from == Some(number) {
                return Ok(());
            }
            make_live(name, projection, versions, number)?;
            let figures = figures(projection, versions, name, from, number, json!({"forced": forced}));
            projection.record(name, What::Promoted, &request.by, figures);
            Ok(())
        })?;
        tracing::info!(projection = name, version = number, "live");
        Ok(done)
    }

    /// Moves queries back to the version that was live before, in one step and without any gate. Blocks.
    pub fn rollback(&self, name: &str, request: &Request) -> Result<ProjectionStatus, Error> {
        self.registry.known(name)?;
        let done = self.registry.change_for(name, request, |projection, versions| {
            let from = projection.live;
            let previous = projection.previous;
            let number = previous.ok_or_else(|| Error::NothingToRollBackTo { name: name.to_owned() })?;
            make_live(name, projection, versions, number)?;
            let figures = figures(projection, versions, name, from, number, json!({}));
            projection.record(name, What::RolledBack, &request.by, figures);
            Ok(number)
        })?;
        if let Done::Now(number) = &done {
            tracing::info!(projection = name, version = number, "live again");
            self.lifecycle.retire_surplus(name);
        }
        self.statuses.after(name, &done)
    }

    /// Looks at the gates of a version until they are passed, and makes it live then.
    pub fn promote_when_ready(self: &Arc<Self>, name: &str, number: u32) {
        let (this, name) = (Arc::downgrade(self), name.to_owned());
        tokio::spawn(async move {
            let mut wait = FIRST_LOOK;
            while let Some(promotions) = this.upgrade() {
                if promotions.promoted_or_given_up(&name, number).await {
                    return;
                }
                drop(promotions);
                tokio::time::sleep(wait).await;
                wait = (wait * 2).min(LAST_LOOK);
            }
        });
    }

    /// Whether there is nothing left to wait for.
    async fn promoted_or_given_up(self: &Arc<Self>, name: &str, number: u32) -> bool {
        let (Ok(record), Ok(status)) = (self.registry.record(name, number), self.statuses.of(name)) else {
            return true;
        };
        if record.retired || record.paused || record.fault.is_some() || record.promote != Promote::WhenReady {
            return true;
        }
        if status.live != record.deployed_over {
            self.give_up(name, number, status.live).await;
            return true;
        }
        match self.checklists.of_open(name, number).await {
            Ok(checklist) if checklist.passed && checklist.live == record.deployed_over => {}
            Ok(_) => return false,
            Err(error) => {
                tracing::error!(projection = name, version = number, %error, "the gates cannot be looked at");
                return false;
            }
        }
        let (this, projection) = (Arc::clone(self), name.to_owned());
        let switched = tokio::task::spawn_blocking(move || {
            let by = By::host("it is ready, and its gates are passed");
            this.switch(&projection, number, record.deployed_over, false, &by.into())?;
            this.lifecycle.retire_surplus(&projection);
            Ok::<_, Error>(())
        });
        match switched.await {
            Ok(Ok(())) => true,
            // The next look says why.
            Ok(Err(error)) => {
                tracing::warn!(projection = name, version = number, %error, "not promoted");
                false
            }
            Err(_) => true,
        }
    }

    /// Somebody has made another version live meanwhile: this one does not undo that by itself.
    async fn give_up(self: &Arc<Self>, name: &str, number: u32, live: Option<u32>) {
        let (this, name) = (Arc::clone(self), name.to_owned());
        let given_up = tokio::task::spawn_blocking(move || {
            this.registry.change(&name, |projection, _| {
                let Some(record) = projection.versions.get_mut(&number) else { return Ok(()) };
                record.promote = Promote::Manual;
                let figures = json!({"version": number, "deployed_over": record.deployed_over, "live": live});
                let by = By::host("another version has become live since it was deployed");
                projection.record(&name, What::PromotionGivenUp, &by, figures);
                Ok(())
            })
        });
        if let Ok(Err(error)) = given_up.await {
            tracing::error!(version = number, %error, "cannot be remembered");
        }
    }
}

/// What a switch was like.
fn figures(
    projection: &ProjectionRecord,
    versions: &Versions,
    name: &str,
    from: Option<u32>,
    to: u32,
    more: serde_json::Value,
) -> serde_json::Value {
    let checkpoint =
        |number: u32| versions.get(&(name.to_owned(), number)).and_then(|version| last(version.checkpoint()));
    let mut figures = json!({
        "from": from,
        "to": to,
        "from_position": from.and_then(checkpoint),
        "to_position": checkpoint(to),
        "replayed_in_ms": projection.versions.get(&to).and_then(|record| record.replayed_in_ms),
    });
    if let (serde_json::Value::Object(figures), serde_json::Value::Object(more)) = (&mut figures, more) {
        figures.extend(more);
    }
    figures
}

/// Makes a version live, if it can be, and remembers which one was.
fn make_live(name: &str, projection: &mut ProjectionRecord, versions: &Versions, number: u32) -> Result<(), Error> {
    let version = find(name, projection, versions, number)?;
    let Some(record) = projection.versions.get(&number) else { return Ok(()) };
    let (_, state) = state_of(&version, record, projection);
    if !state.can_be_live() {
        let name = name.to_owned();
        return Err(Error::WrongState { name, version: number, state, wanted: "made live" });
    }
    if projection.live == Some(number) {
        return Ok(());
    }
    projection.previous = projection.live;
    if let Some(before) = projection.live.and_then(|live| projection.versions.get_mut(&live)) {
        before.live_until = Some(Timestamp::now());
    }
    projection.live = Some(number);
    if let Some(record) = projection.versions.get_mut(&number) {
        record.was_live = true;
    }
    Ok(())
}
