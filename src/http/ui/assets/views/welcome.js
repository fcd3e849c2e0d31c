// Before the page proper: log in, the first administrator, a new password.

import { call, get } from '../api.js';
import { h } from '../dom.js';
import { ask, form, text } from '../form.js';
import { has, t } from '../i18n.js';

// Whether this server has never had a user: then its door for the first one
// answers what is missing, else there is no such door.
async function isFirstStart() {
  try {
    await call('POST', 'setup', {}, { quiet: true });
  } catch (problem) {
    return problem.status === 400;
  }
  return false;
}

function page(title, intro, content) {
  // Once it stands on the page.
  setTimeout(() => document.querySelector('main input')?.focus());
  document.title = `${title} · Tillgate`;
  return h('section', { class: 'card' }, h('h1', null, title), [intro].flat().map((one) => one && h('p', null, one)), content);
}

export async function welcomeView({ reason, enter }) {
  if (await isFirstStart()) return firstView({ enter });
  const device = text('deviceName', t('login.device'), '', { hint: t('login.device.hint') });
  const fields = [
    text('userName', t('login.user'), '', { autocomplete: 'username', autocapitalize: 'off', required: true }),
    text('password', t('login.password'), '', { type: 'password', autocomplete: 'current-password' }),
  ];
  const more = h('details', { class: 'more' }, h('summary', null, t('login.more')), device.node);
  const content = form([...fields, { ...device, node: more }], {
    label: t('login.go'),
    send: async ({ userName, password, deviceName }) => {
      const body = { userName, password, ...(deviceName ? { deviceName } : {}) };
      try {
        await enter(await call('POST', 'ui/session', body, { quiet: true }));
      } catch (problem) {
        if (problem.status === 401) problem.body = { title: t('login.wrong') };
        if (problem.status === 423) problem.body = { title: t('login.locked', { s: problem.retryAfter }) };
        if (problem.body?.title) problem.message = problem.body.title;
        throw problem;
      }
    },
  });
  const why = reason && (has(`signedout.${reason}`) ? t(`signedout.${reason}`) : t('signedout.gone'));
  return page(t('login'), why && h('span', { class: 'notice' }, why), content);
}

function firstView({ enter }) {
  const fields = [
    text('code', t('first.code'), '', { hint: t('first.code.hint'), class: 'mono', autocapitalize: 'characters', required: true }),
    text('userName', t('first.user'), '', { autocomplete: 'username', hint: t('first.user.hint'), required: true }),
    text('name', t('first.name'), '', { autocomplete: 'name' }),
    text('password', t('first.password'), '', { type: 'password', autocomplete: 'new-password', required: true }),
    text('deviceName', t('first.device'), t('first.device.value'), { hint: t('first.device.hint'), required: true }),
  ];
  const content = form(fields, {
    label: t('first.go'),
    send: async (values) => {
      const { name, ...others } = values;
      try {
        await call('POST', 'setup', name ? values : others, { quiet: true });
      } catch (problem) {
        if (problem.status === 404) {
          problem.body = { errors: [{ memberName: 'code', message: t('first.wrong') }] };
        }
        throw problem;
      }
      const { userName, password } = values;
      await enter(await call('POST', 'ui/session', { userName, password }, { quiet: true }));
    },
  });
  return page(t('first'), [t('first.intro'), t('first.where')], content);
}

function passwordFields() {
  return [
    text('oldPassword', t('password.old'), '', { type: 'password', autocomplete: 'current-password' }),
    text('newPassword', t('password.new'), '', { type: 'password', autocomplete: 'new-password' }),
  ];
}

const send = (values) => call('PUT', 'auth/password', values);

// Who must change the password first gets nowhere else.
export function passwordView({ done, leave }) {
  const content = form(passwordFields(), {
    label: t('password.change'),
    cancel: leave,
    send: async (values) => {
      await send(values);
      await done(await get('auth'));
    },
  });
  return page(t('password.must'), t('password.must.intro'), content);
}

export function askPassword() {
  return ask(t('password.change'), passwordFields(), {
    label: t('password.change'),
    intro: t('password.intro'),
    send: async (values) => {
      await send(values);
      return true;
    },
  });
}
