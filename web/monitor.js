// The monitor: what runs, what waits, what ended, and why a push did or did not build.
//
// Elements are kept by build id and changed in place: a change of one build never redraws another,
// so nothing flickers and the keyboard's focus stays where it is.

import { Live, getJson, showConnection } from './live.js';
import { plain } from './ansi.js';
import { MEANING, badge, stateOf } from './states.js';
import {
  artifactLink, bytes, buildLink, duration, el, elapsed, firstLine, name, now, outsideLink, setText, tick, timeAgo, visible,
} from './text.js';

const TAIL_LINES = 10;
const TAIL_KEPT = 16 * 1024;
const QUEUE_SHOWN = 15;
const REASONS_EVERY = 15000;

const byId = (id) => document.getElementById(id);
const model = { status: null, history: null, tails: new Map(), catalog: undefined, deliveries: undefined };
let drawing = 0;

function draw() {
  if (!drawing) drawing = requestAnimationFrame(() => { drawing = 0; render(); });
}

/** Makes a list show these items in this order, keeping the elements of items that stay. */
function reconcile(list, items, keyOf, make, update) {
  const old = new Map([...list.children].map((element) => [element.dataset.key, element]));
  let place = list.firstElementChild;
  for (const item of items) {
    const key = keyOf(item);
    let element = old.get(key);
    if (!element) {
      element = make(item);
      element.dataset.key = key;
    }
    old.delete(key);
    update(element, item);
    if (element === place) place = place.nextElementSibling;
    else list.insertBefore(element, place);
  }
  for (const element of old.values()) element.remove();
}

/** Redraws an element only when what it shows has changed. */
function ifChanged(element, facts, redraw) {
  const shown = JSON.stringify(facts);
  if (element.dataset.shown === shown) return;
  element.dataset.shown = shown;
  redraw();
}

function title(build) {
  return buildLink(build.id,
    name(build.repository, 'repository'), ' ',
    name(build.branch, 'branch'));
}

function facts(build) {
  return el('span', { class: 'facts-line' }, name(build.script, 'script'), build.tag ? name(build.tag, 'tag') : null,
    el('span', { class: 'number' }, `#${build.number}`));
}

function commitLine(build) {
  const head = build.commits?.at(-1) ?? {};
  const short = el('code', { class: 'commit' }, String(build.commit ?? '').slice(0, 10));
  return el('p', { class: 'commit-line' }, outsideLink(head.url, short), ' ',
    el('bdi', { class: 'subject', title: visible(head.message) }, firstLine(head.message)), ' ',
    el('bdi', { class: 'author' }, visible(head.author?.name || head.author?.username || '')));
}

function makeCard() {
  return el('li', { class: 'card' }, el('div', { class: 'card-head' }), el('pre', { class: 'tail', tabindex: '0' }));
}

function updateCard(card, build) {
  const [head, tail] = card.children;
  ifChanged(card, [build.status, build.attempt, build.started], () => {
    const stage = badge('running', build.status);
    head.replaceChildren(
      el('div', { class: 'card-title' }, el('h3', {}, title(build)), stage, elapsed(build.started ?? build.queued)),
      facts(build),
      build.attempt > 1 ? el('span', { class: 'attempt' }, `attempt ${build.attempt}`) : '',
      commitLine(build));
    tail.setAttribute('aria-label', `Last lines of the log of ${visible(build.repository)} ${visible(build.branch)}`);
  });
  const text = plain(model.tails.get(build.id)?.text ?? '').trimEnd().split('\n').slice(-TAIL_LINES).join('\n');
  setText(tail, text || 'No output yet.');
  tail.classList.toggle('silent', !text);
  tail.scrollTop = tail.scrollHeight;
}

function updateQueued(row, { build, position }) {
  ifChanged(row, [position, build.error], () => row.replaceChildren(
    el('span', { class: 'position' }, `${position}.`),
    el('div', { class: 'what' }, el('span', { class: 'title' }, title(build)), facts(build), commitLine(build)),
    el('span', { class: 'when' }, 'waiting ', elapsed(build.queued)),
    build.error ? el('p', { class: 'error-line' }, `Attempt ${build.attempt} failed: ${visible(build.error)}. It will be tried again.`) : ''));
}

