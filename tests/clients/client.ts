// A till's day with the client that openapi-typescript makes out of the
// document: log in, list, end, be refused. What the document does not have, does
// not compile.

import createClient from 'openapi-fetch';
import type { components, paths } from './schema.js';

declare const process: { env: { TILLGATE_URL: string } };

const client = createClient<paths>({ baseUrl: process.env.TILLGATE_URL });

function mustBe(good: boolean, what: string): asserts good {
  if (!good) throw new Error(what);
}

async function logIn(UserName: string, DeviceName: string): Promise<components['schemas']['AuthResult']> {
  const { data, error } = await client.POST('/auth', { body: { UserName, Password: 'pass', DeviceName } });
  mustBe(data !== undefined, JSON.stringify(error));
  return data;
}

const as = (token: string) => ({ Authorization: `Bearer ${token}` });

const owner = await logIn('999', 'BackOffice');
const till = await logIn('1', 'P01');

const list = await client.GET('/sessions', {
  params: { query: { deviceName: 'P01', $sort: '-startedAt', $take: 5 } },
  headers: as(owner.tokenId),
});
mustBe(list.data?.totalCount === 1, JSON.stringify(list));
mustBe(list.data.items?.[0]?.sessionId === till.sessionId, JSON.stringify(list.data));

const ended = await client.DELETE('/sessions/{id}', {
  params: { path: { id: till.sessionId } },
  headers: as(owner.tokenId),
});
mustBe(ended.data?.identity.userName === '1', JSON.stringify(ended));

const refused = await client.GET('/auth', { headers: as(till.tokenId) });
mustBe(refused.response.status === 401 && refused.error?.reason === 'revoked', JSON.stringify(refused.error));
