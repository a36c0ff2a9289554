// Every page, light and dark: axe finds nothing serious, the policy refuses nothing, and none is wider than the window.
// The first page has its budget: bytes that it takes to a fresh browser, and time that its scripts run.
import { readFileSync } from "node:fs";
import { browser, check, need, url } from "./open.mjs";
import { PAGES } from "./pages.mjs";

const FIRST_PAGE_BYTES = 100_000;
const SCRIPT_MS = 100;
const axe = readFileSync(need.resolve("axe-core/axe.min.js"), "utf8");
const { context, page, complaints, close } = await browser();
const found = [];

const session = await context.newCDPSession(page);
await session.send("Network.enable");
await session.send("Performance.enable");
let bytes = 0;
session.on("Network.loadingFinished", (event) => { bytes += event.encodedDataLength; });
await page.goto(`${url}/console/`, { waitUntil: "load" });
const first = bytes;
check(first > 5_000 && first <= FIRST_PAGE_BYTES, `the first page takes ${first} bytes`);
// The least of some: whoever else is at work on the machine makes it longer, nobody makes it shorter.
const script = [];
for (let load = 0; load < 3; load += 1) {
  await page.reload({ waitUntil: "load" });
  const { metrics } = await session.send("Performance.getMetrics");
  script.push(metrics.find((one) => one.name === "ScriptDuration").value * 1000);
}
const least = Math.min(...script);
console.log(`the first page: ${first} bytes, ${least.toFixed(0)} ms of script`);
check(least <= SCRIPT_MS, `the scripts of the first page run for ${least} ms`);

for (const colorScheme of ["light", "dark"]) {
  await page.emulateMedia({ colorScheme });
  for (const path of PAGES) {
    await page.goto(`${url}${path}`, { waitUntil: "load" });
    // By the protocol of the browser, which a policy of the page does not hold back.
    await page.evaluate(axe);
    const { violations } = await page.evaluate(() => axe.run(document, { resultTypes: ["violations"] }));
    for (const { id, impact, nodes } of violations.filter((one) => ["serious", "critical"].includes(one.impact))) {
      found.push(`${colorScheme} ${path}: ${id} (${impact}): ${nodes.slice(0, 3).map((node) => `${node.html} ${node.any[0]?.message ?? ""}`).join(" | ")}`);
    }
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    if (wide > 0) found.push(`${path}: ${wide} pixels wider than the window`);
  }
}
await close();
const unexpected = complaints.filter((words) => !words.includes("/console/nothing"));
check(found.length + unexpected.length === 0, [...found, ...unexpected].join("\n"));
console.log(`${PAGES.length} pages, light and dark: nothing serious`);
