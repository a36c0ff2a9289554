//! Projections and their versions: rollouts, differences, faults, history.

use kinora_api::differences::{Diff, DiffEvents, DiffRows, ReadDiff, ReadDiffEvents, ReadDiffRows};
use kinora_api::events::EventPage;
use kinora_api::projections::{Projection, Projections, ReadHistory, SettingsChange};
use kinora_api::rollouts::{Change, Checklist, Deploy, DeployWasm, Preflight, Promotion, Review, Skip};
use kinora_api::upcasters::Upcasting;
use kinora_api::verifications::{Bundle, ReadDigest, RowsDigest, Verified};
use kinora_api::versions::Version;
use reqwest::Url;

use crate::address::with_parameters;
use crate::answer::Answer;
use crate::client::Client;
use crate::error::Error;
use crate::stream::{Pieces, Subscription};

impl Client {
    pub async fn projections(&self) -> Result<Answer<Projections>, Error> {
        self.get(self.url(&["v1", "projections"])?).await
    }

    pub async fn projection(&self, name: &str) -> Result<Answer<Projection>, Error> {
        self.get(self.of_projection(name, &[])?).await
    }

    /// Follows a projection: each message is a `status`.
    pub async fn follow_projection(&self, name: &str) -> Result<Subscription, Error> {
        self.subscribe(self.of_projection(name, &[])?, None).await
    }

    /// Changes what holds for all versions.
    pub async fn set(&self, name: &str, change: &SettingsChange) -> Result<Answer<Projection>, Error> {
        self.patch_json(self.of_projection(name, &[])?, change).await
    }

    /// A page of who did what, when and why.
    pub async fn history(&self, name: &str, read: &ReadHistory) -> Result<Answer<EventPage>, Error> {
        self.get(with_parameters(self.of_projection(name, &["history"])?, read)?).await
    }

    /// Where a version stands.
    pub async fn version(&self, name: &str, version: u32) -> Result<Answer<Version>, Error> {
        self.get(self.of_version(name, version, None)?).await
    }

    /// Deploys a version.
    pub async fn deploy(&self, name: &str, deploy: &Deploy) -> Result<Answer<Version>, Error> {
        let deploy = Deploy { dry_run: false, ..deploy.clone() };
        self.post_json(self.of_projection(name, &["versions"])?, &deploy).await
    }

    /// What a deployment would come to, without one.
    pub async fn preflight(&self, name: &str, deploy: &Deploy) -> Result<Answer<Preflight>, Error> {
        let deploy = Deploy { dry_run: true, ..deploy.clone() };
        self.post_json(self.of_projection(name, &["versions"])?, &deploy).await
    }

    /// Deploys a version straight from a projector's Wasm.
    pub async fn deploy_wasm(&self, name: &str, deploy: &DeployWasm, wasm: Vec<u8>) -> Result<Answer<Version>, Error> {
        self.post_module(with_parameters(self.of_projection(name, &["versions"])?, deploy)?, wasm).await
    }

    /// The gates of a version: whether each is open, and why.
    pub async fn gates(&self, name: &str, version: u32) -> Result<Answer<Checklist>, Error> {
        self.get(self.of_version(name, version, Some("gates"))?).await
    }

    /// What the upcasters of a version make of one event, call by call.
    pub async fn upcasting(&self, name: &str, version: u32, position: u64) -> Result<Answer<Upcasting>, Error> {
        let (number, position) = (version.to_string(), position.to_string());
        self.get(self.url(&["v1", "projections", name, "versions", &number, "upcasting", &position])?).await
    }

    /// Makes a version live, in one step.
    pub async fn promote(&self, name: &str, version: u32, promotion: &Promotion) -> Result<Answer<Projection>, Error> {
        self.post_json(self.of_version(name, version, Some("promote"))?, promotion).await
    }

    /// Says that what differs from the live version is right.
    pub async fn review(&self, name: &str, version: u32, review: &Review) -> Result<Answer<Projection>, Error> {
        self.post_json(self.of_version(name, version, Some("review"))?, review).await
    }

    /// Goes back to the version that was live before, in one step.
    pub async fn rollback(&self, name: &str, change: &Change) -> Result<Answer<Projection>, Error> {
        self.post_json(self.of_projection(name, &["rollback"])?, change).await
    }

