//! Tests of the accounts, native: without a host, and without WebAssembly.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod model;

use kinora_sdk::Decider;
use kinora_sdk::testing::decider::{Decided, Story, given};

use super::*;
use crate::bank::{MICROS_OF_A_DAY, of_customer};

const NOON: u64 = 20_000 * MICROS_OF_A_DAY + MICROS_OF_A_DAY / 2;
const DAY: u64 = 20_000;

fn opened(account: &str, customer: &str) -> Event {
    Event::Opened { account: account.into(), customer: customer.into(), iban: format!("DE00{account}") }
}

fn deposited(account: &str, customer: &str, cents: u64) -> Event {
    Event::Deposited { account: account.into(), customer: customer.into(), cents }
}

fn withdrawn(account: &str, customer: &str, cents: u64, day: u64) -> Event {
    Event::Withdrawn { account: account.into(), customer: customer.into(), cents, day }
}

fn closed(account: &str, customer: &str) -> Event {
    Event::Closed { account: account.into(), customer: customer.into(), iban: format!("DE00{account}") }
}

fn open(customer: &str, iban: &str) -> Command {
    Command::Open { customer: customer.into(), iban: iban.into() }
}

fn transfer(to: &str, cents: u64) -> Command {
    Command::Transfer { to: to.into(), cents }
}

/// Both sides of a transfer from Ann to Bob.
fn transferred(from: &str, to: &str, cents: u64) -> [Event; 2] {
    let (ann, bob) = ("ann".to_owned(), "bob".to_owned());
    [
        Event::TransferredOut { account: from.into(), customer: ann, to: to.into(), cents, day: DAY },
        Event::TransferredIn { account: to.into(), customer: bob, from: from.into(), cents },
    ]
}

/// An open account a1 of Ann with as much on it.
fn with(cents: u64) -> Story<Bank> {
    given::<Bank>([opened("a1", "ann"), deposited("a1", "ann", cents)])
}

/// The same, and an open account b1 of Bob.
fn two(cents: u64) -> Story<Bank> {
    with(cents).given_for("b1", [opened("b1", "bob")])
}

#[test]
fn an_account_is_opened_under_an_iban_in_its_usual_form() {
    given::<Bank>([]).when("a1", open("ann", "de00 a1 b2")).then([Event::Opened {
        account: "a1".into(),
        customer: "ann".into(),
        iban: "DE00A1B2".into(),
    }]);
}

#[test]
fn opening_again_in_the_same_way_changes_nothing() {
    given::<Bank>([]).when("a1", open("ann", "DE00A1")).decided().1.when("a1", open("ann", "de00 a1")).then_unchanged();
}

#[test]
fn an_account_does_not_change_its_owner_or_its_iban() {
    given::<Bank>([opened("a1", "ann")])
        .when("a1", open("bob", "DE00a1"))
        .then_rejected("account_exists")
        .when("a1", open("ann", "DE00a2"))
        .then_rejected("account_exists");
}

#[test]
fn an_iban_is_of_letters_and_digits_and_not_too_long() {
    for iban in ["", "DE1", "DE00-12", "DE00ü12", &"1".repeat(35)] {
        given::<Bank>([]).when("a1", open("ann", iban)).then_rejected("not_an_iban");
    }
}

#[test]
fn an_iban_belongs_to_one_account_at_a_time() {
    given::<Bank>([])
        .when("a1", open("ann", "DE0042"))
        .decided()
        .1
        .when("b1", open("bob", "DE00 42"))
        .then_rejected("iban_taken")
        .when("a1", Command::Close)
        .then([Event::Closed { account: "a1".into(), customer: "ann".into(), iban: "DE0042".into() }])
        .when("b1", open("bob", "DE0042"))
        .then([Event::Opened { account: "b1".into(), customer: "bob".into(), iban: "DE0042".into() }]);
}

#[test]
fn a_deposit_is_added() {
    let story = with(500).when("a1", Command::Deposit { cents: 50 }).then([deposited("a1", "ann", 50)]);
    assert_eq!(story.state("a1").get("a1").map(|account| account.balance), Some(550));
}

#[test]
fn nothing_can_be_done_with_an_account_that_there_is_not() {
    for command in [Command::Deposit { cents: 1 }, Command::Withdraw { cents: 1 }, transfer("b1", 1), Command::Close] {
        given::<Bank>([]).when("a1", command).then_rejected("account_unknown");
    }
}

#[test]
fn nothing_can_be_done_with_an_account_that_is_closed() {
    let commands = [Command::Deposit { cents: 1 }, Command::Withdraw { cents: 1 }, open("ann", "DE00a1")];
    for command in commands {
        given::<Bank>([opened("a1", "ann"), closed("a1", "ann")]).when("a1", command).then_rejected("account_closed");
    }
}

#[test]
fn an_amount_is_a_cent_or_more() {
    for command in [Command::Deposit { cents: 0 }, Command::Withdraw { cents: 0 }, transfer("b1", 0)] {
        two(500).when("a1", command).then_rejected("not_an_amount");
    }
}

#[test]
fn a_balance_does_not_overflow() {
    let (decided, story) = with(u64::MAX).when("a1", Command::Deposit { cents: 1 }).decided();
    assert_eq!(decided.code(), Some("balance_too_large"));
    let story = story.given_for("b1", [opened("b1", "bob"), deposited("b1", "bob", 1)]);
    story.when("b1", transfer("a1", 1)).then_rejected("balance_too_large");
}

