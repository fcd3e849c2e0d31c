// Every view in both languages, in light and dark and on a phone: nothing for
// axe to find, nothing beside the screen, a picture of each for people to judge.

import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';
import { browse, call, close, logIn, open, PHONE, signIn, view } from './browser.mjs';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const folder = process.env.SCREENSHOTS;
const looks = {
  light: { colorScheme: 'light', locale: 'en-GB' },
  dark: { colorScheme: 'dark', locale: 'sk-SK' },
  phone: { colorScheme: 'light', locale: 'en-GB', ...PHONE },
  'phone-dark': { colorScheme: 'dark', locale: 'sk-SK', ...PHONE },
};
const views = ['now', 'past', 'users', 'devices', 'roles', 'keys', 'audit', 'server'];

for (const [user, device] of [['1', 'P01'], ['2', 'P01'], ['1', 'PDA1'], ['999', 'LINK']]) await signIn(user, device);
await call('POST', '/api/auth', { body: { userName: '1', password: 'wrong', deviceName: 'P01' } });
const { token } = await signIn('999', 'BackOffice');
await call('POST', '/apikeys', { token, body: { name: 'Web shop', userName: '999', deviceName: 'LINK', permissions: ['sessionCreate'] } });

let found = 0;

async function look(page, name) {
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => window.axe.run(document, { resultTypes: ['violations'] }));
  for (const one of violations) {
    found += 1;
    console.error(`${name}: ${one.id}: ${one.help}: ${one.nodes.map((node) => node.html.slice(0, 160)).join(' | ')}`);
  }
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  assert.ok(wide <= 0, `${name}: ${wide} px beside the screen`);
  await page.screenshot({ path: `${folder}/${name}.png` });
}

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

  // The language is chosen once and remembered.
  const page = await open(browser);
  await page.getByLabel('Language').selectOption('sk');
  await page.getByRole('heading', { name: 'Prihlásenie' }).waitFor();
  await page.reload();
  await page.getByRole('heading', { name: 'Prihlásenie' }).waitFor();
  await close(page);
});
assert.equal(found, 0, `axe found ${found}`);
