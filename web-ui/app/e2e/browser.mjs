// A real headless Chromium that looks at a running Syncline: what it complains about fails.
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { chromium } from 'playwright-core';

const axe = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

export function launch() {
  return chromium.launch({
    executablePath: process.env.SYNCLINE_CHROMIUM ?? '/usr/bin/chromium',
    // The sandbox of Chromium cannot be used by root, which is who builds in containers.
    args: process.getuid?.() === 0 ? ['--no-sandbox'] : [],
  });
}

/** Counts what was looked at, and says at once what is wrong. */
export class Checks {
  count = 0;
  failures = [];

  check(isSo, what) {
    this.count += 1;
    if (isSo) return;
    this.failures.push(what);
    console.error(`FAILED: ${what}`);
  }
}

/**
 * Fails on whatever the browser complains about, on reports of the content policy and on requests that leave
 * the origin. `meant` says of a complaint whether it belongs to what is shown.
 */
export async function watch(page, checks, origin, meant = () => false) {
  await page.addInitScript(() => {
    document.addEventListener('securitypolicyviolation', (event) => {
      console.error(`CSP: ${event.violatedDirective} blocked ${event.blockedURI} ${event.sample}`);
    });
  });
  page.on('console', (message) => {
    const text = message.text();
    if (!['error', 'warning'].includes(message.type()) || meant(text, page.url())) return;
    checks.check(false, `console: ${text} at ${page.url()}`);
  });
  page.on('pageerror', (error) => checks.check(false, `uncaught: ${error} at ${page.url()}`));
  page.on('request', (request) => {
    const url = request.url();
    if (!url.startsWith('data:') && new URL(url).origin !== origin) checks.check(false, `a request left the origin: ${url}`);
  });
}

/** Shows another place of the same page, and waits until it is drawn. */
export async function open(page, hash) {
  await page.evaluate((to) => { window.location.hash = to; }, hash);
  await page.waitForFunction((to) => window.location.hash === to, hash);
  await page.waitForSelector('main h1, main .trouble, main .skeleton');
}

/** Waits until everything is there that will come. */
export async function settled(page) {
  await page.waitForFunction(() => document.querySelector('main') !== null && document.querySelector('main .skeleton') === null);
}

/** Nothing serious is found by axe, and nothing is wider than the screen. */
export async function inspect(page, checks, name) {
  const overflow = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
  checks.check(overflow <= 0, `${name} fits its width (${overflow} px too wide)`);
  // The tool evaluates this itself, so the policy of the page neither allows nor forbids it.
  if (!(await page.evaluate(() => 'axe' in window))) await page.evaluate(axe);
  const found = await page.evaluate(async () => (await window.axe.run(document, { resultTypes: ['violations'] })).violations);
  for (const violation of found.filter(({ impact }) => ['serious', 'critical'].includes(impact))) {
    const places = violation.nodes.slice(0, 3).map((node) => `${node.target} ${node.failureSummary}`);
    checks.check(false, `${name}: ${violation.id}: ${violation.help}: ${places.join('; ')}`);
  }
  checks.count += 1;
}
