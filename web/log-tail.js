// Joins a log to what its build writes just now, and reads what was missed.

const PAUSE = 250;
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
      await this.#source.refresh().then(() => this.#join(), () => {});
      if (this.#again) await new Promise((done) => { setTimeout(done, PAUSE); });
    }
    this.#busy = false;
  }

  #join() {
    const waiting = this.#waiting.splice(0);
    const joined = waiting.map((update) => this.#source.append(update));
    this.#again = joined.includes(false);
  }
}
