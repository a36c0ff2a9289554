//! Decider of accounts: who owns them, what is on them, and what may leave them. Amounts are in cents.
//!
//! An account is the stream `account-ID`. Each event of it has the tag `customer:ID` of its owner, so the limit of what a
//! customer may take out in a day is a rule over all events with that tag, and holds however many accounts there are.

mod commands;
mod events;
mod state;

use kinora_sdk::{Claim, Context, Decider, Rejection, Rules, Scope, export_decider};

pub use commands::Command;
pub use events::Event;
pub use state::{Account, Accounts};

/// What may leave all accounts of a customer in a day (UTC), in cents: withdrawn, or transferred to anybody.
pub const DAILY_LIMIT_CENTS: u64 = 1_000_000;

const MICROS_OF_A_DAY: u64 = 24 * 60 * 60 * 1_000_000;

pub struct Bank;

impl Decider for Bank {
    type State = Accounts;
    type Command = Command;
    type Event = Event;

    fn describe() -> Rules {
        Rules::new("accounts").category("account").claim("iban", "iban_taken", "another account has this IBAN")
    }

    fn decide(accounts: &Accounts, command: Command, context: &Context<'_, Self>) -> Result<Vec<Event>, Rejection> {
        commands::decide(accounts, command, context)
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
fn of_customer(customer: &str) -> Scope {
    Scope::tags([customer_tag(customer)])
}

export_decider!(Bank);

#[cfg(test)]
mod tests;
