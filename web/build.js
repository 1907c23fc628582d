// One build: everything known about it, and its log as it grows.

import { showFacts, showGlance, showMessage, showPace, sentence, tickPace } from './facts.js';
import { Live, getJson, showConnection } from './live.js';
import { LogPane } from './log.js';
import { MEANING, icon, isFinished, stateOf } from './states.js';
import { el, historyLink, name, repositoryPath, tick, visible } from './text.js';
import { showTimeline } from './timeline.js';

// All parts are here: see again.js.
document.documentElement.dataset.started = '';

const FACTS = 'autobuilder.facts';
const byId = (id) => document.getElementById(id);
const id = decodeURIComponent(location.pathname.split('/').filter(Boolean).at(-1) ?? '');
let build = null;
let shown = '';

const follow = (link) => () => { if (!link.hidden) location.assign(link.href); };
const log = new LogPane(id, { previous: follow(byId('previous')), next: follow(byId('next')) });

function showBuild(next) {
  const before = build && stateOf(build);
  // What only the full answer tells is kept until the next one.
  build = { ...build, ...next };
  const now = JSON.stringify({ ...build, monitor: null });
  if (now === shown) return;
  shown = now;
  const state = stateOf(build);
  const said = sentence(state, build);
  byId('title').replaceChildren(el('a', { href: repositoryPath(build.repository) }, name(build.repository, 'repository')), ' ',
    historyLink({ repository: build.repository, branch: build.branch }, 'Finished builds of this branch', name(build.branch, 'branch')), ' ', el('span', { class: 'number' }, `#${build.number}`));
  document.title = `${MEANING[state]} · ${visible(build.repository)} ${visible(build.branch)} #${build.number}`;
  showVerdict(state, said);
  showPace(byId('pace'), build);
  showMessage(byId('message'), build);
  showGlance(byId('glance'), build);
  showTimeline(byId('timeline'), build, (offset) => log.goToStage(offset));
  showFacts(byId('facts'), build);
  for (const way of ['previous', 'next']) {
    byId(way).hidden = !build[way];
    if (build[way]) byId(way).href = `/build/${encodeURIComponent(build[way])}`;
  }
  if (before && before !== state) byId('announcer').textContent = said;
  log.build({ isRunning: !isFinished(build), isQueued: state === 'queued', stages: build.stages });
}

function showVerdict(state, said) {
  byId('verdict-box').dataset.state = state;
  const verdict = byId('verdict');
  verdict.dataset.state = state;
  if (verdict.textContent !== said) verdict.replaceChildren(icon(state), el('span', {}, said));
}

// ---- Keeping up ----

let asking = 0;

/** Asks for all that is known; soon, so that a burst of changes is one question. */
function ask(wait = 200) {
  clearTimeout(asking);
  asking = setTimeout(async () => {
    try {
      const found = await getJson(`/api/builds/${encodeURIComponent(id)}`);
      if (!build || !isFinished(build) || isFinished(found)) showBuild(found);
    } catch {
      if (!build) showVerdict('cancelled', 'There is no such build here, or it cannot be read right now.');
      // Whatever it was, it may pass.
      if (!build || !isFinished(build)) ask(3000);
    }
  }, wait);
}

function take(builds) {
  const mine = builds.find((candidate) => candidate.id === id);
  if (!mine) return;
  const isNews = !build || build.status !== mine.status || build.attempt !== mine.attempt || build.outcome !== mine.outcome;
  if (isNews && !(build && isFinished(build) && !isFinished(mine))) {
    showBuild(mine);
    ask();
  }
}

const connection = byId('connection');
new Live({
  state: (state) => {
    showConnection(connection, state);
    if (state === 'live') { log.catchUp(); ask(); }
  },
  status: (status) => take(Object.values(status)),
  history: take,
  update: (update) => { if (update.id === id) log.take(update); },
  skipped: () => log.catchUp(),
  polled: () => { if (!build || !isFinished(build)) { log.catchUp(); ask(); } },
}, id);

const facts = byId('facts-box');
// Where there is room for both, the details do not take it from the log.
facts.open = matchMedia('(min-width: 1400px) and (min-height: 1000px)').matches;
try { facts.open = (localStorage.getItem(FACTS) ?? (facts.open ? 'open' : '')) === 'open'; } catch { /* As it is. */ }
facts.querySelector('summary').addEventListener('click', () => {
  try { localStorage.setItem(FACTS, facts.open ? 'closed' : 'open'); } catch { /* It is not remembered. */ }
});

ask(0);
setInterval(() => { tick(); tickPace(byId('pace'), build); }, 1000);
