// What people may do, and where.

import { call, get, path, query } from '../api.js';
import { directoryView, menu, named, removing } from '../directory.js';
import { button, h, name } from '../dom.js';
import { ask, several, text } from '../form.js';
import { t } from '../i18n.js';
import { environments } from '../sessions.js';
import { say } from '../shell.js';
import { search, table } from '../table.js';

// The rights that this server itself asks for.
export const knownRights = [
  'admin', 'userCreate', 'userUpdate', 'userDelete', 'deviceCreate', 'deviceUpdate', 'deviceDelete', 'roleCreate',
  'roleUpdate', 'roleDelete', 'apiKeyCreate', 'apiKeyUpdate', 'apiKeyDelete', 'sessionCreate', 'sessionReadAny',
  'sessionDeleteAny', 'auditRead',
];

export const split = (typed) => typed.split(/[\s,]+/).filter(Boolean);

export function rightFields(key, rights) {
  const isKnown = (right) => knownRights.some((known) => known.toLowerCase() === right.toLowerCase());
  const chosen = knownRights.filter((known) => rights.some((right) => right.toLowerCase() === known.toLowerCase()));
  return [
    several(key, t('rights'), chosen, knownRights.map((right) => [right, right])),
    text('others', t('rights.others'), rights.filter((right) => !isKnown(right)).join(', '), { hint: t('rights.others.hint') }),
  ];
}

function fields(role) {
  return [
    text('label', t('roles.label'), role.label),
    text('description', t('description'), role.description),
    several('envNames', t('roles.where'), role.envNames ?? environments, environments.map((one) => [one, t(`env.${one}`)])),
    ...rightFields('rights', role.rights ?? []),
  ];
}

const body = ({ others, ...values }) => ({ ...values, rights: [...values.rights, ...split(others)] });

async function create() {
  const made = await ask(t('roles.new'), [text('name', t('roles.name'), '', { required: true }), ...fields({})], {
    label: t('create'),
    send: (values) => call('POST', 'roles', body(values)),
  });
  if (made) say(t('created', { name: made.name }));
  return made;
}

async function edit(row) {
  const role = await get(path('roles', row.name));
  const saved = await ask(t('users.edit', { name: role.name }), fields(role), {
    label: t('save'),
    intro: t('roles.edit.intro'),
    send: (values) => call('PUT', path('roles', role.name), { ...role, ...body(values) }),
  });
  if (saved) say(t('saved', { name: saved.name }));
}

const remove = removing('roles', (row) => row.name, (row) => row.label || row.name, 'roles.delete.text');

export default function rolesView({ may }) {
  const list = table({
    label: t('nav.roles'),
    sort: 'name',
    empty: t('roles.empty'),
    filters: [search(t('roles.search'), (typed) => [['name', 'contains', typed]])],
    tools: may('roleCreate') ? [button(t('roles.new'), async () => (await create()) && list.reload(), 'primary')] : [],
    columns: [
      { key: 'name', label: t('roles.name'), sort: 'name', cell: (row) => [name(row.label || row.name, { class: 'strong' }), row.label && row.label !== row.name && name(row.name, { class: 'hint' })] },
      { key: 'where', label: t('roles.where'), cell: (row) => row.envNames.map((one) => h('span', { class: 'tag' }, t(`env.${one}`))) },
      { key: 'rights', label: t('rights'), cell: (row) => row.rights.map((right) => h('span', { class: 'tag mono' }, right)) },
    ],
    actions: (row) => [
      may('roleUpdate') && button(t('edit'), () => edit(row), 'small', named(t('edit'), row.name)),
      menu(row.name, [may('roleDelete') && button(t('delete'), () => remove(row), 'quiet danger')]),
    ],
    load: (wanted) => get(`roles${query(wanted)}`),
  });
  return directoryView(list, 'role');
}
