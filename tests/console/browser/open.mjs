// A browser with a page whose every complaint is written down: errors of scripts, refused by the policy, failed requests.
import { createRequire } from "node:module";
import { mkdtempSync, rmSync, existsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
  "--disable-background-networking", "--disable-component-update", "--disable-sync"];

export const tools = process.argv[2];
export const url = process.argv[3];
export const need = createRequire(join(tools, "package.json"));

export async function browser(options = {}) {
  const { chromium } = need("playwright-core");
  const program = process.env.CHROMIUM ?? "/usr/bin/chromium";
  if (!existsSync(program)) throw new Error(`there is no Chromium at ${program}: run .setup/browser, or set CHROMIUM`);
  const folder = mkdtempSync(join(tmpdir(), "console-"));
  const context = await chromium.launchPersistentContext(folder, {
    executablePath: program, args: FLAGS, viewport: { width: 1280, height: 860 }, ...options,
  });
  const page = context.pages()[0] ?? await context.newPage();
  const complaints = [];
  page.on("pageerror", (error) => complaints.push(`${page.url()}: ${error.message}`));
  page.on("console", (message) => {
    if (message.type() === "error") complaints.push(`${page.url()}: ${message.text()}`);
  });
  const close = async () => { await context.close(); rmSync(folder, { recursive: true, force: true }); };
  return { context, page, complaints, close };
}

export function check(is, words) {
  if (!is) throw new Error(words);
}
