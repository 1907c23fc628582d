// From the height of a log to the height of an element and back.
//
// Browsers stop at about 17 to 33 million pixels, fewer when zoomed; ten million lines need 190
// million. What is higher than LARGEST is squeezed in the middle, while both ends keep their true
// height: there, a pixel of the scrollbar is a pixel of the log, so the first and the last line can
// always be reached by the wheel.

const LARGEST = 6_000_000;
const END = 1_000_000;

export class Scale {
  /** The distance that can be scrolled, in pixels of the log and of the element. */
  #log = 0;
  #element = 0;

  /** `log` is the height of the whole log, `screen` what of it is seen at once. Gives the element's height. */
  fit(log, screen) {
    const height = Math.min(log, LARGEST);
    this.#log = Math.max(0, log - screen);
    this.#element = Math.max(0, height - screen);
    return height;
  }

  get end() { return this.#log; }

  #squeeze() {
    return (this.#log - 2 * END) / (this.#element - 2 * END);
  }

  toLog(y) {
    if (this.#log <= this.#element || y <= END) return y;
    if (y >= this.#element - END) return this.#log - (this.#element - y);
    return END + (y - END) * this.#squeeze();
  }

  toElement(y) {
    if (this.#log <= this.#element || y <= END) return y;
    if (y >= this.#log - END) return this.#element - (this.#log - y);
    return END + (y - END) / this.#squeeze();
  }
}
