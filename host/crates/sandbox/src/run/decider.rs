//! A running decider: states in slots, commands in, checked decisions out.

use serde_json::value::RawValue;
use wasmtime::component::Component;

use kinora_types::{Budget, on_one_line};

use crate::error::{Category, Error, Failure};
use crate::module::manifest::DeciderManifest;
use crate::run::access::NoRows;
use crate::run::bindings::decider::kinora::engine::deciding;
use crate::run::bindings::{Batch, Texts, decider};
use crate::run::instance::{Guest, Surroundings, contract, declared, link};
use crate::run::reach::{Reach, shorten};
use crate::run::usage::Usage;

pub use deciding::{Commands, Scope};

/// Bytes of a rejection's code.
const CODE_BYTES: usize = 64;

/// Scopes that one command may want at once.
const WANTED_SCOPES: usize = 64;

/// A decider, linked once and ready to be instantiated any number of times.
#[derive(Clone)]
pub struct DeciderPre(decider::DeciderPre<Reach>, Surroundings);

impl DeciderPre {
    pub fn new(surroundings: &Surroundings, component: &Component) -> Result<Self, Error> {
        let pre = decider::DeciderPre::new(link(&surroundings.engine, component)?).map_err(contract)?;
        Ok(Self(pre, surroundings.clone()))
    }

    /// An instance whose calls end with the budget of whoever waits for them.
    pub fn instantiate(&self, budget: &Budget) -> Result<Decider, Failure> {
        let mut guest = Guest::new(&self.1, Box::new(NoRows), budget);
        let bindings = guest.call(self.1.limits.describe(), async |store| self.0.instantiate_async(store).await)?;
        Ok(Decider { guest, bindings })
    }
}

/// What became of a command.
#[derive(Debug)]
pub enum Outcome {
    /// These events, at least one.
    Accepted(Vec<Emitted>),
    Unchanged,
    Rejected(Rejection),
    /// It has to see these scopes, too.
    Wants(Vec<Scope>),
}

/// An event that was decided.
#[derive(Clone, Debug)]
pub struct Emitted {
    /// An index into [`DeciderManifest::emits`].
    pub kind: u32,
    /// `None`: that of the aggregate.
    pub stream: Option<String>,
    /// On one line.
    pub data: Box<RawValue>,
    pub tags: Vec<String>,
    pub claims: Vec<EmittedClaim>,
}

/// A value that is claimed or given up together with an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EmittedClaim {
    /// An index into [`DeciderManifest::claims`].
    pub kind: u32,
    pub value: String,
    pub released: bool,
}

/// A business "no".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    pub code: String,
    pub message: String,
    /// JSON text of an object.
    pub details: Option<String>,
}

/// A running decider. After a [`Failure`] it must be dropped: its memory may be in any state.
pub struct Decider {
    guest: Guest,
    bindings: decider::Decider,
}

impl Decider {
    pub fn describe(&mut self) -> Result<deciding::DeciderManifest, Failure> {
        let Self { guest, bindings } = self;
        guest.call(guest.limits.describe(), async |store| bindings.call_describe(store).await)
    }

    /// Fills one slot with a state that [`Self::save`] has made, or, if it is empty, with that before the first event.
    pub fn load(&mut self, slot: u32, scope: &Scope, state: &[u8]) -> Result<(), Failure> {
        let Self { guest, bindings } = self;
        let mut states = Texts::default();
        states.push(state).map_err(|cause| broken(cause.to_string()))?;
        let scopes = std::slice::from_ref(scope);
        let result = guest
            .call(guest.limits.events(1), async |store| bindings.call_load(store, &[slot], scopes, &states).await)?;
        result.map_err(|fault| declared(fault, guest.limits.message_bytes))
    }

    /// Folds events, each into its slot.
    pub fn evolve(&mut self, slots: &[u32], events: &Batch) -> Result<(), Failure> {
        let Self { guest, bindings } = self;
        let fuel = guest.limits.events(events.len());
        let result = guest.call(fuel, async |store| bindings.call_evolve(store, slots, events).await)?;
        let each = guest.burnt(fuel) / (events.len() as u64).max(1);
        guest.usage.event_fuel = guest.usage.event_fuel.max(each);
        result.map_err(|fault| declared(fault, guest.limits.message_bytes))
    }

    /// Decides commands, and checks what comes out against what the decider says of itself. One command alone gets the
    /// fuel of an event; several share less.
    pub fn decide(&mut self, commands: &Commands, manifest: &DeciderManifest) -> Result<Vec<Outcome>, Failure> {
        let Self { guest, bindings } = self;
        let fuel = guest.limits.events(commands.kinds.len());
        let result = guest.call(fuel, async |store| bindings.call_decide(store, commands).await)?;
        let limit = guest.limits.message_bytes;
        let decisions = result.map_err(|fault| declared(fault, limit))?;
        Checker { manifest, message_bytes: limit }.outcomes(decisions, commands.kinds.len())
    }

    /// The state in a slot, for [`Self::load`] of the same module.
    pub fn save(&mut self, slot: u32) -> Result<Vec<u8>, Failure> {
        let Self { guest, bindings } = self;
        let saved = guest.call(guest.limits.events(1), async |store| bindings.call_save(store, &[slot]).await)?;
        let saved = saved.map_err(|fault| declared(fault, guest.limits.message_bytes))?;
        saved.check("what save answers").map_err(broken)?;
        match (saved.len(), saved.get(0)) {
            (1, Some(state)) => Ok(state.to_vec()),
            (count, _) => Err(broken(format!("save answers {count} states for one slot"))),
        }
    }

