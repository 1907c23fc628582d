// The connection to the service: a websocket, or polling where that is blocked.
//
// Listeners: status(object), history(array), update({id, line, offset, end}), state(word),
// bus({connected, live}): whether news reach relays, and this websocket; while they do not reach it,
// the service itself is asked. Redis may be away, or nobody be there who publishes (connected, not live).
// `state` is one of connecting, live, reconnecting, polling, offline.

import { learnClock } from './text.js';

const POLL = 3000;
const LONGEST_WAIT = 10000;
const CARRIES = { connected: true, live: true };

export async function getJson(address) {
  const response = await fetch(address, { headers: { accept: 'application/json' }, cache: 'no-store' });
  learnClock(response);
  if (response.ok) return response.json();
  const said = await response.json().catch(() => null);
  throw Object.assign(new Error(`${address} answered ${response.status}`), { status: response.status, said: said?.message });
}

export class Live {
  #listeners;
  #addresses;
  #socket = null;
  #failures = 0;
  #retry = 0;
  #poller = 0;
  #state = 'connecting';
  /** Whether the websocket is open, and news reach it. */
  #isOpen = false;
  #isFed = true;

  constructor(listeners, only = null) {
    this.#listeners = listeners;
    const own = new URL('/buildio', location.href);
    own.protocol = location.protocol === 'https:' ? 'wss:' : 'ws:';
    // The relay, if the service told of one, and the service itself where that cannot be reached.
    const relay = document.querySelector('meta[name="relay"]')?.content;
    this.#addresses = [relay, own].filter(Boolean).map((text) => {
      const address = new URL(text);
      if (only) address.searchParams.set('build', only);
      return address;
    });
    const wake = () => { if (!document.hidden && !this.#socket) this.#connect(); };
    document.addEventListener('visibilitychange', wake);
    window.addEventListener('online', wake);
    this.#connect();
  }

  get state() { return this.#state; }

  #say(state) {
    if (state === this.#state) return;
    this.#state = state;
    this.#listeners.state?.(state);
  }

  #connect() {
    clearTimeout(this.#retry);
    let socket;
    try { socket = new WebSocket(this.#addresses[this.#failures % this.#addresses.length]); } catch { this.#lost(); return; }
    this.#socket = socket;
    socket.onopen = () => {
      this.#failures = 0;
      this.#isOpen = true;
      this.#isFed = false;
      this.#bus(CARRIES);
    };
    socket.onmessage = (message) => this.#receive(message.data);
    socket.onclose = () => { if (this.#socket === socket) this.#lost(); };
  }

  #lost() {
    this.#socket = null;
    this.#isOpen = false;
    this.#listeners.bus?.(CARRIES);
    this.#failures += 1;
    if (this.#failures >= 2) this.#startPolling(); else this.#say('reconnecting');
    const wait = Math.min(LONGEST_WAIT, 400 * 2 ** this.#failures) * (0.75 + Math.random() / 2);
    this.#retry = setTimeout(() => this.#connect(), wait);
  }

  #receive(text) {
    let message;
    try { message = JSON.parse(text); } catch { return; }
    if (message.event === 'bus') this.#bus(message.payload ?? CARRIES);
    else this.#listeners[message.event]?.(message.payload);
  }

  #bus(payload) {
    const isFed = payload.live !== false;
    this.#listeners.bus?.(payload);
    if (isFed === this.#isFed) return;
    this.#isFed = isFed;
    if (!isFed) { this.#startPolling(); return; }
    this.#stopPolling();
    this.#say('live');
  }

  #startPolling() {
    if (this.#poller) return;
    this.#poll();
    this.#poller = setInterval(() => { if (!document.hidden) this.#poll(); }, POLL);
  }

  #stopPolling() {
    clearInterval(this.#poller);
    this.#poller = 0;
  }

  async #poll() {
    try {
      const [history, status] = await Promise.all([getJson('/build/history'), getJson('/build/status')]);
      if (this.#isOpen && this.#isFed) return;
      this.#listeners.history?.(history);
      this.#listeners.status?.(status);
      this.#say('polling');
      this.#listeners.polled?.();
    } catch {
      if (!this.#isOpen || !this.#isFed) this.#say('offline');
    }
  }
}

const WORDS = {
  connecting: ['connecting', 'Connecting to the service.'],
  live: ['live', 'Changes appear as they happen.'],
  reconnecting: ['reconnecting', 'The connection was lost; trying again.'],
  polling: ['polling', 'No live connection: asking every 3 seconds.'],
  offline: ['offline', 'The service does not answer; trying again. What you see may be old.'],
};

/** Shows the state of the connection in words. */
export function showConnection(element, state) {
  const [word, meaning] = WORDS[state];
  element.dataset.state = state;
  element.textContent = word;
  element.title = meaning;
}
