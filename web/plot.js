// A plot of one number over the builds of a recipe, as SVG made of elements: each point is a link, the
// style sheet colours it (dark or light), and no policy has to allow anything for it.
//
// The plot is one stop of the keyboard; arrows move along it. What a point says stands below it, for
// mouse, finger and keyboard alike.

import { MEANING } from './states.js';
import { el, moment, setText } from './text.js';

const SVG = 'http://www.w3.org/2000/svg';
const HEIGHT = 190;
const MARGIN = { top: 12, right: 14, bottom: 24, left: 62 };
const TICKS = 4;
// Marks in a 10 by 10 box; a shape for each outcome, so that none needs colour to be told.
const MARKS = {
  success: 'M5 1.500a3.500 3.500 0 1 0 0 7a3.500 3.500 0 1 0 0-7z',
  failure: 'M1.500 1.500l7 7M8.500 1.500l-7 7',
  error: 'M5 1l4 7.500H1z',
  cancelled: 'M1 5h8',
  superseded: 'M1 5h8',
};

function svg(tag, attributes, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

/** A step of 1, 2 or 5 tens (or of what people count by), so that the ticks below `most` are few. */
function stepFor(most, bases) {
  const rough = most / TICKS;
  const found = bases.find((base) => base >= rough);
  if (found) return found;
  const ten = 10 ** Math.floor(Math.log10(rough));
  return [1, 2, 5, 10].map((factor) => factor * ten).find((step) => step >= rough);
}

export class Plot {
  #figure;
  #title;
  #options;
  #points = [];
  #usual = null;
  #chosen = -1;
  #picture = null;
  #said = el('p', { class: 'plot-said', 'aria-hidden': 'true' });

  /** `options`: title, value(build), text(value), tick(value), least, bases (steps people like), hint, none. */
  constructor(figure, options) {
    this.#figure = figure;
    this.#options = options;
    this.#title = el('figcaption', {}, options.title);
    figure.replaceChildren(this.#title, this.#said);
    new ResizeObserver(() => this.#draw()).observe(figure);
  }

  /** Shows these builds, oldest first; `usual` is drawn as a line. */
  show(builds, usual = null) {
    const chosen = this.#points[this.#chosen]?.build.id;
    this.#points = builds.map((build) => ({ build, value: this.#options.value(build) })).filter(({ value }) => value !== null);
    this.#usual = usual;
    this.#chosen = this.#points.findIndex(({ build }) => build.id === chosen);
    this.#draw();
  }

  #draw() {
    const width = Math.floor(this.#figure.clientWidth);
    if (width <= 0) return;
    const hadFocus = this.#picture?.contains(document.activeElement);
    this.#picture?.remove();
    this.#picture = null;
    this.#say(this.#chosen);
    if (this.#points.length === 0) { setText(this.#said, this.#options.none); return; }
    const most = Math.max(...this.#points.map(({ value }) => value), this.#usual ?? 0, this.#options.least);
    const step = stepFor(most, this.#options.bases);
    const top = Math.ceil(most / step) * step;
    const right = width - MARGIN.right;
    const bottom = HEIGHT - MARGIN.bottom;
    const x = (at) => (this.#points.length === 1 ? (MARGIN.left + right) / 2
      : MARGIN.left + 6 + (at * (right - MARGIN.left - 12)) / (this.#points.length - 1));
    const y = (value) => bottom - (value / top) * (bottom - MARGIN.top);
    this.#picture = svg('svg', { class: 'plot-picture', width, height: HEIGHT, viewBox: `0 0 ${width} ${HEIGHT}`, role: 'group', 'aria-label': this.#summary() },
      this.#axes(step, top, right, y), this.#line(x, y), ...this.#usualLine(right, y), ...this.#marks(x, y, width));
    this.#picture.addEventListener('keydown', (event) => this.#key(event));
    this.#said.before(this.#picture);
    if (hadFocus) this.#focus(this.#chosen);
  }

  #summary() {
    const { title, text } = this.#options;
    const values = this.#points.map(({ value }) => value);
    return `${title} of ${values.length} builds, from ${text(Math.min(...values))} to ${text(Math.max(...values))}, the last ${text(values.at(-1))}. Arrow keys move along, Enter opens a build.`;
  }

  #axes(step, top, right, y) {
    const group = svg('g', { class: 'plot-axes', 'aria-hidden': 'true' });
    for (let value = 0; value <= top + step / 2; value += step) {
      group.append(svg('path', { d: `M${MARGIN.left} ${y(value).toFixed(1)}H${right}` }),
        svg('text', { x: MARGIN.left - 8, y: (y(value) + 4).toFixed(1), 'text-anchor': 'end' }, this.#options.tick(value)));
    }
    const day = ({ build }) => new Date(build.ended * 1000).toLocaleDateString(undefined, { dateStyle: 'medium' });
    const [first, last] = [this.#points[0], this.#points.at(-1)];
    if (this.#points.length > 1) group.append(svg('text', { x: MARGIN.left, y: HEIGHT - 6 }, `#${first.build.number}, ${day(first)}`));
    group.append(svg('text', { x: right, y: HEIGHT - 6, 'text-anchor': 'end' }, `#${last.build.number}, ${day(last)}`));
    return group;
  }

  /** Through the successes alone: a failure took as long as it took to fail. */
  #line(x, y) {
    const good = this.#points.map((point, at) => ({ ...point, at })).filter(({ build }) => build.outcome === 'success');
    const path = good.map(({ at, value }, nth) => `${nth ? 'L' : 'M'}${x(at).toFixed(1)} ${y(value).toFixed(1)}`).join('');
    return svg('path', { class: 'plot-line', d: path, 'aria-hidden': 'true' });
  }

  #usualLine(right, y) {
    if (this.#usual === null) return [];
    const at = y(this.#usual).toFixed(1);
    return [svg('path', { class: 'plot-usual', d: `M${MARGIN.left} ${at}H${right}`, 'aria-hidden': 'true' })];
  }

  #marks(x, y, width) {
    const reach = Math.max(6, Math.min(14, width / this.#points.length / 2));
    const stop = this.#chosen >= 0 ? this.#chosen : this.#points.length - 1;
    return this.#points.map((point, at) => {
      const { build } = point;
      const link = svg('a', { href: `/build/${encodeURIComponent(build.id)}`, class: 'plot-point', tabindex: at === stop ? 0 : -1, 'aria-label': this.#sentence(point) },
        svg('circle', { class: 'plot-reach', cx: x(at).toFixed(1), cy: y(point.value).toFixed(1), r: reach.toFixed(1) }),
        svg('path', { d: MARKS[build.outcome] ?? MARKS.cancelled, transform: `translate(${(x(at) - 5).toFixed(1)} ${(y(point.value) - 5).toFixed(1)})` }));
      link.dataset.state = build.outcome;
      link.addEventListener('pointerenter', () => this.#say(at));
      link.addEventListener('pointerleave', () => this.#say(this.#chosen));
      link.addEventListener('focus', () => { this.#chosen = at; this.#stopAt(at); this.#say(at); });
      return link;
    });
  }

  #sentence({ build, value }) {
    return `#${build.number}: ${this.#options.text(value)}, ${MEANING[build.outcome] ?? build.outcome}, ended ${moment(build.ended)}`;
  }

  #say(at) {
    const point = this.#points[at];
    setText(this.#said, point ? this.#sentence(point) : this.#options.hint);
  }

  #links() { return [...this.#picture.querySelectorAll('a')]; }

  #stopAt(at) {
    this.#links().forEach((link, nth) => link.setAttribute('tabindex', nth === at ? 0 : -1));
  }

  #focus(at) { this.#links()[at]?.focus(); }

  #key(event) {
    const last = this.#points.length - 1;
    const from = this.#chosen >= 0 ? this.#chosen : last;
    const to = { ArrowLeft: from - 1, ArrowRight: from + 1, Home: 0, End: last }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    this.#focus(Math.max(0, Math.min(last, to)));
  }
}
