// How long the list takes to be painted: prints one line of JSON.
//
// SYNCLINE_UI_URL   a one-time link; without it, SYNCLINE_FIXTURE names the program that serves a sample
// SYNCLINE_ROUNDS   how often, default 20
//
// `open` is the list opened from another page of the UI: from the press to the first frame with rows. `load` is the
// whole page from nothing: from the start of the navigation. `work` is the part of `open` after the answer came.
import { check, withBrowser } from './signed-in.mjs';

const rounds = Number(process.env.SYNCLINE_ROUNDS ?? 20);

await withBrowser('many', async (page, context) => {
  const figures = { open: [], work: [], load: [] };
  await page.waitForSelector('tr.line');
  for (let round = 0; round < rounds; round += 1) {
    await page.evaluate(() => { window.location.hash = '#/repositories'; });
    await page.waitForFunction(() => document.querySelector('h1')?.textContent === 'Repositories');
    // Nothing that is asked for by the other page may be under way.
    await page.waitForLoadState('networkidle').catch(() => undefined);
    const { open, work } = await page.evaluate(painted, '#/');
    figures.open.push(open);
    figures.work.push(work);
  }
  for (let round = 0; round < rounds; round += 1) {
    await page.goto('about:blank');
    await page.goto(context.root, { waitUntil: 'commit' });
    await page.waitForSelector('tr.line');
    figures.load.push(await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(performance.now()))))));
  }
  const rows = await page.evaluate(() => Number(document.querySelector('table.applications').getAttribute('aria-rowcount')));
  check(rows > 1, 'there are rows');
  console.log(JSON.stringify({ rows, ...figures }));
});

/** Goes to the list, and answers with the milliseconds until its rows are on the screen. */
function painted(hash) {
  return new Promise((done) => {
    const begin = performance.now();
    const look = () => {
      if (!document.querySelector('tr.line')) return;
      observer.disconnect();
      // The frame after this one is drawn when the next one begins.
      requestAnimationFrame(() => {
        const channel = new MessageChannel();
        channel.port1.onmessage = () => {
          const end = performance.now();
          const answers = performance.getEntriesByType('resource').filter(({ name }) => name.includes('/api/v1/applications?'));
          const answered = answers.at(-1)?.responseEnd ?? begin;
          done({ open: end - begin, work: end - Math.max(begin, answered) });
        };
        channel.port2.postMessage(null);
      });
    };
    const observer = new MutationObserver(look);
    observer.observe(document.body, { childList: true, subtree: true });
    window.location.hash = hash;
  });
}
