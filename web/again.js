// Loads the page once more if a part of it did not arrive.
//
// Browsers drop whatever they are loading when the network of their machine changes, and it does so
// whenever a container starts there: on the machine of somebody who tries the service out, for one.

const KEY = 'autobuilder.again';
const MOST = 5;
let isLost = false;

// What fails to load says so without bubbling.
addEventListener('error', (event) => { if (event.target instanceof HTMLScriptElement) isLost = true; }, true);

addEventListener('load', () => {
  isLost ||= [...document.querySelectorAll('link[rel="stylesheet"]')].some((link) => link.sheet === null);
  try {
    const tries = Number(sessionStorage.getItem(KEY) ?? 0);
    if (!isLost) sessionStorage.removeItem(KEY);
    else if (tries < MOST) {
      sessionStorage.setItem(KEY, String(tries + 1));
      setTimeout(() => location.reload(), 200 * 2 ** tries);
    }
  } catch { /* Without a memory it could go on forever, so it is left to the person. */ }
});
