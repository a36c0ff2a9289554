//! The log against a model of it: random requests of concurrent clients, with retries, conditions, claims, keys and
//! restarts.
//!
//! Requests of a round run at the same time. What was accepted has positions, so it has an order, and the model must
//! accept the same in that order. What was rejected, or answered as before, must be what the model says at some moment
//! of the round: that is what it means that requests seem to happen one after the other.

use std::collections::{HashMap, HashSet};

use futures::future::join_all;
use kinora_log::{
    AppendError, AppendRequest, Appended, Claim, ClaimFailed, ClaimKey, Claims, Condition, IdReused, IdempotencyKey,
    Item, PartlyKnown, Rejection, Selection, WrongRevision,
};
use kinora_tests::{event, everything, open, property, to};
use kinora_types::{EventType, ExpectedRevision, NewEvent, Position, Revision, StreamName};
use proptest::prelude::*;

const STREAMS: [&str; 3] = ["a", "ab", "b"];
const TYPES: [&str; 2] = ["A", "B"];

/// The log as a list, who holds what, and what keys stand for.
#[derive(Clone, Default)]
struct Model {
    events: Vec<(StreamName, NewEvent)>,
    claims: HashMap<ClaimKey, StreamName>,
    keys: HashMap<String, ([u8; 32], Appended)>,
}

impl Model {
    fn count(&self, stream: &StreamName) -> u64 {
        self.events.iter().filter(|event| event.0 == *stream).count() as u64
    }

    fn head(&self, stream: &StreamName) -> Option<Revision> {
        self.count(stream).checked_sub(1).map(Revision)
    }

    fn position_of(&self, event: &NewEvent) -> Option<usize> {
        self.events.iter().position(|known| known.1.id == event.id)
    }

    /// Appends, or says why not.
    #[expect(clippy::too_many_lines, reason = "the rules of an append, in the order in which they are checked")]
    fn append(&mut self, request: &AppendRequest) -> Result<Appended, Rejection> {
        let mut why = Rejection::default();
        if let Some(key) = &request.key
            && let Some((fingerprint, appended)) = self.keys.get(&key.key)
        {
            if *fingerprint == key.fingerprint {
                let known = request.events();
                return Ok(Appended { known, duplicate: true, ..appended.clone() });
            }
            why.key_reused = Some(appended.first);
        }
        let events: Vec<_> = request
            .appends
            .iter()
            .flat_map(|append| append.events.iter().map(|event| (&append.stream, event)))
            .collect();
        let (mut seen, mut known) = (HashSet::new(), Vec::new());
        for (ordinal, (stream, event)) in events.iter().enumerate() {
            let reused =
                |position: Option<usize>| IdReused { id: event.id, position: position.map(|at| Position(at as u64)) };
            match self.position_of(event) {
                _ if !seen.insert(event.id) => why.reused_ids.push(reused(None)),
                None => {}
                Some(at) => {
                    match format!("{:?}", self.events[at]) == format!("{:?}", ((*stream).clone(), (*event).clone())) {
                        true => known.push((ordinal, at)),
                        false => why.reused_ids.push(reused(Some(at))),
                    }
                }
            }
        }
        let at: Vec<usize> = known.iter().map(|known| known.1).collect();
        let all_known = !at.is_empty() && at.len() == events.len();
        let sound = why == Rejection::default();
        if sound && all_known && at.windows(2).all(|pair| pair[0] + 1 == pair[1]) {
            return Ok(self.answer(request, &at, at.len(), true));
        }
        let goes_on = known.iter().zip(0..).all(|(known, ordinal)| known.0 == ordinal)
            && at.windows(2).all(|pair| pair[0] < pair[1])
            && request.condition.is_none()
            && request.claims.is_empty();
        if !at.is_empty() && !goes_on {
            let (id, position) = (self.events[at[0]].1.id, Position(at[0] as u64));
            why.partly_known = Some(Box::new(PartlyKnown { id, position, events: at.len(), of: events.len() }));
        }
        let known = if goes_on { at } else { Vec::new() };

        let mut after = self.clone();
        let mut left = &known[..];
        for append in &request.appends {
            let current = after.head(&append.stream);
            let there;
            (there, left) = left.split_at(left.len().min(append.events.len()));
            // What was expected held when the first of them came.
            let before = there.first().map_or(current, |first| self.before(*first).head(&append.stream));
            let holds = match append.expected {
                ExpectedRevision::Any => true,
                ExpectedRevision::NoStream => before.is_none(),
                ExpectedRevision::Exists => before.is_some(),
                ExpectedRevision::Exactly(revision) => before == Some(revision),
            };
            // The stream has nothing else since then, at least up to the last of them.
            let upto =
                if there.len() == append.events.len() { there.last().map_or(0, |last| last + 1) } else { usize::MAX };
            let since = |first: &usize| {
                let events = after.events.iter().enumerate().skip(*first).take_while(|event| event.0 < upto);
                events.filter(|event| event.1.0 == append.stream).map(|event| event.0).collect::<Vec<_>>()
            };
            let alone =
                append.expected == ExpectedRevision::Any || there.first().is_none_or(|first| since(first) == there);
            if !holds || !alone {
                why.wrong_revisions.push(WrongRevision {
                    stream: append.stream.clone(),
                    expected: append.expected,
                    current,
                });
            }
            let fresh = append.events.iter().skip(there.len());
            after.events.extend(fresh.map(|event| (append.stream.clone(), event.clone())));
        }
        if let Some(condition) = &request.condition {
            let from = condition.after.map_or(0, |after| after.0 as usize + 1);
            let matches = |at: &usize| condition.selection.items.iter().any(|item| item.matches(&self.events[*at].1));
            why.matched = (from..self.events.len()).find(matches).map(|at| Position(at as u64));
        }
        let steps = request.claims.release.iter().map(|claim| (claim, false));
        for (claim, take) in steps.chain(request.claims.take.iter().map(|claim| (claim, true))) {
            let holder = after.claims.get(&claim.key).cloned();
            if holder.as_ref() == Some(&claim.owner) || (take && holder.is_none()) {
                after.claims.remove(&claim.key);
                after.claims.extend(take.then(|| (claim.key.clone(), claim.owner.clone())));
            } else {
                why.claims.push(ClaimFailed { claim: claim.clone(), take, holder });
            }
        }
        if why != Rejection::default() {
            return Err(why);
        }
        if all_known {
            return Ok(self.answer(request, &known, known.len(), true));
        }
        let places: Vec<usize> = known.iter().copied().chain(self.events.len()..after.events.len()).collect();
        *self = after;
        let appended = self.answer(request, &places, known.len(), false);
        self.keys.extend(request.key.iter().map(|key| (key.key.clone(), (key.fingerprint, appended.clone()))));
        Ok(appended)
    }

