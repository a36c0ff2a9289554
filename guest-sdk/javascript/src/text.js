//! Texts and the columns that they cross in: UTF-8 both ways, on engines with and without TextDecoder.

const decoder = typeof TextDecoder === "undefined" ? null : new TextDecoder();
const encoder = typeof TextEncoder === "undefined" ? null : new TextEncoder();

/** Arguments of one call: an engine takes some 65,000. */
const CALL_ARGUMENTS = 32768;

const NOT_ASCII = /[^\x00-\x7f]/;

/** One character a byte; of bytes that are ASCII, their text. */
function bytesAsText(bytes) {
  if (bytes.length <= CALL_ARGUMENTS) return String.fromCharCode.apply(null, bytes);
  let text = "";
  for (let start = 0; start < bytes.length; start += CALL_ARGUMENTS) {
    text += String.fromCharCode.apply(null, bytes.subarray(start, start + CALL_ARGUMENTS));
  }
  return text;
}

function decoded(text) {
  return NOT_ASCII.test(text) ? decodeURIComponent(escape(text)) : text;
}

/** The texts of a column, by number. It is decoded as a whole once, and cut where that is possible. */
export class Texts {
  constructor(column) {
    this.ends = column.ends;
    this.bytes = column.bytes;
    this.whole = null;
    this.ascii = true;
  }

  at(index) {
    if (this.whole === null) this.#decode();
    const start = index === 0 ? 0 : this.ends[index - 1];
    const end = this.ends[index];
    if (this.ascii) return this.whole.slice(start, end);
    return decoder === null ? decoded(this.whole.slice(start, end)) : decoder.decode(this.bytes.subarray(start, end));
  }

  #decode() {
    if (decoder === null) {
      this.whole = bytesAsText(this.bytes);
      this.ascii = !NOT_ASCII.test(this.whole);
    } else {
      this.whole = decoder.decode(this.bytes);
      this.ascii = this.whole.length === this.bytes.length;
    }
  }
}

/** A column of these texts, which is what the contract calls `texts`. */
export function column(texts) {
  const ends = new Array(texts.length);
  const whole = texts.join("");
  if (!NOT_ASCII.test(whole)) {
    let end = 0;
    for (let index = 0; index < texts.length; index++) ends[index] = end += texts[index].length;
    return { ends, bytes: asciiBytes(whole) };
  }
  const pieces = texts.map(utf8);
  let length = 0;
  for (let index = 0; index < pieces.length; index++) ends[index] = length += pieces[index].length;
  const bytes = new Uint8Array(length);
  for (let index = 0; index < pieces.length; index++) bytes.set(pieces[index], index === 0 ? 0 : ends[index - 1]);
  return { ends, bytes };
}

/** The bytes of a text. */
export function utf8(text) {
  if (encoder !== null) return encoder.encode(text);
  return asciiBytes(NOT_ASCII.test(text) ? unescape(encodeURIComponent(text.toWellFormed())) : text);
}

/** Bytes of a text whose characters are bytes. The long way round is the engine's own code, and so the fast one. */
function asciiBytes(text) {
  if (encoder !== null) return encoder.encode(text);
  if (Uint8Array.fromBase64 !== undefined && typeof btoa === "function") return Uint8Array.fromBase64(btoa(text));
  const bytes = new Uint8Array(text.length);
  for (let index = 0; index < bytes.length; index++) bytes[index] = text.charCodeAt(index);
  return bytes;
}

/** How two texts stand to each other in the order of their UTF-8, which is that of their code points. */
export function inByteOrder(a, b) {
  const length = Math.min(a.length, b.length);
  for (let index = 0; index < length; index++) {
    const [x, y] = [a.charCodeAt(index), b.charCodeAt(index)];
    // Surrogates stand for code points above all others.
    if (x !== y) return isSurrogate(x) === isSurrogate(y) ? x - y : isSurrogate(y) ? -1 : 1;
  }
  return a.length - b.length;
}

function isSurrogate(unit) {
  return unit >= 0xd800 && unit < 0xe000;
}
