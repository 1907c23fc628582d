// The lines of one log: fetched in blocks, kept in a bounded cache, continued by what comes live.
//
// A block is BLOCK lines at a fixed place, so a line belongs to exactly one. Everything is addressed by
// line number; bytes matter only where live output is joined to what was read: it fits where it begins
// at the byte at which the known log ends, and everything else is fetched from the server.

import { Style, styleAfter } from './ansi.js';
import { getJson } from './live.js';

export const BLOCK = 256;
// What a tab may hold of a log: about 25,000 lines, or fewer when they are long.
const MOST_BLOCKS = 96;
const MOST_TEXT = 12 * 1024 * 1024;
const MOST_LINES_ASKED = 4096;
export const LONGEST_LINE = 16 * 1024;
// More than this at once would only be in each other's way while somebody drags the scrollbar.
const MOST_REQUESTS = 2;
const RETRY = 2000;
const NEWLINE = 10;
const GONE = 410;

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8');

const blockOf = (number) => Math.floor((number - 1) / BLOCK);

export class LineSource {
  /** Lines known to exist; null until the server was asked. */
  total = null;
  /** Whether the log is finished: it never changes again. */
  complete = false;
  /** Whether the last request failed; it is tried again. */
  failed = false;
  /** Why there is no log any more, in the service's words. */
  gone = '';

  #id;
  #changed;
  /** By index, the least recently used first: { lines, size, styles }. */
  #blocks = new Map();
  #size = 0;
  #wanted = null;
  #requests = 0;
  #retry = 0;
  /** Where the known log ends: { byte, closed }; `closed` is whether its last line has its newline. */
  #end = null;

  /** `changed` is called whenever there are new lines or a new total. */
  constructor(id, changed) {
    this.#id = encodeURIComponent(id);
    this.#changed = changed;
  }

  /** A line, if it is in the cache: { number, offset, text, cut, bytes }. */
  line(number) {
    return this.#blocks.get(blockOf(number))?.lines[(number - 1) % BLOCK];
  }

  /** All lines of a block that are in the cache. */
  block(index) {
    return this.#blocks.get(index)?.lines ?? [];
  }

  /** The colours that a line begins with, as far as the lines before it are known. */
  styleBefore(number) {
    const index = blockOf(number);
    const block = this.#blocks.get(index);
    if (!block) return new Style();
    if (block.styles.length === 0) {
      const before = this.#blocks.get(index - 1);
      const isWhole = before && before.lines.length === BLOCK;
      const last = isWhole ? before.lines[BLOCK - 1] : null;
      block.styles.push(last ? styleAfter(last.text, this.styleBefore(last.number)) : new Style());
    }
    const place = (number - 1) % BLOCK;
    while (block.styles.length <= place) {
      const at = block.styles.length - 1;
      block.styles.push(styleAfter(block.lines[at]?.text ?? '', block.styles[at]));
    }
    return block.styles[place];
  }

  /** Says which lines are on the screen; those that are missing are fetched. */
  want(from, to) {
    this.#wanted = [Math.max(1, from), to];
    this.#fill();
  }

