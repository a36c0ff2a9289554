//! Deciders, and the commands that they decide.

use serde_json::{Value, json};

use crate::api::{Answer, Api};

impl Api {
    /// Uploads a module, and has it decide as the first version of a decider. Gives its digest.
    pub async fn decider_live(&self, name: &str, wasm: Vec<u8>) -> String {
        let digest = self.upload(wasm).await;
        assert_eq!(self.deploy_decider(name, &digest).await, 1);
        let promoted = self.promote_decider(name, json!({"version": 1})).await;
        assert_eq!(promoted.status, 200, "{promoted:?}");
        digest
    }

    /// Deploys a version of a decider, waits until it has proved itself, and gives its number.
    pub async fn deploy_decider(&self, name: &str, module: &str) -> u64 {
        let version = self.try_decider(name, module).await;
        self.until_decider(name, version, "ready").await;
        version
    }

    /// Deploys a version of a decider, whatever comes of it, and gives its number.
    pub async fn try_decider(&self, name: &str, module: &str) -> u64 {
        let answer = self.post(&format!("deciders/{name}/versions"), json!({"module": module})).await;
        assert_eq!(answer.status, 202, "{answer:?}");
        let versions = answer.body["versions"].as_array().unwrap();
        versions.iter().filter_map(|version| version["version"].as_u64()).max().unwrap()
    }

    /// Waits until a version of a decider is in a state, and gives what is shown of it.
    pub async fn until_decider(&self, name: &str, version: u64, state: &str) -> Value {
        let shown = |decider: &Value| {
            let versions = decider["versions"].as_array().unwrap();
            versions.iter().find(|found| found["version"] == version).unwrap().clone()
        };
        let is_there = |decider: &Value| {
            let version = shown(decider);
            let ends = ["ready", "faulted"].into_iter().find(|end| version["state"] == *end);
            assert!(ends.is_none_or(|end| end == state), "{version}");
            version["state"] == state
        };
        shown(&self.until(&format!("deciders/{name}"), is_there).await)
    }

    pub async fn promote_decider(&self, name: &str, body: Value) -> Answer {
        self.post(&format!("deciders/{name}/promote"), body).await
    }

    /// Sends a command, without a key.
    pub async fn command(&self, decider: &str, id: &str, name: &str, data: Value) -> Answer {
        self.post(&format!("deciders/{decider}/{id}/{name}"), data).await
    }

    /// Sends a command with headers.
    pub async fn command_with(
        &self,
        decider: &str,
        (id, name, data): (&str, &str, &Value),
        headers: &[(&str, &str)],
    ) -> Answer {
        let request = self.client.post(self.at(&format!("deciders/{decider}/{id}/{name}"))).json(data);
        self.send(headers.iter().fold(request, |request, (name, value)| request.header(*name, *value))).await
    }

    /// Sends commands `(id, command, data)` of one decider, to be decided together.
    pub async fn commands(&self, decider: &str, commands: &[(&str, &str, Value)]) -> Answer {
        self.post("commands", together(decider, commands)).await
    }

    /// The state of an aggregate.
    pub async fn state_of(&self, decider: &str, id: &str) -> Value {
        let answer = self.get(&format!("deciders/{decider}/{id}/state")).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.body["state"].clone()
    }

    /// Has all recorded commands decided again, which has to come out as it did. Gives how many there are.
    pub async fn audited(&self, decider: &str) -> u64 {
        let report = self.send(self.client.post(self.at(&format!("deciders/{decider}/audit")))).await;
        assert_eq!(report.status, 200, "{report:?}");
        assert_eq!(report.body["same"], report.body["commands"], "{report:?}");
        let rejections = &report.body["rejections"];
        assert_eq!(rejections["same"], rejections["commands"], "{report:?}");
        report.body["commands"].as_u64().unwrap()
    }

    /// All of the log, in order.
    pub async fn all_events(&self) -> Vec<Value> {
        let mut all = Vec::new();
        let mut next = Some("/v1/events?limit=1000".to_owned());
        while let Some(path) = next {
            let mut page = self.send(self.client.get(format!("{}{path}", self.url))).await.body;
            all.append(page["events"].as_array_mut().unwrap());
            next = page["next"].as_str().map(str::to_owned);
        }
        all
    }
}

/// The body of a request for several commands.
pub fn together(decider: &str, commands: &[(&str, &str, Value)]) -> Value {
    let of = |(id, command, data): &(&str, &str, Value)| json!({"id": id, "command": command, "data": data});
    json!({"decider": decider, "commands": commands.iter().map(of).collect::<Vec<_>>()})
}
