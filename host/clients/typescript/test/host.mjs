// A host for the tests: the program as it was built, which can be killed and started again under its clients.
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { createInterface } from "node:readline";

const PROGRAM = process.env.KINORA_PROGRAM;
export const MODULES = process.env.KINORA_MODULES;

export class Host {
  #dir = mkdtempSync(`${tmpdir()}/kinora-client-`);
  #process;
  port = 0;

  async start() {
    const listen = ["--listen", `127.0.0.1:${this.port}`];
    const stdio = ["ignore", "ignore", "pipe"];
    const env = { ...process.env, KINORA_LOG: "info" };
    this.#process = spawn(PROGRAM, ["serve", "--data", `${this.#dir}/data`, ...listen], { stdio, env });
    const lines = createInterface(this.#process.stderr);
    this.port = await new Promise((resolve, reject) => {
      lines.on("line", (line) => {
        const found = /serving address=\S+:(\d+)/.exec(line);
        if (found) resolve(Number(found[1]));
      });
      lines.on("close", () => reject(new Error("the host did not start")));
    });
    return this;
  }

  get url() {
    return `http://127.0.0.1:${this.port}`;
  }

  async kill() {
    const ended = once(this.#process, "exit");
    this.#process.kill("SIGKILL");
    await ended;
  }

  run(...commands) {
    execFileSync(PROGRAM, [...commands, "--url", this.url], { stdio: "pipe" });
  }

  async end() {
    await this.kill();
    rmSync(this.#dir, { recursive: true });
  }
}

/** A proxy that hands requests on, and hangs up in the place of the first `cuts` answers. */
export async function cutter(port, cuts) {
  const made = { connections: 0 };
  const server = createServer((client) => {
    made.connections += 1;
    const host = connect(port, "127.0.0.1");
    client.on("data", (bytes) => host.write(bytes));
    host.on("data", (bytes) => {
      if (cuts > 0) {
        cuts -= 1;
        client.destroy();
        host.destroy();
      } else client.write(bytes);
    });
    for (const [one, other] of [[client, host], [host, client]]) {
      one.on("error", () => other.destroy());
      one.on("close", () => other.destroy());
    }
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  return Object.assign(made, { url: `http://127.0.0.1:${server.address().port}`, close: () => server.close() });
}
