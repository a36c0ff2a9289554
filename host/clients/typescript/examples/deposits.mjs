// An example: deposits of an account, read back at once and followed as they come.
//
// Beside `kinora serve --data ./data`, with the projector of projections/ledger deployed as `ledger`:
// node examples/deposits.mjs http://127.0.0.1:7070
import { Client, Problem } from "kinora-client";

const client = new Client(process.argv[2], { name: "example" });
const session = client.session();
const deposits = [500, 250].map((cents) => ({ type: "Deposited", data: { account: "ada", cents, day: 1 } }));
const appended = await session.append("account-ada", deposits);
// The row has both of them: a session waits for what it has written.
console.log((await session.row("ledger", "accounts", "ada")).balance);
for await (const { kind, data } of client.followLog({ from: appended.first_position })) {
  if (kind === "caught-up") break;
  console.log(data.type, data.data.cents);
}
try {
  await client.append("account-ada", deposits.slice(0, 1), "no_stream");
} catch (problem) {
  if (!(problem instanceof Problem)) throw problem;
  console.log(problem.kind);
}
