// What several views do with sessions: end one, end all of somebody.

import { call, get, path, query } from './api.js';
import { confirm } from './dialog.js';
import { number, t } from './i18n.js';
import { fullName } from './names.js';

export const environments = ['CashRegister', 'PDA', 'BackOffice', 'Tool'];
export const sells = (envName) => envName === 'CashRegister' || envName === 'PDA';

export function endOne(session, { own }) {
  const { userName, deviceName, envName } = session.identity;
  const names = { person: fullName(userName), device: deviceName };
  return confirm({
    title: t('end.title', names),
    text: [t('end.text', names), sells(envName) && t('end.sale'), own && t('end.own')].filter(Boolean),
    label: t('end.go'),
    act: () => call('DELETE', path('sessions', session.sessionId)),
    done: () => t('end.done', names),
  });
}

// Ends all sessions of a user (`userName`) or on a device (`deviceName`).
export async function endAll(member, value) {
  const filters = [[member, 'eq', value]];
  const { totalCount } = await get(`sessions${query({ filters, count: true })}`);
  const names = { who: member === 'userName' ? fullName(value) : value, n: totalCount, count: number(totalCount) };
  return confirm({
    title: t(`endall.${member}`, names),
    text: totalCount === 0 ? t('endall.none', names) : [t('endall.text', names), t('endall.again')],
    label: t('endall.go'),
    act: () => call('DELETE', `sessions${query({ filters })}`),
    done: ({ count }) => t('endall.done', { ...names, n: count, count: number(count) }),
  });
}
