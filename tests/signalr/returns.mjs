// A client that stays while the server stops and starts: it comes back by
// itself, subscribes anew, and hears what happens then.
//
// The server gets another port at its second start. So the client goes through
// a relay here, and the test says on standard input where the server is now.

import assert from 'node:assert/strict';
import net from 'node:net';
import readline from 'node:readline';
import { EVENT, call, client, logIn, Queue } from './hub.mjs';

let base = process.env.TILLGATE_URL;
const sockets = new Set();
const relay = net.createServer((near) => {
  const { hostname, port } = new URL(base);
  const far = net.connect(Number(port), hostname);
  for (const [one, other] of [[near, far], [far, near]]) {
    sockets.add(one);
    one.pipe(other);
    one.on('error', () => other.destroy());
    one.on('close', () => sockets.delete(one));
  }
});
await new Promise((ready) => relay.listen(0, '127.0.0.1', ready));

const owner = await logIn(base, '999', 'BackOffice');
const { hub, heard, closed } = client(`http://127.0.0.1:${relay.address().port}`, owner.token, {
  reconnects: { nextRetryDelayInMilliseconds: () => 50 },
});
const back = new Queue();
hub.onreconnected(() => back.push('back'));
await hub.start();
await hub.invoke('Subscribe');
console.log('connected');

const lines = readline.createInterface({ input: process.stdin });
base = (await lines[Symbol.asyncIterator]().next()).value;
await back.next('the way back');
await hub.invoke('Subscribe', EVENT);
const till = await logIn(base, '1', 'P01');
const created = await heard.next('a login after the restart');
assert.deepEqual(created.p.resource, { name: 'session', id: till.id, version: 1 });

await call(base, 'DELETE', `/sessions/${owner.id}`, { token: owner.token });
await closed.next('the end of its session');
relay.close();
sockets.forEach((socket) => socket.destroy());
lines.close();
process.stdin.destroy();
