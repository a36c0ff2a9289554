/** Problems: why there is no answer. */

/**
 * What the host has refused, or could not do (RFC 9457). `kind` is stable, such as `wrong-expected-revision`; `hint`
 * says what to do, and `more` has what depends on the kind.
 */
export class Problem extends Error {
  readonly kind: string;
  readonly status: number;
  readonly detail: string;
  readonly hint: string | undefined;
  readonly more: Record<string, unknown>;

  constructor(members: Record<string, unknown>) {
    const { type, title: _, status, detail, hint, ...more } = members;
    const kind = String(type ?? "").split("/").at(-1) ?? "";
    super(`${kind}: ${detail}${hint ? ` (hint: ${hint})` : ""}`);
    this.name = "Problem";
    this.kind = kind;
    this.status = Number(status ?? 0);
    this.detail = String(detail ?? "");
    this.hint = hint == null ? undefined : String(hint);
    this.more = more;
  }

  /** What an answer says, whoever gave it: something in front of the host has its own words. */
  static of(status: number, body: string): Problem {
    try {
      const members: unknown = JSON.parse(body);
      if (typeof members === "object" && members !== null && "type" in members) {
        return new Problem(members as Record<string, unknown>);
      }
    } catch {
      // It is no JSON, so it is told as text.
    }
    return new Problem({ type: "unknown", status, detail: body.trim().slice(0, 200) || `the status is ${status}` });
  }
}

/**
 * There was no whole answer, however often it was asked for. Whether a change was made is not known; the same change
 * with the same ids, or the same key, may be sent again.
 */
export class Unreachable extends Error {
  constructor(why: string, cause: unknown) {
    super(why, { cause });
    this.name = "Unreachable";
  }
}
