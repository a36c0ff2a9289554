//! Report of what cannot be a fault: the contract has none for `describe`.

import { said } from "./fault.js";

/** Calls what has no other way to say that it failed: a trap follows. */
export function reported(host, call) {
  try {
    return call();
  } catch (thrown) {
    host.diagnostics.panicked(undefined, said(thrown));
    throw thrown;
  }
}
