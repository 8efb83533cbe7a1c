// Every page in every state: screenshots, one contact sheet for each page, and what is wrong with them.
//
// node e2e/screenshots.mjs [page...]     only the pages that are named
//
// SYNCLINE_FIXTURE        the program that serves invented applications (required)
// SYNCLINE_CHROMIUM       the browser, default /usr/bin/chromium
// SYNCLINE_SCREENSHOTS    folder for the sheets, default test-output/sheets
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { Checks, inspect, launch, open, settled, watch } from './browser.mjs';
import { serve } from './fixture.mjs';

const here = fileURLToPath(new URL('..', import.meta.url));
const folder = process.env.SYNCLINE_SCREENSHOTS ?? join(here, 'test-output', 'sheets');
const wanted = process.argv.slice(2);
const checks = new Checks();

/** What stands side by side on a sheet: which sample, at which width, in which colours. */
const states = [
  { name: 'empty', mode: 'empty', below: 'new' },
  { name: 'loading', mode: 'loading' },
  { name: 'error', mode: 'error' },
  { name: 'forbidden', mode: 'forbidden' },
  { name: 'one', mode: 'one' },
  { name: '1,000', mode: 'many' },
  { name: 'all kinds', mode: 'shop' },
  { name: 'dark', mode: 'shop', scheme: 'dark' },
  { name: 'frozen', mode: 'frozen', width: 800 },
  { name: '320 px', mode: 'shop', width: 320 },
];

/** What is opened over a page: what is pressed for it, and what is there then. */
const over = [
  { name: 'dialog-sync', press: '[data-action=sync]', until: 'dialog .happens' },
  { name: 'dialog-rollback', press: '[data-action=rollback]', fill: 'dialog textarea', until: 'dialog .happens' },
  { name: 'dialog-suspend', press: '[data-action=suspend]', fill: 'dialog textarea', until: 'dialog .happens' },
  { name: 'dialog-pin', menu: '.actions .menu summary', press: '[data-action=pin]', until: 'dialog input[pattern]' },
  { name: 'dialog-unfreeze', in: 'frozen', press: '.banner [data-action=unfreeze]', until: 'dialog .happens' },
  { name: 'not-now', in: 'frozen', press: '[data-action=sync]', until: '.because-not:not(:empty)' },
  { name: 'menu-more', menu: '.actions .menu summary', until: '.actions .menu[open] button' },
  { name: 'help', key: '?', until: 'dialog table' },
  { name: 'palette', key: 'Control+k', until: 'dialog [role=option]' },
];

/** The application that is looked at in each sample: one that says much, where there is one. */
const applications = { shop: 'pay/payments-api', frozen: 'pay/payments-api', one: 'shop/web', new: 'shop/web', many: 'shop/service-0000' };

await rm(folder, { recursive: true, force: true });
await mkdir(folder, { recursive: true });
const browser = await launch();
const servers = new Map();
const sights = new Map();
try {
  for (const mode of new Set(states.flatMap(({ mode, below }) => [mode, below ?? mode]))) servers.set(mode, await signedIn(mode));
  const pages = await places();
  for (const page of pages.filter(({ name }) => wanted.length === 0 || wanted.includes(name))) {
    const shots = [];
    for (const state of states) shots.push(await shoot(page, state));
    await sheet(page.name, shots.filter((shot) => shot !== null));
    console.log(`${page.name}: ${join(folder, `${page.name}.png`)}`);
  }
} finally {
  await browser.close();
  for (const { process } of servers.values()) process.kill();
}
console.log(`${checks.count} checks, ${checks.failures.length} failed; sheets in ${folder}`);
process.exit(checks.failures.length > 0 ? 1 : 0);

/** Starts a sample and signs a browser in. */
async function signedIn(mode) {
  const { process, link } = await serve(mode);
  const context = await browser.newContext();
  await context.request.get(link);
  return { process, context, origin: new URL(link).origin };
}

/** The pages: what the head of the page leads to, the tabs of an application, one image policy, one sync. */
async function places() {
  const { context, origin } = servers.get('shop');
  const page = await context.newPage();
  await page.goto(`${origin}/`);
  await settled(page);
  const top = await page.$$eval('header nav a', (all) => all.map((one) => one.getAttribute('href')));
  await open(page, `#/applications/${applications.shop}`);
  await page.waitForSelector('nav.tabs a');
  const tabs = await page.$$eval('nav.tabs a', (all) => all.map((one) => one.getAttribute('href')));
  await page.close();
  const last = (hash) => hash.split('?')[0].split('/').filter((part) => part !== '#' && part !== '');
  return [
    ...top.map((hash) => ({ name: last(hash)[0] ?? 'applications', at: () => hash })),
    ...tabs.map((hash) => {
      const tab = last(hash)[3] ?? '';
      return {
        name: `application${tab ? `-${tab}` : ''}`,
        below: true,
        // Lines come a moment after the page.
        how: tab === 'logs' ? { lines: '.lines .line' } : undefined,
        at: (mode) => `#/applications/${applications[mode] ?? applications.shop}${tab ? `/${tab}` : ''}`,
      };
    }),
    { name: 'sync', below: true, at: newestSync },
    { name: 'image', at: (mode) => (mode === 'empty' ? null : `#/images/shop/${mode === 'many' ? 'service-0000' : 'web'}`) },
    { name: 'repository', at: (mode) => (mode === 'empty' ? null : '#/repositories/shop/config') },
    { name: 'object', below: true, at: object },
    ...over.map(({ name, ...how }) => ({
      name,
      how,
      at: (mode) => (mode === (how.in ?? 'shop') ? `#/applications/${applications.shop}` : null),
    })),
    { name: 'nowhere', at: (mode) => (mode === 'shop' ? '#/no/such/page' : null) },
  ];
}

