import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { Logger } from '@nestjs/common';
import { type Market, type Plan, type RecordedZone, type ReplayOutcome, ReplayWorld } from './replay-world.js';

const HOUR_MS = 3_600_000;
const IS_PROOF = process.env['PROOF'] === '1';
/** All that was recorded, less what the first machine waits for. */
const LASTS_MS = IS_PROOF ? 26 * 24 * HOUR_MS : 12 * HOUR_MS;

const MARKETS: readonly Market[] = [
  { name: 'protected for 1 h, notice 1 h', protectedMs: HOUR_MS, noticeMs: HOUR_MS },
  { name: 'no protection, notice 2 min', protectedMs: 0, noticeMs: 120_000 },
];
const TYPES = ['k80_1', 'v100_1'] as const;
const PLANS: readonly Plan[] = ['migrate', 'replace', 'on-demand'];

Logger.overrideLogger(false);

function zone(name: string): RecordedZone {
  const path = new URL(`../data/spot-availability/${name}.json`, import.meta.url);
  return JSON.parse(readFileSync(path, 'utf8')) as RecordedZone;
}

async function replay(type: string, market: Market): Promise<Map<Plan, ReplayOutcome>> {
  const zones = { 'cluster-a': zone(`us-west-2a_${type}`), 'cluster-b': zone(`us-west-2b_${type}`) };
  const outcomes = new Map<Plan, ReplayOutcome>();
  for (const plan of PLANS) {
    const outcome = await new ReplayWorld(plan, market, zones, LASTS_MS).run();
    outcomes.set(plan, outcome);
    if (!IS_PROOF) continue;
    const { running, cost, moves } = outcome;
    const figures = `running ${(running * 100).toFixed(2)} %, cost ${(cost * 100).toFixed(1)} % of on-demand, ${moves} moves`;
    process.stderr.write(`[replay] ${type}, ${market.name}, ${plan}: ${figures}\n`);
  }
  return outcomes;
}

describe('recorded spot availability of two zones', () => {
  it.each(TYPES.flatMap((type) => MARKETS.map((market) => [type, market.name, market] as const)))(
    '%s, %s: spot costs less than on-demand, runs when there is stock, and never doubles for long',
    async (type, _name, market) => {
      const outcomes = await replay(type, market);

      for (const { violations, mostAtOnce } of outcomes.values()) {
        expect(violations).toEqual([]);
        expect(mostAtOnce).toBeLessThanOrEqual(2);
      }
      const [migrate, replaced, onDemand] = PLANS.map((plan) => outcomes.get(plan)!);
      expect(onDemand!.running).toBeGreaterThan(0.999);
      expect(migrate!.cost).toBeLessThan(onDemand!.cost);
      expect(replaced!.cost).toBeLessThan(onDemand!.cost);
      // A successor bought during the notice can only add to the time in which the instance runs; the two end in different zones.
      expect(replaced!.running).toBeGreaterThan(migrate!.running - 0.02);
    },
    3_600_000,
  );
});
