//! Faults: why a guest cannot go on, as the person who has to mend it reads it.

/** Frames of a stack that are shown. */
const FRAMES = 12;

/** Stops this version, with a sentence. Thrown by `throw event.fault("...")`. */
export class Fault extends Error {
  constructor(message, position = null) {
    super(message);
    this.name = "Fault";
    this.position = position;
  }
}

/** The arguments of a named query do not fit. */
export class InvalidArguments extends Error {}

/** What is said of anything that was thrown. A fault says it itself; of another error the stack matters, too. */
export function said(thrown) {
  if (thrown instanceof Fault) return thrown.message;
  if (!(thrown instanceof Error)) return `this was thrown: ${shown(thrown)}`;
  const frames = stack(thrown);
  return `${thrown.name}: ${thrown.message}${frames.length === 0 ? "" : `\n${frames.join("\n")}`}`;
}

/** As the contract has a fault. */
export function faultOf(thrown, position) {
  const own = thrown instanceof Fault ? thrown.position : null;
  // Some engines have numbers of 64 bits as BigInt.
  const known = own !== null && typeof position === "bigint" ? BigInt(own) : (own ?? position ?? undefined);
  return { position: known, message: said(thrown) };
}

function shown(value) {
  try {
    return JSON.stringify(value) ?? String(value);
  } catch {
    return String(value);
  }
}

/** The frames of an error, innermost first, in the files that were written rather than in the bundle. */
function stack(error) {
  const lines = String(error.stack ?? "").split("\n");
  const frames = lines.filter((line) => /:\d+(:\d+)?\)?$/.test(line) || line.includes("@"));
  const known = globalThis.kinoraSources;
  const shown = frames.map((line) => (known ? placed(line, known) : `    ${line.trim()}`));
  return shown.filter((line) => line !== null).slice(0, FRAMES);
}

/** `known.lines[n]` is the file and the line that line `n + 1` of the bundle came from; 0: from none. */
function placed(frame, known) {
  const at = /^\s*(?:at\s+)?(.*?)\s*[(@]?(?:[^\s(@]*):(\d+):(\d+)\)?$/.exec(frame);
  if (at === null) return null;
  const line = known.lines[Number(at[2]) - 1];
  if (!line) return null;
  const [file, number] = line;
  // What lies outside of the guest's own folder is the SDK.
  if (known.files[file].startsWith("kinora-sdk/")) return null;
  const name = at[1] === "" || at[1] === "<anonymous>" ? "" : ` ${at[1]}`;
  return `    at${name} (${known.files[file]}:${number})`;
}
