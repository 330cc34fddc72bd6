import { describe, expect, it } from '@jest/globals';
import { targetPolicy } from './target-policy.js';
import { judgeTargetUrl } from './target-url.js';

const CLOSED = targetPolicy();

function refusal(input: string, policy = CLOSED): string | null {
  const verdict = judgeTargetUrl(input, policy);
  return verdict.allowed ? null : verdict.because;
}

describe('judgeTargetUrl', () => {
  it.each([
    ['https://hooks.example.com/a?b=c', 'https://hooks.example.com/a?b=c'],
    ['https://hooks.example.com', 'https://hooks.example.com/'],
    ['HTTPS://Hooks.Example.com/', 'https://hooks.example.com/'],
    ['https://hooks.example.com:443/x', 'https://hooks.example.com/x'],
    ['https://hooks.example.com:8443/a/../b', 'https://hooks.example.com:8443/b'],
    ['https://[2606:4700:4700:0:0:0:0:1111]/', 'https://[2606:4700:4700::1111]/'],
    ['https://xn--bcher-kva.example/', 'https://xn--bcher-kva.example/'],
  ])('accepts %s and keeps %s', (input, url) => {
    expect(judgeTargetUrl(input, CLOSED)).toMatchObject({ allowed: true, url });
  });

  it.each([
    'http://127.1/',
    'http://2130706433/',
    'http://0x7f000001/',
    'http://017700000001/',
    'http://0177.0.0.1/',
    'http://0x7f.1/',
    'http://127.0.0.1./',
    'http://127。0。0。1/',
    'http://0/',
    'https://hooks%2eexample.com/',
    'https://bücher.example/',
    'https://hooks.exam\u00adple.com/',
    'https://１.1.1.1/',
    'https://0x01.1.1.1/',
  ])('refuses %s, which names another host than the one that is typed', (input) => {
    expect(refusal(input)).toBe('host-spelling');
  });

  it.each([
    ['http:127.0.0.1/', 'not-a-url'],
    ['http://127.0.0.1\\@1.1.1.1/', 'not-plain-text'],
    ['http://1.1.1.1 &@127.0.0.1/', 'not-plain-text'],
    ['https://user:pw@1.1.1.1@127.0.0.1/', 'credentials-in-url'],
    ['https://127.0.0.1%2f@1.1.1.1/', 'credentials-in-url'],
    ['https://@1.1.1.1/', 'credentials-in-url'],
    ['https://hooks.exa\tmple.com/', 'not-plain-text'],
    ['https://hooks.example.com/\r\nx', 'not-plain-text'],
    [' https://hooks.example.com/', 'not-plain-text'],
    ['https://hooks.example.com/\u0000', 'not-plain-text'],
    ['https://hooks.example.com/\ud800', 'not-plain-text'],
    ['https://[fe80::1%25eth0]/', 'not-a-url'],
    ['https://256.256.256.256/', 'not-a-url'],
    ['https://0.0.0.0.0/', 'not-a-url'],
    ['https://a%00b.example/', 'not-a-url'],
    ['https://xn--iñvalid.example/', 'not-a-url'],
    ['https://xn--a-yoc.example/', 'not-a-host-name'],
    ['https:///path', 'host-spelling'],
    ['https://hooks.example.com/#top', 'fragment-in-url'],
    ['https://hooks.example.com/#', 'fragment-in-url'],
    [`https://hooks.example.com/${'a'.repeat(2048)}`, 'too-long'],
    ['https://localhost./', 'not-a-host-name'],
    ['https://hooks.example.com./', 'not-a-host-name'],
    ['https://a..example.com/', 'not-a-host-name'],
    ['https://$HOME.example.com/', 'not-a-host-name'],
  ])('refuses %j: %s', (input, because) => {
    expect(refusal(input)).toBe(because);
  });

  it.each([
    'file:///etc/passwd',
    'gopher://h.example/_x',
    'ftp://h.example/',
    'dict://h.example:11211/',
    'ldap://h.example/',
    'data:text/plain,x',
    'javascript:alert(1)',
    'blob:https://h.example/x',
    'ws://h.example/',
    'wss://h.example/',
    'unix:/run/docker.sock',
  ])('refuses the scheme of %s', (input) => {
    expect(refusal(input)).toBe('scheme-not-allowed');
  });

  it.each(['', '//hooks.example.com/', '/path', 'hooks.example.com', 'https:', 'https://'])(
    'refuses %j, no URL',
    (input) => {
      expect(refusal(input)).toBe('not-a-url');
    },
  );

  it.each(['http://hooks.example.com/', 'HTTP://hooks.example.com/', 'http://hooks.example.com:443/'])(
    'refuses plain HTTP in %s',
    (input) => {
      expect(refusal(input)).toBe('plain-http');
    },
  );

  it.each([
    ['https://localhost/', 'internal-name'],
    ['https://api.internal/', 'internal-name'],
    ['https://intranet/', 'internal-name'],
    ['https://receiver/', 'single-label-name'],
    ['https://build-host.example.com/', 'own-name'],
  ])('refuses the name in %s: %s', (input, because) => {
    expect(refusal(input, targetPolicy({ ownNames: ['Build-Host.example.com'] }))).toBe(because);
  });
});

describe('an allowed host', () => {
  const policy = targetPolicy({
    allowedHosts: 'receiver,receiver.corp.internal,127.0.0.1:9000,localhost:9000,db.example.com:5432,10.0.0.5',
  });

  it.each([
    'http://receiver/',
    'http://receiver.corp.internal:8080/',
    'http://127.0.0.1:9000/hook',
    'https://localhost:9000/',
    'https://db.example.com:5432/',
    'http://10.0.0.5/',
  ])('may be used in %s', (input) => {
    expect(refusal(input)).not.toBeNull();
    expect(refusal(input, policy)).toBeNull();
  });

  it.each([
    ['http://127.0.0.1:9001/', 'loopback-address'],
    ['http://127.0.0.1/', 'loopback-address'],
    ['http://localhost:9001/', 'internal-name'],
    ['http://sub.receiver.corp.internal/', 'internal-name'],
    ['http://receiver.corp.internal:5432/', 'port-not-allowed'],
    ['http://db.example.com/', 'plain-http'],
    ['http://10.0.0.6/', 'private-address'],
    ['http://2130706433:9000/', 'host-spelling'],
  ])('does not open %s: %s', (input, because) => {
    expect(refusal(input, policy)).toBe(because);
  });
});
