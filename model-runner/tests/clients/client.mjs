// Asks a model runner with OpenAI's client for Node, as its documentation says.
//
// OPENAI_BASE_URL and OPENAI_API_KEY name the server, which serves the tiny model of the tests, has a key, works on one
// request at a time and lets one wait. It has no other clients. Every check is run and named in a line; the exit code is
// 1 where one failed.

import assert from "node:assert/strict";
import OpenAI from "openai";
import { VERSION } from "openai/version";

const client = new OpenAI({ maxRetries: 0, timeout: 60_000 });
const model = (await client.models.list()).data[0].id;
const messages = [
  { role: "system", content: "Be brief." },
  { role: "user", content: "hello there" },
];

const chat = (more = {}, options = {}) =>
  client.chat.completions.create({ model, messages, temperature: 0, max_tokens: 24, ...more }, options);
const complete = (more = {}) =>
  client.completions.create({ model, prompt: "once upon", temperature: 0, max_tokens: 24, ...more });
const text = async (request) => (await request).choices[0].message.content;

async function collect(request) {
  const chunks = [];
  for await (const chunk of await request) chunks.push(chunk);
  return chunks;
}

const streamedText = (chunks) => chunks.map((chunk) => chunk.choices[0]?.delta.content ?? "").join("");

async function health() {
  const answer = await fetch(new URL("/health", process.env.OPENAI_BASE_URL));
  return answer.json();
}

/** Asks the server until it is as wanted. */
async function until(what) {
  const end = Date.now() + 60_000;
  while (!what(await health())) assert(Date.now() < end, "it does not come to pass");
}

async function refused(kind, call) {
  try {
    await call();
  } catch (error) {
    assert.equal(error.constructor, kind, String(error));
    assert(error.error.message && error.error.type, JSON.stringify(error.error));
    return error;
  }
  return assert.fail("it was not refused");
}