    /// What was there before a position.
    fn before(&self, position: usize) -> Self {
        Self { events: self.events[..position].to_vec(), ..Self::default() }
    }

    /// The answer to a request whose events stand at these positions.
    fn answer(&self, request: &AppendRequest, at: &[usize], known: usize, duplicate: bool) -> Appended {
        let mut streams = Vec::new();
        for append in request.appends.iter().filter(|append| !append.events.is_empty()) {
            if streams.iter().all(|(stream, _)| *stream != append.stream) {
                let last = at.iter().rfind(|at| self.events[**at].0 == append.stream).unwrap();
                streams.push((append.stream.clone(), self.before(last + 1).head(&append.stream).unwrap()));
            }
        }
        let first = if duplicate { at[0] } else { at[known] };
        let (first, last) = (Position(first as u64), Position(*at.last().unwrap() as u64));
        Appended { first, last, streams, known, duplicate }
    }
}

/// An event of few ids, types, tags and contents, so that retries, reuse and clashes are common.
fn an_event() -> impl Strategy<Value = NewEvent> {
    (1..80_u128, 0..2_u64, 0..TYPES.len()).prop_map(|(id, content, kind)| NewEvent {
        kind: EventType::new(TYPES[kind], 1).unwrap(),
        ..event(id, content)
    })
}

fn a_claim() -> impl Strategy<Value = Claim> {
    (0..3_u8, 0..STREAMS.len()).prop_map(|(value, owner)| Claim {
        key: ClaimKey::new("seat", &value.to_string()).unwrap(),
        owner: STREAMS[owner].parse().unwrap(),
    })
}

