// The API of this server, read from its own document, with forms to try it.

import { h } from '../ui/dom.js';
import { ApiDocument } from './document.js';
import { field, prose } from './field.js';
import { loginPanel } from './login.js';
import { operationView } from './operation.js';
import { address } from './send.js';

function kindView(api, kind) {
  const views = kind.operations.map((operation) => ({
    words: `${operation.method} ${operation.path} ${operation.summary} ${operation.id}`.toLowerCase(),
    node: operationView(api, operation),
  }));
  const node = h('section', { class: 'kind' }, h('h2', { id: kind.name }, kind.name), h('p', null, kind.description), views.map((one) => one.node));
  const filter = (text) => {
    for (const view of views) view.node.hidden = !view.words.includes(text);
    node.hidden = views.every((view) => view.node.hidden);
  };
  return { node, filter };
}

function page(source) {
  const api = new ApiDocument(source);
  const kinds = api.kinds().map((kind) => kindView(api, kind));
  const none = h('p', { hidden: true }, 'No call is like that.');
  const search = field('Find a call', h('input', { type: 'search', autocomplete: 'off', placeholder: 'sessions, delete, listUsers' }));
  search.control.addEventListener('input', () => {
    const text = search.control.value.trim().toLowerCase();
    for (const kind of kinds) kind.filter(text);
    none.hidden = kinds.some((kind) => !kind.node.hidden);
  });
  return [
    h('a', { class: 'skip', href: '#calls' }, 'To the calls'),
    h(
      'header',
      { class: 'top' },
      h('span', { class: 'brand' }, source.info.title),
      h('span', { class: 'version' }, source.info.version),
      h('a', { href: address('openapi.json').href }, 'openapi.json'),
    ),
    h(
      'main',
      { id: 'calls', tabindex: '-1' },
      h('h1', null, 'The API of this server'),
      h('p', null, prose(source.info.description)),
      h('p', { class: 'notice' }, 'Calls are real: what is ended or deleted here is ended or deleted.'),
      loginPanel(),
      search.node,
      none,
      kinds.map((kind) => kind.node),
    ),
  ];
}

// A link to one call opens it.
function openLinked() {
  const linked = document.getElementById(location.hash.slice(1));
  if (linked?.tagName !== 'DETAILS') return;
  linked.open = true;
  linked.scrollIntoView();
}

try {
  const answer = await fetch(address('openapi.json'), { cache: 'no-cache' });
  document.body.replaceChildren(...page(await answer.json()));
  openLinked();
  addEventListener('hashchange', openLinked);
} catch (error) {
  document.body.replaceChildren(h('main', null, h('h1', null, 'The API of this server'), h('p', { class: 'error', role: 'alert' }, `The document could not be read: ${error.message}`)));
}
document.body.dataset.ready = 'yes';