#[test]
fn all_can_be_withdrawn_and_no_cent_more() {
    let (decided, story) = with(500).when("a1", Command::Withdraw { cents: 501 }).at(NOON).decided();
    let Decided::Rejected(why) = decided else { unreachable!("more than there was is withdrawn") };
    assert_eq!(
        (why.code(), why.details().and_then(|all| all.get("balance")?.as_u64())),
        ("insufficient_funds", Some(500))
    );
    story.when("a1", Command::Withdraw { cents: 500 }).at(NOON).then([withdrawn("a1", "ann", 500, DAY)]);
}

#[test]
fn a_transfer_is_one_decision_with_an_event_in_both_streams() {
    let story = two(500).when("a1", transfer("b1", 200)).at(NOON).then(transferred("a1", "b1", 200));
    let balance = |id: &str| story.state(id).get(id).map(|account| account.balance);
    assert_eq!((balance("a1"), balance("b1")), (Some(300), Some(200)));
}

#[test]
fn a_transfer_in_stands_in_the_stream_of_the_receiver_with_the_tag_of_its_owner() {
    let [out, into] = transferred("a1", "b1", 1);
    assert_eq!(
        (Bank::stream(&out, "a1").as_deref(), Bank::tags(&out)),
        (Some("account-a1"), vec!["customer:ann".into()])
    );
    assert_eq!(
        (Bank::stream(&into, "a1").as_deref(), Bank::tags(&into)),
        (Some("account-b1"), vec!["customer:bob".into()])
    );
}

#[test]
fn a_transfer_needs_an_open_account_at_the_other_end() {
    with(500).when("a1", transfer("b1", 1)).then_rejected("account_unknown");
    let story = two(500).given_for("b1", [closed("b1", "bob")]);
    story.when("a1", transfer("b1", 1)).then_rejected("account_closed");
}

#[test]
fn a_transfer_goes_to_another_account() {
    with(500).when("a1", transfer("a1", 1)).then_rejected("same_account");
}

#[test]
fn a_transfer_takes_no_more_than_there_is() {
    two(500).when("a1", transfer("b1", 501)).then_rejected("insufficient_funds");
}

#[test]
fn money_that_came_by_a_transfer_can_go_on() {
    let story = two(500).when("a1", transfer("b1", 200)).at(NOON).then(transferred("a1", "b1", 200));
    story.when("b1", Command::Withdraw { cents: 200 }).at(NOON).then([withdrawn("b1", "bob", 200, DAY)]);
}

#[test]
fn a_customer_has_a_limit_a_day_over_all_accounts() {
    let story =
        with(DAILY_LIMIT_CENTS).given_for("a2", [opened("a2", "ann"), deposited("a2", "ann", DAILY_LIMIT_CENTS)]);
    let story = story.when("a1", Command::Withdraw { cents: DAILY_LIMIT_CENTS - 1 }).at(NOON).decided().1;
    let (decided, story) = story.when("a2", Command::Withdraw { cents: 2 }).at(NOON).decided();
    assert_eq!(decided.code(), Some("daily_limit"));
    story
        .when("a2", Command::Withdraw { cents: 1 })
        .at(NOON)
        .then([withdrawn("a2", "ann", 1, DAY)])
        .when("a2", Command::Withdraw { cents: 2 })
        .at(NOON + MICROS_OF_A_DAY)
        .then([withdrawn("a2", "ann", 2, DAY + 1)]);
}

#[test]
fn the_limit_counts_transfers_too() {
    let story = two(2 * DAILY_LIMIT_CENTS).when("a1", transfer("b1", DAILY_LIMIT_CENTS)).at(NOON);
    let story = story.then(transferred("a1", "b1", DAILY_LIMIT_CENTS));
    story.when("a1", transfer("b1", 1)).at(NOON).then_rejected("daily_limit");
}

#[test]
fn the_limit_of_a_customer_is_not_that_of_another() {
    let story = two(DAILY_LIMIT_CENTS).given_for("b1", [deposited("b1", "bob", 5)]);
    let story = story.when("a1", Command::Withdraw { cents: DAILY_LIMIT_CENTS }).at(NOON);
    let story = story.then([withdrawn("a1", "ann", DAILY_LIMIT_CENTS, DAY)]);
    story.when("b1", Command::Withdraw { cents: 5 }).at(NOON).then([withdrawn("b1", "bob", 5, DAY)]);
}

#[test]
fn a_clock_that_is_set_back_gives_no_new_limit() {
    let story = with(2 * DAILY_LIMIT_CENTS).when("a1", Command::Withdraw { cents: DAILY_LIMIT_CENTS }).at(NOON);
    let story = story.then([withdrawn("a1", "ann", DAILY_LIMIT_CENTS, DAY)]);
    story.when("a1", Command::Withdraw { cents: 1 }).at(NOON - MICROS_OF_A_DAY).then_rejected("daily_limit");
}

#[test]
fn an_account_is_closed_when_nothing_is_left_on_it() {
    with(1)
        .when("a1", Command::Close)
        .then_rejected("balance_not_zero")
        .when("a1", Command::Withdraw { cents: 1 })
        .at(NOON)
        .then([withdrawn("a1", "ann", 1, DAY)])
        .when("a1", Command::Close)
        .then([closed("a1", "ann")])
        .when("a1", Command::Close)
        .then_unchanged();
}

#[test]
fn commands_are_read_as_they_come() {
    with(500)
        .when_data("a1", "Withdraw", r#"{"cents":5}"#)
        .at(NOON)
        .then([withdrawn("a1", "ann", 5, DAY)])
        .when_data("a1", "Withdraw", r#"{"cents":-5}"#)
        .then_rejected("invalid_data")
        .when_data("a1", "Withdraw", r#"{"cents":5,"cent":5}"#)
        .then_rejected("invalid_data")
        .when_data("a1", "Close", "null")
        .then_rejected("balance_not_zero");
}
