import { afterEach, describe, expect, it } from '@jest/globals';
import { anOrder } from '../builders/an-order.js';
import { WebhookReceiver } from '../support/webhook-receiver.js';
import { eventually, World } from '../support/world.js';
import { Chance } from './chance.js';
import { Proof, spread } from './proof.js';

const proof = new Proof('replace');
/** Each world: one instance with its own notice time L and, shared in its batch, the boot time B. */
const WORLDS = proof.size(100, 1000);
const BATCH = 25;
const BOOT_SECONDS = [2, 4, 6, 8];
/** What a hand-over may take beyond notice and boot. */
const SLACK_SECONDS = 15;
const OVERLAP_SECONDS = 20;
/** A delete is sent within a poll and ends the bill about a second later. */
const DELETE_SECONDS = 5;

interface Case {
  readonly id: string;
  readonly name: string;
  readonly novitaId: string;
  readonly noticeSeconds: number;
}

interface Bill {
  readonly id: string;
  readonly name: string;
  readonly createdAt: number;
  readonly billing: readonly { from: number; to: number | null }[];
}

describe('replacing spot machines that are on notice', () => {
  let world: World;
  let receiver: WebhookReceiver;

  afterEach(async () => {
    await world.stop();
    await receiver.stop();
  });

  /** Everything at the speed of real time: a notice's deadline means the same on both sides. */
  const start = async (bootSeconds: number) => {
    receiver = await WebhookReceiver.start();
    world = await World.start({
      speed: 1,
      env: {
        WEBHOOK_ALLOWED_HOSTS: receiver.host,
        HANDOVER_MAX_OVERLAP_SECONDS: String(OVERLAP_SECONDS),
        LIFECYCLE_POLL_SECONDS: '0.5',
      },
    });
    const durations = { toCreate: 0.2, creating: 0.3, pulling: bootSeconds - 1, connect: 0.3, app: 0.2 };
    await world.sandbox.control('/config', { durations, protectedSeconds: 0 });
    await world.sandbox.control('/migrate-behaviour', { refuse: 1 });
  };

  const isRunning = async (id: string) => {
    const { body } = await world.service.get<{ status: string; machine?: { novitaId: string } }>(
      `/api/instances/${id}`,
    );
    return body.status === 'running' && body.machine !== undefined && body.machine;
  };

  const setUp = async (chance: Chance, batch: number): Promise<Case[]> => {
    const ordered = await Promise.all(
      Array.from({ length: BATCH }, async (_, index) => {
        const name = `w${batch}x${index}end`;
        const order = anOrder({ name, spotPolicy: 'replace', webhookUrl: receiver.url });
        const { body } = await world.service.post<{ instanceId: string }>('/api/instances', order);
        return { id: body.instanceId, name };
      }),
    );
    const cases: Case[] = [];
    for (const { id, name } of ordered) {
      const { novitaId } = await eventually(() => isRunning(id), 90_000);
      cases.push({ id, name, novitaId, noticeSeconds: Math.round(chance.between(1, 35)) });
    }
    return cases;
  };

  const give = (cases: readonly Case[]) =>
    Promise.all(
      cases.map(({ novitaId, noticeSeconds }) =>
        world.sandbox.control(`/machines/${novitaId}/notice`, { inSeconds: noticeSeconds }),
      ),
    );

  const billsOf = async (name: string): Promise<Bill[]> =>
    (await world.sandbox.ledger()).machines.filter((machine) => machine.name.includes(name));

  /** All are back, and what they left behind is gone. */
  const settled = async (cases: readonly Case[]) => {
    for (const { id, novitaId } of cases)
      await eventually(async () => {
        const machine = await isRunning(id);
        return machine !== false && machine.novitaId !== novitaId;
      }, 150_000);
    await eventually(async () => (await world.sandbox.ledger()).exists.length === cases.length, 90_000);
  };

  it(
    `hands over without a gap where notice allows it, in ${WORLDS} worlds`,
    async () => {
      const chance = new Chance(proof.seed);
      const gaps: number[] = [];
      const overlaps: number[] = [];
      for (let batch = 0; batch * BATCH < WORLDS; batch += 1) {
        const bootSeconds = BOOT_SECONDS[batch % BOOT_SECONDS.length] ?? 2;
        if (batch > 0) await Promise.all([world.stop(), receiver.stop()]);
        await start(bootSeconds);
        const cases = await setUp(chance, batch);
        await give(cases);
        await settled(cases);
        for (const one of cases) {
          const bills = await billsOf(one.name);
          const migrated = await eventually(async () =>
            receiver.events('instance.migrated').find(({ body }) => body['instanceId'] === one.id),
          );
          const former = bills.find(({ id }) => id === one.novitaId);
          const endedAt = former?.billing.at(-1)?.to ?? Infinity;
          const gap = Math.max(0, (Date.parse(String(migrated.body['timestamp'])) - endedAt) / 1000);
          const allowed = Math.max(0, bootSeconds - one.noticeSeconds + SLACK_SECONDS);
          const seen = { seed: proof.seed, ...one, bootSeconds, gap, within: gap <= allowed };
          expect(seen).toMatchObject({ within: true });
          expect({ seed: proof.seed, name: one.name, atOnce: mostAtOnce(bills) <= 2 }).toMatchObject({ atOnce: true });
          const overlap = secondsTogether(bills);
          expect(overlap).toBeLessThanOrEqual(OVERLAP_SECONDS + DELETE_SECONDS);
          gaps.push(gap * 1000);
          overlaps.push(overlap * 1000);
        }
        proof.progress(`${gaps.length} worlds`);
      }
      const withGap = gaps.filter((gap) => gap > 0).length;
      proof.result({
        worlds: gaps.length,
        withGap,
        gapMax: spread(gaps).max,
        overlapMedian: spread(overlaps).median,
        overlapMax: spread(overlaps).max,
      });
    },
    WORLDS * 20_000,
  );

  it('comes back on its own node when nothing else is to be had, with no second machine', async () => {
    await start(2);
    const cases = await setUp(new Chance(proof.seed), 900);
    await world.sandbox.control('/stock', { billingMode: 'spot', count: 0 });
    await give(cases.map((one) => ({ ...one, noticeSeconds: 5 })));
    await eventually(async () => receiver.events('instance.exited').length === BATCH, 90_000);

    await world.sandbox.control('/stock', { billingMode: 'spot', count: null });

    await eventually(async () => receiver.events('instance.migrated').length >= BATCH, 150_000);
    for (const { id, name } of cases) {
      expect(await isRunning(id)).toBeTruthy();
      expect(mostAtOnce(await billsOf(name))).toBeLessThanOrEqual(2);
    }
    await eventually(async () => (await world.sandbox.ledger()).exists.length === BATCH, 60_000);
  }, 400_000);

  it('has at most two machines for an instance though the service is killed again and again', async () => {
    await start(3);
    const chance = new Chance(proof.seed);
    const cases = await setUp(chance, 950);
    await give(cases.map((one) => ({ ...one, noticeSeconds: 30 })));

    for (let kills = 0; kills < 5; kills += 1) {
      await new Promise((resolve) => setTimeout(resolve, chance.between(100, 2500)));
      await world.services.at(-1)?.stop('SIGKILL');
      const next = await world.addService();
      world.services.splice(0, world.services.length, next);
    }

    await settled(cases);
    for (const { name } of cases) expect(mostAtOnce(await billsOf(name))).toBeLessThanOrEqual(2);
  }, 400_000);
});

interface Mark {
  readonly at: number;
  readonly step: 1 | -1;
}

function marksOf(bills: readonly Bill[]): Mark[] {
  return bills
    .flatMap(({ billing }) => billing)
    .flatMap(({ from, to }): Mark[] => [
      { at: from, step: 1 },
      { at: to ?? Infinity, step: -1 },
    ])
    .toSorted((a, b) => a.at - b.at || a.step - b.step);
}

function mostAtOnce(bills: readonly Bill[]): number {
  let now = 0;
  return Math.max(0, ...marksOf(bills).map(({ step }) => (now += step)));
}

function secondsTogether(bills: readonly Bill[]): number {
  let now = 0;
  let since = 0;
  let together = 0;
  for (const { at, step } of marksOf(bills)) {
    if (now >= 2) together += at - since;
    now += step;
    since = at;
  }
  return together / 1000;
}
