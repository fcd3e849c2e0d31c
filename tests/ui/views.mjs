// Every view in both languages, in light and dark and on a phone: nothing for
// axe to find, nothing beside the screen, a picture of each for people to judge.

import assert from 'node:assert/strict';
import { browse, call, close, logIn, open, signIn, view } from './browser.mjs';
import { look, looks } from './look.mjs';

const views = ['now', 'past', 'users', 'devices', 'roles', 'keys', 'hooks', 'audit', 'server'];

for (const [user, device] of [['1', 'P01'], ['2', 'P01'], ['1', 'PDA1'], ['999', 'LINK']]) await signIn(user, device);
await call('POST', '/api/auth', { body: { userName: '1', password: 'wrong', deviceName: 'P01' } });
const { token } = await signIn('999', 'BackOffice');
await call('POST', '/apikeys', { token, body: { name: 'Web shop', userName: '999', deviceName: 'LINK', permissions: ['sessionCreate'] } });

const hook = { url: 'http://192.168.1.20:8080/portos', secret: 'both know', resources: ['session', 'user'], isActive: false };
assert.equal((await call('POST', '/webhooks', { token, body: hook })).status, 201);

await browse(async (browser) => {
  for (const [name, options] of Object.entries(looks)) {
    const page = await open(browser, options);
    await page.locator('main.bare form').waitFor();
    await look(page, `${name}-login`);
    await logIn(page);
    assert.equal(await page.evaluate(() => document.documentElement.lang), options.locale.slice(0, 2));
    await page.locator('.bars li').first().waitFor();
    for (const key of views) {
      await view(page, key);
      await look(page, `${name}-${key}`);
    }
    await view(page, 'now');
    await page.locator('.c-actions .danger').first().click();
    await page.getByRole('dialog').waitFor();
    await look(page, `${name}-end`);
    await page.keyboard.press('Escape');
    await view(page, 'users');
    await page.locator('.c-actions .button.small').first().click();
    await page.getByRole('dialog').waitFor();
    await look(page, `${name}-edit`);
    await page.keyboard.press('Escape');
    await close(page);
  }

  // By keyboard: into the view, to the first button of a row, and back to it.
  const keys = await open(browser);
  await logIn(keys);
  const focused = () => keys.evaluate(() => document.activeElement.id);
  assert.equal(await focused(), 'main', 'a new view has the focus');
  await keys.locator('.skip').focus();
  await keys.keyboard.press('Enter');
  assert.equal(await focused(), 'main');
  const label = () => keys.evaluate(() => document.activeElement.getAttribute('aria-label') ?? '');
  for (let pressed = 0; pressed < 30 && !(await label()).startsWith('End: '); pressed += 1) await keys.keyboard.press('Tab');
  const on = await label();
  assert.match(on, /^End: /);
  await keys.keyboard.press('Enter');
  await keys.getByRole('dialog').waitFor();
  await keys.keyboard.press('Enter');
  await keys.getByRole('dialog').waitFor({ state: 'detached' });
  assert.equal(await label(), on, 'the focus comes back');
  await close(keys);

  // The language is chosen once and remembered.
  const page = await open(browser);
  await page.getByLabel('Language').selectOption('sk');
  await page.getByRole('heading', { name: 'Prihlásenie' }).waitFor();
  await page.reload();
  await page.getByRole('heading', { name: 'Prihlásenie' }).waitFor();
  await close(page);
});