/** The address of the newest sync of the application of a sample; none where nothing was synced. */
async function newestSync(mode) {
  if (['loading', 'error', 'forbidden'].includes(mode)) return '#/syncs/01JD4Z7Q2M0000000000000000';
  const { context, origin } = servers.get(mode);
  const answer = await context.request.get(`${origin}/api/v1/applications/${applications[mode]}/syncs`);
  const [newest] = (await answer.json()).items;
  return newest ? `#/syncs/${newest.id}` : null;
}

/** The address of an object of the application of a sample, over its tree. */
async function object(mode) {
  // Of a thousand only their kind is listed.
  if (mode === 'new' || mode === 'many') return null;
  const tab = `#/applications/${applications[mode] ?? applications.shop}/resources`;
  if (['loading', 'error', 'forbidden'].includes(mode)) return `${tab}?object=apps/Deployment/shop/web`;
  const { context, origin } = servers.get(mode);
  const page = await context.newPage();
  await page.goto(`${origin}/${tab}`);
  await page.waitForSelector('.tree a.to');
  const found = await page.getAttribute('.tree a.to', 'href');
  await page.close();
  return found;
}

async function shoot(place, state) {
  const { name, width = 1280 } = state;
  const mode = place.below && state.below ? state.below : state.mode;
  const hash = await place.at(mode);
  if (hash === null) return null;
  const page = await sight(state, mode);
  // As if somebody had followed a link: nothing of the page before is left.
  await page.evaluate((to) => { window.location.hash = to; }, hash);
  await page.reload();
  await page.waitForSelector('main h1, main .trouble, main .skeleton');
  if (mode === 'loading') await page.waitForSelector('main .skeleton', { state: 'visible' });
  else await settled(page);
  if (place.how) await show(page, place.how);
  await page.waitForFunction(() => document.fonts.status === 'loaded');
  const file = join(folder, `${place.name}-${name.replaceAll(/[^a-z0-9]+/g, '')}.png`);
  const height = await page.evaluate(() => document.documentElement.scrollHeight);
  await page.screenshot({ path: file, fullPage: true, clip: { x: 0, y: 0, width, height: Math.min(height, width < 500 ? 2400 : 1500) } });
  await inspect(page, checks, `${place.name}, ${name}`);
  return { name, file, width };
}

/** A tab that shows a sample as a state asks for. It is kept: a new one costs more than what it shows. */
async function sight({ name, width = 1280, scheme = 'light' }, mode) {
  const key = `${name} ${mode}`;
  const known = sights.get(key);
  if (known) return known;
  const { context, origin } = servers.get(mode);
  const page = await context.newPage();
  // What the sample refuses on purpose is reported by the browser itself.
  const meant = (text) => ['error', 'forbidden'].includes(mode) && /status of (403|503)/.test(text);
  await watch(page, checks, origin, meant);
  await page.emulateMedia({ colorScheme: scheme, reducedMotion: 'reduce' });
  await page.setViewportSize({ width, height: width < 500 ? 1400 : 860 });
  await page.goto(`${origin}/`);
  await page.waitForSelector('main');
  sights.set(key, page);
  return page;
}

/** Opens what lies over a page. */
async function show(page, { menu, press, key, fill, until, lines }) {
  if (menu) await page.click(menu);
  // What cannot be done now is pressed all the same: it says why.
  if (press) await page.click(press, { force: true });
  if (key) await page.keyboard.press(key);
  if (fill) await page.fill(fill, 'The payments are moved to another cluster');
  if (lines) await page.waitForSelector(lines, { timeout: 3000 }).catch(() => undefined);
  if (until) await page.waitForSelector(until, { state: 'visible' });
  await page.waitForTimeout(500);
}

/** Lays the shots of a page side by side, drawn by the browser. */
async function sheet(name, shots) {
  const figures = shots.map(
    ({ name: state, file, width }) =>
      `<figure class="${width < 500 ? 'slim' : ''}"><figcaption>${state}</figcaption><img src="${pathToFileURL(file)}" alt=""></figure>`,
  );
  const style = `body{margin:0;padding:24px;width:2400px;background:#c9ced3;font:600 15px system-ui,'DejaVu Sans',sans-serif;color:#14181c}
    h1{font-size:22px;margin:0 0 14px}div{display:grid;grid-template-columns:repeat(3,660px) 322px;gap:20px;align-items:start}
    figure{margin:0}figcaption{margin-bottom:5px}img{display:block;width:660px;border:1px solid #8d959c}
    .slim{grid-column:4;grid-row:1/span 3}.slim img{width:320px}`;
  const html = join(folder, `${name}.html`);
  await writeFile(html, `<!doctype html><meta charset="utf-8"><title>${name}</title><style>${style}</style><h1>${name}</h1><div>${figures.join('')}</div>`);
  const page = await browser.newPage({ viewport: { width: 2448, height: 1000 } });
  await page.goto(pathToFileURL(html).href);
  await page.screenshot({ path: join(folder, `${name}.png`), fullPage: true });
  await page.close();
}