fn a_request() -> impl Strategy<Value = AppendRequest> {
    let expected = prop_oneof![
        8 => Just(ExpectedRevision::Any),
        1 => Just(ExpectedRevision::NoStream),
        1 => Just(ExpectedRevision::Exists),
        2 => (0..8_u64).prop_map(|n| ExpectedRevision::Exactly(Revision(n))),
    ];
    let append = (0..STREAMS.len(), expected, prop::collection::vec(an_event(), 0..3));
    let condition = prop::option::weighted(0.3, (0..TYPES.len(), 0..2_u64, prop::option::of(0..40_u64)));
    let claims = (prop::collection::vec(a_claim(), 0..2), prop::collection::vec(a_claim(), 0..2));
    let key = prop::option::weighted(0.2, (0..6_u8, 0..2_u8));
    let parts = (an_event(), prop::collection::vec(append, 0..3), condition, prop::option::weighted(0.3, claims), key);
    parts.prop_map(|(always, appends, condition, claims, key)| {
        // A request without events is refused before it is decided.
        let mut appends: Vec<_> =
            appends.into_iter().map(|(stream, expected, events)| to(STREAMS[stream], expected, events)).collect();
        appends.push(to(STREAMS[0], ExpectedRevision::Any, vec![always]));
        let condition = condition.map(|(kind, tag, after)| {
            let items = vec![Item::new([TYPES[kind]], [&*format!("n:{tag}")]).unwrap()];
            Condition { selection: Selection { items }, after: after.map(Position) }
        });
        let (release, take) = claims.unwrap_or_default();
        let key = key.map(|(key, content)| IdempotencyKey { key: key.to_string(), fingerprint: [content; 32] });
        AppendRequest { appends, condition, claims: Claims { release, take }, key, has_new_ids: false }
    })
}

/// What happens in a round: requests at the same time, some of them made before, or a restart (no requests).
fn rounds() -> impl Strategy<Value = Vec<Vec<(AppendRequest, Option<prop::sample::Index>)>>> {
    let request = (a_request(), prop::option::weighted(0.15, any::<prop::sample::Index>()));
    let round = prop_oneof![1 => Just(Vec::new()), 12 => prop::collection::vec(request, 1..7)];
    prop::collection::vec(round, 1..30)
}

/// What the log answered. Nothing but a rejection may go wrong here.
fn answer(answer: Result<Appended, AppendError>) -> Result<Appended, Rejection> {
    answer.map_err(|error| match error {
        AppendError::Rejected(rejection) => rejection,
        error => panic!("{error}"),
    })
}

proptest! {
    #![proptest_config(property(48))]

    #[test]
    fn concurrent_requests_are_answered_as_if_one_after_the_other(rounds in rounds()) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).build().unwrap();
        let dir = tempfile::tempdir().unwrap();
        let mut log = open(dir.path());
        let mut model = Model::default();
        let mut made: Vec<AppendRequest> = Vec::new();
        for round in rounds {
            if round.is_empty() {
                drop(log);
                log = open(dir.path());
            }
            let requests: Vec<_> = round.into_iter().map(|(new, again)| match again {
                Some(index) if !made.is_empty() => index.get(&made).clone(),
                _ => new,
            }).collect();
            made.extend(requests.iter().cloned());
            let tasks = requests.iter().map(|request| {
                let (log, request) = (log.clone(), request.clone());
                runtime.spawn(async move { answer(log.append(request).await) })
            });
            let answers = runtime.block_on(join_all(tasks.collect::<Vec<_>>()));
            let answers: Vec<_> = requests.iter().zip(answers.into_iter().map(Result::unwrap)).collect();

            let is_new =
                |answer: &Result<Appended, Rejection>| answer.as_ref().is_ok_and(|appended| !appended.duplicate);
            let (mut accepted, others): (Vec<_>, Vec<_>) = answers.into_iter().partition(|(_, answer)| is_new(answer));
            accepted.sort_by_key(|(_, answer)| answer.as_ref().unwrap().first);
            let mut moments = vec![model.clone()];
            for (request, answer) in accepted {
                prop_assert_eq!(&model.append(request), &answer);
                moments.push(model.clone());
            }
            for (request, answer) in others {
                let fits = moments.iter().any(|moment| moment.clone().append(request) == answer);
                prop_assert!(fits, "at no moment: {:?} of {:?}", answer, request);
            }
        }
        let found: Vec<_> = everything(&log).into_iter().map(|event| (event.stream, event.id, event.data)).collect();
        let wanted: Vec<_> = model.events.iter().map(|(stream, event)| {
            (stream.to_string(), event.id, event.data.get().to_owned())
        }).collect();
        prop_assert_eq!(found, wanted);
        for stream in STREAMS.map(|stream| stream.parse().unwrap()) {
            prop_assert_eq!(log.stream_head(&stream).unwrap(), model.head(&stream));
        }
        for value in 0..3_u8 {
            let key = ClaimKey::new("seat", &value.to_string()).unwrap();
            prop_assert_eq!(log.claim(&key).unwrap().map(|held| held.owner), model.claims.get(&key).cloned());
        }
        let report = log.verify(|_| {}).unwrap();
        prop_assert_eq!((report.events, report.faults), (model.events.len() as u64, 0), "{:?}", report.named);
    }
}
