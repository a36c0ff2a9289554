//! The log against a model of a few lines, under random requests, retries and restarts.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::HashMap;

use kinora::event::{ExpectedRevision, Revision};
use kinora::log::{AppendError, AppendRequest, Appended};
use kinora_tests::{event, everything, open, to};
use proptest::prelude::*;

const STREAMS: [&str; 3] = ["a", "ab", "b"];

/// A stream, what is expected of it, and events as (id, content).
type Part = (usize, ExpectedRevision, Vec<(u128, u64)>);

#[derive(Debug, Clone)]
enum Step {
    Append(Vec<Part>),
    Reopen,
}

/// The log as a list: stream, id and content of each event.
#[derive(Default)]
struct Model(Vec<(usize, u128, u64)>);

impl Model {
    fn head(&self, stream: usize) -> Option<u64> {
        (self.0.iter().filter(|event| event.0 == stream).count() as u64).checked_sub(1)
    }

    /// First and last position and whether it was there before, or `None` where it must be refused.
    fn append(&mut self, parts: &[Part]) -> Option<(u64, u64, bool)> {
        let events: Vec<_> =
            parts.iter().flat_map(|p| p.2.iter().map(move |(id, content)| (p.0, *id, *content))).collect();
        let mut seen = HashMap::new();
        if events.iter().any(|event| seen.insert(event.1, ()).is_some()) {
            return None;
        }
        let first = self.0.len();
        if events.iter().any(|event| self.0.iter().any(|known| known.1 == event.1)) {
            let at = self.0.iter().position(|known| *known == events[0])?;
            let there = self.0.get(at..at + events.len()) == Some(&events[..]);
            return there.then_some((at as u64, (at + events.len()) as u64 - 1, true));
        }
        for (stream, expected, events) in parts {
            let head = self.head(*stream);
            let holds = match expected {
                ExpectedRevision::Any => true,
                ExpectedRevision::NoStream => head.is_none(),
                ExpectedRevision::Exists => head.is_some(),
                ExpectedRevision::Exactly(revision) => head == Some(revision.0),
            };
            if !holds {
                self.0.truncate(first);
                return None;
            }
            self.0.extend(events.iter().map(|(id, content)| (*stream, *id, *content)));
        }
        Some((first as u64, self.0.len() as u64 - 1, false))
    }
}

fn part() -> impl Strategy<Value = Part> {
    let expected = prop_oneof![
        6 => Just(ExpectedRevision::Any),
        1 => Just(ExpectedRevision::NoStream),
        1 => Just(ExpectedRevision::Exists),
        2 => (0..8_u64).prop_map(|n| ExpectedRevision::Exactly(Revision(n))),
    ];
    // Few ids and fewer contents, so that retries, reuse and clashes are common.
    (0..STREAMS.len(), expected, prop::collection::vec((1..60_u128, 0..2_u64), 1..4))
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        20 => prop::collection::vec(part(), 1..3).prop_map(Step::Append),
        1 => Just(Step::Reopen),
    ];
    prop::collection::vec(step, 1..60)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_log_does_what_the_model_does(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let dir = tempfile::tempdir().unwrap();
        let mut log = open(dir.path());
        let mut model = Model::default();
        let mut done: Vec<Vec<Part>> = Vec::new();
        for step in steps {
            let Step::Append(parts) = step else {
                drop(log);
                log = open(dir.path());
                continue;
            };
            // Every request is made twice: the second time is a retry.
            for parts in [parts.clone(), parts] {
                let appends = parts.iter().map(|(stream, expected, events)| {
                    to(STREAMS[*stream], *expected, events.iter().map(|(id, content)| event(*id, *content)).collect())
                });
                let answer = runtime.block_on(log.append(AppendRequest::from(appends.collect::<Vec<_>>())));
                let answer = match answer {
                    Ok(Appended { first, last, duplicate, .. }) => Some((first.0, last.0, duplicate)),
                    Err(AppendError::Rejected(_)) => None,
                    Err(error) => panic!("{error}"),
                };
                prop_assert_eq!(answer, model.append(&parts), "{:?} after {:?}", parts, done);
                done.push(parts);
            }
        }
        let all = everything(&log);
        prop_assert_eq!(all.len(), model.0.len());
        let mut revisions = HashMap::new();
        for (position, (event, known)) in all.iter().zip(&model.0).enumerate() {
            let revision = revisions.entry(known.0).or_insert(0);
            prop_assert_eq!((event.position.0, event.revision.0), (position as u64, *revision));
            prop_assert_eq!((&*event.stream, event.id.as_u128()), (STREAMS[known.0], known.1));
            prop_assert_eq!(&event.data, &format!(r#"{{"n":{}}}"#, known.2));
            *revision += 1;
        }
        let counted: u64 = log.types().unwrap().iter().map(|kind| kind.count).sum();
        prop_assert_eq!(counted, all.len() as u64);
        for (index, stream) in STREAMS.iter().enumerate() {
            let head = log.stream_head(&stream.parse().unwrap()).unwrap();
            prop_assert_eq!(head.map(|revision| revision.0), model.head(index));
        }
    }
}
