// A list of a thousand applications, by keyboard and by pointer.
//
// SYNCLINE_UI_URL       a one-time link of a UI with at least 500 applications; without it, SYNCLINE_FIXTURE names
//                       the program that serves a sample
// SYNCLINE_SCREENSHOTS  folder for screenshots, default test-output/screenshots
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { accessible, check, until, watch, withBrowser } from './signed-in.mjs';

const here = fileURLToPath(new URL('..', import.meta.url));
const shots = process.env.SYNCLINE_SCREENSHOTS ?? join(here, 'test-output', 'screenshots');
await mkdir(shots, { recursive: true });
const row = 'table.applications tbody tr.line';

await withBrowser(
  'many',
  async (page, context) => {
    await page.waitForSelector(row);
    const total = await page.evaluate(async () => (await (await fetch('api/v1/applications?limit=1')).json()).all.total);
    check(total >= 500, `there are many applications (${total})`);

    await windowed(page, total);
    await keyboard(page);
    await filters(page, total);
    await sorted(page);
    await palette(page);
    await views(page, context);
    await look(page, 'list');
    await page.emulateMedia({ colorScheme: 'dark' });
    await look(page, 'list-dark');
    await page.emulateMedia({ colorScheme: 'light' });
    await page.setViewportSize({ width: 320, height: 860 });
    await page.waitForTimeout(100);
    await windowed(page, total);
    await look(page, 'list-320');
  },
  { permissions: ['clipboard-read', 'clipboard-write'] },
);

/** Only the rows in sight are drawn, and all can be. */
async function windowed(page, total) {
  await open(page, '#/');
  const drawn = () => page.$$eval(row, (rows) => rows.length);
  check((await drawn()) < 100, `few rows are drawn (${await drawn()})`);
  const said = Number(await page.getAttribute('table.applications', 'aria-rowcount'));
  check(said > total, `the table says how many rows it has (${said})`);
  await page.evaluate(() => window.scrollTo(0, document.documentElement.scrollHeight));
  await until('the last row is drawn at the end', async () => {
    const last = await page.$$eval('table.applications tbody tr[aria-rowindex]', (rows) => rows.at(-1)?.getAttribute('aria-rowindex'));
    await page.evaluate(() => window.scrollTo(0, document.documentElement.scrollHeight));
    return Number(last) === Number(await page.getAttribute('table.applications', 'aria-rowcount'));
  });
  check((await drawn()) < 100, 'there are few also at the end');
  const gap = await page.evaluate(() => {
    const rows = [...document.querySelectorAll('table.applications tbody tr.line')].map((one) => one.getBoundingClientRect());
    return rows.slice(1).some((one, at) => one.top < rows[at].bottom - 1);
  });
  check(!gap, 'rows do not lie over each other');
  await page.evaluate(() => window.scrollTo(0, 0));
  await page.click('.sight button');
  await until('all rows are drawn when asked for', async () => (await drawn()) === total);
  await page.click('.sight button');
  await until('and few again', async () => (await drawn()) < 100);
}

async function keyboard(page) {
  await open(page, '#/');
  const focused = () => page.evaluate(() => document.activeElement?.closest('tr')?.dataset.line);
  const tabbable = () => page.$$eval(`${row} a[data-row]`, (links) => links.filter((one) => one.tabIndex === 0).length);
  check((await tabbable()) === 1, `Tab leads to one row (${await tabbable()})`);
  await page.evaluate(() => document.activeElement?.blur());
  for (let step = 0; step < 60; step += 1) await page.keyboard.press('j');
  await page.waitForFunction(() => document.activeElement?.closest('tr') !== null);
  const down = await focused();
  check(down !== undefined, '`j` goes beyond the rows that were drawn');
  const isSeen = await page.evaluate(() => {
    const { top, bottom } = document.activeElement.getBoundingClientRect();
    return top >= 0 && bottom <= window.innerHeight;
  });
  check(isSeen, 'the row that has the focus is in sight');
  await page.keyboard.press('k');
  await until('`k` goes back', async () => (await focused()) !== undefined && (await focused()) !== down);
  const before = await focused();
  await page.keyboard.press('Enter');
  await page.waitForFunction((key) => window.location.hash.endsWith(`/${key}`), before);
  await page.goBack();
  await page.waitForSelector(row);

  await page.keyboard.press('/');
  await page.keyboard.type('jkgs?');
  check((await page.inputValue('#search')) === 'jkgs?', 'letters that are typed are letters');
  await page.fill('#search', '');
  await page.keyboard.press('Escape');
  await page.keyboard.press('g');
  await page.keyboard.press('r');
  await page.waitForFunction(() => window.location.hash === '#/repositories');
  await page.keyboard.press('g');
  await page.keyboard.press('f');
  await page.waitForFunction(() => window.location.hash.includes('failing'));
  await page.waitForSelector(row);
  const states = await page.$$eval(row, (rows) => [...new Set(rows.map((one) => one.className))]);
  check(states.join() === 'line failing', `\`g f\` shows what fails (${states})`);
  await page.keyboard.press('?');
  await page.waitForSelector('dialog[open] table');
  check((await page.textContent('dialog[open]')).includes('health:degraded'), 'the help says what filters there are');
  await look(page, 'list-help');
  await page.keyboard.press('Escape');
  await page.waitForSelector('dialog[open]', { state: 'detached' });
  await page.keyboard.press('j');
  await page.waitForFunction(() => document.activeElement?.closest('tr') !== null);
  const name = await focused();
  await page.keyboard.press('s');
  await page.waitForSelector('dialog .happens');
  check((await page.textContent('dialog h2')).includes(name), '`s` says first what a sync of the row would do');
  await page.click('dialog button[type=submit]:not(:disabled)');
  await page.waitForSelector('.toast');
  check((await page.textContent('.toasts')).includes(name), '`s` asks for a sync of the row');
}

