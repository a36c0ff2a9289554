//! Tests of deciders: what they declare, how they are read and written, what a slot holds.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::codec;
use super::*;
use crate::event::Event as Appended;
use crate::rows::Column;

#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(tag = "type", content = "data")]
enum Command {
    /// Adds to a counter.
    Add(Adding),
    /// Adds to this counter as much as others have.
    Gather {
        from: Vec<String>,
        swallowed: bool,
    },
    /// Adds to the counter of everything with a tag.
    AddTagged {
        tag: String,
        n: u8,
    },
    #[serde(rename = "reset")]
    Reset,
    Note(Option<String>),
}

/// How much.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
struct Adding {
    n: u8,
    into: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", content = "data")]
enum Event {
    Added { n: u64, into: Option<String>, tag: Option<String> },
    Reset,
    Noted(Option<String>),
}

fn added(n: u64) -> Event {
    Event::Added { n, into: None, tag: None }
}

/// Its aggregates are streams, or tags.
struct Counters<const TAGGED: bool>;

impl<const TAGGED: bool> Decider for Counters<TAGGED> {
    type State = u64;
    type Command = Command;
    type Event = Event;

    fn describe() -> Rules {
        let rules = Rules::new("counters").event("Added", 2).ignores("Old").claim("note", "note_taken", "it is taken");
        if TAGGED { rules.tag("counter") } else { rules.category("counter") }
    }

    fn decide(_: &u64, command: Command, context: &Context<'_, Self>) -> Result<Vec<Event>, Rejection> {
        match command {
            Command::Add(Adding { n: 0, .. }) => Ok(vec![]),
            Command::Add(Adding { n: 13, .. }) => Err(Rejection::new("Bad luck", "13")),
            Command::Add(Adding { n, into }) => Ok(vec![Event::Added { n: n.into(), into, tag: None }]),
            Command::Gather { from, swallowed } => {
                let states = context.each(from.iter().map(|id| context.scope(id)));
                let n = if swallowed { 1 } else { states?.into_iter().sum() };
                Ok(vec![added(n)])
            }
            Command::AddTagged { tag, n } => {
                let before = context.of(&Scope::tags([tag.as_str()]))?;
                Ok(vec![Event::Added { n: u64::from(n) + before, into: None, tag: Some(tag) }])
            }
            Command::Reset => Ok(vec![Event::Reset]),
            Command::Note(note) => Ok(vec![Event::Noted(note)]),
        }
    }

    fn evolve(state: u64, event: Event) -> u64 {
        match event {
            Event::Added { n, .. } => state + n,
            Event::Reset => 0,
            Event::Noted(_) => state,
        }
    }

    fn stream(event: &Event, _id: &str) -> Option<String> {
        match event {
            Event::Added { into, .. } => into.clone(),
            _ => None,
        }
    }

    fn tags(event: &Event) -> Vec<String> {
        match event {
            Event::Added { tag, .. } => tag.iter().cloned().collect(),
            _ => Vec::new(),
        }
    }

