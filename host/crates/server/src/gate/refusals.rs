//! Refusals: what somebody who is known wanted to change and may not, as events of the log, in the stream
//! `$kinora/refusals`, beside the histories that say who did what. They are few, however often somebody asks.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::extract::Request;
use jiff::Timestamp;
use kinora_access::Principal;
use kinora_log::{AppendRequest, Log, StreamAppend};
use kinora_types::{EventType, ExpectedRevision, NewEvent, RESERVED};
use serde_json::json;
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::edge::problem::Problem;

/// For so long the same refusal is told once, and no more than [`MOST`] of all.
const SPAN: Duration = Duration::from_secs(60);
const MOST: usize = 30;

/// Bytes of a path that are kept.
const PATH_BYTES: usize = 512;

pub struct Refusals {
    log: Log,
    told: Mutex<Told>,
}

/// What was told in the last [`SPAN`]: who, and what they asked.
#[derive(Default)]
struct Told(HashMap<(String, String), Instant>);

impl Told {
    /// Whether this is to be told, and then it was.
    fn is_new(&mut self, who: &str, asked: &str, now: Instant) -> bool {
        self.0.retain(|_, told| now.duration_since(*told) < SPAN);
        let refusal = (who.to_owned(), asked.to_owned());
        if self.0.len() >= MOST || self.0.contains_key(&refusal) {
            return false;
        }
        self.0.insert(refusal, now);
        true
    }
}

impl Refusals {
    pub fn new(log: Log) -> Self {
        Self { log, told: Mutex::default() }
    }

    /// Puts a refusal down, beside the answer: nobody waits for it.
    pub fn note(&self, who: &Principal, request: &Request, problem: &Problem) {
        let path: String = request.uri().path().chars().take(PATH_BYTES).collect();
        let asked = format!("{} {path}", request.method());
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if !told.is_new(&who.name, &asked, Instant::now()) {
            return;
        }
        drop(told);
        let data = json!({"who": who.name, "asked": asked, "why": problem.detail(), "at": Timestamp::now()});
        let Some(append) = event(&data.to_string()) else { return };
        let log = self.log.clone();
        tokio::spawn(async move {
            if let Err(error) = log.append(AppendRequest::from(vec![append])).await {
                tracing::warn!(%error, %data, "a refusal is not in the log");
            }
        });
    }
}

fn event(data: &str) -> Option<StreamAppend> {
    let data = RawValue::from_string(data.to_owned()).ok()?;
    let kind = EventType::new(format!("{RESERVED}.Refused"), 1).ok()?;
    let event = NewEvent { id: Uuid::new_v4(), kind, data, metadata: None, tags: Vec::new() };
    let stream = format!("{RESERVED}/refusals").parse().ok()?;
    Some(StreamAppend { stream, expected: ExpectedRevision::Any, events: vec![event] })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_is_told_once_in_a_while_and_of_all_not_too_much() {
        let (mut told, start) = (Told::default(), Instant::now());
        assert!(told.is_new("key:a", "POST /1", start));
        assert!(!told.is_new("key:a", "POST /1", start));
        assert!(told.is_new("key:b", "POST /1", start));
        let all = (2..100).filter(|n| told.is_new("key:a", &format!("POST /{n}"), start)).count();
        assert_eq!(all, MOST - 2);
        assert!(told.is_new("key:a", "POST /1", start + SPAN));
    }
}
