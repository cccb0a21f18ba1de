// A demo that trains, as a person watches it: how far it is, how well it goes, and what the personas say before and after.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { chromium as playwright } from "playwright-core";

import { Chat } from "./support/chat.mjs";
import { Demo, NO_CHROMIUM, chromium } from "./support/demo.mjs";

/** @import { Browser } from "playwright-core" */

const executablePath = chromium();
const isOptional = process.env.GROUPCHAT_TEST_OPTIONAL === "1";
/** All messages once, on a machine that may be busy. */
const LESSON = 400_000;

describe("the demo that trains", { skip: !executablePath && isOptional ? NO_CHROMIUM : false, timeout: 2 * LESSON }, () => {
  /** @type {Demo} */
  let demo;
  /** @type {Browser} */
  let browser;
  /** @type {Chat} */
  let chat;

  before(async () => {
    if (!executablePath) throw new Error(NO_CHROMIUM);
    demo = await Demo.create("--train", "--epochs", "1");
    await demo.start();
    browser = await playwright.launch({ executablePath, args: ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"] });
    chat = await Chat.open(browser, demo.url);
  });

  after(async () => {
    await browser?.close();
    await demo?.remove();
  });

  test("the strip says how far it is while the chat goes on", async () => {
    const { page } = chat;
    await page.locator("#lesson-words", { hasText: /step \d+ of \d+/u }).waitFor({ timeout: LESSON });
    assert.ok(await page.locator("#lesson-progress").isVisible());
    const latest = await chat.latestId();
    await chat.type("/more 1");
    await chat.until("a persona speaks", async () => (await chat.personasSince(latest)).length > 0);
    await chat.assertFits();
  });

  test("it ends with personas that speak with what was learned", async () => {
    const { page } = chat;
    await page.locator("#lesson[data-stage=done]").waitFor({ timeout: LESSON });
    const latest = await chat.latestId();
    await chat.type("/more 1");
    await chat.until("a persona speaks", async () => (await chat.personasSince(latest)).length > 0);
    await chat.until("the page says with what", async () => ((await page.locator("#subtitle").textContent()) ?? "").includes("with the adapter demo"));
  });

  test("what each said before and says now stands beside what was really said", async () => {
    const { page } = chat;
    // Whoever comes later sees the same.
    await page.reload();
    await chat.loaded();
    await page.click("#lesson-open");
    const fell = (await page.locator("#lesson-curve svg").getAttribute("aria-label")) ?? "";
    const [, from, to] = /from (\d+\.\d+) to (\d+\.\d+)/u.exec(fell) ?? [];
    assert.ok(Number(to) < Number(from), fell);
    const scenes = await page.locator("#lesson-scenes > li").evaluateAll((cards) =>
      cards.map((card) => {
        const said = (/** @type {string} */ name) => card.querySelector(`.${name}`)?.textContent ?? "";
        return { speaker: card.querySelector("h3")?.textContent ?? "", before: said("before"), after: said("after"), real: said("real") };
      }),
    );
    assert.deepEqual(new Set(scenes.map(({ speaker }) => speaker)), new Set(["Juno", "Ambrose", "Tilda", "Ines", "Rafi"]));
    assert.ok(scenes.every(({ after, real }) => after !== "…" && real !== ""), JSON.stringify(scenes));
    assert.ok(scenes.some(({ before, after }) => before !== after), "it made a difference");
    await page.keyboard.press("Escape");
    assert.ok(await page.locator("#lesson-sheet").isHidden());
    await page.click("#lesson-close");
    assert.ok(await page.locator("#lesson").isHidden());
  });

  test("the browser had nothing to complain about", async () => {
    await chat.close();
  });
});
