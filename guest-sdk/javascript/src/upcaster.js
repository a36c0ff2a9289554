//! Upcasters: functions that bring an event of an old schema to a newer one, and the component that runs them.

import { forEachEvent } from "./event.js";
import { Fault, faultOf } from "./fault.js";
import { asField } from "./fields.js";
import { needed } from "./projector.js";
import { reported } from "./reported.js";
import { column } from "./text.js";

/** What a step returns for an event that it drops on purpose. */
export const DROP = Symbol("drop");

/** Declares an upcaster. See `index.d.ts`. */
export function upcaster({ name, steps, needs = [] }) {
  return { world: "upcaster", name, steps: steps.map(completed), needs };
}

/** A step has `to` and gives one event's data, or a list of `to` and gives pairs of a type and its data. */
function completed({ from, to, fields, convert }) {
  const several = Array.isArray(to[0]);
  const outputs = several ? to : [to];
  const encoders = outputs.map((_, index) => {
    const given = several ? fields?.[index] : fields;
    const field = given === undefined ? null : asField(given);
    return field === null ? (data) => JSON.stringify(data) : field.encode;
  });
  return { from, outputs, several, encoders, convert };
}

/** The outputs of one event: which of `step.outputs` each is, and its data as JSON; `null` if it is dropped. */
function outputsOf(step, event) {
  const made = step.convert(event.data, event);
  if (made === DROP) return null;
  const all = step.several ? made : [[step.outputs[0][0], step.outputs[0][1], made]];
  if (!Array.isArray(all) || all.length === 0 || made === undefined) {
    throw event.fault(`the step for ${step.from[0]} schema ${step.from[1]} neither changed nor dropped the event`);
  }
  return all.map(([kind, schema, data]) => {
    const index = step.outputs.findIndex((output) => output[0] === kind && output[1] === schema);
    if (index < 0) throw new Fault(`${kind} schema ${schema} is not a declared output of this step`);
    try {
      return [index, step.encoders[index](data)];
    } catch (cause) {
      if (!(cause instanceof TypeError)) throw cause;
      throw event.fault(`${kind} schema ${schema} does not encode: ${cause.message}`);
    }
  });
}

/** The exports of the component. */
export function upcasterComponent(upcaster, host) {
  const types = upcaster.steps.map((step) => step.from);
  const kind = ([name, schema]) => ({ name, schema });
  return {
    describe: () =>
      reported(host, () => ({
        name: upcaster.name,
        steps: upcaster.steps.map(({ from, outputs }) => ({ from: kind(from), to: outputs.map(kind) })),
        needs: needed(upcaster.needs),
      })),

    upcast(batch) {
      const [origins, kinds, payloads, dropped] = [[], [], [], []];
      let current = -1;
      try {
        forEachEvent(batch, types, (event, index) => {
          current = index;
          const outputs = outputsOf(upcaster.steps[batch.kinds[index]], event);
          if (outputs === null) dropped.push(index);
          for (const [output, written] of outputs ?? []) {
            origins.push(index);
            kinds.push(output);
            payloads.push(written);
          }
        });
      } catch (thrown) {
        throw faultOf(thrown, batch.positions[current]);
      }
      return { origins, kinds, payloads: column(payloads), dropped };
    },
  };
}
