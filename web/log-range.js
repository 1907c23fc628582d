// Chosen lines: a range that stands in the address, so that a link leads to it, and that can be copied.

import { plain } from './ansi.js';
import { el } from './text.js';

const LINES_AT_ONCE = 5000;
export const LARGEST_COPY = 8 * 1024 * 1024;

/** `#L120` or `#L120-L140` as { from, to }; null if it is neither. */
export function rangeOf(hash) {
  const found = /^#L(\d{1,15})(?:-L?(\d{1,15}))?$/.exec(hash);
  if (!found) return null;
  const [first, last] = [Number(found[1]), Number(found[2] ?? found[1])];
  return first > 0 && last > 0 ? { from: Math.min(first, last), to: Math.max(first, last) } : null;
}

export function hashOf(range) {
  if (!range) return '';
  return range.from === range.to ? `#L${range.from}` : `#L${range.from}-L${range.to}`;
}

/** The text of these lines, without colours and numbers. */
export async function textOf(source, { from, to }) {
  const parts = [];
  let size = 0;
  const last = Math.min(to, source.total ?? 0);
  for (let at = from; at <= last;) {
    const { lines } = await source.read(at, Math.min(LINES_AT_ONCE, last - at + 1));
    if (lines.length === 0) break;
    for (const line of lines) {
      if (line.cut) throw new Error('A line is too long to copy: download the log');
      parts.push(plain(line.text));
      size += line.text.length;
    }
    if (size > LARGEST_COPY) throw new Error('Too long to copy: download the log');
    at = lines.at(-1).number + 1;
  }
  return parts.map((part) => `${part}\n`).join('');
}

/** Puts text on the clipboard; `text` may be a promise, since browsers ask for it within the click. */
export async function copyText(text) {
  if (navigator.clipboard) {
    await navigator.clipboard.writeText(await text);
    return;
  }
  // Without https there is no clipboard but this old way.
  const area = el('textarea', { class: 'unseen', 'aria-hidden': 'true', tabindex: '-1' });
  area.value = await text;
  document.body.append(area);
  const focused = document.activeElement;
  area.select();
  const copied = document.execCommand('copy');
  area.remove();
  focused?.focus({ preventScroll: true });
  if (!copied) throw new Error('The browser does not allow it');
}
