// One repository: its branches with their last builds and badges, and how a recipe's builds went.

import { byId, framed, ifChanged, reconcile, soon } from './list.js';
import { Live, getJson, showConnection } from './live.js';
import { Plot } from './plot.js';
import { commitLine } from './rows.js';
import { badge, isFinished, stateOf } from './states.js';
import {
  artifactLink, buildLink, bytes, duration, el, elapsed, name, repositoryPath, roundDuration, setText, tick, timeAgo, visible,
} from './text.js';

// All parts are here: see again.js.
document.documentElement.dataset.started = '';

const RETRY = 3000;

const path = location.pathname.replace(/^\/repo\//, '').split('/').filter(Boolean);
const repository = path.map(decodeURIComponent).join('/');
const api = `/api/repositories/${path.join('/')}`;

const model = { known: null, missing: false, wanted: {}, series: null };
const draw = framed(render);

const plots = {
  duration: new Plot(byId('duration'), {
    title: 'Duration', value: (build) => build.duration, text: (value) => duration(value, true), tick: roundDuration, least: 1,
    bases: [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800, 86400],
    hint: 'Each point is a build. A dashed line is what is usual.', none: 'No build of this recipe has run to an end yet.',
  }),
  size: new Plot(byId('size'), {
    title: 'Size of the artifact', value: (build) => build.size, text: bytes, tick: bytes, least: 16,
    bases: [16, 64, 256, ...[1, 2, 3].flatMap((power) => [1, 2, 4, 8, 16, 32, 64, 128, 256, 512].map((step) => step * 1024 ** power))],
    hint: 'Each point is a published artifact.', none: 'No build of this recipe has published an artifact yet.',
  }),
};

// ---- Branches ----

function recipes() {
  return (model.known?.branches ?? []).flatMap((branch) => branch.builds.map((build) => ({ branch, build })));
}

/** The recipe that the address names; the one built last if it names none. */
function chosen() {
  const { branch, script } = model.wanted;
  const all = recipes();
  return all.find(({ build }) => build.branch === branch && (!script || build.script === script)) ?? (branch ? null : all[0] ?? null);
}

function render() {
  if (!model.known) {
    setText(byId('about'), model.missing ? 'Nothing was built of this repository, and no file of the configuration repository is about it.' : 'It cannot be read right now; trying again.');
    return;
  }
  const { branches, files } = model.known;
  byId('branches').hidden = branches.length === 0;
  setText(byId('branches-count'), String(branches.length));
  const hidden = model.known.recipes - recipes().length;
  byId('branches-more').hidden = hidden <= 0;
  setText(byId('branches-more'), `and ${hidden} that were built longer ago`);
  ifChanged(byId('about'), [files, branches.length > 0], () => byId('about').replaceChildren(...about(files, branches.length > 0)));
  reconcile(byId('branches-list'), branches, (branch) => branch.ref, makeBranch, updateBranch);
  renderRecipe();
}

function about(files, built) {
  const code = files.slice(0, 5).flatMap((file, at) => [at ? ', ' : '', el('code', {}, visible(file))]);
  const where = files.length === 0 ? ['No file of the configuration repository is about it any more.']
    : ['Built by ', ...code, files.length > 5 ? ` and ${files.length - 5} more files.` : '.'];
  return built ? where : [...where, ' Nothing has been built yet: push to it.'];
}

function makeBranch(branch) {
  const markdown = `[![${branch.branch.replace(/[\\[\]]/g, '\\$&')}](${branch.badge})](${model.known.page})`;
  const copy = el('button', { type: 'button' }, 'Copy badge');
  const source = el('input', { readonly: '', 'aria-label': `Markdown of the badge of ${visible(branch.branch)}` });
  source.value = markdown;
  copy.addEventListener('click', () => copyText(source, copy));
  source.addEventListener('focus', () => source.select());
  const kind = branch.ref.startsWith('refs/tags/') ? 'tag' : '';
  return el('li', {},
    el('h3', { class: 'branch-name' }, name(branch.branch, `branch ${kind}`)),
    el('div', { class: 'badge-box' }, el('img', { class: 'picture', alt: '', height: '20' }), source, copy),
    el('ul', { class: 'recipes' }));
}

async function copyText(source, button) {
  source.select();
  let copied = true;
  // Pages without TLS have no clipboard; what is selected can be copied by hand.
  try { await navigator.clipboard.writeText(source.value); } catch { copied = false; }
  setText(button, copied ? 'Copied' : 'Press Ctrl+C');
  byId('announcer').textContent = copied ? 'The Markdown of the badge is copied.' : 'The Markdown of the badge is selected.';
  setTimeout(() => setText(button, 'Copy badge'), 2500);
}

function updateBranch(row, branch) {
  ifChanged(row.querySelector('.picture'), branch.builds.map((build) => [build.id, build.outcome]), () => {
    // Not the public address, as the page may be read under another one.
    const branchPath = branch.branch.split('/').map(encodeURIComponent).join('/');
    row.querySelector('.picture').src = `/badge/${path.join('/')}/${branchPath}.svg?of=${encodeURIComponent(branch.builds[0].id)}`;
  });
  reconcile(row.querySelector('.recipes'), branch.builds, (build) => build.script, makeRecipe, updateRecipe);
}

function makeRecipe(build) {
  const plotted = el('a', { class: 'recipe', href: repositoryPath(repository, build.branch, build.script) }, name(build.script, 'script'));
  plotted.addEventListener('click', (event) => {
    if (event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    history.pushState(null, '', plotted.href);
    readAddress();
    byId('recipe').scrollIntoView({ block: 'nearest' });
  });
  return el('li', {}, plotted, el('div', { class: 'last' }));
}

function updateRecipe(row, build) {
  const current = chosen()?.build;
  const link = row.querySelector('.recipe');
  if (current && current.branch === build.branch && current.script === build.script) link.setAttribute('aria-current', 'true');
  else link.removeAttribute('aria-current');
  ifChanged(row, [build.id, build.status, build.outcome], () => {
    const state = stateOf(build);
    row.querySelector('.last').replaceChildren(
      badge(state, state === 'running' ? build.status : undefined),
      buildLink(build.id, `#${build.number}`),
      commitLine(build),
      el('span', { class: 'took' }, isFinished(build) ? (build.started ? duration(build.ended - build.started) : '–') : build.started ? elapsed(build.started) : ''),
      el('span', { class: 'when' }, timeAgo(build.ended ?? build.started ?? build.queued)),
      build.artifact ? el('p', { class: 'artifact-line' }, artifactLink(build.artifact_link ?? build.artifact), el('span', { class: 'size' }, bytes(build.artifact_size ?? 0))) : '',
      !build.artifact && build.error ? el('p', { class: 'error-line' }, visible(build.error)) : '');
  });
}

// ---- One recipe ----

function renderRecipe() {
  const recipe = chosen();
  const section = byId('recipe');
  section.hidden = recipe === null;
  if (!recipe) return;
  const { branch, script } = recipe.build;
  ifChanged(byId('recipe-title'), [branch, script], () => byId('recipe-title').replaceChildren(name(branch, 'branch'), ' ', name(script, 'script')));
  const series = model.series?.branch === branch && model.series?.script === script ? model.series.builds : null;
  section.toggleAttribute('data-waiting', series === null);
  if (!series) return;
  ifChanged(section, series.map((build) => build.id), () => {
    const usual = usualOf(series);
    setText(byId('recipe-about'), said(series, usual));
    const oldestFirst = [...series].reverse();
    plots.duration.show(oldestFirst, usual);
    plots.size.show(oldestFirst);
    byId('table').replaceChildren(...series.map(tableRow));
  });
}

/** As the service says what is usual: the median of the last ten successes. */
function usualOf(series) {
  const took = series.filter((build) => build.outcome === 'success' && build.duration !== null).slice(0, 10)
    .map((build) => build.duration).sort((a, b) => a - b);
  if (took.length === 0) return null;
  return (took[Math.floor((took.length - 1) / 2)] + took[Math.floor(took.length / 2)]) / 2;
}

function said(series, usual) {
  if (series.length === 0) return 'No build of this recipe has ended yet.';
  const good = series.filter((build) => build.outcome === 'success').length;
  const usually = usual === null ? '' : ` It usually takes ${duration(usual, true)}.`;
  if (series.length === 1) return `One build has ended.${usually}`;
  return `Of the last ${series.length} builds ${good === series.length ? 'all' : good || 'none'} succeeded.${usually}`;
}

function tableRow(build) {
  return el('tr', {},
    el('th', { scope: 'row' }, buildLink(build.id, `#${build.number}`)),
    el('td', {}, badge(build.outcome)),
    el('td', {}, timeAgo(build.ended)),
    el('td', { class: 'number' }, build.duration === null ? '–' : duration(build.duration, true)),
    el('td', { class: 'number' }, build.size === null ? '–' : bytes(build.size)));
}

// ---- Where it comes from ----

async function learn() {
  try {
    const response = await fetch(api, { headers: { accept: 'application/json' }, cache: 'no-store' });
    model.missing = response.status === 404;
    model.known = response.ok ? await response.json() : model.known;
    if (!response.ok && !model.missing) throw new Error(`it answered ${response.status}`);
  } catch { setTimeout(learn, RETRY); }
  draw();
  await learnSeries();
}

async function learnSeries() {
  const recipe = chosen();
  if (!recipe) return;
  const { branch, script } = recipe.build;
  try { model.series = await getJson(`${api}/series?${new URLSearchParams({ branch, script })}`); } catch { setTimeout(learnSeries, RETRY); return; }
  draw();
}

function readAddress() {
  const query = new URLSearchParams(location.search);
  model.wanted = { branch: query.get('branch') ?? '', script: query.get('script') ?? '' };
  draw();
  learnSeries();
}

const learnSoon = soon(learn, 400);
const concerns = (build) => build.repository === repository;
/** What of the lists is about this repository; it is asked again only when that changes. */
let shown = '';
const facts = { status: '', history: '' };

function noticed(kind, builds) {
  facts[kind] = builds.filter(concerns).map((build) => `${build.id} ${build.status}`).join();
  const now = `${facts.status};${facts.history}`;
  if (now !== shown) learnSoon();
  shown = now;
}

new Live({
  state: (state) => showConnection(byId('connection'), state),
  status: (status) => noticed('status', Object.values(status)),
  history: (history) => noticed('history', history),
});

byId('title').replaceChildren(name(repository, 'repository'));
document.title = `${visible(repository)} · autobuilder`;
addEventListener('popstate', readAddress);
readAddress();
learn();
setInterval(() => tick(), 1000);
