// The first start: the one-time code makes the first administrator, who is
// logged in at once.

import assert from 'node:assert/strict';
import { browse, call, close, open } from './browser.mjs';
import { look, looks } from './look.mjs';

const code = process.env.CODE;
const password = 'correct horse battery';

await browse(async (browser) => {
  for (const [name, options] of Object.entries(looks)) {
    const first = await open(browser, options);
    await first.locator('main.bare form').waitFor();
    await look(first, `${name}-first`);
    await close(first);
  }

  const page = await open(browser);
  await page.getByRole('heading', { name: 'Welcome' }).waitFor();
  const fill = async (values) => {
    for (const [label, value] of Object.entries(values)) await page.getByLabel(label, { exact: true }).fill(value);
  };

  await fill({ 'One-time code': 'AAAA-AAAA-AAAA-AAAA', 'Login name': 'boss', 'Full name': 'The Boss', Password: password });
  await page.getByRole('button', { name: 'Begin' }).click();
  await page.getByText('is not right').waitFor();
  assert.equal(await page.evaluate(() => document.activeElement.className), 'mono', 'the focus is where the fault is');

  await fill({ 'One-time code': code });
  await page.getByRole('button', { name: 'Begin' }).click();
  await page.locator('main[data-ready=now]').waitFor();
  assert.match(await page.locator('.me').textContent(), /The Boss/);
  assert.equal(await page.locator('tbody tr').count(), 1, 'nobody else is there');
  const profile = await call('POST', '/api/auth', { body: { userName: 'boss', password, deviceName: 'Office' } });
  assert.deepEqual(profile.body.user.rights, ['admin']);

  // From now on there is nothing to make.
  await page.locator('.me summary').click();
  await page.getByRole('button', { name: 'Log out' }).click();
  await page.getByRole('heading', { name: 'Log in' }).waitFor();
  await close(page);
});
