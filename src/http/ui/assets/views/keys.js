// API keys: for programs that sign their requests. A secret is shown once.

import { call, get, path, query } from '../api.js';
import { open } from '../dialog.js';
import { directoryView, menu, named, removing } from '../directory.js';
import { button, h, name } from '../dom.js';
import { ask, choice, text, tick } from '../form.js';
import { t } from '../i18n.js';
import { device, deviceList, person, userList } from '../names.js';
import { rightFields, split } from './roles.js';
import { say } from '../shell.js';
import { search, table } from '../table.js';
import { exact, when } from '../time.js';

function copied(label, value) {
  const field = h('input', { value, readonly: true, class: 'mono', 'aria-label': label, on: { focus: () => field.select() } });
  const copy = button(t('copy'), async () => {
    field.select();
    // Off loopback a page without TLS has no clipboard of its own.
    if (navigator.clipboard) await navigator.clipboard.writeText(value);
    else document.execCommand('copy');
    copy.textContent = t('copied');
  });
  return h('div', { class: 'field' }, h('span', { class: 'label' }, label), h('div', { class: 'copied' }, field, copy));
}

const showSecret = (key) =>
  open(t('keys.secret', { name: key.name }), (close) => [
    h('p', { class: 'notice' }, t('keys.secret.text')),
    copied(t('keys.client'), key.clientId),
    copied(t('keys.secret.label'), key.clientSecret),
    h('div', { class: 'dialog-buttons' }, button(t('keys.secret.done'), () => close(), 'primary')),
  ]);

const body = ({ others, ...values }) => ({ ...values, permissions: [...values.permissions, ...split(others)] });

async function create() {
  const fields = [
    text('name', t('keys.name'), '', { hint: t('keys.name.hint'), required: true }),
    text('description', t('description')),
    choice('userName', t('keys.user'), undefined, userList().map((user) => [user.userName, user.name])),
    choice('deviceName', t('device'), undefined, deviceList().map((one) => [one.name, one.name])),
    tick('isActive', t('keys.active'), true),
    ...rightFields('permissions', []),
  ];
  const made = await ask(t('keys.new'), fields, { label: t('create'), intro: t('keys.intro'), send: (values) => call('POST', 'apikeys', body(values)) });
  if (made) await showSecret(made);
  return made;
}

async function edit(row) {
  const key = await get(path('apikeys', row.id));
  const fields = [text('name', t('keys.name'), key.name), text('description', t('description'), key.description ?? ''), tick('isActive', t('keys.active'), key.isActive), ...rightFields('permissions', key.permissions)];
  const saved = await ask(t('users.edit', { name: key.name }), fields, {
    label: t('save'),
    send: (values) => call('PUT', path('apikeys', key.id), { ...key, ...body(values) }),
  });
  if (saved) say(t('saved', { name: saved.name }));
}

const remove = removing('apikeys', (row) => row.id, (row) => row.name, 'keys.delete.text');

export default function keysView({ may }) {
  const list = table({
    label: t('nav.keys'),
    sort: 'name',
    empty: t('keys.empty'),
    filters: [search(t('keys.search'), (typed) => [['name', 'contains', typed]])],
    tools: may('apiKeyCreate') ? [button(t('keys.new'), async () => (await create()) && list.reload(), 'primary')] : [],
    columns: [
      { key: 'name', label: t('keys.name'), sort: 'name', cell: (row) => [name(row.name, { class: 'strong' }), row.description && name(row.description, { class: 'hint' })] },
      { key: 'client', label: t('keys.client'), sort: 'clientId', cell: (row) => h('span', { class: 'mono' }, `${row.clientId.slice(0, 8)}…`) },
      { key: 'user', label: t('keys.user'), sort: 'userName', cell: (row) => person(row.userName) },
      { key: 'device', label: t('device'), sort: 'deviceName', cell: (row) => device(row.deviceName) },
      { key: 'created', label: t('keys.created'), sort: 'createdAt', cell: (row) => h('time', { datetime: row.createdAt, title: exact(row.createdAt) }, when(row.createdAt)) },
      { key: 'state', label: t('state'), sort: 'isActive', cell: (row) => h('span', { class: row.isActive ? 'good' : 'off' }, t(row.isActive ? 'state.on' : 'state.off')) },
    ],
    actions: (row) => [
      may('apiKeyUpdate') && button(t('edit'), () => edit(row), 'small', named(t('edit'), row.name)),
      menu(row.name, [may('apiKeyDelete') && button(t('delete'), () => remove(row), 'quiet danger')]),
    ],
    load: (wanted) => get(`apikeys${query(wanted)}`),
  });
  return directoryView(list, 'apiKey');
}
