// A till signs in and is seen without a reload; it is ended on the page and is
// refused; whoever ends the page's own session sends it to the login.

import assert from 'node:assert/strict';
import { browse, call, close, logIn, open, signIn } from './browser.mjs';

await browse(async (browser) => {
  const page = await open(browser);
  await logIn(page);
  let loads = 0;
  page.on('load', () => (loads += 1));
  const row = (device) => page.locator('tbody tr', { has: page.getByText(device, { exact: true }) });
  assert.equal(await row('P02').count(), 0);

  const till = await signIn('1', 'P02');
  await row('P02').waitFor();
  const gone = await signIn('2', 'P01');
  await row('P01').waitFor();

  // Ended by somebody else: said at once, where it stands.
  await row('P01').hover();
  assert.equal((await call('DELETE', '/auth', { token: gone.token })).status, 204);
  await row('P01').getByText('Logged out').waitFor();
  assert.equal(await row('P01').getByRole('button').count(), 0);

  await row('P02').getByRole('button', { name: /^End: / }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByText(/can sign in again/).waitFor();
  assert.match(await dialog.textContent(), /may be lost/);
  assert.equal(await page.evaluate(() => document.activeElement.textContent), 'Cancel', 'nothing is ended by mistake');
  await page.keyboard.press('Escape');
  await dialog.waitFor({ state: 'detached' });
  assert.equal((await call('GET', '/auth', { token: till.token })).status, 200);

  await row('P02').getByRole('button', { name: /^End: / }).click();
  await dialog.getByRole('button', { name: 'Sign off' }).click();
  await page.getByText(/was signed off at P02/).waitFor();
  const refused = await call('GET', '/auth', { token: till.token });
  assert.deepEqual([refused.status, refused.body.reason], [401, 'revoked']);
  await page.mouse.move(0, 0);
  await row('P02').waitFor({ state: 'detached' });

  // Accesses are no events, and still nobody who works is shown as idle.
  const busy = await signIn('2', 'P01');
  await row('P01').waitFor();
  const idle = async () => Number(/^(\d+) s$/.exec(await row('P01').locator('.c-idle').textContent())?.[1] ?? 999);
  await page.waitForTimeout(6000);
  assert.equal((await call('GET', '/auth', { token: busy.token })).status, 200);
  const used = Date.now();
  const isKnown = async () => (await idle()) * 1000 <= Date.now() - used + 2500;
  for (let looks = 0; looks < 100 && !(await isKnown()); looks += 1) await page.waitForTimeout(250);
  assert.ok(await isKnown(), 'the list was asked for again');
  await call('DELETE', '/auth', { token: busy.token });

  // All of one person.
  const tokens = [await signIn('1', 'P01'), await signIn('1', 'PDA1')];
  await row('PDA1').getByRole('button', { name: /^End all: / }).click();
  await dialog.getByText(/^2 sessions of/).waitFor();
  await dialog.getByRole('button', { name: 'Sign off' }).click();
  await page.getByText(/2 sessions of .* have ended/).waitFor();
  for (const { token } of tokens) assert.equal((await call('GET', '/auth', { token })).status, 401);

  // Search and sorting are the server's.
  await signIn('1', 'P01');
  await signIn('2', 'BackOffice');
  await page.mouse.move(0, 0);
  await row('P01').waitFor();
  await page.getByLabel('Find a device').fill('P0');
  await row('BackOffice').first().waitFor({ state: 'detached' });
  await page.getByLabel('Find a device').fill('');
  await row('BackOffice').first().waitFor();
  await page.getByRole('button', { name: 'Device' }).click();
  await page.locator('th[aria-sort=descending]').waitFor();

  const own = await call('GET', '/sessions?userName=999', { token: (await signIn('1', 'P02')).token });
  const admin = (await signIn('999', 'P01')).token;
  await call('DELETE', `/sessions/${own.body.items[0].sessionId}`, { token: admin });
  await page.getByText('Somebody has ended your session.').waitFor();
  assert.equal(loads, 0, 'never loaded anew');
  await close(page);
});
