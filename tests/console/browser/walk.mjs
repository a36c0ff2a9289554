// A walk through the console by clicks alone: deploy, watch, compare, promote, roll back, mend a fault, find, ask.
import { browser, check, url } from "./open.mjs";

const [projector, decider] = process.argv.slice(4);
const { page, complaints, close } = await browser();
page.setDefaultTimeout(60_000);
const click = (name) => page.getByRole("link", { name, exact: false }).first().click();
const shows = async (words) => { await page.getByText(words).first().waitFor(); console.log(`shows: ${words}`); };
const home = () => page.goto(`${url}/console/`);
const clean = () => { check(complaints.length === 0, `the browser complains: ${complaints.join("\n")}`); };

// Look: one version is ready and waits.
await home();
await shows("All is well");
await page.locator(".attention a").first().click();
await shows("Gates");

// Compare, down to the events of a row.
await click("What differs from version 1");
await shows("Fields that changed most");
await page.getByRole("link", { name: "s03" }).click();
await shows("The events that wrote this row");
await page.goBack();

// Promote, with the difference before one's eyes.
await page.locator("#promote-2").click();
await shows("What differs");
await page.fill("#reason", "it counts better");
await page.getByRole("button", { name: "Promote version 2" }).click();
await shows("It is live.");
await shows("it counts better");

// And back.
await page.locator("#rollback-2").click();
await page.getByRole("button", { name: "Roll back version 2" }).click();
await shows("Rolled back");
clean();

// Deploy a version of another projection, and watch it come without loading the page again.
await home();
await click("Deploy…");
await page.setInputFiles("#wasm", projector);
await page.waitForURL(/module=/);
await page.fill("#name", "clicked");
await page.getByRole("button", { name: "Deploy", exact: true }).click();
await page.locator("#live .head .state.ready").waitFor();
await page.locator("#promote-1").click();
await page.getByRole("button", { name: "Promote version 1" }).click();
await shows("It is live.");

// An event that its projector cannot handle stops it; the overview says so by itself.
await home();
const answer = await page.request.post(`${url}/v1/streams/trouble/events`, { data: { type: "Panic", data: { why: "a test" } } });
check(answer.status() === 201, `the event is not taken: ${await answer.text()}`);
await page.locator(".attention li.bad").first().waitFor();
await shows("need you");
await page.locator(".attention li.bad a", { hasText: "clicked" }).click();
await shows("Backtrace");
await page.locator("#skip-1").click();
await page.fill("#reason", "it was a test");
await page.getByRole("button", { name: "Skip the event version 1" }).click();
await shows("The event is passed over");
clean();

// Find an event by the palette, with keys alone.
await page.keyboard.press("Control+k");
await page.locator("#palette-text").fill("3");
await page.locator("#palette-found a", { hasText: "event 3" }).waitFor();
await page.keyboard.press("Enter");
await shows("Event 3");

// Follow the log.
await page.keyboard.press("g");
await page.keyboard.press("e");
await page.waitForURL(/events$/);
await page.getByRole("button", { name: "Follow" }).click();
await page.request.post(`${url}/v1/streams/followed/events`, { data: { type: "Count", data: { n: 4711 } } });
await page.locator("tr.fresh", { hasText: "4711" }).waitFor();

// Deploy a version of a decider, look at its gates, have it decide, and go back.
await page.goto(`${url}/console/commands/bank`);
await click("Deploy a version…");
await page.setInputFiles("#wasm", decider);
await page.waitForURL(/module=/);
await page.getByRole("button", { name: "Deploy", exact: true }).click();
await page.locator("#live .head .state.ready").waitFor();
// Here it says what would go wrong, and has it said aloud.
await shows("stops at Opened schema 1");
await page.locator("#promote-2").click();
await shows("decides then:");
await page.check("[name=accept_stops]");
await page.getByRole("button", { name: "Promote version 2" }).click();
await shows("It decides.");
await page.getByRole("link", { name: "v2", exact: true }).click();
await page.locator("#rollback-2").click();
await page.getByRole("button", { name: "Roll back version 2" }).click();
await shows("Rolled back: the version before decides.");

// Try a command.
await page.fill("#id", "77");
await page.fill("#data", '{"customer": "eve", "iban": "DE0077"}');
await page.selectOption("#command", "Open");
await page.getByRole("button", { name: "Decide, and append nothing" }).click();
await shows("Nothing was appended");
clean();

// A host that is gone is not taken for one where all is well.
await home();
await page.route("**/console/", (route) => route.abort());
await shows("The host does not answer");
await page.unroute("**/console/");
await page.locator("#stale").waitFor({ state: "detached" });
complaints.length = 0;

// Ask a read model.
await page.goto(`${url}/console/read-models/counts/counts`);
await page.fill("[name=field]", "n");
await page.selectOption("[name=operator]", "gt");
await page.fill("[name=value]", "10");
await page.check("[name=scan]");
await page.getByRole("button", { name: "Show" }).first().click();
await page.getByRole("link", { name: "s11" }).waitFor();
check(await page.getByRole("link", { name: "s03" }).count() === 0, "the filter keeps what it should not");
await page.fill(".filters [name=aggregate]", "count,avg(n)");
await page.getByRole("button", { name: "Show" }).first().click();
await shows("avg(n)");
clean();

// The same without a script: a page can be read, and a button works.
await close();
const plain = await browser({ javaScriptEnabled: false });
await plain.page.goto(`${url}/console/projections/clicked/versions/1/pause`);
await plain.page.getByRole("button", { name: "Pause version 1" }).click();
await plain.page.getByText("Paused.").waitFor();
await plain.page.goto(`${url}/console/deploy?name=plain`);
await plain.page.setInputFiles("#wasm", projector);
await plain.page.getByRole("button", { name: "Upload" }).click();
await plain.page.waitForURL(/module=/);
await plain.page.getByRole("button", { name: "Deploy", exact: true }).click();
await plain.page.getByRole("heading", { name: "plain version 1" }).waitFor();
await plain.close();
console.log("walked");
