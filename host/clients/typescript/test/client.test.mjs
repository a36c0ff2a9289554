// The client against a real host, which is killed and started again under it.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { afterEach, beforeEach, test } from "node:test";

import { Client, Problem, Unreachable } from "kinora-client";

import { Host, MODULES, cutter } from "./host.mjs";

const ADA = { customer: "ada", iban: "DE02120300000000202051" };
const deposit = (cents) => ({ type: "Deposited", data: { account: "ada", cents, day: 1 } });
const cents = (event) => event.data.cents;
const all = async (events) => {
  const found = [];
  for await (const event of events) found.push(event);
  return found;
};

let host;
let client;
beforeEach(async () => {
  host = await new Host().start();
  client = new Client(host.url);
});
afterEach(() => host.end());

test("an append whose answer was lost is not done twice", async () => {
  const cutting = await cutter(host.port, 2);
  const appended = await new Client(cutting.url).append("account-ada", [deposit(1), deposit(2)], "no_stream");
  cutting.close();
  assert.equal(cutting.connections, 3);
  assert.equal(appended.duplicate, true);
  assert.deepEqual((await all(client.log())).map(cents), [1, 2]);
});

test("requests wait for a host that is started again", async () => {
  await client.append("account-ada", [deposit(1)]);
  await host.kill();
  const [appended] = await Promise.all([client.append("account-ada", [deposit(2)], 0), host.start()]);
  assert.equal(appended.revision, 1);
  assert.deepEqual((await all(client.stream("account-ada", { limit: 1 }))).map(cents), [1, 2]);
});

test("a host that stays away is said", async () => {
  await host.kill();
  const retries = { total: 200, first: 50, longest: 100 };
  await assert.rejects(new Client(host.url, { retries }).append("account-ada", [deposit(1)]), Unreachable);
  await host.start();
});

test("a subscription goes on where it was", async () => {
  const append = (number) => client.append("account-ada", [deposit(2 * number), deposit(2 * number + 1)]);
  await append(0);
  const [followed, seen] = [client.followLog({ types: ["Deposited"] }), []];
  for await (const { kind, data } of followed) {
    if (kind === "event") seen.push(cents(data));
    if (seen.length === 8) break;
    if (kind === "event" && seen.length % 2 === 0) {
      await host.kill();
      await host.start();
      await append(seen.length / 2);
    }
  }
  assert.deepEqual(seen, [0, 1, 2, 3, 4, 5, 6, 7]);
  await append(4);
  for await (const { kind, data } of client.followLog({}, followed.last)) {
    if (kind !== "event") continue;
    assert.equal(cents(data), 8);
    break;
  }
});

test("a session sees what it has written, and so does the example", async () => {
  host.run("deploy", "ledger", "--module", `${MODULES}/ledger.wasm`, "--wait", "--promote", "when-ready");
  const session = client.session();
  for (let number = 1; number < 20; number += 1) {
    await session.append("account-ada", [deposit(1)]);
    // To ask for less than was written here asks for that all the same.
    assert.equal((await session.row("ledger", "accounts", "ada", { min_position: 0 })).balance, number);
  }
  const rows = await session.rows("ledger", "accounts", { balance: "gte.19", order: "balance.desc" });
  assert.deepEqual(rows.rows.map((row) => row.key), ["ada"]);
  assert.ok(rows.position >= session.position);
  assert.equal(await session.row("ledger", "accounts", "nobody"), undefined);
  const example = new URL("../examples/deposits.mjs", import.meta.url).pathname;
  const said = execFileSync(process.execPath, [example, host.url], { encoding: "utf8" });
  assert.deepEqual(said.split("\n"), ["769", "Deposited 500", "Deposited 250", "wrong-expected-revision", ""]);
});

test("a command is decided once", async () => {
  host.run("deciders", "deploy", "accounts", "--module", `${MODULES}/accounts.wasm`, "--promote");
  const opened = () => client.decide("accounts", "1", "Open", ADA, { key: "open-1" });
  assert.equal((await opened()).duplicate, false);
  assert.equal((await opened()).duplicate, true);
  const refused = await client.decide("accounts", "1", "Withdraw", { cents: 5 }).catch((problem) => problem);
  assert.ok(refused instanceof Problem && refused.more.code);
  assert.deepEqual([refused.kind, refused.status], ["command-rejected", 422]);
  assert.equal((await client.decide("accounts", "1", "Close")).outcome, "accepted");
});

test("what is refused has a kind", async () => {
  const refused = await client.rows("nothing", "here").catch((problem) => problem);
  assert.deepEqual([refused.kind, refused.status], ["unknown-projection", 404]);
});

test("a name is never a part of the path", async () => {
  await client.append("account-ada", [deposit(1)]);
  for (const name of ["", ".", ".."]) await assert.rejects(async () => all(client.stream(name)), TypeError);
});
