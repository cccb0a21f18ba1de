// Times, names and numbers as people read them, and commands as the server reads them.

/** @import { Lesson, Pacing, RoomView, Sampling } from "./backend.js" */

const clock = new Intl.DateTimeFormat(undefined, { hour: "numeric", minute: "2-digit" });
const whole = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "short" });
const weekday = new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long" });
const dated = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "long", year: "numeric" });
const DAY = 24 * 60 * 60 * 1000;

/** @param {string} at */
export function clockTime(at) {
  return clock.format(new Date(at));
}

/** @param {string} at */
export function wholeTime(at) {
  return whole.format(new Date(at));
}

/** A day as a separator says it. @param {string} at @param {Date} now */
export function dayName(at, now) {
  const date = new Date(at);
  const midnight = (/** @type {Date} */ of) => new Date(of.getFullYear(), of.getMonth(), of.getDate()).getTime();
  const days = Math.round((midnight(now) - midnight(date)) / DAY);
  if (days === 0) return "Today";
  if (days === 1) return "Yesterday";
  return days > 0 && days < 300 ? weekday.format(date) : dated.format(date);
}

/** @param {number} count @param {string} one @param {string} [several] */
export function counted(count, one, several = `${one}s`) {
  return `${count} ${count === 1 ? one : several}`;
}

/** @param {readonly string[]} names */
export function listed(names) {
  if (names.length < 2) return names[0] ?? "nobody";
  return `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`;
}

/** A duration as people say it. @param {number} seconds */
export function duration(seconds) {
  if (seconds >= 86_400 && seconds % 86_400 === 0) return counted(seconds / 86_400, "day");
  if (seconds >= 3_600 && seconds % 3_600 === 0) return counted(seconds / 3_600, "hour");
  if (seconds >= 60 && seconds % 60 === 0) return counted(seconds / 60, "minute");
  return counted(seconds, "second");
}

/** A name as one word of a command. @param {string} name */
export function quoted(name) {
  return `"${name.replaceAll('"', "")}"`;
}

/** @param {readonly { name: string, weight: number }[]} speakers */
export function speakerCommand(speakers) {
  if (speakers.length === 0) return "/speaker anyone";
  return `/speaker ${speakers.map(({ name, weight }) => `${quoted(name)}:${weight}`).join(", ")}`;
}

/** @param {Sampling} sampling */
export function tuneCommand({ temperature, top_p, top_k }) {
  return `/tune temperature=${temperature} top_p=${top_p} top_k=${top_k}`;
}

/** Who speaks here, for the header. @param {RoomView} view */
export function subtitle({ cast, voice, settings }) {
  const who = cast.length === 0 ? "Nobody is here yet" : counted(cast.length, "persona");
  const topic = settings.topic === null ? "" : ` · topic: ${settings.topic}`;
  return `${who} · ${voice}${topic}`;
}

/** @param {string} voice */
function sourceOf(voice) {
  if (voice === "Markov chain") return "a Markov chain over each member's own words";
  // Its file's name; what ships is a toy, and should be taken for one.
  if (/^pocket\b/u.test(voice)) return "the pocket model, a toy of a few million weights that ships with groupchat: expect little sense";
  return `the language model ${voice}`;
}

/** How far a training is. @param {Lesson} lesson */
export function lessonWords({ stage, trouble, step, steps, seconds_left }) {
  const left = seconds_left === null ? "" : `, ${seconds_left < 60 ? "less than a minute" : `about ${counted(Math.round(seconds_left / 60), "minute")}`} left`;
  return {
    reading: "Reading what the group wrote…",
    before: "Hearing what they say before they learn…",
    learning: step === 0 ? "They begin to learn how the group talks…" : `They learn how the group talks: step ${step} of ${steps}${left}`,
    done: "They have learned, and speak with it now.",
    failed: `They have not learned: ${trouble}`,
  }[stage];
}

/** What the personas are, said plainly. @param {RoomView} view */
export function aboutVoice({ voice }) {
  const source = sourceOf(voice);
  return `Those marked “persona” are bots, not people: they write like members of this group. Their words come from ${source}.`;
}

/** @param {Pacing} pacing */
export function pacingLead(pacing) {
  if (typeof pacing !== "string") {
    const { reply_chance, min_delay, max_delay } = pacing.custom;
    return `They answer with a chance of ${reply_chance}, after ${min_delay} to ${max_delay} seconds.`;
  }
  return {
    off: "Quiet until somebody asks for more.",
    calm: "Now and then, after a pause.",
    natural: "As the group itself: delays and bursts follow its history.",
    chatty: "Often and soon.",
  }[pacing];
}

/** Whether a text is nothing but a few emoji, which are then shown large. @param {string} text */
export function isEmojiOnly(text) {
  return /^(?:\p{Extended_Pictographic}(?:\ufe0f|\u200d\p{Extended_Pictographic}|\p{Emoji_Modifier})*\s*){1,3}$/u.test(text);
}
