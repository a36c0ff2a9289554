//! The rules of the bank.

use kinora_sdk::{Claim, Context, Decider, Rejection, Rules, Scope};

use crate::commands::Command;
use crate::events::Event;
use crate::state::{Account, Accounts};

/// What may leave all accounts of a customer in a day (UTC), in cents: withdrawn, or transferred to anybody.
pub const DAILY_LIMIT_CENTS: u64 = 1_000_000;

pub(crate) const MICROS_OF_A_DAY: u64 = 24 * 60 * 60 * 1_000_000;

pub struct Bank;

impl Decider for Bank {
    type State = Accounts;
    type Command = Command;
    type Event = Event;

    fn describe() -> Rules {
        Rules::new("accounts").category("account").claim("iban", "iban_taken", "another account has this IBAN")
    }

    fn decide(accounts: &Accounts, command: Command, context: &Context<'_, Self>) -> Result<Vec<Event>, Rejection> {
        match command {
            Command::Open { customer, iban } => open(accounts, customer, &iban, context),
            Command::Deposit { cents } => deposit(accounts, cents, context),
            Command::Withdraw { cents } => withdraw(accounts, cents, context),
            Command::Transfer { to, cents } => transfer(accounts, to, cents, context),
            Command::Close => close(accounts, context),
        }
    }

    fn evolve(accounts: Accounts, event: Event) -> Accounts {
        accounts.after(event)
    }

    /// Each to the account that it is about: a transfer has an event in both.
    fn stream(event: &Event, _id: &str) -> Option<String> {
        Some(format!("account-{}", event.account()))
    }

    fn tags(event: &Event) -> Vec<String> {
        vec![customer_tag(event.customer())]
    }

    fn claims(event: &Event) -> Vec<Claim> {
        match event {
            Event::Opened { iban, .. } => vec![Claim::take("iban", iban)],
            Event::Closed { iban, .. } => vec![Claim::release("iban", iban)],
            _ => Vec::new(),
        }
    }
}

fn customer_tag(customer: &str) -> String {
    format!("customer:{customer}")
}

/// All accounts of a customer.
pub(crate) fn of_customer(customer: &str) -> Scope {
    Scope::tags([customer_tag(customer)])
}

type Decided = Result<Vec<Event>, Rejection>;

/// Opened again in the same way, an account is as it should be.
fn open(accounts: &Accounts, customer: String, iban: &str, context: &Context<'_, Bank>) -> Decided {
    let iban = canonical(iban)?;
    match accounts.get(context.id()) {
        None => Ok(vec![Event::Opened { account: context.id().into(), customer, iban }]),
        Some(account) if account.closed => Err(closed(context.id())),
        Some(account) if account.customer == customer && account.iban == iban => Ok(Vec::new()),
        Some(_) => Err(Rejection::new("account_exists", "this account is open with another owner or IBAN")),
    }
}

fn deposit(accounts: &Accounts, cents: u64, context: &Context<'_, Bank>) -> Decided {
    let account = is_open(accounts, context.id())?;
    has_room(account, amount(cents)?)?;
    Ok(vec![Event::Deposited { account: context.id().into(), customer: account.customer.clone(), cents }])
}

fn withdraw(accounts: &Accounts, cents: u64, context: &Context<'_, Bank>) -> Decided {
    let account = is_open(accounts, context.id())?;
    has_funds(account, amount(cents)?)?;
    let day = day(context);
    is_within_limit(context.of(&of_customer(&account.customer))?, cents, day)?;
    Ok(vec![Event::Withdrawn { account: context.id().into(), customer: account.customer.clone(), cents, day }])
}

fn transfer(accounts: &Accounts, to: String, cents: u64, context: &Context<'_, Bank>) -> Decided {
    if to == context.id() {
        return Err(Rejection::new("same_account", "money is moved to another account"));
    }
    let account = is_open(accounts, context.id())?;
    has_funds(account, amount(cents)?)?;
    let [customer, receiver] = context.all([of_customer(&account.customer), context.scope(&to)])?;
    let receiver = is_open(receiver, &to)?;
    has_room(receiver, cents)?;
    let day = day(context);
    is_within_limit(customer, cents, day)?;
    let from = context.id().to_owned();
    let (sender, receiver) = (account.customer.clone(), receiver.customer.clone());
    Ok(vec![
        Event::TransferredOut { account: from.clone(), customer: sender, to: to.clone(), cents, day },
        Event::TransferredIn { account: to, customer: receiver, from, cents },
    ])
}

/// Closed again, an account is as it should be.
fn close(accounts: &Accounts, context: &Context<'_, Bank>) -> Decided {
    let Some(account) = accounts.get(context.id()) else { return Err(unknown(context.id())) };
    if account.closed {
        return Ok(Vec::new());
    }
    if account.balance > 0 {
        let why = Rejection::new("balance_not_zero", "an account is closed when nothing is left on it");
        return Err(why.detail("balance", account.balance));
    }
    let (customer, iban) = (account.customer.clone(), account.iban.clone());
    Ok(vec![Event::Closed { account: context.id().into(), customer, iban }])
}

fn day(context: &Context<'_, Bank>) -> u64 {
    context.time() / MICROS_OF_A_DAY
}

/// The longest IBAN there may be, by ISO 13616.
const IBAN_CHARACTERS: usize = 34;

/// An IBAN as it is compared: without spaces, in capitals. Check digits are the business of the bank that gave it.
fn canonical(iban: &str) -> Result<String, Rejection> {
    let iban: String = iban.chars().filter(|c| *c != ' ').map(|c| c.to_ascii_uppercase()).collect();
    let is_one = (5..=IBAN_CHARACTERS).contains(&iban.len()) && iban.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if is_one { Ok(iban) } else { Err(Rejection::new("not_an_iban", "an IBAN has 5 to 34 letters and digits")) }
}

fn amount(cents: u64) -> Result<u64, Rejection> {
    if cents > 0 { Ok(cents) } else { Err(Rejection::new("not_an_amount", "an amount is a cent or more")) }
}

fn is_open<'a>(accounts: &'a Accounts, id: &str) -> Result<&'a Account, Rejection> {
    let account = accounts.get(id).ok_or_else(|| unknown(id))?;
    if account.closed { Err(closed(id)) } else { Ok(account) }
}

fn unknown(id: &str) -> Rejection {
    Rejection::new("account_unknown", "there is no such account").detail("account", id)
}

fn closed(id: &str) -> Rejection {
    Rejection::new("account_closed", "the account is closed, for good").detail("account", id)
}

fn has_room(account: &Account, cents: u64) -> Result<u64, Rejection> {
    Ok(account.balance.checked_add(cents).ok_or(("balance_too_large", "an account cannot hold so much"))?)
}

fn has_funds(account: &Account, cents: u64) -> Result<u64, Rejection> {
    account.balance.checked_sub(cents).ok_or_else(|| {
        let why = Rejection::new("insufficient_funds", "there is not enough on the account");
        why.detail("balance", account.balance).detail("cents", cents)
    })
}

fn is_within_limit(of_customer: &Accounts, cents: u64, day: u64) -> Result<(), Rejection> {
    let spent = of_customer.spent_on(day);
    match spent.checked_add(cents) {
        Some(sum) if sum <= DAILY_LIMIT_CENTS => Ok(()),
        _ => {
            let why = Rejection::new("daily_limit", "more may not leave the accounts of this customer today");
            Err(why.detail("limit", DAILY_LIMIT_CENTS).detail("spent", spent))
        }
    }
}