function updateEnded(row, build) {
  ifChanged(row, [build.outcome, build.ended], () => {
    const state = stateOf(build);
    row.dataset.state = state;
    const took = build.started && build.ended ? duration(build.ended - build.started) : '–';
    row.replaceChildren(
      badge(state),
      el('div', { class: 'what' }, el('span', { class: 'title' }, title(build)), facts(build)),
      commitLine(build),
      el('span', { class: 'took', title: 'Duration' }, took),
      el('span', { class: 'when' }, build.ended ? timeAgo(build.ended) : ''),
      endedLine(build));
  });
}

function endedLine(build) {
  if (build.artifact) {
    return el('p', { class: 'artifact-line' }, artifactLink(build.artifact),
      build.artifact_size ? el('span', { class: 'size' }, bytes(build.artifact_size)) : null);
  }
  return build.error ? el('p', { class: 'error-line' }, visible(build.error)) : '';
}

function updateDelivery(row, delivery) {
  ifChanged(row, delivery, () => row.replaceChildren(
    badge(delivery.verdict, delivery.verdict),
    el('span', { class: 'when' }, timeAgo(delivery.received)),
    el('div', { class: 'what' }, name(delivery.repository ?? delivery.event, 'repository'), ' ',
      name(String(delivery.ref ?? '').replace(/^refs\/(heads|tags)\//, ''), 'branch'),
      delivery.event && delivery.event !== 'push' ? el('span', { class: 'event' }, visible(delivery.event)) : null),
    delivery.reason ? el('p', { class: 'reason' }, visible(delivery.reason)) : '',
    delivery.builds?.length ? el('p', { class: 'builds' }, ...delivery.builds.slice(0, 8).map((id, at) =>
      buildLink(id, delivery.builds.length > 1 ? `build ${at + 1}` : 'build'))) : ''));
}

function updateProblem(item, problem) {
  ifChanged(item, problem, () => {
    const place = [problem.path, problem.line, problem.column].filter((part) => part || part === 0).join(':');
    item.replaceChildren(
      el('p', { class: 'place' }, visible(place)),
      el('p', { class: 'problem' }, visible(problem.message)),
      problem.text ? el('pre', { tabindex: '0', 'aria-label': 'The line in the file' }, plain(problem.text)) : '',
      problem.help ? el('p', { class: 'help' }, visible(problem.help)) : '');
  });
}

function renderCatalog() {
  const { catalog } = model;
  if (catalog === undefined) return;
  const problems = catalog?.problems ?? [];
  byId('catalog').dataset.problems = problems.length;
  reconcile(byId('catalog-problems'), problems, (problem) => JSON.stringify(problem), () => el('li'), updateProblem);
  byId('trouble').hidden = problems.length === 0;
  setText(byId('trouble'), problems.length === 1 ? '1 problem' : `${problems.length} problems`);
  byId('trouble').title = 'Problems in the configuration repository';
  const state = byId('catalog-state');
  ifChanged(state, [catalog?.revision, catalog?.loaded, catalog?.recipes, problems.length], () => {
    if (!catalog?.revision) {
      state.replaceChildren('The configuration repository has not been read yet.');
      return;
    }
    const recipes = `${catalog.recipes} ${catalog.recipes === 1 ? 'recipe' : 'recipes'} at `;
    const trouble = { 0: '', 1: ' One problem; its branch keeps its last good version.' }[problems.length]
      ?? ` ${problems.length} problems; their branches keep their last good version.`;
    state.replaceChildren(recipes, el('code', {}, visible(catalog.revision).slice(0, 10)),
      ...(catalog.loaded ? [', read ', timeAgo(catalog.loaded)] : []), '.', trouble);
  });
}

function renderDeliveries() {
  const { deliveries } = model;
  if (deliveries === undefined) return;
  const counted = new Map();
  const keyed = (deliveries ?? []).map((delivery) => {
    const base = `${delivery.received} ${delivery.id ?? ''} ${delivery.repository} ${delivery.ref} ${delivery.verdict}`;
    counted.set(base, (counted.get(base) ?? 0) + 1);
    return { delivery, key: `${base} ${counted.get(base)}` };
  });
  byId('deliveries-none').hidden = keyed.length > 0;
  setText(byId('deliveries-none'), deliveries === null ? 'The deliveries cannot be read right now.' : 'No webhook has called yet.');
  reconcile(byId('deliveries-list'), keyed.slice(0, 25), (item) => item.key, () => el('li'),
    (row, item) => updateDelivery(row, item.delivery));
}

function render() {
  const builds = Object.values(model.status ?? {});
  const waiting = builds.filter((build) => build.status === 'queued').sort((a, b) => (a.id < b.id ? -1 : 1));
  const running = builds.filter((build) => build.status !== 'queued').sort((a, b) => (a.started ?? 0) - (b.started ?? 0) || (a.id < b.id ? -1 : 1));
  const known = model.status !== null && model.history !== null;
  const empty = known && builds.length === 0 && model.history.length === 0;

  byId('welcome').hidden = !empty;
  byId('running').hidden = empty;
  byId('history').hidden = empty;
  byId('running-none').hidden = !known || running.length > 0;
  setText(byId('running-count'), String(running.length));
  reconcile(byId('running-list'), running, (build) => build.id, makeCard, updateCard);

  byId('queue').hidden = waiting.length === 0;
  setText(byId('queue-count'), String(waiting.length));
  const positions = waiting.slice(0, QUEUE_SHOWN).map((build, at) => ({ build, position: at + 1 }));
  reconcile(byId('queue-list'), positions, (item) => item.build.id, () => el('li'), updateQueued);
  byId('queue-more').hidden = waiting.length <= QUEUE_SHOWN;
  setText(byId('queue-more'), `and ${waiting.length - QUEUE_SHOWN} more`);

  byId('history-none').hidden = !known || model.history.length > 0;
  reconcile(byId('history-list'), model.history ?? [], (build) => build.id, () => el('li'), updateEnded);

  renderCatalog();
  renderDeliveries();
  if (known) {
    setText(byId('summary'), `${running.length} running, ${waiting.length} queued`);
    document.title = running.length + waiting.length > 0 ? `(${running.length + waiting.length}) autobuilder` : 'autobuilder';
  }
}

function announceEnds(before, after) {
  if (!before) return;
  const known = new Set(before.map((build) => build.id));
  const ended = after.filter((build) => !known.has(build.id));
  if (ended.length === 0) return;
  const [first] = ended;
  const said = `${visible(first.repository)} ${visible(first.branch)}: ${MEANING[stateOf(first)]}`;
  byId('announcer').textContent = ended.length === 1 ? said : `${said}, and ${ended.length - 1} more builds ended`;
}

async function learnReasons() {
  const [catalog, deliveries] = await Promise.allSettled([getJson('/api/catalog'), getJson('/deliveries')]);
  model.catalog = catalog.value ?? model.catalog ?? null;
  model.deliveries = deliveries.value ?? model.deliveries ?? null;
  draw();
}

let reasonsSoon = 0;
function learnReasonsSoon() {
  clearTimeout(reasonsSoon);
  reasonsSoon = setTimeout(learnReasons, 700);
}

/** Tails grow by updates; where none come, or some were missed, the status brings the last lines. */
function keepTails(builds) {
  const kept = live.state === 'live' ? model.tails : new Map();
  const seed = (build) => ({ text: build.monitor ? `${build.monitor}\n` : '', end: null });
  model.tails = new Map(builds.map((build) => [build.id, kept.get(build.id) ?? seed(build)]));
}

const connection = byId('connection');
const live = new Live({
  state: (state) => {
    showConnection(connection, state);
    if (state === 'live') model.tails.clear();
  },
  status: (status) => {
    model.status = status;
    keepTails(Object.values(status));
    learnReasonsSoon();
    draw();
  },
  history: (history) => {
    announceEnds(model.history, history);
    model.history = history;
    draw();
  },
  update: ({ id, line, offset, end }) => {
    const tail = model.tails.get(id);
    if (!tail) return;
    const joins = tail.end === null || tail.end === offset;
    tail.text = ((joins ? tail.text : '') + line).slice(-TAIL_KEPT);
    tail.end = end;
    draw();
  },
  skipped: () => model.tails.clear(),
});

setText(byId('hook-address'), `${location.origin}/hook/monitor-watch`);
learnReasons();
setInterval(() => { if (!document.hidden) learnReasons(); }, REASONS_EVERY);
setInterval(tick, 1000);
document.addEventListener('visibilitychange', () => { if (!document.hidden) tick(); });
