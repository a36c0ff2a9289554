//! What a decision may rest on besides the state of its aggregate and the command.

use std::cell::{Cell, RefCell};

use super::Decider;
use super::rejection::Rejection;
use super::rules::Own;
use super::scope::Scope;
use super::slots::{Case, Slot};

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
    /// It is not there yet: the command is decided again with it. Pass this on with `?`; whatever else is decided without
    /// it does not count.
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
