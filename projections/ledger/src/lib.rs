//! Projector of a ledger: what is on every account. Many small events, and as many rows as there are accounts: `make
//! bench-replay` measures with it.

use kinora_sdk::{Event, Fault, JsonSchema, Manifest, Projector, Rows, Table, Wanted, export_projector, schemars};
use serde::{Deserialize, Serialize};

/// An account. Amounts are in cents.
#[derive(Default, Serialize, Deserialize, JsonSchema)]
struct Account {
    balance: i64,
    /// The lowest balance that there has been: it depends on the order of the events.
    lowest: i64,
    deposits: u64,
    withdrawals: u64,
    /// The day of the last movement, counted from 1970.
    last_day: u32,
}

const ACCOUNTS: Table<Account> = Table::new("accounts");

/// A movement: `{"account":"a0001234","cents":1250,"day":19876}`.
#[derive(Deserialize)]
struct Movement<'a> {
    account: &'a str,
    cents: i64,
    day: u32,
}

#[derive(Default)]
pub struct Ledger;

impl Projector for Ledger {
    fn describe() -> Manifest {
        Manifest::new("ledger")
            .handles("Deposited", 1)
            .handles("Withdrawn", 1)
            .table(ACCOUNTS, "account")
            .partitioned_by_stream()
    }

    fn apply(&mut self, event: &Event<'_>, rows: &mut Rows) -> Result<(), Fault> {
        let movement: Movement = event.data()?;
        let account = rows.entry(ACCOUNTS, movement.account)?;
        match event.kind() {
            "Deposited" => {
                account.deposits += 1;
                account.balance += movement.cents;
            }
            "Withdrawn" => {
                account.withdrawals += 1;
                account.balance -= movement.cents;
                account.lowest = account.lowest.min(account.balance);
            }
            _ => return Err(event.unhandled()),
        }
        account.last_day = movement.day;
        Ok(())
    }

    /// The stream of an account is named after it.
    fn touches(event: &Event<'_>, wanted: &mut Wanted<'_>) {
        if let Some(account) = event.stream().strip_prefix("account-") {
            wanted.row(ACCOUNTS, account);
        }
    }
}

export_projector!(Ledger);

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use kinora_sdk::testing::Scenario;

    #[test]
    fn an_account_knows_its_balance_and_the_lowest_that_there_was() {
        let mut scenario = Scenario::<Ledger>::new();
        for (kind, cents) in [("Deposited", 500), ("Withdrawn", 700), ("Deposited", 50)] {
            scenario.given(kind, 1, &format!(r#"{{"account":"a1","cents":{cents},"day":7}}"#)).unwrap();
        }
        let expected = r#"{"balance":-150,"lowest":-200,"deposits":2,"withdrawals":1,"last_day":7}"#;
        assert_eq!(scenario.row("accounts", "a1").as_deref(), Some(expected));
    }
}
