import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { ServiceProcess } from '../support/service-process.js';
import { Chance } from './chance.js';
import { Proof } from './proof.js';
import { ProofWorld } from './proof-world.js';

const REPLICAS = 4;
const ASLEEP_AT_ONCE = 3;
/** The longest lease is that of a create: two seconds to be sent, two to be answered, and two more. */
const LONGEST_LEASE_MS = 6_000;
const REPEAT_AFTER_MS = 2_000;
const FLEET = 24;

const proof = new Proof('replicas');
const ROUNDS = proof.size(20, 500);

interface CountRow {
  machine: string;
  action: string;
  intents: number;
}

/** Notes every intent that is committed, and every write that would bring an older observation back. */
const WITNESS = `
  CREATE TABLE witnessed_intents (machine text, instance_id text, action text, at timestamptz DEFAULT clock_timestamp());
  CREATE TABLE witnessed_stale_writes (what text);
  CREATE FUNCTION witness_action() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO witnessed_intents (machine, instance_id, action)
      SELECT novita_id, NEW.id, NEW.action FROM placements WHERE id = NEW.current_placement_id;
    RETURN NULL; END $$;
  CREATE TRIGGER witness_action AFTER UPDATE ON instances FOR EACH ROW
    WHEN (NEW.action_sent_at IS NOT NULL AND OLD.action_sent_at IS DISTINCT FROM NEW.action_sent_at) EXECUTE FUNCTION witness_action();
  CREATE FUNCTION witness_delete() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO witnessed_intents (machine, instance_id, action) VALUES (NEW.novita_id, NEW.instance_id, 'delete');
    RETURN NULL; END $$;
  CREATE TRIGGER witness_delete AFTER UPDATE ON placements FOR EACH ROW
    WHEN (NEW.delete_sent_at IS NOT NULL AND OLD.delete_sent_at IS DISTINCT FROM NEW.delete_sent_at) EXECUTE FUNCTION witness_delete();
  CREATE FUNCTION witness_stale_write() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO witnessed_stale_writes VALUES (TG_TABLE_NAME || ' ' || to_json(NEW)::text); RETURN NULL; END $$;
  CREATE TRIGGER witness_stale_sweep AFTER UPDATE ON sweeps FOR EACH ROW
    WHEN (NEW.started_at < OLD.started_at) EXECUTE FUNCTION witness_stale_write();
  CREATE TRIGGER witness_stale_sighting AFTER UPDATE ON placements FOR EACH ROW
    WHEN (NEW.last_seen_at < OLD.last_seen_at OR NEW.version < OLD.version
       OR (OLD.novita_id IS NOT NULL AND NEW.novita_id IS DISTINCT FROM OLD.novita_id)) EXECUTE FUNCTION witness_stale_write();
  CREATE TRIGGER witness_stale_instance AFTER UPDATE ON instances FOR EACH ROW
    WHEN (NEW.version <> OLD.version + 1 OR NEW.event_sequence < OLD.event_sequence) EXECUTE FUNCTION witness_stale_write();`;

