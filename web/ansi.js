// Bytes of a log as elements: colours by a fixed set of classes, everything else as text.
//
// Only SGR (colours, bold, and the like) is understood. Other sequences (cursor moves, titles,
// links) are swallowed, so a log can neither draw over the page nor lead anywhere. A carriage return
// begins the line anew, as a progress bar means it. What has no shape is shown by its name.

import { nameOf } from './text.js';

const ESCAPE = '\u001b';
// CSI …, OSC/DCS/SOS/PM/APC … up to their end, two-character sequences; the 8-bit forms as well.
const SEQUENCE = /(?:\u001b\[|\u009b)[\u0030-\u003f]*[\u0020-\u002f]*[\u0040-\u007e]|(?:\u001b[\]PX^_]|[\u0090\u0098\u009d-\u009f])[^\u0007\u001b\u009c]*(?:\u0007|\u001b\\|\u009c|$)|\u001b[\u0020-\u002f]*[\u0030-\u007e]?/g;
const HIDDEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u034f\u061c\u115f\u1160\u180e\u200b\u200c\u200e\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff9-\ufffb]|[\u{e0000}-\u{e007f}]/gu;

/** How a stretch of text looks. */
export class Style {
  fg = null;
  bg = null;
  flags = new Set();

  static COLOURS = ['black', 'red', 'green', 'yellow', 'blue', 'magenta', 'cyan', 'white'];
  static ON = { 1: 'bold', 2: 'dim', 3: 'italic', 4: 'underline', 7: 'inverse', 9: 'strike' };
  static OFF = { 22: ['bold', 'dim'], 23: ['italic'], 24: ['underline'], 27: ['inverse'], 29: ['strike'] };

  copy() {
    const other = new Style();
    [other.fg, other.bg, other.flags] = [this.fg, this.bg, new Set(this.flags)];
    return other;
  }

  /** Applies the parameters of one SGR sequence. */
  apply(parameters) {
    const codes = parameters.split(/[;:]/, 32).map((part) => Number(part || 0));
    for (let at = 0; at < codes.length; at += 1) {
      const code = codes[at];
      if (code === 0) { this.fg = null; this.bg = null; this.flags.clear(); }
      else if (Style.ON[code]) this.flags.add(Style.ON[code]);
      else if (Style.OFF[code]) Style.OFF[code].forEach((flag) => this.flags.delete(flag));
      else if (code >= 30 && code <= 37) this.fg = Style.COLOURS[code - 30];
      else if (code >= 90 && code <= 97) this.fg = `bright-${Style.COLOURS[code - 90]}`;
      else if (code >= 40 && code <= 47) this.bg = Style.COLOURS[code - 40];
      else if (code >= 100 && code <= 107) this.bg = `bright-${Style.COLOURS[code - 100]}`;
      else if (code === 39) this.fg = null;
      else if (code === 49) this.bg = null;
      else if (code === 38 || code === 48) {
        const colour = codes[at + 1] === 5 ? nearest(codes[at + 2]) : fromRgb(codes.slice(at + 2, at + 5));
        if (code === 38) this.fg = colour; else this.bg = colour;
        at += codes[at + 1] === 5 ? 2 : 4;
      }
    }
  }

  get classes() {
    const classes = [...this.flags].map((flag) => `a-${flag}`);
    if (this.fg) classes.push(`a-fg-${this.fg}`);
    if (this.bg) classes.push(`a-bg-${this.bg}`);
    return classes.join(' ');
  }
}

/** One of sixteen colours for one of 256. */
function nearest(index) {
  if (!(index >= 0 && index <= 255)) return null;
  if (index < 8) return Style.COLOURS[index];
  if (index < 16) return `bright-${Style.COLOURS[index - 8]}`;
  if (index >= 232) { const grey = (index - 232) * 10 + 8; return fromRgb([grey, grey, grey]); }
  const level = (step) => (step === 0 ? 0 : step * 40 + 55);
  const cube = index - 16;
  return fromRgb([level(Math.floor(cube / 36)), level(Math.floor(cube / 6) % 6), level(cube % 6)]);
}

function fromRgb([red, green, blue]) {
  const strongest = Math.max(red, green, blue);
  if (!(strongest >= 0 && strongest <= 255)) return null;
  const on = (part) => (strongest > 40 && part > strongest * 0.6 ? 1 : 0);
  const base = Style.COLOURS[on(red) + 2 * on(green) + 4 * on(blue)];
  return strongest > 190 ? `bright-${base}` : base;
}

/** The style that the line after this one begins with; the same one if nothing changes it. */
export function styleAfter(line, style) {
  if (!/[\u001b\u009b]/.test(line)) return style;
  const now = style.copy();
  for (const [sequence] of line.matchAll(SEQUENCE)) applySequence(now, sequence);
  return now;
}

/** Of all sequences only SGR is understood. */
function applySequence(style, sequence) {
  const isSgr = sequence.endsWith('m') && (sequence.startsWith(`${ESCAPE}[`) || sequence.startsWith('\u009b'));
  if (isSgr) style.apply(sequence.slice(sequence.startsWith(ESCAPE) ? 2 : 1, -1));
}

/** The state of a line that is left after its last carriage return. */
function afterReturn(line) {
  const body = line.replace(/\r+$/, '');
  return body.slice(body.lastIndexOf('\r') + 1);
}

/** Text without colours, for places that show a glimpse. */
export function plain(text) {
  return text.split('\n').map((line) => afterReturn(line.replace(SEQUENCE, ''))
    .replace(HIDDEN, (character) => nameOf(character))).join('\n');
}

/**
 * Shows one line (without its newline) in `element`.
 * What stands before the last carriage return still changes the style, as on a terminal.
 */
export function showLine(element, line, style) {
  const now = style.copy();
  const body = line.replace(/\r+$/, '');
  const visibleFrom = body.lastIndexOf('\r') + 1;
  const pieces = [];
  let at = 0;
  const text = (end) => {
    const start = Math.max(at, visibleFrom);
    if (start < end) pieces.push(...shown(body.slice(start, end), now.classes));
  };
  for (const match of body.matchAll(SEQUENCE)) {
    text(match.index);
    at = match.index + match[0].length;
    applySequence(now, match[0]);
  }
  text(body.length);
  element.replaceChildren(...pieces);
}

/** Text nodes and spans for one stretch of one style. */
function shown(text, classes) {
  const nodes = [];
  let from = 0;
  for (const match of text.matchAll(HIDDEN)) {
    nodes.push(text.slice(from, match.index), token(match[0]));
    from = match.index + match[0].length;
  }
  nodes.push(text.slice(from));
  const filled = nodes.filter((node) => node !== '');
  if (!classes || filled.length === 0) return filled;
  const span = document.createElement('span');
  span.className = classes;
  span.append(...filled);
  return [span];
}

function token(character) {
  const span = document.createElement('span');
  span.className = 'a-token';
  span.textContent = nameOf(character);
  return span;
}
