import pg from 'pg';
import { anOrder } from '../builders/an-order.js';
import type { ServiceProcess } from '../support/service-process.js';
import { eventually, World, type WorldOptions } from '../support/world.js';
import { Judge } from './judge.js';

/** Of somebody else in the same account, among them names that look much like ours. */
const STRANGERS = [
  'training-7',
  'gpusvc-other-abcdef123456-training',
  'gpusvc-proof',
  'gpusvc-proofs-abcdef123456-x',
  'my-gpusvc-proof-abcdef123456-x',
  'GPUSVC-PROOF-abcdef123456-x',
];

export interface LoggedCall {
  readonly realAt: number;
  readonly endpoint: string;
  readonly id: string | null;
  readonly name: string | null;
  readonly outcome: string;
  readonly fault: string | null;
}

export interface Calls {
  readonly counts: Record<string, number>;
  readonly log: readonly LoggedCall[];
}

/** A world with a judge, with somebody else's machines in the account, and with a note of every order that was acknowledged. */
export class ProofWorld {
  readonly acknowledged = new Set<string>();
  /** Instances whose last acknowledged wish was to be deleted. */
  readonly deleted = new Set<string>();
  private orders = 0;

  private constructor(
    readonly world: World,
    readonly pool: pg.Pool,
    readonly judge: Judge,
    private readonly strangerIds: readonly string[],
  ) {}

  static async start(options: WorldOptions = {}): Promise<ProofWorld> {
    const env = { DEPLOYMENT_ID: 'proof', ...options.env };
    const world = await World.start({ ...options, env });
    const pool = new pg.Pool({ connectionString: world.database.url, max: 3 });
    pool.on('error', () => undefined);
    const { ids } = await world.sandbox.control<{ ids: string[] }>('/machines', { names: STRANGERS });
    return new ProofWorld(world, pool, new Judge(world.sandbox, pool), ids);
  }

  async stop(): Promise<void> {
    await this.pool.end();
    await this.world.stop();
  }

  get service(): ServiceProcess {
    return this.world.service;
  }

  /** The id once the order is acknowledged; null when it was not, whatever became of it. */
  async order(overrides: Record<string, unknown> = {}, service = this.service): Promise<string | null> {
    const name = `order-${(this.orders += 1)}`;
    const answer = await service
      .post<{ instanceId: string }>('/api/instances', anOrder({ name, ...overrides }))
      .catch(() => null);
    if (answer?.status !== 201) return null;
    this.acknowledged.add(answer.body.instanceId);
    return answer.body.instanceId;
  }

  /** True when the wish was acknowledged. */
  async wish(action: 'start' | 'stop' | 'restart' | 'delete', id: string, service = this.service): Promise<boolean> {
    const answer = await (
      action === 'delete'
        ? service.send('DELETE', `/api/instances/${id}`)
        : service.post(`/api/instances/${id}/${action}`)
    ).catch(() => null);
    const isTaken = answer !== null && answer.status < 300;
    if (isTaken && action === 'delete') this.deleted.add(id);
    return isTaken;
  }

  async idsIn(phase: string): Promise<string[]> {
    const { rows } = await this.pool.query<{ id: string }>('SELECT id FROM instances WHERE phase = $1 ORDER BY id', [
      phase,
    ]);
    return rows.map(({ id }) => id);
  }

  async untilPhase(id: string, phase: string, timeoutMs = 60_000): Promise<void> {
    await eventually(async () => (await this.phaseOf(id)) === phase, timeoutMs);
  }

  async phaseOf(id: string): Promise<string | null> {
    const { rows } = await this.pool.query<{ phase: string }>('SELECT phase FROM instances WHERE id = $1', [id]);
    return rows[0]?.phase ?? null;
  }

  async calls(endpoint?: string): Promise<Calls> {
    return this.world.sandbox.control<Calls>(endpoint === undefined ? '/calls' : `/calls?endpoint=${endpoint}`);
  }

  /** Acknowledged and yet not in the rows, or deleted by its user and yet not gone. */
  async brokenPromises(): Promise<string[]> {
    const { rows } = await this.pool.query<{ id: string; phase: string }>('SELECT id, phase FROM instances');
    const phases = new Map(rows.map(({ id, phase }) => [id, phase]));
    return [
      ...[...this.acknowledged].filter((id) => !phases.has(id)).map((id) => `${id} is lost`),
      ...[...this.deleted].filter((id) => phases.get(id) !== 'deleted').map((id) => `${id} is ${phases.get(id)}`),
    ];
  }

  async failures(): Promise<string[]> {
    const { rows } = await this.pool.query<{ id: string; reason_code: string }>(
      "SELECT id, reason_code FROM instances WHERE phase = 'failed'",
    );
    return rows.map(({ id, reason_code: code }) => `${id} ${code}`);
  }

  /** What was done to machines that are not ours; nothing may be. */
  async harmToStrangers(): Promise<string[]> {
    const [ledger, { log }] = await Promise.all([this.world.sandbox.ledger('?owner=someone-else'), this.calls()]);
    const running = new Set(ledger.exists.filter(({ status }) => status === 'running').map(({ id }) => id));
    const touched = new Set(log.flatMap(({ id }) => id ?? []));
    return this.strangerIds.filter((id) => !running.has(id) || touched.has(id));
  }
}
