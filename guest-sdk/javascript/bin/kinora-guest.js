#!/usr/bin/env node
//! Builder of guests: makes a module of a folder with a package.json, and runs its tests.

import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { decode } from "@jridgewell/sourcemap-codec";
import { componentize } from "componentize-qjs";
import { build } from "esbuild";

const SDK = resolve(dirname(fileURLToPath(import.meta.url)), "..");
const CONTRACT = "kinora:engine";
const USAGE = `Usage: kinora-guest build [FOLDER] [--wit FOLDER] [--out FILE]   a module of the "main" of its package.json
       kinora-guest test [FOLDER]                                  the tests in FOLDER/test, by node --test`;

/** Those that write the SDK find it by its name, wherever their folder is. */
const alias = {
  "kinora-sdk/component": join(SDK, "src/component.js"),
  "kinora-sdk/testing": join(SDK, "src/testing.js"),
  "kinora-sdk": join(SDK, "src/index.js"),
};

async function bundled(options) {
  const made = await build({
    bundle: true,
    format: "esm",
    target: "es2022",
    alias,
    charset: "utf8",
    sourcemap: "external",
    sourcesContent: false,
    write: false,
    outdir: "out",
    logLevel: "error",
    ...options,
  });
  return made.outputFiles;
}

/** The exports of each world, and what it imports beside diagnostics. */
const WORLDS = {
  projector: [["describe", "apply", "flush", "query"], true],
  upcaster: [["describe", "upcast"], false],
  decider: [["describe", "load", "evolve", "decide", "save", "drop"], false],
};

function entry(main, world, version) {
  const [names, hasRows] = WORLDS[world];
  const imports = hasRows ? `import { getMany, scan, write } from "${CONTRACT}/rows@${version}";\n` : "";
  return `${imports}import { log, panicked } from "${CONTRACT}/diagnostics@${version}";
import guest from ${JSON.stringify(main)};
import { component } from "kinora-sdk/component";
const host = { rows: ${hasRows ? "{ getMany, scan, write }" : "null"}, diagnostics: { log, panicked } };
export const { ${names.join(", ")} } = component(guest, host);
`;
}

/** A text that does not say where the SDK stands on this machine: so a module is the same wherever it is built. */
function placeless(text, folder) {
  return text.replaceAll(relative(folder, SDK), "kinora-sdk");
}

/** Which line of which file each line of a bundle came from: what a stack needs, and no more. */
function sourcesOf(map, folder) {
  const files = map.sources.map((source) => placeless(relative(folder, resolve(folder, "out", source)), folder));
  const lines = decode(map.mappings).map(([first]) => (first && first.length > 1 ? [first[1], first[2] + 1] : 0));
  return { files, lines };
}

/** What a file exports. What is thrown while it is loaded is shown with the place in the file that was written. */
async function loaded(code, main, folder) {
  const place = mkdtempSync(join(folder, ".loaded-"));
  try {
    const file = join(place, "guest.mjs");
    writeFileSync(file, code);
    return await import(pathToFileURL(file));
  } catch (cause) {
    const lines = String(cause?.stack ?? cause).split("\n");
    const own = lines.filter((line) => !line.includes("node:internal") && !line.includes(SDK));
    throw new Error(`${main} cannot be loaded: ${own.join("\n")}`, { cause });
  } finally {
    rmSync(place, { recursive: true });
  }
}

/** The world that a guest is of: its default export says so when it is loaded. */
async function worldOf(main, folder) {
  const options = { entryPoints: [main], absWorkingDir: folder, platform: "node", sourcemap: "inline" };
  const [code] = await bundled(options);
  process.setSourceMapsEnabled(true);
  const { default: guest } = await loaded(code.text, main, folder);
  if (!(guest?.world in WORLDS))
    throw new Error(`${main} has no projector(...), upcaster(...) or decider(...) as its default export`);
  return guest.world;
}

async function buildGuest(folder, witPath, out) {
  const { main, name } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  if (!main)
    throw new Error(`${join(folder, "package.json")} names no "main": the file whose default export is the guest`);
  const version = /^package kinora:engine@(.*);$/m.exec(readFileSync(join(witPath, "kinora.wit"), "utf8"))[1];
  const file = resolve(folder, main);
  const world = await worldOf(file, folder);
  const outputs = await bundled({
    stdin: { contents: entry(file, world, version), resolveDir: folder, sourcefile: "kinora-entry.js" },
    absWorkingDir: folder,
    platform: "neutral",
    mainFields: ["module", "main"],
    external: [`${CONTRACT}/*`],
  });
  const code = outputs.find(({ path }) => path.endsWith(".js")).text.replace(/\n\/\/# sourceMappingURL.*\n?$/, "\n");
  const map = JSON.parse(outputs.find(({ path }) => path.endsWith(".map")).text);
  const jsSource = `${placeless(code, folder)}\nglobalThis.kinoraSources = ${JSON.stringify(sourcesOf(map, folder))};\n`;
  const { component } = await componentize({ witPath, jsSource, world, stubWasi: true, sync: true });
  const path = resolve(out ?? join(folder, `${name}.wasm`));
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, component);
  console.log(`${path}: ${world}, ${component.length} bytes`);
}

async function testGuest(folder) {
  const tests = readdirSync(join(folder, "test")).filter((name) => /\.test\.[jt]s$/.test(name));
  const place = mkdtempSync(join(folder, ".tests-"));
  try {
    const entryPoints = tests.map((name) => join(folder, "test", name));
    for (const { path, text } of await bundled({
      entryPoints,
      absWorkingDir: folder,
      platform: "node",
      sourcemap: "inline",
      outExtension: { ".js": ".mjs" },
    })) {
      writeFileSync(join(place, relative(join(folder, "out"), path)), text);
    }
    const files = readdirSync(place).map((name) => join(place, name));
    return spawnSync(process.execPath, ["--enable-source-maps", "--test", ...files], { stdio: "inherit" }).status ?? 1;
  } finally {
    rmSync(place, { recursive: true });
  }
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { wit: { type: "string" }, out: { type: "string" } },
});
const [command, folder = "."] = positionals;
try {
  if (command === "build") await buildGuest(resolve(folder), resolve(values.wit ?? join(SDK, "wit")), values.out);
  else if (command === "test") process.exitCode = await testGuest(resolve(folder));
  else throw new Error(USAGE);
} catch (cause) {
  console.error(`kinora-guest: ${cause.message}`);
  process.exitCode = 1;
}
