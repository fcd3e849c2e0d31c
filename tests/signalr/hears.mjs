// Negotiation and none, the token in the header and in the address, a login and
// an ending heard, and closed with the own session; a dead token gets nowhere.

import assert from 'node:assert/strict';
import { EVENT, call, client, logIn } from './hub.mjs';

const base = process.env.TILLGATE_URL;
const owner = await logIn(base, '999', 'BackOffice');

const ways = {
  negotiated: (token) => client(base, token),
  'not negotiated': (token) => client(base, token, { skipNegotiation: true }),
  'as a browser has it': (token) =>
    client(base, null, { query: `?access_token=${encodeURIComponent(token)}`, skipNegotiation: true }),
};

for (const [way, connect] of Object.entries(ways)) {
  const own = await logIn(base, '999', 'LINK');
  const { hub, heard, closed } = connect(own.token);
  await hub.start();
  await hub.invoke('Subscribe', EVENT);

  const till = await logIn(base, '1', 'P01');
  const created = await heard.next(`${way}: the login`);
  assert.equal(created.e, EVENT, way);
  assert.deepEqual(created.p, {
    action: 'created',
    resource: { name: 'session', id: till.id, version: 1 },
    identity: { userName: '1', deviceName: 'P01', envName: 'CashRegister', authenticationType: 'Bearer' },
  });
  await call(base, 'DELETE', `/sessions/${till.id}`, { token: owner.token });
  const deleted = await heard.next(`${way}: the ending`);
  assert.equal(deleted.p.action, 'deleted', way);
  assert.equal(deleted.p.endReason, 'revoked', way);
  assert.equal(deleted.s.identity.userName, '999', way);
  await assert.rejects(hub.invoke('Shout'), /no such method/, way);

  await call(base, 'DELETE', `/sessions/${own.id}`, { token: owner.token });
  const why = await closed.next(`${way}: the end of its own session`);
  assert.match(String(why), /session is over/, way);
  // Without a negotiation the client can not tell why it was refused.
  await assert.rejects(hub.start(), /401|failed to connect/, `${way}: a dead token`);
}

const { hub } = client(base, 'dead');
await assert.rejects(hub.start(), /401/);

const leaving = client(base, owner.token);
await leaving.hub.start();
await leaving.hub.stop();
assert.equal(await leaving.closed.next('its own end'), null);
