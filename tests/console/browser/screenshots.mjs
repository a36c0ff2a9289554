// Pictures of the console with the demo's data: `ontime` with a version that is ready, and an event that stops it.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { browser, check, url } from "./open.mjs";

const [folder, modules] = process.argv.slice(4);
const { page, close } = await browser({ deviceScaleFactor: 1 });
page.setDefaultTimeout(240_000);
const api = async (path, data, type = "application/json") => {
  const answer = await page.request.post(`${url}/v1/${path}`, { data, headers: { "content-type": type } });
  check(answer.ok(), `${path}: ${await answer.text()}`);
  return answer.json();
};
const picture = async (name, options = {}) => {
  await page.evaluate(() => document.fonts.ready);
  await page.screenshot({ path: join(folder, `${name}.png`), ...options });
  console.log(`${name}.png`);
};

const upload = (name) => api("modules", readFileSync(join(modules, `${name}.wasm`)), "application/wasm");
const upcaster = await upload("departures");
const { digest } = await upload("ontime-v1");
const { version } = await api("projections/ontime/versions", { module: digest, upcasters: [upcaster.digest], promote: "manual" });

await page.goto(`${url}/console/projections/ontime/versions/${version}`);
await page.locator("#live .subject .bar").first().waitFor();
await page.waitForFunction(() => /[1-9][0-9,]* events\/s/.test(document.querySelector(".subject")?.textContent ?? ""));
await picture("rollout");
await page.locator("#live .head .state.ready").waitFor();
await page.goto(`${url}/console/projections/ontime`);
await page.locator("#rates canvas").waitFor();
await picture("projection");
await page.goto(`${url}/console/projections/ontime/difference?from=2&to=${version}`);
await picture("difference");
await page.goto(`${url}/console/projections/ontime/versions/${version}/promote`);
await picture("promote");
await api("streams/flight-x/events", { type: "FlightScheduled", data: { airline: "UA" } });
await page.goto(`${url}/console/`);
await page.locator(".attention li.bad").first().waitFor();
await picture("overview");
await page.locator(".attention li.bad a").first().click();
await page.locator("h1.bad").waitFor();
await picture("fault");
await page.goto(`${url}/console/read-models/ontime/carriers?version=1&order=flights.desc`);
await picture("read-model");
await page.emulateMedia({ colorScheme: "dark" });
await page.goto(`${url}/console/events`);
await picture("events-dark");
await close();
