//! Components: the exports of a world for what a guest declares. Generated entries call this, and nobody else.

import { projectorComponent } from "./projector.js";
import { upcasterComponent } from "./upcaster.js";

const WORLDS = { projector: projectorComponent, upcaster: upcasterComponent };

export function component(guest, host) {
  const made = WORLDS[guest?.world];
  if (made === undefined) throw new TypeError("the main file of a guest has what projector(...) or upcaster(...) gives as its default export");
  return made(guest, host);
}
