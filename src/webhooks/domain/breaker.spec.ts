import { describe, expect, it } from '@jest/globals';
import type { Breaker } from './breaker.js';
import { afterFailure, afterSuccess, choosePassage, CLOSED_BREAKER, isToBeDisabled } from './breaker.js';

const NOW = new Date('2026-03-01T12:00:00Z');

function later(ms: number): Date {
  return new Date(NOW.getTime() + ms);
}

function failing(times: number): Breaker {
  return Array.from({ length: times }).reduce<Breaker>((breaker) => afterFailure(breaker, 'send', NOW), CLOSED_BREAKER);
}

describe('the breaker of an endpoint', () => {
  it('opens at the fifth failure in a row', () => {
    expect(choosePassage(failing(4), NOW)).toBe('send');
    expect(choosePassage(failing(5), NOW)).toBe('wait');
  });

  it('forgets failures at the first success', () => {
    const { breaker } = afterSuccess(failing(4));

    expect(choosePassage(afterFailure(breaker, 'send', NOW), NOW)).toBe('send');
  });

  it('lets one probe through after 30 s', () => {
    const open = failing(5);

    expect(choosePassage(open, later(29_999))).toBe('wait');
    expect(choosePassage(open, later(30_000))).toBe('probe');
    expect(choosePassage(afterFailure(open, 'probe', later(30_000)), later(30_000))).toBe('wait');
  });

  it('probes less and less often, but at least every five minutes', () => {
    let breaker = failing(5);
    const waitsS: number[] = [];
    let at = NOW;
    for (let round = 0; round < 7; round += 1) {
      const next = breaker.nextProbeAt ?? at;
      waitsS.push((next.getTime() - at.getTime()) / 1000);
      at = next;
      breaker = afterFailure(breaker, 'probe', at);
    }

    expect(waitsS).toEqual([30, 60, 120, 240, 300, 300, 300]);
  });

  it('does not put the probe off for tries that were under way when it opened', () => {
    const open = failing(5);

    const after = afterFailure(open, 'send', later(10_000));

    expect(after.nextProbeAt).toEqual(open.nextProbeAt);
    expect(after.failuresInRow).toBe(6);
  });

  it.each([
    [10, 30],
    [600, 600],
    [3_600, 3_600],
    [86_400, 3_600],
  ])('heeds a wish to be left alone for %d s by waiting %d s', (wishedS, waitS) => {
    const open = afterFailure(failing(4), 'send', NOW, wishedS * 1000);

    expect(open.nextProbeAt).toEqual(later(waitS * 1000));
  });

  it('puts the probe off when a try that was under way as it opened brings such a wish', () => {
    const open = afterFailure(failing(5), 'send', later(1_000), 3_600_000);

    expect(open.nextProbeAt).toEqual(later(3_601_000));
    expect(afterFailure(open, 'send', later(2_000), 60_000).nextProbeAt).toEqual(open.nextProbeAt);
  });

  it('pulls waiting deliveries forward at the first success after an outage, not after a single refusal', () => {
    expect(afterSuccess(failing(5))).toEqual({ breaker: CLOSED_BREAKER, pullsForward: true });
    expect(afterSuccess(failing(4)).pullsForward).toBe(false);
    expect(afterSuccess(CLOSED_BREAKER).pullsForward).toBe(false);
  });

  it('asks for the endpoint to be disabled after five days without a success', () => {
    const fiveDaysMs = 5 * 24 * 3_600_000;

    expect(isToBeDisabled(failing(9), later(fiveDaysMs - 1))).toBe(false);
    expect(isToBeDisabled(failing(9), later(fiveDaysMs))).toBe(true);
    expect(isToBeDisabled(CLOSED_BREAKER, later(fiveDaysMs))).toBe(false);
  });
});
