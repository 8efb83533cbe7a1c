// Looks at the resources, objects, events, logs and configuration of an application, as a person with a keyboard would.
//
// SYNCLINE_UI_URL       a one-time link of a UI with the sample `shop`; without it, SYNCLINE_FIXTURE names the program
//                       that serves it
// SYNCLINE_SCREENSHOTS  folder for screenshots, default test-output/screenshots
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { accessible, check, withBrowser } from './signed-in.mjs';

const here = fileURLToPath(new URL('..', import.meta.url));
const shots = process.env.SYNCLINE_SCREENSHOTS ?? join(here, 'test-output', 'screenshots');
await mkdir(shots, { recursive: true });

// An answer of 403 is what the page of a missing right is about.
await withBrowser('shop', lookAround, { acceptDownloads: true, meant: /status of (403|404)/ });

async function lookAround(page, context) {
  const open = async (hash, selector) => {
    await page.goto(`${context.root}${hash}`);
    await page.waitForSelector(selector);
  };
  const look = async (name) => {
    await page.screenshot({ path: join(shots, `resources-${name}.png`), fullPage: true });
    await accessible(page, name);
  };
  const rows = () => page.$$eval('table.tree tr[data-row]', (all) => all.map((row) => row.innerText.trim().split('\n')[0]));
  const focused = () => page.evaluate(() => document.activeElement?.getAttribute('aria-rowindex'));

  // A tree with something that fails is open down to it.
  await open('#/applications/pay/payments-api/resources', 'table.tree');
  const failing = await page.textContent('table.tree');
  check(failing.includes('ImagePullBackOff'), 'the container that fails is seen at once');
  check((await page.textContent('section[aria-label="Why"]')).length > 0, 'why is on top of every tab');
  await look('failing');

  // The keyboard alone, from the tree to the object and back.
  await page.focus('table.tree tr[data-row]');
  check((await focused()) === '2', 'the first row has the focus');
  await page.keyboard.press('ArrowDown');
  check((await focused()) === '3', 'an arrow goes to the next row');
  await page.keyboard.press('ArrowUp');
  const before = (await rows()).length;
  await page.keyboard.press('ArrowLeft');
  await page.waitForFunction((count) => document.querySelectorAll('table.tree tr[data-row]').length < count, before);
  check((await focused()) === '2', 'the focus stays on the row that was closed');
  await page.keyboard.press('ArrowRight');
  await page.waitForFunction((count) => document.querySelectorAll('table.tree tr[data-row]').length === count, before);
  const folded = await page.$('text=/healthy objects?$/');
  if (folded) {
    await page.keyboard.press('h');
    await page.waitForFunction(() => !/\d+ healthy objects?$/m.test(document.querySelector('table.tree').innerText));
    check((await focused()) === '2', 'the focus stays where it was');
  }
  await page.keyboard.press('Enter');
  await page.waitForSelector('dialog.drawer');
  check(page.url().includes('object='), 'an object has an address of its own');
  await page.waitForSelector('dialog.drawer dl.facts');
  await look('object');
  await page.keyboard.press('Escape');
  await page.waitForSelector('dialog.drawer', { state: 'detached' });

  // The views of a pod.
  const pod = await page.getAttribute('table.tree a.to[href*="Pod"]', 'href');
  await open(pod, 'dialog.drawer dl.facts');
  check((await page.textContent('dialog.drawer .chain')).includes('deployment.yaml'), 'the owners lead to the file in Git');
  await look('pod');
  await page.click('dialog.drawer nav a:has-text("YAML")');
  await page.waitForSelector('dialog.drawer pre');
  check((await page.textContent('dialog.drawer pre')).includes('(hidden, '), 'a secret is masked');
  await look('yaml');
  await page.click('dialog.drawer nav a:has-text("Events")');
  await page.waitForSelector('dialog.drawer table.events');
  await look('object-events');

  // Logs: followed, filtered, saved.
  await open('#/applications/shop/web/logs', '.lines .line');
  const count = (await page.$$('.lines .line')).length;
  await page.waitForFunction((old) => document.querySelectorAll('.lines .line').length > old, count);
  await look('logs');
  await page.getByLabel('Level').selectOption('error');
  await page.waitForFunction(() => [...document.querySelectorAll('.lines .line')].every((line) => line.textContent.includes('ERROR')));
  check((await page.textContent('#log-says')).includes(' of '), 'it is said how many lines fit');
  await page.getByLabel('Level').selectOption('');
  await page.fill('#search', '(');
  await page.waitForSelector('#log-says.invalid');
  await page.fill('#search', 'cart/1[0-9]$|cart/1[0-9] ');
  await page.waitForFunction(() => document.querySelectorAll('.lines .line').length < 20);
  const [download] = await Promise.all([page.waitForEvent('download'), page.click('button:has-text("Download")')]);
  const saved = await readFile(await download.path(), 'utf8');
  check(saved.includes('cart/1') && !saved.includes('ERROR'), 'the file has the lines that are shown');
  // The stream ends with the pane.
  const gone = page.waitForEvent('requestfailed', (request) => request.url().includes('/logs?'));
  await page.click('nav.tabs a:has-text("Events")');
  await gone;
  await page.waitForSelector('table.events');
  await look('events');

  // Rights that are missing are named, and the rest is shown.
  await open('#/applications/pay/invoices/resources', 'table.tree');
  check((await page.textContent('.banner.missing')).includes('pay/deployer'), 'the account is named');
  await look('missing');
  await open('#/applications/pay/invoices/logs', '.trouble');
  check((await page.textContent('.trouble')).includes('A right is missing'), 'a log says which right is missing');
  await look('logs-forbidden');

  await open('#/applications/shop/web/configuration', 'table.settings');
  await look('configuration');

  // 1,500 rows: only those that are seen are drawn, and the keyboard reaches the last one.
  await open('#/applications/infra/monitoring/resources', 'table.tree, .nothing');
  await page.fill('#search', 'web');
  await page.waitForFunction(() => Number(document.querySelector('table.tree')?.getAttribute('aria-rowcount')) > 1000);
  const all = Number(await page.getAttribute('table.tree', 'aria-rowcount'));
  const drawn = (await page.$$('table.tree tr[data-row]')).length;
  check(all > 1000 && drawn < 150, `${drawn} of ${all} rows are drawn`);
  await page.focus('table.tree tr[data-row]');
  const begin = Date.now();
  await page.keyboard.press('End');
  await page.waitForFunction((last) => document.activeElement?.getAttribute('aria-rowindex') === String(last), all);
  console.log(`from the first of ${all} rows to the last in ${Date.now() - begin} ms`);
  await page.screenshot({ path: join(shots, 'resources-many.png') });

  // Dark, and narrow.
  for (const [name, options] of [
    ['dark', { colorScheme: 'dark', viewport: { width: 1280, height: 860 } }],
    ['narrow', { colorScheme: 'light', viewport: { width: 320, height: 800 } }],
  ]) {
    await page.emulateMedia({ colorScheme: options.colorScheme });
    await page.setViewportSize(options.viewport);
    for (const [tab, selector] of [
      ['resources', 'table.tree'],
      ['events', 'table.events'],
      ['logs', '.lines .line'],
      ['configuration', 'table.settings'],
    ]) {
      await open(`#/applications/pay/payments-api/${tab}`, selector);
      await look(`${tab}-${name}`);
    }
    await open(pod, 'dialog.drawer dl.facts');
    await look(`pod-${name}`);
  }
}
