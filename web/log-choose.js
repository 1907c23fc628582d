// Choosing lines: a click on a number, a range with shift, an address that somebody was sent.

import { copyText, hashOf, rangeOf, textOf } from './log-range.js';
import { el } from './text.js';

const byId = (id) => document.getElementById(id);

export class Choose {
  range = null;
  #pane;
  #anchor = null;

  constructor(pane) {
    this.#pane = pane;
    byId('lines').addEventListener('click', (event) => this.#clicked(event));
    window.addEventListener('hashchange', () => this.fromAddress());
    byId('copy').addEventListener('click', () => this.copy());
    byId('go-to').addEventListener('click', () => this.ask());
    byId('line-form').addEventListener('submit', (event) => {
      event.preventDefault();
      this.#asked();
    });
    byId('line-cancel').addEventListener('click', () => byId('line-dialog').close());
  }

  /** Goes where the address says; false if it says nothing. */
  fromAddress() {
    const range = rangeOf(location.hash);
    if (!range) return false;
    this.#anchor = range.from;
    this.#choose(range);
    const { total } = this.#pane.source;
    if (total !== null && range.from > total) this.#pane.announce(`The log has only ${total.toLocaleString('en')} lines.`);
    this.#pane.jump(Math.min(range.from, Math.max(1, total ?? 1)));
    return true;
  }

  clear() {
    if (!this.range) return false;
    this.#choose(null);
    history.replaceState(null, '', location.pathname + location.search);
    return true;
  }

  decorate(row, line) {
    const isChosen = this.range !== null && line >= this.range.from && line <= this.range.to;
    row.classList.toggle('chosen', isChosen);
    if (isChosen) row.setAttribute('aria-current', 'true'); else row.removeAttribute('aria-current');
  }

  #choose(range) {
    this.range = range;
    const count = range ? range.to - range.from + 1 : 0;
    byId('copy').lastChild.textContent = count === 0 ? 'Copy' : count === 1 ? 'Copy line' : `Copy ${count.toLocaleString('en')} lines`;
    this.#pane.redraw();
  }

  #clicked(event) {
    const link = event.target.closest('a.line-number');
    if (!link || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    const line = Number(link.dataset.line);
    if (!event.shiftKey || this.#anchor === null) this.#anchor = line;
    // A click with shift also marks text, which nobody meant.
    if (event.shiftKey) getSelection()?.removeAllRanges();
    this.#keep({ from: Math.min(this.#anchor, line), to: Math.max(this.#anchor, line) });
  }

  #keep(range) {
    this.#choose(range);
    history.replaceState(null, '', hashOf(range));
    this.#pane.stay();
    this.#pane.announce(range.from === range.to ? `Line ${range.from}` : `Lines ${range.from} to ${range.to}`);
  }

  /** Asks for a line, or a range. */
  ask() {
    const field = byId('line-field');
    field.value = this.range ? hashOf(this.range).slice(1).replaceAll('L', '') : '';
    field.removeAttribute('aria-invalid');
    byId('line-dialog').showModal();
    field.select();
  }

  #asked() {
    const field = byId('line-field');
    const range = rangeOf(`#L${field.value.replaceAll(/[\s,.L#]/gi, '').replace('–', '-')}`);
    if (!range) {
      field.setAttribute('aria-invalid', 'true');
      field.focus();
      return;
    }
    byId('line-dialog').close();
    this.#anchor = range.from;
    this.#keep(range);
    this.#pane.jump(Math.min(range.from, Math.max(1, this.#pane.source.total ?? 1)));
    byId('log').focus({ preventScroll: true });
  }

  /** Copies the chosen lines, or else the whole log. */
  async copy() {
    const range = this.range ?? { from: 1, to: Infinity };
    const said = await copyText(textOf(this.#pane.source, range)).then(() => 'Copied', (error) => error.message);
    this.#pane.announce(said);
    const button = byId('copy');
    const note = el('span', { class: 'said' }, said);
    button.querySelector('.said')?.remove();
    button.prepend(note);
    setTimeout(() => note.remove(), 2500);
  }
}
