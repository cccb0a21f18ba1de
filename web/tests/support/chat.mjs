// A visitor's hands and eyes on the page.

import assert from "node:assert/strict";

/** @import { Browser, BrowserContextOptions, Page } from "playwright-core" */

/** Personas take their time, and so does a busy machine. */
export const PATIENCE = 45_000;

/** @typedef {{ id: string, kind: string, author: string, text: string }} Seen */

export class Chat {
  /** What the browser complained about. @type {string[]} */
  complaints = [];
  /** Whether the server is expected to be away, which browsers complain about too. */
  isAway = false;

  /** @param {Page} page */
  constructor(page) {
    this.page = page;
    page.on("pageerror", (error) => this.complaints.push(error.message));
    page.on("console", (message) => {
      // A name that is refused is an answer like any other, but browsers count it among the errors.
      const isExpected = message.text().includes("409 (Conflict)") || (this.isAway && message.text().includes("net::"));
      if (message.type() === "error" && !isExpected) this.complaints.push(message.text());
    });
  }

  /** @param {Browser} browser @param {string} url @param {BrowserContextOptions} [options] */
  static async open(browser, url, options = {}) {
    const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, locale: "en-GB", ...options });
    const page = await context.newPage();
    page.setDefaultTimeout(PATIENCE);
    const chat = new Chat(page);
    await page.goto(url);
    await chat.loaded();
    return chat;
  }

  async loaded() {
    await this.page.locator("body[data-link=online]").waitFor();
    await this.page.locator("#messages li[data-id]").first().waitFor();
  }

  /** The messages on the page, from top to bottom. @returns {Promise<Seen[]>} */
  messages() {
    return this.page.locator("#messages li[data-id]").evaluateAll((rows) =>
      rows.map((row) => {
        const { id = "", kind = "", author = "" } = /** @type {HTMLElement} */ (row).dataset;
        return { id, kind, author, text: row.querySelector(".text")?.textContent ?? "" };
      }),
    );
  }

  /** Messages that personas said after the message of that id. @param {string} after */
  async personasSince(after) {
    const messages = await this.messages();
    return messages.filter(({ id, kind }) => kind === "persona" && BigInt(id) > BigInt(after));
  }

  async latestId() {
    return (await this.messages()).at(-1)?.id ?? "0";
  }

  /**
   * Waits until something holds of the page.
   *
   * @param {string} what
   * @param {() => Promise<boolean>} holds
   */
  async until(what, holds) {
    const end = Date.now() + PATIENCE;
    while (!(await holds())) {
      if (Date.now() > end) assert.fail(`it never came about that ${what}; the page ends with ${JSON.stringify((await this.messages()).slice(-6), null, 1)}`);
      await this.page.waitForTimeout(100);
    }
  }

  /** Types a line and sends it. @param {string} text */
  async type(text) {
    await this.page.fill("#input", text);
    await this.page.press("#input", "Enter");
  }

  /** Says something and waits until the server has it. @param {string} text @returns {Promise<Seen>} */
  async say(text) {
    await this.type(text);
    await this.page.locator("#messages li.pending").waitFor({ state: "detached" });
    const own = (await this.messages()).filter((message) => message.kind === "member" && message.text === text);
    assert.equal(own.length, 1, `"${text}" stands there once`);
    return /** @type {Seen} */ (own[0]);
  }

  /** Waits for a line in the chat that is no message. @param {string} text */
  async notice(text) {
    await this.page.locator("#messages .notice").getByText(text).last().waitFor();
  }

  async openPanel() {
    if (!(await this.page.locator("#panel").isVisible())) await this.page.click("#panel-toggle");
  }

  /** Waits until nobody is typing and nothing is on its way any more. */
  async quiet() {
    await this.openPanel();
    await this.page.getByLabel("Off", { exact: true }).check({ force: true });
    await this.page.getByText("Quiet until somebody asks for more.").waitFor();
    await this.page.locator("#idle-on").uncheck();
    await this.until("nobody is typing", async () => (await this.page.locator("#messages .typing").count()) === 0);
  }

  /** No message twice, and none out of order. */
  async assertNoneTwice() {
    const ids = (await this.messages()).map(({ id }) => BigInt(id));
    ids.forEach((id, place) => assert.ok(place === 0 || id > /** @type {bigint} */ (ids[place - 1]), `message ${id} is out of order or there twice`));
  }

  /** Everything that was there is still there, once, in the same order. @param {Seen[]} before */
  async assertKept(before) {
    await this.assertNoneTwice();
    const now = new Map((await this.messages()).map((message) => [message.id, message]));
    // A reload shows the latest; what is older is loaded when somebody looks for it.
    const first = BigInt([...now.keys()][0] ?? "0");
    const expected = before.filter(({ id }) => BigInt(id) >= first);
    assert.ok(expected.length >= Math.min(before.length, 30), "most of what was there is loaded again");
    for (const message of expected) assert.deepEqual(now.get(message.id), message);
  }

  /** What is wider than the window makes it scroll sideways. */
  async assertFits() {
    const wide = await this.page.evaluate(() => {
      const all = [...document.querySelectorAll("body, body *:not(.visually-hidden)")];
      const wide = all.filter((element) => element.getClientRects().length > 0 && element.getBoundingClientRect().right > innerWidth + 1);
      return [document.documentElement.scrollWidth > innerWidth ? "the page" : "", ...wide.map(({ tagName, id, className }) => `${tagName}#${id}.${className}`)].filter(Boolean);
    });
    assert.deepEqual(wide, []);
  }

  async close() {
    await this.page.context().close();
    assert.deepEqual(this.complaints, []);
  }
}
