// A window onto a log: some thousands of lines in the page, however long the log is.
//
// All positions are bytes of the stored log, so that what was read (`/report/<id>`, by Range) and
// what arrives live join without a gap or a double. Lines are decoded one by one: what is no UTF-8
// harms only itself.

import { Style, showLine } from './ansi.js';

const MOST_LINES = 5000;
const LONGEST_LINE = 16 * 1024;
const NEWLINE = 10;
const RETURN = 13;

const decoder = new TextDecoder('utf-8');

export class LogWindow {
  #list;
  /** Elements, first to last: { element, from, to } in bytes; `to` is after the newline. */
  #lines = [];
  #open = new Uint8Array();
  #openStyle = new Style();

  constructor(list) {
    this.#list = list;
    this.clear(0);
  }

  /** The byte of the log where the window begins. */
  from = 0;
  /** The byte of the log where it ends. */
  to = 0;

  get isEmpty() { return this.#lines.length === 0; }

  /** Begins anew, empty, at a byte. */
  clear(at) {
    this.#lines = [];
    this.#open = new Uint8Array();
    this.#openStyle = new Style();
    [this.from, this.to] = [at, at];
    this.#list.replaceChildren();
  }

  /** Adds bytes that begin where the window ends. */
  append(bytes) {
    const fragment = document.createDocumentFragment();
    let rest = bytes;
    const last = this.#lines.at(-1);
    let line = last && last.open ? last : null;
    while (rest.length > 0) {
      const newline = rest.indexOf(NEWLINE);
      const piece = newline < 0 ? rest : rest.subarray(0, newline);
      const length = newline < 0 ? rest.length : newline + 1;
      if (!line) {
        line = { element: document.createElement('div'), from: this.to, to: this.to, open: true };
        this.#lines.push(line);
        fragment.append(line.element);
        this.#open = new Uint8Array();
      }
      this.#open = bounded(this.#open, piece);
      const after = show(line.element, this.#open, this.#openStyle);
      this.to += length;
      line.to = this.to;
      if (newline >= 0) {
        line.open = false;
        line = null;
        this.#openStyle = after;
      }
      rest = rest.subarray(length);
    }
    this.#list.append(fragment);
  }

  /** Adds bytes that end where the window begins; they must end with a newline. */
  prepend(bytes) {
    const fragment = document.createDocumentFragment();
    const lines = [];
    let style = new Style();
    let at = this.from - bytes.length;
    this.from = at;
    for (let rest = bytes; rest.length > 0;) {
      const newline = rest.indexOf(NEWLINE);
      const length = newline < 0 ? rest.length : newline + 1;
      const line = { element: document.createElement('div'), from: at, to: at + length, open: false };
      style = show(line.element, bounded(new Uint8Array(), rest.subarray(0, newline < 0 ? length : newline)), style);
      lines.push(line);
      fragment.append(line.element);
      at += length;
      rest = rest.subarray(length);
    }
    this.#lines.unshift(...lines);
    this.#list.prepend(fragment);
  }

  /** Forgets the first lines beyond the bound; returns whether there were any. */
  trimStart() {
    const surplus = this.#lines.splice(0, Math.max(0, this.#lines.length - MOST_LINES));
    surplus.forEach((line) => line.element.remove());
    if (surplus.length > 0) this.from = this.#lines[0].from;
    return surplus.length > 0;
  }

  /** Forgets the last lines beyond the bound; returns whether there were any. */
  trimEnd() {
    const surplus = this.#lines.splice(MOST_LINES);
    surplus.forEach((line) => line.element.remove());
    if (surplus.length > 0) {
      this.to = this.#lines.at(-1).to;
      this.#open = new Uint8Array();
      this.#openStyle = new Style();
    }
    return surplus.length > 0;
  }
}

/** Joins what is shown of a line, so that even a line of a gigabyte costs little. */
function bounded(head, piece) {
  if (head.length > LONGEST_LINE && piece.lastIndexOf(RETURN) < 0) return head;
  const joined = new Uint8Array(head.length + piece.length);
  joined.set(head);
  joined.set(piece, head.length);
  if (joined.length <= LONGEST_LINE) return joined;
  // Of a progress bar the newest state counts.
  const newest = joined.subarray(0, joined.length - 1).lastIndexOf(RETURN) + 1;
  return joined.slice(newest, newest + LONGEST_LINE + 1);
}

function show(element, bytes, style) {
  const isLong = bytes.length > LONGEST_LINE;
  const after = showLine(element, decoder.decode(isLong ? bytes.subarray(0, LONGEST_LINE) : bytes), style);
  if (isLong) {
    const note = document.createElement('span');
    note.className = 'a-token';
    note.textContent = '… the line goes on; download the log to see it whole';
    element.append(note);
  }
  return after;
}