  /** Fetches what is missing of these lines, now. */
  async load(from, to) {
    for (let run = this.#missing(from, to); run; run = this.#missing(from, to)) {
      if (await this.#fetch(`from=${run.from}&count=${run.count}`) === 0) return;
    }
  }

  /** Asks how long the log is by now, and for its end: whole blocks, enough for a screen. */
  async refresh() {
    await this.#fetch(`tail=${2 * BLOCK - 1}`);
  }

  /** The bytes of the log, as far as they are known. */
  get size() { return this.#end?.byte ?? null; }

  /** Lines by number, past the cache, as for a copy. */
  async read(from, count) {
    return this.#ask(`from=${from}&count=${count}`);
  }

  /** The number of the first line that begins at this byte or after it; `total + 1` if none does. */
  async lineAt(offset) {
    if (offset <= 0) return 1;
    let [low, high] = [1, (this.total ?? 0) + 1];
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      const line = this.line(middle) ?? (await this.#ask(`from=${middle}&count=1`)).lines[0];
      if (!line || line.offset >= offset) high = middle; else low = middle + 1;
    }
    return low;
  }

  /**
   * Adds what a build wrote just now. False if it does not join what is known, so that a refresh is
   * needed.
   */
  append({ line: text, offset, end }) {
    if (!this.#end || this.complete) return this.complete;
    if (end <= this.#end.byte) return true;
    const bytes = encoder.encode(text);
    // What was no UTF-8 has another length than in the log.
    if (bytes.length !== end - offset) return false;
    const { byte, closed } = this.#end;
    if (offset > byte) return false;
    this.#write(bytes.subarray(byte - offset), byte, closed);
    this.#trim();
    this.#changed();
    return true;
  }

  #write(bytes, start, closed) {
    let [rest, at, isClosed] = [bytes, start, closed || this.total === 0];
    while (rest.length > 0) {
      const newline = rest.indexOf(NEWLINE);
      const piece = newline < 0 ? rest : rest.subarray(0, newline);
      const length = newline < 0 ? rest.length : newline + 1;
      if (isClosed) {
        this.total += 1;
        this.#put({ number: this.total, offset: at, ...bounded('', piece) });
      } else {
        this.#continue(piece);
      }
      isClosed = newline >= 0;
      at += length;
      rest = rest.subarray(length);
    }
    this.#end = { byte: at, closed: isClosed };
  }

  #continue(piece) {
    const open = this.line(this.total);
    if (open) this.#put({ ...open, ...bounded(open.text, piece, open) });
  }

  async #fill() {
    if (this.#requests >= MOST_REQUESTS || !this.#wanted) return;
    const run = this.#missing(...this.#wanted);
    if (!run) return;
    this.#requests += 1;
    try {
      if (await this.#fetch(`from=${run.from}&count=${run.count}`) === 0) this.#wanted = null;
    } catch {
      clearTimeout(this.#retry);
      this.#retry = setTimeout(() => this.#fill(), RETRY);
      return;
    } finally {
      this.#requests -= 1;
    }
    this.#fill();
  }

  /** The first run of lines that are not in the cache, from there to the end of the block of `to`. */
  #missing(from, to) {
    if (this.total === null) return null;
    const last = Math.min(this.total, to);
    for (let index = blockOf(Math.max(1, from)); index * BLOCK < last; index += 1) {
      const have = this.#blocks.get(index)?.lines.length ?? 0;
      const there = Math.min(BLOCK, this.total - index * BLOCK);
      if (have < there) {
        const first = index * BLOCK + have + 1;
        const end = Math.min((blockOf(last) + 1) * BLOCK, first + MOST_LINES_ASKED - 1);
        return { from: first, count: end - first + 1 };
      }
    }
    return null;
  }

  async #ask(window) {
    return getJson(`/build/${this.#id}/lines?${window}`);
  }

  /** Fetches lines into the cache; gives how many came. */
  async #fetch(window) {
    let answer;
    try {
      answer = await this.#ask(window);
      this.failed = false;
    } catch (error) {
      if (error.status === GONE) return this.#leave(error.said);
      this.failed = true;
      this.#changed();
      throw error;
    }
    const isBehind = this.#end !== null && answer.size < this.#end.byte;
    this.#learn(answer, isBehind);
    for (const line of answer.lines) {
      // Live output may have continued the last line since.
      const isOlder = isBehind && line.number === answer.total;
      if (!isOlder) this.#put(shortened(line));
      if (line.cut && line.text.includes('\r')) this.#readNewest(line);
    }
    this.#trim();
    this.#changed();
    return answer.lines.length;
  }

  /** The log was removed: nothing of it comes any more. */
  #leave(why) {
    [this.gone, this.failed, this.complete] = [why || 'the log was removed', false, true];
    [this.total, this.#size, this.#end] = [0, 0, { byte: 0, closed: true }];
    this.#blocks.clear();
    this.#changed();
    return 0;
  }

  /** Of a long progress bar the server gives the beginning; its newest state is at its end. */
  async #readNewest(line) {
    const from = line.offset + Math.max(0, line.bytes - LONGEST_LINE);
    const response = await fetch(this.raw(from, line.offset + line.bytes - from), { cache: 'no-store' }).catch(() => null);
    const text = response?.ok ? await response.text() : '';
    const place = this.line(line.number);
    if (!text.includes('\r') || !place?.cut) return;
    this.#put({ ...place, ...kept(text) });
    this.#changed();
  }

