//! Deciders: rules that turn commands into events, and the component that decides on states in slots.

import { forEachEvent } from "./event.js";
import { Fault, faultOf } from "./fault.js";
import { asField } from "./fields.js";
import { reported } from "./reported.js";
import { Texts, column } from "./text.js";

/** A business "no", to be thrown by `decide`. */
export class Rejection extends Error {
  constructor(code, message, details = null) {
    super(message);
    Object.assign(this, { name: "Rejection", code, details });
  }
}

/** The state of another scope is not there yet. Nobody has to catch it. */
class Wanted extends Error {}

/** Declares a decider. See `index.d.ts`. */
export function decider(declared) {
  const { name, category = name, tag = null, commands, events, ignores = [], claims = {} } = declared;
  const { initial, decide, evolve, stream = () => null, tags = () => [], claimed = () => [] } = declared;
  const kinds = Object.entries(events).map(([type, { schema = 1, data = {} }]) => [type, schema, asField(data)]);
  const own = tag === null ? { tag: "category", val: category } : { tag: "tag", val: tag };
  const asked = Object.entries(commands).map(([type, { description, data = {} }]) => [
    type,
    description,
    asField(data),
  ]);
  const rules = { initial, decide, evolve, stream, tags, claimed };
  return { world: "decider", name, own, kinds, commands: asked, ignores, claims: Object.entries(claims), rules };
}

function manifest({ name, own, kinds, commands, ignores, claims }) {
  const kind = ([name, schema]) => ({ name, schema });
  return {
    name,
    scope: own,
    commands: commands.map(([name, description, data]) => ({ name, description, schema: JSON.stringify(data.schema) })),
    folds: kinds.map(kind),
    ignores,
    emits: kinds.map((one) => ({ kind: kind(one), schema: JSON.stringify(one[2].schema) })),
    claims: claims.map(([scope, { code, message }]) => ({ scope, code, message })),
    needs: { metadata: false, tags: false },
  };
}

/** Scopes that are the same have the same text. */
function named(scope) {
  return JSON.stringify([scope.tag, scope.tag === "tags" ? [...scope.val].sort() : scope.val]);
}

function has(scope, stream, tags) {
  return scope.tag === "stream" ? scope.val === stream : scope.val.every((tag) => tags.includes(tag));
}

/** What a decision may rest on besides the state of its aggregate and the command. */
class Context {
  constructor(own, id, time, seed, given) {
    this._own = own;
    /** The id of the aggregate. */
    this.id = id;
    /** When the command came: microseconds since the Unix epoch. There is no other time. */
    this.time = time;
    this._given = given;
    this._random = seed >>> 0;
    this.wanted = [];
  }

