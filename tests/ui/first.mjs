// The first start: the one-time code makes the first administrator, who is
// logged in at once, adds a till and who works there, sees that person sign in
// and ends the session. What the administrator does is counted.

import assert from 'node:assert/strict';
import { browse, call, close, open, signIn } from './browser.mjs';
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

  const started = performance.now();
  const did = { typed: 4, clicks: 0 };
  await fill({ 'One-time code': code });
  const click = async (target) => {
    did.clicks += 1;
    await target.click();
  };
  await click(page.getByRole('button', { name: 'Begin' }));
  await page.locator('main[data-ready=now]').waitFor();
  assert.match(await page.locator('.me').textContent(), /The Boss/);
  assert.equal(await page.locator('tbody tr').count(), 1, 'nobody else is there');
  const profile = await call('POST', '/api/auth', { body: { userName: 'boss', password, deviceName: 'Office' } });
  assert.deepEqual(profile.body.user.rights, ['admin']);

  // The till, who works there, the first session and its end.
  const dialog = page.getByRole('dialog');
  const type = async (values) => {
    for (const [label, value] of Object.entries(values)) {
      did.typed += 1;
      await dialog.getByLabel(label, { exact: true }).fill(value);
    }
  };
  const add = async (made) => {
    await click(dialog.getByRole('button', { name: 'Add', exact: true }));
    await dialog.waitFor({ state: 'detached' });
    await page.getByRole('status').getByText(`${made} was added.`).waitFor();
  };
  await click(page.getByRole('link', { name: 'Tills and devices' }));
  await click(page.getByRole('button', { name: 'Add a device' }));
  await type({ Name: 'P01' });
  await add('P01');
  await click(page.getByRole('link', { name: 'People' }));
  await click(page.getByRole('button', { name: 'Add a person' }));
  await type({ 'Login name': 'eva', Name: 'Eva', 'New password': 'four words at once' });
  await click(dialog.getByLabel('May sign in at P01'));
  await add('Eva');
  await click(page.getByRole('link', { name: 'Signed in now' }));
  const till = await signIn('eva', 'P01', 'four words at once');
  const row = page.getByRole('row', { name: /P01/ });
  await row.waitFor();
  assert.equal((await call('GET', '/auth', { token: till.token })).status, 200, 'the till works at once');
  await click(row.getByRole('button', { name: /^End/ }).first());
  await click(dialog.getByRole('button', { name: 'Sign off' }));
  await dialog.waitFor({ state: 'detached' });
  const refused = await call('GET', '/auth', { token: till.token });
  assert.equal(refused.body.reason, 'revoked');
  const seconds = (performance.now() - started) / 1000;
  console.log(`MEASURED from the code to the first session ended: ${did.typed} fields typed, ${did.clicks} clicks; ${seconds.toFixed(1)} s by a script`);
  assert.ok(did.typed <= 8 && did.clicks <= 11, JSON.stringify(did));

  // From now on there is nothing to make.
  await page.locator('.me summary').click();
  await page.getByRole('button', { name: 'Log out' }).click();
  await page.getByRole('heading', { name: 'Log in' }).waitFor();
  await close(page);
});