async function filters(page, total) {
  await open(page, '#/');
  await page.fill('#search', 'state:failing');
  await page.waitForFunction(() => window.location.hash.includes('q=state'));
  await page.waitForSelector('.tally .found');
  const found = await page.textContent('.tally .found');
  check(found.endsWith(`of ${total} found`), `it says how many are found (${found})`);
  const title = await page.title();
  check(/^\(\d+ failing\)/.test(title), `the title says how many fail (${title})`);
  check((await page.getAttribute('link[rel=icon]', 'href')).includes('svg'), 'and so does the icon');
  const first = await page.textContent('tr.group');
  check(/^\d+ failing$/.test(first), `the head of a group has its count (${first})`);
  await page.click('.terms a');
  await page.waitForFunction(() => !window.location.hash.includes('state'));

  await page.fill('#search', 'web colour:red');
  await page.waitForSelector('.invalid mark');
  check((await page.textContent('.invalid mark')) === 'colour', 'what is wrong is marked');
  check((await page.getAttribute('#search', 'aria-invalid')) === 'true', 'and said of the field');
  check((await page.$$(row)).length > 0, 'what was found before stays');
  await look(page, 'list-wrong');
  await page.fill('#search', 'nothing-has-this-name');
  await page.waitForSelector('main .nothing');
  await page.fill('#search', '');
  await page.waitForSelector(row);
}

async function sorted(page) {
  await page.click('th a:has-text("Application")');
  await page.waitForFunction(() => window.location.hash.includes('sort=name'));
  await until('the order is that of the names', async () => {
    const names = await page.$$eval(`table.applications tbody tr.line`, (rows) => rows.map((one) => one.dataset.line));
    return names.length > 10 && names.every((name, at) => at === 0 || names[at - 1].split('/')[0] <= name.split('/')[0]);
  });
  check((await page.getAttribute('th[aria-sort]', 'aria-sort')) === 'ascending', 'the heading says so');
  check((await page.$$('tr.group')).length === 0, 'there are no groups then');
  await open(page, '#/');
}

async function palette(page) {
  const name = await page.getAttribute(`${row} >> nth=20`, 'data-line');
  await page.focus('#search');
  await page.keyboard.press('Control+k');
  await page.waitForSelector('dialog.palette[open]');
  check((await page.textContent('dialog.palette')).includes('Repositories'), 'the palette has the pages');
  await look(page, 'list-palette');
  await page.keyboard.type(name.replace('/', '').replace('-', ''));
  await until('the palette finds an application by its letters', async () => (await page.textContent('[role=option][aria-selected=true]')).includes(name));
  await page.keyboard.press('Enter');
  await page.waitForFunction((key) => window.location.hash.endsWith(`/${key}`), name);
  check((await page.$$('dialog[open]')).length === 0, 'and is gone then');
  await page.waitForSelector('main .actions button');
  await page.keyboard.press('Control+k');
  await page.waitForSelector('dialog.palette[open]');
  check((await page.textContent('dialog.palette')).includes('Sync…'), 'the palette has what the page can do');
  await page.keyboard.press('Escape');
  await page.waitForSelector('dialog[open]', { state: 'detached' });
  await open(page, '#/');
}

async function views(page, context) {
  await open(page, '#/?q=state%3Afailing&sort=-name');
  await page.click('.tools .menu summary');
  await page.fill('.tools .menu input', 'Broken');
  await page.click('.tools .menu button[type=submit]');
  await page.waitForSelector('.views li');
  await look(page, 'list-views');
  await page.click('.views button:has-text("Copy link")');
  await page.waitForSelector('.toast');
  const address = await page.evaluate(() => navigator.clipboard.readText());
  check(address.includes('view=Broken') && address.startsWith(context.root), `a link takes a view along (${address})`);
  await page.click('.views button:has-text("Remove")');
  const other = await context.newPage();
  await watch(other);
  await other.goto(address);
  await other.click('.banner button:has-text("Save it")');
  await until('a view that came with a link can be saved, and the other tab has it', async () => (await page.textContent('.tools .menu')).includes('Broken'));
  check((await other.inputValue('#search')) === 'state:failing', 'it has the filter');
  await other.close();
  await page.focus('.tools .menu summary');
  await page.keyboard.press('Escape');
  await open(page, '#/');
}

async function open(page, hash) {
  await page.evaluate((to) => { window.location.hash = to; }, hash);
  await page.waitForFunction((to) => window.location.hash === to || (to === '#/' && window.location.hash === ''), hash);
  await page.waitForSelector('main h1');
  await page.waitForSelector(row);
  await page.evaluate(() => window.scrollTo(0, 0));
}

/** A screenshot, and what is wrong with it. */
async function look(page, name) {
  await page.screenshot({ path: join(shots, `${name}.png`) });
  await accessible(page, name);
}