    /// Stops projecting, and keeps the rows.
    pub async fn pause(&self, name: &str, version: u32, change: &Change) -> Result<Answer<Projection>, Error> {
        self.post_json(self.of_version(name, version, Some("pause"))?, change).await
    }

    /// Goes on from the checkpoint, also after a fault.
    pub async fn resume(&self, name: &str, version: u32, change: &Change) -> Result<Answer<Projection>, Error> {
        self.post_json(self.of_version(name, version, Some("resume"))?, change).await
    }

    /// Throws the rows away and begins anew.
    pub async fn retry(&self, name: &str, version: u32, change: &Change) -> Result<Answer<Projection>, Error> {
        self.post_json(self.of_version(name, version, Some("retry"))?, change).await
    }

    /// Ends a version that was never live.
    pub async fn abort(&self, name: &str, version: u32, change: &Change) -> Result<Answer<Projection>, Error> {
        self.post_json(self.of_version(name, version, Some("abort"))?, change).await
    }

    /// Ends a version, and removes its rows.
    pub async fn retire(&self, name: &str, version: u32, change: &Change) -> Result<Answer<Projection>, Error> {
        self.post_json(self.of_version(name, version, Some("retire"))?, change).await
    }

    /// Passes over the event at which a version stopped, and goes on.
    pub async fn skip(&self, name: &str, version: u32, skip: &Skip) -> Result<Answer<Projection>, Error> {
        self.post_json(self.of_version(name, version, Some("skip"))?, skip).await
    }

    /// Everything that the fault of a version depends on.
    pub async fn reproduction(&self, name: &str, version: u32) -> Result<Answer<Bundle>, Error> {
        self.get(self.of_version(name, version, Some("reproduction"))?).await
    }

    /// A digest of the rows of a version.
    pub async fn rows_digest(&self, name: &str, version: u32, read: &ReadDigest) -> Result<Answer<RowsDigest>, Error> {
        self.get(with_parameters(self.of_version(name, version, Some("digest"))?, read)?).await
    }

    /// Replays all events of a version beside it, and compares the rows.
    pub async fn verify(&self, name: &str, version: u32) -> Result<Answer<Verified>, Error> {
        self.get(self.of_version(name, version, Some("verification"))?).await
    }

    /// The same, told how far it is: `progress`, then `verified` or `problem`.
    pub async fn follow_verification(&self, name: &str, version: u32) -> Result<Subscription, Error> {
        self.subscribe(self.of_version(name, version, Some("verification"))?, None).await
    }

    /// What differs between two versions, in counts and examples.
    pub async fn diff(&self, name: &str, read: &ReadDiff) -> Result<Answer<Diff>, Error> {
        self.get(with_parameters(self.of_projection(name, &["diff"])?, read)?).await
    }

    /// A page of the rows that differ.
    pub async fn diff_rows(&self, name: &str, read: &ReadDiffRows) -> Result<Answer<DiffRows>, Error> {
        self.get(with_parameters(self.of_projection(name, &["diff", "rows"])?, read)?).await
    }

    /// Every row that differs, in one stream, in the format that is asked for.
    pub async fn all_diff_rows(&self, name: &str, read: &ReadDiffRows) -> Result<Pieces, Error> {
        let url = with_parameters(self.of_projection(name, &["diff", "rows"])?, read)?;
        let response = self.open(&url, "application/x-ndjson", None).await?;
        Ok(Pieces::new(url, response))
    }

    /// For a row, the events that wrote it in either version.
    pub async fn diff_events(&self, name: &str, read: &ReadDiffEvents) -> Result<Answer<DiffEvents>, Error> {
        self.get(with_parameters(self.of_projection(name, &["diff", "events"])?, read)?).await
    }

    fn of_projection(&self, name: &str, what: &[&str]) -> Result<Url, Error> {
        self.url(&[&["v1", "projections", name], what].concat())
    }

    fn of_version(&self, name: &str, version: u32, what: Option<&str>) -> Result<Url, Error> {
        let number = version.to_string();
        let segments = ["v1", "projections", name, "versions", &number].into_iter().chain(what);
        self.url(&segments.collect::<Vec<_>>())
    }
}
