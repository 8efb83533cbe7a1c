// A journey without a mouse: from the list, where what fails comes first, to a rollback that has ended.
import { open, settled } from './browser.mjs';

/** So many steps of the focus are enough to get anywhere on a page. */
const most = 120;

/** Rolls back an application that fails, with keys alone, waits until the sync of the revert has ended well, and finds it in the activity. */
export async function rollBack(page, name, check) {
  await open(page, '#/');
  await settled(page);
  // The mouse is out of the way, and so is what had the focus.
  await page.mouse.move(0, 0);
  await page.keyboard.press('j');
  const place = `#/applications/${name}`;
  for (let row = 0; row < most && (await focused(page)).href !== place; row += 1) await page.keyboard.press('j');
  check((await focused(page)).href === place, `${name} is reached with \`j\``);
  await page.keyboard.press('Enter');
  await page.waitForSelector('[data-action=rollback]');
  await settled(page);
  await reach(page, check, 'the button of the rollback', '[data-action=rollback]');
  await page.keyboard.press('Enter');
  await page.waitForSelector('dialog[open]');
  check(await page.evaluate(() => document.querySelector('dialog[open]').contains(document.activeElement)), 'the focus is in the dialog');
  // An earlier good sync, where one can be chosen: the arrows go from choice to choice.
  if (await page.$('dialog[open] input[type=radio]')) await reach(page, check, 'the choice of a sync', 'dialog[open] input[type=radio]');
  await reach(page, check, 'the reason', 'dialog[open] textarea');
  await page.keyboard.type('the keyboard journey takes it back');
  await page.waitForSelector('dialog[open] .happens', { timeout: 20_000 });
  await page.waitForSelector('dialog[open] button[type=submit]:not(:disabled)', { timeout: 20_000 });
  await reach(page, check, 'the last button', 'dialog[open] button[type=submit]');
  await page.keyboard.press('Enter');
  await page.waitForSelector('dialog[open]', { state: 'detached', timeout: 20_000 });
  const ended = '.toast .mark.good';
  await page.waitForSelector(ended, { timeout: 60_000 }).catch(() => check(false, 'the rollback is told to have ended well'));
  check(await page.evaluate(() => document.activeElement !== document.body), 'the focus is not lost with the dialog');
  await page.waitForSelector('.why:not(.bad)', { timeout: 60_000 }).catch(() => check(false, `${name} is well again`));
  await open(page, '#/activity');
  await settled(page);
  const kept = `main tr:has(.mark.good):has(a[href="${place}"]):has(a[title="Only rollback"])`;
  await page.waitForSelector(kept, { timeout: 20_000 }).catch(() => check(false, 'the rollback is told in the activity'));
}

function focused(page) {
  return page.evaluate(() => ({ href: document.activeElement?.getAttribute('href') ?? null }));
}

/** Goes on with Tab until something has the focus, and sees that the focus can be seen there. */
async function reach(page, check, what, selector) {
  for (let step = 0; step < most; step += 1) {
    if (await page.evaluate((wanted) => document.activeElement?.matches(wanted) ?? false, selector)) break;
    // What a closed menu holds is reached by opening it.
    const menu = await page.evaluate((wanted) => {
      const here = document.activeElement;
      const closed = here?.matches('details:not([open]) > summary');
      return Boolean(closed && here.parentElement.querySelector(wanted));
    }, selector);
    await page.keyboard.press(menu ? 'Enter' : 'Tab');
  }
  const seen = await page.evaluate((wanted) => {
    const here = document.activeElement;
    if (!here?.matches(wanted)) return null;
    const { outlineStyle, outlineWidth } = getComputedStyle(here);
    return outlineStyle !== 'none' && outlineWidth !== '0px';
  }, selector);
  check(seen !== null, `${what} is reached with Tab`);
  check(seen !== false, `the focus is seen at ${what}`);
}
