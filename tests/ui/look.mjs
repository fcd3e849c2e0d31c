// What a page must be on every screen: nothing for axe to find, nothing beside
// the screen; and a picture of it for people to judge.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { PHONE } from './browser.mjs';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

export const looks = {
  light: { colorScheme: 'light', locale: 'en-GB' },
  dark: { colorScheme: 'dark', locale: 'sk-SK' },
  phone: { colorScheme: 'light', locale: 'en-GB', ...PHONE },
  'phone-dark': { colorScheme: 'dark', locale: 'sk-SK', ...PHONE },
};

export async function look(page, name) {
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => window.axe.run(document, { resultTypes: ['violations'] }));
  const found = violations.map((one) => `${one.id}: ${one.help}: ${one.nodes.map((node) => node.html.slice(0, 160)).join(' | ')}`);
  assert.deepEqual(found, [], name);
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  assert.ok(wide <= 0, `${name}: ${wide} px beside the screen`);
  await page.screenshot({ path: `${process.env.SCREENSHOTS}/${name}.png` });
}
