// The page of the API: a call is found, tried without a login, with one, and
// with one that has ended; a change is made; events are read as they come. All of
// it by keyboard where it matters, in every look, and nothing for axe to find.

import assert from 'node:assert/strict';
import { base, browse, call, close, open, PASSWORD, signIn } from './browser.mjs';
import { look, looks } from './look.mjs';

const READY = 'body[data-ready=yes] h1';

async function operation(page, id) {
  const details = page.locator(`details#${id}`);
  if (!(await details.evaluate((one) => one.open))) {
    // As with a keyboard: the focus is put there, Enter opens.
    await details.locator('summary').focus();
    await page.keyboard.press('Enter');
  }
  await details.locator('.inside > p').first().waitFor();
  return details;
}

async function send(details, status) {
  await details.getByRole('button', { name: 'Send' }).click();
  await details.locator('.said-status', { hasText: String(status) }).waitFor();
}

async function logIn(page, userName = '999', deviceName = 'BackOffice') {
  await page.getByLabel('User name').fill(userName);
  await page.getByLabel('Password').fill(PASSWORD);
  await page.getByLabel('Device', { exact: true }).fill(deviceName);
  await page.getByRole('button', { name: 'Log in' }).click();
  await page.locator('.login[data-state=in]').waitFor();
}

await browse(async (browser) => {
  const till = await signIn('1', 'P01');
  const page = await open(browser, {}, '/docs/');
  await page.locator(READY).waitFor();
  const document = await call('GET', '/openapi.json');
  const count = Object.values(document.body.paths).flatMap((item) => Object.keys(item)).filter((one) => one !== 'parameters').length;
  assert.equal(await page.locator('details.operation').count(), count, 'every call is there');

  const sessions = await operation(page, 'listSessions');
  await send(sessions, 401);
  await logIn(page);
  await sessions.getByLabel('$take').fill('1');
  await sessions.getByLabel('deviceName').fill('in:P01,P02');
  await send(sessions, 200);
  const shown = JSON.parse(await sessions.getByLabel('Body of the answer').textContent());
  assert.deepEqual([shown.count, shown.items[0].sessionId], [1, till.id]);
  const command = await sessions.getByLabel('The call for a shell').textContent();
  assert.equal(command, `curl -sS -i '${base}/sessions?deviceName=in:P01,P02&$take=1' -H "Authorization: Bearer $TOKEN"`);

  // The events come while a change is made with a body.
  const events = await operation(page, 'getEvents');
  await send(events, 200);
  const device = await operation(page, 'createDevice');
  await device.getByLabel('Body (application/json)').fill('{"name":"new","envName":"Tool"}');
  await send(device, 201);
  await events.getByLabel('Body of the answer').filter({ hasText: '"id":"new"' }).waitFor();
  await events.getByRole('button', { name: 'Stop' }).click();
  assert.equal((await call('GET', '/devices/new', { token: till.token })).status, 200);

  const end = await operation(page, 'endSession');
  await end.getByLabel('id (required)').fill(till.id);
  await send(end, 200);
  assert.equal((await call('GET', '/auth', { token: till.token })).status, 401);

  const hub = await operation(page, 'connectToHub');
  assert.equal(await hub.getByRole('button', { name: 'Send' }).count(), 0);

  await page.getByLabel('Find a call').fill('listusers');
  assert.deepEqual(await page.locator('details.operation:visible').evaluateAll((all) => all.map((one) => one.id)), ['listUsers']);
  await page.getByLabel('Find a call').fill('');

  // The session of the page is ended elsewhere, then by itself.
  const profile = await operation(page, 'getProfile');
  await send(profile, 200);
  await page.getByRole('button', { name: 'Log out' }).click();
  await page.locator('.login[data-state=out]').waitFor();
  await send(profile, 401);
  assert.equal(await page.evaluate(() => localStorage.length + sessionStorage.length + window.document.cookie.length), 0, 'nothing is kept');
  await close(page);

  for (const [name, options] of Object.entries(looks)) {
    const page = await open(browser, options, '/docs/');
    await page.locator(READY).waitFor();
    await look(page, `docs-${name}`);
    await logIn(page);
    await send(await operation(page, 'listSessions'), 200);
    await operation(page, 'putUser');
    await operation(page, 'connectToHub');
    await look(page, `docs-${name}-open`);
    await close(page);
  }

  // The cookie of the manager's page is as good as a token.
  const both = await open(browser);
  await both.locator('input[autocomplete=username]').fill('999');
  await both.locator('input[autocomplete=current-password]').fill(PASSWORD);
  await both.locator('form button[type=submit]').click();
  await both.locator('main[data-ready=now]').waitFor();
  await both.goto(`${base}/api/docs/#getProfile`);
  const linked = both.locator('details#getProfile[open]');
  await linked.waitFor();
  await send(linked, 200);
  await close(both);
});
