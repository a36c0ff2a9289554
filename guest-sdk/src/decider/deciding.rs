//! The trait of deciders: commands in, events out, on a state that is folded from events.

use std::cell::{Cell, RefCell};

use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::rejection::Rejection;
use super::rules::{Own, Rules};
use super::scope::Scope;
use super::slot::{Case, Slot};

/// Decides commands on a state that is a fold of events.
///
/// Both functions are pure: they see what they are handed, and what is decided again comes out the same. The example of
/// this crate shows a whole one.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a decider",
    label = "expected a decider",
    note = "a decider implements `Decider`; projectors and upcasters are exported with `export_projector!` and \
            `export_upcaster!`"
)]
pub trait Decider: Sized + 'static {
    /// What decisions rest on: the fold of the events of one scope. Its default is the state before the first event. It
    /// is kept as JSON, so what `#[serde(skip)]` leaves out is lost now and then.
    type State: Clone + Default + Serialize + DeserializeOwned;

    /// What can be asked for: an enum with `#[serde(tag = "type", content = "data")]`. The doc comments of its variants
    /// are shown to those who send commands. A host refuses what the [`JsonSchema`] of a variant does not allow.
    type Command: DeserializeOwned + JsonSchema;

    /// What can have happened: an enum with `#[serde(tag = "type", content = "data")]`.
    type Event: Clone + Serialize + DeserializeOwned + JsonSchema;

    /// What it is called, what its aggregates are, what it claims. Must always answer the same.
    fn describe() -> Rules;

    /// What becomes of a command: events, none if all is as the command wants it, or a rejection.
    ///
    /// # Errors
    /// The rules say no; or they need a state that is not there yet, and `?` passes that on.
    fn decide(
        state: &Self::State,
        command: Self::Command,
        context: &Context<'_, Self>,
    ) -> Result<Vec<Self::Event>, Rejection>;

    /// The state after an event. It has happened: there is nothing to check any more.
    fn evolve(state: Self::State, event: Self::Event) -> Self::State;

    /// The stream that an event goes to; `None` is that of the aggregate with this id.
    fn stream(_event: &Self::Event, _id: &str) -> Option<String> {
        None
    }

    /// The tags of an event. The own tag of an aggregate is added to them.
    fn tags(_event: &Self::Event) -> Vec<String> {
        Vec::new()
    }

    /// What an event claims or gives up, for the stream that it goes to.
    fn claims(_event: &Self::Event) -> Vec<Claim> {
        Vec::new()
    }
}

/// A value that one stream at a time holds, such as an e-mail address. [`Rules::claim`] declares its scope.
///
/// ```
/// use kinora_sdk::Claim;
///
/// let taken = Claim::take("email", "ada@example.org");
/// let given_up = Claim::release("email", "ada@example.org");
/// # let _ = (taken, given_up);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    pub(crate) scope: &'static str,
    pub(crate) value: String,
    pub(crate) released: bool,
}

impl Claim {
    /// Takes a value. If another stream holds it, the command is rejected with the code that was declared.
    pub fn take(scope: &'static str, value: impl Into<String>) -> Self {
        Self { scope, value: value.into(), released: false }
    }

    /// Gives a value up.
    pub fn release(scope: &'static str, value: impl Into<String>) -> Self {
        Self { scope, value: value.into(), released: true }
    }
}

/// What a decision may rest on besides the state of its aggregate and the command: an id, a time, numbers that look
/// random, and the states of other scopes.
pub struct Context<'a, D: Decider> {
    case: &'a Case<'a>,
    own: Own,
    given: &'a [&'a Slot<D::State>],
    random: Cell<u64>,
    wanted: RefCell<Vec<Scope>>,
}

impl<'a, D: Decider> Context<'a, D> {
    pub(super) fn new(case: &'a Case<'a>, own: Own, given: &'a [&'a Slot<D::State>]) -> Self {
        Self { case, own, given, random: Cell::new(case.seed), wanted: RefCell::default() }
    }

    pub(super) fn into_wanted(self) -> Vec<Scope> {
        self.wanted.into_inner()
    }

    /// The id of the aggregate.
    pub fn id(&self) -> &'a str {
        self.case.id
    }

    /// When the command came: microseconds since the Unix epoch, by the clock of the host. There is no other time.
    pub fn time(&self) -> u64 {
        self.case.time
    }

    /// A number that looks random and follows from the id of the command.
    pub fn seed(&self) -> u64 {
        self.case.seed
    }

    /// The next of the numbers that follow from the seed: the same ones, in the same order, whenever the command is
    /// decided again. They are not secret.
    pub fn random(&self) -> u64 {
        // SplitMix64, by Steele, Lea and Flood, "Fast splittable pseudorandom number generators" (2014).
        let state = self.random.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.random.set(state);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A UUID made of the next two of these numbers, of the version for such (8).
    pub fn uuid(&self) -> String {
        let (high, low) = (self.random(), self.random());
        let (version, variant) = (8 << 12, 0b10 << 62);
        let (high, low) = (high & !0xf000 | version, low & (u64::MAX >> 2) | variant);
        let (first, second, third) = (high >> 32, high >> 16 & 0xffff, high & 0xffff);
        format!("{first:08x}-{second:04x}-{third:04x}-{:04x}-{:012x}", low >> 48, low & 0xffff_ffff_ffff)
    }

    /// The state of another scope. The decision then stands only if nothing has happened there meanwhile.
    ///
    /// # Errors
    /// It is not there yet: the command is decided again with it. Pass this on with `?`; whatever else is decided
    /// without it does not count.
    pub fn of(&self, scope: &Scope) -> Result<&'a D::State, Rejection> {
        if let Some(slot) = self.given.iter().find(|slot| slot.scope == *scope) {
            return Ok(&slot.state);
        }
        let mut wanted = self.wanted.borrow_mut();
        if !wanted.contains(scope) {
            wanted.push(scope.clone());
        }
        Err(Rejection::wanting())
    }

    /// The states of several scopes, asked for at once.
    ///
    /// ```
    /// # use kinora_sdk::{Context, Decider, Rejection, Scope};
    /// # fn both<D: Decider>(context: &Context<'_, D>) -> Result<(), Rejection> {
    /// let [to, customer] = context.all([context.scope("account-2"), Scope::tags(["customer:42"])])?;
    /// # let _ = (to, customer);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Context::of`].
    pub fn all<const N: usize>(&self, scopes: [Scope; N]) -> Result<[&'a D::State; N], Rejection> {
        // As many as were asked for: `each` has found all of them.
        self.each(scopes)?.try_into().map_err(|_| Rejection::wanting())
    }

    /// The states of any number of scopes, asked for at once, in the same order.
    ///
    /// # Errors
    /// As [`Context::of`].
    pub fn each(&self, scopes: impl IntoIterator<Item = Scope>) -> Result<Vec<&'a D::State>, Rejection> {
        // All of them are asked for before the first that is missing ends this.
        let found: Vec<_> = scopes.into_iter().map(|scope| self.of(&scope)).collect();
        found.into_iter().collect()
    }

    /// The state of another aggregate of this decider.
    ///
    /// # Errors
    /// As [`Context::of`].
    pub fn other(&self, id: &str) -> Result<&'a D::State, Rejection> {
        self.of(&self.scope(id))
    }

    /// The scope of the aggregate with this id.
    pub fn scope(&self, id: &str) -> Scope {
        self.own.scope(id)
    }
}
