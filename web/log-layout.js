// Where each line stands: heights summed over blocks, and sections that can be folded away.
//
// Without wrapping every line is equally high and a place is a multiplication. With it, lines are as
// high as they were measured, or as their length suggests, or else as high as one row; sums are kept
// for each block, so that the place of line nine million is still found at once.

import { BLOCK } from './log-source.js';

/** Blocks of which each line's height is remembered; of the others only the sum. */
const MOST_BLOCKS = 256;

export class Layout {
  /** The height of one row of text, and of a section's heading, in pixels. */
  row = 19;
  heading = 30;
  total = 0;
  #wrapped = false;
  /** By block: how much higher it is than BLOCK rows. */
  #surplus = new Map();
  #heights = new Map();
  /** [{ key, name, from, to, closed }], without gaps from the first line on; those with lines are shown. */
  #cuts = [];
  #sections = [];

  get sections() { return this.#sections; }
  get wrapped() { return this.#wrapped; }

  /** Begins anew, as after a change of the width. */
  reset(wrapped) {
    this.#wrapped = wrapped;
    this.#surplus.clear();
    this.#heights.clear();
  }

  /** Sets the sections, each `{ key, name, from }`, in order; what was folded stays folded. */
  cut(sections) {
    const closed = new Set(this.#cuts.filter((section) => section.closed).map((section) => section.key));
    this.#cuts = sections.map((section) => ({ ...section, closed: closed.has(section.key) }));
    if (this.#cuts.length > 0) this.#cuts[0].from = 1;
    this.grow(this.total);
  }

  grow(total) {
    this.total = total;
    this.#cuts.forEach((section, at) => {
      section.to = Math.min(total, (this.#cuts[at + 1]?.from ?? total + 1) - 1);
    });
    this.#sections = this.#cuts.filter((section) => section.from <= section.to);
  }

  sectionOf(line) {
    return this.#sections.findLast((section) => section.from <= line) ?? null;
  }

  get height() {
    if (this.#sections.length === 0) return this.#above(this.total + 1);
    return this.#sections.reduce((sum, section) => sum + this.#heightOf(section), 0);
  }

  #heightOf(section) {
    return this.heading + (section.closed ? 0 : this.#above(section.to + 1) - this.#above(section.from));
  }

  /** The top of an item: a line, or a section's heading. */
  top(item) {
    if (this.#sections.length === 0) return this.#above(item.line);
    let sum = 0;
    for (const section of this.#sections) {
      const isHere = item.section ? item.section.key === section.key : item.line <= section.to;
      if (isHere && (item.section || section.closed)) return sum;
      if (isHere) return sum + this.heading + this.#above(item.line) - this.#above(section.from);
      sum += this.#heightOf(section);
    }
    return sum;
  }

  /** The item at a height; the nearest one if there is none. */
  at(y) {
    if (this.#sections.length === 0) return { line: this.#lineAt(y) };
    let sum = 0;
    for (const section of this.#sections) {
      const height = this.#heightOf(section);
      if (y < sum + height || section === this.#sections.at(-1)) {
        if (section.closed || y < sum + this.heading) return { section };
        return { line: Math.min(section.to, this.#lineAt(y - sum - this.heading + this.#above(section.from))) };
      }
      sum += height;
    }
    return { line: 1 };
  }

  /** All items between two heights, in order. */
  items(from, to) {
    if (this.total === 0) return [];
    const items = [];
    let item = this.at(Math.max(0, from));
    const last = this.at(to);
    while (item) {
      items.push(item);
      if (item.line ? item.line === last.line : item.section === last.section) break;
      item = this.#after(item);
    }
    return items;
  }

  #after(item) {
    const section = item.section ?? (this.#sections.length > 0 ? this.sectionOf(item.line) : null);
    if (item.section && !section.closed && section.from <= section.to) return { line: section.from };
    if (item.line && item.line < (section?.to ?? this.total)) return { line: item.line + 1 };
    const next = section ? this.#sections[this.#sections.indexOf(section) + 1] : null;
    return next ? { section: next } : null;
  }

  /** Learns the heights of lines of one block, from its first line on; `null` is not known. */
  learn(index, heights) {
    const known = this.#heights.get(index) ?? new Float32Array(BLOCK).fill(this.row);
    let changed = false;
    heights.forEach((height, at) => {
      if (height === null || Math.abs(known[at] - height) < 0.01) return;
      known[at] = height;
      changed = true;
    });
    if (!changed && this.#heights.has(index)) return false;
    this.#heights.delete(index);
    this.#heights.set(index, known);
    this.#surplus.set(index, known.reduce((sum, height) => sum + height, 0) - BLOCK * this.row);
    if (this.#heights.size > MOST_BLOCKS) this.#heights.delete(this.#heights.keys().next().value);
    return changed;
  }

  knows(index) { return this.#heights.has(index); }

  /** The height of all lines before this one. */
  #above(line) {
    const before = line - 1;
    if (!this.#wrapped) return before * this.row;
    const index = Math.floor(before / BLOCK);
    let sum = before * this.row;
    for (const [block, surplus] of this.#surplus) if (block < index) sum += surplus;
    const within = before - index * BLOCK;
    const heights = this.#heights.get(index);
    if (!heights) return sum + (this.#surplus.get(index) ?? 0) * (within / BLOCK);
    for (let at = 0; at < within; at += 1) sum += heights[at] - this.row;
    return sum;
  }

  /** The line at a height, counted as if nothing were folded. */
  #lineAt(y) {
    const bounded = (line) => Math.min(Math.max(1, line), Math.max(1, this.total));
    if (!this.#wrapped) return bounded(Math.floor(y / this.row) + 1);
    let [low, high] = [1, Math.max(1, this.total)];
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if (this.#above(middle) <= y) low = middle; else high = middle - 1;
    }
    return bounded(low);
  }
}
