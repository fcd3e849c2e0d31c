// Webhooks: other servers that are told of changes, and what they never took.

import { call, get, path, query } from '../api.js';
import { open, sentences } from '../dialog.js';
import { directoryView, menu, named, removing } from '../directory.js';
import { button, h, name } from '../dom.js';
import { ask, several, text, tick } from '../form.js';
import { number, t } from '../i18n.js';
import { say } from '../shell.js';
import { search, table } from '../table.js';
import { exact, when } from '../time.js';

const kinds = ['session', 'user', 'device', 'role', 'apiKey', 'webhook'];
// Failures that are shown at a time; the list says how many there are.
const FAILURES_TAKEN = 20;

const fields = (hook) => [
  text('url', t('hooks.url'), hook.url ?? '', { hint: t('hooks.url.hint'), required: true, inputmode: 'url' }),
  text('secret', t('hooks.secret'), '', { hint: t(hook.hasSecret ? 'hooks.secret.kept' : 'hooks.secret.hint') }),
  several('resources', t('hooks.choose'), hook.resources ?? [], kinds.map((kind) => [kind, t(`resource.${kind}`)])),
  tick('isActive', t('hooks.active'), hook.isActive ?? true),
];

// An empty secret leaves the stored one as it is.
const body = ({ secret, ...values }) => (secret === '' ? values : { ...values, secret });

async function create() {
  const made = await ask(t('hooks.new'), fields({}), { label: t('create'), intro: t('hooks.intro'), send: (values) => call('POST', 'webhooks', body(values)) });
  if (made) say(t('created', { name: made.url }));
  return made;
}

async function edit(row) {
  const hook = await get(path('webhooks', row.id));
  const saved = await ask(t('users.edit', { name: hook.url }), fields(hook), {
    label: t('save'),
    send: (values) => call('PUT', path('webhooks', hook.id), { id: hook.id, _v: hook._v, ...body(values) }),
  });
  if (saved) say(t('saved', { name: saved.url }));
}

const outcome = (sent) => (sent.isDelivered ? t('hooks.taken', { status: sent.status, ms: number(sent.tookMilliseconds) }) : t('hooks.refused', { error: sent.error }));

async function tryOut(row) {
  try {
    say(outcome(await call('POST', path('webhooks', row.id, 'test'))));
  } catch (problem) {
    say(sentences(problem).join(' '));
  }
}

// What a hook never took: the newest, each to be sent again or thrown away.
function failures(row) {
  const list = h('ul', { class: 'failures' });
  const note = h('p', { class: 'hint' });
  const error = h('p', { class: 'error', role: 'alert' });
  const place = (one) => path('webhooks', row.id, 'failures', one.delivery);

  async function look() {
    const { items, totalCount } = await get(`${path('webhooks', row.id, 'failures')}${query({ sort: '-failedAt', take: FAILURES_TAKEN })}`);
    list.replaceChildren(...items.map(line));
    note.textContent = totalCount === 0 ? t('hooks.failures.none') : t('table.count', { first: 1, last: number(items.length), total: number(totalCount) });
  }

  const doing = (act) => async (event) => {
    const pressed = event.currentTarget;
    pressed.disabled = true;
    error.textContent = '';
    try {
      await act();
      await look();
    } catch (problem) {
      error.textContent = sentences(problem).join(' ');
    } finally {
      pressed.disabled = false;
    }
  };

  function line(one) {
    const { action, resource } = one.notification.p;
    const what = [t(`action.${action}`), ' · ', t(`resource.${resource.name}`), ' ', name(resource.id, { class: 'mono' })];
    const again = doing(async () => {
      const sent = await call('POST', place(one));
      if (!sent.isDelivered) error.textContent = outcome(sent);
    });
    return h(
      'li',
      null,
      h('p', { class: 'strong' }, what),
      h('p', { class: 'hint' }, h('time', { datetime: one.failedAt, title: exact(one.failedAt) }, when(one.failedAt)), ' · ', one.error),
      h(
        'div',
        null,
        button(t('hooks.again'), again, 'small', named(t('hooks.again'), resource.id)),
        button(t('hooks.discard'), doing(() => call('DELETE', place(one))), 'small quiet danger', named(t('hooks.discard'), resource.id)),
      ),
    );
  }

  look().catch((problem) => (error.textContent = sentences(problem).join(' ')));
  return open(t('hooks.failures.title', { name: row.url }), (close) => [
    h('p', { class: 'dialog-text' }, t('hooks.failures.text')),
    list,
    note,
    error,
    h('div', { class: 'dialog-buttons' }, button(t('close'), () => close(), 'primary')),
  ]);
}

const remove = removing('webhooks', (row) => row.id, (row) => row.url, 'hooks.delete.text');

export default function hooksView() {
  const list = table({
    label: t('nav.hooks'),
    sort: 'url',
    empty: t('hooks.empty'),
    filters: [search(t('hooks.search'), (typed) => [['url', 'contains', typed]])],
    tools: [button(t('hooks.new'), async () => (await create()) && list.reload(), 'primary')],
    columns: [
      { key: 'url', label: t('hooks.url'), sort: 'url', cell: (row) => name(row.url, { class: 'mono' }) },
      {
        key: 'resources',
        label: t('hooks.resources'),
        cell: (row) => (row.resources.length === 0 ? t('audit.all') : row.resources.map((kind) => h('span', { class: 'tag' }, t(`resource.${kind}`)))),
      },
      { key: 'signed', label: t('hooks.signed'), cell: (row) => t(row.hasSecret ? 'yes' : 'no') },
      { key: 'state', label: t('state'), sort: 'isActive', cell: (row) => h('span', { class: row.isActive ? 'good' : 'off' }, t(row.isActive ? 'state.on' : 'state.off')) },
    ],
    actions: (row) => [
      button(t('edit'), () => edit(row), 'small', named(t('edit'), row.url)),
      menu(row.url, [
        button(t('hooks.test'), () => tryOut(row), 'quiet'),
        button(t('hooks.failures'), () => failures(row), 'quiet'),
        button(t('delete'), () => remove(row), 'quiet danger'),
      ]),
    ],
    load: (wanted) => get(`webhooks${query(wanted)}`),
  });
  return directoryView(list, 'webhook');
}
