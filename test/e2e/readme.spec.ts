import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { eventually, World } from '../support/world.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const DOCUMENTS = ['README.md', 'docs/EXAMPLES.md', 'docs/operations.md', 'docs/architecture.md', 'sandbox/README.md'];
const RECEIVER = '127.0.0.1:9000';
/** The secret that the examples are started with. */
const SECRET = 'whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD';

interface Block {
  readonly language: string;
  readonly purpose: string;
  readonly code: string;
}

async function blocksOf(document: string): Promise<Block[]> {
  const text = await readFile(join(ROOT, document), 'utf8');
  return [...text.matchAll(/^```(\w+) ?(\w*)\n(.*?)^```$/gms)].map(([, language = '', purpose = '', code = '']) => ({
    language,
    purpose,
    code,
  }));
}

function only(blocks: readonly Block[], language: string, purpose = ''): string[] {
  return blocks.filter((block) => block.language === language && block.purpose === purpose).map(({ code }) => code);
}

/** A program that runs beside a test, and what it has said so far. */
class Companion {
  output = '';
  readonly ended: Promise<number | null>;

  constructor(readonly child: ChildProcess) {
    child.stdout?.on('data', (chunk: Buffer) => (this.output += chunk.toString()));
    child.stderr?.on('data', (chunk: Buffer) => (this.output += chunk.toString()));
    this.ended = once(child, 'close').then(([code]) => code as number | null);
    process.once('exit', () => child.kill('SIGKILL'));
  }
}

async function freeAddress(): Promise<string> {
  const server = createServer();
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const { port } = server.address() as AddressInfo;
  await new Promise((done) => server.close(done));
  return `127.0.0.1:${port}`;
}

let world: World;
let receiver: string;
let directory: string;
let companions: Companion[] = [];

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'readme-'));
  receiver = await freeAddress();
  world = await World.start({
    env: { WEBHOOK_ALLOWED_HOSTS: receiver, WEBHOOK_SECRET: SECRET, RATE_LIMIT_ENABLED: 'true' },
  });
});

afterEach(() => {
  for (const { child } of companions) child.kill('SIGKILL');
  companions = [];
});

afterAll(async () => {
  await world.stop();
  await rm(directory, { recursive: true });
});

/** The code as it stands in the document, but for the addresses: several tests run on one machine. */
function moved(code: string): string {
  return code
    .replaceAll('http://127.0.0.1:3000', world.service.url)
    .replaceAll('http://127.0.0.1:3999', world.sandbox.url)
    .replaceAll(RECEIVER, receiver)
    .replaceAll('listen(9000,', `listen(${receiver.split(':')[1]},`);
}

function run(program: string, args: readonly string[], env: Record<string, string> = {}): Companion {
  const companion = new Companion(spawn(program, args, { env: { ...process.env, ...env } }));
  companions.push(companion);
  return companion;
}

/** The blocks of one document share their shell: what one sets, the next may use. */
async function runInShell(blocks: readonly string[]): Promise<string> {
  const shell = run('bash', ['-euo', 'pipefail', '-c', blocks.map(moved).join('\n')]);
  const code = await shell.ended;
  expect({ code, output: shell.output }).toMatchObject({ code: 0 });
  return shell.output;
}

/** Refused connections mean that it does not listen yet. */
async function untilItListens(address: string): Promise<void> {
  await eventually(async () =>
    fetch(`http://${address}/`, { method: 'POST' }).then(
      () => true,
      () => false,
    ),
  );
}

describe('README.md', () => {
  it('works as it stands, receiver included', async () => {
    const blocks = await blocksOf('README.md');
    const [receiverCode = ''] = only(blocks, 'sh', 'receiver');
    const listener = run('bash', ['-c', `exec ${moved(receiverCode)}`]);
    await untilItListens(receiver);

    const output = await runInShell(only(blocks, 'sh'));

    expect(output).toContain('"connectionDetails":{"ssh":"ssh ');
    expect(output).toContain('"code":"INSTANCE_NOT_FOUND"');
    expect(output).toContain('"code":"PRODUCT_NOT_FOUND"');
    expect(output).toContain('"status":"healthy"');
    expect(output).toContain('"averageResponseTime"');
    expect(output).toContain('"billing"');
    await eventually(async () => listener.output.includes('"event":"instance.ready"'));
    expect(listener.output).toContain('"event":"instance.deleted"');
    await world.sandbox.control('/faults/clear', {});
  }, 120_000);
});

