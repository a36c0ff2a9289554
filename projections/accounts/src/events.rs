//! Events: what can have happened to an account.

use kinora_sdk::{JsonSchema, schemars};
use serde::{Deserialize, Serialize};

/// An event says which account it is about and who owns that: a state may be folded from many accounts.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", content = "data")]
pub enum Event {
    Opened {
        account: String,
        customer: String,
        iban: String,
    },
    Deposited {
        account: String,
        customer: String,
        cents: u64,
    },
    Withdrawn {
        account: String,
        customer: String,
        cents: u64,
        /// Days since 1970.
        day: u64,
    },
    TransferredOut {
        account: String,
        customer: String,
        to: String,
        cents: u64,
        /// Days since 1970.
        day: u64,
    },
    TransferredIn {
        account: String,
        customer: String,
        from: String,
        cents: u64,
    },
    Closed {
        account: String,
        customer: String,
        iban: String,
    },
}

impl Event {
    pub fn account(&self) -> &str {
        match self {
            Self::Opened { account, .. }
            | Self::Deposited { account, .. }
            | Self::Withdrawn { account, .. }
            | Self::TransferredOut { account, .. }
            | Self::TransferredIn { account, .. }
            | Self::Closed { account, .. } => account,
        }
    }

    /// Who owns that account.
    pub fn customer(&self) -> &str {
        match self {
            Self::Opened { customer, .. }
            | Self::Deposited { customer, .. }
            | Self::Withdrawn { customer, .. }
            | Self::TransferredOut { customer, .. }
            | Self::TransferredIn { customer, .. }
            | Self::Closed { customer, .. } => customer,
        }
    }
}
