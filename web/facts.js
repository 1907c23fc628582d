// What is known about a build, as words and links; what is not known is left out.

import { icon, isFinished } from './states.js';
import { copyText } from './log-range.js';
import {
  artifactLink, bytes, duration, el, elapsed, firstLine, historyLink, name, now, outsideLink, recipeLink, setText, timeAgo, visible,
} from './text.js';

/** Why a build ended, or how it stands, in one sentence. */
const SENTENCE = {
  success: (it) => (it.artifact ? `Success: published ${visible(it.artifact)}` : 'Success'),
  failure: (it) => `Failed: ${visible(it.error) || 'the script failed'}`,
  error: (it) => `Error: ${visible(it.error) || 'the build could not be finished'}`,
  cancelled: (it) => `Cancelled: ${visible(it.error) || 'somebody ended it'}`,
  superseded: (it) => `Superseded: ${visible(it.error) || 'its commit is no longer on its branch'}`,
  queued: (it) => (it.error ? `Waiting to be tried again: ${visible(it.error)}` : waiting(it.queue)),
  running: (it) => `Running: ${visible(it.status)}`,
};

export const sentence = (state, build) => SENTENCE[state](build);

function waiting(queue) {
  if (!queue?.position) return 'Waiting for its turn';
  const place = queue.position === 1 ? 'Next in the queue' : `Number ${queue.position} in the queue`;
  return queue.reason ? `${place}: ${visible(queue.reason)}` : place;
}

const code = (text) => el('code', {}, visible(text));

/** A button that copies a text; it stands beside what it copies. */
function copyButton(text, what) {
  const button = el('button', { type: 'button', class: 'copy-small', 'aria-label': `Copy ${what}`, title: `Copy ${what}` }, icon('copy'));
  button.addEventListener('click', async () => {
    const done = await copyText(text).then(() => true, () => false);
    button.replaceChildren(icon(done ? 'success' : 'failure'));
    document.getElementById('announcer').textContent = done ? `Copied ${what}` : 'Could not copy';
    setTimeout(() => button.replaceChildren(icon('copy')), 1500);
  });
  return button;
}

function commit(build, head) {
  return el('span', { class: 'with-copy' }, outsideLink(head.url, el('code', { title: build.commit }, visible(build.commit).slice(0, 10))),
    copyButton(build.commit, 'the commit'));
}

const author = (head) => visible([head.author?.name, head.author?.email && `<${head.author.email}>`].filter(Boolean).join(' '));

const branchLink = ({ repository, branch }) =>
  historyLink({ repository, branch }, 'Finished builds of this branch', name(branch, 'branch'));

function authorLink(author) {
  const shown = author?.name || author?.username;
  return shown ? historyLink({ author: author.email || shown }, 'Finished builds of this author', name(shown)) : null;
}

function artifact(build) {
  if (!build.artifact) return null;
  return el('span', {}, artifactLink(build.artifact), build.artifact_size ? el('span', { class: 'size' }, bytes(build.artifact_size)) : null);
}

/** The few things one looks for first. */
export function showGlance(list, build) {
  const head = build.commits?.at(-1) ?? {};
  const isTag = String(build.ref).startsWith('refs/tags/');
  const items = [
    [isTag ? 'Tag' : 'Branch', branchLink(build)],
    ['Commit', commit(build, head)],
    ['Author', authorLink(head.author)],
    ['Script', recipeLink(build, code(build.script))],
    ['Image', code(build.baseimage)],
    ['Attempt', build.attempt > 1 ? String(build.attempt) : null],
    ['Exit code', build.exit_code === null || build.exit_code === undefined ? null : String(build.exit_code)],
    ['Artifact', artifact(build)],
  ];
  list.replaceChildren(...items.filter(([, value]) => value).map(([term, value]) =>
    el('li', {}, el('span', { class: 'term' }, term), ' ', value)));
}

/** Everything, for those who look closer. */
export function showFacts(list, build) {
  const head = build.commits?.at(-1) ?? {};
  // The first line stands above.
  const body = String(head.message ?? '').trim().split('\n').slice(1).join('\n').trim();
  const digest = build.baseimage_digest;
  const rows = [
    ['Repository', name(build.repository)],
    ['Ref', code(build.ref)],
    ['Commit', el('span', { class: 'with-copy' }, outsideLink(head.url, code(build.commit)), copyButton(build.commit, 'the commit'))],
    ['Author', author(head) ? el('bdi', {}, author(head)) : null],
    ['Message', body ? el('pre', { tabindex: '0', 'aria-label': 'The rest of the commit message' }, visible(body)) : null],
    ['Script', code(build.script)],
    ['Format', build.format ? visible(build.format) : null],
    ['Tag', build.tag ? code(build.tag) : null],
    ['Base image', code(build.baseimage)],
    ['Digest', digest ? el('span', { class: 'with-copy' }, el('code', { class: 'digest' }, visible(digest)), copyButton(digest, 'the digest')) : null],
    ['Queued', moment(build.queued)],
    ['Started', moment(build.started, build.queued, 'after waiting')],
    ['Ended', moment(build.ended, build.started, 'after')],
    ['Attempt', build.attempt > 0 ? String(build.attempt) : null],
    ['Exit code', build.exit_code === null || build.exit_code === undefined ? null : String(build.exit_code)],
    ['Cause', isFinished(build) && build.cause && build.cause !== 'published' ? code(build.cause) : null],
    ['Artifact', artifact(build)],
    ['Link', build.artifact_link ? artifactLink(build.artifact_link) : null],
    ['SHA-256', build.artifact_sha256
      ? el('span', { class: 'with-copy' }, el('code', { class: 'digest' }, build.artifact_sha256), copyButton(build.artifact_sha256, 'the SHA-256')) : null],
    ['Container', build.docker && !isFinished(build) ? code(build.docker.slice(0, 12)) : null],
    ['Build', el('span', { class: 'with-copy' }, code(build.id), copyButton(build.id, 'the build’s id'))],
  ];
  list.replaceChildren(...rows.filter(([, value]) => value)
    .map(([term, value]) => el('div', {}, el('dt', {}, term), el('dd', {}, value))));
}

function moment(time, since, word) {
  if (!time) return null;
  const exact = new Date(time * 1000).toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'medium' });
  const span = since && time >= since ? `, ${word} ${duration(time - since)}` : '';
  return el('span', {}, `${exact} (`, timeAgo(time), `)${span}`);
}

/** How long it has taken, beside how long it usually takes. */
export function showPace(element, build) {
  if (!build.started) {
    element.replaceChildren(build.queued && !isFinished(build) ? el('span', {}, 'waiting for ', elapsed(build.queued)) : '');
    return;
  }
  const took = build.ended ? duration(build.ended - build.started) : elapsed(build.started);
  const usual = build.usual > 0 ? ` (usually ${duration(build.usual)})` : '';
  const parts = [el('span', {}, build.ended ? 'took ' : 'for ', took, usual)];
  if (build.usual > 0 && !isFinished(build)) {
    const bar = el('progress', { max: String(build.usual), 'aria-label': 'Time against the usual time' });
    bar.value = Math.min(build.usual, now() - build.started);
    parts.push(bar);
  }
  element.replaceChildren(...parts);
}

/** Moves the bar on; the time beside it keeps itself. */
export function tickPace(element, build) {
  const bar = element.querySelector('progress');
  if (bar && build?.started) bar.value = Math.min(bar.max, now() - build.started);
}

export function showMessage(element, build) {
  setText(element, firstLine(build.commits?.at(-1)?.message));
}
