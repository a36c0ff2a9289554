//! Tests of deciders, run natively.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Rejection, decider, integer, text } from "../src/index.js";
import { Story } from "../src/testing.js";

const bank = decider({
  name: "bank",
  category: "account",
  commands: {
    Open: { description: "Opens an account.", data: { iban: text } },
    Withdraw: { description: "Takes money from an account.", data: { cents: integer } },
    Match: { description: "Takes what another account has.", data: { other: text } },
  },
  events: { Opened: { data: { iban: text } }, Withdrawn: { data: { cents: integer } } },
  claims: { iban: { code: "iban_taken", message: "another account has this IBAN" } },
  initial: () => ({ isOpen: false, balance: 100 }),
  decide(account, { type, data }, context) {
    if (type === "Open") return account.isOpen ? [] : [{ type: "Opened", data }];
    const cents = type === "Match" ? context.other(data.other).balance : data.cents;
    if (cents > account.balance)
      throw new Rejection("insufficient_funds", "there is not enough", { left: account.balance });
    return [{ type: "Withdrawn", data: { cents } }];
  },
  evolve(account, { type, data }) {
    if (type === "Opened") account.isOpen = true;
    else account.balance -= data.cents;
  },
  claimed: ({ type, data }) => (type === "Opened" ? [{ scope: "iban", value: data.iban }] : []),
});

test("commands become events, nothing, or a rejection, on what was decided before", () => {
  const story = new Story(bank);
  const opened = story.when("Open", { iban: "DE1" });
  assert.deepEqual(opened.events, [["Opened", { iban: "DE1" }]]);
  assert.deepEqual(opened.claims, [{ value: "DE1", released: false }]);
  assert.deepEqual(story.when("Open", { iban: "DE1" }).events, []);
  story.given("Withdrawn", { cents: 60 });
  assert.deepEqual(story.when("Withdraw", { cents: 50 }), { rejected: "insufficient_funds" });
  assert.deepEqual(story.when("Withdraw", { cents: 40 }).events, [["Withdrawn", { cents: 40 }]]);
  assert.deepEqual(story.when("Withdraw", { cents: 1 }), { rejected: "insufficient_funds" });
});

test("a state of another scope is asked for", () => {
  const wanted = new Story(bank).when("Match", { other: "2" });
  assert.deepEqual(wanted, { wants: [{ tag: "stream", val: "account-2" }] });
});
