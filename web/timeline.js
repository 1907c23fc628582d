// Stages of a build side by side, each as wide as it was long, and each leading to its place in the log.

import { isFinished } from './states.js';
import { duration, el, elapsed, now } from './text.js';

/** Stages with their ends: [{ stage, attempt, started, ended, offset }]; the last of a running build has no end. */
export function spans(build) {
  const stages = build.stages ?? [];
  return stages.map((stage, at) => ({ ...stage, ended: stages[at + 1]?.started ?? build.ended ?? null }));
}

/** Shows them in `list`; `go` leads to a byte of the log. */
export function showTimeline(list, build, go) {
  const all = spans(build);
  list.hidden = all.length === 0;
  const attempts = new Set(all.map((span) => span.attempt)).size;
  list.replaceChildren(...all.map((span, at) => {
    const isNow = at === all.length - 1 && !isFinished(build);
    const length = (span.ended ?? now()) - span.started;
    const time = span.ended ? short(length) : isNow ? elapsed(span.started) : '';
    const title = attempts > 1 ? `${span.stage}, attempt ${span.attempt}` : span.stage;
    const button = el('button', { type: 'button', title: `Show where the log of “${title}” begins` },
      el('span', { class: 'stage-name' }, span.stage), el('span', { class: 'stage-time' }, time));
    button.addEventListener('click', () => go(span.offset));
    const item = el('li', { 'data-state': isNow ? 'now' : 'done', 'aria-current': isNow ? 'step' : null }, button);
    if (attempts > 1 && span.attempt !== all[at - 1]?.attempt) {
      button.prepend(el('span', { class: 'stage-attempt' }, `attempt ${span.attempt}: `));
    }
    // A short stage stays legible, a long one does not push the others out.
    // Shares below one would leave a part of the row empty.
    item.style.flexGrow = String(Math.max(1, length * 1000));
    return item;
  }));
}

/** Stages are often shorter than a second. */
function short(seconds) {
  return seconds < 9.95 ? `${Math.max(0, seconds).toFixed(1)} s` : duration(seconds);
}
