// Looks at a running Syncline as a person would, in a real headless Chromium, and keeps screenshots.
//
// SYNCLINE_UI_URL         a one-time link (required)
// SYNCLINE_CHROMIUM       the browser, default /usr/bin/chromium
// SYNCLINE_SCREENSHOTS    folder for screenshots, default test-output/screenshots
// SYNCLINE_EXPECT         JSON, all parts optional:
//   { "applications": ["roar/roar-dev"],       are in the list
//     "failing": ["roar/broken"],              are in the list as failing, before all others
//     "application": "roar/roar-dev",          is looked at closely: has these
//     "objects": ["Deployment web"],           objects, a history, and a sync with steps
//     "syncNow": true,                         and is asked for a sync
//     "change": "spec.replicas",               is a field that a sync of its history changed
//     "waiting": "pay/audit-log",              has a plan that waits for approval
//     "image": "roar/web",                     is an image policy that is looked at closely:
//     "chosen": "1.2.0",                       this tag is chosen,
//     "rules": ["older"],                      these rules decided others
//     "rollback": "roar/broken" }              is rolled back with the keyboard alone
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Checks, inspect, launch, open, settled, watch } from './browser.mjs';
import { differences } from './diff.mjs';
import { rollBack } from './rollback.mjs';

const here = fileURLToPath(new URL('..', import.meta.url));
const address = process.env.SYNCLINE_UI_URL;
if (!address) throw new Error('SYNCLINE_UI_URL must be a one-time link');
const origin = new URL(address).origin;
const expect = JSON.parse(process.env.SYNCLINE_EXPECT ?? '{}');
const shots = process.env.SYNCLINE_SCREENSHOTS ?? join(here, 'test-output', 'screenshots');
await mkdir(shots, { recursive: true });
const checks = new Checks();
const check = (isSo, what) => checks.check(isSo, what);
// What is made to fail is reported by the browser itself.
let troubled = false;
const meant = (text, url) =>
  (text.includes('status of 404') && url.includes('/nowhere/')) ||
  (troubled && /ERR_INTERNET_DISCONNECTED|ERR_NETWORK_CHANGED|status of 401/.test(text));
const browser = await launch();

try {
  const context = await browser.newContext({ viewport: { width: 1280, height: 860 }, colorScheme: 'light' });
  const page = await context.newPage();
  await watch(page, checks, origin, meant);

  await stranger();
  await page.goto(address);
  await page.waitForSelector('main h1');
  check(!page.url().includes('token'), 'the token is not in the address after signing in');
  await theList(page);
  await closely(page);
  await waiting(page);
  await differences({ page, open, settled, look, check }, expect.application ?? expect.applications?.[0]);
  await imagePolicy(page);
  const places = await walk(page);
  await open(page, '#/applications/nowhere/nothing');
  await page.waitForSelector('.trouble');
  check((await page.textContent('.trouble')).includes('Not found'), 'an application that is not there is said to be not found');
  await trouble(context, page);
  await keyboard(page);
  if (expect.rollback) await rollBack(page, expect.rollback, check);
  await otherSights(context, places);
} finally {
  await browser.close();
}

console.log(`${checks.count} checks, ${checks.failures.length} failed; screenshots in ${shots}`);
process.exit(checks.failures.length > 0 ? 1 : 0);

/** Without a session nothing is shown but how to get in. */
async function stranger() {
  const response = await fetch(`${origin}/`);
  check(response.status === 401, `a stranger is refused (${response.status})`);
  check((await response.text()).includes('one-time link'), 'a stranger is told what is needed');
}

