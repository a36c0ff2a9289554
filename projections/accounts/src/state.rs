//! The state that decisions rest on: accounts, and what has left them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::events::Event;

/// The accounts of a scope: one in that of a stream, all of a customer in that of the customer's tag.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Accounts {
    accounts: BTreeMap<String, Account>,
    /// The last day on which something left the accounts: days since 1970.
    day: u64,
    /// What left them on that day, in cents.
    spent: u64,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Account {
    pub customer: String,
    pub iban: String,
    /// In cents.
    pub balance: u64,
    pub closed: bool,
}

impl Accounts {
    /// An account, be it open or closed.
    pub fn get(&self, account: &str) -> Option<&Account> {
        self.accounts.get(account)
    }

    /// What has left these accounts on a day. On one before the last the clock was set back: then the last one counts.
    pub fn spent_on(&self, day: u64) -> u64 {
        if day <= self.day { self.spent } else { 0 }
    }

    /// The sum of all accounts, in cents.
    pub fn total(&self) -> u64 {
        self.accounts.values().map(|account| account.balance).sum()
    }

    pub(crate) fn after(mut self, event: Event) -> Self {
        let account = self.accounts.entry(event.account().to_owned()).or_default();
        match event {
            Event::Opened { customer, iban, .. } => *account = Account { customer, iban, balance: 0, closed: false },
            Event::Deposited { cents, .. } | Event::TransferredIn { cents, .. } => account.balance += cents,
            Event::Withdrawn { cents, day, .. } | Event::TransferredOut { cents, day, .. } => {
                account.balance -= cents;
                self.spend(cents, day);
            }
            Event::Closed { .. } => account.closed = true,
        }
        self
    }

    fn spend(&mut self, cents: u64, day: u64) {
        self.spent = self.spent_on(day) + cents;
        self.day = self.day.max(day);
    }
}
