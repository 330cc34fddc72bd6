import { describe, expect, it } from '@jest/globals';
import { refusalWhileOpen } from './open-door.js';

describe('a service without keys', () => {
  it.each([
    [{ host: '127.0.0.1:3000' }],
    [{ host: 'localhost:3000' }],
    [{ host: 'LOCALHOST' }],
    [{ host: '[::1]:3000' }],
    [{ host: '192.168.1.7:3000' }],
    [{}],
    [{ host: 'localhost:3000', origin: 'http://localhost:3000' }],
    [{ host: 'localhost', origin: 'https://LOCALHOST' }],
  ])('serves %j on the loopback', (headers) => {
    expect(refusalWhileOpen(headers, 'loopback')).toBeNull();
  });

  it.each([
    [{ host: 'evil.example:3000' }],
    [{ host: 'localhost.evil.example' }],
    [{ host: '127.0.0.1.evil.example:3000' }],
    [{ host: 'evil.example', origin: 'http://evil.example' }],
    [{ host: '' }],
  ])('refuses %j there, whose name somebody made point to it', (headers) => {
    expect(refusalWhileOpen(headers, 'loopback')).toMatch(/Host/);
  });

  it.each([
    [{ host: 'localhost:3000', origin: 'http://evil.example' }],
    [{ host: 'localhost:3000', origin: 'http://localhost:8080' }],
    [{ host: 'localhost:3000', origin: 'null' }],
    [{ host: 'localhost:3000', origin: '' }],
    [{ origin: 'http://evil.example' }],
  ])('refuses %j wherever it listens: the page of another site', (headers) => {
    for (const openTo of ['loopback', 'network'] as const)
      expect(refusalWhileOpen(headers, openTo)).toMatch(/other origins/);
  });

  it('knows nothing of the names that it has in a network', () => {
    const headers = { host: 'gpu.example.com', origin: 'https://gpu.example.com' };

    expect(refusalWhileOpen(headers, 'network')).toBeNull();
  });
});
