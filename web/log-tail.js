// Joins a log to what its build writes just now, and reads what was missed.

const PAUSE = 250;
/** After a question that got no answer. */
const LONG_PAUSE = 2000;
const MOST_WAITING = 64;

export class Tail {
  #source;
  #waiting = [];
  #busy = false;
  #again = false;

  constructor(source) {
    this.#source = source;
  }

  /** Takes a piece of live output. What does not join waits until the log was read. */
  take(update) {
    if (!this.#busy && this.#source.append(update)) return;
    this.#waiting.push(update);
    if (this.#waiting.length > MOST_WAITING) this.#waiting.shift();
    this.refresh();
  }

  /** Reads how far the log is; many calls at once are one. */
  async refresh() {
    this.#again = true;
    if (this.#busy) return;
    this.#busy = true;
    while (this.#again) {
      this.#again = false;
      const isRead = await this.#source.refresh().then(() => true, () => false);
      if (isRead) this.#join(); else this.#again = true;
      if (this.#again) await new Promise((done) => { setTimeout(done, isRead ? PAUSE : LONG_PAUSE); });
    }
    this.#busy = false;
  }

  #join() {
    const waiting = this.#waiting.splice(0);
    const joined = waiting.map((update) => this.#source.append(update));
    this.#again = joined.includes(false);
  }
}
