// The log of one build: read at any place, followed while it grows.
//
// This puts the parts together: the source of lines, their layout, the view of those on the screen, the
// live tail, the search, and the chosen lines.

import { Choose } from './log-choose.js';
import { Find } from './log-find.js';
import { listen } from './log-keys.js';
import { Layout } from './log-layout.js';
import { LineSource } from './log-source.js';
import { Tail } from './log-tail.js';
import { LogView } from './log-view.js';
import { bytes, setText } from './text.js';

const WRAP = 'autobuilder.wrap';
/** How long a leap waits for the lines, so that nothing empty is seen. */
const LEAP_WAIT = 150;
/** After a question that got no answer. */
const RETRY = 1000;
const byId = (id) => document.getElementById(id);
const pause = (time) => new Promise((done) => { setTimeout(done, time); });

export class LogPane {
  source;
  #id;
  #layout = new Layout();
  #view;
  #tail;
  #find;
  #choose;
  #box = byId('log');
  #isRunning = null;
  #isOpen = false;
  #note = '';
  #leaps = 0;
  #stages = [];
  /** Where stages begin, by byte: the line. Those that begin beyond what is known of the log are not in it yet. */
  #begins = new Map();
  #isCutting = false;
  #seenTotal = 0;

  /** links: { previous, next } as functions that go there, for the keyboard. */
  constructor(id, links) {
    this.#id = encodeURIComponent(id);
    this.source = new LineSource(id, () => this.#grew());
    this.#tail = new Tail(this.source);
    const elements = { box: this.#box, sizer: byId('log-sizer'), lines: byId('lines') };
    this.#view = new LogView(elements, this.source, this.#layout, {
      decorate: (row, line) => { this.#choose.decorate(row, line); this.#find.decorate(row, line); },
      drawn: () => this.#find.drawn(this.#view.shown()),
      left: () => this.#showFollow(),
      atEnd: () => { if (this.#isRunning) this.follow(true); },
      raw: (line) => this.source.raw(line.offset, line.bytes),
    });
    this.#choose = new Choose(this);
    this.#find = new Find(`/build/${this.#id}/search`, this);
    this.#connect(links);
    this.#open();
  }

  get firstLine() { return this.#view.firstLine; }
  announce(text) { byId('announcer').textContent = text; }
  redraw() { this.#view.update(); }
  /** Stops following, without a move. */
  stay() { this.follow(false); }

  #connect(links) {
    const wrap = byId('wrap');
    const setWrap = (wraps) => {
      wrap.setAttribute('aria-pressed', String(wraps));
      this.#view.setWrapped(wraps);
    };
    wrap.addEventListener('click', () => {
      const wraps = wrap.getAttribute('aria-pressed') !== 'true';
      try { localStorage.setItem(WRAP, String(wraps)); } catch { /* Then it is not remembered. */ }
      setWrap(wraps);
    });
    let wraps = true;
    try { wraps = localStorage.getItem(WRAP) !== 'false'; } catch { /* As nobody chose. */ }
    setWrap(wraps);
    byId('follow').addEventListener('click', () => this.follow(!this.#view.following));
    byId('to-end').addEventListener('click', () => this.end());
    byId('download').href = `/report/${this.#id}`;
    byId('download').setAttribute('download', `build-${this.#id}.log`);
    listen({
      '/': () => this.#find.focus(),
      n: () => this.#find.step(1),
      N: () => this.#find.step(-1),
      e: () => this.#find.firstError(),
      f: () => { if (this.#isRunning) this.follow(!this.#view.following); },
      w: () => wrap.click(),
      g: () => this.#choose.ask(),
      c: () => this.#choose.copy(),
      '[': links.previous,
      ']': links.next,
      Home: () => this.#leave(() => this.#view.goToStart()),
      End: () => this.end(),
      Escape: () => { if (!this.#choose.clear()) this.#find.clear(); },
    }, {
      PageUp: () => this.#scroll(-this.#box.clientHeight * 0.9),
      PageDown: () => this.#scroll(this.#box.clientHeight * 0.9),
      ArrowUp: () => this.#scroll(-60),
      ArrowDown: () => this.#scroll(60),
    });
  }

  #scroll(by) {
    this.#box.focus({ preventScroll: true });
    this.#box.scrollBy({ top: by });
  }

  async #open() {
    // Nothing is drawn before it is known where.
    while (this.source.total === null) await this.source.refresh().catch(() => pause(RETRY));
    this.#isOpen = true;
    if (!this.#choose.fromAddress()) this.end();
    this.#showNote();
  }

  /** Shows the end of the log; while it grows, that means to follow it. */
  end() {
    if (this.#isRunning !== false) { this.follow(true); return; }
    this.#leave(async () => {
      const { total } = this.source;
      await Promise.race([this.source.load(total - this.#view.page, total), pause(LEAP_WAIT)]).catch(() => {});
      this.#view.goToEnd();
    });
  }

  follow(following) {
    if (this.#isRunning === false && following) return;
    this.#view.following = following;
    if (following) this.#view.update();
    this.#showFollow();
  }

  #leave(go) {
    this.#leaps += 1;
    this.follow(false);
    return go();
  }

  /** Goes to a line, as soon as it is there. */
  jump(line, { unlessSeen = false } = {}) {
    return this.#leave(async () => {
      const leap = this.#leaps;
      const around = this.#view.page;
      await Promise.race([this.source.load(line - around, line + around), pause(LEAP_WAIT)]).catch(() => {});
      if (leap !== this.#leaps) return;
      if (unlessSeen && this.#isSeen(line)) this.#view.draw(); else this.#view.goTo(line);
    });
  }

  #isSeen(line) {
    const box = this.#box.getBoundingClientRect();
    const row = byId('lines').querySelector(`.row[data-line="${line}"]`)?.getBoundingClientRect();
    return row !== undefined && row.top >= box.top && row.bottom <= box.bottom;
  }

  /** Scrolls sideways until a match is in sight. */
  revealSideways(range) {
    const [box, found] = [this.#box.getBoundingClientRect(), range.getBoundingClientRect()];
    if (found.left < box.left + 90) this.#box.scrollLeft += found.left - box.left - 120;
    else if (found.right > box.right) this.#box.scrollLeft += Math.min(found.right - box.right + 60, found.left - box.left - 120);
  }

  // ---- As the build goes on ----

  /** Live output. */
  take(update) { this.#tail.take(update); }

  /** Reads what was missed. */
  catchUp() { if (this.#isOpen && !this.source.complete) this.#tail.refresh(); }

  /** Learns how the build stands. */
  build({ isRunning, isQueued, stages }) {
    const ended = this.#isRunning === true && !isRunning;
    this.#isRunning = isRunning;
    if (ended) {
      this.catchUp();
      // What came last stays in sight.
      if (this.#view.following) this.#lastFollow();
    }
    this.#note = isQueued ? 'The log begins when the build does.' : isRunning ? 'No output yet.' : 'This build wrote no log.';
    if (!isRunning && !ended && !this.source.complete) this.catchUp();
    this.#stages = stages ?? [];
    this.#cut();
    this.#showFollow();
    this.#showNote();
  }

  /** Follows until the finished log is read to its end. */
  async #lastFollow() {
    for (let tries = 0; tries < 40 && !this.source.complete && !this.#isRunning; tries += 1) {
      await pause(250);
      this.catchUp();
    }
    if (!this.#isRunning) { this.#view.draw(); this.follow(false); }
  }

  /** Looks where stages begin, as far as the log is known. */
  async #cut() {
    const { source } = this;
    const isKnown = ({ offset }) => source.total !== null && (source.complete || offset <= source.size);
    const fresh = this.#stages.filter((stage) => !this.#begins.has(stage.offset) && isKnown(stage));
    if (this.#isCutting) return;
    this.#isCutting = true;
    try {
      for (const { offset } of fresh) this.#begins.set(offset, await source.lineAt(offset));
    } catch { /* It is looked for again when the log grows or the build changes. */ }
    this.#isCutting = false;
    const attempts = new Set(this.#stages.map((stage) => stage.attempt)).size;
    const placed = this.#stages.filter((stage) => this.#begins.has(stage.offset));
    this.#layout.cut(placed.map(({ stage, attempt, offset }) => ({
      key: `${attempt} ${stage}`,
      name: attempts > 1 ? `${stage}, attempt ${attempt}` : stage,
      from: this.#begins.get(offset),
    })));
    this.#view.update();
  }

  /** Goes to where a stage begins in the log. */
  async goToStage(offset) {
    const line = this.#begins.get(offset) ?? await this.source.lineAt(offset);
    await this.jump(Math.min(line, Math.max(1, this.source.total ?? 1)));
    this.#box.focus({ preventScroll: true });
  }

  #grew() {
    byId('lines').style.setProperty('--digits', String(Math.max(3, String(this.source.total ?? 0).length)));
    if (this.#isOpen) this.#view.update();
    if (this.#stages.some((stage) => !this.#begins.has(stage.offset))) this.#cut();
    if (this.#isOpen) { this.#showFollow(); this.#showNote(); }
  }

  #showFollow() {
    const { following } = this.#view;
    const total = this.source.total ?? 0;
    if (following) this.#seenTotal = total;
    byId('follow').hidden = this.#isRunning === false;
    byId('follow').setAttribute('aria-pressed', String(following));
    const pill = byId('to-end');
    const fresh = total - this.#seenTotal;
    pill.hidden = !this.#isRunning || following || total === 0;
    setText(pill, fresh > 0 ? `↓ Follow: ${fresh.toLocaleString('en')} new ${fresh === 1 ? 'line' : 'lines'}` : '↓ Follow');
  }

  #showNote() {
    const { total, failed, gone, size } = this.source;
    const count = total === null ? '' : `${total.toLocaleString('en')} ${total === 1 ? 'line' : 'lines'}`;
    setText(byId('log-size'), total > 0 && size > 1024 ? `${count}, ${bytes(size)}` : total > 0 ? count : '');
    const isEmpty = total === 0;
    byId('log-box').classList.toggle('empty', isEmpty);
    const note = gone ? `${gone[0].toUpperCase()}${gone.slice(1)}.` : this.#note;
    setText(byId('log-note'), failed ? 'The log cannot be read right now; it will be tried again.' : isEmpty ? note : '');
    byId('log-note').hidden = !failed && !isEmpty;
  }
}
