import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { createConfig, lintFromString } from '@redocly/openapi-core';
import spectral from '@stoplight/spectral-core';
import rulesets from '@stoplight/spectral-rulesets';
import { execFile } from 'node:child_process';
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { promisify } from 'node:util';
import openapiTypeScript, { astToString } from 'openapi-typescript';
import { NOTIFIED_TYPES } from '../../src/events/event.js';
import { anOrder } from '../builders/an-order.js';
import { type ApiDocument, DocumentJudge, type SeenAnswer } from '../support/document-judge.js';
import { eventually, World } from '../support/world.js';

const run = promisify(execFile);
const CLIENT = '.setup/generated-client';

let world: World;
let text: string;
let document: ApiDocument & { webhooks: Record<string, { post: unknown }> };
// A shared machine may be many times slower than an own one.
jest.setTimeout(120_000);

beforeAll(async () => {
  world = await World.start();
  text = await (await fetch(`${world.service.url}/docs/openapi.json`)).text();
  document = JSON.parse(text) as typeof document;
});
afterAll(() => world.stop());

function operations(): { id: string; operation: Record<string, unknown> }[] {
  return Object.entries(document.paths).flatMap(([path, item]) =>
    Object.entries(item).map(([method, operation]) => ({
      id: `${method} ${path}`,
      operation: operation as unknown as Record<string, unknown>,
    })),
  );
}

describe('the document of the running service', () => {
  it('has no errors and no warnings by Redocly’s recommended rules', async () => {
    const config = await createConfig({ extends: ['recommended'] });

    const problems = await lintFromString({ source: text, absoluteRef: '/openapi.json', config });

    expect(problems.map(({ ruleId, message, location }) => [ruleId, message, location[0]?.pointer])).toEqual([]);
  });

  it('has no errors and no warnings by Spectral’s rules for OpenAPI', async () => {
    const linter = new spectral.Spectral();
    linter.setRuleset({ extends: [rulesets.oas] } as Parameters<typeof linter.setRuleset>[0]);

    const problems = await linter.run(JSON.parse(text) as Record<string, unknown>);

    expect(problems.map(({ code, message, path }) => [code, message, path.join('/')])).toEqual([]);
  });

  it('gives every operation a name of its own, words, examples, and every common refusal', () => {
    const names = operations().map(({ operation }) => operation['operationId']);
    expect(new Set(names).size).toBe(names.length);
    for (const { id, operation } of operations()) {
      expect({ id, words: String(operation['description']).length > 10 }).toEqual({ id, words: true });
      const responses = operation['responses'] as Record<string, { content?: Record<string, { example?: unknown }> }>;
      const expected = ['400', '414', '431', '500', '503', 'default', ...(id.includes(' /api') ? ['406', '429'] : [])];
      expect({ id, missing: expected.filter((status) => !(status in responses)) }).toEqual({ id, missing: [] });
      const [success] = Object.entries(responses).filter(([status]) => status.startsWith('2'));
      const json = success?.[1].content?.['application/json'];
      if (json !== undefined) expect({ id, example: typeof json.example }).toEqual({ id, example: 'object' });
    }
  });

  it('tells of every event that receivers get', () => {
    expect(Object.keys(document.webhooks)).toEqual([...NOTIFIED_TYPES]);
  });

  it('is the one under review; `npm run openapi:update` brings that up to date', () => {
    expect(JSON.parse(readFileSync('docs/openapi.json', 'utf8'))).toEqual(document);
  });
});

describe('what the service answers', () => {
  it('is in the document, with its status, its headers and nothing more than it shows', async () => {
    const judge = new DocumentJudge(document);
    const seen: SeenAnswer[] = [];
    const ask = async (method: string, path: string, body?: unknown, headers: Record<string, string> = {}) => {
      const answer = await fetch(world.service.url + path, {
        method,
        headers: { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
        ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
      });
      seen.push({ method, path, status: answer.status, headers: answer.headers, text: await answer.text() });
      return JSON.parse(seen.at(-1)!.text.replace(/^(?!\{).*$/s, '{}')) as Record<string, unknown>;
    };

    const { instanceId } = await ask('POST', '/api/instances', anOrder());
    const path = `/api/instances/${String(instanceId)}`;
    await ask('GET', path);
    await eventually(async () => (await ask('GET', path))['status'] === 'running', 40_000);
    await ask('GET', '/api/instances?status=running&limit=1');
    await ask('GET', '/api/instances?limit=0');
    await ask('GET', '/api/instances', undefined, { accept: 'text/html' });
    await ask('GET', `/api/instances?${'x'.repeat(9000)}`);
    await ask('POST', '/api/instances', '{"name":');
    await ask('POST', '/api/instances', anOrder({ gpuNum: 99 }));
    await ask('POST', '/api/instances', 'a', { 'content-type': 'text/plain' });
    await ask('POST', '/api/instances', anOrder({ name: 'x'.repeat(1_100_000) }));
    await ask('GET', '/api/instances/inst-nobody');
    await ask('POST', `${path}/start`);
    await ask('POST', `${path}/restart`);
    await eventually(async () => (await ask('GET', path))['status'] === 'running', 40_000);
    await ask('POST', `${path}/stop`);
    await eventually(async () => (await ask('GET', path))['status'] === 'stopped', 40_000);
    await ask('DELETE', path);
    await ask('DELETE', path);
    for (const other of ['/api/metrics', '/metrics', '/health', '/health/live', '/health/ready', '/health/startup'])
      await ask('GET', other);

    expect(seen.flatMap((answer) => judge.judge(answer))).toEqual([]);
    const statuses = new Set(seen.map(({ status }) => status));
    expect([200, 201, 202, 400, 404, 406, 413, 414, 415].filter((status) => !statuses.has(status))).toEqual([]);
  }, 150_000);
});

describe('a generated TypeScript client', () => {
  it('compiles and drives the service', async () => {
    mkdirSync(CLIENT, { recursive: true });
    writeFileSync(
      `${CLIENT}/schema.d.ts`,
      astToString(await openapiTypeScript(JSON.parse(text) as never, { defaultNonNullable: false })),
    );
    copyFileSync('test/document/client/walk.mts.txt', `${CLIENT}/walk.mts`);

    const strict = [
      '--strict',
      '--noEmit',
      '--skipLibCheck',
      '--target',
      'es2023',
      '--module',
      'nodenext',
      '--types',
      'node',
    ];
    await run('node_modules/.bin/tsc', ['--ignoreConfig', ...strict, `${CLIENT}/walk.mts`]);
    const { stdout } = await run(process.execPath, [`${CLIENT}/walk.mts`, world.service.url]);

    expect(JSON.parse(stdout)).toEqual({
      ordered: 'creating',
      became: 'running',
      listed: true,
      refused: { code: 'VALIDATION_ERROR', field: 'gpuNum' },
      deletion: 'Instance deletion initiated',
      missing: 404,
    });
  }, 300_000);
});
