// Text and elements. Whatever comes from outside becomes text nodes, never markup, and characters
// that could hide or reorder text are shown as what they are.

const HIDDEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff9-\ufffb]|[\u{e0000}-\u{e007f}]/gu;
const PICTURE = /\p{Extended_Pictographic}|\p{Emoji_Modifier}|\ufe0f/u;

/** The visible name of a character that has no shape of its own. */
export function nameOf(character) {
  const code = character.codePointAt(0);
  if (code < 0x20) return `^${String.fromCharCode(0x40 + code)}`;
  if (code === 0x7f) return '^?';
  return `⟨U+${code.toString(16).toUpperCase().padStart(4, '0')}⟩`;
}

/** Text in which nothing hides; joiners within emoji stay. */
export function visible(text) {
  return String(text ?? '').replace(HIDDEN, (character, at, whole) => {
    const joins = character === '\u200d' && at > 0 && PICTURE.test(whole.slice(Math.max(0, at - 2), at));
    return joins ? character : nameOf(character);
  });
}

/** The first line of a message. */
export function firstLine(message) {
  return visible(String(message ?? '').trimStart().split(/\r?\n/, 1)[0]);
}

/** An element; children are elements or text, attributes are strings, nothing is markup. */
export function el(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined && value !== false) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** A name from outside, isolated so that its direction cannot reach its neighbours. */
export function name(text, className) {
  return el('bdi', { class: className, title: visible(text) }, visible(text));
}

/** Sets text only where it differs, so that selections and screen readers are left in peace. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** A link that can only lead to a web page; text alone if the address is anything else. */
export function outsideLink(address, child) {
  let url = null;
  try { url = new URL(address); } catch { return child; }
  if (url.protocol !== 'https:' && url.protocol !== 'http:') return child;
  return el('a', { href: url.href, rel: 'noopener noreferrer' }, child);
}

export function artifactLink(file) {
  return el('a', { href: `/artifacts/${encodeURIComponent(file)}`, class: 'artifact' }, name(file));
}

/** To the page of a repository; of one recipe if a branch and a script are given. */
export function repositoryPath(repository, branch = null, script = null) {
  const path = `/repo/${String(repository).split('/').map(encodeURIComponent).join('/')}`;
  return branch === null ? path : `${path}?${new URLSearchParams({ branch, script })}`;
}

/** To the finished builds that fit these filters. */
export function historyLink(filters, title, child) {
  return el('a', { href: `/monitor?${new URLSearchParams(filters)}`, title }, child);
}

export function recipeLink(build, ...children) {
  const href = repositoryPath(build.repository, build.branch, build.script);
  return el('a', { href, class: 'recipe', title: 'How long it takes and how large it gets, build by build' }, ...children);
}

export function buildLink(id, ...children) {
  return el('a', { href: `/build/${encodeURIComponent(id)}` }, ...children);
}

let skew = 0;

/** Learns how far this clock is from the server's, so that elapsed times are right. */
export function learnClock(response) {
  const server = Date.parse(response.headers.get('date') ?? '');
  if (Number.isFinite(server) && Math.abs(server - Date.now()) > 2000) skew = server - Date.now();
}

export function now() {
  return (Date.now() + skew) / 1000;
}

/** `fine` gives short ones with a digit more. */
export function duration(seconds, fine = false) {
  if (fine && seconds < 10 && seconds > 0) return `${Number(seconds.toFixed(1))} s`;
  const whole = Math.max(0, Math.floor(seconds));
  if (whole < 60) return whole < 1 ? '<1 s' : `${whole} s`;
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const two = (number) => String(number).padStart(2, '0');
  return hours > 0 ? `${hours} h ${two(minutes)} min` : `${minutes} min ${two(rest)} s`;
}

/** A duration of whole steps, for an axis: `30 s`, `1.5 min`, `2 h`. */
export function roundDuration(seconds) {
  const [unit, size] = seconds >= 3600 ? ['h', 3600] : seconds >= 60 ? ['min', 60] : ['s', 1];
  return `${Number((seconds / size).toFixed(1))} ${unit}`;
}

export function ago(seconds) {
  const age = Math.max(0, now() - seconds);
  if (age < 10) return 'just now';
  if (age < 60) return `${Math.floor(age)} s ago`;
  if (age < 3600) return `${Math.floor(age / 60)} min ago`;
  if (age < 86400) return `${Math.floor(age / 3600)} h ago`;
  return `${Math.floor(age / 86400)} d ago`;
}

export function moment(seconds) {
  return new Date(seconds * 1000).toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'medium' });
}

/** A point in time that keeps itself current (see `tick`). */
export function timeAgo(seconds) {
  const time = el('time', { datetime: new Date(seconds * 1000).toISOString(), title: moment(seconds) }, ago(seconds));
  time.dataset.ago = seconds;
  return time;
}

/** A duration that grows until its build ends. */
export function elapsed(since) {
  const span = el('span', { class: 'elapsed' }, duration(now() - since));
  span.dataset.since = since;
  return span;
}

/** Brings all times on the page up to date. */
export function tick(root = document) {
  for (const time of root.querySelectorAll('[data-ago]')) setText(time, ago(Number(time.dataset.ago)));
  for (const span of root.querySelectorAll('[data-since]')) setText(span, duration(now() - Number(span.dataset.since)));
}

export function bytes(count) {
  const units = ['B', 'KiB', 'MiB', 'GiB'];
  let unit = 0;
  let value = count;
  while (value >= 1024 && unit < units.length - 1) { value /= 1024; unit += 1; }
  return `${unit === 0 ? value : value.toFixed(value < 10 ? 1 : 0)} ${units[unit]}`;
}
