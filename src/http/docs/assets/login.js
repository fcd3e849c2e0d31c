// Who the page calls as. The token is in memory and nowhere else: closing the
// page forgets it, and its session goes on until it is ended or lapses.

import { button, h } from '../ui/dom.js';
import { field } from './field.js';
import { address } from './send.js';

let token = null;

export function currentToken() {
  return token;
}

async function ask(method, path, body) {
  const headers = { 'Content-Type': 'application/json' };
  if (token) headers.Authorization = `Bearer ${token}`;
  const answer = await fetch(address(path), { method, headers, body: body && JSON.stringify(body) });
  const text = await answer.text();
  const content = text ? JSON.parse(text) : {};
  if (!answer.ok) throw new Error(content.detail ? `${content.title}. ${content.detail}` : content.title);
  return content;
}

// The panel that shows who is logged in, or lets somebody log in.
export function loginPanel() {
  const panel = h('section', { class: 'panel login', 'aria-label': 'Login' });

  const signedOut = (said = '') => {
    token = null;
    const user = field('User name', h('input', { autocomplete: 'username', required: true }));
    const password = field('Password', h('input', { type: 'password', autocomplete: 'current-password' }));
    const device = field('Device', h('input', { autocomplete: 'off', required: true }));
    const error = h('p', { class: 'error', role: 'alert' }, said);
    const submit = async (event) => {
      event.preventDefault();
      error.textContent = '';
      const [userName, deviceName] = [user.control.value, device.control.value];
      try {
        const login = await ask('POST', 'auth', { userName, password: password.control.value, deviceName });
        token = login.tokenId;
        signedIn(login);
      } catch (problem) {
        error.textContent = problem.message;
      }
    };
    panel.replaceChildren(
      h('h2', null, 'Log in to try calls'),
      h(
        'form',
        { on: { submit } },
        user.node,
        password.node,
        device.node,
        h('div', { class: 'dialog-buttons' }, h('button', { type: 'submit', class: 'button primary' }, 'Log in')),
      ),
      error,
      h('p', { class: 'hint' }, 'The token stays in the memory of this page. Without one, calls go with the cookie of /ui/ if you are signed in there.'),
    );
    panel.dataset.state = 'out';
  };

  const signedIn = (login) => {
    const leave = async () => {
      try {
        await ask('DELETE', 'auth');
        signedOut();
      } catch (problem) {
        signedOut(problem.message);
      }
      panel.querySelector('input').focus();
    };
    const out = button('Log out', leave);
    panel.replaceChildren(
      h('h2', null, 'Logged in'),
      h('p', null, 'Calls go as ', h('strong', null, h('bdi', null, login.user.userName)), ' on ', h('bdi', null, login.user.device.name), ', in the session ', h('code', null, login.sessionId), '.'),
      h('div', { class: 'dialog-buttons' }, out),
    );
    panel.dataset.state = 'in';
    out.focus();
  };

  signedOut();
  return panel;
}