  /** A number from 0 up to 1 that looks random, and follows from the id of the command. */
  random() {
    this._random = (this._random + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(this._random ^ (this._random >>> 15), this._random | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  }

  /** The state of another aggregate of this decider. */
  other(id) {
    const { tag, val } = this._own;
    return tag === "tag" ? this.tagged(`${val}:${id}`) : this.stream(`${val}-${id}`);
  }

  /** The state of a stream. */
  stream(name) {
    return this._state({ tag: "stream", val: name });
  }

  /** The state of the events that have all of these tags. */
  tagged(...tags) {
    return this._state({ tag: "tags", val: tags });
  }

  _state(scope) {
    const found = this._given.find((slot) => named(slot.scope) === named(scope));
    if (found !== undefined) return found.state;
    this.wanted.push(scope);
    throw new Wanted("a state that was asked for comes with the next call");
  }
}

/** The exports of the component. */
export function deciderComponent(decider, host) {
  const { own, kinds, commands, claims, rules } = decider;
  const slots = new Map();

  function slotOf(number) {
    const slot = slots.get(number);
    if (slot === undefined) throw new Fault("the host named a slot that it has not filled");
    return slot;
  }

  function fold(slot, event) {
    const state = rules.evolve(slot.state, event);
    if (state !== undefined) slot.state = state;
  }

  /** What is written of an event, and where it goes. */
  function written(event, id, index) {
    const kind = kinds.findIndex(([type]) => type === event.type);
    if (kind < 0) throw new Fault(`${event.type} is not among the events of the decider`);
    const [stream, tags] = [rules.stream(event, id), rules.tags(event)];
    const held = rules.claimed(event).map(({ scope, value, released = false }) => {
      const claim = claims.findIndex(([declared]) => declared === scope);
      if (claim < 0) throw new Fault(`a claim ${JSON.stringify(scope)} is not declared`);
      return { event: index, kind: claim, value, released };
    });
    const payload = kinds[kind][2].encode(event.data ?? {});
    const place = own.tag === "tag" ? [...tags, `${own.val}:${id}`] : tags;
    return { event, kind, stream: stream ?? "", tags, payload, held, to: [stream ?? `${own.val}-${id}`, place] };
  }

  /** An outcome, and what is written if it is that events are accepted. */
  function decided([type], data, id, context, first) {
    let events;
    try {
      events = rules.decide(context._given[0].state, { type, data }, context) ?? [];
    } catch (thrown) {
      if (context.wanted.length === 0 && thrown instanceof Rejection) {
        const details = thrown.details === null ? "" : JSON.stringify(thrown.details);
        return [{ tag: "rejected", val: { code: thrown.code, message: thrown.message, details } }, []];
      }
      if (context.wanted.length === 0) throw thrown;
    }
    // What was decided without a state that was asked for does not count.
    if (context.wanted.length > 0) return [{ tag: "wants", val: context.wanted }, []];
    if (events.length === 0) return [{ tag: "unchanged" }, []];
    return [{ tag: "accepted", val: events.length }, events.map((event, index) => written(event, id, first + index))];
  }

  function faulting(call) {
    try {
      return call();
    } catch (thrown) {
      throw thrown instanceof Error ? faultOf(thrown, null) : thrown;
    }
  }

  return {
    describe: () => reported(host, () => manifest(decider)),

    load: (numbers, scopes, states) =>
      faulting(() => {
        const saved = new Texts(states);
        numbers.forEach((number, index) => {
          const state = saved.at(index);
          slots.set(number, { scope: scopes[index], state: state === "" ? rules.initial() : JSON.parse(state) });
        });
      }),

    evolve(numbers, batch) {
      let current = -1;
      try {
        forEachEvent(batch, kinds, (event, index) => {
          current = index;
          fold(slotOf(numbers[index]), { type: event.kind, data: event.data });
        });
      } catch (thrown) {
        throw faultOf(thrown, batch.positions[current]);
      }
    },

    decide: (asked) =>
      faulting(() => {
        const [ids, payloads] = [new Texts(asked.ids), new Texts(asked.payloads)];
        const [outcomes, all] = [[], []];
        asked.kinds.forEach((kind, index) => {
          const start = index === 0 ? 0 : asked.slotEnds[index - 1];
          const given = [...new Set(asked.slots.slice(start, asked.slotEnds[index]))].map(slotOf);
          const id = ids.at(index);
          const context = new Context(own, id, Number(asked.times[index]), Number(asked.seeds[index]), given);
          const [outcome, made] = decided(commands[kind], JSON.parse(payloads.at(index)), id, context, all.length);
          outcomes.push(outcome);
          for (const one of made) {
            all.push(one);
            for (const slot of given) if (has(slot.scope, ...one.to)) fold(slot, one.event);
          }
        });
        return {
          outcomes,
          kinds: all.map(({ kind }) => kind),
          streams: column(all.map(({ stream }) => stream)),
          payloads: column(all.map(({ payload }) => payload)),
          tags: column(all.map(({ tags }) => tags.join("\n"))),
          claims: all.flatMap(({ held }) => held),
        };
      }),

    save: (numbers) => faulting(() => column([...numbers].map((number) => JSON.stringify(slotOf(number).state)))),

    drop(numbers) {
      for (const number of numbers) slots.delete(number);
    },
  };
}
