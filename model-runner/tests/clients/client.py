"""Asks a model runner with OpenAI's client for Python, as its documentation says.

OPENAI_BASE_URL and OPENAI_API_KEY name the server, which serves the tiny model of the tests, has a key, works on one
request at a time and lets one wait. It has no other clients. Every check is run and named in a line; the exit code is 1
where one failed.
"""

import asyncio
import json
import math
import os
import sys
import threading
import time
import traceback
import urllib.request

import openai
from openai import AsyncOpenAI, OpenAI

client = OpenAI(max_retries=0, timeout=60)
MODEL = client.models.list().data[0].id
GREETING = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "hello there"}]
CHECKS = []


def check(function):
    CHECKS.append(function)
    return function


def chat(**more):
    request = {"model": MODEL, "messages": GREETING, "temperature": 0, "max_tokens": 24, **more}
    return client.chat.completions.create(**request)


def complete(**more):
    request = {"model": MODEL, "prompt": "once upon", "temperature": 0, "max_tokens": 24, **more}
    return client.completions.create(**request)


def health():
    address = os.environ["OPENAI_BASE_URL"].removesuffix("/v1") + "/health"
    with urllib.request.urlopen(address, timeout=60) as answer:
        return json.load(answer)


def wait_until(what):
    """Asks the server until it is as wanted."""
    end = time.monotonic() + 60
    while not what(health()):
        assert time.monotonic() < end, "it does not come to pass"


def refused(kind, call):
    try:
        call()
    except openai.APIStatusError as error:
        assert type(error) is kind, f"{type(error)}: {error}"
        assert error.body["message"] and error.body["type"], error.body
        return error
    raise AssertionError("it was not refused")


@check
def the_models_are_listed_and_retrieved():
    models = list(client.models.list())
    assert [model.object for model in models] == ["model"] * len(models)
    assert client.models.retrieve(MODEL) == models[0]
    assert models[0].created > 0 and models[0].owned_by


@check
def a_chat_is_answered():
    answer = chat()
    assert (answer.object, answer.model, len(answer.choices)) == ("chat.completion", MODEL, 1)
    choice = answer.choices[0]
    assert (choice.index, choice.message.role, choice.finish_reason) == (0, "assistant", "length")
    assert choice.message.content and choice.logprobs is None
    assert answer.usage.completion_tokens == 24
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + 24
    assert answer.usage.prompt_tokens_details.cached_tokens <= answer.usage.prompt_tokens


@check
def content_may_come_in_parts():
    parts = [{"type": "text", "text": "hello "}, {"type": "text", "text": "there"}]
    messages = [GREETING[0], {"role": "user", "content": parts}]
    assert chat(messages=messages).usage.prompt_tokens == chat().usage.prompt_tokens


@check
def a_streamed_chat_is_the_same_text():
    whole = chat().choices[0].message.content
    chunks = list(chat(stream=True))
    assert all(chunk.object == "chat.completion.chunk" and chunk.usage is None for chunk in chunks)
    assert len({chunk.id for chunk in chunks}) == 1
    assert chunks[0].choices[0].delta.role == "assistant"
    assert chunks[-1].choices[0].finish_reason == "length"
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == whole


@check
def a_stream_counts_its_tokens_where_that_is_asked_for():
    *chunks, last = chat(stream=True, stream_options={"include_usage": True})
    assert all(chunk.usage is None for chunk in chunks)
    assert last.choices == [] and last.usage.completion_tokens == 24


@check
def the_helper_for_streams_collects_the_answer():
    # The helper takes an answer that was cut off for an error, so this one ends by itself.
    request = {"model": MODEL, "messages": GREETING, "temperature": 0, "max_tokens": 24}
    request["stop"] = chat().choices[0].message.content[6:9]
    with client.chat.completions.stream(**request) as stream:
        texts = [event.delta for event in stream if event.type == "content.delta"]
        answer = stream.get_final_completion()
    assert "".join(texts) == answer.choices[0].message.content
    assert answer.choices[0].finish_reason == "stop"


