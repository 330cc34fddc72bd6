import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { createLogging, type Logging } from '../../src/platform/logging/logging.js';
import { nestLogger } from '../../src/platform/logging/logging.module.js';
import { type RunningServer, startServer } from './http-server.js';

const written: string[] = [];
let logging: Logging;
let server: RunningServer;
beforeAll(async () => {
  logging = createLogging({
    level: 'debug',
    base: { service: 'test' },
    target: { write: (line) => written.push(line) },
  });
  server = await startServer({ log: logging.root });
});
afterAll(() => server.close());
beforeEach(() => {
  written.splice(0);
});

function lines(): Record<string, unknown>[] {
  return written.map((line) => {
    expect(line.endsWith('\n')).toBe(true);
    expect(line.trimEnd()).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e]/);
    return JSON.parse(line) as Record<string, unknown>;
  });
}

const NASTY = [
  '\r\n{"level":50,"msg":"forged"}',
  'a\u2028b\u2029c',
  '\u001b[2J\u009b31m',
  '\u202egnp.exe',
  '%s%n${jndi:ldap://x}',
  '"},{"level":60',
  '\\u000a',
];

describe('a log line', () => {
  it.each(NASTY)('stays one line of JSON whatever it is about: %j', (text) => {
    logging.root.info({ name: text, nested: { [text]: text }, err: new Error(text) }, text);

    const [line, ...others] = lines();
    expect(others).toEqual([]);
    expect(line).toMatchObject({ msg: text, name: text, nested: { [text]: text }, service: 'test' });
  });

  it('has a bounded length', () => {
    logging.root.warn({ body: 'x'.repeat(1_000_000) }, 'long');

    expect(written[0]!.length).toBeLessThan(10_000);
    expect(lines()).toEqual([expect.objectContaining({ level: 40, length: expect.any(Number) })]);
  });

  it('about a request is one line and holds nothing that could be forged', async () => {
    const response = await fetch(`${server.url}/nowhere/%0d%0a%7b%22level%22:50%7d?key=hush`, {
      headers: { 'user-agent': 'x'.repeat(10_000), 'x-request-id': 'not fit' },
    });
    await response.text();
    for (let i = 0; i < 200 && written.length === 0; i++) await new Promise((resolve) => setTimeout(resolve, 5));

    expect(lines()).toEqual([expect.objectContaining({ status: 404, path: '/nowhere/%0d%0a%7b%22level%22:50%7d' })]);
    expect(written.join('')).not.toContain('hush');
  });

  it('of Nest has the same form', () => {
    nestLogger(logging).warn('starting', 'Boot');

    expect(lines()).toEqual([expect.objectContaining({ level: 40, msg: 'starting', context: 'Boot' })]);
  });
});

describe('a secret', () => {
  const secret = 'sk_live_"quoted"/+=value';

  it.each([
    ['in the message', () => logging.root.info(`calling with ${secret}`)],
    ['in a field', () => logging.root.info({ deep: { er: { still: secret } } }, 'x')],
    ['in an error', () => logging.root.error({ err: new Error(`refused ${secret}`) }, 'x')],
    ['in an address', () => logging.root.info({ url: `https://x/?key=${encodeURIComponent(secret)}` }, 'x')],
    ['in JSON inside a text', () => logging.root.info({ body: JSON.stringify({ key: secret }) }, 'x')],
  ])('that was registered is in no line: %s', (_, write) => {
    logging.scrubber.register(secret);

    write();

    expect(written.join('')).toContain('[secret]');
    expect(written.join('')).not.toMatch(/sk_live|value/);
    expect(lines()).toHaveLength(1);
  });

  it.each([
    { authorization: 'Bearer abc' },
    { headers: { authorization: 'Bearer abc', 'x-api-key': 'abc' } },
    { req: { headers: { cookie: 'abc' } } },
    { order: { envs: [{ key: 'A', value: 'abc' }] } },
    { password: 'abc', token: 'abc', secret: 'abc' },
  ])('under a name that is known to hold one is not written: %j', (fields) => {
    logging.root.info(fields, 'x');

    expect(written.join('')).toContain('[redacted]');
    expect(written.join('')).not.toContain('abc');
  });

  it('that is too short to be told from a word is not looked for', () => {
    logging.scrubber.register('info');
    logging.scrubber.register('');
    logging.scrubber.register(undefined);

    logging.root.info('info about something');

    expect(lines()).toEqual([expect.objectContaining({ msg: 'info about something' })]);
  });
});