    /// Empties slots.
    pub fn drop_slots(&mut self, slots: &[u32]) -> Result<(), Failure> {
        let Self { guest, bindings } = self;
        guest.call(guest.limits.events(1), async |store| bindings.call_drop(store, slots).await)
    }

    /// The most that this instance has used.
    pub fn usage(&self) -> Usage {
        self.guest.usage
    }

    /// Linear memory that the instance holds, in bytes.
    pub fn memory_bytes(&self) -> usize {
        self.guest.store.data().meter.memory_bytes
    }
}

fn broken(message: String) -> Failure {
    Failure::new(Category::Rule, message)
}

/// Checks an answer of `decide` against the contract.
struct Checker<'a> {
    manifest: &'a DeciderManifest,
    message_bytes: usize,
}

impl Checker<'_> {
    fn outcomes(&self, decisions: deciding::Decisions, commands: usize) -> Result<Vec<Outcome>, Failure> {
        if decisions.outcomes.len() != commands {
            let count = decisions.outcomes.len();
            return Err(broken(format!("decide answers {count} outcomes for {commands} commands")));
        }
        let deciding::Decisions { outcomes, kinds, streams, payloads, tags, claims } = decisions;
        let mut events = self.events(&kinds, &streams, &payloads, &tags)?;
        for deciding::Claim { event, kind, value, released } in claims {
            let of = events.get_mut(event as usize).ok_or_else(|| broken("a claim is of no event".to_owned()))?;
            if self.manifest.claims.get(kind as usize).is_none() {
                return Err(broken(format!("claim {kind} is none that describe() declares")));
            }
            of.claims.push(EmittedClaim { kind, value, released });
        }
        let mut events = events.into_iter();
        let outcomes: Vec<_> =
            outcomes.into_iter().map(|outcome| self.outcome(outcome, &mut events)).collect::<Result<_, _>>()?;
        match events.len() {
            0 => Ok(outcomes),
            more => Err(broken(format!("decide answers {more} events that belong to no command"))),
        }
    }

    fn events(&self, kinds: &[u32], streams: &Texts, payloads: &Texts, tags: &Texts) -> Result<Vec<Emitted>, Failure> {
        for (what, column) in [("streams", streams), ("payloads", payloads), ("tags", tags)] {
            column.check(&format!("the {what} of decide")).map_err(broken)?;
            if column.len() != kinds.len() {
                return Err(broken(format!("decide answers {} events and {} {what}", kinds.len(), column.len())));
            }
        }
        let columns = kinds.iter().zip(streams.iter()).zip(payloads.iter()).zip(tags.iter());
        columns.map(|(((kind, stream), data), tags)| self.event(*kind, stream, data, tags)).collect()
    }

    fn event(&self, kind: u32, stream: &[u8], data: &[u8], tags: &[u8]) -> Result<Emitted, Failure> {
        if self.manifest.emits.get(kind as usize).is_none() {
            return Err(broken(format!("event {kind} is none that describe() declares")));
        }
        let (stream, data, tags) = (text("stream", stream)?, text("event", data)?, text("tag", tags)?);
        let data = RawValue::from_string(data.to_owned()).and_then(on_one_line);
        let data = data.map_err(|cause| broken(format!("the data of an event is not JSON: {cause}")))?;
        Ok(Emitted {
            kind,
            stream: (!stream.is_empty()).then(|| stream.to_owned()),
            data,
            tags: tags.split('\n').filter(|tag| !tag.is_empty()).map(str::to_owned).collect(),
            claims: Vec::new(),
        })
    }

    fn outcome(
        &self,
        outcome: deciding::Outcome,
        events: &mut std::vec::IntoIter<Emitted>,
    ) -> Result<Outcome, Failure> {
        match outcome {
            deciding::Outcome::Accepted(count) => {
                let count = count as usize;
                if count == 0 || count > events.len() {
                    return Err(broken(format!(
                        "a command is accepted with {count} events, {} are there",
                        events.len()
                    )));
                }
                Ok(Outcome::Accepted(events.take(count).collect()))
            }
            deciding::Outcome::Unchanged => Ok(Outcome::Unchanged),
            deciding::Outcome::Rejected(rejection) => self.rejection(rejection).map(Outcome::Rejected),
            deciding::Outcome::Wants(scopes) if scopes.is_empty() || scopes.len() > WANTED_SCOPES => {
                Err(broken(format!("a command wants {} scopes, 1 to {WANTED_SCOPES} are possible", scopes.len())))
            }
            deciding::Outcome::Wants(scopes) => Ok(Outcome::Wants(scopes)),
        }
    }

    fn rejection(&self, rejection: deciding::Rejection) -> Result<Rejection, Failure> {
        let deciding::Rejection { code, message, details } = rejection;
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-' || c == '.';
        if code.is_empty() || code.len() > CODE_BYTES || !code.chars().all(plain) {
            let code = shorten(code, CODE_BYTES);
            return Err(broken(format!("{code:?} is no code: 1 to {CODE_BYTES} letters, digits, `_`, `-` and `.`")));
        }
        let details = (!details.is_empty()).then_some(details);
        let is_object = |text: &String| text.len() <= self.message_bytes.saturating_mul(4) && is_object(text);
        if details.as_ref().is_some_and(|details| !is_object(details)) {
            return Err(broken("the details of a rejection are not a JSON object, or too many".to_owned()));
        }
        Ok(Rejection { code, message: shorten(message, self.message_bytes), details })
    }
}

fn is_object(text: &str) -> bool {
    serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(text).is_ok()
}

fn text<'a>(what: &str, bytes: &'a [u8]) -> Result<&'a str, Failure> {
    std::str::from_utf8(bytes).map_err(|cause| broken(format!("a {what} is not UTF-8: {cause}")))
}
