// The demo as a person meets it: in a browser, from the first message to a crash and back.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { chromium as playwright } from "playwright-core";

import { Chat } from "./support/chat.mjs";
import { Demo, NO_CHROMIUM, chromium } from "./support/demo.mjs";

/** @import { Browser } from "playwright-core" */

const executablePath = chromium();
const isOptional = process.env.GROUPCHAT_TEST_OPTIONAL === "1";

describe("the demo", { skip: !executablePath && isOptional ? NO_CHROMIUM : false, timeout: 300_000 }, () => {
  /** @type {Demo} */
  let demo;
  /** @type {Browser} */
  let browser;
  /** The visitor who is there all the time. @type {Chat} */
  let chat;

  before(async () => {
    if (!executablePath) throw new Error(NO_CHROMIUM);
    demo = await Demo.create();
    await demo.start();
    browser = await playwright.launch({ executablePath, args: ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"] });
    chat = await Chat.open(browser, demo.url);
  });

  after(async () => {
    await browser?.close();
    await demo?.remove();
  });

  test("personas talk among themselves as soon as somebody looks", async () => {
    await chat.page.locator("#messages .typing .dots").first().waitFor();
    await chat.until("two personas have spoken", async () => {
      const authors = (await chat.personasSince("0")).map(({ author }) => author);
      return new Set(authors).size >= 2;
    });
    assert.ok(await chat.page.locator("li[data-kind=persona] .mark").first().isVisible(), "a persona is marked as one");
    assert.match((await chat.page.locator("#subtitle").textContent()) ?? "", /5 personas · pocket/);
    assert.ok(await chat.page.locator("#hint").isVisible(), "a first visitor is told what to try");
  });

  test("whoever says something gets an answer", async () => {
    const name = (await chat.personasSince("0"))[0]?.author;
    const said = await chat.say(`hey ${name}, is the boat all right?`);
    assert.ok(await chat.page.locator(`li.mine[data-id="${said.id}"]`).isVisible());
    await chat.until("a persona answers", async () => (await chat.personasSince(said.id)).length > 0);
    await chat.assertNoneTwice();
  });

  test("topic and forced speaker are set in the panel and obeyed", async () => {
    await chat.quiet();
    const { page } = chat;
    await page.fill("#topic", "pancakes");
    await page.press("#topic", "Enter");
    await chat.notice("Guest: The topic is now: pancakes");
    assert.match((await page.locator("#subtitle").textContent()) ?? "", /topic: pancakes/);
    const speaker = (await page.locator("#speakers li .name").nth(1).textContent()) ?? "";
    await page.locator("#speakers input[type=checkbox]").nth(1).check();
    await chat.notice(`Guest: Only ${speaker} will speak.`);
    const before = await chat.latestId();
    await page.click("[data-more='3']");
    await chat.until("three more were said", async () => (await chat.personasSince(before)).length === 3);
    assert.deepEqual((await chat.personasSince(before)).map(({ author }) => author), [speaker, speaker, speaker]);
    const view = await page.evaluate(async () => (await (await fetch("/api/room")).json()).view);
    assert.equal(view.settings.topic, "pancakes");
    assert.equal(view.settings.speakers.length, 1);
  });

  test("a number out of range is refused beside its control, which then shows what holds", async () => {
    const { page } = chat;
    await page.fill("#temperature-number", "7");
    await page.press("#temperature-number", "Tab");
    await page.locator("[data-part=tune] .error").getByText("temperature is between 0 and 2").waitFor();
    await chat.until("the slider is back", async () => (await page.inputValue("#temperature")) === "0.9");
    await page.fill("#temperature-number", "0.6");
    await page.press("#temperature-number", "Tab");
    await chat.notice("Guest: Replies are now drawn with temperature 0.6");
    assert.ok(await page.locator("[data-part=tune] .error").isHidden());
  });

  test("a visitor cannot take a member's name, and keeps their own", async () => {
    const { page } = chat;
    const member = (await page.locator("#cast .name").first().textContent()) ?? "";
    await page.fill("#name", member.toUpperCase());
    await page.press("#name", "Enter");
    await page.locator("[data-part=you] .error").getByText("belongs to a member of this group").waitFor();
    await page.fill("#name", "Zoe");
    await page.press("#name", "Enter");
    await page.getByLabel("You are Zoe. Change the name").waitFor();
    await page.press("#name", "Escape");
    assert.ok(await page.locator("#panel").isHidden());
    assert.equal((await chat.say("it is me, renamed")).author, "Zoe");
  });

  test("a reload loses nothing and doubles nothing", async () => {
    const before = await chat.messages();
    await chat.page.reload();
    await chat.loaded();
    await chat.assertKept(before);
    assert.ok(await chat.page.locator("#hint").isHidden(), "who knows their way is not told again");
    assert.equal((await chat.messages()).at(-1)?.author, "Zoe");
  });

  test("what was said before is loaded while scrolling up, and the reader keeps their place", async () => {
    const { page } = chat;
    const count = (await chat.messages()).length;
    const first = (await chat.messages())[0]?.id;
    await page.locator("#scroller").evaluate((scroller) => (scroller.scrollTop = 150));
    await chat.until("more is loaded", async () => (await chat.messages()).length > count);
    await chat.assertNoneTwice();
    const top = await page.locator(`li[data-id="${first}"]`).evaluate((row) => row.getBoundingClientRect().top);
    assert.ok(top > -400 && top < 800, `the row that was in view is still there, at ${top}`);
    await page.click("#pill");
    await chat.until("the latest is in view", () => page.locator("#messages li[data-id]").last().isVisible());
  });

  test("a crash of the server loses nothing and doubles nothing, also of what is said meanwhile", async () => {
    const { page } = chat;
    const kept = await chat.say("said before the crash");
    const before = await chat.messages();
    chat.isAway = true;
    await demo.kill();
    await page.locator("#banner").getByText("Reconnecting").waitFor();
    await chat.type("said during the crash");
    await page.locator("li.pending").getByText("said during the crash").waitFor();
    await demo.start();
    await page.locator("#banner").waitFor({ state: "hidden" });
    await page.locator("li.pending").waitFor({ state: "detached" });
    chat.isAway = false;
    await chat.assertKept(before);
    const texts = (await chat.messages()).map(({ text }) => text);
    assert.equal(texts.filter((text) => text === "said during the crash").length, 1);
    assert.equal(texts.filter((text) => text === kept.text).length, 1);
    // The line is not only open: what is said now arrives by it.
    const latest = await chat.latestId();
    await chat.type("/more 1");
    await chat.notice("One more, coming up.");
    await chat.until("a persona speaks again", async () => (await chat.personasSince(latest)).length === 1);
    const all = await chat.messages();
    await page.reload();
    await chat.loaded();
    await chat.assertKept(all);
  });

  test("everybody in the room sees the same", async () => {
    const other = await Chat.open(browser, demo.url);
    await chat.say("hello, whoever just came");
    await other.until("it arrives", async () => (await other.messages()).at(-1)?.text === "hello, whoever just came");
    assert.deepEqual((await other.messages()).slice(-5), (await chat.messages()).slice(-5));
    await other.close();
  });

  test("whoever asks for what is kept of them gets a file", async () => {
    const coming = chat.page.waitForEvent("download");
    await chat.type("/mydata");
    assert.equal((await coming).suggestedFilename(), "mydata.json");
  });

  test("whoever asks to be forgotten is, on every page that is open", async () => {
    const other = await Chat.open(browser, demo.url);
    await other.openPanel();
    await other.page.fill("#name", "Someone Shy");
    await other.page.press("#name", "Enter");
    await other.page.getByLabel("You are Someone Shy.").waitFor();
    await other.say("please forget that I said this");
    const isThere = async () => (await chat.messages()).some(({ text }) => text.startsWith("please forget"));
    await chat.until("the message arrives", isThere);
    const before = (await chat.messages()).filter(({ author }) => author !== "Someone Shy");
    await other.type("/forgetme confirm");
    await other.notice("Erased: 1 messages of yours");
    await chat.until("the message is gone", async () => !(await isThere()));
    await chat.assertKept(before);
    await other.close();
  });

  test("it works by keyboard alone", async () => {
    const { page } = chat;
    const { keyboard } = page;
    const focused = () => page.evaluate(() => document.activeElement?.id ?? "");
    await page.locator("#scroller").focus();
    await keyboard.press("ArrowUp");
    await keyboard.press("r");
    assert.equal(await focused(), "input");
    assert.ok(await page.locator("#reply").isVisible());
    await keyboard.press("Escape");
    assert.ok(await page.locator("#reply").isHidden());
    await page.locator("#scroller").focus();
    await keyboard.press("/");
    assert.ok(await page.locator("#menu").isVisible());
    await keyboard.type("to");
    assert.equal(await page.locator("#menu [aria-selected=true] .command").textContent(), "/topic [TEXT]");
    await keyboard.press("Enter");
    assert.equal(await page.inputValue("#input"), "/topic ");
    await keyboard.type("waffles");
    await keyboard.press("Enter");
    await chat.notice("Zoe: The topic is now: waffles");
    await keyboard.type("two");
    await keyboard.press("Shift+Enter");
    await keyboard.type("lines");
    await keyboard.press("Enter");
    await chat.until("both lines are sent", async () => (await chat.messages()).at(-1)?.text === "two\nlines");
    await page.locator("#panel-toggle").focus();
    await keyboard.press("Enter");
    assert.equal(await focused(), "panel-title");
    for (let presses = 0; presses < 40 && (await focused()) !== "topic"; presses += 1) await keyboard.press("Tab");
    assert.equal(await focused(), "topic");
    await keyboard.press("Escape");
    assert.equal(await focused(), "panel-toggle");
  });

  test("it fits a phone", async () => {
    const phone = await Chat.open(browser, demo.url, { viewport: { width: 360, height: 640 }, hasTouch: true, isMobile: true, reducedMotion: "reduce" });
    await phone.assertFits();
    const send = await phone.page.locator("#send").boundingBox();
    assert.ok(send && send.y + send.height <= 640, "the field is in view");
    await phone.page.fill("#input", "/");
    await phone.assertFits();
    await phone.page.fill("#input", "");
    await phone.openPanel();
    await phone.assertFits();
    assert.ok(await phone.page.locator("#chat").evaluate((element) => element.hasAttribute("inert")), "what is covered cannot be reached");
    await phone.page.click("#panel-close");
    await phone.say("w".repeat(300));
    await phone.assertFits();
    await phone.close();
  });

  test("it is light and dark, and remembers what was chosen", async () => {
    const visitor = await Chat.open(browser, demo.url, { colorScheme: "dark" });
    const { page } = visitor;
    const lightness = () => page.evaluate(() => Number(/\d+/u.exec(getComputedStyle(document.body).backgroundColor)?.[0]));
    assert.ok((await lightness()) < 60);
    await page.emulateMedia({ colorScheme: "light" });
    assert.ok((await lightness()) > 200);
    await page.click("#theme-toggle");
    assert.ok((await lightness()) < 60);
    await page.reload();
    await visitor.loaded();
    assert.ok((await lightness()) < 60);
    await visitor.close();
  });

  test("the browser had nothing to complain about", async () => {
    await chat.close();
  });
});
