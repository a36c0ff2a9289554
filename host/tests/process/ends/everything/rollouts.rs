//! Rollouts: versions that are deployed, replay, go live, and are ended again.

use kinora_tests::Api;
use serde_json::{Value, json};

use super::life::{Life, numbers};

/// Versions that are kept at once.
const VERSIONS: usize = 3;

#[derive(Default)]
pub struct Rollouts {
    modules: Vec<String>,
    /// The version that is live, and the one that may be instead, since its promotion was not answered.
    live: Option<u64>,
    perhaps: Option<u64>,
    /// Versions whose end was acknowledged.
    retired: Vec<u64>,
    deployed: u64,
}

fn is_gone(version: &Value) -> bool {
    ["retired", "aborted"].contains(&version["state"].as_str().unwrap())
}

impl Rollouts {
    pub fn of(modules: Vec<String>) -> Self {
        Self { modules, ..Self::default() }
    }

    pub async fn live(&mut self, life: &Life) {
        while self.step(life).await.is_some() {}
    }

    /// One change that makes sense now; `None`, if the host is gone.
    async fn step(&mut self, life: &Life) -> Option<()> {
        let status = life.get("projections/counts").await?;
        if status.status == 404 {
            return self.deploy(life).await;
        }
        self.look(&status.body);
        let versions = status.body["versions"].as_array().unwrap();
        let number = |version: &Value| version["version"].as_u64().unwrap();
        let there: Vec<_> = versions.iter().filter(|version| !is_gone(version)).collect();
        let others = there.iter().filter(|version| Some(number(version)) != self.live);
        let ready = others.clone().filter(|version| version["state"] == "ready").map(|version| number(version)).max();
        if let Some(ready) = ready {
            self.perhaps = Some(ready);
            let path = format!("projections/counts/versions/{ready}/promote");
            let answer = life.post(&path, json!({"force": true})).await?;
            self.perhaps = None;
            if answer.status == 200 {
                self.live = Some(ready);
            }
            return Some(());
        }
        if there.len() < VERSIONS {
            return self.deploy(life).await;
        }
        let oldest = others.map(|version| number(version)).min()?;
        let answer = life.post(&format!("projections/counts/versions/{oldest}/retire"), json!({})).await?;
        if answer.status == 200 {
            self.retired.push(oldest);
        }
        Some(())
    }

    async fn deploy(&mut self, life: &Life) -> Option<()> {
        let module = &self.modules[self.deployed as usize % self.modules.len()];
        self.deployed += 1;
        let answer = life.post("projections/counts/versions", json!({"module": module})).await?;
        assert!([200, 202, 409, 503].contains(&answer.status), "{answer:?}");
        Some(())
    }

    /// What is live is what was acknowledged, or what was under way.
    fn look(&mut self, status: &Value) {
        let live = status["live"].as_u64();
        let perhaps = self.perhaps.take();
        assert!(live == self.live || live == perhaps, "{:?} or {perhaps:?}: {status}", self.live);
        self.live = live;
        for version in status["versions"].as_array().unwrap() {
            let was_retired = version["version"].as_u64().is_some_and(|number| self.retired.contains(&number));
            assert!(!was_retired || is_gone(version), "{version}");
        }
    }

    /// Rows of the live version have counted each event once.
    pub async fn check(&mut self, api: &Api, streams: &[&str]) {
        let status = api.get("projections/counts").await;
        if status.status == 404 {
            return;
        }
        self.look(&status.body);
        let Some(live) = self.live else { return };
        api.until_caught_up("counts", live).await;
        for stream in streams {
            let row = api.get(&format!("read-models/counts/counts/{stream}?version={live}")).await;
            let counted = row.body["n"].as_u64().unwrap_or_default();
            assert_eq!(counted, numbers(api, stream).await.len() as u64, "{stream}: {row:?}");
        }
    }
}