async function theList(page) {
  await open(page, '#/');
  await settled(page);
  for (const name of expect.applications ?? []) {
    await page.waitForSelector(rowOf(name), { timeout: 15_000 }).catch(() => check(false, `${name} is in the list`));
    check(await page.isVisible(rowOf(name)), `${name} is in the list`);
  }
  const states = await page.$$eval('table.applications tbody tr.line', (rows) => rows.map((row) => row.className.replace('line ', '')));
  const order = ['failing', 'waiting', 'progressing', 'suspended', 'healthy'];
  const places = states.map((state) => order.indexOf(state));
  check(places.every((place, at) => at === 0 || places[at - 1] <= place), `what fails comes first (${states})`);
  for (const name of expect.failing ?? []) {
    check(await page.isVisible(`tr.failing:has(${rowOf(name)})`), `${name} is failing`);
  }
  const failing = states.filter((state) => state === 'failing').length;
  check((await page.title()).includes('failing') === failing > 0, 'the title counts what fails');
  await look(page, 'applications');
}

function rowOf(name) {
  return `a[data-row][href="#/applications/${name}"]`;
}

async function closely(page) {
  const name = expect.application ?? expect.applications?.[0];
  if (!name) return;
  await open(page, `#/applications/${name}`);
  await settled(page);
  check((await page.textContent('h1')) === name.split('/')[1], `${name} has its heading`);
  check((await page.textContent('.why .sentence')).trim().length > 1, `${name} says why`);
  const objects = await page.$$eval('section[aria-labelledby=objects] .object', (all) => all.map((one) => one.textContent.trim().replace(/\s+/g, ' ')));
  for (const object of expect.objects ?? []) check(objects.includes(object), `${name} has ${object} (${objects})`);
  await look(page, 'application');
  await open(page, `#/applications/${name}/timeline`);
  await page.waitForSelector('section[aria-labelledby=history] a[data-row]');
  await look(page, 'timeline');
  if (expect.syncNow) {
    const history = 'section[aria-labelledby=history] a[data-row]';
    const before = await page.getAttribute(history, 'href');
    await page.click('[data-action=sync]');
    await page.waitForSelector('dialog .happens');
    await look(page, 'action');
    await page.click('dialog button[type=submit]');
    await page
      .waitForFunction(([where, old]) => document.querySelector(where)?.getAttribute('href') !== old, [history, before], { timeout: 20_000 })
      .catch(() => check(false, 'a sync that was asked for appears in the history by itself'));
    check((await page.textContent('.toasts')).includes('asked for'), 'asking for a sync is confirmed');
  }
  if (expect.change) {
    const here = new URL(page.url()).hash;
    await changed(page);
    await open(page, here);
    await page.waitForSelector('section[aria-labelledby=history] a[data-row]');
  }
  await (await page.$$('section[aria-labelledby=history] a[data-row]')).at(-1).click();
  await page.waitForSelector('ol.steps li');
  const steps = await page.$$eval('ol.steps li .mark', (all) => all.map((one) => one.textContent));
  check(steps.length > 0, `a sync shows its steps (${steps})`);
  await settled(page);
  await look(page, 'sync');
}

/** Looks through the history for a sync that changed a field, and says from what to what. */
async function changed(page) {
  const syncs = await page.$$eval('section[aria-labelledby=history] a[data-row]', (all) => all.map((one) => one.getAttribute('href')));
  for (const sync of syncs) {
    await open(page, sync);
    await page.waitForSelector('main .facts');
    for (const fold of await page.$$('section[aria-labelledby=outcomes] summary')) await fold.click();
    const lines = await page.$$eval('.changes li', (all) => all.map((one) => one.textContent));
    const line = lines.find((text) => text.startsWith(`${expect.change} `));
    if (!line) continue;
    check(/ (added:|removed:|from) \S/.test(line), `a change says its values (${line})`);
    check((await page.$$('.changes li :not(code, del, ins)')).length === 0, 'the values are text only');
    await look(page, 'sync-changes');
    return;
  }
  check(false, `a sync changed ${expect.change}`);
}

