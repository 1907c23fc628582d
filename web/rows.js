// Builds as they are shown in lists: a card while one runs, a row while it waits and after it ended.

import { plain } from './ansi.js';
import { ifChanged } from './list.js';
import { badge, stateOf } from './states.js';
import {
  artifactLink, buildLink, bytes, duration, el, elapsed, firstLine, name, now, outsideLink, recipeLink, setText, timeAgo, visible,
} from './text.js';

const TAIL_LINES = 8;

function title(build) {
  return buildLink(build.id, name(build.repository, 'repository'), ' ', name(build.branch, 'branch'));
}

function facts(build) {
  return el('span', { class: 'facts-line' },
    recipeLink(build, name(build.script, 'script')),
    build.tag ? name(build.tag, 'tag') : null,
    el('span', { class: 'number' }, `#${build.number}`));
}

const author = (text) => el('bdi', { class: 'author', title: visible(text) }, visible(text));

export function commitLine(build) {
  const head = build.commits?.at(-1) ?? {};
  const short = el('code', { class: 'commit' }, String(build.commit ?? '').slice(0, 10));
  return el('p', { class: 'commit-line' }, outsideLink(head.url, short), ' ',
    el('bdi', { class: 'subject', title: visible(head.message) }, firstLine(head.message)), ' ',
    author(head.author?.name || head.author?.username || build.author?.name));
}

// ---- Running ----

export function makeCard(build) {
  const said = `${visible(build.repository)} ${visible(build.branch)}`;
  return el('li', { class: 'card' },
    el('div', { class: 'card-head' },
      el('div', { class: 'card-title' }, el('h3', {}, title(build)), el('span', { class: 'stage' })),
      el('p', { class: 'card-facts' }, facts(build), el('span', { class: 'attempt' })),
      commitLine(build)),
    el('div', { class: 'pace' },
      el('progress', { class: 'bar-of-time', max: '1', 'aria-label': `Time of ${said}, against what it usually takes` }),
      elapsed(build.started ?? build.queued),
      el('span', { class: 'against' })),
    el('pre', { class: 'tail', tabindex: '0', role: 'log', 'aria-live': 'off', 'aria-label': `Last lines of the log of ${said}` }));
}

export function updateCard(card, build, text) {
  const part = (selector) => card.querySelector(selector);
  ifChanged(card, [build.status, build.attempt, build.started, build.usual], () => {
    part('.stage').replaceChildren(badge('running', build.status));
    setText(part('.attempt'), build.attempt > 1 ? `attempt ${build.attempt}` : '');
    part('.elapsed').dataset.since = build.started ?? build.queued;
    card.dataset.usual = build.usual ?? '';
  });
  keepPace(card);
  const tail = part('.tail');
  const lines = plain(text).trimEnd().split('\n').slice(-TAIL_LINES).join('\n');
  if (tail.textContent !== (lines || 'No output yet.')) {
    setText(tail, lines || 'No output yet.');
    tail.classList.toggle('silent', !lines);
    tail.scrollTop = tail.scrollHeight;
  }
}

/** How far a running build is, measured by what it usually takes. */
export function keepPace(card) {
  const bar = card.querySelector('.bar-of-time');
  const against = card.querySelector('.against');
  const took = Math.max(0, now() - Number(card.querySelector('.elapsed').dataset.since));
  const usual = Number(card.dataset.usual);
  bar.hidden = !usual;
  if (!usual) { setText(against, 'first of its kind'); return; }
  const share = Math.min(1, took / usual);
  if (Math.abs(bar.value - share) > 0.002 || share === 1) bar.value = share;
  const over = took > usual * 1.1 && took - usual > 2;
  card.toggleAttribute('data-late', over);
  setText(against, over ? `${duration(took - usual)} longer than usual` : `of about ${duration(Math.max(1, usual))}`);
}

// ---- Waiting ----

export function makeQueued(build) {
  return el('li', {},
    el('span', { class: 'position' }),
    el('div', { class: 'what' }, el('span', { class: 'title' }, title(build)), facts(build), commitLine(build)),
    el('span', { class: 'when' }, 'for ', elapsed(build.queued)),
    el('p', { class: 'reason' }));
}

export function updateQueued(row, { build, position, reason }) {
  const failed = build.error ? `Attempt ${build.attempt} failed: ${visible(build.error)}.` : '';
  const why = reason && !(build.error && reason.includes(build.error)) ? `Waits: ${visible(reason)}.` : '';
  setText(row.querySelector('.position'), `${position}.`);
  const reasons = row.querySelector('.reason');
  setText(reasons, [failed, why || (failed ? visible(reason || 'It will be tried again.') : 'Waits for its turn.')].filter(Boolean).join(' '));
  reasons.classList.toggle('error-line', Boolean(failed));
}

// ---- Ended ----

export function makeEnded(build) {
  const state = stateOf(build);
  const took = build.started && build.ended ? duration(build.ended - build.started) : '–';
  return el('li', { 'data-state': state },
    badge(state),
    el('span', { class: 'title' }, title(build)),
    commitLine(build),
    el('span', { class: 'took', title: tookTitle(build) }, took),
    el('span', { class: 'when' }, build.ended ? timeAgo(build.ended) : ''),
    el('div', { class: 'below' }, facts(build), endedLine(build)));
}

function tookTitle(build) {
  return build.usual ? `Duration; about ${duration(build.usual)} was usual when it began` : 'Duration';
}

function endedLine(build) {
  if (build.artifact) {
    return el('p', { class: 'artifact-line' }, artifactLink(build.artifact),
      build.artifact_size === null ? null : el('span', { class: 'size' }, bytes(build.artifact_size)));
  }
  return build.error ? el('p', { class: 'error-line' }, visible(build.error)) : null;
}
