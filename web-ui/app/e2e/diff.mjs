// The differences of an application: live against Git, and between its last two syncs.

export async function differences({ page, open, settled, look, check }, name) {
  if (!name) return;
  await open(page, `#/applications/${name}/diff`);
  await settled(page);
  await page.waitForSelector('.compare ~ .facts', { timeout: 30_000 }).catch(() => undefined);
  const facts = (await page.textContent('main .compare ~ .facts').catch(() => '')) ?? '';
  check(/live/.test(facts) && /the same/.test(facts), `the differences of ${name} say what is compared (${facts})`);
  await look(page, 'differences');

  const choices = await page.$$eval('.compare select >> nth=1 >> option', (options) =>
    options.map((option) => option.value).filter((value) => value !== ''),
  );
  if (choices.length < 2) return;
  const [newest, before] = choices;
  await page.selectOption('.compare select >> nth=0', before);
  await page.selectOption('.compare select >> nth=1', newest);
  await page.click('.compare form:has(select) button');
  await page.waitForFunction((id) => window.location.hash.includes(`to=${id}`), newest);
  const compared = () => document.querySelector('main')?.textContent.includes('as this sync left it');
  await page.waitForFunction(compared).catch(() => check(false, `two syncs of ${name} are compared`));
  await page.waitForSelector('.object-diff, main .nothing');
  const shown = await page.$$eval('.object-diff[open] .diff', (tables) => tables.length);
  const objects = await page.$$eval('.object-diff', (all) => all.length);
  check(objects === 0 || shown > 0, 'what differs is shown line by line');
  await look(page, 'differences-of-syncs');
}
