// The program under test, in a folder of its own, and the browser that looks at it.

import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { chmod, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";

/** A first start makes a database and imports the sample group, on a machine that may be busy. */
const START_PATIENCE = 90_000;
const STOP_PATIENCE = 25_000;

const HERE = fileURLToPath(new URL(".", import.meta.url));

/** Where the program is. @returns {string} */
function binary() {
  const path = resolve(process.env.GROUPCHAT_BIN ?? join(HERE, "../../../target/debug/groupchat"));
  if (!existsSync(path)) throw new Error(`there is no ${path}: build it with \`cargo build -p bot\`, or name another in GROUPCHAT_BIN`);
  return path;
}

/** Where a Chromium is; none if there is none. @returns {string | undefined} */
export function chromium() {
  const usual = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome", "/usr/bin/google-chrome-stable", "/snap/bin/chromium", "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome", "/Applications/Chromium.app/Contents/MacOS/Chromium"];
  return [process.env.CHROMIUM, ...usual].find((path) => path !== undefined && existsSync(path));
}

export const NO_CHROMIUM = "no Chromium was found: install one (`apt-get install chromium`) or name it in CHROMIUM";

/** A demo with a data folder of its own, which can be killed and started again. */
export class Demo {
  #data;
  #args;
  #port = 0;
  /** @type {import("node:child_process").ChildProcess | null} */
  #child = null;
  #log = "";

  /** @param {string} data @param {string[]} args */
  constructor(data, args) {
    this.#data = data;
    this.#args = args;
  }

  /** @param {string[]} args what it is started with beside port and folder */
  static async create(...args) {
    const data = await mkdtemp(join(tmpdir(), "groupchat-demo-"));
    // As root the database runs as somebody else, who must be able to pass through.
    await chmod(data, 0o755);
    return new Demo(data, args);
  }

  get url() {
    return `http://127.0.0.1:${this.#port}/`;
  }

  /** Starts it, at the second and later times where it was. */
  async start() {
    const child = spawn(binary(), ["demo", "--port", String(this.#port), "--data", this.#data, ...this.#args], { stdio: ["ignore", "pipe", "pipe"] });
    this.#child = child;
    const address = new Promise((found, failed) => {
      let said = "";
      child.stdout.setEncoding("utf8").on("data", (text) => {
        said += text;
        const port = /listening on http:\/\/127\.0\.0\.1:(\d+)/u.exec(said)?.[1];
        if (port) found(Number(port));
      });
      child.stderr.setEncoding("utf8").on("data", (text) => (this.#log = (this.#log + text).slice(-20_000)));
      child.once("error", failed);
      child.once("exit", (code, signal) => failed(new Error(`groupchat ended (${signal ?? code}) before it listened:\n${this.#log}`)));
      setTimeout(() => failed(new Error(`groupchat did not listen in time:\n${this.#log}`)), START_PATIENCE).unref();
    });
    this.#port = await address;
  }

  /** Ends it with no warning, as a crash does. */
  async kill() {
    await this.#end("SIGKILL");
  }

  /** Ends it, and takes away everything that it left. */
  async remove() {
    await this.#end("SIGTERM");
    await this.#databaseGone();
    await rm(this.#data, { recursive: true, force: true, maxRetries: 5 });
  }

  /** @param {NodeJS.Signals} signal */
  async #end(signal) {
    const child = this.#child;
    this.#child = null;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((resolve) => child.once("exit", resolve));
    child.kill(signal);
    const patience = new AbortController();
    const late = pause(STOP_PATIENCE, "late", { signal: patience.signal }).catch(() => "ended");
    if ((await Promise.race([ended, late])) === "late") {
      child.kill("SIGKILL");
      await ended;
    }
    patience.abort();
  }

  /** Waits for the private database, which its keeper ends once nobody uses it, and ends it where that fails. */
  async #databaseGone() {
    for (let tries = 0; tries < 100; tries += 1) {
      const file = await readFile(join(this.#data, "postgres/data/postmaster.pid"), "utf8").catch(() => null);
      if (file === null) return;
      if (tries === 80) process.kill(Number(file.split("\n")[0]), "SIGINT");
      await pause(100);
    }
  }
}
