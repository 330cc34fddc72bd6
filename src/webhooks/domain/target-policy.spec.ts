import { describe, expect, it } from '@jest/globals';
import { BadTargetSetting, targetPolicy } from './target-policy.js';

describe('targetPolicy', () => {
  it('reads hosts with and without a port', () => {
    const { allowedHosts } = targetPolicy({ allowedHosts: ' Receiver.Corp.internal, 10.0.0.5:81 ,[::1]:9000,, ' });

    expect(allowedHosts).toEqual([
      { host: 'receiver.corp.internal', port: null },
      { host: '10.0.0.5', port: 81 },
      { host: '::1', port: 9000 },
    ]);
  });

  it.each([
    'http://a.example',
    'a.example/path',
    'u@a.example',
    'a:b:80',
    'a.example:0',
    'a.example:65536',
    '*.example',
    '::1',
  ])('refuses the host entry %s', (allowedHosts) => {
    expect(() => targetPolicy({ allowedHosts })).toThrow(BadTargetSetting);
  });

  it.each(['127.0.0.1', 'localhost', '127.9.9.9', '[::1]', '[::ffff:127.0.0.1]'])(
    'refuses %s without a port, because it would open every service of the machine',
    (allowedHosts) => {
      expect(() => targetPolicy({ allowedHosts })).toThrow(/host:port/);
    },
  );

  it.each(['10.0.0.1/8', '10.0.0.0/33', '10.0.0.0/', 'ten/8', '10.0.0.0/8/8', '::ffff:10.0.0.0/104'])(
    'refuses the network %s',
    (allowedCidrs) => {
      expect(() => targetPolicy({ allowedCidrs })).toThrow(BadTargetSetting);
    },
  );

  it('opens nothing by itself', () => {
    expect(targetPolicy()).toMatchObject({ allowedHosts: [], allowedCidrs: [] });
  });
});
