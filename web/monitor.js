// The monitor: what runs, what waits, what ended, and why a push did or did not build.
//
// The service pushes lists; this page keeps one element for each build and changes it in place, once
// a frame at most, so fifty changes a second neither flicker nor take the focus away.

import { learnCatalog, showCatalog } from './catalog.js';
import { HistoryView, offerRepositories } from './filters.js';
import { byId, framed, keepingFocus, reconcile, soon } from './list.js';
import { Live, getJson, showConnection } from './live.js';
import { learnPushes, showPushes } from './pushes.js';
import { keepPace, makeCard, makeEnded, makeQueued, updateCard, updateQueued } from './rows.js';
import { MEANING, stateOf } from './states.js';
import { el, setText, tick, visible } from './text.js';

// All parts are here: see again.js.
document.documentElement.dataset.started = '';

const TAIL_KEPT = 16 * 1024;
const QUEUE_SHOWN = 10;
const REASONS_EVERY = 15000;
const ANNOUNCED_EVERY = 3000;

const model = { status: null, history: null, tails: new Map(), queue: null, bus: {} };
const draw = framed(() => keepingFocus(render));
const past = new HistoryView(() => draw());
let wholeQueue = false;

// ---- What is shown ----

function render() {
  const builds = Object.values(model.status ?? {});
  const waiting = builds.filter((build) => build.status === 'queued');
  const running = builds.filter((build) => build.status !== 'queued').sort((a, b) => (a.started ?? 0) - (b.started ?? 0) || (a.id < b.id ? -1 : 1));
  const known = model.status !== null && model.history !== null;
  // The service's own readings of the configuration have no image: they are no builds of anybody's.
  const empty = known && builds.length === 0 && model.history.every((build) => build.baseimage === '') && past.isLive;
  byId('welcome').hidden = !empty;
  byId('now').hidden = empty;
  byId('history').hidden = empty;
  renderRunning(running, known);
  renderQueue(waiting);
  reconcile(byId('history-list'), past.builds(model.history) ?? [], (build) => build.id, makeEnded, () => {});
  past.render(model.history);
  byId('history').toggleAttribute('data-waiting', past.builds(model.history) === null);
  renderNotices();
  showCatalog();
  showPushes(new Map([...builds, ...(model.history ?? [])].map((build) => [build.id, build])));
  if (!known) return;
  setText(byId('summary'), summary(running.length, waiting.length));
  document.title = builds.length > 0 ? `(${builds.length}) autobuilder` : 'autobuilder';
}

function summary(running, waiting) {
  const places = model.queue?.places ? ` of ${model.queue.places}` : '';
  return `${running}${running <= (model.queue?.places ?? 0) ? places : ''} running, ${waiting} waiting`;
}

function renderRunning(running, known) {
  byId('running-none').hidden = !known || running.length > 0;
  setText(byId('running-count'), String(running.length));
  reconcile(byId('running-list'), running, (build) => build.id, makeCard,
    (card, build) => updateCard(card, build, model.tails.get(build.id)?.text ?? build.monitor ?? ''));
}

function renderQueue(waiting) {
  const places = new Map((model.queue?.builds ?? []).map((place) => [place.id, place]));
  const far = Number.MAX_SAFE_INTEGER;
  const place = (build) => places.get(build.id)?.position ?? far;
  waiting.sort((a, b) => place(a) - place(b) || (a.id < b.id ? -1 : 1));
  const rows = waiting.map((build, at) => ({ build, position: at + 1, reason: places.get(build.id)?.reason ?? '' }));
  byId('queue').hidden = rows.length === 0;
  setText(byId('queue-count'), String(rows.length));
  const list = byId('queue-list');
  reconcile(list, wholeQueue ? rows : rows.slice(0, QUEUE_SHOWN), (row) => row.build.id, (row) => makeQueued(row.build), updateQueued);
  const more = byId('queue-more');
  more.hidden = rows.length <= QUEUE_SHOWN;
  setText(more, wholeQueue ? 'Show fewer' : `Show all ${rows.length}`);
}

