//! Components: the exports of a world for what a guest declares. Generated entries call this, and nobody else.

import { deciderComponent } from "./decider.js";
import { projectorComponent } from "./projector.js";
import { surround } from "./surroundings.js";
import { upcasterComponent } from "./upcaster.js";

const WORLDS = { projector: projectorComponent, upcaster: upcasterComponent, decider: deciderComponent };

export function component(guest, host) {
  const made = WORLDS[guest?.world];
  if (made === undefined) {
    throw new TypeError(
      "the default export of a guest's main file is what projector(...), upcaster(...) or decider(...) gives",
    );
  }
  surround(host.diagnostics);
  return made(guest, host);
}