@check
def the_client_that_does_not_block_streams_too():
    async def ask():
        async with AsyncOpenAI(max_retries=0) as asynchronous:
            stream = await asynchronous.chat.completions.create(
                model=MODEL, messages=GREETING, temperature=0, max_tokens=24, stream=True
            )
            return "".join([chunk.choices[0].delta.content or "" async for chunk in stream])

    assert asyncio.run(ask()) == chat().choices[0].message.content


@check
def an_answer_ends_before_a_stop_string():
    whole = chat().choices[0].message.content
    stop = whole[6:9]
    for stops in (stop, [stop, "never comes"]):
        choice = chat(stop=stops).choices[0]
        assert choice.message.content == whole[: whole.index(stop)], choice
        assert choice.finish_reason == "stop"
    streamed = "".join(chunk.choices[0].delta.content or "" for chunk in chat(stop=stop, stream=True))
    assert streamed == whole[: whole.index(stop)]


@check
def a_limit_has_two_names():
    assert chat(max_tokens=5).usage.completion_tokens == 5
    newer = client.chat.completions.create(model=MODEL, messages=GREETING, max_completion_tokens=3)
    assert newer.usage.completion_tokens == 3


@check
def a_seed_repeats_an_answer():
    def ask(seed):
        return chat(temperature=1, seed=seed).choices[0].message.content

    assert ask(7) == ask(7)
    assert len({ask(seed) for seed in range(4)}) > 1


@check
def tokens_are_preferred_and_banned_by_their_numbers():
    # The first 256 tokens of this vocabulary are the bytes.
    assert chat(logit_bias={str(ord("A")): 100}, max_tokens=4).choices[0].message.content == "AAAA"
    first = chat(max_tokens=1, logprobs=True).choices[0].logprobs.content[0].bytes
    if len(first) == 1:
        other = chat(max_tokens=1, logprobs=True, logit_bias={str(first[0]): -100}).choices[0]
        assert other.logprobs.content[0].bytes != first


@check
def penalties_and_a_nucleus_are_taken():
    chat(temperature=0.8, top_p=0.9, presence_penalty=0.5, frequency_penalty=0.5)
    complete(temperature=1.2, top_p=0.5, presence_penalty=-2, frequency_penalty=2)


@check
def a_chat_comes_with_the_probabilities_of_its_tokens():
    answer = chat(logprobs=True, top_logprobs=3)
    content = answer.choices[0].logprobs.content
    assert len(content) == answer.usage.completion_tokens
    for token in content:
        top = [candidate.logprob for candidate in token.top_logprobs]
        assert len(top) == 3 and top == sorted(top, reverse=True)
        # The likeliest is taken, but for what would leave a broken character: so the first three may all be others.
        assert token.logprob < top[0] + 1e-4
        for candidate in token.top_logprobs:
            if candidate.bytes == token.bytes:
                assert math.isclose(token.logprob, candidate.logprob, abs_tol=1e-4)
        assert sum(map(math.exp, top)) < 1.001
    text = b"".join(bytes(token.bytes) for token in content).decode(errors="replace")
    assert text.startswith(answer.choices[0].message.content.rstrip("\ufffd"))


@check
def a_streamed_chat_comes_with_the_same_probabilities():
    whole = chat(logprobs=True, top_logprobs=2).choices[0].logprobs.content
    streamed = [
        token
        for chunk in chat(logprobs=True, top_logprobs=2, stream=True)
        if chunk.choices[0].logprobs
        for token in chunk.choices[0].logprobs.content
    ]
    assert [token.bytes for token in streamed] == [token.bytes for token in whole]
    assert all(len(token.top_logprobs) == 2 for token in streamed)


@check
def without_candidates_there_are_only_the_tokens_that_came():
    content = chat(logprobs=True).choices[0].logprobs.content
    assert len(content) == 24 and all(token.top_logprobs == [] for token in content)
    assert chat(logprobs=False).choices[0].logprobs is None


