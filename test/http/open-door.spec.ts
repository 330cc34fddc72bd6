import { afterEach, describe, expect, it } from '@jest/globals';
import { Authenticator } from '../../src/platform/http/auth/authenticator.js';
import type { OpenTo } from '../../src/platform/http/auth/open-door.js';
import { type RunningServer, startServer } from './http-server.js';

class NoKeys extends Authenticator {
  override isOpen(): boolean {
    return true;
  }

  override identify(): null {
    return null;
  }
}

let server: RunningServer;
afterEach(() => server.close());

async function start(openTo: OpenTo): Promise<void> {
  server = await startServer({ authenticator: new NoKeys(), openTo });
}

async function ask(headers: string, path = '/api/instances/known'): Promise<{ status: number; code?: string }> {
  const { text } = await server.raw(`GET ${path} HTTP/1.1\r\n${headers}Connection: close\r\n\r\n`);
  const body = JSON.parse(text.slice(text.indexOf('\r\n\r\n'))) as { error?: { code: string } };
  return { status: Number(text.split(' ')[1]), ...(body.error && { code: body.error.code }) };
}

const OK = { status: 200 };
const REFUSED = { status: 403, code: 'FORBIDDEN' };

describe('a service without keys on the loopback', () => {
  it('serves who came by its address, and no page whose name was made to point there', async () => {
    await start('loopback');

    expect(await ask(`Host: 127.0.0.1:${server.port}\r\n`)).toEqual(OK);
    expect(await ask(`Host: localhost:${server.port}\r\nOrigin: http://localhost:${server.port}\r\n`)).toEqual(OK);
    expect(await ask(`Host: evil.example:${server.port}\r\n`)).toEqual(REFUSED);
    expect(await ask(`Host: 127.0.0.1:${server.port}\r\nOrigin: http://evil.example\r\n`)).toEqual(REFUSED);
    expect(await ask('Host: evil.example\r\n', '/health/live')).toEqual(OK);
  });

  it('takes no order from the page of another site, which needs no permission to send one', async () => {
    await start('loopback');
    const body = '{"name":"a"}';
    const { text } = await server.raw(
      `POST /api/instances HTTP/1.1\r\nHost: localhost:${server.port}\r\nOrigin: null\r\nContent-Type: application/json\r\n` +
        `Content-Length: ${body.length}\r\nConnection: close\r\n\r\n${body}`,
    );

    expect(text).toMatch(/^HTTP\/1\.1 403 /);
  });
});

it('knows no names of its own where it listens to a network', async () => {
  await start('network');

  expect(await ask('Host: gpu.example.com\r\n')).toEqual(OK);
  expect(await ask('Host: gpu.example.com\r\nOrigin: https://gpu.example.com\r\n')).toEqual(OK);
  expect(await ask('Host: gpu.example.com\r\nOrigin: https://evil.example\r\n')).toEqual(REFUSED);
});