describe('docs/EXAMPLES.md', () => {
  it('has commands that work', async () => {
    const output = await runInShell(only(await blocksOf('docs/EXAMPLES.md'), 'sh'));

    expect(output.match(/"instanceId":"inst-/g)).toHaveLength(2);
    expect(output.toLowerCase()).toContain('x-ratelimit-remaining: ');
    expect(output).not.toContain('"error"');
  }, 60_000);

  it('has a client in TypeScript that works', async () => {
    const [code = ''] = only(await blocksOf('docs/EXAMPLES.md'), 'ts');
    await writeFile(join(directory, 'client.mts'), code);

    const client = run(process.execPath, [join(directory, 'client.mts')], { API: world.service.url });

    expect({ code: await client.ended, output: client.output }).toMatchObject({ code: 0 });
    expect(client.output).toMatch(/^ssh /m);
  }, 60_000);

  it('has a receiver that tells our webhooks from others', async () => {
    const [code = ''] = only(await blocksOf('docs/EXAMPLES.md'), 'ts', 'receiver');
    await writeFile(join(directory, 'receiver.mts'), code);
    const port = receiver.split(':')[1] ?? '';
    const listener = run(process.execPath, [join(directory, 'receiver.mts')], {
      RECEIVER_PORT: port,
      WEBHOOK_SECRET: SECRET,
    });
    await untilItListens(receiver);

    const forged = await fetch(`http://${receiver}/webhook`, { method: 'POST', body: '{"event":"instance.ready"}' });
    const order = {
      name: 'a',
      productName: 'RTX 4090 24GB',
      templateId: 'template-123',
      webhookUrl: `http://${receiver}/`,
    };
    const { status, body } = await world.service.post<{ instanceId: string }>('/api/instances', order);

    expect([forged.status, status]).toEqual([401, 201]);
    await eventually(async () =>
      listener.output.includes(`verified {"event":"instance.ready","instanceId":"${body.instanceId}"`),
    );
  }, 60_000);
});

describe('the documents', () => {
  it.each(DOCUMENTS)('link only to what exists: %s', async (document) => {
    const text = await readFile(join(ROOT, document), 'utf8');
    const targets = [...text.matchAll(/\]\((?!https?:)([^)#]+)/g)].map(([, target = '']) => target);

    const broken = targets.filter((target) => !existsSync(resolve(ROOT, dirname(document), target)));

    expect(broken).toEqual([]);
  });

  it('name only source files that exist', async () => {
    const text = await readFile(join(ROOT, 'docs/architecture.md'), 'utf8');
    const names = [...text.matchAll(/`([\w./-]+\.ts)`/g)].map(([, name = '']) => name);
    const places = ['', 'instances', 'lifecycle', 'pricing', 'webhooks'].map((folder) => join(ROOT, 'src', folder));

    const unknown = names.filter((name) => !places.some((place) => existsSync(join(place, name))));

    expect(names.length).toBeGreaterThan(10);
    expect(unknown).toEqual([]);
  });

  it('name only settings and codes that exist', async () => {
    const sources = (await readdir(join(ROOT, 'src'), { recursive: true })).filter((name) => name.endsWith('.ts'));
    const read = (name: string) => readFile(join(ROOT, name), 'utf8');
    const known = (await Promise.all([read('.env.example'), ...sources.map((name) => read(join('src', name)))])).join();
    const texts = await Promise.all(DOCUMENTS.map(read));

    const named = texts.flatMap((text) => [...text.matchAll(/`([A-Z]+(?:_[A-Z]+)+)(?:=[^`]*)?`/g)]);

    const unknown = named.map(([, name = '']) => name).filter((name) => !known.includes(name));
    expect(named.length).toBeGreaterThan(20);
    expect([...new Set(unknown)]).toEqual([]);
  });
});
