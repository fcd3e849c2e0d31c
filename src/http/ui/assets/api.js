// Calls of the public API. The browser carries the cookie; no script sees it.

import { tag } from './i18n.js';
import { setServerTime } from './time.js';

// Calls that are under way for one purpose at the same time.
const AT_ONCE = 4;
const BASE = new URL('../', document.baseURI);

// Why the API did not do as asked: its problem document.
export class Problem extends Error {
  constructor(status, body, retryAfter) {
    super(body.title ?? String(status));
    Object.assign(this, { status, body, retryAfter });
  }

  // The sentences for a person: what is wrong with each member, or the title.
  get sentences() {
    const errors = this.body.errors ?? [];
    if (errors.length > 0) return errors.map((one) => `${one.memberName}: ${one.message}`);
    return [this.body.detail ? `${this.message}. ${this.body.detail}` : this.message];
  }
}

// Told when a call finds that nobody is logged in any more.
export const signedOut = new EventTarget();

export function address(path) {
  return new URL(path, BASE);
}

async function read(answer) {
  const text = await answer.text();
  if (text === '') return {};
  try {
    return JSON.parse(text);
  } catch {
    return { title: text.slice(0, 200) };
  }
}

export async function call(method, path, body, { quiet = false } = {}) {
  const headers = { Accept: 'application/json', 'Accept-Language': tag() };
  if (method !== 'GET') headers['Content-Type'] = 'application/json';
  const asked = Date.now();
  let answer;
  try {
    answer = await fetch(address(path), {
      method,
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      cache: 'no-store',
      credentials: 'same-origin',
    });
  } catch {
    throw new Problem(0, {});
  }
  setServerTime(answer.headers.get('Date'), asked);
  const content = await read(answer);
  if (answer.ok) return content;
  const problem = new Problem(answer.status, content, answer.headers.get('Retry-After'));
  if (answer.status === 401 && !quiet) {
    signedOut.dispatchEvent(new CustomEvent('signedout', { detail: content.reason }));
  }
  throw problem;
}

export const get = (path, options) => call('GET', path, undefined, options);

// A value that stands for itself in a filter, whatever is in it.
export function quoted(text) {
  return `"${text.replace(/[\\"]/g, '\\$&')}"`;
}

// The query of a list: filters as [member, operation, value...], everything encoded.
export function query({ filters = [], sort, skip, take, count } = {}) {
  const parts = filters.map(([member, operation, ...values]) => {
    const written = values.map((value) => encodeURIComponent(quoted(value))).join(',');
    return `${member}=${operation}:${written}`;
  });
  const set = (key, value) => value !== undefined && parts.push(`$${key}=${encodeURIComponent(value)}`);
  set('sort', sort);
  set('skip', skip);
  set('take', take);
  set('count', count);
  return parts.length > 0 ? `?${parts.join('&')}` : '';
}

// The path of one thing.
export function path(...segments) {
  return segments.map(encodeURIComponent).join('/');
}

// How many things of a list fit all filters; nothing of them is sent.
export const count = async (list, ...filters) => (await get(`${list}${query({ filters, count: true })}`)).totalCount;

// Does something with each, a few at a time.
export async function forEach(items, work) {
  const next = items.values();
  const some = async () => {
    for (const item of next) await work(item);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, some));
}
