//! Decider of accounts: who owns them, what is on them, and what may leave them. Amounts are in cents.
//!
//! An account is the stream `account-ID`. Each of its events has the tag `customer:ID` of its owner, so the limit of
//! what a customer may take out in a day is a rule over all events with that tag, and holds however many accounts there
//! are.

mod bank;
mod commands;
mod events;
mod state;

pub use bank::{Bank, DAILY_LIMIT_CENTS};
pub use commands::Command;
pub use events::Event;
pub use state::{Account, Accounts};

kinora_sdk::export_decider!(Bank);

#[cfg(test)]
mod tests;
