import { describe, expect, it } from '@jest/globals';
import { API_KEY_PATTERN, formatApiKey, judgeApiKey, newSecret } from './api-key.js';
import { credentialsIn } from './credentials.js';
import { covers } from './scopes.js';

const ID = 'key0123456789abcdef';

describe('the text of a key', () => {
  const key = formatApiKey('live', ID, newSecret());

  it('says which key it is, and can be told by its shape', () => {
    expect(judgeApiKey(key, 'live')).toEqual({ kind: 'well-formed', keyId: ID });
    expect(key).toMatch(new RegExp(`^${API_KEY_PATTERN}$`));
    expect(formatApiKey('live', ID, newSecret())).not.toBe(key);
  });

  it('is none once any character of it has changed', () => {
    const changed = Array.from(
      key,
      (character, at) => key.slice(0, at) + (character === 'x' ? 'y' : 'x') + key.slice(at + 1),
    );

    expect(changed.filter((text) => judgeApiKey(text, 'live').kind === 'well-formed')).toEqual([]);
  });

  it.each([
    ['', 'shape'],
    [`${key}x`, 'shape'],
    [` ${key}`, 'shape'],
    [`${key}\n`, 'shape'],
    [key.slice(0, -1), 'shape'],
    [formatApiKey('test', ID, newSecret()), 'environment'],
  ])('is refused without a query: %j', (text, because) => {
    expect(judgeApiKey(text, 'live')).toEqual({ kind: 'malformed', because });
  });
});

describe('what a request shows', () => {
  it.each([
    [[], { kind: 'none' }],
    [['Authorization', 'Bearer a'], { kind: 'key', key: 'a' }],
    [['x-api-key', ' a '], { kind: 'key', key: 'a' }],
    [['Authorization', 'bearer a', 'X-API-Key', 'a'], { kind: 'key', key: 'a' }],
    [['Authorization', 'Bearer a', 'X-API-Key', 'b'], { kind: 'ambiguous' }],
    [['Authorization', 'Bearer a', 'authorization', 'Bearer a'], { kind: 'ambiguous' }],
    [['Authorization', 'Basic a'], { kind: 'ambiguous' }],
    [['Authorization', ''], { kind: 'ambiguous' }],
    [['X-API-Key', 'a'.repeat(257)], { kind: 'ambiguous' }],
    [['X-Other', 'Authorization', 'Accept', '*/*'], { kind: 'none' }],
  ])('%j', (rawHeaders, expected) => {
    expect(credentialsIn(rawHeaders)).toEqual(expected);
  });
});

describe('a scope', () => {
  it('covers itself alone, but for admin, which covers all', () => {
    expect(covers(['instances:read'], 'instances:read')).toBe(true);
    expect(covers(['instances:read', 'webhooks:write'], 'instances:write')).toBe(false);
    expect(covers(['admin'], 'migration:write')).toBe(true);
    expect(covers([], 'instances:read')).toBe(false);
  });
});
