// A client of the hub, and calls of the API beside it.

import assert from 'node:assert/strict';
import { HttpTransportType, HubConnectionBuilder, LogLevel } from '@microsoft/signalr';

export const EVENT = 'portos.resources.changed';
const HUB = '/signalr/v1/mainHub';
const PATIENCE = 30_000;

export async function call(base, method, path, { token, body } = {}) {
  const headers = { 'Content-Type': 'application/json', ...(token ? { Authorization: `Bearer ${token}` } : {}) };
  const answer = await fetch(`${base}${path}`, { method, headers, body: body && JSON.stringify(body) });
  const text = await answer.text();
  return { status: answer.status, body: text ? JSON.parse(text) : null };
}

export async function logIn(base, userName, deviceName) {
  const answer = await call(base, 'POST', '/api/auth', { body: { userName, password: 'pass', deviceName } });
  assert.equal(answer.status, 200, JSON.stringify(answer.body));
  return { token: answer.body.tokenId, id: answer.body.sessionId };
}

// Nothing that a test waits for is waited for without an end.
export function within(what, promise) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`nothing: ${what}`)), PATIENCE);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

// What comes, one after the other, for whoever asks next.
export class Queue {
  #come = [];
  #asked = [];

  push(one) {
    const ask = this.#asked.shift();
    if (ask) ask(one);
    else this.#come.push(one);
  }

  next(what) {
    if (this.#come.length > 0) return Promise.resolve(this.#come.shift());
    return within(what, new Promise((ask) => this.#asked.push(ask)));
  }
}

// A client that is not started yet; what it hears, and how it was closed.
export function client(base, token, { query = '', skipNegotiation = false, reconnects } = {}) {
  const options = { ...(token ? { accessTokenFactory: () => token } : {}) };
  if (skipNegotiation) Object.assign(options, { skipNegotiation, transport: HttpTransportType.WebSockets });
  let builder = new HubConnectionBuilder().withUrl(`${base}${HUB}${query}`, options).configureLogging(LogLevel.None);
  if (reconnects) builder = builder.withAutomaticReconnect(reconnects);
  const hub = builder.build();
  const heard = new Queue();
  const closed = new Queue();
  hub.on('OnEvent', (event) => heard.push(event));
  hub.onclose((error) => closed.push(error ?? null));
  return { hub, heard, closed };
}
