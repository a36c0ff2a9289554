//! Runs of a decider over what has happened, and what must not make a difference to them.
// A test that fails panics.
#![allow(clippy::panic)]

use serde_json::Value;

use crate::decider::{Case, Decider, Decisions, Declared, Outcome, Rejection, Scope, Slots, codec};
use crate::event::{Event, Fault};
use crate::rows::Column;

/// Where events stand in a log: as the decider would have put them there, except for what is given.
pub struct Place<'a> {
    pub id: Option<&'a str>,
    pub stream: Option<&'a str>,
    pub tags: &'a [&'a str],
}

/// An event of a story.
pub enum Given<E> {
    /// One of the aggregate that the first command is for.
    OfTheFirst(E),
    Happened(Happened),
}

impl<E> Given<E> {
    pub fn happened(&self) -> Option<&Happened> {
        match self {
            Self::OfTheFirst(_) => None,
            Self::Happened(happened) => Some(happened),
        }
    }
}

/// An event as it stands in a log.
pub struct Happened {
    kind: u32,
    data: String,
    pub stream: String,
    tags: Vec<String>,
}

/// # Panics
/// What a host does at an upload.
#[track_caller]
pub fn declared<D: Decider>() -> Declared {
    fine(Declared::of::<D>())
}

#[track_caller]
fn fine<T>(result: Result<T, Fault>) -> T {
    result.unwrap_or_else(|fault| panic!("{}", fault.message))
}

/// A command as it comes over the wire.
pub fn read_command<D: Decider>(declared: &Declared, name: &str, data: &str) -> Result<D::Command, Rejection> {
    match declared.commands.iter().find(|kind| kind.name == name) {
        Some(kind) => codec::read(kind, data),
        None => panic!("{name} is no variant of Command"),
    }
}

/// An event as it would be appended.
#[track_caller]
pub fn write<D: Decider>(place: &Place<'_>, event: &D::Event) -> Happened {
    let (declared, mut payload) = (declared::<D>(), Column::default());
    let kind = fine(codec::encode(event, &declared.events, &mut payload).map_err(Fault::from));
    let (own, mut tags) = (declared.rules.own, D::tags(event));
    tags.extend(place.tags.iter().map(|tag| (*tag).to_owned()));
    tags.extend(place.id.and_then(|id| own.tag(id)));
    let by_itself = || place.id.map(|id| D::stream(event, id).unwrap_or_else(|| own.stream(id)));
    let stream = place.stream.map(str::to_owned).or_else(by_itself).unwrap_or_default();
    Happened { kind, data: String::from_utf8_lossy(&payload.bytes).into_owned(), stream, tags }
}

/// The state of a scope, as it is saved.
///
/// # Panics
/// It depends on the batches that events come in, or on being saved and loaded between them.
#[track_caller]
pub fn fold<D: Decider>(log: &[&Happened], scope: &Scope) -> Value {
    let mut slots = fine(Slots::<D>::new());
    let at_once = saved(&fill(&mut slots, 0, log, scope, false), &slots, 0);
    let one_by_one = saved(&fill(&mut slots, 1, log, scope, true), &slots, 1);
    assert!(
        at_once == one_by_one,
        "a state depends on being saved and loaded between events\n  kept:  {at_once}\n  saved: {one_by_one}"
    );
    at_once
}

/// Fills a slot with the state of a scope.
#[track_caller]
fn fill<D: Decider>(slots: &mut Slots<D>, slot: u32, log: &[&Happened], scope: &Scope, one_by_one: bool) -> Scope {
    fine(slots.load(slot, scope.clone(), b""));
    let theirs = (0..).zip(log).filter(|(_, happened)| scope.has(&happened.stream, &happened.tags));
    for (position, Happened { kind, data, stream, .. }) in theirs {
        let event = Event {
            position,
            revision: 0,
            time: 0,
            kind: "",
            schema: 0,
            stream,
            payload: data,
            metadata: "",
            tags: "",
        };
        fine(slots.evolve(slot, *kind, &event));
        if one_by_one {
            let state = saved(scope, slots, slot).to_string();
            fine(slots.load(slot, scope.clone(), state.as_bytes()));
        }
    }
    scope.clone()
}

