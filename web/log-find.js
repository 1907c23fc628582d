// The search box: what is searched, which match is the current one, and where it is on the screen.

import { ERRORS, MOST_MATCHES, Search } from './log-search.js';
import { setText } from './text.js';

const TYPING = 300;
const byId = (id) => document.getElementById(id);
const isPressed = (button) => button.getAttribute('aria-pressed') === 'true';

export class Find {
  #search;
  #pane;
  #input = byId('search');
  /** The line of the current match. */
  #line = null;
  /** The line from which the first match is looked for, until it is found. */
  #from = null;
  /** The line whose match is to be brought into sight sideways, once it is drawn. */
  #reveal = null;
  #typing = 0;

  constructor(address, pane) {
    this.#pane = pane;
    this.#search = new Search(address, () => this.#changed());
    this.#input.addEventListener('input', () => {
      clearTimeout(this.#typing);
      this.#typing = setTimeout(() => this.#start(), TYPING);
    });
    byId('search-form').addEventListener('submit', (event) => event.preventDefault());
    this.#input.addEventListener('keydown', (event) => {
      if (event.key === 'Enter') this.step(event.shiftKey ? -1 : 1);
      if (event.key === 'Escape') this.clear();
    });
    for (const id of ['search-case', 'search-regex']) {
      byId(id).addEventListener('click', ({ currentTarget: button }) => {
        button.setAttribute('aria-pressed', String(!isPressed(button)));
        this.#start();
      });
    }
    byId('search-next').addEventListener('click', () => this.step(1));
    byId('search-previous').addEventListener('click', () => this.step(-1));
    byId('first-error').addEventListener('click', () => this.firstError());
  }

  focus() {
    this.#input.focus();
    this.#input.select();
  }

  /** Forgets the search. */
  clear() {
    clearTimeout(this.#typing);
    this.#input.value = '';
    [this.#line, this.#from] = [null, null];
    this.#search.clear();
  }

  /** Leads to the first line that looks like an error; next and previous lead to the others. */
  firstError() {
    this.#input.value = '';
    this.#run({ text: ERRORS, regex: true, exactCase: true, errors: true }, 1);
  }

  /** To the next match, or the one before. */
  step(by) {
    clearTimeout(this.#typing);
    if (this.#isNew()) { this.#start(); return; }
    const { matches, isCut } = this.#search;
    if (matches.length === 0) return;
    const line = this.#line ?? this.#pane.firstLine;
    // The first match after this line, or the last one before it.
    const place = this.#search.placeOf(by > 0 ? line + (this.#line === null ? 0 : 1) : line) - (by > 0 ? 0 : 1);
    const isBeyond = line > matches.at(-1) || place < 0 || place >= matches.length;
    if (isCut && isBeyond) this.#ask(line, by);
    else this.#goTo(matches[(place + matches.length) % matches.length]);
  }

  /** Beyond what is remembered; from the end it goes on at the beginning, and the other way round. */
  async #ask(line, by) {
    const { matches } = this.#search;
    const isBackward = by < 0;
    try {
      const last = Math.max(1, this.#pane.source.total);
      const found = line + by >= 1 ? await this.#search.one(line + by, isBackward) : null;
      this.#goTo(found ?? (isBackward ? await this.#search.one(last, true) : matches[0]) ?? matches[0]);
    } catch { /* A new search, or no answer: the next step asks again. */ }
  }

  #query() {
    return { text: this.#input.value, regex: isPressed(byId('search-regex')), exactCase: isPressed(byId('search-case')) };
  }

  #isNew() {
    const [now, last] = [this.#query(), this.#search.query];
    if (last?.errors && now.text === '') return false;
    return !last || ['text', 'regex', 'exactCase'].some((key) => now[key] !== last[key]) || this.#search.state === 'failed';
  }

  #start() {
    const query = this.#query();
    if (query.text === '') this.clear(); else this.#run(query, this.#pane.firstLine);
  }

  #run(query, from) {
    [this.#line, this.#from] = [null, from];
    this.#search.run(query);
  }

  #changed() {
    const { matches, state } = this.#search;
    if (this.#from !== null && state && state !== 'failed') {
      const place = this.#search.placeOf(this.#from);
      if (place < matches.length) this.#goTo(matches[place]);
      else if (state === 'done' && matches.length > 0) this.#goTo(matches[0]);
    }
    this.#say();
    this.#pane.redraw();
  }

  #goTo(line) {
    [this.#line, this.#from] = [line, null];
    this.#reveal = line;
    this.#say();
    this.#pane.jump(line, { unlessSeen: true });
  }

  #say() {
    const { matches, state, isCut, problem, query } = this.#search;
    const count = `${matches.length.toLocaleString('en')}${isCut ? '+' : ''}`;
    const what = query?.errors ? (matches.length === 1 ? ' error line' : ' error lines') : '';
    let text = '';
    if (state === 'failed') text = problem;
    else if (this.#line !== null) text = `${this.#which()} of ${count}${what}`;
    else if (state === 'searching') text = 'searching …';
    else if (state === 'done') text = query.errors ? 'no line looks like an error' : matches.length === 0 ? 'no match' : `${count} lines`;
    const output = byId('search-state');
    setText(output, text);
    output.title = isCut ? `More than ${MOST_MATCHES.toLocaleString('en')} lines match` : '';
    output.dataset.state = state === 'failed' ? 'failed' : state === 'done' && matches.length === 0 ? 'none' : '';
    output.setAttribute('aria-busy', String(state === 'searching'));
    this.#input.setAttribute('aria-invalid', String(state === 'failed'));
    for (const id of ['search-next', 'search-previous']) byId(id).disabled = matches.length === 0 && !this.#input.value;
  }

  #which() {
    const place = this.#search.placeOf(this.#line);
    return place < this.#search.matches.length ? (place + 1).toLocaleString('en') : `line ${this.#line.toLocaleString('en')}`;
  }

  /** Marks the rows that match. */
  decorate(row, line) {
    const isMatch = this.#search.state !== null && this.#search.matchesLine(line, row.lastElementChild.textContent);
    row.classList.toggle('match', isMatch);
    row.classList.toggle('match-now', isMatch && this.#line === line);
  }

  /** Highlights what matches within the rows on the screen. */
  drawn(rows) {
    if (!CSS.highlights) { byId('lines').classList.add('marks-rows'); return; }
    const [all, now] = [new Highlight(), new Highlight()];
    byId('lines').classList.toggle('marks-rows', !this.#search.highlight);
    now.priority = 1;
    for (const row of this.#search.highlight ? rows : []) {
      if (!row.classList.contains('match')) continue;
      const isNow = row.classList.contains('match-now');
      const ranges = this.#search.rangesIn(row.querySelector('.line-text'));
      for (const range of ranges) (isNow ? now : all).add(range);
      if (isNow && this.#reveal === row.shownLine.number) {
        this.#reveal = null;
        if (ranges[0]) this.#pane.revealSideways(ranges[0]);
      }
    }
    CSS.highlights.set('match', all);
    CSS.highlights.set('match-now', now);
  }
}
