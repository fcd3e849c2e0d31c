// express-session with connect-redis: `node server.js PORT_OF_REDIS`.
// A cookie, ten hours of inactivity, every request an access.
import express from 'express';
import session from 'express-session';
import { RedisStore } from 'connect-redis';
import { createClient } from 'redis';

const client = createClient({ url: `redis://127.0.0.1:${process.argv[2]}` });
await client.connect();
const app = express();
app.disable('x-powered-by');
app.set('etag', false);
app.use(express.json());
app.use(session({
  store: new RedisStore({ client }),
  secret: 'a secret of this run only',
  name: 'id',
  resave: false,
  rolling: true,
  saveUninitialized: false,
  cookie: { httpOnly: true, sameSite: 'strict', maxAge: 10 * 3600 * 1000 },
}));

app.post('/login', (request, response, next) => {
  const { userName, deviceName } = request.body;
  request.session.regenerate((error) => {
    if (error) return next(error);
    request.session.identity = { userName, deviceName };
    response.sendStatus(201);
  });
});
app.get('/session', (request, response) => {
  const { identity } = request.session;
  if (!identity) return response.sendStatus(401);
  response.json({
    sessionId: request.sessionID,
    identity,
    expiresAt: request.session.cookie.expires,
    lastAccessAt: Date.now(),
  });
});
app.delete('/session', (request, response, next) => {
  request.session.destroy((error) => (error ? next(error) : response.sendStatus(200)));
});
app.post('/refresh', (request, response, next) => {
  const { identity } = request.session;
  request.session.regenerate((error) => {
    if (error) return next(error);
    request.session.identity = identity;
    response.sendStatus(200);
  });
});
const server = app.listen(0, '127.0.0.1', () => {
  console.log(`listening on http://127.0.0.1:${server.address().port}`);
});
