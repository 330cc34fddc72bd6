// Node brings its own fetch and WebSocket into memory when somebody first asks for one of them: 40 ms and 13 MiB for what the
// service, which calls out with packages of its own, never uses. Two packages ask when they are loaded; in the bundle they do not.
import http from 'node:http';

const HTTP = '\0http';

/** axios tries out what its adapter for fetch can do. The one for HTTP is used here. */
export const NEVER_NEEDED = ['getFetch'];

const UTILS = /[\\/]axios[\\/]lib[\\/]utils\.js$/;
const FETCH = /[\\/]axios[\\/]lib[\\/]adapters[\\/]fetch\.js$/;
const QUESTION = "typeof G.FormData !== 'undefined' ? G.FormData : undefined";
const CALL = '= getFetch();';

const unmet = new Set(['http without its getters', 'axios/lib/utils.js', 'axios/lib/adapters/fetch.js']);

export const sparing = {
  name: 'spare',
  resolveId: (id, _importer, { kind }) => (kind === 'import-statement' && /^(node:)?http$/.test(id) ? HTTP : null),
  load(id) {
    if (id !== HTTP) return null;
    unmet.delete('http without its getters');
    return httpWithoutGetters();
  },
  transform(code, id) {
    if (FETCH.test(id)) meet('axios/lib/adapters/fetch.js', code, CALL);
    if (!UTILS.test(id)) return null;
    meet('axios/lib/utils.js', code, QUESTION);
    // It knows a form by other marks as well.
    return { code: code.replace(QUESTION, 'undefined'), map: null };
  },
  /** A package that has moved its files would bring all of it back, and nobody would notice. */
  buildEnd(error) {
    if (error === undefined && unmet.size > 0)
      throw new Error(`Not met in this build: ${[...unmet].join(', ')}. Look at scripts/lib/sparing.mjs`);
  },
};

function meet(file, code, expected) {
  if (!code.includes(expected))
    throw new Error(`${file} no longer has \`${expected}\`: look at scripts/lib/sparing.mjs`);
  unmet.delete(file);
}

/** To import a module of Node is to ask for all that it offers, WebSocket included. */
function httpWithoutGetters() {
  const properties = Object.entries(Object.getOwnPropertyDescriptors(http));
  const names = properties.filter(([, { value }]) => value !== undefined).map(([name]) => name);
  return [
    `const http = process.getBuiltinModule('node:http');`,
    'export default http;',
    ...names.map((name) => `export const ${name} = http.${name};`),
  ].join('\n');
}