    fn claims(event: &Event) -> Vec<Claim> {
        match event {
            Event::Noted(Some(note)) if note == "undeclared" => vec![Claim::take("nothing", note)],
            Event::Noted(Some(note)) => vec![Claim::take("note", note)],
            _ => Vec::new(),
        }
    }
}

fn slots<const TAGGED: bool>(scopes: &[Scope]) -> Slots<Counters<TAGGED>> {
    let mut slots = Slots::new().unwrap();
    for (slot, scope) in (0..).zip(scopes) {
        slots.load(slot, scope.clone(), b"").unwrap();
    }
    slots
}

fn state<const TAGGED: bool>(slots: &Slots<Counters<TAGGED>>, slot: u32) -> String {
    let mut state = Column::default();
    slots.save(slot, &mut state).unwrap();
    String::from_utf8(state.bytes).unwrap()
}

/// A command by its name.
fn send<const TAGGED: bool>(
    slots: &mut Slots<Counters<TAGGED>>,
    name: &str,
    data: Value,
    given: &[u32],
) -> Result<(Outcome, Decisions), crate::Fault> {
    let kind = (0..).zip(&slots.declared.commands).find(|(_, kind)| kind.name == name).unwrap().0;
    let mut made = Decisions::default();
    let case = Case { id: "a", time: 7, seed: 1, slots: given };
    slots.decide_data(kind, &data.to_string(), &case, &mut made)?;
    Ok((made.outcomes.pop().unwrap(), made))
}

#[test]
fn what_is_declared_is_what_the_enums_say() {
    let declared = Declared::of::<Counters<false>>().unwrap();
    let names: Vec<_> = declared.commands.iter().map(|kind| kind.name.as_str()).collect();
    assert_eq!(names, ["Add", "Gather", "AddTagged", "reset", "Note"]);
    assert_eq!(declared.folds(), [("Added".into(), 2), ("Reset".into(), 1), ("Noted".into(), 1)]);
    let [add, gather, _, reset, _] = &declared.commands[..] else { unreachable!("there are five") };
    assert_eq!(add.description, "Adds to a counter.");
    assert_eq!(gather.description, "Adds to this counter as much as others have.");
    let schema = add.data.clone().unwrap();
    assert_eq!((&schema["required"], &schema["additionalProperties"]), (&json!(["n"]), &json!(false)));
    assert_eq!(schema["properties"]["n"]["maximum"], 255);
    assert!(reset.data.is_none());
}

#[test]
fn a_decider_that_contradicts_itself_says_so() {
    struct Unknown;
    impl Decider for Unknown {
        type State = u64;
        type Command = Command;
        type Event = Event;
        fn describe() -> Rules {
            Rules::new("unknown").event("Deposited", 2)
        }
        fn decide(_: &u64, _: Command, _: &Context<'_, Self>) -> Result<Vec<Event>, Rejection> {
            Ok(vec![])
        }
        fn evolve(state: u64, _: Event) -> u64 {
            state
        }
    }
    assert!(Declared::of::<Unknown>().err().unwrap().message.contains("Deposited"));
    struct Untagged;
    impl Decider for Untagged {
        type State = u64;
        type Command = String;
        type Event = Event;
        fn describe() -> Rules {
            Rules::new("untagged")
        }
        fn decide(_: &u64, _: String, _: &Context<'_, Self>) -> Result<Vec<Event>, Rejection> {
            Ok(vec![])
        }
        fn evolve(state: u64, _: Event) -> u64 {
            state
        }
    }
    assert!(Declared::of::<Untagged>().err().unwrap().message.contains("content = \"data\""));
}

#[test]
fn a_value_is_read_from_a_name_and_data() {
    let declared = Declared::of::<Counters<false>>().unwrap();
    let read = |index: usize, data: &str| codec::decode::<Command>(&declared.commands[index], data);
    assert_eq!(read(0, r#"{"n":3}"#).unwrap(), Command::Add(Adding { n: 3, into: None }));
    for nothing in ["{}", "null", " { } "] {
        assert_eq!(read(3, nothing).unwrap(), Command::Reset, "{nothing}");
    }
    assert_eq!(read(4, r#""\u00fc""#).unwrap(), Command::Note(Some("ü".into())));
    assert_eq!(read(4, "null").unwrap(), Command::Note(None));
    for (index, wrong) in
        [(0, "{}"), (0, r#"{"n":300}"#), (0, r#"{"n":3} x"#), (3, "5"), (3, r#"{"n":1}"#), (3, "{} {}")]
    {
        assert!(read(index, wrong).is_err(), "{wrong}");
    }
}

#[test]
fn a_value_is_written_as_a_name_and_data() {
    let declared = Declared::of::<Counters<false>>().unwrap();
    for (event, index, data) in [
        (added(3), 0, r#"{"n":3,"into":null,"tag":null}"#),
        (Event::Reset, 1, "{}"),
        (Event::Noted(Some("\"ü\n".into())), 2, r#""\"ü\n""#),
        (Event::Noted(None), 2, "null"),
    ] {
        let mut payload = Column::default();
        assert_eq!(codec::encode(&event, &declared.events, &mut payload).unwrap(), index);
        assert_eq!(String::from_utf8(payload.bytes.clone()).unwrap(), data);
        let again: Event = codec::decode(&declared.events[index as usize], data).unwrap();
        assert_eq!(again, event);
    }
}

#[test]
fn a_command_is_accepted_rejected_or_changes_nothing() {
    let mut slots = slots::<false>(&[Scope::stream("counter-a")]);
    let (outcome, made) = send(&mut slots, "Add", json!({"n": 3}), &[0]).unwrap();
    assert_eq!((outcome, made.kinds), (Outcome::Accepted(1), vec![0]));
    assert_eq!(send(&mut slots, "Add", json!({"n": 0}), &[0]).unwrap().0, Outcome::Unchanged);
    // Its schema may allow what its type does not: that is the sender's mistake, and no fault of the decider.
    let (outcome, _) = send(&mut slots, "Add", json!({"n": 300}), &[0]).unwrap();
    assert!(matches!(&outcome, Outcome::Rejected(why) if why.code() == "invalid_data"), "{outcome:?}");
    assert!(send(&mut slots, "Add", json!({"n": 13}), &[0]).err().unwrap().message.contains("snake_case"));
    assert_eq!(state(&slots, 0), "3");
}

#[test]
fn what_is_missing_is_asked_for_at_once_even_if_the_decider_goes_on_without() {
    for swallowed in [false, true] {
        let mut slots = slots::<false>(&[Scope::stream("counter-a"), Scope::stream("counter-b")]);
        let gather = json!({"from": ["b", "c", "d", "c", "a"], "swallowed": swallowed});
        let (outcome, made) = send(&mut slots, "Gather", gather, &[0, 1]).unwrap();
        assert_eq!(outcome, Outcome::Wants(vec![Scope::stream("counter-c"), Scope::stream("counter-d")]));
        assert_eq!((made.kinds.len(), state(&slots, 0).as_str()), (0, "0"));
    }
}

#[test]
fn what_was_decided_is_folded_into_the_slots_of_the_command_that_it_belongs_to() {
    let scopes = [Scope::stream("counter-a"), Scope::stream("counter-b"), Scope::tags(["x:1"]), Scope::tags(["x:2"])];
    let mut slots = slots::<false>(&scopes);
    send(&mut slots, "AddTagged", json!({"tag": "x:1", "n": 2}), &[0, 2, 3, 2]).unwrap();
    assert_eq!([0, 1, 2, 3].map(|slot| state(&slots, slot)), ["2", "0", "2", "0"]);
    send(&mut slots, "Add", json!({"n": 5, "into": "counter-b"}), &[0, 1]).unwrap();
    assert_eq!([0, 1, 2, 3].map(|slot| state(&slots, slot)), ["2", "5", "2", "0"]);
    // Not among the slots of the command: not its business.
    send(&mut slots, "Add", json!({"n": 5, "into": "counter-b"}), &[0]).unwrap();
    assert_eq!([0, 1].map(|slot| state(&slots, slot)), ["2", "5"]);
}

#[test]
fn the_own_tag_is_on_all_that_is_decided() {
    let mut slots =
        slots::<true>(&[Scope::tags(["counter:a"]), Scope::stream("elsewhere"), Scope::stream("counter-a")]);
    let (_, made) = send(&mut slots, "Add", json!({"n": 5, "into": "elsewhere"}), &[0, 1, 2]).unwrap();
    assert_eq!(made.streams.bytes, b"elsewhere");
    assert_eq!([0, 1, 2].map(|slot| state(&slots, slot)), ["5", "5", "0"]);
    send(&mut slots, "Add", json!({"n": 1}), &[0, 2]).unwrap();
    assert_eq!([0, 1, 2].map(|slot| state(&slots, slot)), ["6", "5", "1"]);
}

#[test]
fn claims_and_tags_are_such_as_were_declared() {
    let mut slots = slots::<false>(&[Scope::stream("counter-a"), Scope::tags(["a\nb"])]);
    let (_, made) = send(&mut slots, "Note", json!("x"), &[0]).unwrap();
    let [claim] = &made.claims[..] else { unreachable!("one was made") };
    assert_eq!((claim.event, claim.kind, claim.value.as_str(), claim.released), (0, 0, "x", false));
    assert!(send(&mut slots, "Note", json!("undeclared"), &[0]).err().unwrap().message.contains("\"nothing\""));
    let fault = send(&mut slots, "AddTagged", json!({"tag": "a\nb", "n": 1}), &[0, 1]).err().unwrap();
    assert!(fault.message.contains("is no tag"), "{fault:?}");
    assert_eq!(state(&slots, 0), "0", "a fault leaves all as it was");
}

#[test]
fn a_slot_is_filled_with_what_was_saved_and_emptied() {
    let mut slots = slots::<false>(&[Scope::stream("counter-a")]);
    let event = Appended {
        position: 4,
        revision: 0,
        time: 0,
        kind: "Added",
        schema: 2,
        stream: "counter-a",
        payload: r#"{"n":5}"#,
        metadata: "",
        tags: "",
    };
    slots.evolve(0, 0, &event).unwrap();
    let saved = state(&slots, 0);
    slots.load(1, Scope::stream("counter-b"), saved.as_bytes()).unwrap();
    assert_eq!((saved.as_str(), state(&slots, 1).as_str()), ("5", "5"));
    assert!(slots.load(1, Scope::stream("counter-b"), b"?").is_err());
    slots.drop(0);
    let fault = slots.evolve(0, 0, &event).err().unwrap();
    assert_eq!((fault.position, fault.message.as_str()), (Some(4), "the host named a slot that it has not filled"));
    assert!(send(&mut slots, "reset", json!({}), &[0]).is_err());
}

#[test]
fn numbers_that_look_random_follow_from_the_seed() {
    let numbers = |seed: u64| {
        let case = Case { id: "a", time: 0, seed, slots: &[] };
        let context = Context::<Counters<false>>::new(&case, Own::Category("counter"), &[]);
        (context.random(), context.uuid(), context.uuid())
    };
    assert_eq!(numbers(1), numbers(1));
    let (_, first, second) = numbers(1);
    assert!(first != second && numbers(2).1 != first);
    // SplitMix64 of seed 0, as its authors' own program prints it.
    assert_eq!(numbers(0).0, 0xe220_a839_7b1d_cdaf);
    let parts: Vec<_> = first.split('-').map(str::len).collect();
    assert_eq!(parts, [8, 4, 4, 4, 12]);
    assert!(first[14..].starts_with('8') && "89ab".contains(&first[19..20]), "{first}");
}
