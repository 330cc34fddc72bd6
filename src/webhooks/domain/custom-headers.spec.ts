import { describe, expect, it } from '@jest/globals';
import { judgeCustomHeaders } from './custom-headers.js';

const RULES = { authorizationAllowed: false };

describe('judgeCustomHeaders', () => {
  it('lets ordinary headers pass', () => {
    expect(
      judgeCustomHeaders(
        [
          ['X-Team', 'größe 1'],
          ['x-empty', ''],
        ],
        RULES,
      ),
    ).toEqual({ allowed: true });
  });

  it.each([
    'host',
    'Host',
    'content-length',
    'Transfer-Encoding',
    'connection',
    'keep-alive',
    'upgrade',
    'te',
    'trailer',
    'expect',
    'proxy-authorization',
    'Proxy-Connection',
    'webhook-id',
    'Webhook-Signature',
    'content-type',
    'User-Agent',
    '__proto__',
  ])('keeps %s for itself', (header) => {
    expect(judgeCustomHeaders([[header, 'x']], RULES)).toEqual({ allowed: false, because: 'reserved-header', header });
  });

  it.each(['', 'a b', 'a:b', 'a\r\nb', 'a\u0000', 'ü', 'x'.repeat(129)])('refuses the name %j', (header) => {
    expect(judgeCustomHeaders([[header, 'x']], RULES)).toMatchObject({ because: 'not-a-header-name' });
  });

  it.each(['a\r\nhost: evil', 'a\nb', 'a\u0000b', 'a\u007f', '测试', 'a\u2028b'])('refuses the value %j', (value) => {
    expect(judgeCustomHeaders([['x-team', value]], RULES)).toMatchObject({ because: 'not-a-header-value' });
  });

  it('sends authorization over https alone', () => {
    expect(judgeCustomHeaders([['authorization', 'x']], RULES)).toMatchObject({
      because: 'authorization-without-https',
    });
    expect(judgeCustomHeaders([['Authorization', 'Bearer x']], { authorizationAllowed: true })).toEqual({
      allowed: true,
    });
  });

  it('refuses a name that comes twice, in whatever case', () => {
    const twice = [
      ['X-Team', 'a'],
      ['x-team', 'b'],
    ] as const;

    expect(judgeCustomHeaders(twice, RULES)).toEqual({ allowed: false, because: 'named-twice', header: 'x-team' });
  });

  it('bounds number and size', () => {
    const many = Array.from({ length: 21 }, (_, i) => [`x-${i}`, ''] as const);

    expect(judgeCustomHeaders(many, RULES)).toMatchObject({ because: 'too-many-headers' });
    expect(judgeCustomHeaders([['x-team', 'a'.repeat(4097)]], RULES)).toMatchObject({ because: 'too-long' });
  });
});
