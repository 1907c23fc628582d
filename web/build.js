// One build: everything known about it, and its log as it grows.

import { Live, getJson, showConnection } from './live.js';
import { LogWindow } from './log.js';
import { MEANING, badge, icon, isFinished, stateOf } from './states.js';
import {
  artifactLink, bytes, duration, el, elapsed, firstLine, name, outsideLink, setText, tick, timeAgo, visible,
} from './text.js';

const CHUNK = 256 * 1024;
// A gap of more than this is jumped over while following: a screen shows its end only.
const LONGEST_CATCH_UP = 1024 * 1024;
const LARGEST_COPY = 8 * 1024 * 1024;

const byId = (id) => document.getElementById(id);
const id = decodeURIComponent(location.pathname.split('/').filter(Boolean).at(-1) ?? '');
const report = `/report/${encodeURIComponent(id)}`;
let build = null;

// ---- What is known ----

const SENTENCE = {
  success: (it) => (it.artifact ? `Success: published ${visible(it.artifact)}` : 'Success'),
  failure: (it) => `Failed: ${visible(it.error) || 'the script failed'}`,
  error: (it) => `Error: ${visible(it.error) || 'the build could not be finished'}`,
  cancelled: (it) => `Cancelled: ${visible(it.error) || 'somebody ended it'}`,
  superseded: (it) => `Superseded: ${visible(it.error) || 'its commit is no longer on its branch'}`,
  queued: (it) => (it.error ? `Waiting to be tried again: ${visible(it.error)}` : 'Waiting for its turn'),
  running: (it) => `Running: ${visible(it.status)}`,
};

function showBuild(next) {
  const before = build && stateOf(build);
  build = next;
  const state = stateOf(build);
  byId('title').replaceChildren(name(build.repository, 'repository'), ' ', name(build.branch, 'branch'), ' ',
    el('span', { class: 'number' }, `#${build.number}`));
  const verdict = byId('verdict');
  verdict.dataset.state = state;
  const sentence = SENTENCE[state](build);
  if (verdict.textContent !== sentence) verdict.replaceChildren(icon(state), el('span', {}, sentence));
  const head = build.commits?.at(-1) ?? {};
  setText(byId('message'), firstLine(head.message));
  showFacts(head);
  document.title = `${MEANING[state]} · ${visible(build.repository)} ${visible(build.branch)} #${build.number}`;
  if (before && before !== state) byId('announcer').textContent = sentence;
  if (isFinished(build) && before && before !== state) log.catchUp();
  showLogNote();
}

function showFacts(head) {
  const code = (text) => el('code', {}, visible(text));
  // The first line stands above.
  const body = String(head.message ?? '').trim().split('\n').slice(1).join('\n').trim();
  const rows = [
    ['Commit', outsideLink(head.url, code(build.commit))],
    ['Author', el('bdi', {}, visible([head.author?.name, head.author?.email && `<${head.author.email}>`].filter(Boolean).join(' ')))],
    ['Message', body ? el('pre', {}, visible(body)) : null],
    ['Ref', code(build.ref)],
    ['Script', code(build.script)],
    ['Base image', el('span', {}, code(build.baseimage), build.baseimage_digest ? el('code', { class: 'digest' }, visible(build.baseimage_digest)) : null)],
    ['Queued', build.queued ? timeAgo(build.queued) : null],
    ['Started', build.started ? timeAgo(build.started) : null],
    [build.ended ? 'Duration' : 'Running for', took()],
    ['Ended', build.ended ? timeAgo(build.ended) : null],
    ['Attempt', build.attempt > 0 ? String(build.attempt) : null],
    ['Exit code', build.exit_code ?? null],
    ['Cause', isFinished(build) && build.cause && build.cause !== 'published' ? code(build.cause) : null],
    ['Artifact', build.artifact ? el('span', {}, artifactLink(build.artifact), build.artifact_size ? ` ${bytes(build.artifact_size)}` : '') : null],
    ['Link', build.artifact_link ? artifactLink(build.artifact_link) : null],
    ['SHA-256', build.artifact_sha256 ? el('code', { class: 'digest' }, build.artifact_sha256) : null],
    ['Container', build.docker && !isFinished(build) ? code(build.docker.slice(0, 12)) : null],
    ['Build', code(build.id)],
  ];
  const list = byId('facts');
  const shown = JSON.stringify({ ...build, monitor: null });
  if (list.dataset.shown === shown) return;
  list.dataset.shown = shown;
  list.replaceChildren(...rows.filter(([, value]) => value !== null && value !== '' && value !== undefined)
    .map(([term, value]) => el('div', {}, el('dt', {}, term), el('dd', {}, typeof value === 'number' ? String(value) : value))));
}

function took() {
  if (!build.started) return null;
  return build.ended ? duration(build.ended - build.started) : elapsed(build.started);
}

// ---- The log ----

