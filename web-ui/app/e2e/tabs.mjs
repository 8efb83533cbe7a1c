// Nine tabs of one browser: all load, all are live, and there is one event stream.
//
// SYNCLINE_UI_URL       a one-time link; without it, SYNCLINE_FIXTURE names the program that serves a sample
// SYNCLINE_APPLICATION  `namespace/name` of an application that may be asked for a sync, default that of the sample
import { anotherTab, check, until, withBrowser } from './signed-in.mjs';

const application = process.env.SYNCLINE_APPLICATION ?? 'shop/web';
const count = 9;
/** A tab that waits for a connection does not load at all. */
const soon = 60_000;

await withBrowser('shop', async (first, context) => {
  const tabs = [followed(first)];
  // Its stream was opened before anybody looked.
  await first.reload();
  while (tabs.length < count) {
    const page = await anotherTab(context, (page) => tabs.push(followed(page)));
    await page.waitForSelector(`a[data-row][href$="/${application}"]`, { timeout: soon });
    check(true, `tab ${tabs.length} loads`);
  }
  const open = () => tabs.filter((tab) => tab.streams.size > 0);
  const streams = () => tabs.reduce((sum, tab) => sum + tab.streams.size, 0);
  const isOne = () => streams() === 1;

  await until(`${count} tabs have one stream together`, isOne);
  await allLive(tabs);
  await allHear(tabs, 'nine tabs');

  // Whoever leads may go at any time.
  const leader = open()[0];
  tabs.splice(tabs.indexOf(leader), 1);
  await leader.page.close();
  await until('another tab leads when the one that led is closed', isOne);
  await allHear(tabs, 'the eight that are left');

  // A tab that is hidden lets go of the stream, asks for nothing, and finds out afterwards what it missed.
  const hidden = open()[0];
  const others = tabs.filter((tab) => tab !== hidden);
  await show(hidden, false, () => {
    window.channel = new BroadcastChannel(`syncline-live ${new URL('.', document.baseURI).pathname}`);
    window.channel.addEventListener('message', ({ data }) => { if (data.kind === 'changes') window.last = data.id; });
  });
  await until('a hidden tab lets go of the stream', () => hidden.streams.size === 0);
  await until('another one leads', isOne);
  const before = hidden.asked;
  await allHear(others, 'those in sight');
  check(hidden.asked === before, 'a hidden tab asks for nothing');
  // The first that it hears is a change that does not concern it, from before it is told how far the others are.
  await show(hidden, true, () => {
    const change = { topic: 'repository', key: 'somewhere/else' };
    window.channel.postMessage({ kind: 'changes', id: window.last, changes: [change] });
  });
  await until('a tab that is seen again asks for what it missed', () => hidden.asked > before);
  check(streams() === 1, 'and needs no stream of its own');

  // All hidden: nobody listens. The first that is seen again goes on where it was.
  for (const tab of tabs) await show(tab, false);
  await until('no stream is open while nothing is seen', () => streams() === 0);
  await show(tabs[0], true);
  await until('one is open again', isOne);
  await allHear([tabs[0]], 'the one that is seen');
  check(/[?&]after=/.test([...tabs[0].streams][0]?.url() ?? ''), 'it goes on after the last event');
  await allLive([tabs[0]]);
});

/** A tab, its open streams, and how often it asked for the list. */
function followed(page) {
  const tab = { page, streams: new Set(), asked: 0 };
  const isStream = (request) => /\/api\/v1\/stream(\?|$)/.test(request.url());
  page.on('request', (request) => {
    if (isStream(request)) tab.streams.add(request);
    if (/\/api\/v1\/applications\?/.test(request.url())) tab.asked += 1;
  });
  const over = (request) => tab.streams.delete(request);
  page.on('requestfinished', over);
  page.on('requestfailed', over);
  return tab;
}

async function allLive(tabs) {
  for (const { page } of tabs) {
    await until('a tab says that it is live', () => page.evaluate(() => document.querySelector('.live')?.textContent === 'live'));
  }
}

/** Something changes, and each of the tabs asks for the list again. */
async function allHear(tabs, who) {
  await until(`${who} are at rest`, async () => {
    const before = tabs.map(({ asked }) => asked).join();
    await new Promise((done) => setTimeout(done, 700));
    return tabs.map(({ asked }) => asked).join() === before;
  });
  const before = tabs.map(({ asked }) => asked);
  const status = await tabs[0].page.evaluate(async (path) => {
    const options = { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{}' };
    return (await fetch(path, options)).status;
  }, `api/v1/applications/${application}/sync`);
  check(status === 202, `a sync is asked for (${status})`);
  await until(`${who} hear of a change`, () => tabs.every(({ asked }, at) => asked > before[at]));
}

/** What the browser does when another tab is chosen, after `first`. Without a screen it takes all tabs for seen. */
async function show({ page }, isSeen, first = () => undefined) {
  const then = (hidden) => {
    Object.defineProperty(document, 'hidden', { value: hidden, configurable: true });
    document.dispatchEvent(new Event('visibilitychange'));
  };
  // At once: nothing is heard between them.
  await page.evaluate(`(${first})(); (${then})(${!isSeen})`);
}
