import { Chance } from './chance.js';
import type { Proof } from './proof.js';
import { ProofWorld } from './proof-world.js';

const PART = 0.1;

const ANY_CALL = [
  { kind: 'delay', delayMs: 300 },
  { kind: 'timeout-before' },
  { kind: 'timeout-after' },
  { kind: '500-before' },
  { kind: '500-after' },
  { kind: 'reset-before' },
  { kind: 'reset-after' },
  { kind: 'truncate' },
  { kind: 'html' },
  { kind: 'html-before' },
  { kind: 'empty' },
  { kind: '429' },
  { kind: '429', retryAfter: 1 },
].map((fault) => ({ endpoint: '*', ...fault }));

const SOME_CALLS = [
  { endpoint: 'create', kind: '400-after' },
  { endpoint: 'list', kind: 'partial-page' },
  { endpoint: 'get', kind: '404' },
  { endpoint: 'get', kind: 'wrapped' },
  { endpoint: 'delete', kind: '404' },
  { endpoint: 'delete', kind: '400-after' },
  { endpoint: 'delete', kind: 'delete-lies' },
];

/** Those of one endpoint come first, or the others would leave little for them. */
const LIES = [...SOME_CALLS, ...ANY_CALL].map((fault) => ({ ...fault, probability: PART }));

export interface LyingSize {
  readonly orders: number;
  /** Machines that ran before the lying began, and are taken back while it goes on. */
  readonly reclaims: number;
  /** Orders come over this time. */
  readonly orderingMs: number;
  /** Every second order is deleted at some time within this. */
  readonly deletedWithinMs: number;
  /** How much longer the lying may go on until there was a create call for each order that is still wanted. */
  readonly lyingOnAtMostMs: number;
}

export interface Struck {
  readonly creates: number;
  readonly deletes: number;
  readonly writesLiedAbout: number;
}

/** One account, two replicas, and an upstream that lies to them while they are given work. */
export class LyingWorld {
  private readonly chance: Chance;

  private constructor(
    readonly proofWorld: ProofWorld,
    private readonly proof: Proof,
    private readonly seed: number,
    readonly size: LyingSize,
  ) {
    this.chance = new Chance(seed);
  }

  static async start(proof: Proof, seed: number, size: LyingSize): Promise<LyingWorld> {
    const proofWorld = await ProofWorld.start({
      replicas: 2,
      env: {
        NOVITA_TIMEOUT_SECONDS: '2',
        NOVITA_CREATE_TIMEOUT_SECONDS: '2',
        // Several such worlds share a machine, and most of what they do is to list.
        LIFECYCLE_POLL_SECONDS: '4',
        QUEUE_TIMEOUT_SECONDS: '7200',
        // A hundred lost machines at once must not wait for each other when the lying ends.
        MIGRATION_MAX_CONCURRENT: '20',
        LOG_LEVEL: 'info',
      },
    });
    const { sandbox } = proofWorld.world;
    // Virtual seconds, of which 20 pass in a real one.
    await sandbox.control('/config', { listLagSeconds: [0, 30], getLagSeconds: [0, 10] });
    await sandbox.control('/stock', { count: 1_000_000 });
    return new LyingWorld(proofWorld, proof, seed, size);
  }

  stop(): Promise<void> {
    return this.proofWorld.stop();
  }

  /** @returns what was lied about, once the lying has ended. */
  async lie(): Promise<Struck> {
    const { sandbox } = this.proofWorld.world;
    const machines = await this.untilRunning(this.size.reclaims);
    await sandbox.control('/calls/reset', {});
    await sandbox.control('/faults', { seed: this.seed, faults: LIES });

    await Promise.all([this.orderAndDelete(), this.reclaimOneByOne(machines)]);
    await this.untilBought();
    const { counts, log } = await this.proofWorld.calls();
    await sandbox.control('/faults/clear', {});
    return {
      creates: counts['create'] ?? 0,
      deletes: counts['delete'] ?? 0,
      writesLiedAbout: log.filter(({ fault }) => fault !== null).length,
    };
  }

  /** An attempt is closed at the look after the one that found the instance running. */
  async migrated(withinMs: number): Promise<number> {
    const giveUpAt = Date.now() + withinMs;
    for (;;) {
      const migrated = await this.countMigrated();
      if (migrated === this.size.reclaims || Date.now() > giveUpAt) return migrated;
      await sleep(200);
    }
  }

  private async countMigrated(): Promise<number> {
    const { rows } = await this.proofWorld.pool.query<{ count: number }>(
      `SELECT count(DISTINCT instance_id)::int AS count FROM migration_attempts WHERE state = 'migrated'`,
    );
    return rows[0]?.count ?? 0;
  }

  private async untilRunning(count: number): Promise<string[]> {
    for (let index = 0; index < count; index += 1) await this.order();
    for (;;) {
      const { rows } = await this.proofWorld.pool.query<{ novita_id: string }>(
        `SELECT p.novita_id FROM instances i JOIN placements p ON p.id = i.current_placement_id WHERE i.phase = 'running'`,
      );
      if (rows.length === count) return rows.map((row) => row.novita_id);
      this.proof.progress(`${rows.length} of ${count} run`);
      await sleep(200);
    }
  }

  private async reclaimOneByOne(machines: readonly string[]): Promise<void> {
    for (const id of machines) {
      await this.proofWorld.world.sandbox.control(`/machines/${id}/reclaim`, {});
      await sleep(this.size.orderingMs / machines.length);
    }
  }

  /** Every second order is deleted a while later, wherever it has got to. */
  private async orderAndDelete(): Promise<void> {
    const { orders, orderingMs, deletedWithinMs } = this.size;
    const startedAt = Date.now();
    const deletes: Promise<unknown>[] = [];
    for (let index = 0; index < orders; index += 1) {
      await sleep(startedAt + (index * orderingMs) / orders - Date.now());
      const id = await this.order();
      const laterMs = this.chance.between(0, deletedWithinMs);
      if (id !== null && index % 2 === 0) deletes.push(sleep(laterMs).then(() => this.proofWorld.wish('delete', id)));
      this.proof.progress(`${index + 1} of ${orders} orders in each account`);
    }
    await Promise.all(deletes);
  }

  private async untilBought(): Promise<void> {
    const giveUpAt = Date.now() + this.size.lyingOnAtMostMs;
    for (;;) {
      const waiting = await this.countWithoutCreate();
      if (waiting === 0 || Date.now() > giveUpAt) return;
      this.proof.progress(`${waiting} orders of an account were not sent yet`);
      await sleep(500);
    }
  }

  private async countWithoutCreate(): Promise<number> {
    const { rows } = await this.proofWorld.pool.query<{ count: number }>(
      `SELECT count(*)::int AS count FROM instances i WHERE i.desired = 'running' AND i.phase <> 'failed'
         AND NOT EXISTS (SELECT FROM placements p WHERE p.instance_id = i.id AND p.state <> 'refused')`,
    );
    return rows[0]?.count ?? 0;
  }

  private order(): Promise<string | null> {
    return this.proofWorld.order({}, this.chance.pick(this.proofWorld.world.services));
  }
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, Math.max(0, ms)));
}