  /** The address of some bytes of the log as they are. */
  raw(from, count) { return `/report/${this.#id}?from=${from}&count=${count}`; }

  #learn(answer, isBehind) {
    this.complete ||= answer.complete;
    // Live output was faster than this answer.
    if (isBehind) return;
    const grew = this.total !== null && answer.total > this.total;
    // The line that was the last one may have been an unfinished one: it is read again.
    if (grew) this.#forgetFrom(this.total);
    this.total = answer.total;
    const last = answer.lines.at(-1);
    if (this.total === 0) this.#end = { byte: 0, closed: true };
    else if (last?.number === this.total) this.#end = { byte: answer.size, closed: !last.open };
    else if (grew) this.#end = null;
  }

  #forgetFrom(number) {
    const block = this.#blocks.get(blockOf(number));
    if (!block) return;
    for (const line of block.lines.splice((number - 1) % BLOCK)) this.#weigh(block, -line.text.length);
  }

  #put(line) {
    const index = blockOf(line.number);
    const block = this.#blocks.get(index) ?? { lines: [], size: 0, styles: [] };
    const place = (line.number - 1) % BLOCK;
    // A block begins with its first line; what would leave a hole is fetched when it is wanted.
    if (place > block.lines.length) return;
    const former = block.lines[place];
    this.#weigh(block, line.text.length - (former?.text.length ?? 0));
    if (!former || former.text !== line.text) block.lines[place] = line;
    block.styles.length = Math.min(block.styles.length, place + 1);
    const after = this.#blocks.get(index + 1);
    if (after && place === BLOCK - 1) after.styles = [];
    this.#blocks.delete(index);
    this.#blocks.set(index, block);
  }

  #weigh(block, change) {
    block.size += change;
    this.#size += change;
  }

  /** Forgets the blocks that were used longest ago, but never what is on the screen. */
  #trim() {
    const [from, to] = this.#wanted ?? [1, 1];
    for (const [index, block] of this.#blocks) {
      if (this.#blocks.size <= MOST_BLOCKS && this.#size <= MOST_TEXT) return;
      if (index >= blockOf(from) && index <= blockOf(to)) continue;
      this.#weigh(block, -block.size);
      this.#blocks.delete(index);
    }
  }
}

function shortened(line) {
  if (line.text.length <= LONGEST_LINE) return line;
  const bytes = line.bytes ?? encoder.encode(line.text).length;
  return { ...line, ...kept(line.text), cut: true, bytes };
}

/** What is shown of a line that goes on, so that even a line of a gigabyte costs little. */
function bounded(head, piece, open = {}) {
  const bytes = (open.bytes ?? encoder.encode(head).length) + piece.length;
  const text = head + decoder.decode(piece);
  if (text.length <= LONGEST_LINE && !open.cut) return { text };
  return { ...kept(text), cut: true, bytes };
}

/** Of a progress bar the newest state counts, of all else the beginning. */
function kept(text) {
  const body = text.slice(text.slice(0, -1).lastIndexOf('\r') + 1);
  return { text: body.slice(0, LONGEST_LINE) };
}
