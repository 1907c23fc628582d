// A search through a whole log, done by the server and read as it comes.
//
// The server's regular expressions take linear time; ours, which only highlight, may not, so a pattern
// that could take long marks whole lines instead.

/** As many as the server gives at once. Beyond them it is asked for one match after the other. */
export const MOST_MATCHES = 10_000;
const LONGEST_HIGHLIGHT = 4000;

/** What a line says that reports an error, in any language a build is likely to speak. */
export const ERRORS = [
  String.raw`(?i:\b(?:fatal )?error(?:\[[a-z]*\d+\])?:)`,
  String.raw`(?i:^\W*(?:error|fatal|failed|failure|panic)\b)`,
  String.raw`\b(?:ERROR|FATAL|FAILED|CRITICAL)\b`,
  String.raw`npm ERR!`,
  String.raw`^E: `,
  String.raw`\*\*\* .*Error \d+`,
  String.raw`\bpanicked at\b|^panic: `,
  String.raw`^Traceback \(most recent call last\)|^\w*(?:Error|Exception): `,
  String.raw`\bException in thread\b`,
  String.raw`undefined reference to|ld: cannot find|cannot find -l`,
  String.raw`[Ss]egmentation fault|core dumped|Killed$|Out of memory`,
  String.raw`: (?:command )?not found$|No such file or directory|Permission denied|No space left on device`,
].join('|');

const escaped = (text) => text.replace(/[\\^$.|?*+()[\]{}]/g, String.raw`\$&`);

/** An expression that finds the same within a line, or null where that could take long. */
export function highlighter({ text, regex, exactCase }) {
  const isTame = !regex || (!/\)[*+{?]/.test(text) && (text.match(/[*+]|\{\d+,\d*\}/g) ?? []).length <= 2);
  if (!isTame || text === '') return null;
  try { return new RegExp(regex ? text : escaped(text), exactCase ? 'gu' : 'giu'); } catch { return null; }
}

export class Search {
  /** The numbers of the lines that match, in order. */
  matches = [];
  /** searching, done, failed, or null. */
  state = null;
  /** Why it failed. */
  problem = '';
  /** Whether there are more matches than were asked for. */
  isCut = false;
  query = null;
  highlight = null;
  #address;
  #changed;
  #cancel = null;

  constructor(address, changed) {
    this.#address = address;
    this.#changed = changed;
  }

  clear() {
    this.#cancel?.abort();
    [this.matches, this.state, this.query, this.highlight, this.isCut] = [[], null, null, null, false];
    this.#changed();
  }

  /** Searches anew; the former search is given up. Resolves when it has ended or was given up. */
  async run(query) {
    this.clear();
    const cancel = new AbortController();
    this.#cancel = cancel;
    [this.query, this.state, this.highlight] = [query, 'searching', highlighter(query)];
    this.#changed();
    try {
      await this.#read({ limit: MOST_MATCHES }, cancel.signal, (found) => {
        this.matches.push(...found.map((hit) => hit.number));
        this.#changed();
      });
      this.state = 'done';
    } catch (error) {
      if (cancel.signal.aborted) return;
      [this.state, this.problem] = ['failed', error.message];
    }
    this.isCut = this.matches.length >= MOST_MATCHES;
    this.#changed();
  }

  /** The next match from this line on, or the one before it, past those that are remembered; null if none. */
  async one(from, isBackward) {
    let line = null;
    await this.#read({ limit: 1, from, backward: isBackward }, this.#cancel.signal, ([hit]) => { line = hit?.number ?? line; });
    return line;
  }

  async #read(where, signal, take) {
    const { text, regex, exactCase } = this.query;
    const parameters = new URLSearchParams({ q: text, regex, case: exactCase, ...where });
    const response = await fetch(`${this.#address}?${parameters}`, { signal, cache: 'no-store' });
    if (!response.ok) {
      const { message } = await response.json().catch(() => ({}));
      throw new Error(message ?? `the server answered ${response.status}`);
    }
    let rest = '';
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    for (;;) {
      const { value, done } = await reader.read();
      if (signal.aborted) throw new DOMException('given up', 'AbortError');
      const lines = (rest + (value ?? '')).split('\n');
      rest = done ? '' : lines.pop();
      const found = lines.filter((line) => line !== '').map((line) => JSON.parse(line));
      if (found.length > 0) take(found);
      if (done) return;
    }
  }

  /** The place among the matches of the first one at this line or after it. */
  placeOf(line) {
    let [low, high] = [0, this.matches.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.matches[middle] < line) low = middle + 1; else high = middle;
    }
    return low;
  }

  /** Whether a line matches: by its text too where that is quick, since not every match is remembered. */
  matchesLine(line, text) {
    const isFound = this.matches[this.placeOf(line)] === line;
    if (isFound || !this.highlight || text.length > LONGEST_HIGHLIGHT) return isFound;
    this.highlight.lastIndex = 0;
    return this.highlight.test(text);
  }

  /** Every place in a row's text that matches, as ranges. */
  rangesIn(element) {
    if (!this.highlight || element.textContent.length > LONGEST_HIGHLIGHT) return [];
    const nodes = [];
    const walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
    let text = '';
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
      nodes.push({ node, from: text.length });
      text += node.data;
    }
    const point = (at) => {
      const { node, from } = nodes.findLast((one) => one.from <= at) ?? nodes[0];
      return [node, Math.min(at - from, node.data.length)];
    };
    this.highlight.lastIndex = 0;
    return [...text.matchAll(this.highlight)].filter(([found]) => found !== '').map((match) => {
      const range = new Range();
      range.setStart(...point(match.index));
      range.setEnd(...point(match.index + match[0].length));
      return range;
    });
  }
}
