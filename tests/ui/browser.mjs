// A real browser and a page in it. Whatever the page must never do, it does
// not do unseen: errors of scripts and violations of its policy fail the test.

import assert from 'node:assert/strict';
import { chromium } from 'playwright-core';

export const base = process.env.TILLGATE_URL;
export const PASSWORD = 'pass';

const ARGUMENTS = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking'];

export const PHONE = { viewport: { width: 360, height: 740 }, deviceScaleFactor: 2, hasTouch: true };
export const DESK = { viewport: { width: 1280, height: 860 } };

export async function browse(work) {
  const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: ARGUMENTS });
  try {
    await work(browser);
  } finally {
    await browser.close();
  }
}

// A page with nothing of an earlier one in it.
export async function open(browser, options = {}, path = '/ui/') {
  const context = await browser.newContext({ locale: 'en-GB', ...DESK, ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(20_000);
  page.faults = [];
  page.on('pageerror', (error) => page.faults.push(error.message));
  page.on('console', (message) => /policy|trusted/i.test(message.text()) && page.faults.push(message.text()));
  page.on('request', (request) => {
    const url = request.url();
    if (!url.startsWith(base) && !url.startsWith('data:')) page.faults.push(`asks ${url}`);
  });
  await page.addInitScript(() => {
    window.violations = [];
    document.addEventListener('securitypolicyviolation', (event) => window.violations.push(`${event.violatedDirective} ${event.blockedURI}`));
  });
  await page.goto(`${base}${path}`);
  return page;
}

export async function close(page) {
  const violations = await page.evaluate(() => window.violations);
  assert.deepEqual([...page.faults, ...violations], []);
  await page.context().close();
}

export async function logIn(page, user = '999', password = PASSWORD) {
  await page.locator('input[autocomplete=username]').fill(user);
  await page.locator('input[autocomplete=current-password]').fill(password);
  await page.locator('form button[type=submit]').click();
  await page.locator('main[data-ready=now]').waitFor();
}

export async function view(page, key) {
  await page.evaluate((to) => (location.hash = `#/${to}`), key);
  await page.locator(`main[data-ready=${key}]`).waitFor();
}

// A call of the API from elsewhere: a till, or another manager.
export async function call(method, path, { token, body } = {}) {
  const headers = { 'Content-Type': 'application/json', ...(token ? { Authorization: `Bearer ${token}` } : {}) };
  const answer = await fetch(`${base}${path}`, { method, headers, body: body && JSON.stringify(body) });
  const text = await answer.text();
  return { status: answer.status, body: text ? JSON.parse(text) : null };
}

export async function signIn(userName, deviceName, password = PASSWORD) {
  const answer = await call('POST', '/api/auth', { body: { userName, password, deviceName } });
  assert.equal(answer.status, 200, JSON.stringify(answer.body));
  return { token: answer.body.tokenId, id: answer.body.sessionId };
}
