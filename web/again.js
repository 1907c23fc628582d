// Loads the page once more if a part of it did not arrive.
//
// Browsers drop whatever they are loading when the network of their machine changes, and it does so
// whenever a container starts there: on the machine of somebody who tries the service out, for one.
// A page says that all its parts are there by `data-started`. It names this script at its beginning and
// at its end, so that one of the two arrives.

(() => {
  const KEY = 'autobuilder.again';
  const MOST = 5;
  if (window.autobuilderLooks) return;
  window.autobuilderLooks = true;

  const look = () => {
    const isWhole = 'started' in document.documentElement.dataset &&
      [...document.querySelectorAll('link[rel="stylesheet"]')].every((link) => link.sheet !== null);
    try {
      const tries = Number(sessionStorage.getItem(KEY) ?? 0);
      if (isWhole) sessionStorage.removeItem(KEY);
      else if (tries < MOST) {
        sessionStorage.setItem(KEY, String(tries + 1));
        setTimeout(() => location.reload(), 200 * 2 ** tries);
      }
    } catch { /* Without a memory it could go on forever, so it is left to the person. */ }
  };

  // By the time of `load` every module of the page has run, or never will.
  if (document.readyState === 'complete') look();
  else addEventListener('load', look);
})();
