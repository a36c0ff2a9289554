//! Answers that the SDK would not give: its own ones, spoilt on the way to the host.
#![cfg(target_arch = "wasm32")]

use kinora_sdk::export::DeciderComponent;
use kinora_sdk::guest::bindings::{Batch, Fault, Texts};
use kinora_sdk::guest::decider_bindings::kinora::engine::deciding::{Claim, Outcome, Scope};
use kinora_sdk::guest::decider_bindings::{Commands, DeciderManifest, Decisions, Guest};
use serde::Deserialize;

use crate::{Contrary, Lie};

/// What the SDK makes of it.
struct Honest;

impl DeciderComponent for Honest {
    type Decider = Contrary;
}

struct Liar;

kinora_sdk::guest::decider_bindings::export_decider_world!(Liar with_types_in kinora_sdk::guest::decider_bindings);

impl Guest for Liar {
    fn describe() -> DeciderManifest {
        <Honest as Guest>::describe()
    }

    fn load(slots: Vec<u32>, scopes: Vec<Scope>, states: Texts) -> Result<(), Fault> {
        <Honest as Guest>::load(slots, scopes, states)
    }

    fn evolve(slots: Vec<u32>, events: Batch) -> Result<(), Fault> {
        <Honest as Guest>::evolve(slots, events)
    }

    fn decide(commands: Commands) -> Result<Decisions, Fault> {
        let lie = lie_in(&commands);
        let mut decisions = <Honest as Guest>::decide(commands)?;
        if let Some(lie) = lie {
            spoil(&mut decisions, lie);
        }
        Ok(decisions)
    }

    fn save(slots: Vec<u32>) -> Result<Texts, Fault> {
        <Honest as Guest>::save(slots)
    }

    fn drop(slots: Vec<u32>) {
        <Honest as Guest>::drop(slots);
    }
}

/// The data of `Command::Lie`.
#[derive(Deserialize)]
struct Told {
    how: Lie,
}

/// The first lie that any of the commands asks for: none is believed that was decided together with it.
fn lie_in(commands: &Commands) -> Option<Lie> {
    let mut start = 0;
    let payloads = commands.payloads.ends.iter().map(|end| {
        let payload = commands.payloads.bytes.get(start..*end as usize);
        start = *end as usize;
        payload
    });
    payloads.flatten().find_map(|payload| serde_json::from_slice::<Told>(payload).ok()).map(|told| told.how)
}

/// Index of what there is not.
const NOTHING: u32 = 1000;

/// Spoils the answer to the last command: two events, the second of which claims a name; or a rejection.
fn spoil(decisions: &mut Decisions, lie: Lie) {
    match lie {
        Lie::UndeclaredType => set_last(&mut decisions.kinds, NOTHING),
        Lie::UndeclaredClaim => decisions.claims.iter_mut().for_each(|claim| claim.kind = NOTHING),
        Lie::ClaimOfNothing => {
            decisions.claims.push(Claim { event: NOTHING, kind: 0, value: "x".into(), released: false });
        }
        Lie::TooManyEvents => set_last(&mut decisions.outcomes, Outcome::Accepted(3)),
        Lie::TooFewEvents => set_last(&mut decisions.outcomes, Outcome::Accepted(1)),
        Lie::NoEvents => set_last(&mut decisions.outcomes, Outcome::Accepted(0)),
        Lie::NoOutcome => drop(decisions.outcomes.pop()),
        Lie::OneOutcomeTooMany => decisions.outcomes.push(Outcome::Unchanged),
        Lie::NotJson => set_last(&mut decisions.payloads.bytes, b'?'),
        // The data of both becomes a text, whatever it was.
        Lie::NotOfItsSchema => {
            decisions.payloads.bytes.fill(b'x');
            let mut start = 0;
            for end in decisions.payloads.ends.iter().map(|end| *end as usize) {
                for at in [start, end - 1] {
                    if let Some(byte) = decisions.payloads.bytes.get_mut(at) {
                        *byte = b'"';
                    }
                }
                start = end;
            }
        }
        Lie::UnequalColumns => drop(decisions.kinds.pop()),
        Lie::FallingEnds => decisions.payloads.ends.reverse(),
        Lie::DetailsNoObject => spoil_rejection(decisions, |_, details| "[1]".clone_into(details)),
        Lie::NoCode => spoil_rejection(decisions, |code, _| code.clear()),
        Lie::WantsNothing => set_last(&mut decisions.outcomes, Outcome::Wants(Vec::new())),
        Lie::WantsItsOwn => {
            set_last(&mut decisions.outcomes, Outcome::Wants(vec![Scope::Stream("contrary-1".into())]));
        }
    }
}

fn set_last<T>(values: &mut [T], value: T) {
    if let Some(last) = values.last_mut() {
        *last = value;
    }
}

fn spoil_rejection(decisions: &mut Decisions, how: impl Fn(&mut String, &mut String)) {
    if let Some(Outcome::Rejected(rejection)) = decisions.outcomes.last_mut() {
        how(&mut rejection.code, &mut rejection.details);
    }
}
