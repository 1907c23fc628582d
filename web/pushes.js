// The last pushes that forges told of, each with its verdict: why a push did, or did not, build.

import { getJson } from './live.js';
import { byId, ifChanged, reconcile } from './list.js';
import { MEANING, badge, icon, stateOf } from './states.js';
import { buildLink, el, name, repositoryPath, setText, timeAgo, visible } from './text.js';

const SHOWN = 6;
const ASKED = 25;
const CHIPS = 12;

let deliveries;
let all = false;

byId('deliveries-more').addEventListener('click', () => {
  all = !all;
  byId('deliveries-more').setAttribute('aria-expanded', String(all));
  showPushes(lastKnown);
});

/** Asks the service; the last answer stays if it cannot be had. */
export async function learnPushes() {
  try { deliveries = await getJson(`/deliveries?limit=${ASKED}`); } catch { deliveries ??= null; }
}

let lastKnown = new Map();

/** Shows them; `known` has the builds on the page by id. */
export function showPushes(known) {
  lastKnown = known;
  if (deliveries === undefined) return;
  const counted = new Map();
  const keyed = (deliveries ?? []).map((delivery) => {
    const base = `${delivery.received} ${delivery.id ?? ''} ${delivery.repository} ${delivery.ref} ${delivery.verdict}`;
    counted.set(base, (counted.get(base) ?? 0) + 1);
    return { delivery, key: `${base} ${counted.get(base)}`, builds: chipsOf(delivery, known) };
  });
  byId('deliveries-none').hidden = keyed.length > 0;
  setText(byId('deliveries-none'), deliveries === null ? 'The deliveries cannot be read right now.' : 'No webhook has called yet.');
  const more = byId('deliveries-more');
  more.hidden = keyed.length <= SHOWN;
  setText(more, all ? 'Show fewer' : `Show all ${keyed.length}`);
  reconcile(byId('deliveries-list'), all ? keyed : keyed.slice(0, SHOWN), (item) => item.key, () => el('li'), update);
}

function chipsOf(delivery, known) {
  return (delivery.builds ?? []).map((id, at) => {
    const build = known.get(id);
    return build ? { id, state: stateOf(build), script: build.script, number: build.number } : { id, number: null, at: at + 1 };
  });
}

function update(row, { delivery, builds }) {
  ifChanged(row, [delivery, builds], () => row.replaceChildren(
    el('div', { class: 'what' }, whose(delivery), ' ',
      name(String(delivery.ref ?? '').replace(/^refs\/(heads|tags)\//, ''), 'branch'),
      delivery.event && delivery.event !== 'push' ? el('span', { class: 'event' }, visible(delivery.event)) : null),
    el('span', { class: 'when' }, timeAgo(delivery.received)),
    el('div', { class: 'chips' }, badge(delivery.verdict, delivery.verdict), ...builds.slice(0, CHIPS).map(chip),
      builds.length > CHIPS ? el('span', { class: 'reason' }, `and ${builds.length - CHIPS} more`) : null),
    delivery.reason ? el('p', { class: 'reason' }, visible(delivery.reason)) : ''));
}

/** A repository of which nothing was built has no page. */
function whose({ repository, event, builds }) {
  const shown = name(repository ?? event, 'repository');
  return repository && builds?.length ? el('a', { href: repositoryPath(repository) }, shown) : shown;
}

function chip({ id, state, script, number, at }) {
  if (number === null) return buildLink(id, `build ${at}`);
  const link = buildLink(id, icon(state), el('span', {}, name(script, 'script'), ' ', el('span', { class: 'number' }, `#${number}`), ' ',
    el('span', { class: 'chip-state' }, MEANING[state])));
  link.className = 'chip';
  link.dataset.state = state;
  return link;
}
