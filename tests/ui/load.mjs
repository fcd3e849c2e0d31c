// A large shop: how soon the page is ready and how much it loads, and that a
// thousand events a second neither freeze it nor make it jump. Prints what it
// measured; fails only where something is wrong by far.

import assert from 'node:assert/strict';
import { browse, close, logIn, open, signIn } from './browser.mjs';

const SESSIONS = Number(process.env.SESSIONS ?? 10_000);
const AT_ONCE = 64;
const EVENTS_PER_SECOND = 1000;
const SECONDS = 3;

let left = SESSIONS;
await Promise.all(
  Array.from({ length: AT_ONCE }, async () => {
    while (left > 0) {
      left -= 1;
      await signIn(left % 2 ? '1' : '2', 'BackOffice');
    }
  }),
);

await browse(async (browser) => {
  const page = await open(browser);
  await logIn(page);
  await page.locator('.bars li').first().waitFor();

  // Once more with the cookie, as on every morning: nothing is in the cache.
  const loaded = await page.context().newPage();
  const session = await loaded.context().newCDPSession(loaded);
  await session.send('Network.enable');
  await session.send('Network.setCacheDisabled', { cacheDisabled: true });
  let bytes = 0;
  let pageBytes = 0;
  const ours = new Set();
  session.on('Network.requestWillBeSent', ({ requestId, request }) => request.url.includes('/ui/') && ours.add(requestId));
  session.on('Network.loadingFinished', ({ requestId, encodedDataLength }) => {
    bytes += encodedDataLength;
    if (ours.has(requestId)) pageBytes += encodedDataLength;
  });
  const started = performance.now();
  await loaded.goto(page.url(), { waitUntil: 'commit' });
  await loaded.locator('main[data-ready=now] tbody tr').first().waitFor();
  const seen = performance.now() - started;
  const ready = await loaded.evaluate(() => performance.getEntriesByType('resource').filter((one) => one.name.includes('/sessions?')).at(0).responseEnd);
  await loaded.locator('.bars li', { hasText: /BackOffice[^]*10,\d\d\d/ }).first().waitFor();
  const readyBytes = bytes;
  await loaded.close();

  const jumped = await page.evaluate(
    async ({ rate, seconds }) => {
      let shift = 0;
      new PerformanceObserver((list) => list.getEntries().forEach((one) => (shift += one.value))).observe({ type: 'layout-shift', buffered: false });
      const ids = [...document.querySelectorAll('tbody tr')].map((tr) => tr.row.sessionId);
      const live = await import('/ui/live.js');
      let longest = 0;
      let before = performance.now();
      const end = before + seconds * 1000;
      let sent = 0;
      const due = () => Math.floor(((performance.now() - end + seconds * 1000) / 1000) * rate);
      await new Promise((resolve) => {
        const frame = () => {
          const time = performance.now();
          longest = Math.max(longest, time - before);
          before = time;
          for (; sent < due(); sent += 1) {
            const id = sent % 100 === 0 ? ids[sent % ids.length] : `x${sent}`;
            const p = { action: sent % 2 ? 'created' : 'deleted', resource: { name: 'session', id, version: 1 }, endReason: 'revoked' };
            live.gather({ p });
          }
          if (time < end) requestAnimationFrame(frame);
          else resolve();
        };
        requestAnimationFrame(frame);
      });
      return { sent, longest, shift };
    },
    { rate: EVENTS_PER_SECOND, seconds: SECONDS },
  );
  // The picture of the day counts, too, whatever has begun and ended.
  const day = await page.context().newPage();
  const traffic = await day.context().newCDPSession(day);
  await traffic.send('Network.enable');
  let dayBytes = 0;
  traffic.on('Network.loadingFinished', ({ encodedDataLength }) => (dayBytes += encodedDataLength));
  await day.goto(`${page.url().split('#')[0]}#/past`);
  await day.locator('svg.chart').waitFor();
  const told = await day.locator('svg.chart').getAttribute('aria-label');
  await day.close();
  const logins = [...told.matchAll(/\d\d:00: ([\d,]+) \/ /g)].reduce((sum, [, one]) => sum + Number(one.replace(',', '')), 0);
  assert.ok(logins > SESSIONS, `the picture tells of every login: ${told}`);

  console.log(
    `MEASURED with ${SESSIONS} live sessions: list answered ${ready.toFixed(0)} ms after the start of the navigation, ` +
      `rows seen by the driver after ${seen.toFixed(0)} ms; the page itself ${pageBytes} bytes, with its first answers ${readyBytes}, with the picture of the day ${dayBytes}; ` +
      `${jumped.sent} events in ${SECONDS} s: longest frame ${jumped.longest.toFixed(0)} ms, layout shift ${jumped.shift.toFixed(4)}`,
  );
  assert.ok(pageBytes > 0 && pageBytes <= 100_000, `${pageBytes} bytes`);
  assert.ok(readyBytes <= 100_000, `${readyBytes} bytes with all answers`);
  assert.ok(dayBytes > 0 && dayBytes <= 100_000, `${dayBytes} bytes for the picture of the day`);
  assert.ok(jumped.sent >= EVENTS_PER_SECOND * SECONDS * 0.9, `${jumped.sent} events`);
  assert.ok(jumped.shift < 0.01, `layout shift ${jumped.shift}`);
  await close(page);
});