describe('replicas that are stopped and go on later', () => {
  let proofWorld: ProofWorld;
  const chance = new Chance(proof.seed);
  const pending: Promise<unknown>[] = [];
  const asleep = new Set<ServiceProcess>();
  let isOver = false;

  beforeAll(async () => {
    const env = { NOVITA_TIMEOUT_SECONDS: '2', NOVITA_CREATE_TIMEOUT_SECONDS: '2' };
    proofWorld = await ProofWorld.start({ replicas: REPLICAS, env });
    await proofWorld.pool.query(WITNESS);
    await proofWorld.world.sandbox.control('/stock', { count: 1_000_000 });
  }, 120_000);

  afterAll(async () => {
    for (const service of asleep) service.signal('SIGCONT');
    await proofWorld.stop();
  }, 120_000);

  it(
    `do nothing twice and write nothing stale in ${ROUNDS} rounds`,
    async () => {
      const load = keepBusy();
      const share = chance.shuffled(Array.from({ length: ROUNDS }, (_, round) => round));
      await Promise.all(Array.from({ length: ASLEEP_AT_ONCE }, () => putToSleep(share)));
      isOver = true;
      await load;
      await Promise.allSettled(pending);

      const equalAfterMs = await proofWorld.judge.untilEqual(60_000);
      const { log, counts } = await proofWorld.calls();
      const creates = log.filter(({ endpoint }) => endpoint === 'create').map(({ name }) => name);
      const stale = await proofWorld.pool.query('SELECT what FROM witnessed_stale_writes');
      expect(new Set(creates).size).toBe(creates.length);
      expect(await callsBeyondIntents()).toEqual([]);
      expect(await hastyRepeats()).toEqual([]);
      expect(stale.rows).toEqual([]);
      expect(await againstTheWish()).toEqual([]);
      expect(await proofWorld.brokenPromises()).toEqual([]);
      expect(await proofWorld.harmToStrangers()).toEqual([]);
      const { create = 0, delete: deletes = 0, start = 0, stop = 0, restart = 0 } = counts;
      proof.result({
        rounds: ROUNDS,
        create,
        delete: deletes,
        start,
        stop,
        restart,
        doubledCalls: 0,
        staleWrites: 0,
        equalAfter: equalAfterMs / 1000,
      });
    },
    120_000 + ROUNDS * 10_000,
  );

  async function putToSleep(rounds: number[]): Promise<void> {
    while (rounds.pop() !== undefined) {
      const service = chance.pick(proofWorld.world.services.filter((one) => !asleep.has(one)));
      asleep.add(service);
      await sleep(chance.between(0, 500));
      service.signal('SIGSTOP');
      await sleep(LONGEST_LEASE_MS + chance.between(500, 2_000));
      service.signal('SIGCONT');
      asleep.delete(service);
      proof.progress(`${ROUNDS - rounds.length} of ${ROUNDS} rounds`);
    }
  }

  /** Orders, starts, stops and deletes; what a sleeping replica was asked is answered when it wakes. */
  async function keepBusy(): Promise<void> {
    while (!isOver) {
      const [running, stopped] = await Promise.all([proofWorld.idsIn('running'), proofWorld.idsIn('stopped')]);
      const service = chance.pick(proofWorld.world.services);
      if (running.length + stopped.length < FLEET) pending.push(proofWorld.order({}, service));
      if (running.length > 0)
        pending.push(
          proofWorld.wish(chance.pick(['stop', 'stop', 'restart', 'delete']), chance.pick(running), service),
        );
      if (stopped.length > 0) pending.push(proofWorld.wish('start', chance.pick(stopped), service));
      await sleep(150);
    }
  }

  /** Every call that changes a machine needs an intent of its own. */
  async function callsBeyondIntents(): Promise<string[]> {
    const { rows } = await proofWorld.pool.query<CountRow>(
      'SELECT machine, action, count(*)::int AS intents FROM witnessed_intents GROUP BY machine, action',
    );
    const allowed = new Map(rows.map(({ machine, action, intents }) => [`${machine} ${action}`, intents]));
    const { log } = await proofWorld.calls();
    const made = new Map<string, number>();
    for (const { id, endpoint } of log.filter(({ endpoint: one }) => one !== 'create' && one !== 'migrate')) {
      const key = `${id} ${endpoint}`;
      made.set(key, (made.get(key) ?? 0) + 1);
    }
    return [...made]
      .filter(([key, count]) => count > (allowed.get(key) ?? 0))
      .map(([key, count]) => `${key}: ${count}`);
  }

  /** The same intent again, with no other in between, before the first has had its time. */
  async function hastyRepeats(): Promise<unknown[]> {
    const { rows } = await proofWorld.pool.query(
      `SELECT machine, action, gap_ms FROM (
         SELECT machine, action, lag(action) OVER w AS earlier, 1000 * extract(epoch FROM at - lag(at) OVER w) AS gap_ms
           FROM witnessed_intents WINDOW w AS (PARTITION BY instance_id ORDER BY at)) AS pairs
        WHERE earlier = action AND action <> 'restart' AND gap_ms < $1`,
      [REPEAT_AFTER_MS * 0.9],
    );
    return rows;
  }

  /** A call that came late would leave a machine in another state than its user was promised. */
  async function againstTheWish(): Promise<string[]> {
    const { rows } = await proofWorld.pool.query<{ id: string; desired: string; phase: string; novita_id: string }>(
      `SELECT i.id, i.desired, i.phase, p.novita_id FROM instances i JOIN placements p ON p.id = i.current_placement_id
        WHERE i.phase IN ('running', 'stopped')`,
    );
    const ledger = await proofWorld.world.sandbox.ledger();
    const status = new Map(ledger.exists.map((record) => [record.id, record.status]));
    return rows
      .filter(({ desired, phase, novita_id: novitaId }) => {
        const wanted = desired === 'stopped' ? 'exited' : 'running';
        return phase !== desired || status.get(novitaId) !== wanted;
      })
      .map(({ id, desired, phase, novita_id: novitaId }) => `${id}: ${desired}, ${phase}, ${status.get(novitaId)}`);
  }
});

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
