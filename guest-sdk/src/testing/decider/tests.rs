//! Tests of the stories themselves: what they find, and what they say then.

use std::cell::Cell;

use serde::{Deserialize, Serialize};

use super::*;
use crate::{Claim, Context, Decider, JsonSchema, Rejection, Rules, Scope, schemars};

#[derive(Clone, Deserialize, JsonSchema)]
#[serde(tag = "type", content = "data")]
enum Command {
    Add { n: u64 },
    AddTwice { other: String },
    Take { name: String },
    HandOver { name: String, from: String },
    Dice,
    Look,
    Want,
}

#[derive(Clone, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", content = "data")]
enum Event {
    Added {
        n: u64,
        stream: Option<String>,
    },
    Taken {
        name: String,
    },
    GivenUp {
        name: String,
        stream: Option<String>,
    },
    Hidden,
    Short {
        /// It is not read again.
        #[serde(skip)]
        n: u64,
    },
}

#[derive(Clone, Default, Serialize, Deserialize)]
struct State {
    n: u64,
    /// It is not saved.
    #[serde(skip)]
    hidden: u64,
}

thread_local! {
    static OUTSIDE: Cell<u64> = const { Cell::new(0) };
}

struct Careless;

fn added(n: u64) -> Event {
    Event::Added { n, stream: None }
}

impl Decider for Careless {
    type State = State;
    type Command = Command;
    type Event = Event;

    fn describe() -> Rules {
        Rules::new("careless").tag("thing").claim("name", "name_taken", "it is taken")
    }

    fn decide(state: &State, command: Command, context: &Context<'_, Self>) -> Result<Vec<Event>, Rejection> {
        Ok(match command {
            Command::Add { n: 0 } => vec![],
            Command::Add { n: 13 } => Err(Rejection::new("bad_luck", "not this one").detail("n", 13))?,
            Command::Add { n: 99 } => vec![Event::Short { n: 99 }],
            Command::Add { n } => vec![added(n)],
            Command::AddTwice { other } => {
                let n = state.n + context.other(&other)?.n;
                let elsewhere = Event::Added { n, stream: Some(format!("thing-{other}")) };
                vec![added(n), elsewhere]
            }
            Command::Take { name } => vec![Event::Taken { name }],
            Command::HandOver { name, from } => {
                vec![
                    Event::Taken { name: name.clone() },
                    Event::GivenUp { name, stream: Some(format!("thing-{from}")) },
                ]
            }
            Command::Dice => {
                OUTSIDE.set(OUTSIDE.get() + 1);
                vec![added(OUTSIDE.get())]
            }
            Command::Look => vec![added(context.time()), added(context.seed())],
            Command::Want => {
                for other in 0.. {
                    context.other(&format!("{other}"))?;
                }
                vec![]
            }
        })
    }

    fn evolve(state: State, event: Event) -> State {
        match event {
            Event::Added { n, .. } => State { n: state.n + n + state.hidden, ..state },
            Event::Short { n } => State { n: state.n + n, ..state },
            Event::Hidden => State { hidden: state.hidden + 1, ..state },
            Event::Taken { .. } | Event::GivenUp { .. } => state,
        }
    }

    fn stream(event: &Event, _id: &str) -> Option<String> {
        match event {
            Event::Added { stream, .. } | Event::GivenUp { stream, .. } => stream.clone(),
            _ => None,
        }
    }

    fn claims(event: &Event) -> Vec<Claim> {
        match event {
            Event::Taken { name } => vec![Claim::take("name", name)],
            Event::GivenUp { name, .. } => vec![Claim::release("name", name)],
            _ => vec![],
        }
    }
}

fn add(n: u64) -> Command {
    Command::Add { n }
}

#[test]
fn a_story_goes_on_with_what_was_decided() {
    let story = given::<Careless>([added(1)]).when("a", add(2)).then([added(2)]);
    let story = story.when("b", add(5)).then([added(5)]).when("b", add(0)).then_unchanged();
    assert_eq!((story.state("a").n, story.state("b").n), (3, 5));
}

#[test]
fn states_that_are_asked_for_are_folded_from_all_that_was_given() {
    let story = given::<Careless>([added(1)])
        .given_for("b", [added(10)])
        .given_tagged("elsewhere", &["thing:b"], [added(100)])
        .given_in("thing-b", [added(1000)]);
    let both = [added(111), Event::Added { n: 111, stream: Some("thing-b".into()) }];
    let story = story.when("a", Command::AddTwice { other: "b".into() }).then(both);
    assert_eq!(story.state("a").n, 1 + 111 + 111, "both events have the own tag");
    assert_eq!(story.state_of(&Scope::stream("thing-b")).n, 10 + 1000 + 111);
}

#[test]
fn a_command_has_its_time_and_its_seed() {
    let look = Command::Look;
    let story = given::<Careless>([]).when("a", look.clone()).at(7).seed(9).then([added(7), added(9)]);
    story.when("a", look).then([added(8), added(2)]);
}

#[test]
fn claims_are_checked_as_a_log_checks_them() {
    let take = |name: &str| Command::Take { name: name.into() };
    let taken = |name: &str| [Event::Taken { name: name.into() }];
    let hand_over = |from: &str| Command::HandOver { name: "x".into(), from: from.into() };
    given::<Careless>([])
        .when("a", take("x"))
        .then(taken("x"))
        .when("a", take("x"))
        .then(taken("x"))
        .when("b", take("x"))
        .then_rejected("name_taken")
        .when("b", hand_over("c"))
        .then_rejected("name_taken")
        .when("b", hand_over("a"))
        .then([Event::Taken { name: "x".into() }, Event::GivenUp { name: "x".into(), stream: Some("thing-a".into()) }]);
}

#[test]
#[should_panic(expected = "expected: unchanged\n   it is: rejected, bad_luck: not this one {\"n\":13}")]
fn what_is_not_as_expected_is_shown() {
    given::<Careless>([]).when("a", add(13)).then_unchanged();
}

#[test]
#[should_panic(
    expected = "expected: events\n    {\"data\":{\"n\":2,\"stream\":null},\"type\":\"Added\"}\n   it is: events\n"
)]
fn other_events_are_shown_as_json() {
    given::<Careless>([]).when("a", add(1)).then([added(2)]);
}

#[test]
#[should_panic(expected = "expected: rejected, bad_luck\n   it is: unchanged")]
fn a_missing_rejection_is_shown() {
    given::<Careless>([]).when("a", add(0)).then_rejected("bad_luck");
}

#[test]
#[should_panic(expected = "depends on being saved and loaded between events")]
fn a_state_that_loses_something_is_found() {
    given::<Careless>([Event::Hidden, added(1)]).when("a", add(1)).decided();
}

#[test]
#[should_panic(expected = "when what was decided is read again")]
fn an_event_that_loses_something_is_found() {
    given::<Careless>([]).when("a", add(99)).decided();
}

#[test]
#[should_panic(expected = "the command comes out differently")]
fn a_decision_on_what_no_state_says_is_found() {
    given::<Careless>([]).when("a", Command::Dice).decided();
}

#[test]
#[should_panic(expected = "asks for more than 100 scopes")]
fn a_command_that_asks_for_ever_is_found() {
    given::<Careless>([]).when("a", Command::Want).decided();
}
