// A service that leaves it to Tillgate who its callers are: one question for each
// request, no state, no dependencies (Node 18 or later).
//
//   TILLGATE_URL=http://127.0.0.1:4000 PORT=8080 node examples/node_service/service.mjs

import http from 'node:http';

const TILLGATE = process.env.TILLGATE_URL ?? 'http://127.0.0.1:4000';
const PORT = Number(process.env.PORT ?? 8080);
// Tillgate is near; who does not answer within this does not answer.
const PATIENCE_MS = 2000;

// What each path takes: a right, or null for any login.
const PATHS = { '/hello': null, '/reports': 'reportsRead' };

// Who asks, or the status that refuses the request. Everything but a clear yes is
// a no: when Tillgate can not be asked, nobody is let in.
async function whoAsks(request, right) {
  const authorization = request.headers.authorization;
  if (!authorization) return { refused: 401 };
  const question = new URL('/auth/verify', TILLGATE);
  if (right) question.searchParams.append('right', right);
  let answer;
  try {
    const signal = AbortSignal.timeout(PATIENCE_MS);
    answer = await fetch(question, { headers: { authorization }, redirect: 'error', signal });
  } catch {
    return { refused: 503 };
  }
  if (answer.status !== 204) {
    return { refused: [401, 403].includes(answer.status) ? answer.status : 503 };
  }
  const told = (name) => decodeURIComponent(answer.headers.get(name) ?? '');
  return {
    user: told('x-auth-user'),
    device: told('x-auth-device'),
    session: told('x-auth-session'),
    rights: told('x-auth-rights').split(',').filter(Boolean),
  };
}

function reply(response, status, body) {
  const headers = { 'Content-Type': 'application/json', 'Cache-Control': 'no-store' };
  if (status === 401) headers['WWW-Authenticate'] = 'Bearer';
  response.writeHead(status, headers).end(`${JSON.stringify(body)}\n`);
}

const server = http.createServer(async (request, response) => {
  const [pathname] = request.url.split('?');
  if (!Object.hasOwn(PATHS, pathname)) return reply(response, 404, { error: 'There is nothing here.' });
  const caller = await whoAsks(request, PATHS[pathname]);
  if (caller.refused) return reply(response, caller.refused, { error: http.STATUS_CODES[caller.refused] });
  reply(response, 200, { hello: caller.user, on: caller.device, rights: caller.rights });
});

server.listen(PORT, '127.0.0.1', () => {
  console.log(`service listening on http://127.0.0.1:${server.address().port}`);
});