/** Reads bytes `[from, to)` of the stored log; `from` negative reads the last bytes. */
async function read(from, to) {
  const range = from < 0 ? `bytes=${from}` : `bytes=${from}-${to - 1}`;
  const response = await fetch(report, { headers: { range }, cache: 'no-store' });
  const total = /\/(\d+)$/.exec(response.headers.get('content-range') ?? '');
  if (response.status === 416) return { bytes: new Uint8Array(), from: Number(total?.[1] ?? 0), size: Number(total?.[1] ?? 0) };
  if (response.status === 404) return { bytes: new Uint8Array(), from: 0, size: 0 };
  if (!response.ok) throw new Error(`the log answered ${response.status}`);
  const body = new Uint8Array(await response.arrayBuffer());
  if (response.status === 206) {
    const start = Number(/bytes (\d+)-/.exec(response.headers.get('content-range') ?? '')?.[1] ?? 0);
    return { bytes: body, from: start, size: Number(total?.[1] ?? start + body.length) };
  }
  // The whole log came, as a server without ranges sends it.
  const start = from < 0 ? Math.max(0, body.length + from) : from;
  return { bytes: body.subarray(start, from < 0 ? body.length : to), from: start, size: body.length };
}

/** From the first byte after a newline, unless there is none or the log begins here. */
function fromWholeLine({ bytes: body, from }) {
  const newline = from > 0 ? body.indexOf(10) : -1;
  return { bytes: body.subarray(newline + 1), from: from + newline + 1 };
}

class LogPane {
  #box = byId('log');
  #window = new LogWindow(byId('lines'));
  #following = true;
  /** The furthest byte known to exist. */
  #size = 0;
  /** One thing at a time changes the window. */
  #turn = Promise.resolve();
  #waiting = [];
  #failed = false;
  #loaded = false;

