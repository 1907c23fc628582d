// Which part of the history is shown: filters and pages, kept in the address, so that it can be shared
// and the browser's back button leads back.

import { getJson } from './live.js';
import { byId, soon } from './list.js';
import { el, setText } from './text.js';

const PAGE = 25;
const FILTERS = ['repository', 'branch', 'script', 'author', 'status'];
const KEYS = [...FILTERS, 'before', 'after'];
const TYPING = 350;

export class HistoryView {
  #changed;
  #form = byId('filters');
  /** What the address asks for. */
  #wanted = {};
  /** The answer to it; null while there is none. */
  #answer = null;
  #asked = 0;
  #failed = false;
  /** The field that wrote the last entry of the browser's history while somebody types in it. */
  #typing = null;

  /** `changed` is called when there is something new to show. */
  constructor(changed) {
    this.#changed = changed;
    const typed = soon(() => this.#apply(), TYPING);
    this.#form.addEventListener('submit', (event) => { event.preventDefault(); this.#apply(); });
    this.#form.addEventListener('input', (event) => { if (event.target.matches('input')) typed(); });
    this.#form.addEventListener('change', () => { this.#apply(); this.#typing = null; });
    byId('filters-clear').addEventListener('click', () => this.#go({}));
    for (const id of ['newest', 'newer', 'older']) byId(id).addEventListener('click', (event) => this.#follow(event));
    addEventListener('popstate', () => this.#read());
    this.#read();
  }

  /** Whether the first page of everything is wanted, which comes by itself. */
  get isLive() { return KEYS.every((key) => !this.#wanted[key]); }

  /** Something ended: the page shown may have changed. */
  refresh = soon(() => { if (!this.isLive) this.#ask(); }, 500);

  /** What to show, given the newest builds; null while it is not known. */
  builds(newest) {
    return this.isLive ? newest : this.#answer?.slice(0, PAGE) ?? null;
  }

  /** Shows the pages' links and why nothing is there. */
  render(newest) {
    const builds = this.builds(newest);
    const full = this.isLive ? (newest?.length ?? 0) >= PAGE : (this.#answer?.length ?? 0) > PAGE;
    const { before, after } = this.#wanted;
    this.#link('newest', before || after ? {} : null);
    this.#link('newer', (before || after) && builds?.length ? { after: builds[0].id } : null);
    this.#link('older', builds?.length && (full || after) ? { before: builds.at(-1).id } : null);
    byId('filters-clear').hidden = FILTERS.every((key) => !this.#wanted[key]);
    const nothing = byId('history-none');
    nothing.hidden = builds === null ? !this.#failed : builds.length > 0;
    setText(nothing, this.#nothing());
  }

  #nothing() {
    if (this.#failed) return 'These builds cannot be read right now; trying again.';
    if (this.#wanted.before || this.#wanted.after) return 'There is nothing further.';
    return this.isLive ? 'No build has ended yet.' : 'No finished build fits. Names are taken whole, as they stand in the list.';
  }

  #link(id, page) {
    const link = byId(id);
    link.hidden = page === null;
    if (page !== null) link.href = this.#address({ ...this.#filters(), ...page });
  }

  #filters() {
    return Object.fromEntries(FILTERS.map((key) => [key, this.#wanted[key]]));
  }

  #address(wanted) {
    const query = new URLSearchParams(KEYS.filter((key) => wanted[key]).map((key) => [key, wanted[key]]));
    return `${location.pathname}${query.size ? `?${query}` : ''}`;
  }

  #follow(event) {
    if (event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    const query = new URL(event.currentTarget.href).searchParams;
    this.#go(Object.fromEntries(query));
    byId('history-title').scrollIntoView({ block: 'nearest' });
    byId('history-title').focus({ preventScroll: true });
  }

  #apply() {
    const field = document.activeElement?.closest?.('#filters input') ?? null;
    const wanted = Object.fromEntries(FILTERS.map((key) => [key, this.#form.elements[key].value.trim()]));
    if (FILTERS.every((key) => (this.#wanted[key] ?? '') === wanted[key])) return;
    this.#go(wanted, field !== null && field === this.#typing);
    this.#typing = field;
  }

  #go(wanted, again = false) {
    history[again ? 'replaceState' : 'pushState'](null, '', this.#address(wanted));
    this.#read();
  }

  #read() {
    const query = new URLSearchParams(location.search);
    this.#wanted = Object.fromEntries(KEYS.map((key) => [key, query.get(key) ?? '']));
    for (const key of FILTERS) {
      const field = this.#form.elements[key];
      if (document.activeElement !== field || field.value.trim() !== this.#wanted[key]) field.value = this.#wanted[key];
      // An outcome that nobody can choose is none.
      if (field.matches('select')) this.#wanted[key] = field.value;
    }
    this.#answer = null;
    this.#failed = false;
    if (!this.isLive) this.#ask();
    this.#changed();
  }

  async #ask() {
    const asked = ++this.#asked;
    const query = new URLSearchParams(KEYS.filter((key) => this.#wanted[key]).map((key) => [key, this.#wanted[key]]));
    query.set('limit', PAGE + 1);
    let answer = null;
    try { answer = await getJson(`/build/history?${query}`); } catch { /* said below */ }
    if (asked !== this.#asked) return;
    this.#failed = answer === null;
    if (answer && this.#wanted.after) {
      // The page before the first one is the first one.
      if (answer.length <= PAGE) { this.#go(this.#filters(), true); return; }
      answer = answer.slice(-PAGE);
    }
    this.#answer = answer ?? this.#answer;
    this.#changed();
    if (this.#failed) setTimeout(this.refresh, 3000);
  }
}

/** Offers the names of repositories to whoever types one. */
export async function offerRepositories() {
  try {
    const names = await getJson('/api/repositories');
    byId('repositories').replaceChildren(...names.map((name) => el('option', { value: name })));
  } catch { /* Typing works without. */ }
}
