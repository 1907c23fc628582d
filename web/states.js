// States of builds and verdicts: a word, a shape and a colour each, so that none needs colour to be told.

const SVG = 'http://www.w3.org/2000/svg';

// Paths in a 16 by 16 box.
const SHAPES = {
  success: 'M3 8.5l3.2 3.2L13 4.8',
  failure: 'M4 4l8 8M12 4l-8 8',
  error: 'M8 2.600v6.900M8 12.600v.5',
  cancelled: 'M3.500 8h9',
  superseded: 'M3.500 11.500V8a2.500 2.500 0 0 1 2.500-2.500h6M9.500 3l2.500 2.500L9.500 8',
  queued: 'M8 2.500a5.500 5.500 0 1 0 0 11a5.500 5.500 0 1 0 0-11M8 5.200v3.100l2 1.200',
  running: 'M5.500 4l6 4-6 4z',
  accepted: 'M3 8.500l3.200 3.200L13 4.800',
  refused: 'M4 4l8 8M12 4l-8 8',
  ignored: 'M3.500 8h9',
  duplicate: 'M5.500 5.500h7v7h-7zM3.500 10.500v-7h7',
  ping: 'M8 7.500v1',
  copy: 'M5.500 5.500h7v7h-7zM3.500 10.500v-7h7',
};

/** The one word that stands for a build: its outcome, `queued`, or `running`. */
export function stateOf(build) {
  if (build.outcome) return build.outcome;
  if (build.status === 'queued' || build.status === 'success') return build.status;
  // A reader of an older server: an end without an outcome.
  return build.status === 'error' ? 'error' : 'running';
}

export function isFinished(build) {
  return stateOf(build) !== 'queued' && stateOf(build) !== 'running';
}

/** What that state means, for people. */
export const MEANING = {
  success: 'success',
  failure: 'failed',
  error: 'error',
  cancelled: 'cancelled',
  superseded: 'superseded',
  queued: 'queued',
  running: 'running',
};

export function icon(state) {
  const svg = document.createElementNS(SVG, 'svg');
  svg.setAttribute('viewBox', '0 0 16 16');
  svg.setAttribute('class', 'icon');
  svg.setAttribute('aria-hidden', 'true');
  const path = document.createElementNS(SVG, 'path');
  path.setAttribute('d', SHAPES[state] ?? SHAPES.ping);
  svg.append(path);
  return svg;
}

/** Shape and word. */
export function badge(state, word = MEANING[state] ?? state) {
  const span = document.createElement('span');
  span.className = 'badge';
  span.dataset.state = Object.hasOwn(SHAPES, state) ? state : 'ping';
  const label = document.createElement('span');
  label.textContent = word;
  span.append(icon(state), label);
  return span;
}
