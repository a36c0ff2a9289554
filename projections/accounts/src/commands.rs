//! Commands: what can be asked of an account.

use kinora_sdk::{JsonSchema, schemars};
use serde::Deserialize;

#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(tag = "type", content = "data", deny_unknown_fields)]
pub enum Command {
    /// Opens an account for a customer, under an IBAN that no other account has.
    Open {
        #[schemars(length(min = 1, max = 200))]
        customer: String,
        #[schemars(length(min = 5, max = 42))]
        iban: String,
    },
    /// Puts money on an account.
    Deposit {
        #[schemars(range(min = 1))]
        cents: u64,
    },
    /// Takes money from an account, as far as there is some and the daily limit of its owner allows it.
    Withdraw {
        #[schemars(range(min = 1))]
        cents: u64,
    },
    /// Moves money to another account, both sides at once.
    Transfer {
        #[schemars(length(min = 1, max = 200))]
        to: String,
        #[schemars(range(min = 1))]
        cents: u64,
    },
    /// Closes an account that nothing is left on, and gives its IBAN up.
    Close,
}