/** An application with a plan that waits says which, and how it is approved. */
async function waiting(page) {
  if (!expect.waiting) return;
  await open(page, `#/applications/${expect.waiting}`);
  await settled(page);
  await page.waitForSelector('section.approval').catch(() => check(false, `${expect.waiting} waits for approval`));
  const text = await page.textContent('section.approval');
  const [hash] = text.match(/[0-9a-f]{16,}/) ?? [];
  check(hash && text.includes(`syncline.dev/approve=${hash}`), `the command approves the plan (${text})`);
  check(text.includes(`Syncline-Prune: ${expect.waiting.split('/')[1]}`), 'the trailer is said');
  await look(page, 'approval');
}

/** An image policy says why each tag was chosen or not, and what another one would be. */
async function imagePolicy(page) {
  if (!expect.image) return;
  await open(page, '#/images');
  await settled(page);
  const row = `a[data-row][href="#/images/${expect.image}"]`;
  await page.waitForSelector(row, { timeout: 15_000 }).catch(() => check(false, `${expect.image} is in the list`));
  await page.click(row);
  await page.waitForSelector('table.tags tbody tr');
  check((await page.textContent('h1')) === expect.image.split('/')[1], `${expect.image} has its heading`);
  const chosen = await page.$$eval('table.tags tbody tr', (rows) => rows.filter((row) => row.querySelector('.mark').textContent === 'chosen').map((row) => row.querySelector('code').textContent));
  if (expect.chosen) check(chosen.includes(expect.chosen), `${expect.chosen} is chosen (${chosen})`);
  await look(page, 'image');
  for (const rule of expect.rules ?? []) {
    await page.click(`section[aria-labelledby=tags] a.chip[href*="rule=${rule}"]`);
    await page.waitForFunction((word) => window.location.hash.includes(`rule=${word}`), rule);
    await page.waitForSelector('a.chip[aria-current]');
    await page.waitForFunction(() => document.querySelectorAll('table.tags tbody .mark.good').length === 0);
    check((await page.$$('table.tags tbody tr')).length > 0, `tags that ${rule} decided are shown`);
    await page.click('a.chip[aria-current]');
    await page.waitForSelector('a.chip[aria-current]', { state: 'detached' });
  }
  await page.fill('#what-if', 'no tag');
  await page.waitForFunction(() => document.querySelector('#what-if-says').textContent.includes('No registry'));
  await page.fill('#what-if', expect.chosen ?? 'latest');
  await page.waitForSelector('#what-if-says .mark');
  check(!expect.chosen || (await page.textContent('#what-if-says')).startsWith('chosen'), 'a tag that is typed in is judged');
  await page.keyboard.press('Escape');
  await page.keyboard.press('/');
  check((await page.evaluate(() => document.activeElement?.id)) === 'search', '`/` goes to the search of tags');
  await page.keyboard.type('no-such-tag');
  await page.waitForSelector('section[aria-labelledby=tags] .nothing');
  check((await page.textContent('section[aria-labelledby=tags] .nothing')).includes('No tag matches'), 'a search without a hit says so');
}

/** A journey without a mouse: search, go down, open, and back. */
async function keyboard(page) {
  await open(page, '#/');
  await settled(page);
  const rows = await page.$$('a[data-row]');
  if (rows.length === 0) return;
  await page.keyboard.press('/');
  check((await page.evaluate(() => document.activeElement?.id)) === 'search', '`/` goes to the search');
  const word = (expect.application ?? expect.applications?.[0] ?? '/').split('/')[1];
  await page.keyboard.type(word || 'a');
  await page.waitForFunction(() => window.location.hash.includes('q='));
  check(page.url().includes('q='), 'the search is in the address');
  await page.keyboard.press('Escape');
  await page.keyboard.press('j');
  check(await page.evaluate(() => document.activeElement?.hasAttribute('data-row')), '`j` goes to a row');
  const name = await page.evaluate(() => document.activeElement?.getAttribute('href'));
  await page.keyboard.press('Enter');
  await page.waitForFunction((to) => window.location.hash === to, name);
  await page.waitForSelector('.why');
  check(page.url().endsWith(name), '`Enter` opens it');
  await page.goBack();
  await page.waitForFunction(() => window.location.hash.includes('q='));
  check(page.url().includes('q='), 'back leads to the same search');
  await page.keyboard.press('g');
  await page.keyboard.press('i');
  await page.waitForFunction(() => window.location.hash === '#/images');
}

