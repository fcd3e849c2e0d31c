// Names are texts, whatever is in them: nothing of them runs, nothing of them
// turns the page around.

import assert from 'node:assert/strict';
import { browse, call, close, logIn, open, PASSWORD, signIn, view } from './browser.mjs';

const { token } = await signIn('999', 'BackOffice');
const make = async (path, body) => {
  const made = await call('POST', path, { token, body });
  assert.equal(made.status, 201, `${path} ${JSON.stringify(made.body)}`);
};

const device = `<img src=x onerror="hacked=1">'&amp;`;
const login = `"><b onmouseover=hacked=1>$(x)`;
const full = `</td><script>hacked=1</script> ' " & שלום`;
const words = '"><svg onload=hacked=1> {name} </option>';

await make('/roles', { name: '"><i>role', label: `<script>hacked=1</script>`, envNames: ['Tool'], description: words });
await make('/devices', { name: device, envName: 'BackOffice', description: words });
await make('/users', { userName: login, name: full, password: PASSWORD, devices: [{ name: device, roles: ['"><i>role'] }] });
await make('/apikeys', { name: words, description: words, userName: login, deviceName: device, isActive: true });
await signIn(login, device);

await browse(async (browser) => {
  const page = await open(browser);
  await logIn(page);
  const shows = async (text) => {
    await page.getByText(text, { exact: true }).first().waitFor();
  };
  await shows(device);
  await shows(full);
  const row = page.locator('tbody tr', { has: page.getByText(full, { exact: true }) });
  // A search by the full name asks for the login name, whatever is in that.
  await page.getByLabel('Find a person').fill('שלום');
  await page.waitForFunction(() => document.querySelectorAll('tbody tr').length === 1);
  await row.waitFor();
  await page.getByLabel('Find a device').fill('<img src=x onerror="');
  await page.waitForTimeout(400);
  await row.waitFor();
  await row.getByRole('button', { name: /^End: / }).click();
  assert.ok((await page.getByRole('dialog').textContent()).includes(full));
  await page.getByRole('dialog').getByRole('button', { name: 'Sign off' }).click();
  await page.locator('.said p').waitFor();

  await view(page, 'past');
  await shows(full);
  await view(page, 'users');
  await shows(login);
  await page.getByLabel('Find by name').fill('שלום');
  await page.waitForFunction(() => document.querySelectorAll('tbody tr').length === 1);
  await page.getByRole('button', { name: /^Edit: / }).click();
  assert.equal(await page.getByLabel('Name', { exact: true }).inputValue(), full);
  await page.keyboard.press('Escape');
  await view(page, 'devices');
  await shows(words);
  await view(page, 'roles');
  await shows('<script>hacked=1</script>');
  await view(page, 'keys');
  await shows(words);
  await view(page, 'audit');
  await page.getByText(device).first().waitFor();

  const done = await page.evaluate(() => [window.hacked, document.querySelectorAll('main script, main img, main b, main i').length]);
  assert.deepEqual(done, [undefined, 0]);
  await close(page);
});