#[track_caller]
fn saved<D: Decider>(scope: &Scope, slots: &Slots<D>, slot: u32) -> Value {
    let mut state = Column::default();
    fine(slots.save(slot, &mut state));
    let read = serde_json::from_slice(&state.bytes);
    read.unwrap_or_else(|cause| panic!("the state of {scope:?} is no JSON: {cause}"))
}

/// What a command comes with.
pub struct Call<'a> {
    pub id: &'a str,
    pub time: u64,
    pub seed: u64,
}

/// The command, made anew for each time that it is decided.
pub type Command<D> = Box<dyn Fn(&Declared) -> Result<<D as Decider>::Command, Rejection>>;

/// What came of a command: events, none if nothing changed.
pub type Events<D> = Result<Vec<<D as Decider>::Event>, Rejection>;

/// More scopes than a command needs: one that asks for more asks for ever.
const SCOPES: usize = 100;

/// Decides a command with all states that it asks for.
///
/// # Panics
/// It is decided in another way when it is decided again, or it faults.
#[track_caller]
pub fn decide<D: Decider>(log: &[&Happened], command: &Command<D>, call: &Call<'_>) -> Events<D> {
    let mut scopes = vec![declared::<D>().rules.own.scope(call.id)];
    loop {
        let (outcome, made) = decide_on::<D>(log, command, call, &scopes);
        let (again, made_again) = decide_on::<D>(log, command, call, &scopes);
        assert!(
            outcome == again && made.payloads.bytes == made_again.payloads.bytes,
            "decided again on the same state, the command comes out differently\n  once:  {outcome:?} {}\n  again: \
             {again:?} {}",
            String::from_utf8_lossy(&made.payloads.bytes),
            String::from_utf8_lossy(&made_again.payloads.bytes)
        );
        match outcome {
            Outcome::Accepted(_) => return Ok(events::<D>(&made)),
            Outcome::Unchanged => return Ok(Vec::new()),
            Outcome::Rejected(rejection) => return Err(rejection),
            Outcome::Wants(wanted) => scopes.extend(wanted),
        }
        assert!(scopes.len() <= SCOPES, "the command asks for more than {SCOPES} scopes");
    }
}

/// Decides a command once, with the states of these scopes.
#[track_caller]
fn decide_on<D: Decider>(
    log: &[&Happened],
    command: &Command<D>,
    call: &Call<'_>,
    scopes: &[Scope],
) -> (Outcome, Decisions) {
    let (mut slots, mut made) = (fine(Slots::<D>::new()), Decisions::default());
    let given: Vec<u32> = (0..).take(scopes.len()).collect();
    for (slot, scope) in given.iter().zip(scopes) {
        fill(&mut slots, *slot, log, scope, false);
    }
    let case = Case { id: call.id, time: call.time, seed: call.seed, slots: &given };
    match command(&slots.declared) {
        Ok(command) => fine(slots.decide(command, &case, &mut made)),
        Err(rejection) => made.outcomes.push(Outcome::Rejected(rejection)),
    }
    let outcome = made.outcomes.pop().unwrap_or(Outcome::Unchanged);
    if let Outcome::Accepted(_) = outcome {
        let events = events::<D>(&made);
        let place = Place { id: Some(call.id), stream: None, tags: &[] };
        let decided: Vec<Happened> = events.iter().map(|event| write::<D>(&place, event)).collect();
        let all: Vec<&Happened> = log.iter().copied().chain(&decided).collect();
        for (slot, scope) in given.iter().zip(scopes) {
            let (kept, read) = (saved(scope, &slots, *slot), fold::<D>(&all, scope));
            assert!(
                kept == read,
                "a state is another one when what was decided is read again\n  kept: {kept}\n  read: {read}"
            );
        }
    }
    (outcome, made)
}

/// The events as they are read again.
#[track_caller]
fn events<D: Decider>(made: &Decisions) -> Vec<D::Event> {
    let declared = declared::<D>();
    let read = |(kind, data): (&u32, &[u8])| {
        let (kind, data) = (declared.events.get(*kind as usize)?, std::str::from_utf8(data).ok()?);
        let event = codec::decode(kind, data);
        Some(event.unwrap_or_else(|cause| panic!("{} cannot be read again: {cause}\n  {data}", kind.name)))
    };
    made.kinds.iter().zip(made.payloads.texts()).filter_map(read).collect()
}
