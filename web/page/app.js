// The page: one state, the events that change it, and the views that show it.

import { Away, ServerBackend, isLater } from "./backend.js";
import { save } from "./dom.js";
import { Outbox } from "./outbox.js";
import { rememberName, visitorName, visitorNames } from "./prefs.js";
import * as timeline from "./timeline.js";
import { BarView } from "./view/bar.js";
import { Composer } from "./view/composer.js";
import { HintView } from "./view/hint.js";
import { LessonView } from "./view/lesson.js";
import { MessagesView, announce } from "./view/messages.js";
import { Panel } from "./view/panel.js";

/** @import { Answer, Backend, BackendEvent, Message, RoomView, Say, Snapshot } from "./backend.js" */

class App {
  /** @type {Backend} */
  #backend = new ServerBackend();
  #timeline = timeline.EMPTY;
  #names = visitorNames();
  #notices = 0;
  #loadingOlder = false;
  #version = "";

  #bar = new BarView(() => this.#panel.showTheme());
  #panel = new Panel({
    ask: (text) => this.#command(text),
    rename: (name) => this.#rename(name),
    onTheme: () => this.#bar.showTheme(),
  });
  #composer = new Composer({
    say: (text, replyTo) => this.#say(text, replyTo),
    command: (text) => void this.#typedCommand(text),
    typing: () => this.#backend.typing(visitorName()),
    me: () => this.#panel.openAtName(),
  });
  #lesson = new LessonView();
  #hint = new HintView((text) => this.#composer.fill(text));
  #messages = new MessagesView(
    {
      reply: (message) => this.#composer.replyTo(message),
      retry: (nonce) => this.#retry(nonce),
      discard: (nonce) => this.#change(timeline.withoutPending(this.#timeline, nonce)),
      isMine: (author) => this.#names.has(author),
    },
    () => void this.#loadOlder(),
  );
  #outbox = new Outbox({
    post: (say) => this.#backend.say(say),
    onConfirmed: (say, message) => this.#change(timeline.confirmed(this.#timeline, say.nonce, message)),
    onRefused: (say, why) => this.#change(timeline.failed(this.#timeline, say.nonce, why)),
    storage: sessionStorage,
    pause: (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds)),
  });

  start() {
    this.#bar.showLink("connecting");
    this.#showName();
    this.#panel.showTheme();
    for (const say of this.#outbox.waiting) this.#echo(say, null);
    void this.#outbox.send();
    this.#backend.start((event) => this.#happened(event));
  }

  /** @param {BackendEvent} event */
  #happened(event) {
    switch (event.type) {
      case "link":
        return this.#linked(event.online);
      case "snapshot":
        return this.#arrived(event.snapshot);
      case "message":
        return this.#heard(event.message);
      case "typing":
        return this.#change(timeline.withTyping(this.#timeline, event.persona, event.draft));
      case "room":
        return this.#showRoom(event.view);
      case "notice":
        return this.#notice(event.text, "room");
      case "lesson":
        return this.#lesson.show(event.lesson);
    }
  }

  /** @param {boolean} online */
  #linked(online) {
    this.#bar.showLink(online ? "online" : "reconnecting");
    document.body.dataset.link = online ? "online" : "offline";
    // Nobody is known to be typing any more.
    if (!online) this.#change(timeline.withoutTyping(this.#timeline));
  }

  /** @param {Snapshot} snapshot */
  #arrived({ title, view, commands, messages, older }) {
    this.#bar.showTitle(title);
    this.#composer.setCommands(commands);
    this.#timeline = timeline.withSnapshot(this.#timeline, messages, older);
    this.#showRoom(view);
    this.#hint.show(view);
    this.#messages.toEnd();
    if (this.#messages.wantsOlder) void this.#loadOlder();
  }

  /** @param {Message} message */
  #heard(message) {
    const isMine = message.author.kind === "member" && this.#names.has(message.author.name);
    const latest = this.#timeline.messages.at(-1);
    const isNews = !isMine && (!latest || isLater(message.id, latest.id));
    this.#change(timeline.withMessage(this.#timeline, message), isNews ? 1 : 0);
    if (!isNews) return;
    this.#bar.missed();
    announce(`${message.author.name}: ${message.text}`);
  }

  /** @param {RoomView} view */
  #showRoom(view) {
    this.#bar.showRoom(view);
    this.#panel.showRoom(view);
    this.#change(timeline.withFreshStart(this.#timeline, view.settings.window_after));
    if (this.#version !== "" && this.#version !== view.version) this.#bar.showLink("outdated");
    this.#version ||= view.version;
  }

  /** @param {string} text @param {Message | null} replyTo */
  #say(text, replyTo) {
    const say = { name: visitorName(), text, nonce: crypto.randomUUID(), reply_to: replyTo?.id ?? null };
    this.#hint.done();
    this.#echo(say, replyTo);
    this.#messages.toEnd();
    void this.#outbox.add(say);
  }

  /** Shows what is said at once. @param {Say} say @param {Message | null} replyTo */
  #echo({ nonce, name, text, reply_to }, replyTo) {
    const quote = replyTo && { name: replyTo.author.name, text: replyTo.text };
    const at = new Date().toISOString();
    this.#change(timeline.withPending(this.#timeline, { nonce, name, text, at, reply_to, quote, failed: null }));
  }

  /** @param {string} nonce */
  #retry(nonce) {
    const pending = this.#timeline.pending.find((pending) => pending.nonce === nonce);
    if (!pending) return;
    const { text, reply_to } = pending;
    this.#change(timeline.withPending(this.#timeline, { ...pending, name: visitorName(), failed: null }));
    void this.#outbox.add({ name: visitorName(), text, nonce, reply_to });
  }

  /** @param {string} text @returns {Promise<Answer>} */
  async #command(text) {
    const answer = await this.#backend.command(visitorName(), text);
    // What is for the room comes to everybody, and so to us too.
    if (answer.done && answer.audience === "asker") this.#notice(answer.text, "private");
    if (answer.file) save(answer.file);
    return answer;
  }

  /** @param {string} text */
  async #typedCommand(text) {
    this.#hint.done();
    this.#messages.toEnd();
    try {
      const answer = await this.#command(text);
      if (!answer.done) this.#notice(answer.text, "problem");
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      this.#notice(error instanceof Away ? `${why} ${text} was not done.` : why, "problem");
    }
  }

  /** @param {string} name */
  async #rename(name) {
    rememberName(await this.#backend.rename(name));
    this.#showName();
  }

  #showName() {
    this.#names = visitorNames();
    this.#composer.setName(visitorName());
    this.#panel.showName(visitorName());
  }

  /** @param {string} text @param {timeline.Notice["tone"]} tone */
  #notice(text, tone) {
    this.#notices += 1;
    this.#change(timeline.withNotice(this.#timeline, `notice:${this.#notices}`, text, tone));
    announce(text);
  }

  async #loadOlder() {
    const first = this.#timeline.messages[0];
    if (this.#loadingOlder || !this.#timeline.older || !first) return;
    this.#loadingOlder = true;
    try {
      const { messages, older } = await this.#backend.older(first.id);
      this.#change(timeline.withOlder(this.#timeline, messages, older));
    } catch {
      // The next scroll tries again.
      return;
    } finally {
      this.#loadingOlder = false;
    }
    if (this.#messages.wantsOlder) void this.#loadOlder();
  }

  /** @param {timeline.Timeline} next @param {number} [arrived] how many messages of others came with it */
  #change(next, arrived = 0) {
    this.#timeline = next;
    const { older, messages } = next;
    this.#messages.showBeginning(older ? "Loading what was said before…" : messages.length > 0 ? "This is where it began." : null);
    this.#messages.show(timeline.rows(next), { arrived });
  }
}

new App().start();
