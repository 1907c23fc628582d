// The lines that are on the screen, and no others, in a scrolling box of the height of the whole log.
//
// What holds still is the anchor: an item of the log and its distance from the top of the box. The box
// scrolls by itself, so wheel, touch and keys feel as everywhere; rows are only added at either end.
// `#base` is how far the log's own heights are from the box's: it changes while somebody scrolls (a
// wrapped line turned out higher than thought), and is worked off when the box rests, in one frame, so
// nothing is seen of it. A leap that no wheel makes means the scrollbar: then the place in the bar counts.

import { BLOCK } from './log-source.js';
import { Scale } from './log-scale.js';
import { fillHeading, fillRow, makeHeading, makeRow } from './log-row.js';

/** What is kept ready above and below, in parts of the screen, and in pixels at most. */
const SPARE = 0.75;
const MOST_SPARE = 900;
/** A larger step than this many screens is a leap. */
const LEAP = 2.5;
const REST = 150;

export class LogView {
  /** Whether the end is what was asked for: it stays in sight while heights turn out, until somebody scrolls up. */
  #isAtEnd = false;
  #following = false;
  #box;
  #sizer;
  #lines;
  #source;
  #layout;
  #hooks;
  #scale = new Scale();
  #rows = new Map();
  #base = 0;
  #lastTop = 0;
  #anchor = { item: { line: 1 }, below: 0 };
  #scrolling = 0;
  #frame = 0;
  #width = 0;
  #widest = 0;

