// The OpenAPI document as the page reads it: operations by kind, references
// resolved, schemas as lines of text.

const METHODS = ['get', 'post', 'put', 'delete'];

// Members of members are named down to this depth.
const DEPTH_MAX = 4;

export class ApiDocument {
  constructor(source) {
    this.source = source;
  }

  resolve(value) {
    const reference = value?.$ref;
    if (!reference) return value;
    const parts = reference.slice(2).split('/');
    return this.resolve(parts.reduce((at, part) => at[part.replaceAll('~1', '/').replaceAll('~0', '~')], this.source));
  }

  // The kinds in their order, each with its operations.
  kinds() {
    const all = Object.entries(this.source.paths).flatMap(([path, item]) =>
      METHODS.filter((method) => item[method]).map((method) => this.#operation(path, item, method)),
    );
    return this.source.tags.map((tag) => ({
      ...tag,
      operations: all.filter((operation) => operation.tags.includes(tag.name)),
    }));
  }

  #operation(path, item, method) {
    const said = item[method];
    const parameters = [...(item.parameters ?? []), ...(said.parameters ?? [])].map((one) => this.resolve(one));
    const content = Object.entries(this.resolve(said.requestBody)?.content ?? {})[0];
    const responses = Object.entries(said.responses).map(([status, answer]) => ({ status, ...this.resolve(answer) }));
    return {
      path,
      method,
      id: said.operationId,
      tags: said.tags,
      summary: said.summary,
      description: said.description ?? '',
      security: said.security ?? this.source.security,
      parameters,
      body: content && { type: content[0], schema: content[1].schema, examples: this.#examples(content[1]) },
      responses,
    };
  }

  #examples(content) {
    return Object.entries(content.examples ?? {}).map(([name, example]) => ({ name, value: this.resolve(example).value }));
  }

  // What a body of this schema holds: [name, what] for each member, those of
  // members behind a dot.
  lines(schema, prefix = '', depth = 0) {
    const whole = this.resolve(schema) ?? {};
    const parts = (whole.allOf ?? []).flatMap((one) => this.lines(one, prefix, depth));
    const own = Object.entries(whole.properties ?? {}).flatMap(([name, member]) => {
      const rules = this.resolve(member);
      const required = whole.required?.includes(name) ? 'required' : '';
      const what = [this.type(rules), required, rules.description].filter(Boolean).join(', ');
      const inner = rules.type === 'array' ? rules.items : rules;
      const below = depth < DEPTH_MAX ? this.lines(inner, `${prefix}${name}.`, depth + 1) : [];
      return [[`${prefix}${name}`, what], ...below];
    });
    return [...parts, ...own];
  }

  type(schema) {
    const rules = this.resolve(schema) ?? {};
    if (rules.enum) return rules.enum.join(' | ');
    if (rules.anyOf) return rules.anyOf.map((one) => this.type(one)).join(' or ');
    if (rules.type === 'array') return `list of ${this.type(rules.items)}`;
    const type = [rules.type ?? 'object'].flat().join(' or ');
    return rules.format ? `${type} (${rules.format})` : type;
  }
}