const checks = {
  async "the models are listed and retrieved"() {
    const models = await collect(client.models.list());
    assert(models.every((card) => card.object === "model" && card.owned_by && card.created > 0));
    assert.deepEqual(await client.models.retrieve(model), models[0]);
  },

  async "a chat is answered"() {
    const answer = await chat();
    assert.equal(answer.object, "chat.completion");
    assert.equal(answer.model, model);
    const [choice] = answer.choices;
    assert.equal(choice.message.role, "assistant");
    assert.equal(choice.finish_reason, "length");
    assert(choice.message.content);
    assert.equal(answer.usage.completion_tokens, 24);
    assert.equal(answer.usage.total_tokens, answer.usage.prompt_tokens + 24);
  },

  async "a streamed chat is the same text and counts its tokens where that is asked for"() {
    const whole = await text(chat());
    assert.equal(streamedText(await collect(chat({ stream: true }))), whole);
    const chunks = await collect(chat({ stream: true, stream_options: { include_usage: true } }));
    const last = chunks.at(-1);
    assert.deepEqual(last.choices, []);
    assert.equal(last.usage.completion_tokens, 24);
    assert.equal(chunks.at(-2).choices[0].finish_reason, "length");
  },

  async "the helper for streams collects the answer"() {
    const stream = client.chat.completions.stream({ model, messages, temperature: 0, max_tokens: 24 });
    assert.equal(await stream.finalContent(), await text(chat()));
  },

  async "an answer ends before a stop string"() {
    const whole = await text(chat());
    const stop = whole.slice(6, 9);
    for (const stops of [stop, [stop, "never comes"]]) {
      const [choice] = (await chat({ stop: stops })).choices;
      assert.equal(choice.message.content, whole.slice(0, whole.indexOf(stop)));
      assert.equal(choice.finish_reason, "stop");
    }
  },

  async "a limit has two names"() {
    assert.equal((await chat({ max_tokens: 5 })).usage.completion_tokens, 5);
    const newer = await chat({ max_tokens: undefined, max_completion_tokens: 3 });
    assert.equal(newer.usage.completion_tokens, 3);
  },

  async "a seed repeats an answer"() {
    const ask = (seed) => text(chat({ temperature: 1, seed }));
    assert.equal(await ask(7), await ask(7));
    assert(new Set([await ask(1), await ask(2), await ask(3)]).size > 1);
  },

  async "tokens are preferred by their numbers"() {
    // The first 256 tokens of this vocabulary are the bytes.
    assert.equal(await text(chat({ logit_bias: { [String("A".charCodeAt(0))]: 100 }, max_tokens: 4 })), "AAAA");
  },

  async "penalties and a nucleus are taken"() {
    await chat({ temperature: 0.8, top_p: 0.9, presence_penalty: 0.5, frequency_penalty: 0.5 });
  },

  async "a chat comes with the probabilities of its tokens, whole and streamed"() {
    const { content } = (await chat({ logprobs: true, top_logprobs: 3 })).choices[0].logprobs;
    assert.equal(content.length, 24);
    for (const token of content) {
      const top = token.top_logprobs.map((candidate) => candidate.logprob);
      assert.equal(top.length, 3);
      assert.deepEqual(top, [...top].sort((left, right) => right - left));
      // The likeliest is taken, but for what would leave a broken character.
      assert(token.logprob < top[0] + 1e-4);
    }
    const chunks = await collect(chat({ logprobs: true, top_logprobs: 3, stream: true }));
    const streamed = chunks.flatMap((chunk) => chunk.choices[0].logprobs?.content ?? []);
    assert.deepEqual(streamed.map((token) => token.bytes), content.map((token) => token.bytes));
  },

  async "a text goes on, with probabilities in the older form"() {
    const answer = await complete({ logprobs: 2 });
    const { tokens, token_logprobs, top_logprobs, text_offset } = answer.choices[0].logprobs;
    for (const list of [tokens, token_logprobs, top_logprobs, text_offset]) assert.equal(list.length, 24);
    const chunks = await collect(complete({ stream: true }));
    assert.equal(chunks.map((chunk) => chunk.choices[0].text).join(""), answer.choices[0].text);
  },

  async "what is wrong is a bad request"() {
    assert.equal((await refused(OpenAI.BadRequestError, () => chat({ messages: [] }))).param, "messages");
    assert.equal((await refused(OpenAI.BadRequestError, () => chat({ temperature: 5 }))).param, "temperature");
    assert.equal((await refused(OpenAI.BadRequestError, () => chat({ n: 2 }))).param, "n");
    await refused(OpenAI.BadRequestError, () => chat({ temperature: "warm" }));
  },

  async "a model that is not here is not found"() {
    const error = await refused(OpenAI.NotFoundError, () => chat({ model: "gpt-unknown" }));
    assert.equal(error.code, "model_not_found");
    await refused(OpenAI.NotFoundError, () => client.models.retrieve("gpt-unknown"));
  },

  async "a wrong key is refused"() {
    const stranger = client.withOptions({ apiKey: "wrong" });
    await refused(OpenAI.AuthenticationError, () => stranger.models.list());
    await refused(OpenAI.AuthenticationError, () => stranger.completions.create({ model, prompt: "x" }));
  },

  async "a stream that is dropped is given up"() {
    for (const drop of [(stream) => stream.controller.abort(), () => {}]) {
      const before = (await health()).counters.cancelled;
      const stream = await chat({ stream: true, max_tokens: 30_000 });
      for await (const chunk of stream) {
        assert.equal(chunk.object, "chat.completion.chunk");
        drop(stream);
        break;
      }
      await until((health) => health.counters.cancelled > before);
    }
  },

  async "a full queue says when to ask again and the client does"() {
    const inHand = await chat({ stream: true, max_tokens: 30_000 });
    const waiting = chat({ max_tokens: 1 });
    // A request is sent when somebody waits for it.
    waiting.catch(() => {});
    await until((health) => health.queue_length === 1);
    const error = await refused(OpenAI.InternalServerError, () => chat());
    assert.equal(error.status, 503);
    assert.equal(error.code, "queue_full");
    assert(Number(error.headers.get("retry-after")) >= 1);
    const before = (await health()).counters.turned_away;
    const asking = chat({ max_tokens: 2 }, { maxRetries: 8 });
    asking.catch(() => {});
    await until((health) => health.counters.turned_away > before);
    inHand.controller.abort();
    await waiting;
    assert.equal((await asking).usage.completion_tokens, 2);
  },
};

let failed = 0;
for (const [name, check] of Object.entries(checks)) {
  try {
    await check();
    console.log(`ok ${name}`);
  } catch (error) {
    failed += 1;
    console.log(`FAILED ${name}\n${error.stack}`);
  }
}
const count = Object.keys(checks).length;
console.log(`openai ${VERSION} for Node: ${count - failed} of ${count} checks hold`);
process.exitCode = failed ? 1 : 0;
