// A walk through the console by clicks alone: deploy, watch, compare, promote, roll back, mend a fault, find, ask.
import { browser, check, url } from "./open.mjs";

const projector = process.argv[4];
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

// Ask a read model.
await page.goto(`${url}/console/read-models/counts/counts`);
await page.fill("[name=field]", "n");
await page.selectOption("[name=operator]", "gt");
await page.fill("[name=value]", "10");
await page.check("[name=scan]");
await page.getByRole("button", { name: "Show" }).first().click();
await page.getByRole("link", { name: "s11" }).waitFor();
check(await page.getByRole("link", { name: "s03" }).count() === 0, "the filter keeps what it should not");
clean();

// The same without a script: a page can be read, and a button works.
await close();
const plain = await browser({ javaScriptEnabled: false });
await plain.page.goto(`${url}/console/projections/clicked/versions/1/pause`);
await plain.page.getByRole("button", { name: "Pause version 1" }).click();
await plain.page.getByText("Paused.").waitFor();
await plain.close();
console.log("walked");
