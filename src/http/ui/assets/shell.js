// The frame of the page: where one is, who one is, and what just happened.

import { button, h, icon, name } from './dom.js';
import { current, languages, t } from './i18n.js';
import { onState } from './live.js';

const said = h('div', { class: 'said', role: 'status' });
let hush = 0;

// Says for a moment what was done; screen readers hear it, too.
export function say(text) {
  clearTimeout(hush);
  said.replaceChildren(h('p', null, text));
  hush = setTimeout(() => said.replaceChildren(), 6000);
}

function languageChoice(change) {
  const options = Object.entries(languages).map(([code, shown]) => h('option', { value: code, lang: code }, shown));
  const select = h('select', { 'aria-label': t('language'), class: 'quiet', on: { change: () => change(select.value) } }, options);
  select.value = current();
  return select;
}

export function brand() {
  return h('span', { class: 'brand' }, h('img', { src: 'icon.svg', alt: '', width: 28, height: 28 }), 'Tillgate');
}

// The page before anybody is logged in.
export function bare(content, change) {
  document.body.replaceChildren(
    h('main', { class: 'bare' }, h('div', { class: 'bare-head' }, brand(), languageChoice(change)), content),
    said,
  );
}

function liveMark() {
  const text = h('span');
  const mark = h('span', { class: 'live' }, h('span', { class: 'dot', 'aria-hidden': 'true' }), text);
  onState((state) => {
    mark.dataset.state = state;
    text.textContent = t(state === 'live' ? 'live.on' : 'live.off');
  });
  return mark;
}

// The frame; answers where views go.
export function frame({ views, profile, change, logOut, password }) {
  const main = h('main', { id: 'main', tabindex: '-1' });
  const links = views.map((view) =>
    h('a', { href: `#/${view.key}`, 'data-view': view.key }, icon(view.icon), h('span', null, t(`nav.${view.key}`))),
  );
  const skip = h('a', { href: '#main', class: 'skip', on: { click: (event) => { event.preventDefault(); main.focus(); } } }, t('skip'));
  const me = h(
    'details',
    { class: 'me' },
    h('summary', null, h('span', { class: 'me-name' }, name(profile.name)), h('span', { class: 'hint' }, name(profile.device.name))),
    h(
      'div',
      { class: 'me-menu' },
      h('label', { class: 'me-language' }, t('language'), languageChoice(change)),
      button(t('password.change'), password, 'quiet'),
      button(t('logout'), logOut, 'quiet'),
    ),
  );
  document.body.replaceChildren(
    skip,
    h('header', { class: 'top' }, brand(), liveMark(), me),
    h('nav', { 'aria-label': t('nav') }, links),
    main,
    said,
  );
  return main;
}

export function mark(key) {
  for (const link of document.querySelectorAll('nav a')) {
    if (link.dataset.view === key) {
      link.setAttribute('aria-current', 'page');
      // On a phone the menu is wider than the screen.
      link.scrollIntoView({ block: 'nearest', inline: 'center' });
    } else {
      link.removeAttribute('aria-current');
    }
  }
  document.title = `${t(`nav.${key}`)} · Tillgate`;
}