@check
def a_text_goes_on():
    answer = complete()
    assert (answer.object, answer.choices[0].finish_reason) == ("text_completion", "length")
    assert answer.usage.completion_tokens == 24
    chunks = list(complete(stream=True, stream_options={"include_usage": True}))
    assert "".join(choice.text for chunk in chunks for choice in chunk.choices) == answer.choices[0].text
    assert chunks[-1].usage.completion_tokens == 24


@check
def a_text_comes_with_probabilities_in_the_older_form():
    logprobs = complete(logprobs=2).choices[0].logprobs
    assert len(logprobs.tokens) == len(logprobs.token_logprobs) == len(logprobs.text_offset) == 24
    assert all(logprob <= 0 for logprob in logprobs.token_logprobs)
    # Two tokens can have the same text where both are parts of characters.
    assert all(1 <= len(candidates) <= 3 for candidates in logprobs.top_logprobs)
    assert logprobs.text_offset[0] == 0 and logprobs.text_offset == sorted(logprobs.text_offset)


@check
def what_is_wrong_is_a_bad_request():
    assert refused(openai.BadRequestError, lambda: chat(messages=[])).param == "messages"
    assert refused(openai.BadRequestError, lambda: chat(temperature=5)).param == "temperature"
    assert refused(openai.BadRequestError, lambda: chat(n=2)).param == "n"
    error = refused(openai.BadRequestError, lambda: chat(logprobs=True, top_logprobs=21))
    assert error.param in ("logprobs", "top_logprobs")
    refused(openai.BadRequestError, lambda: chat(messages=[{"role": "nobody", "content": "x"}]))
    refused(openai.BadRequestError, lambda: chat(temperature="warm"))
    refused(openai.BadRequestError, lambda: chat(logit_bias={"no number": 1}))


@check
def a_model_that_is_not_here_is_not_found():
    error = refused(openai.NotFoundError, lambda: chat(model="gpt-unknown"))
    assert (error.code, error.param) == ("model_not_found", "model")
    refused(openai.NotFoundError, lambda: client.models.retrieve("gpt-unknown"))


@check
def a_wrong_key_is_refused():
    stranger = client.with_options(api_key="wrong")
    refused(openai.AuthenticationError, stranger.models.list)
    refused(openai.AuthenticationError, lambda: stranger.completions.create(model=MODEL, prompt="x"))


@check
def a_stream_that_is_dropped_is_given_up():
    before = health()["counters"]["cancelled"]
    stream = chat(stream=True, max_tokens=30_000)
    for _ in range(3):
        next(stream)
    stream.close()
    wait_until(lambda health: health["counters"]["cancelled"] > before)
    assert chat().usage.completion_tokens == 24


@check
def a_full_queue_says_when_to_ask_again_and_the_client_does():
    in_hand = chat(stream=True, max_tokens=30_000)
    next(in_hand)
    waiting = threading.Thread(target=lambda: chat(max_tokens=1))
    waiting.start()
    wait_until(lambda health: health["queue_length"] == 1)
    error = refused(openai.InternalServerError, chat)
    assert (error.status_code, error.code) == (503, "queue_full")
    assert int(error.response.headers["retry-after"]) >= 1
    answers = []
    patient = client.with_options(max_retries=8)
    request = {"model": MODEL, "messages": GREETING, "max_tokens": 2}
    asking = threading.Thread(target=lambda: answers.append(patient.chat.completions.create(**request)))
    before = health()["counters"]["turned_away"]
    asking.start()
    wait_until(lambda health: health["counters"]["turned_away"] > before)
    in_hand.close()
    waiting.join()
    asking.join()
    assert answers[0].usage.completion_tokens == 2


def main():
    failed = 0
    for function in CHECKS:
        try:
            function()
            print(f"ok {function.__name__}")
        except Exception:  # Whatever it is, the other checks are wanted too.
            failed += 1
            print(f"FAILED {function.__name__}\n{traceback.format_exc()}")
    print(f"openai {openai.__version__} for Python: {len(CHECKS) - failed} of {len(CHECKS)} checks hold")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
