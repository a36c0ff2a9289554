//! Accounts next to a model of a few lines, under random commands.

use std::collections::BTreeMap;

use super::*;

/// Numbers that look random, the same ones in every run (xorshift).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}

const IDS: [&str; 4] = ["a1", "a2", "b1", "b2"];

fn owner(id: &str) -> &str {
    if id.starts_with('a') { "ann" } else { "bob" }
}

#[derive(Default)]
struct Model {
    /// By account; `None` once it is closed.
    balances: BTreeMap<&'static str, Option<u64>>,
    /// By customer and day.
    spent: BTreeMap<(&'static str, u64), u64>,
    paid_in: u64,
    paid_out: u64,
}

impl Model {
    fn open(&self, id: &str) -> Option<u64> {
        self.balances.get(id).copied().flatten()
    }

    /// Whether a command is carried out, and what is so afterwards.
    fn takes(&mut self, id: &'static str, command: &Command, day: u64) -> bool {
        let customer = if id.starts_with('a') { "ann" } else { "bob" };
        let spent = self.spent.get(&(customer, day)).copied().unwrap_or_default();
        let may_leave = |cents: u64| spent + cents <= DAILY_LIMIT_CENTS;
        match (command, self.open(id)) {
            (Command::Open { .. }, _) if !self.balances.contains_key(id) => {
                self.balances.insert(id, Some(0));
            }
            (Command::Deposit { cents }, Some(balance)) => {
                self.balances.insert(id, Some(balance + cents));
                self.paid_in += cents;
            }
            (Command::Withdraw { cents }, Some(balance)) if *cents <= balance && may_leave(*cents) => {
                self.balances.insert(id, Some(balance - cents));
                self.spent.insert((customer, day), spent + cents);
                self.paid_out += cents;
            }
            (Command::Transfer { to, cents }, Some(balance)) if *cents <= balance && may_leave(*cents) => {
                let Some((to, there)) = IDS.into_iter().find(|other| other == to).zip(self.open(to)) else {
                    return false;
                };
                if to == id {
                    return false;
                }
                self.balances.extend([(id, Some(balance - cents)), (to, Some(there + cents))]);
                self.spent.insert((customer, day), spent + cents);
            }
            (Command::Close, Some(0)) => {
                self.balances.insert(id, None);
            }
            _ => return false,
        }
        true
    }
}

fn any_command(numbers: &mut Numbers, id: &str) -> Command {
    let cents = 1 + numbers.below(DAILY_LIMIT_CENTS / 2);
    match numbers.below(10) {
        0 => open(owner(id), &format!("DE00{id}")),
        1..4 => Command::Deposit { cents: 4 * cents },
        4..6 => Command::Withdraw { cents },
        6..9 => transfer(IDS[numbers.below(4) as usize], cents),
        _ => Command::Close,
    }
}

/// Commands in a run: each is decided on all that came before it.
const COMMANDS: u64 = 60;

#[test]
fn random_commands_come_out_as_those_of_the_model_and_no_cent_is_lost() {
    let mut accepted = 0;
    for seed in 1..=20 {
        let (mut numbers, mut model, mut story) = (Numbers(seed), Model::default(), given::<Bank>([]));
        for at in 0..COMMANDS {
            let id = IDS[numbers.below(4) as usize];
            let (command, day) = (any_command(&mut numbers, id), DAY + at / 40);
            let (decided, next) = story.when(id, command.clone()).at(day * MICROS_OF_A_DAY + at).decided();
            let taken = matches!(decided, Decided::Accepted(_));
            assert_eq!(taken, model.takes(id, &command, day), "seed {seed}, {at}: {command:?} of {id}: {decided:?}");
            accepted += u64::from(taken);
            story = next;
        }
        let sum: u64 = ["ann", "bob"].map(|customer| story.state_of(&of_customer(customer)).total()).iter().sum();
        assert_eq!(sum, model.paid_in - model.paid_out, "seed {seed}");
        for id in IDS {
            let balance = story.state(id).get(id).map(|account| account.balance);
            assert_eq!(balance, model.balances.get(id).map(|balance| balance.unwrap_or_default()), "seed {seed}, {id}");
        }
    }
    assert!(accepted > 20 * COMMANDS / 4, "{accepted} commands were carried out: the runs test little");
}
