//! The life of a host, as those see it who work with it until it is killed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use kinora_tests::{Answer, Api, Text};
use serde_json::Value;

/// One life. Its clones are the same.
#[derive(Clone)]
pub struct Life {
    pub api: Api,
    acknowledged: Arc<AtomicU64>,
}

impl Life {
    pub fn of(api: Api) -> Self {
        Self { api, acknowledged: Arc::default() }
    }

    /// What was answered, counted.
    fn answer(&self, text: Text) -> Answer {
        let body = serde_json::from_str(&text.text).unwrap_or(Value::Null);
        self.acknowledged.fetch_add(u64::from(text.status < 300), Ordering::Relaxed);
        Answer { status: text.status, version: None, position: None, body }
    }

    // `None`: the host is gone.

    pub async fn get(&self, path: &str) -> Option<Answer> {
        let request = self.api.client.get(self.api.at(path));
        self.api.try_text(request).await.ok().map(|text| self.answer(text))
    }

    pub async fn delete(&self, path: &str) -> Option<Answer> {
        let request = self.api.client.delete(self.api.at(path));
        self.api.try_text(request).await.ok().map(|text| self.answer(text))
    }

    pub async fn post(&self, path: &str, body: Value) -> Option<Answer> {
        let request = self.api.client.post(self.api.at(path)).json(&body);
        self.api.try_text(request).await.ok().map(|text| self.answer(text))
    }

    pub async fn post_with_key(&self, path: &str, key: &str, body: Value) -> Option<Answer> {
        let request = self.api.client.post(self.api.at(path)).header("idempotency-key", key).json(&body);
        self.api.try_text(request).await.ok().map(|text| self.answer(text))
    }

    pub async fn upload(&self, module: Vec<u8>) -> Option<Answer> {
        let request = self.api.client.post(self.api.at("modules")).body(module);
        self.api.try_text(request).await.ok().map(|text| self.answer(text))
    }

    /// How much it has acknowledged.
    pub fn acknowledged(&self) -> u64 {
        self.acknowledged.load(Ordering::Relaxed)
    }
}

/// An event that projections count, with a number of its own.
pub fn counted(number: u64) -> Value {
    serde_json::json!({"type": "Count", "data": {"n": 1, "number": number}})
}

/// The numbers of all events of a stream, in order.
pub async fn numbers(api: &Api, stream: &str) -> Vec<u64> {
    let request = api.client.get(api.at(&format!("events?stream_prefix={stream}")));
    let lines = api.text(request.header("accept", "application/x-ndjson")).await;
    lines.lines().iter().map(|event| event["data"]["number"].as_u64().unwrap()).collect()
}
