"""Tests of deciders, run natively."""

from dataclasses import dataclass
from typing import Any

from kinora_sdk import Claim, Decider, Rejection
from kinora_sdk.testing import Story


@dataclass
class Account:
    is_open: bool = False
    balance: int = 100


bank = Decider(
    "bank", state=Account, category="account", claims={"iban": ("iban_taken", "another account has this IBAN")}
)


@bank.command("Opens an account.")
@dataclass
class Open:
    iban: str


@bank.command("Takes money from an account.")
@dataclass
class Withdraw:
    cents: int


@bank.command("Takes what another account has.")
@dataclass
class Match:
    other: str


@bank.event()
@dataclass
class Opened:
    iban: str


@bank.event()
@dataclass
class Withdrawn:
    cents: int


@bank.decide
def decide(account: Account, command: Any, context: Any) -> list[Any]:
    match command:
        case Open() if account.is_open:
            return []
        case Open(iban):
            return [Opened(iban)]
        case Match(other):
            cents = context.other(other).balance
        case Withdraw(cents):
            pass
    if cents > account.balance:
        raise Rejection("insufficient_funds", "there is not enough", left=account.balance)
    return [Withdrawn(cents)]


@bank.evolve
def evolve(account: Account, event: Any) -> None:
    match event:
        case Opened():
            account.is_open = True
        case Withdrawn(cents):
            account.balance -= cents


@bank.claimed
def claimed(event: Any) -> list[Claim]:
    return [Claim("iban", event.iban)] if isinstance(event, Opened) else []


def test_commands_become_events_nothing_or_a_rejection_on_what_was_decided_before() -> None:
    story = Story(bank)
    assert story.when(Open("DE1")) == [Opened("DE1")]
    assert story.when(Open("DE1")) == []
    story.given(Withdrawn(60))
    assert story.when(Withdraw(50)) == "insufficient_funds"
    assert story.when(Withdraw(40)) == [Withdrawn(40)]
    assert story.when(Withdraw(1)) == "insufficient_funds"


def test_a_state_of_another_scope_is_asked_for() -> None:
    assert Story(bank).when(Match("2")) == [("stream", "account-2")]
