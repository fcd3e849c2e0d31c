// The beginning: who is there, and which view is shown.

import { call, get, signedOut } from './api.js';
import { h } from './dom.js';
import { load, t } from './i18n.js';
import * as live from './live.js';
import { bare, frame, mark, say } from './shell.js';

const VIEWS = [
  { key: 'now', icon: 'now' },
  { key: 'past', icon: 'past', right: 'sessionReadAny' },
  { key: 'users', icon: 'users' },
  { key: 'devices', icon: 'devices' },
  { key: 'roles', icon: 'roles' },
  { key: 'keys', icon: 'keys' },
  { key: 'hooks', icon: 'hooks', right: 'admin' },
  { key: 'audit', icon: 'audit', right: 'auditRead' },
  { key: 'server', icon: 'server' },
];

let profile = null;
let main = null;
let view = null;
let turn = 0;

// Whether the person has a right, as the server said at the login.
function may(right) {
  const rights = profile.rights.map((one) => one.toLowerCase());
  return rights.includes('admin') || rights.includes(right.toLowerCase());
}

const visible = () => VIEWS.filter((one) => !one.right || may(one.right));

async function route() {
  turn += 1;
  const mine = turn;
  const wanted = location.hash.replace(/^#\//, '');
  const { key } = visible().find((one) => one.key === wanted) ?? VIEWS[0];
  mark(key);
  const made = await import(`./views/${key}.js`);
  if (mine !== turn || !main) return;
  view?.stop?.();
  view = made.default({ profile, may });
  main.replaceChildren(h('h1', null, t(`nav.${key}`)), view.node);
  main.dataset.view = key;
  // Whoever hears the page hears what it shows now, and goes on from there.
  main.focus({ preventScroll: true });
  await view.start?.();
  if (mine === turn) main.dataset.ready = key;
}

async function welcome(reason) {
  live.stop();
  view?.stop?.();
  [view, main, profile] = [null, null, null];
  const { welcomeView } = await import('./views/welcome.js');
  bare(await welcomeView({ reason, enter }), change);
}

async function enter(who) {
  profile = who;
  if (profile.mustChangePassword) {
    const { passwordView } = await import('./views/welcome.js');
    bare(passwordView({ done: begin, leave: logOut }), change);
    return;
  }
  main = frame({ views: visible(), profile, change, logOut, password: changePassword });
  live.start();
  await route();
}

async function changePassword() {
  const { askPassword } = await import('./views/welcome.js');
  if (await askPassword()) say(t('password.changed'));
}

async function logOut() {
  try {
    await call('DELETE', 'ui/session', undefined, { quiet: true });
  } catch (problem) {
    if (problem.status !== 401) {
      say(t('error.network'));
      return;
    }
  }
  // Whoever comes next begins at the beginning.
  history.replaceState(null, '', location.pathname);
  await welcome();
}

async function change(language) {
  await load(language);
  if (profile) await enter(profile);
  else await welcome();
}

// Goes on as whoever is logged in, if anybody is.
async function begin(asked = get('auth', { quiet: true })) {
  let who;
  try {
    who = await asked;
  } catch {
    await welcome();
    return;
  }
  await enter(who);
}

signedOut.addEventListener('signedout', (event) => profile && welcome(event.detail ?? 'gone'));
addEventListener('hashchange', () => main && route());
setInterval(() => view?.tick?.(), 1000);

const asked = get('auth', { quiet: true });
// It is looked at when there are words for what it answers.
asked.catch(() => {});
await load();
await begin(asked);
