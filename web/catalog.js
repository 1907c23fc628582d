// The configuration repository: which commit of it is in force, and what is wrong in it.

import { plain } from './ansi.js';
import { getJson } from './live.js';
import { byId, ifChanged, reconcile } from './list.js';
import { el, setText, timeAgo, visible } from './text.js';

let catalog;

/** Asks the service; the last answer stays if it cannot be had. */
export async function learnCatalog() {
  try { catalog = await getJson('/api/catalog'); } catch { catalog ??= null; }
}

export function showCatalog() {
  if (catalog === undefined) return;
  const problems = catalog?.problems ?? [];
  const counted = new Map();
  const keyed = problems.map((problem) => {
    const base = JSON.stringify(problem);
    counted.set(base, (counted.get(base) ?? 0) + 1);
    return { problem, key: `${base} ${counted.get(base)}` };
  });
  byId('catalog').dataset.problems = problems.length;
  reconcile(byId('catalog-problems'), keyed, (item) => item.key, makeProblem, () => {});
  const errors = problems.filter((problem) => problem.severity !== 'warning').length;
  const trouble = byId('trouble');
  trouble.hidden = errors === 0 && !catalog?.error;
  setText(trouble, errors === 0 ? 'configuration unread' : `${errors} ${errors === 1 ? 'problem' : 'problems'} in the configuration`);
  const state = byId('catalog-state');
  ifChanged(state, [catalog?.revision, catalog?.loaded, catalog?.recipes, catalog?.error, problems.length, errors], () => {
    state.replaceChildren(...(catalog?.revision ? inForce(errors, problems.length - errors) : ['The configuration repository has not been read yet.']));
  });
  const error = byId('catalog-error');
  error.hidden = !catalog?.error;
  setText(error, catalog?.error ? `It could not be read the last time: ${visible(catalog.error)}. The last good version stays in force.` : '');
}

function inForce(errors, warnings) {
  const words = (count, one, many) => `${count} ${count === 1 ? one : many}`;
  const said = [`${words(catalog.recipes, 'recipe', 'recipes')} of ${words(catalog.repositories, 'repository', 'repositories')} at `,
    el('code', {}, visible(catalog.revision).slice(0, 10))];
  if (catalog.loaded) said.push(', read ', timeAgo(catalog.loaded));
  said.push('.');
  if (errors > 0) said.push(errors === 1 ? ' One problem; its branch keeps its last good version.' : ` ${errors} problems; their branches keep their last good version.`);
  if (warnings > 0) said.push(` ${words(warnings, 'warning', 'warnings')}.`);
  if (errors + warnings === 0) said.push(' Nothing is wrong in it.');
  return said;
}

function makeProblem({ problem }) {
  const place = [problem.path, problem.line, problem.column].filter((part) => part || part === 0).join(':');
  return el('li', { 'data-severity': problem.severity === 'warning' ? 'warning' : 'error' },
    el('p', { class: 'place' }, visible(place)),
    el('p', { class: 'problem' }, visible(problem.message)),
    problem.text ? el('pre', { tabindex: '0', role: 'group', 'aria-label': 'The line in the file' }, plain(problem.text)) : null,
    problem.help ? el('p', { class: 'help' }, visible(problem.help)) : null);
}
