// One line of a log, or the heading of a section, as elements. Text is only ever text.

import { showLine } from './ansi.js';
import { bytes, el, setText } from './text.js';

/** An empty row for a line; its number is drawn by the style sheet, so that it is never copied. */
export function makeRow(number) {
  const link = el('a', {
    class: 'line-number', href: `#L${number}`, 'data-line': number, 'aria-label': `Line ${number}`, tabindex: '-1',
  });
  return el('div', { class: 'row pending', 'data-line': number }, link, el('span', { class: 'line-text' }));
}

/** Shows a line in its row, if it is not shown yet; true if something changed. */
export function fillRow(row, line, style, rawAddress) {
  const colours = style.classes;
  if (row.shownLine === line && row.shownColours === colours) return false;
  [row.shownLine, row.shownColours] = [line, colours];
  row.classList.remove('pending');
  const text = row.lastElementChild;
  showLine(text, line.text, style);
  if (line.cut) {
    text.append(el('span', { class: 'a-token cut' }, '… of a line of ', bytes(line.bytes), ': ',
      el('a', { href: rawAddress(line) }, 'all of it')));
  }
  return true;
}

/** The heading of a section, with the button that folds it. */
export function makeHeading(toggle) {
  const button = el('button', { type: 'button', class: 'fold' },
    el('span', { class: 'fold-name' }), el('span', { class: 'fold-size' }));
  button.addEventListener('click', toggle);
  return el('h3', { class: 'section' }, button);
}

export function fillHeading(heading, section) {
  const [button] = heading.children;
  const lines = section.to - section.from + 1;
  button.setAttribute('aria-expanded', String(!section.closed));
  setText(button.children[0], section.name);
  setText(button.children[1], `${lines.toLocaleString('en')} ${lines === 1 ? 'line' : 'lines'}`);
}
