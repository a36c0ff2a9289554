//! Deciders: commands, and the versions of the rules that decide them.

use kinora_api::appends::ExpectedRevision;
use kinora_api::commands::{AggregateState, Commands, Decided, DecidedTogether};
use kinora_api::deciders::{Decider, DeciderChecklist, Deciders};
use kinora_api::deciders::{DecisionReport, DeployDecider, PromoteDecider, Rejections, RetireDecider};
use kinora_api::events::EventPage;
use kinora_api::projections::ReadHistory;
use kinora_api::rollouts::Change;
use kinora_api::verifications::DecisionBundle;
use reqwest::Url;

use crate::address::with_parameters;
use crate::answer::Answer;
use crate::client::Client;
use crate::error::Error;

impl Client {
    /// Has an aggregate decide a command; `data` is JSON text. Without a key ([`Client::keyed`]) it must not be sent
    /// again: it would be another command.
    pub async fn decide(
        &self,
        decider: &str,
        aggregate: &str,
        command: &str,
        data: String,
        expected: ExpectedRevision,
    ) -> Result<Answer<Decided>, Error> {
        let url = self.url(&["v1", "deciders", decider, aggregate, command])?;
        self.post_text(url, data, expected.header()).await
    }

    /// What a command would come to; nothing is appended.
    pub async fn decide_dry(
        &self,
        decider: &str,
        aggregate: &str,
        command: &str,
        data: String,
    ) -> Result<Answer<Decided>, Error> {
        let mut url = self.url(&["v1", "deciders", decider, aggregate, command])?;
        url.set_query(Some("dry_run=true"));
        self.post_text(url, data, None).await
    }

    /// Everything that the decision of a command depends on; by the version that is live, or another one.
    pub async fn command_reproduction(
        &self,
        decider: &str,
        aggregate: &str,
        command: &str,
        data: String,
        version: Option<u32>,
    ) -> Result<Answer<DecisionBundle>, Error> {
        let mut url = self.url(&["v1", "deciders", decider, aggregate, command, "reproduction"])?;
        url.set_query(version.map(|version| format!("version={version}")).as_deref());
        self.post_text(url, data, None).await
    }

    /// Has several aggregates decide, all or none.
    pub async fn decide_together(&self, commands: &Commands) -> Result<Answer<DecidedTogether>, Error> {
        self.post_json(self.url(&["v1", "commands"])?, commands).await
    }

    /// The state of an aggregate, after the event at a position or as it is.
    pub async fn aggregate(
        &self,
        decider: &str,
        aggregate: &str,
        position: Option<u64>,
    ) -> Result<Answer<AggregateState>, Error> {
        let mut url = self.url(&["v1", "deciders", decider, aggregate, "state"])?;
        url.set_query(position.map(|position| format!("position={position}")).as_deref());
        self.get(url).await
    }

    pub async fn deciders(&self) -> Result<Answer<Deciders>, Error> {
        self.get(self.url(&["v1", "deciders"])?).await
    }

    pub async fn decider(&self, name: &str) -> Result<Answer<Decider>, Error> {
        self.get(self.of_decider(name, &[])?).await
    }

    /// Deploys a version, which proves itself before it can decide.
    pub async fn deploy_decider(&self, name: &str, deploy: &DeployDecider) -> Result<Answer<Decider>, Error> {
        self.post_json(self.of_decider(name, &["versions"])?, deploy).await
    }

    /// What a promotion of a version would ask, as it is now.
    pub async fn decider_gates(&self, name: &str, version: u32) -> Result<Answer<DeciderChecklist>, Error> {
        self.get(self.of_decider(name, &["versions", &version.to_string(), "gates"])?).await
    }

    /// Has a version decide, from the next command on.
    pub async fn promote_decider(&self, name: &str, promote: &PromoteDecider) -> Result<Answer<Decider>, Error> {
        self.post_json(self.of_decider(name, &["promote"])?, promote).await
    }

    /// Has the version decide that did before.
    pub async fn roll_back_decider(&self, name: &str, change: &Change) -> Result<Answer<Decider>, Error> {
        self.post_json(self.of_decider(name, &["rollback"])?, change).await
    }

    /// Gives a version up that is not live.
    pub async fn retire_decider(&self, name: &str, version: u32) -> Result<Answer<Decider>, Error> {
        self.post_json(self.of_decider(name, &["retire"])?, &RetireDecider { version }).await
    }

    /// Decides every recorded command again, each by the version of that time.
    pub async fn audit_decider(&self, name: &str) -> Result<Answer<DecisionReport>, Error> {
        self.post_text(self.of_decider(name, &["audit"])?, String::new(), None).await
    }

    /// Commands that were rejected lately, the last one first.
    pub async fn rejections(&self, name: &str) -> Result<Answer<Rejections>, Error> {
        self.get(self.of_decider(name, &["rejections"])?).await
    }

    /// A page of who did what, when and why.
    pub async fn decider_history(&self, name: &str, read: &ReadHistory) -> Result<Answer<EventPage>, Error> {
        self.get(with_parameters(self.of_decider(name, &["history"])?, read)?).await
    }

    fn of_decider(&self, name: &str, below: &[&str]) -> Result<Url, Error> {
        self.url(&[&["v1", "deciders", name], below].concat())
    }
}