  /** hooks: decorate(row, line), drawn(first, last), left() when somebody scrolls up, atEnd(), raw(line). */
  constructor({ box, sizer, lines }, source, layout, hooks) {
    [this.#box, this.#sizer, this.#lines] = [box, sizer, lines];
    [this.#source, this.#layout, this.#hooks] = [source, layout, hooks];
    box.addEventListener('scroll', () => this.#scrolled(), { passive: true });
    box.addEventListener('scrollend', () => this.#rest(), { passive: true });
    new ResizeObserver(() => this.#resized()).observe(box);
  }

  /** Whether the end of the log is held in sight. */
  get following() { return this.#following; }
  set following(following) {
    // What is on the screen stays there.
    if (this.#following && !following) this.#hold(this.#top);
    this.#following = following;
  }

  /** Draws soon; many calls are one. */
  update() {
    this.#frame ||= requestAnimationFrame(() => { this.#frame = 0; this.draw(); });
  }

  /** The first line on the screen. */
  get firstLine() {
    const item = this.#layout.at(this.#top);
    return item.line ?? item.section.from;
  }

  /** How many rows fit. */
  get page() { return Math.max(1, Math.floor(this.#box.clientHeight / this.#layout.row)); }

  get isAtEnd() { return this.#top >= this.#scale.end - 2; }

  /** Shows a line at a part of the screen: 0 is the top. */
  goTo(line, part = 0.3) {
    const section = this.#layout.sectionOf(line);
    if (section) section.closed = false;
    this.#isAtEnd = false;
    this.#anchor = { item: { line }, below: Math.round(this.#box.clientHeight * part) };
    this.draw();
  }

  goToStart() {
    this.#isAtEnd = false;
    this.#hold(0);
    this.draw();
  }

  goToEnd() {
    this.#isAtEnd = true;
    this.draw();
  }

  /** Folds a section, or unfolds it, without moving its heading. */
  fold(section, closed = !section.closed) {
    const item = { section };
    this.#isAtEnd = false;
    this.#anchor = { item, below: Math.max(0, this.#layout.top(item) - this.#top) };
    section.closed = closed;
    this.draw();
  }

  setWrapped(wrapped) {
    this.#layout.reset(wrapped);
    this.#widest = 0;
    this.#lines.style.minWidth = '';
    this.#box.classList.toggle('nowrap', !wrapped);
    this.draw();
  }

  /** Every row that is drawn, with its line. */
  * shown() {
    for (const row of this.#rows.values()) if (row.shownLine) yield row;
  }

  get #top() { return this.#box.scrollTop + this.#base; }

  /** Makes whatever is at this height the anchor. */
  #hold(y) {
    const item = this.#layout.at(y);
    this.#anchor = { item, below: this.#layout.top(item) - y };
  }

  #fit() {
    this.#layout.grow(this.#source.total ?? 0);
    this.#sizer.style.height = `${this.#scale.fit(this.#layout.height, this.#box.clientHeight)}px`;
  }

  draw() {
    if (this.#box.clientHeight === 0) return;
    this.#guessHeights();
    let items = [];
    // Heights that turn out different move what is seen, so it is looked at again; it settles at once.
    for (let tries = 0; tries < 4; tries += 1) {
      this.#fit();
      this.#place();
      const spare = Math.min(this.#box.clientHeight * SPARE, MOST_SPARE);
      items = this.#layout.items(this.#top - spare, this.#top + this.#box.clientHeight + spare);
      this.#show(items);
      if (!this.#measure()) break;
    }
    const lines = items.filter((item) => item.line);
    const [first, last] = [lines.at(0)?.line ?? 1, lines.at(-1)?.line ?? 0];
    this.#source.want(first - BLOCK / 2, last + BLOCK / 2);
    this.#hooks.drawn(first, last);
  }

  /** Puts the anchor where it belongs. While somebody scrolls, the box itself is left alone. */
  #place() {
    const isAtEnd = this.following || this.#isAtEnd;
    const wanted = isAtEnd ? this.#scale.end : this.#layout.top(this.#anchor.item) - this.#anchor.below;
    const top = Math.min(Math.max(0, wanted), this.#scale.end);
    if (this.#scrolling && !isAtEnd) this.#base += top - this.#top;
    else this.#scrollTo(top);
  }

  #scrollTo(top) {
    const wanted = this.#scale.toElement(top);
    if (Math.abs(wanted - this.#box.scrollTop) >= 0.5) this.#box.scrollTop = wanted;
    this.#lastTop = this.#box.scrollTop;
    this.#base = top - this.#lastTop;
  }

  #show(items) {
    const kept = new Map();
    for (const item of items) {
      const key = item.line ?? item.section.key;
      const row = this.#rows.get(key) ?? (item.line ? makeRow(item.line) : this.#makeHeading(item.section));
      this.#fill(row, item);
      kept.set(key, row);
    }
    for (const [key, row] of this.#rows) {
      if (kept.has(key)) continue;
      if (row.contains(document.activeElement)) this.#box.focus({ preventScroll: true });
      row.remove();
    }
    let next = this.#lines.firstElementChild;
    for (const row of kept.values()) {
      if (row === next) next = next.nextElementSibling;
      else this.#lines.insertBefore(row, next);
    }
    this.#rows = kept;
    this.#lines.style.top = `${items.length > 0 ? this.#layout.top(items[0]) - this.#base : 0}px`;
    this.#widen();
  }

  #makeHeading({ key }) {
    return makeHeading(() => {
      const section = this.#layout.sections.find((one) => one.key === key);
      if (section) { this.following = false; this.fold(section); }
    });
  }

  #fill(row, item) {
    if (item.section) { fillHeading(row, item.section); return; }
    const line = this.#source.line(item.line);
    if (line) fillRow(row, line, this.#source.styleBefore(item.line), this.#hooks.raw);
    this.#hooks.decorate(row, item.line);
  }

  /** The longest line seen so far decides how far one can scroll sideways, so that the bar does not jump. */
  #widen() {
    if (this.#layout.wrapped || this.#lines.offsetWidth <= this.#widest) return;
    this.#widest = this.#lines.offsetWidth;
    this.#lines.style.minWidth = `${this.#widest}px`;
  }

  /** Learns the true heights of what is drawn; true if one differs. */
  #measure() {
    if (!this.#layout.wrapped) return false;
    const blocks = new Map();
    for (const row of this.shown()) {
      const at = row.shownLine.number - 1;
      const index = Math.floor(at / BLOCK);
      if (!blocks.has(index)) blocks.set(index, new Array(BLOCK).fill(null));
      blocks.get(index)[at % BLOCK] = row.getBoundingClientRect().height;
    }
    let changed = false;
    for (const [index, heights] of blocks) changed = this.#layout.learn(index, heights) || changed;
    return changed;
  }

  /** Gives blocks that were read but never shown the heights that their lengths suggest. */
  #guessHeights() {
    if (!this.#layout.wrapped || this.#columns === 0) return;
    for (const item of [this.#layout.at(this.#top), this.#anchor.item]) {
      const near = Math.floor(((item.line ?? item.section.from) - 1) / BLOCK);
      for (let index = Math.max(0, near - 1); index <= near + 1; index += 1) {
        const lines = this.#source.block(index);
        if (lines.length < Math.min(BLOCK, this.#layout.total - index * BLOCK) || this.#layout.knows(index)) continue;
        this.#layout.learn(index, lines.map((line) =>
          Math.max(1, Math.ceil(line.text.length / this.#columns)) * this.#layout.row));
      }
    }
  }

  #columns = 0;

  #resized() {
    const width = this.#box.clientWidth;
    if (width !== this.#width) {
      this.#width = width;
      this.#countColumns();
      if (this.#layout.wrapped) this.#layout.reset(true);
    }
    this.draw();
  }

  /** How many characters fit beside a number, as a row without content shows. */
  #countColumns() {
    const probe = makeRow(1);
    const text = probe.lastElementChild;
    const character = document.createElement('span');
    character.textContent = '0'.repeat(50);
    text.append(character);
    this.#lines.append(probe);
    const room = text.clientWidth - Number.parseFloat(getComputedStyle(text).paddingRight);
    this.#columns = Math.max(1, Math.floor(room / (character.getBoundingClientRect().width / 50)));
    probe.remove();
  }

  #scrolled() {
    const { scrollTop, clientHeight } = this.#box;
    const step = scrollTop - this.#lastTop;
    if (Math.abs(step) < 0.5) return;
    this.#lastTop = scrollTop;
    clearTimeout(this.#scrolling);
    this.#scrolling = setTimeout(() => this.#rest(), REST);
    if (Math.abs(step) > LEAP * clientHeight) this.#base = this.#scale.toLog(scrollTop) - scrollTop;
    if (step < 0) this.#isAtEnd = false;
    if (this.following && step < 0) { this.following = false; this.#hooks.left(); }
    const isBeyond = this.#top < 0 || this.#top > this.#scale.end;
    const isStuck = (scrollTop <= 0 && this.#top > 1)
      || (scrollTop + clientHeight >= this.#box.scrollHeight - 1 && this.#top < this.#scale.end - 1);
    this.#hold(Math.min(Math.max(0, this.#top), this.#scale.end));
    if (isBeyond || isStuck) this.#rest();
    else this.draw();
    if (step > 0 && this.isAtEnd) this.#hooks.atEnd();
  }

  /** Nobody scrolls any more: the bar may be set right. */
  #rest() {
    clearTimeout(this.#scrolling);
    this.#scrolling = 0;
    this.draw();
  }
}