/** What keeps the page or the builds from going on, as sentences. */
function renderNotices() {
  const sentences = [];
  if (live.state === 'offline') sentences.push('The service does not answer. What you see may be old; trying again.');
  const { connected = true, live: isFed = true } = model.bus;
  const polls = 'so nothing arrives by itself: the page asks every 3 seconds instead, and logs move in steps. Builds are not affected.';
  if (!connected && isFed && live.state === 'live') {
    sentences.push('The message bus is away, so relays elsewhere show what was. This page and the builds are not affected.');
  }
  if (!connected && !isFed && live.state !== 'offline') sentences.push(`The message bus is away, ${polls}`);
  if (connected && !isFed && live.state === 'polling') sentences.push(`The service does not reach the message bus, ${polls}`);
  if (model.queue?.trouble && live.state !== 'offline') sentences.push(`No build can start now: ${visible(model.queue.trouble)}.`);
  reconcile(byId('notices'), sentences, (sentence) => sentence, (sentence) => el('p', { class: 'notice' }, sentence), () => {});
}

// ---- Where it comes from ----

let queueAsked = 0;

async function learnQueue() {
  const asked = ++queueAsked;
  let queue = null;
  try { queue = await getJson('/api/queue?limit=1000'); } catch { return; }
  if (asked !== queueAsked) return;
  model.queue = queue;
  draw();
}

async function learnReasons() {
  await Promise.all([learnCatalog(), learnPushes(), learnQueue()]);
  draw();
}

const learnQueueSoon = soon(learnQueue, 150);
const learnReasonsSoon = soon(learnReasons, 700);

/** Tails grow by updates; where none come, or some were missed, the status brings the last lines. */
function keepTails(builds) {
  const kept = live.state === 'live' ? model.tails : new Map();
  const seed = (build) => ({ text: build.monitor ? `${build.monitor}\n` : '', end: null });
  model.tails = new Map(builds.map((build) => [build.id, kept.get(build.id) ?? seed(build)]));
}

/** Who came, went, or began: what the queue's order and reasons depend on. */
function whoWaits(status) {
  return Object.values(status ?? {}).map((build) => `${build.id} ${build.status === 'queued'}`).join();
}

let announced = 0;

function announceEnds(before, after) {
  if (!before || performance.now() - announced < ANNOUNCED_EVERY) return;
  const known = new Set(before.map((build) => build.id));
  const ended = after.filter((build) => !known.has(build.id));
  if (ended.length === 0) return;
  announced = performance.now();
  const [first] = ended;
  const said = `${visible(first.repository)} ${visible(first.branch)}: ${MEANING[stateOf(first)]}`;
  byId('announcer').textContent = ended.length === 1 ? said : `${said}, and ${ended.length - 1} more builds ended`;
}

const live = new Live({
  state: (state) => {
    showConnection(byId('connection'), state);
    if (state === 'live') model.tails.clear();
    draw();
  },
  bus: (bus) => {
    model.bus = bus;
    if (bus.live !== false) model.tails.clear();
    draw();
  },
  status: (status) => {
    if (whoWaits(status) !== whoWaits(model.status)) learnQueueSoon();
    model.status = status;
    keepTails(Object.values(status));
    learnReasonsSoon();
    draw();
  },
  history: (history) => {
    announceEnds(model.history, history);
    model.history = history;
    past.refresh();
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

function everySecond() {
  tick();
  for (const card of byId('running-list').children) keepPace(card);
}

byId('queue-more').addEventListener('click', () => {
  wholeQueue = !wholeQueue;
  byId('queue-more').setAttribute('aria-expanded', String(wholeQueue));
  draw();
});
for (const place of [byId('hook-address'), document.querySelector('.hook-address')]) setText(place, `${location.origin}/hook/monitor-watch`);
learnReasons();
offerRepositories();
setInterval(() => { if (!document.hidden) learnReasons(); }, REASONS_EVERY);
setInterval(everySecond, 1000);
document.addEventListener('visibilitychange', () => { if (!document.hidden) everySecond(); });