/** All pages that the head of the page leads to, and all tabs of the application; answers with their addresses. */
async function walk(page) {
  await open(page, '#/');
  await settled(page);
  const places = await addresses(page, 'header nav a');
  const name = expect.application ?? expect.applications?.[0];
  if (name) {
    await open(page, `#/applications/${name}`);
    await page.waitForSelector('nav.tabs a');
    places.push(...(await addresses(page, 'nav.tabs a')));
  }
  if (expect.image) places.push(`#/images/${expect.image}`);
  check(places.length >= 3, `there are pages to walk (${places})`);
  for (const place of places) {
    await open(page, place);
    await settled(page);
    check((await page.textContent('main h1')).trim() !== '', `${place} has its heading`);
    const trouble = await page.$('main .trouble');
    check(trouble === null, `${place} is answered (${trouble ? await trouble.textContent() : ''})`);
    await look(page, nameOf(place));
  }
  return places;
}

function addresses(page, selector) {
  return page.$$eval(selector, (all) => all.map((one) => one.getAttribute('href')));
}

function nameOf(place) {
  return place.replaceAll(/[^a-z0-9]+/g, '-').replaceAll(/^-|-$/g, '') || 'start';
}

/** An agent that cannot be reached, and a session that has ended: said, with what to do. */
async function trouble(context, page) {
  await open(page, '#/');
  await settled(page);
  troubled = true;
  await context.setOffline(true);
  await open(page, '#/repositories');
  await page.waitForSelector('.trouble');
  check((await page.textContent('.trouble')).includes('cannot be reached'), 'an agent that cannot be reached is said');
  await look(page, 'trouble-unreachable');
  await context.setOffline(false);
  await page.click('.trouble button');
  await page.waitForSelector('.trouble', { state: 'detached' });
  check((await page.textContent('h1')) === 'Repositories', 'another try leads to the page');
  const cookies = await context.cookies();
  await context.clearCookies();
  await open(page, '#/images');
  await page.waitForSelector('.trouble');
  const text = await page.textContent('.trouble');
  check(text.includes('session has ended') && /request [0-9a-f]{12}/.test(text), `a session that has ended is said (${text})`);
  await look(page, 'trouble-signed-out');
  await context.addCookies(cookies);
  await page.click('.trouble button');
  await page.waitForSelector('.trouble', { state: 'detached' });
  // The stream is opened anew in its own time.
  await page.waitForSelector('.live:not(.lost)', { timeout: 40_000 });
  troubled = false;
}

/** The same pages in dark, and on a narrow screen. */
async function otherSights(context, places) {
  const name = expect.application ?? expect.applications?.[0];
  for (const [sight, width, scheme] of [['dark', 1280, 'dark'], ['320', 320, 'light']]) {
    const page = await context.newPage();
    await watch(page, checks, origin, meant);
    await page.emulateMedia({ colorScheme: scheme });
    await page.setViewportSize({ width, height: 860 });
    await page.goto(`${origin}/`);
    for (const place of places) {
      await open(page, place);
      await settled(page);
      await look(page, `${nameOf(place)}-${sight}`);
    }
    if (name) {
      await open(page, `#/applications/${name}/timeline`);
      await page.waitForSelector('section[aria-labelledby=history] a[data-row]');
      await page.click('section[aria-labelledby=history] a[data-row]');
      await page.waitForSelector('main .facts');
      await settled(page);
      await look(page, `sync-${sight}`);
    }
    await page.close();
  }
}

/** A screenshot, a look by axe, and no page wider than the screen. */
async function look(page, name) {
  await page.screenshot({ path: join(shots, `${name}.png`), fullPage: true });
  await inspect(page, checks, name);
}
