// A browser that is signed in, and checks that wait.
//
// SYNCLINE_UI_URL    a one-time link, or else
// SYNCLINE_FIXTURE   the program that serves invented applications
import { Checks, inspect, launch, watch as follow } from './browser.mjs';
import { serve } from './fixture.mjs';

const checks = new Checks();

/** Counts a check; a failed one is told at once and at the end. */
export function check(isSo, what) {
  checks.check(isSo, what);
}

/** Waits until something is so, looking again and again; fails a check after a while. */
export async function until(what, isSo, limit = 60_000) {
  const end = Date.now() + limit;
  let so = await isSo();
  while (!so && Date.now() < end) {
    await new Promise((done) => setTimeout(done, 25));
    so = await isSo();
  }
  check(so, what);
}

/** Nothing serious is found by axe, and nothing is wider than the screen. */
export function accessible(page, name) {
  return inspect(page, checks, name);
}

/** Fails on whatever the browser complains about, but for the statuses that are meant. */
export function watch(page) {
  const { root, meant } = page.context();
  return follow(page, checks, new URL(root).origin, (text) => meant.test(text));
}

/** Another tab of the same browser, at the beginning; `before` sees it before it asks for anything. */
export async function anotherTab(context, before = () => undefined) {
  const page = await context.newPage();
  await watch(page);
  before(page);
  await page.goto(context.root);
  return page;
}

/**
 * Runs with a tab that has redeemed the link, and ends the process with the result. `sample` is served where no link
 * was given. `context.root` is the address of the UI, with a slash at its end. `meant` are complaints that belong to what
 * is looked at, at first the status of a filter that is wrong; `options` are the browser's.
 */
export async function withBrowser(sample, act, { meant = /status of 400/, ...options } = {}) {
  const served = process.env.SYNCLINE_UI_URL ? undefined : await serve(sample);
  const address = process.env.SYNCLINE_UI_URL ?? served.link;
  const browser = await launch();
  try {
    const context = await browser.newContext({ viewport: { width: 1280, height: 860 }, ...options });
    Object.assign(context, { root: new URL('./', address).href, meant });
    const page = await context.newPage();
    await watch(page);
    await page.goto(address);
    await page.waitForSelector('main h1');
    await act(page, context);
  } catch (error) {
    check(false, String(error?.stack ?? error));
  } finally {
    await browser.close();
    served?.process.kill();
  }
  console.log(`${checks.count} checks, ${checks.failures.length} failed`);
  process.exit(checks.failures.length > 0 ? 1 : 0);
}