  constructor() {
    this.#box.addEventListener('scroll', () => this.#scrolled(), { passive: true });
    byId('earlier').addEventListener('click', () => this.#do(() => this.#earlier()));
    byId('later').addEventListener('click', () => this.#do(() => this.#later()));
    byId('follow').addEventListener('click', () => (this.#following ? this.#follow(false) : this.end()));
    this.end();
  }

  get isEmpty() { return this.#loaded && this.#window.isEmpty; }
  get failed() { return this.#failed; }

  #do(work) {
    this.#turn = this.#turn.then(work).then(() => { this.#failed = false; }, () => { this.#failed = true; })
      .then(() => this.#settle());
    return this.#turn;
  }

  /** Shows the end of the log and follows it. */
  end() {
    this.#follow(true);
    return this.#do(async () => {
      if (this.#loaded && this.#window.to === this.#size) return;
      await this.#jumpToEnd();
    });
  }

  async #jumpToEnd() {
    const got = await read(-CHUNK);
    const { bytes: body, from } = fromWholeLine(got);
    this.#loaded = true;
    this.#size = Math.max(this.#size, got.size);
    this.#window.clear(from);
    this.#window.append(body);
    this.#window.trimStart();
  }

  /** Reads what was written since, as after a lost connection. */
  catchUp() {
    return this.#do(async () => {
      const { size } = await read(-1);
      this.#size = Math.max(this.#size, size);
      if (!this.#loaded) await this.#jumpToEnd();
      else if (this.#following) await this.#reach(this.#size);
    });
  }

  /** Brings the window's end to this byte. */
  async #reach(end) {
    if (end - this.#window.to > LONGEST_CATCH_UP) {
      await this.#jumpToEnd();
      return;
    }
    while (this.#window.to < end) {
      const got = await read(this.#window.to, Math.min(end, this.#window.to + CHUNK));
      if (got.bytes.length === 0) return;
      this.#window.append(got.bytes);
    }
    this.#window.trimStart();
  }

  /** Takes what a build wrote just now. */
  live(update) {
    this.#waiting.push(update);
    if (this.#waiting.length === 1) this.#do(() => this.#takeLive());
  }

  async #takeLive() {
    const updates = this.#waiting.splice(0);
    const before = this.#size;
    for (const { end } of updates) this.#size = Math.max(this.#size, end);
    if (!this.#loaded) return this.#jumpToEnd();
    // The window was moved away from the end: `Show later` leads back.
    if (!this.#following && (this.#window.to < before || this.#tooFarFromStart())) return undefined;
    for (const { line, offset, end } of updates) {
      if (end <= this.#window.to) continue;
      const body = new TextEncoder().encode(line);
      const isExact = body.length === end - offset;
      if (offset <= this.#window.to && isExact) this.#window.append(body.subarray(this.#window.to - offset));
      else await this.#reach(end);
    }
    if (this.#following) this.#window.trimStart();
    return undefined;
  }

  /** While somebody reads above, lines are not taken away under them; so new ones must wait. */
  #tooFarFromStart() {
    return byId('lines').childElementCount > 6000;
  }

  async #earlier() {
    const end = this.#window.from;
    const got = fromWholeLine(await read(Math.max(0, end - CHUNK), end));
    const height = this.#box.scrollHeight;
    const top = this.#box.scrollTop;
    this.#follow(false);
    this.#window.prepend(got.bytes);
    this.#box.scrollTop = top + this.#box.scrollHeight - height;
    this.#window.trimEnd();
  }

  async #later() {
    const got = await read(this.#window.to, this.#window.to + CHUNK);
    this.#size = Math.max(this.#size, got.size);
    const height = this.#box.scrollHeight;
    this.#window.append(got.bytes);
    const grown = this.#box.scrollHeight;
    if (this.#window.trimStart()) this.#box.scrollTop -= grown - this.#box.scrollHeight;
    return height;
  }

  #follow(following) {
    this.#following = following;
    byId('follow').setAttribute('aria-pressed', String(following));
  }

  #scrolled() {
    const box = this.#box;
    const atEnd = box.scrollHeight - box.scrollTop - box.clientHeight < 24;
    if (this.#following && !atEnd && box.scrollTop < this.#lastTop) this.#follow(false);
    if (!this.#following && atEnd && this.#window.to >= this.#size) this.#follow(true);
    this.#lastTop = box.scrollTop;
  }
  #lastTop = 0;

  #settle() {
    byId('earlier').hidden = this.#window.from === 0;
    setText(byId('earlier'), `Show earlier (${bytes(this.#window.from)} above)`);
    const below = Math.max(0, this.#size - this.#window.to);
    byId('later').hidden = below === 0;
    setText(byId('later'), `Show later (${bytes(below)} below)`);
    setText(byId('log-size'), this.#size > 0 ? bytes(this.#size) : '');
    showLogNote();
    if (this.#following) {
      this.#box.scrollTop = this.#box.scrollHeight;
      this.#lastTop = this.#box.scrollTop;
    }
  }
}

const log = new LogPane();

function showLogNote() {
  const note = byId('log-note');
  let text = '';
  if (log.failed) text = 'The log could not be read; it will be tried again.';
  else if (log.isEmpty && build && isFinished(build)) text = 'This build wrote no log.';
  else if (log.isEmpty) text = build?.status === 'queued' ? 'The log begins when the build does.' : 'No output yet.';
  else if (build && !isFinished(build)) text = 'The build goes on …';
  setText(note, text);
}

byId('wrap').addEventListener('click', (event) => {
  const wraps = byId('log').classList.toggle('nowrap') === false;
  event.currentTarget.setAttribute('aria-pressed', String(wraps));
});
byId('download').href = report;
byId('download').setAttribute('download', `build-${id}.log`);

byId('copy').addEventListener('click', async (event) => {
  const button = event.currentTarget;
  const said = await copyLog().then(() => 'Copied', (error) => error.message);
  byId('announcer').textContent = said;
  button.textContent = said;
  setTimeout(() => { button.textContent = 'Copy'; }, 2000);
});

async function copyLog() {
  const response = await fetch(report, { cache: 'no-store', headers: { range: `bytes=0-${LARGEST_COPY - 1}` } });
  const total = Number(/\/(\d+)$/.exec(response.headers.get('content-range') ?? '')?.[1] ?? 0);
  if (!response.ok) throw new Error('No log');
  if (total > LARGEST_COPY) throw new Error('Too long: download it');
  const text = await response.text();
  if (navigator.clipboard) { await navigator.clipboard.writeText(text); return; }
  // Without https there is no clipboard but this old way.
  const area = el('textarea', { class: 'unseen', 'aria-hidden': 'true' });
  area.value = text;
  document.body.append(area);
  area.select();
  const copied = document.execCommand('copy');
  area.remove();
  if (!copied) throw new Error('Not allowed');
}

// ---- Keeping up ----

function take(builds) {
  const mine = builds.find((candidate) => candidate.id === id);
  if (mine) showBuild(mine);
}

const connection = byId('connection');
new Live({
  state: (state) => {
    showConnection(connection, state);
    if (state === 'live') log.catchUp();
  },
  status: (status) => take(Object.values(status)),
  history: take,
  update: (update) => { if (update.id === id) log.live(update); },
  skipped: () => log.catchUp(),
  polled: () => { if (!build || !isFinished(build)) log.catchUp(); },
}, id);

getJson(`/api/builds/${encodeURIComponent(id)}`).then(
  (found) => { if (!build || !isFinished(build)) showBuild(found); },
  (error) => { if (!build) setTimeout(() => { if (!build) notFound(error); }, 1500); });

function notFound() {
  const verdict = byId('verdict');
  verdict.dataset.state = 'cancelled';
  verdict.textContent = 'There is no such build here, or it cannot be read right now.';
}

if (matchMedia('(max-width: 700px)').matches) byId('facts-box').open = false;
setInterval(tick, 1000);
